package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/symptoms"
)

func newExplainCmd(a *app) *cobra.Command {
	var format string
	var search, all bool
	cmd := &cobra.Command{
		Use:   "explain [ID|GROUP|SYMPTOM...]",
		Short: "Explain a check, a cause, or what an error says, offline",
		Long: "Prints what a check tests and cannot see, or what a cause means and\nwhat repairs it. An error of the AWS CLI, a word of the console or a line of\n" +
			"the agent's log leads to the causes that say so; a log can come from\nstandard input. Without an argument it lists all causes and\nchecks; --search lists those whose page holds the words.",
		Example: "  ssm-doctor explain\n" +
			"  ssm-doctor explain no-credential-source\n" +
			"  ssm-doctor explain network\n" +
			"  ssm-doctor explain TargetNotConnected\n" +
			"  ssm-doctor explain < /var/log/amazon/ssm/amazon-ssm-agent.log",
		ValidArgsFunction: func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			return beginning(begun, append(causeChoices(), checkChoices()...)), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := oneOf("--output", format, "text", "markdown"); err != nil {
				return err
			}
			if search {
				return searchPages(a, args)
			}
			if len(args) == 0 || len(args) == 1 && args[0] == "-" {
				return explainInput(a, len(args) == 1)
			}
			if len(args) == 1 {
				goos := runtime.GOOS
				if all || format == "markdown" {
					goos = ""
				}
				if done, err := explainName(a, strings.ToLower(args[0]), goos, format == "markdown"); done {
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
				return usagef("these words are not known as a symptom; quote a line of a log, give one id, or search the pages: explain --search %s", strings.Join(args, " "))
			}
			return usagef("no check, cause or symptom %q%s; explain lists all, explain --search %s searches them", args[0], didYouMean(args[0], append(checkIDs(), causeIDs()...), ""), args[0])
		},
	}
	outputFlag(cmd, &format, "text", "markdown")
	cmd.Flags().BoolVar(&all, "all", false, "print the steps for every operating system, not those for this one")
	cmd.Flags().BoolVar(&search, "search", false, "list the pages that hold all of the words")
	return cmd
}

// explainName prints the pages of an id, or lists a group; false: it is neither.
func explainName(a *app, name, goos string, markdown bool) (bool, error) {
	pages := report.PagesFor(name, goos)
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

func causeChoices() []string {
	var out []string
	for _, c := range causes.All() {
		out = append(out, c.ID+"\t"+c.Title)
	}
	return out
}

// listPages lists the causes of groups, and then the checks.
func listPages(a *app, groups ...string) error {
	return writePages(a, func(group string, _ ...string) bool { return slices.Contains(groups, group) })
}

// writePages lists the causes and then the checks that match, by group.
func writePages(a *app, matches func(group string, texts ...string) bool) error {
	var b strings.Builder
	list := func(head string, of func(group string) [][2]string) {
		first := true
		for _, g := range causes.Groups {
			rows := of(g)
			if len(rows) == 0 {
				continue
			}
			if first {
				if b.Len() > 0 {
					b.WriteString("\n")
				}
				b.WriteString(head + "\n")
				first = false
			}
			fmt.Fprintf(&b, "\n  %s\n", report.GroupName(g))
			for _, r := range rows {
				fmt.Fprintf(&b, "    %-34s %s\n", r[0], r[1])
			}
		}
	}
	list("Causes", func(g string) (rows [][2]string) {
		for _, c := range causes.All() {
			if c.Group == g && matches(g, c.ID, c.Title, c.Meaning) {
				rows = append(rows, [2]string{c.ID, c.Title})
			}
		}
		return rows
	})
	list("Checks", func(g string) (rows [][2]string) {
		for _, c := range checks.All() {
			if c.Group == g && matches(g, c.ID, c.Title, c.Doc) {
				rows = append(rows, [2]string{c.ID, c.Title})
			}
		}
		return rows
	})
	if b.Len() == 0 {
		return usagef("no page holds these words")
	}
	b.WriteString("\n\"ssm-doctor explain ID\" prints a page.\n")
	_, err := io.WriteString(a.out, b.String())
	return err
}

// searchPages lists the pages that hold all of the words.
func searchPages(a *app, words []string) error {
	if len(words) == 0 {
		return usagef("--search needs words")
	}
	return writePages(a, func(_ string, texts ...string) bool {
		all := strings.ToLower(strings.Join(texts, " "))
		for _, w := range words {
			if !strings.Contains(all, strings.ToLower(w)) {
				return false
			}
		}
		return true
	})
}

// pasted tells a text that was pasted behind explain from flags, which hold no space: some
// errors begin with dashes, such as those of Session Manager's plug-in.
func pasted(args []string) []string {
	if len(args) < 2 || args[0] != "explain" || slices.Contains(args, "--") {
		return args
	}
	i := slices.IndexFunc(args, func(s string) bool {
		return strings.HasPrefix(s, "-") && strings.Contains(s, " ") && !strings.Contains(strings.SplitN(s, " ", 2)[0], "=")
	})
	if i < 0 {
		return args
	}
	return slices.Insert(slices.Clone(args), i, "--")
}
