package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/bundle"
	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/gather/agentlog"
	"ssm-doctor/agent/report"
)

// newCollectCmd writes the facts of this host, for a ticket or for check --from.
func newCollectCmd(a *app) *cobra.Command {
	var (
		t        target
		file     string
		archive  string
		noRedact bool
		timeout  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "collect",
		Short: "Write what can be seen of this host as redacted JSON",
		Long: "Writes the facts of this host as JSON, redacted, for a ticket or for\ncheck --from elsewhere. Keys, tokens, activation codes and proxy passwords are\nnever part of it.\n\n" +
			"--bundle writes one archive (tar.gz) for support instead: the report as text,\npage and JSON, the facts, the ends of the agent's logs, and a list of what is\nin it and of what was left out. check --from judges it as well.",
		Example: "  ssm-doctor collect -f facts.json\n" +
			"  ssm-doctor collect --bundle case.tar.gz\n" +
			"  ssm-doctor check --from case.tar.gz",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.fromEnvironment(cmd); err != nil {
				return err
			}
			if t.from != "" {
				return usagef("collect takes no --from")
			}
			if archive != "" && file != "-" {
				return usagef("--bundle names its own file: it does not go with --file")
			}
			if timeout <= 0 {
				return usagef("--timeout must be positive")
			}
			env, err := t.environment(noRedact)
			if err != nil {
				return err
			}
			f := engine.Collect(cmd.Context(), env, engine.Options{Budget: timeout, Log: a.logger(false), Waves: engine.Waves{SkipNetwork: !env.Live}})
			if archive != "" {
				return a.bundle(cmd.Context(), archive, bundle.Input{Report: engine.Judge(f, engine.Options{}), Facts: f, Logs: agentlog.Tails(cmd.Context(), env), Redact: !noRedact, Now: env.Now()})
			}
			if !noRedact {
				f = report.RedactFacts(f)
			} else {
				f = report.StripFacts(f)
			}
			fmt.Fprintln(a.err, "in it: host, agent, registration (no keys), metadata, credentials (no secrets), network, permissions, log matches")
			err = a.create(file, func(w io.Writer) error {
				return report.WriteJSON(w, f, " ")
			})
			if err == nil && cmd.Context().Err() != nil {
				err = &exitError{exitInterrupted, errors.New("interrupted, incomplete")}
			}
			return err
		},
	}
	fs := cmd.Flags()
	t.flags(fs)
	_ = fs.MarkHidden("from")
	fs.StringVarP(&file, "file", "f", "-", "write to this `file` instead of standard output")
	fs.StringVar(&archive, "bundle", "", "write an archive for support to this `file`")
	fs.BoolVar(&noRedact, "no-redact", false, "keep account numbers, role names, addresses and all of log lines")
	fs.DurationVar(&timeout, "timeout", engine.DefaultBudget, "longest `duration` of a run")
	return cmd
}

// bundle writes an archive for support.
func (a *app) bundle(ctx context.Context, name string, in bundle.Input) error {
	err := a.create(name, func(w io.Writer) error { return bundle.Write(w, in) })
	if err == nil {
		fmt.Fprintf(a.err, "in it: report, facts, ends of the agent's logs; %s lists all, and what was left out\n", bundle.ContentsFile)
	}
	if err == nil && ctx.Err() != nil {
		err = &exitError{exitInterrupted, errors.New("interrupted, incomplete")}
	}
	return err
}
