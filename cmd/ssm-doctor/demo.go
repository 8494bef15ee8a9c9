package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

func newDemoCmd(a *app) *cobra.Command {
	var c checkFlags
	var list, lift bool
	cmd := &cobra.Command{
		Use:   "demo [NAME]",
		Short: "Examine a simulated host, to see what a report looks like",
		Long: "Brings up a simulated host with its metadata service and AWS endpoints on\n" +
			"loopback, examines it as check examines a real one, and prints the report. It\n" +
			"needs no AWS account, no privilege and no network. Without a name it shows\n" +
			sim.DefaultDemo + ".",
		Example: "  ssm-doctor demo --list\n  ssm-doctor demo tls-interceptor\n  ssm-doctor demo healthy-profile -o prometheus",
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return listDemos(a.out)
			}
			if len(args) > 1 {
				return usagef("demo takes one name, got %q", args)
			}
			name := sim.DefaultDemo
			if len(args) == 1 {
				name = args[0]
			}
			return c.demo(cmd, a, name, lift)
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return beginning(begun, demoChoices()), cobra.ShellCompDirectiveNoFileComp
		},
	}
	fs := cmd.Flags()
	c.output.flags(fs)
	c.profile, c.timeout = "node", engine.DefaultBudget
	fs.StringVar(&c.failOn, "fail-on", "not-managed", "`when` the exit code is not 0: not-managed, warning, never")
	fs.BoolVar(&c.plan, "plan", false, "also say what the steps would make of the node")
	fs.BoolVar(&list, "list", false, "list the demos and end")
	fs.BoolVar(&lift, "lift", false, "repair the host first, to see the report afterwards")
	for flag, values := range map[string][]string{"fail-on": {"not-managed", "warning", "never"}, "output": formats()} {
		_ = cmd.RegisterFlagCompletionFunc(flag, choices(values))
	}
	return cmd
}

func (c *checkFlags) demo(cmd *cobra.Command, a *app, name string, lift bool) error {
	if err := a.fromEnvironment(cmd); err != nil {
		return err
	}
	if err := c.validate(); err != nil {
		return err
	}
	h, err := demoHost(name)
	if err != nil {
		return err
	}
	defer h.Close()
	if lift {
		if err := h.Lift(); err != nil {
			return &exitError{exitInternal, err}
		}
	}
	r, err := c.demoReport(cmd.Context(), a, h)
	if err != nil {
		return err
	}
	if err := c.write(a, r); err != nil {
		return err
	}
	return c.verdict(r)
}

// demoReport examines a simulated host.
func (c *checkFlags) demoReport(ctx context.Context, a *app, h *sim.Host) (*report.Report, error) {
	env := h.Env()
	env.Version = versionString()
	env.UserAgent = "ssm-doctor/" + env.Version
	show := a.progress(c.output)
	r, f := engine.Run(ctx, env, engine.Options{Budget: c.timeout, Log: a.logger(c.verbose), Progress: show.sources})
	show.erase()
	return r, c.planFor(f, r, engine.Options{})
}

// demoHost brings up a demo, or complains about its name.
func demoHost(name string) (*sim.Host, error) {
	known := false
	for _, n := range sim.Names() {
		known = known || n == name
	}
	if !known {
		return nil, usagef("no demo %q%s; demo --list shows all", name, didYouMean(name, sim.Names(), ""))
	}
	h, err := sim.New(name)
	if err != nil {
		return nil, &exitError{exitInternal, err}
	}
	return h, nil
}

func demoChoices() []string {
	var out []string
	for _, d := range sim.Demos() {
		out = append(out, d.Name+"\t"+d.Title)
	}
	return out
}

func listDemos(w io.Writer) error {
	for _, d := range sim.Demos() {
		if _, err := fmt.Fprintf(w, "%-24s %s\n", d.Name, d.Title); err != nil {
			return err
		}
	}
	return nil
}
