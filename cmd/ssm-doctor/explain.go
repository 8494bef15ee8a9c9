package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
)

func newExplainCmd(a *app) *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:   "explain [ID]",
		Short: "Explain a check or cause, offline",
		Long:  "Prints what a check tests and cannot see, or what a cause means and\nwhat repairs it. Without an id it lists them all.",
		Example: "  ssm-doctor explain\n" +
			"  ssm-doctor explain no-credential-source\n" +
			"  ssm-doctor explain dns",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("explain takes one id, got %d", len(args))
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return append(checkIDs(), causeIDs()...), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listPages(a)
			}
			pages := report.Pages(args[0])
			if len(pages) == 0 {
				return usagef("no check or cause %q%s", args[0], didYouMean(args[0], append(checkIDs(), causeIDs()...), ""))
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
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print as Markdown")
	return cmd
}

func causeIDs() []string {
	var ids []string
	for _, c := range causes.All() {
		ids = append(ids, c.ID)
	}
	return ids
}

// listPages lists every cause and check by group.
func listPages(a *app) error {
	var b strings.Builder
	for _, g := range causes.Groups {
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
