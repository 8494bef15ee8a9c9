package main

import "github.com/spf13/cobra"

// newRootCmd builds the command tree. Without a command it checks.
func newRootCmd(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "ssm-doctor",
		Short:         "Say why this host is not an SSM managed node, and what fixes it",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	return root
}
