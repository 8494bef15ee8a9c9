package main

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/daemon"
	"ssm-doctor/agent/report"
)

// newHistoryCmd shows what the daemon remembers of this host's states.
func newHistoryCmd(a *app) *cobra.Command {
	var dir, format string
	cmd := &cobra.Command{
		Use:     "history",
		Short:   "Show when this host's state changed, as the daemon saw it",
		Example: "  ssm-doctor history\n  ssm-doctor history -o json | jq '.[-1]'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.fromEnvironment(cmd); err != nil {
				return err
			}
			if err := oneOf("--output", format, "text", "json"); err != nil {
				return err
			}
			if dir == "" {
				c, err := config.Load(config.DefaultFile(runtime.GOOS), false, a.getenv, nil, configNames())
				if err != nil {
					return usagef("%w", err)
				}
				dir = c.StateDir
			}
			h := daemon.OpenHistory(dir)
			if err := h.Err(); err != nil {
				return &exitError{exitInternal, err}
			}
			return writeHistory(a.out, format, dir, h.List())
		},
	}
	cmd.Flags().StringVar(&dir, "state-dir", "", "state `directory` of the daemon (default: as configured)")
	outputFlag(cmd, &format, "text", "json")
	return cmd
}

func writeHistory(w io.Writer, format, dir string, list []report.Transition) error {
	if format == "json" {
		return report.WriteJSON(w, list, "  ")
	}
	if len(list) == 0 {
		if dir == "" {
			dir = "memory only: no state directory is configured"
		}
		_, err := fmt.Fprintf(w, "No history in %s.\nThe daemon writes it: \"ssm-doctor service install\" installs it; --state-dir names another folder.\n", report.Printable(dir))
		return err
	}
	for i, t := range list {
		lasted := ""
		if i+1 < len(list) && !list[i+1].At.Before(t.At) { // else the clock was set back
			lasted = "for " + list[i+1].At.Sub(t.At).Round(time.Second).String()
		}
		if _, err := fmt.Fprintf(w, "%s  %-12s %-32s %s\n", t.At.UTC().Format(time.RFC3339), report.Printable(t.State), report.Printable(t.Cause), lasted); err != nil {
			return err
		}
	}
	return nil
}
