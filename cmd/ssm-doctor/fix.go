package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/mend"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
)

// fixFlags are the flags of fix.
type fixFlags struct {
	from    string
	apply   bool
	yes     string
	offline bool
}

// fixer is what fix needs of the outside, and tests give.
type fixer struct {
	host     *mend.Host
	root     bool // runs as root
	terminal bool // somebody can be asked
	judge    func(context.Context) (*report.Report, *facts.Facts, error)
}

func newFixCmd(a *app) *cobra.Command {
	var c fixFlags
	cmd := &cobra.Command{
		Use:   "fix",
		Short: "Carry out steps of the remedy that can be undone",
		Long: "Examines this host and says which steps of the remedy this program can carry\n" +
			"out itself, what they cost and how they are undone. Nothing is changed without\n" +
			"--apply. It can do these, on Linux with systemd: start, restart and enable the\n" +
			"agent's service, take a name of an AWS endpoint out of the hosts file, remove a\n" +
			"route. It does nothing unless the cause is proven, and stops at the first step\n" +
			"that is done elsewhere or by hand.\n\n" +
			"With --apply it needs root, asks before each step, and writes what it does and\n" +
			"how to undo it to " + mend.StateDir + "/" + mend.LogFile + ". Without a terminal it\n" +
			"needs --yes with the id of the cause, and does nothing if it finds another one.\n" +
			"Environment variables set none of its flags. The exit code is that of check,\n" +
			"after what was done; 70 where a step failed, 130 where it was interrupted.",
		Example: "  ssm-doctor fix\n  sudo ssm-doctor fix --apply\n  ssm-doctor fix --apply --yes agent-service-stopped",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := c.real(a)
			if err != nil {
				return err
			}
			return c.run(cmd.Context(), a, f)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&c.from, "from", "", "say it for a facts `file` or bundle of collect; nothing can be applied then")
	fs.BoolVar(&c.offline, "offline", false, "send only to link-local addresses")
	fs.BoolVar(&c.apply, "apply", false, "do it, and ask before each step")
	fs.StringVar(&c.yes, "yes", "", "with --apply: do not ask, if this `cause` is the one that is found")
	return cmd
}

// real is the host that this program runs on.
func (c *fixFlags) real(a *app) (fixer, error) {
	in, tty := a.in.(*os.File)
	if tty {
		tty, _ = report.Terminal(in)
	}
	f := fixer{host: mend.This(), root: os.Geteuid() == 0, terminal: tty && a.errTerminal() != nil}
	if c.from != "" {
		f.judge = func(context.Context) (*report.Report, *facts.Facts, error) {
			x, err := a.readFacts(c.from, false)
			if err != nil {
				return nil, nil, err
			}
			return engine.Judge(x, engine.Options{}), x, nil
		}
		return f, nil
	}
	t := target{root: "/", offline: c.offline}
	f.judge = func(ctx context.Context) (*report.Report, *facts.Facts, error) {
		env, err := t.environment(false)
		if err != nil {
			return nil, nil, err
		}
		show := a.progress(output{format: "text"})
		r, x := engine.Run(ctx, env, engine.Options{Progress: show.sources, Log: a.logger(false)})
		show.erase()
		return r, x, nil
	}
	return f, nil
}

