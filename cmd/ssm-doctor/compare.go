package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/bundle"
	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/fleet"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
)

// newCompareCmd says in what two hosts, or two times, differ.
func newCompareCmd(a *app) *cobra.Command {
	var format, file string
	var noRedact bool
	cmd := &cobra.Command{
		Use:   "compare A B",
		Short: "Say in what two hosts, or one at two times, differ",
		Long: "Reads two reports (check -o json), facts (collect) or bundles and says in what\n" +
			"they differ that matters to the verdict, in the order of the path from the host\n" +
			"to the message channel. What lies behind the station at which a path breaks\n" +
			"follows from it and is only counted; what passes on both is left out.\n\n" +
			"Exit code: 0 when nothing differs that matters, else 1.",
		Example: "  ssm-doctor compare good.json bad.json\n  ssm-doctor compare before.json after.json -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.fromEnvironment(cmd); err != nil {
				return err
			}
			if err := oneOf("--output", format, "text", "json"); err != nil {
				return err
			}
			if len(args) != 2 {
				return usagef("compare takes two files, got %d", len(args))
			}
			var both [2]*report.Report
			for i, name := range args {
				r, err := a.readReport(name, noRedact)
				if err != nil {
					return err
				}
				both[i] = r
			}
			c, err := fleet.Compare(both[0], both[1])
			if err != nil {
				return usagef("%w", err)
			}
			if err := a.create(file, func(w io.Writer) error { return fleet.WriteComparison(w, format, c) }); err != nil {
				return err
			}
			if len(c.Differ) > 0 || c.A.State != c.B.State || c.A.Cause != c.B.Cause {
				return &exitError{code: exitDegraded}
			}
			return nil
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&format, "output", "o", "text", "`format`: text, json")
	fs.StringVarP(&file, "file", "f", "-", "write to this `file` instead of standard output")
	fs.BoolVar(&noRedact, "no-redact", false, "keep names in what is judged from facts")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// readReport reads a report, or judges facts or the facts of a bundle; redacted unless
// whole is set.
func (a *app) readReport(name string, whole bool) (*report.Report, error) {
	b, err := a.readInput(name, facts.MaxFileBytes)
	if err != nil {
		return nil, err
	}
	var head struct{ Schema string }
	if !bundle.Is(b) && json.Unmarshal(b, &head) == nil && strings.HasPrefix(head.Schema, "ssm-doctor/report/") {
		var r report.Report
		if err := json.Unmarshal(b, &r); err != nil {
			return nil, usagef("%s: %w", name, err)
		}
		return shown(&r, whole), nil
	}
	f, err := a.parseFacts(name, b, whole)
	if err != nil {
		return nil, err
	}
	return shown(engine.Judge(f, engine.Options{}), whole), nil
}

// shown is a report as it may be shown: redacted, or without secrets only.
func shown(r *report.Report, whole bool) *report.Report {
	if whole {
		return report.Strip(r)
	}
	return report.Redact(r)
}
