package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/symptoms"
)

func newExplainCmd(a *app) *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:   "explain [ID|GROUP|SYMPTOM...]",
		Short: "Explain a check, a cause, or what an error says, offline",
		Long: "Prints what a check tests and cannot see, or what a cause means and\nwhat repairs it. An error of the AWS CLI, a word of the console or a line of\n" +
			"the agent's log leads to the causes that say so; a log can come from\nstandard input. Without an argument it lists all checks and causes.",
		Example: "  ssm-doctor explain\n" +
			"  ssm-doctor explain no-credential-source\n" +
			"  ssm-doctor explain network\n" +
			"  ssm-doctor explain TargetNotConnected\n" +
			"  ssm-doctor explain < /var/log/amazon/ssm/amazon-ssm-agent.log",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return append(checkIDs(), causeIDs()...), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) == 1 && args[0] == "-" {
				return explainInput(a, len(args) == 1)
			}
			if len(args) == 1 {
				if done, err := explainName(a, strings.ToLower(args[0]), markdown); done {
					return err
				}
			}
			said := strings.Join(args, " ")
			answer, err := symptoms.Read(strings.NewReader(said))
			if err != nil {
				return err
			}
			if len(answer.Causes) > 0 {
				return report.WriteSymptoms(a.out, answer)
			}
			if len(args) > 1 {
				return usagef("nothing is known of what these words say; quote a line of a log, or give one id")
			}
			return usagef("no check, cause or symptom %q%s", args[0], didYouMean(args[0], append(checkIDs(), causeIDs()...), ""))
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print as Markdown")
	return cmd
}

// explainName prints the pages of an id, or lists a group; false: it is neither.
func explainName(a *app, name string, markdown bool) (bool, error) {
	pages := report.Pages(name)
	if len(pages) == 0 {
		if !slices.Contains(causes.Groups, name) {
			return false, nil
		}
		return true, listPages(a, name)
	}
	for i, p := range pages {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		var err error
		if markdown {
			_, err = io.WriteString(a.out, p.Markdown())
		} else {
			err = p.WriteText(a.out, a.style(a.out, "", ""))
		}
		if err != nil {
			return true, err
		}
	}
	return true, nil
}

// explainInput reads standard input where something is piped or redirected into it, or
// where it was asked for, and lists everything otherwise.
func explainInput(a *app, asked bool) error {
	if f, ok := a.in.(*os.File); ok && !asked {
		st, err := f.Stat()
		if err != nil || !st.Mode().IsRegular() && st.Mode()&os.ModeNamedPipe == 0 {
			return listPages(a, causes.Groups...)
		}
		if !st.Mode().IsRegular() {
			fmt.Fprintln(a.err, "ssm-doctor: reading a log from standard input; </dev/null lists all checks and causes")
		}
	}
	answer, err := symptoms.Read(a.in)
	switch {
	case err != nil:
		return fmt.Errorf("read standard input: %w", err)
	case answer.Lines == 0 && !asked:
		return listPages(a, causes.Groups...)
	case answer.Lines == 0:
		return &exitError{exitUsage, errors.New("standard input is empty")}
	}
	return report.WriteSymptoms(a.out, answer)
}

func causeIDs() []string {
	var ids []string
	for _, c := range causes.All() {
		ids = append(ids, c.ID)
	}
	return ids
}

// listPages lists the causes and checks of groups.
func listPages(a *app, groups ...string) error {
	var b strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&b, "%s\n", g)
		for _, c := range checks.All() {
			if c.Group == g {
				fmt.Fprintf(&b, "  check  %-34s %s\n", c.ID, c.Title)
			}
		}
		for _, c := range causes.All() {
			if c.Group == g {
				fmt.Fprintf(&b, "  cause  %-34s %s\n", c.ID, c.Title)
			}
		}
	}
	_, err := io.WriteString(a.out, b.String())
	return err
}