func (c *fixFlags) run(ctx context.Context, a *app, f fixer) error {
	switch {
	case c.yes != "" && !c.apply:
		return usagef("--yes is for --apply")
	case c.apply && c.from != "":
		return usagef("--apply changes this host; it takes no --from")
	case c.apply && f.host == nil:
		return usagef("on %s this program changes nothing: do what check prints by hand", runtime.GOOS)
	case c.apply && !f.root:
		return usagef("--apply needs root")
	case c.apply && c.yes == "" && !f.terminal:
		return usagef("there is no terminal to ask on: --yes CAUSE names the cause whose steps may be done")
	}
	r, x, err := f.judge(ctx)
	if err != nil {
		return err
	}
	if c.apply && c.yes != "" && (r.RootCause == nil || r.RootCause.ID != c.yes) {
		fmt.Fprintf(a.err, "ssm-doctor: nothing was changed: %s, not %s\n", report.Printable(causeFound(r)), report.Printable(c.yes))
		return verdictOf(r)
	}
	w := mend.Of(x, r)
	a.fixTold(a.shownReport(r), w, c.apply)
	if !c.apply || r.Interrupted || len(w.Do) == 0 {
		return verdictOf(r)
	}
	done, failed := c.each(ctx, a, f, w.Do)
	interrupted := ctx.Err() != nil
	if len(done) == 0 {
		fmt.Fprintln(a.out, "\nNothing was changed.")
		switch {
		case interrupted:
			return &exitError{code: exitInterrupted}
		case failed != nil:
			return &exitError{exitInternal, failed}
		}
		return verdictOf(r)
	}
	fmt.Fprintf(a.out, "\nTo undo, last first (also in %s/%s):\n", report.Printable(f.host.State), mend.LogFile)
	undone := false
	for i := len(done) - 1; i >= 0; i-- {
		if u := done[i].Undo; u != "" {
			fmt.Fprintf(a.out, "  %s\n", report.Printable(u))
			undone = true
		}
	}
	if !undone {
		fmt.Fprintln(a.out, "  nothing is left to undo")
	}
	switch {
	case interrupted:
		return &exitError{exitInterrupted, errors.New("interrupted; what comes after was not done")}
	case failed != nil:
		return &exitError{exitInternal, failed}
	}
	after, _, err := f.judge(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\nNow %s: %s\n", after.State, report.Printable(a.shownReport(after).Summary.String()))
	if w.Left > 0 {
		fmt.Fprintf(a.out, "Go on by hand with step %d.\n", w.Left)
	}
	if after.State != report.Managed {
		fmt.Fprintln(a.out, "An agent that was just started needs some minutes: ssm-doctor check --wait 5m")
	}
	return verdictOf(after)
}

// each does one thing after another, up to the first that is refused or fails.
func (c *fixFlags) each(ctx context.Context, a *app, f fixer, list []mend.Action) (done []mend.Done, err error) {
	in := bufio.NewReader(a.in)
	for _, x := range list {
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		if c.yes == "" {
			fmt.Fprintf(a.err, "\n%s? It costs: %s. [y/N] ", report.Printable(upperFirst(x.Says())), report.Printable(x.Costs()))
			answer, err := answered(ctx, in)
			if ctx.Err() != nil {
				fmt.Fprintln(a.err)
				return done, ctx.Err()
			}
			if said := strings.ToLower(strings.TrimSpace(answer)); said != "y" && said != "yes" {
				if err != nil {
					fmt.Fprintln(a.err)
				}
				return done, nil // what comes after builds on it
			}
		}
		d, err := f.host.Apply(ctx, x)
		if err != nil {
			if d.Begun {
				done = append(done, d) // it may be done in part
			}
			return done, err
		}
		done = append(done, d)
		fmt.Fprintf(a.out, "done: %s\n", report.Printable(x.Says()))
	}
	return done, nil
}

// answered reads a line, or returns when it is interrupted.
func answered(ctx context.Context, in *bufio.Reader) (line string, err error) {
	got := make(chan struct{})
	var read string
	var failed error
	go func() {
		read, failed = in.ReadString('\n')
		close(got)
	}()
	select {
	case <-got:
		return read, failed
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// fixTold says what would be done, or is about to be.
func (a *app) fixTold(r *report.Report, w mend.Work, apply bool) {
	out := func(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }
	out("%s: %s", strings.ToUpper(strings.ReplaceAll(r.State, "-", " ")), report.Printable(r.Summary.String()))
	if r.RootCause == nil {
		out("\nThere is no remedy to carry out.")
		return
	}
	step := 0
	for _, x := range w.Do {
		if x.Step != step {
			step = x.Step
			// What follows a semicolon is of the command that is not run here, such as its copy.
			says, _, _ := strings.Cut(firstLine(stepText(r, step)), ";")
			out("\n%d %s", step, report.Printable(says))
		}
		out("  does   %s", report.Printable(x.Says()))
		out("  costs  %s", report.Printable(x.Costs()))
		out("  undo   %s", report.Printable(x.Undoing()))
	}
	if w.Left > 0 {
		out("\n%d %s", w.Left, report.Printable(firstLine(stepText(r, w.Left))))
		out("  not done by this program: %s", w.Why)
	}
	switch {
	case len(w.Do) == 0:
		out("\nThis program can do none of it. ssm-doctor -v has the steps.")
	case !apply:
		out("\nNothing was changed. To do it: ssm-doctor fix --apply, as root")
	}
}

// stepText is what a step says, by its number among those that are not alternatives.
func stepText(r *report.Report, number int) string {
	n := 0
	for _, s := range r.RootCause.Fix {
		if s.Alternative {
			continue
		}
		if n++; n == number {
			return s.Text.String()
		}
	}
	return ""
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func causeFound(r *report.Report) string {
	if r.RootCause == nil {
		return "no cause was found"
	}
	return "the cause is " + r.RootCause.ID
}

// shownReport is a report as it is printed here: without secrets, and with names on a
// terminal only.
func (a *app) shownReport(r *report.Report) *report.Report {
	if (&output{format: "text"}).hidesNames(a) {
		return report.Redact(r)
	}
	return report.Strip(r)
}

// verdictOf is the exit code of check for a report.
func verdictOf(r *report.Report) error {
	c := checkFlags{failOn: "not-managed"}
	return c.verdict(r)
}
