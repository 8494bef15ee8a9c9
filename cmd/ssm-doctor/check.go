package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/bundle"
	"ssm-doctor/agent/daemon"
	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/awsapi"
	"ssm-doctor/agent/outside"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/logline"
)

// checkFlags are the flags of check.
type checkFlags struct {
	target
	output
	only, skip []string
	list       bool
	timeout    time.Duration
	wait       time.Duration
	every      time.Duration
	failOn     string
	profile    string
	textfile   string
	outside    string
	plan       bool
}

func newCheckCmd(a *app) *cobra.Command {
	var c checkFlags
	cmd := &cobra.Command{
		Use:   "check [ID...]",
		Short: "Examine this host and name the one cause, with its remedy",
		Long:  "Examines this host and prints the verdict, the one cause and what fixes it.\nArguments are ids of checks or groups to run; all run without.",
		Example: "  ssm-doctor check\n" +
			"  ssm-doctor check -o json | jq .root_cause\n" +
			"  ssm-doctor check --profile image --root /mnt/image",
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Name() == "check" {
				c.only = append(c.only, args...)
			}
			return c.run(cmd, a)
		},
		ValidArgsFunction: func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			return beginning(begun, checkChoices()), cobra.ShellCompDirectiveNoFileComp
		},
	}
	fs := cmd.Flags()
	c.target.flags(fs)
	c.output.flags(fs)
	fs.StringSliceVar(&c.only, "only", nil, "run only these checks or groups, by `ids` with commas; * allowed")
	fs.StringSliceVar(&c.skip, "skip", nil, "leave out these checks or groups, by `ids` with commas; * allowed")
	fs.BoolVar(&c.list, "list", false, "list the checks and end")
	durationVar(fs, &c.timeout, "timeout", engine.DefaultBudget, "longest `duration` of a run")
	durationVar(fs, &c.wait, "wait", 0, "repeat until managed, at most for this `duration`")
	durationVar(fs, &c.every, "every", 0, "run again after each `duration`, until interrupted")
	fs.StringVar(&c.failOn, "fail-on", "not-managed", "`when` the exit code is not 0: not-managed, warning, never")
	fs.StringVar(&c.profile, "profile", "node", "`what` to test: node, or image (nothing of a node may be left in it)")
	fs.StringVar(&c.outside, "outside", "", "also judge what an operator's `file` says, written by outside")
	fs.BoolVar(&c.plan, "plan", false, "also say what the steps would make of this node, and change nothing")
	fs.StringVar(&c.textfile, "textfile", "", "also write metrics to this `file` for node_exporter")
	for flag, values := range map[string][]string{"fail-on": {"not-managed", "warning", "never"}, "profile": {"node", "image"}, "color": {"auto", "always", "never"}, "probe": awsapi.ProbeFamilies} {
		_ = cmd.RegisterFlagCompletionFunc(flag, choices(values))
	}
	for flag, values := range map[string]func() []string{"output": formats, "only": checkChoices, "skip": checkChoices, "feature": featureChoices} {
		_ = cmd.RegisterFlagCompletionFunc(flag, choicesOf(values))
	}
	return cmd
}

// choices completes the value of a flag, the last one of a list with commas.
func choices(values []string) cobra.CompletionFunc {
	return choicesOf(func() []string { return values })
}

