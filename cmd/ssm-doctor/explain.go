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
			if err := oneOf("--output", format, "text", "markdown", "json"); err != nil {
				return err
			}
			e := explainer{a, format}
			if search {
				return e.search(args)
			}
			if len(args) == 0 || len(args) == 1 && args[0] == "-" {
				return e.input(len(args) == 1)
			}
			if len(args) == 1 {
				goos := runtime.GOOS
				if all || format != "text" {
					goos = ""
				}
				if done, err := e.name(strings.ToLower(args[0]), goos); done {
					return err
				}
			}
			said := strings.Join(args, " ")
			answer, err := symptoms.Read(strings.NewReader(said))
			if err != nil {
				return err
			}
			if len(answer.Found) > 0 || answer.Harmless > 0 {
				return e.symptoms(answer)
			}
			if len(args) > 1 {
				return usagef("these words are not known as a symptom; quote a line of a log, give one id, or search the pages: explain --search %s", strings.Join(args, " "))
			}
			return usagef("no check, cause or symptom %q%s; explain lists all, explain --search %s searches them", args[0], didYouMean(args[0], slices.Concat(checkIDs(), causeIDs(), symptomWords()), ""), args[0])
		},
	}
	outputFlag(cmd, &format, "text", "markdown", "json")
	cmd.Flags().BoolVar(&all, "all", false, "print the steps for every operating system, not those for this one")
	cmd.Flags().BoolVar(&search, "search", false, "list the pages that hold all of the words")
	return cmd
}

// explainer prints in a format: text, markdown or json.
type explainer struct {
	a      *app
	format string
}

// name prints the pages of an id, or lists a group; false: it is neither.
func (e explainer) name(name, goos string) (bool, error) {
	pages := report.PagesFor(name, goos)
	if len(pages) == 0 {
		if !slices.Contains(causes.Groups, name) {
			return false, nil
		}
		return true, e.list(name)
	}
	if e.format == "json" {
		return true, report.WriteJSON(e.a.out, pages, "  ")
	}
	for i, p := range pages {
		if i > 0 {
			fmt.Fprintln(e.a.out)
		}
		var err error
		if e.format == "markdown" {
			_, err = io.WriteString(e.a.out, p.Markdown())
		} else {
			err = p.WriteText(e.a.out, e.a.style(e.a.out, "", ""))
		}
		if err != nil {
			return true, err
		}
	}
	return true, nil
}

// symptoms prints what an error or a log says.
func (e explainer) symptoms(s symptoms.Answer) error {
	switch e.format {
	case "json":
		return report.WriteSymptomsJSON(e.a.out, s)
	case "markdown":
		return usagef("what an error or a log says is printed as text or json, not as markdown")
	}
	return report.WriteSymptoms(e.a.out, s)
}

// input reads standard input where something is piped or redirected into it, or
// where it was asked for, and lists everything otherwise.
func (e explainer) input(asked bool) error {
	a := e.a
	if f, ok := a.in.(*os.File); ok && !asked {
		st, err := f.Stat()
		if err != nil || !st.Mode().IsRegular() && st.Mode()&os.ModeNamedPipe == 0 {
			return e.list(causes.Groups...)
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
		return e.list(causes.Groups...)
	case answer.Lines == 0:
		return &exitError{exitUsage, errors.New("standard input is empty")}
	}
	return e.symptoms(answer)
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

// list lists the causes of groups, and then the checks.
func (e explainer) list(groups ...string) error {
	return e.matching(func(group string, _ ...string) bool { return slices.Contains(groups, group) })
}

// search lists the pages that hold all of the words.
func (e explainer) search(words []string) error {
	if len(words) == 0 {
		return usagef("--search needs words")
	}
	return e.matching(func(_ string, texts ...string) bool {
		all := strings.ToLower(strings.Join(texts, " "))
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(all, strings.ToLower(w)) })
	})
}

// pasted tells a text that was pasted behind explain from flags, which hold no space: some
// errors begin with dashes, such as those of Session Manager's plug-in. Such texts go behind
// the flags.
func pasted(args []string) []string {
	if len(args) < 2 || args[0] != "explain" || slices.Contains(args, "--") {
		return args
	}
	var flags, texts []string
	for _, s := range args[1:] {
		if first, _, space := strings.Cut(s, " "); space && strings.HasPrefix(s, "-") && !strings.Contains(first, "=") {
			texts = append(texts, s)
		} else {
			flags = append(flags, s)
		}
	}
	if len(texts) == 0 {
		return args
	}
	return slices.Concat(args[:1], flags, []string{"--"}, texts)
}

// entry is a page in a list.
type entry struct {
	Kind  string `json:"kind"`
	Group string `json:"group"`
	ID    string `json:"id"`
	Title string `json:"title"`
}

// matching lists the causes and then the checks that match, by group.
func (e explainer) matching(matches func(group string, texts ...string) bool) error {
	var list []entry
	for _, g := range causes.Groups {
		for _, c := range causes.All() {
			if c.Group == g && matches(g, c.ID, c.Title, c.Meaning) {
				list = append(list, entry{"cause", g, c.ID, c.Title})
			}
		}
	}
	for _, g := range causes.Groups {
		for _, c := range checks.All() {
			if c.Group == g && matches(g, c.ID, c.Title, c.Doc) {
				list = append(list, entry{"check", g, c.ID, c.Title})
			}
		}
	}
	switch {
	case len(list) == 0:
		return usagef("no page holds these words")
	case e.format == "json":
		return report.WriteJSON(e.a.out, list, "  ")
	}
	_, err := io.WriteString(e.a.out, listText(list, e.format == "markdown"))
	return err
}

// listText is a list with a heading for each kind and group.
func listText(list []entry, markdown bool) string {
	kindHead, groupHead, row := "%s\n", "\n  %s\n", "    %-34s %s\n"
	if markdown {
		kindHead, groupHead, row = "# %s\n", "\n## %s\n\n", "- `%s`: %s\n"
	}
	var b strings.Builder
	last := entry{}
	for _, p := range list {
		if p.Kind != last.Kind {
			if last.Kind != "" {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, kindHead, map[string]string{"cause": "Causes", "check": "Checks"}[p.Kind])
		}
		if p.Kind != last.Kind || p.Group != last.Group {
			fmt.Fprintf(&b, groupHead, report.GroupName(p.Group))
		}
		fmt.Fprintf(&b, row, p.ID, p.Title)
		last = p
	}
	if !markdown {
		b.WriteString("\n\"ssm-doctor explain ID\" prints a page.\n")
	}
	return b.String()
}

// symptomWords are the symptoms of one word, such as TargetNotConnected.
func symptomWords() []string {
	var out []string
	for _, s := range symptoms.Table() {
		if !strings.Contains(s.Words[0], " ") {
			out = append(out, s.Words[0])
		}
	}
	return out
}
