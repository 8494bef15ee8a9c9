package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/fleet"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/outside"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/text"
)

// outsideFlags are the flags of outside.
type outsideFlags struct {
	target  outside.Target
	from    []string
	file    string
	script  bool
	policy  bool
	redact  bool
	names   bool
	timeout time.Duration
}

func newOutsideCmd(a *app) *cobra.Command {
	var o outsideFlags
	cmd := &cobra.Command{
		Use:   "outside",
		Short: "Ask AWS what a host cannot see, with your own credentials",
		Long: "Asks AWS with the AWS CLI and your own credentials for what no host can see:\n" +
			"what the service says of the node, Default Host Management, policies, boundary\n" +
			"and trust of the role, service control policies, VPC endpoints, groups, routes,\n" +
			"network ACLs, metadata options. It only reads, prints what it finds of each\n" +
			"node, and writes one file for check --outside. A call that is refused is noted\n" +
			"as unknown, and the rest goes on. The file holds what is judged, without tags,\n" +
			"and names unless --redact is given; what is printed shows them on a terminal\n" +
			"only, or with --no-redact.\n\n" +
			"--script prints a shell script that makes the same calls with only the\n" +
			"AWS CLI, for CloudShell; --policy prints the least that the calls need.\n\n" +
			"Exit code: 0 when a call was answered, whatever it says; 3 when none was.",
		Example: "  ssm-doctor outside --region eu-central-1 --instance ID -f out.json\n" +
			"  ssm-doctor outside --region eu-central-1 --tag env=prod --script > outside.sh\n" +
			"  ssm-doctor check --from facts.json --outside out.json",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd, a) },
	}
	fs := cmd.Flags()
	fs.StringVar(&o.target.Region, "region", "", "`region` of the nodes (default: that of --from, else AWS_REGION)")
	fs.StringSliceVar(&o.target.IDs, "instance", nil, "`ids` of nodes: i-… or mi-…")
	fs.StringArrayVar(&o.from, "from", nil, "nodes of the reports or facts in these `files`")
	fs.StringVar(&o.target.Tag, "tag", "", "instances with this tag, as `KEY=VALUE`")
	fs.BoolVar(&o.target.All, "all", false, "all running instances and hybrid nodes of the account and Region")
	fs.StringVarP(&o.file, "file", "f", "", "write the answers to this `file`; - is standard output")
	fs.BoolVar(&o.script, "script", false, "print a shell script that makes the calls")
	fs.BoolVar(&o.policy, "policy", false, "print the smallest IAM policy for the calls")
	fs.BoolVar(&o.redact, "redact", false, "replace names, account numbers and addresses in the file and in what is printed")
	fs.BoolVar(&o.names, "no-redact", false, "print names, account numbers and addresses into a pipe too")
	fs.DurationVar(&o.timeout, "timeout", 10*time.Minute, "longest `duration` of all calls")
	return cmd
}

func (o *outsideFlags) run(cmd *cobra.Command, a *app) error {
	if err := a.fromEnvironment(cmd); err != nil {
		return err
	}
	if o.policy {
		_, err := fmt.Fprintln(a.out, outside.MinimalPolicy())
		return err
	}
	others := map[string]int{}
	for _, name := range o.from {
		t := fleet.NewTable()
		if err := a.readFleet(cmd, t, []string{name}, (&summaryFlags{}).judge()); err != nil {
			return err
		}
		for _, l := range t.Summarize(fleet.Options{Now: time.Now()}).List {
			if o.target.Region == "" {
				o.target.Region = l.Region
			}
			switch {
			case l.Region != "" && l.Region != o.target.Region:
				others[l.Region]++
			case outside.ValidID(l.Node):
				o.target.IDs = append(o.target.IDs, l.Node)
			}
		}
	}
	for _, region := range slices.Sorted(maps.Keys(others)) {
		fmt.Fprintf(a.err, "ssm-doctor: %d reports of %s are left out: ask with --region %s\n", others[region], report.Printable(region), report.Printable(region))
	}
	for _, v := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if o.target.Region == "" {
			o.target.Region = a.getenv(v)
		}
	}
	if err := o.validate(); err != nil {
		return err
	}
	if o.script {
		_, err := io.WriteString(a.out, outside.Script(o.target))
		return err
	}
	program, err := exec.LookPath("aws")
	if err != nil {
		return &exitError{exitUnknown, errors.New("the AWS CLI (aws) is not on PATH; outside --script prints what to run where it is, such as in CloudShell")}
	}
	ctx, done := context.WithTimeout(cmd.Context(), o.timeout)
	defer done()
	n := 0
	f := outside.Collect(ctx, func(ctx context.Context, args ...string) ([]byte, []byte, error) {
		n++
		if tty, ok := a.err.(*os.File); ok {
			if is, _ := report.Terminal(tty); is {
				fmt.Fprintf(a.err, "\r\x1b[Kasking AWS: call %d, %s %s", n, args[0], args[1])
			}
		}
		return runAWS(ctx, program, args...)
	}, o.target, time.Now(), versionString())
	if tty, ok := a.err.(*os.File); ok {
		if is, _ := report.Terminal(tty); is {
			fmt.Fprint(a.err, "\r\x1b[K")
		}
	}
	if cmd.Context().Err() != nil {
		return &exitError{exitInterrupted, errors.New("interrupted")}
	}
	answered := 0
	for _, x := range f.Answers {
		if x.Error == "" {
			answered++
		}
	}
	v, shown := outside.ViewOf(f), output{format: "text", redact: o.redact, noRedact: o.names}
	if o.redact {
		if f, err = outside.Redact(f); err != nil {
			return &exitError{exitInternal, err}
		}
	}
	if o.file != "" {
		if err := a.create(o.file, func(w io.Writer) error { return report.WriteJSON(w, f, " ") }); err != nil {
			return err
		}
	}
	if o.file != "-" {
		if err := o.print(a, v, shown.hidesNames(a)); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.err, "%d of %d calls were answered\n", answered, len(f.Answers)+f.NotAsked)
	for _, l := range v.Limits() {
		fmt.Fprintf(a.err, "not whole: %s\n", l)
	}
	if answered == 0 {
		return &exitError{code: exitUnknown}
	}
	return nil
}

