package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is what every line of help fits into.
const helpWidth = 79

// flagGroups order the flags of a command by what they are for; the rest
// comes last.
var flagGroups = []struct {
	title string
	names []string
}{
	{"What to check", []string{"from", "outside", "root", "region", "endpoint-url", "only", "skip", "list", "profile", "plan", "offline", "feature", "probe", "lift", "demo"}},
	{"Documents to judge", []string{"policy", "role", "kind", "boundary", "session-policy", "scp", "rcp", "endpoint-policy", "all", "diff"}},
	{"What to print instead", []string{"minimal", "conditional", "trust", "table", "account", "partition", "bucket", "foreign-bucket", "log-group", "parameter-path", "kms-key", "directory"}},
	{"Output", []string{"output", "file", "color", "ascii", "redact", "no-redact", "quiet", "verbose", "textfile", "fail-on"}},
	{"Limits", []string{"timeout", "wait", "every"}},
	{"Pages and metrics", []string{"web.listen-address", "web.config.file", "web.systemd-socket", "web.report", "web.allowed-hosts", "web.enable-lifecycle", "web.disable-exporter-metrics", "metrics.lean", "metrics.all", "metrics.disable", "metrics.features", "metrics.agent-latest"}},
	{"Schedule", []string{"schedule.local", "schedule.network", "schedule.permissions", "schedule.budget", "aws.calls-per-run", "aws.calls-per-day"}},
	{"Files and log", []string{"config.file", "state-dir", "inventory", "inventory.dir", "log.level", "log.format"}},
}

// usage prints how a command is called.
func (a *app) usage(cmd *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Usage:\n")
	if cmd.Runnable() {
		b.WriteString("  " + cmd.UseLine() + "\n")
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("  " + cmd.CommandPath() + " [command]\n")
	}
	if cmd.HasExample() {
		b.WriteString("\nExamples:\n" + cmd.Example + "\n")
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				fmt.Fprintf(&b, "  %-12s %s\n", c.Name(), c.Short)
			}
		}
	}
	left := map[string]bool{}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { left[f.Name] = !f.Hidden })
	for _, g := range flagGroups {
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		for _, n := range g.names {
			if left[n] {
				fs.AddFlag(cmd.LocalFlags().Lookup(n))
				left[n] = false
			}
		}
		writeFlags(&b, g.title, fs)
	}
	rest := pflag.NewFlagSet("", pflag.ContinueOnError)
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if left[f.Name] {
			rest.AddFlag(f)
		}
	})
	writeFlags(&b, "Flags", rest)
	for _, p := range sectionsOf(cmd.CommandPath(), runtime.GOOS) {
		fmt.Fprintf(&b, "\n%s:\n", p.head)
		for _, r := range p.rows {
			b.WriteString(sectionRow(r))
		}
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n\"%s [command] --help\" says more about a command.\n", cmd.CommandPath())
	}
	_, err := fmt.Fprint(cmd.OutOrStdout(), b.String())
	return err
}

func writeFlags(b *strings.Builder, title string, fs *pflag.FlagSet) {
	fs.SortFlags = false
	if text := fs.FlagUsagesWrapped(helpWidth); text != "" {
		b.WriteString("\n" + title + ":\n" + text)
	}
}

// sectionRow is a word and what it means, within helpWidth.
func sectionRow(r [2]string) string {
	const column = 34
	if len(r[0])+2 > column-2 {
		return fmt.Sprintf("  %s\n", r[0]) + hanging(r[1], column)
	}
	return fmt.Sprintf("  %-*s", column-2, r[0]) + strings.TrimLeft(hanging(r[1], column), " ")
}

// hanging breaks words between a column and the width of help.
func hanging(words string, column int) string {
	var b strings.Builder
	line := ""
	for w := range strings.FieldsSeq(words) {
		if line != "" && column+len(line)+1+len(w) > helpWidth {
			b.WriteString(strings.Repeat(" ", column) + line + "\n")
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	b.WriteString(strings.Repeat(" ", column) + line + "\n")
	return b.String()
}
