package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/report"
)

// newCollectCmd writes the facts of this host, for a ticket or for check --from.
func newCollectCmd(a *app) *cobra.Command {
	var (
		t        target
		file     string
		noRedact bool
		timeout  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "collect",
		Short: "Write what can be seen of this host as redacted JSON",
		Long:  "Writes the facts of this host as JSON, redacted, for a ticket or for\ncheck --from elsewhere. Keys, tokens, activation codes and proxy passwords are\nnever part of it.",
		Example: "  ssm-doctor collect -f facts.json\n" +
			"  ssm-doctor check --from facts.json",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.fromEnvironment(cmd); err != nil {
				return err
			}
			if t.from != "" {
				return usagef("collect takes no --from")
			}
			if timeout <= 0 {
				return usagef("--timeout must be positive")
			}
			env, err := t.environment(noRedact)
			if err != nil {
				return err
			}
			f := engine.Collect(cmd.Context(), env, engine.Options{Budget: timeout, Log: a.logger(false), Waves: engine.Waves{SkipNetwork: !env.Live}})
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
	fs.BoolVar(&noRedact, "no-redact", false, "show account numbers, role names, addresses and whole log lines")
	durationVar(fs, &timeout, "timeout", engine.DefaultBudget, "longest `duration` of a run")
	return cmd
}
