package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ssm-doctor/agent/config"
)

// newRootCmd builds the command tree. Without a command it checks.
func newRootCmd(a *app) *cobra.Command {
	check := newCheckCmd(a)
	version := false
	root := &cobra.Command{
		Use:   "ssm-doctor",
		Short: "Say why this host is not a managed node, and what fixes it",
		Long: "ssm-doctor runs on an EC2 instance or hybrid machine and says whether that host\n" +
			"is an AWS Systems Manager managed node, and if not, the one thing that is wrong\n" +
			"and what fixes it. It only reads: nothing on the host or in AWS is changed,\n" +
			"unless fix --apply is typed.\n\n" +
			"Tried in a lab that plays AWS: on Linux, and the Windows program under Wine;\n" +
			"for macOS with recordings of Macs. Not run on a real Windows or Mac.",
		Example: check.Example,
		Args:    a.noSuchCommand,
		RunE: func(cmd *cobra.Command, args []string) error {
			if version { // not cobra's own, which links text/template
				_, err := io.WriteString(a.out, versionLine())
				return err
			}
			return check.RunE(cmd, args)
		},
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetUsageFunc(a.usage)
	root.Flags().AddFlagSet(check.Flags())
	root.Flags().BoolVar(&version, "version", false, "print the version")
	root.AddCommand(check, newCollectCmd(a), newExplainCmd(a), newPermissionsCmd(a), newOutsideCmd(a), newSummaryCmd(a), newCompareCmd(a), newFixCmd(a), newDemoCmd(a), newServeCmd(a), newServiceCmd(a), newHistoryCmd(a), newConfigCmd(a), newVersionCmd(a))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("completion")
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				if c, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return a.noSuchCommand(c, rest)
				}
				return nil
			}
		case "completion":
			c.Args = a.noSuchCommand
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if no := (*pflag.NotExistError)(nil); errors.As(err, &no) {
			return noSuchFlag(cmd, no)
		}
		if bad := (*pflag.InvalidValueError)(nil); errors.As(err, &bad) {
			return badValue(bad)
		}
		return usagef("%w (-h for help)", err)
	})
	return root
}

// plainUsages takes the marks of value names out of the flags' texts: help reads them, a
// shell that completes flags shows them as they are.
func plainUsages(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
	for _, c := range cmd.Commands() {
		plainUsages(c)
	}
}

// noSuchCommand refuses words after the program's name that are not a command.
func (a *app) noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			known = append(known, c.Name())
		}
	}
	return usagef("unknown command %q%s", args[0], orHelp(didYouMean(args[0], known, ""), cmd))
}

// noArgs is cobra.NoArgs with our exit code.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, got %q", cmd.Name(), args[0])
	}
	return nil
}

// noSuchFlag says which flag may be meant.
func noSuchFlag(cmd *cobra.Command, no *pflag.NotExistError) error {
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	given, meant := "--"+no.GetSpecifiedName(), no.GetSpecifiedName()
	if letters := no.GetSpecifiedShortnames(); letters != "" {
		given, meant = "-"+letters, letters // perhaps a long name with one dash
	}
	return usagef("unknown flag %s%s", given, orHelp(didYouMean(meant, known, "--"), cmd))
}

// orHelp is a hint, or where there is none the way to all flags of a command.
func orHelp(hint string, cmd *cobra.Command) string {
	if hint != "" {
		return hint
	}
	return fmt.Sprintf("; %s --help lists all", cmd.CommandPath())
}

// didYouMean is a hint with the nearest candidate, or nothing.
func didYouMean(word string, candidates []string, prefix string) string {
	if n := config.Nearest(word, candidates); n != "" {
		return fmt.Sprintf(" (did you mean %s%s?)", prefix, n)
	}
	return ""
}
