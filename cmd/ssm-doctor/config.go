package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/daemon"
	"ssm-doctor/agent/report"
)

func newConfigCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check the daemon's configuration file, or show all its keys",
		Args:  a.noSuchCommand,
		RunE:  func(*cobra.Command, []string) error { return usagef("config needs a command: check, show") },
	}
	cmd.AddCommand(&cobra.Command{
		Use:     "check FILE",
		Short:   "Check a configuration file: 0 when it is good, 64 when not",
		Example: "  ssm-doctor config check /etc/ssm-doctor/ssm-doctor.yml",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("config check takes one file, got %d", len(args))
			}
			c, err := config.Check(args[0], configNames())
			if err != nil {
				return usagef("%w", err)
			}
			if err := daemon.ValidWeb(c.WebConfigFile); err != nil {
				return usagef("%s: %w", args[0], err)
			}
			for _, w := range c.Warnings() {
				fmt.Fprintf(a.err, "%s: warning: %s\n", report.Printable(args[0]), report.Printable(fmt.Sprint(w)))
			}
			_, err = fmt.Fprintf(a.out, "%s: good\n", args[0])
			return err
		},
	}, &cobra.Command{
		Use:   "show",
		Short: "Print a configuration file with every key and its meaning",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(a.out, config.Example(configNames()))
			return err
		},
	})
	return cmd
}