func (o *outsideFlags) validate() error {
	if o.redact && o.names {
		return usagef("--redact and --no-redact exclude each other")
	}
	if err := config.CheckRegion(o.target.Region); err != nil || o.target.Region == "" {
		return usagef("outside needs --region: instances are asked for in their own")
	}
	ways := 0
	for _, on := range []bool{len(o.target.IDs) > 0, o.target.Tag != "", o.target.All} {
		if on {
			ways++
		}
	}
	if ways != 1 {
		return usagef("outside takes one of --instance or --from, --tag and --all")
	}
	for _, id := range o.target.IDs {
		if !outside.ValidID(id) {
			return usagef("%q is not the id of a node: i-… or mi-…", id)
		}
	}
	if len(o.target.IDs) > outside.MaxInstances {
		return usagef("%d nodes are more than the %d of one run", len(o.target.IDs), outside.MaxInstances)
	}
	if t := o.target.Tag; t != "" {
		if key, value, ok := strings.Cut(t, "="); !ok || key == "" || strings.Contains(t, ",") || strings.ContainsFunc(t, unicode.IsControl) || value == "" {
			return usagef("--tag takes KEY=VALUE without commas and control characters")
		}
	}
	return nil
}

// print says what was found of each node; without names where hide is set.
func (o *outsideFlags) print(a *app, v *outside.View, hide bool) error {
	nodes := v.Nodes()
	for i, id := range nodes {
		if len(nodes) > 20 && i == 20 {
			_, err := fmt.Fprintf(a.out, "… and %d more nodes: -f FILE holds all; ssm-doctor outside --instance ID shows one\n", len(nodes)-20)
			return err
		}
		r := outside.Alone(v, id, versionString())
		if hide {
			here, err := gather.Host("/")
			if err != nil {
				return &exitError{exitInternal, err}
			}
			r.Pseudonyms = gather.PseudonymKey(here)
			r = report.Redact(r)
		}
		if err := report.Write(a.out, "text", r, a.style(a.out, "auto", "auto")); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(a.out); err != nil {
			return err
		}
	}
	return nil
}

// maxCLIOutput bounds what is taken of one call.
const maxCLIOutput = 8 << 20

// runAWS runs one call of the AWS CLI, which retries what is throttled. No shell is
// between them.
func runAWS(ctx context.Context, program string, args ...string) ([]byte, []byte, error) {
	ctx, done := context.WithTimeout(ctx, time.Minute)
	defer done()
	c := exec.CommandContext(ctx, program, args...)
	var stdout, stderr limited
	stdout.max, stderr.max = maxCLIOutput, 64<<10
	c.Stdout, c.Stderr = &stdout, &stderr
	c.Env = append(os.Environ(), "AWS_PAGER=", "AWS_RETRY_MODE=standard", "AWS_MAX_ATTEMPTS=5", "AWS_CLI_AUTO_PROMPT=off")
	c.WaitDelay = time.Second
	err := c.Run()
	return stdout.Bytes(), stderr.Bytes(), err
}

// limited keeps the first bytes of what is written.
type limited struct {
	bytes.Buffer
	max int
}

func (l *limited) Write(p []byte) (int, error) {
	if room := l.max - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

// outsideOf reads a file of outside.
func (a *app) outsideOf(name string) (*outside.View, error) {
	b, err := a.readInput(name, outside.MaxFile)
	if err != nil {
		return nil, err
	}
	f, err := outside.Parse(b)
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	return outside.ViewOf(f), nil
}

// withOutside adds what an operator's file says to a report.
func (a *app) withOutside(r *report.Report, v *outside.View) {
	if v == nil {
		return
	}
	if !outside.Merge(r, v) {
		fmt.Fprintf(a.err, "the file of --outside does not hold %s\n", report.Printable(text.Or(r.Node.ID, "this host, whose id is not known")))
		for _, l := range v.Limits() {
			fmt.Fprintf(a.err, "  %s\n", l)
		}
	}
}
