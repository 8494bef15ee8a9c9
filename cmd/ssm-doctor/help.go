package main

import (
	"fmt"
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
	{"What to check", []string{"from", "outside", "root", "region", "endpoint-url", "only", "skip", "list", "profile", "offline", "feature", "probe", "lift"}},
	{"Output", []string{"output", "file", "color", "ascii", "no-redact", "quiet", "verbose", "textfile", "fail-on"}},
	{"Limits", []string{"timeout", "wait", "every"}},
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
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n\"%s [command] --help\" tells more about a command.\n", cmd.CommandPath())
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