// choicesOf does the same of values that are made only when a shell asks for them.
func choicesOf(values func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		i := strings.LastIndexByte(begun, ',') + 1
		out := beginning(begun[i:], values())
		for j := range out {
			out[j] = begun[:i] + out[j]
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// beginning are the values that begin so.
func beginning(begun string, values []string) []string {
	var out []string
	for _, v := range values {
		if strings.HasPrefix(v, begun) {
			out = append(out, v)
		}
	}
	return out
}

func (c *checkFlags) run(cmd *cobra.Command, a *app) error {
	if err := a.fromEnvironment(cmd); err != nil {
		return err
	}
	if err := c.validate(); err != nil {
		return err
	}
	if c.list {
		return listChecks(a.out)
	}
	ctx := cmd.Context()
	judge, err := c.runner(a)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(c.wait)
	for {
		r, err := judge(ctx)
		if err != nil {
			return err
		}
		settled := r.State == report.Managed || r.State == report.Degraded
		waiting := c.wait > 0 && !settled && time.Now().Before(deadline) && ctx.Err() == nil
		shown := !waiting || c.every > 0
		if shown {
			if c.every > 0 {
				c.stamp(a, r)
			}
			if err := c.print(a, r); err != nil {
				return err
			}
		}
		pause := c.every
		if pause == 0 && waiting {
			pause = min(5*time.Second, time.Until(deadline))
		}
		if pause == 0 {
			return c.verdict(r)
		}
		left := time.Time{}
		if c.wait > 0 {
			left = deadline
		}
		if !a.pause(ctx, c.output, r, pause, left) {
			if !shown {
				if err := c.print(a, r); err != nil {
					return err
				}
			}
			return &exitError{code: exitInterrupted}
		}
	}
}

// stamp parts the reports that --every prints: a terminal is cleared, and both have the
// time of the report.
func (c *checkFlags) stamp(a *app, r *report.Report) {
	if !slices.Contains([]string{"text", "short", "wide"}, c.format) || c.quiet || c.file != "" && c.file != "-" {
		return
	}
	at := r.GeneratedAt.UTC().Format("2006-01-02 15:04:05 UTC")
	if c.onTerminal(a) {
		fmt.Fprintf(a.out, "%severy %s, last at %s; Ctrl-C ends\n\n", clearAll, c.every, at)
		return
	}
	fmt.Fprintf(a.out, "--- %s\n", at)
}

// print writes the report where the flags say.
func (c *checkFlags) print(a *app, r *report.Report) error {
	if err := c.write(a, r); err != nil {
		return err
	}
	return c.writeTextfile(r)
}

// runner makes the function that yields a report: of this host, of another
// root, or of a facts file.
func (c *checkFlags) runner(a *app) (func(context.Context) (*report.Report, error), error) {
	o := engine.Options{Budget: c.timeout, Only: c.only, Skip: c.skip, Log: a.logger(c.verbose)}
	var out *outside.View
	if c.outside != "" {
		var err error
		if out, err = a.outsideOf(c.outside); err != nil {
			return nil, err
		}
	}
	if c.profile == "image" {
		o.Profile = checks.ProfileImage
	}
	if fi, err := os.Stat(c.from); c.from != "" && err == nil && fi.IsDir() {
		return c.replayer(a, o, out)
	}
	if c.from != "" {
		f, err := a.readFacts(c.from, c.noRedact)
		if err != nil {
			return nil, err
		}
		f.Asked = append(f.Asked, c.features...)
		return func(context.Context) (*report.Report, error) {
			r := engine.Judge(f, o)
			r.CheckedFrom = c.from
			a.withOutside(r, out)
			return r, c.planFor(f, r, o)
		}, nil
	}
	env, err := c.environment(c.noRedact)
	if err != nil {
		return nil, err
	}
	o.Waves = engine.Waves{SkipNetwork: !env.Live}
	o.Gathered = daemon.Trim // of the code that gathered, nothing is needed any more
	return func(ctx context.Context) (*report.Report, error) {
		show := a.progress(c.output)
		o.Progress = show.sources
		r, f := engine.Run(ctx, env, o)
		show.erase()
		a.withOutside(r, out)
		return r, c.planFor(f, r, o)
	}, nil
}

// replayer judges a recorded host.
func (c *checkFlags) replayer(a *app, o engine.Options, out *outside.View) (func(context.Context) (*report.Report, error), error) {
	env, f, err := a.readRecording(c.from)
	if err != nil {
		return nil, err
	}
	env.Version, env.Features = versionString(), c.features
	o.Recorded, o.Waves = f, engine.Waves{SkipNetwork: !env.Live}
	return func(ctx context.Context) (*report.Report, error) {
		r, f := engine.Run(ctx, env, o)
		r.CheckedFrom = c.from
		a.withOutside(r, out)
		return r, c.planFor(f, r, o)
	}, nil
}

// planFor adds what the steps would make of the node, where that was asked for.
func (c *checkFlags) planFor(f *facts.Facts, r *report.Report, o engine.Options) error {
	if !c.plan || r.Interrupted {
		return nil
	}
	p, err := engine.Plan(f, r, o)
	if err != nil {
		return &exitError{exitInternal, err}
	}
	r.Plan = p
	return nil
}

func (c *checkFlags) validate() error {
	if err := c.output.validate(); err != nil {
		return err
	}
	if err := c.target.validate(); err != nil {
		return err
	}
	if err := oneOf("--fail-on", c.failOn, "not-managed", "warning", "never"); err != nil {
		return err
	}
	if err := oneOf("--profile", c.profile, "node", "image"); err != nil {
		return err
	}
	if c.plan && (c.profile == "image" || len(c.only)+len(c.skip) > 0) {
		return usagef("--plan judges a node by all checks: it takes no --profile image, --only or --skip")
	}
	if c.timeout <= 0 || c.wait < 0 || c.every < 0 {
		return usagef("--timeout, --wait and --every must be positive")
	}
	ids := append(checkIDs(), causes.Groups...)
	for _, p := range append(append([]string{}, c.only...), c.skip...) {
		hit := false
		for _, k := range checks.All() {
			hit = hit || engine.Selected(k, []string{p}, nil)
		}
		if !hit {
			return usagef("no check or group %q%s; check --list shows all", p, didYouMean(p, ids, ""))
		}
	}
	return nil
}

// verdict is the exit code of a finished run.
func (c *checkFlags) verdict(r *report.Report) error {
	code := exitUnknown
	switch r.State {
	case report.Managed:
		code = exitManaged
	case report.Degraded:
		code = exitManaged
		if c.failOn == "warning" || (c.format == "nagios" || c.quiet) && c.failOn != "never" { // monitoring plugins warn by 1
			code = exitDegraded
		}
	case report.NotManaged:
		code = exitNotManaged
	}
	if c.failOn == "never" {
		code = exitManaged
	}
	if r.Interrupted {
		code = exitInterrupted
	}
	if code == exitManaged {
		return nil
	}
	return &exitError{code: code}
}

func checkIDs() []string {
	var ids []string
	for _, c := range checks.All() {
		ids = append(ids, c.ID)
	}
	return ids
}

// checkChoices are the ids that a shell completes for check, with what they mean.
func checkChoices() []string {
	var out []string
	for _, c := range checks.All() {
		out = append(out, c.ID+"\t"+c.Title)
	}
	for _, g := range causes.Groups {
		out = append(out, g+"\tthe checks of this group")
	}
	return out
}

func featureChoices() []string {
	var out []string
	for _, f := range iam.Features() {
		out = append(out, f.ID+"\t"+f.Title)
	}
	return out
}

func listChecks(w io.Writer) error {
	group := ""
	for _, c := range checks.All() {
		if c.Group != group {
			group = c.Group
			if _, err := fmt.Fprintln(w, report.GroupName(group)); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "  %-26s %s\n", c.ID, c.Title); err != nil {
			return err
		}
	}
	return nil
}

func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return usagef("%s must be one of %s, not %q%s", flag, strings.Join(allowed, ", "), value, didYouMean(value, allowed, ""))
}

// readFacts reads a facts file, or standard input for "-". whole keeps the lines of
// logs in it as they are.
func (a *app) readFacts(name string, whole bool) (*facts.Facts, error) {
	b, err := a.readInput(name, facts.MaxFileBytes)
	if err != nil {
		return nil, err
	}
	return a.parseFacts(name, b, whole)
}

// parseFacts takes facts, or a bundle with facts in it.
func (a *app) parseFacts(name string, b []byte, whole bool) (*facts.Facts, error) {
	if bundle.Is(b) {
		in, err := bundle.Facts(b)
		if err != nil {
			return nil, usagef("%s: %w", name, err)
		}
		b = in
	}
	f, err := facts.Parse(b)
	if err == nil {
		if whole {
			logline.WholeFacts(f)
		} else {
			logline.ShownFacts(f)
		}
		here, err := gather.Host("/")
		if err != nil {
			return nil, &exitError{exitInternal, err}
		}
		f.Pseudonyms = gather.PseudonymKey(here)
		return f, nil
	}
	var head struct{ Schema string }
	if json.Unmarshal(b, &head) == nil && strings.HasPrefix(head.Schema, path.Dir(facts.Schema)+"/v") && head.Schema != facts.Schema {
		return nil, usagef("%s was collected by another release of ssm-doctor, in the form %q; this one reads %q. Collect it again with this release", name, head.Schema, facts.Schema)
	}
	return nil, usagef("%s is %w", name, err)
}

// writeTextfile writes the metrics of a report for node_exporter, if asked for.
func (c *checkFlags) writeTextfile(r *report.Report) error {
	if c.textfile == "" || r.Interrupted {
		return nil
	}
	if err := export.WriteTextfile(c.textfile, export.OneRun(r), export.Options{}); err != nil {
		if errors.Is(err, export.ErrName) {
			return usagef("--textfile: %w", err)
		}
		return &exitError{exitInternal, err}
	}
	return nil
}
