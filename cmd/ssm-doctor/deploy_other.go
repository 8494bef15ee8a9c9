//go:build !windows

package main

import "github.com/spf13/cobra"

// addDeploy: the Distributor packages of other systems deploy by shell.
func addDeploy(*cobra.Command, *app) {}
