package main

import (
	"context"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/daemon/svc"
)

// addDeploy adds a command for the scripts of the Distributor package, which call the program
// beside them. It takes no flags, since their variables are the package's arguments, and
// ends with 0 or 1: the agent reboots the host for other codes.
func addDeploy(service *cobra.Command, a *app) {
	service.AddCommand(&cobra.Command{
		Use:    "deploy " + strings.Join(svc.Actions, "|"),
		Short:  "Carry out an action of the Distributor package whose program this is",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("action", args[0], svc.Actions...); err != nil {
				return &exitError{1, err}
			}
			if err := deploy(cmd.Context(), a, args[0]); err != nil {
				return &exitError{1, err}
			}
			return nil
		},
	})
}

func deploy(ctx context.Context, a *app, action string) error {
	own, err := ownPath()
	if err != nil {
		return err
	}
	m, err := svc.New(a.err, filepath.Dir(config.DefaultFile(runtime.GOOS)), config.Default().StateDir)
	if err != nil {
		return err
	}
	d, err := svc.NewDeployment(m, own, config.Default().StateDir)
	if err != nil {
		return err
	}
	return d.Do(ctx, action)
}
