package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/daemon"
	"ssm-doctor/agent/daemon/svc"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/report"
)

// exitNotRunning is what service status ends with when the service does not run (as in LSB).
const exitNotRunning = 3

// newServiceCmd controls the daemon as a service of this host.
func newServiceCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Install and control the daemon as a service of this host",
		Long: "Installs \"ssm-doctor serve\" with the service manager of this host (systemd,\n" +
			"OpenRC, SysV, launchd, Windows) and controls it. install may be repeated: it\n" +
			"rewrites only what differs, and without --ptrace takes that back.",
		Args: a.noSuchCommand,
		RunE: func(*cobra.Command, []string) error {
			return usagef("service needs a command: install, uninstall, start, stop, status, verify")
		},
	}
	cmd.AddCommand(serviceInstall(a), serviceUninstall(a), serviceStart(a),
		serviceAct(a, "stop", "Stop the service, until the next boot or start", (*svc.Manager).Stop),
		serviceStatus(a), serviceVerify(a))
	addDeploy(cmd, a)
	return cmd
}

// onService runs an action on the service manager and maps its errors.
func onService(a *app, cmd *cobra.Command, act func(context.Context, *svc.Manager) error) error {
	if err := a.fromEnvironment(cmd); err != nil {
		return err
	}
	m, err := svc.New(a.err, filepath.Dir(config.DefaultFile(runtime.GOOS)), config.Default().StateDir)
	if err == nil {
		err = act(cmd.Context(), m)
	}
	var exit *exitError
	switch {
	case err == nil || errors.As(err, &exit):
		return err
	case errors.Is(err, svc.ErrNotInstalled):
		return &exitError{exitNotRunning, fmt.Errorf("%w; \"ssm-doctor service install\" installs it", err)}
	}
	return &exitError{exitInternal, err}
}

// ownPath is this executable, links resolved.
func ownPath() (string, error) {
	p, err := os.Executable()
	if err == nil {
		p, err = filepath.EvalSymlinks(p)
	}
	return p, err
}

func serviceInstall(a *app) *cobra.Command {
	o := svc.Options{}
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install the service, start it, and wait until it stays up",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onService(a, cmd, func(ctx context.Context, m *svc.Manager) error {
				if o.Executable == "" {
					p, err := ownPath()
					if err != nil {
						return err
					}
					o.Executable = p
				}
				if !filepath.IsAbs(o.Executable) {
					return usagef("--executable must be an absolute path")
				}
				return m.Install(ctx, o)
			})
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.Executable, "executable", "", "`path` of the program to start (default: this one)")
	durationVar(fs, &o.Wait, "wait", 10*time.Second, "how long it must stay up to count as started")
	fs.BoolVar(&o.Ptrace, "ptrace", false, "allow reading process environments (CAP_SYS_PTRACE, systemd)")
	fs.BoolVar(&o.NoStart, "no-start", false, "install and enable only")
	return cmd
}

func serviceUninstall(a *app) *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Stop and remove the service, and its state",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onService(a, cmd, func(ctx context.Context, m *svc.Manager) error {
				file := config.DefaultFile(runtime.GOOS)
				cfg, bad := config.Load(file, false, a.getenv, nil, configNames())
				bad = errors.Join(bad, svc.OwnedByAdmin(file))
				if err := m.Uninstall(ctx, keep); err != nil {
					return err
				}
				if bad == nil && cfg.InventoryDir != "" {
					if err := export.RemoveInventory(cfg.InventoryDir); err != nil {
						return err
					}
				}
				return daemon.RemoveInventory(runtime.GOOS)
			})
		},
	}
	cmd.Flags().BoolVar(&keep, "keep-state", false, "leave the state directory")
	return cmd
}

func serviceStart(a *app) *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Start the service and wait until it stays up",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onService(a, cmd, func(ctx context.Context, m *svc.Manager) error { return m.Start(ctx, wait) })
		},
	}
	durationVar(cmd.Flags(), &wait, "wait", 10*time.Second, "how long it must stay up to count as started")
	return cmd
}

func serviceAct(a *app, use, short string, act func(*svc.Manager, context.Context) error) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onService(a, cmd, func(ctx context.Context, m *svc.Manager) error { return act(m, ctx) })
		},
	}
}

func serviceStatus(a *app) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say whether the service is installed, enabled and running",
		Long:  "Says whether the service is installed, enabled and running. Exit code 0 when it\nruns, 3 when it does not.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf("--output", format, "text", "json"); err != nil {
				return err
			}
			return onService(a, cmd, func(ctx context.Context, m *svc.Manager) error {
				s, err := m.State(ctx)
				if err != nil {
					return err
				}
				if own, e := ownPath(); e == nil && s.Program != "" && s.Program != own {
					fmt.Fprintf(a.err, "ssm-doctor: this program is %s; the service starts another one\n", report.Printable(own))
				}
				if format == "json" {
					err = report.WriteJSON(a.out, s, "")
				} else {
					_, err = fmt.Fprint(a.out, printableLines(stateText(s)))
				}
				if err == nil && !s.Running {
					err = &exitError{code: exitNotRunning}
				}
				return err
			})
		},
	}
	outputFlag(cmd, &format, "text", "json")
	return cmd
}

func stateText(s svc.State) string {
	word := func(b bool, yes, no string) string {
		if b {
			return yes
		}
		return no
	}
	text := fmt.Sprintf("%s, %s, %s (%s)\n", word(s.Installed, "installed", "not installed"), word(s.Enabled, "enabled", "not enabled"), word(s.Running, "running", "not running"), s.Manager)
	if s.PID != 0 {
		text += fmt.Sprintf("pid %d\n", s.PID)
	}
	if s.File != "" {
		text += s.File + "\n"
	}
	if s.Detail != "" {
		text += s.Detail + "\n"
	}
	if s.Program != "" {
		text += "starts " + s.Program + "\n"
	}
	if s.Stale {
		text += "what runs is not that program as it is now: restart the service\n"
	}
	return text
}

func serviceVerify(a *app) *cobra.Command {
	o := svc.Options{}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Say whether what is installed is what install would write",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return onService(a, cmd, func(ctx context.Context, m *svc.Manager) error {
				if o.Executable == "" {
					p, err := ownPath()
					if err != nil {
						return err
					}
					o.Executable = p
				}
				if err := m.Verify(ctx, o); err != nil {
					return err
				}
				_, err := fmt.Fprintln(a.out, "the service is installed as this version would install it")
				return err
			})
		},
	}
	cmd.Flags().StringVar(&o.Executable, "executable", "", "`path` of the program that is started (default: this one)")
	cmd.Flags().BoolVar(&o.Ptrace, "ptrace", false, "the drop-in for process environments belongs to it")
	return cmd
}
