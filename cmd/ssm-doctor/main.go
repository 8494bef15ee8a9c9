// Command ssm-doctor says whether this host is an AWS Systems Manager managed
// node, and if not, what is wrong and what fixes it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	promversion "github.com/prometheus/common/version"
	"github.com/spf13/cobra"

	"ssm-doctor/agent/daemon"
	"ssm-doctor/agent/report"
)

// Exit codes. Scripts rely on them: they do not change.
const (
	exitManaged     = 0
	exitDegraded    = 1
	exitNotManaged  = 2
	exitUnknown     = 3
	exitUsage       = 64
	exitInternal    = 70
	exitInterrupted = 130
)

// app is what every command needs of the outside.
type app struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	alone    bool // nobody else is in this process, whose collector may be set
}

// exitError ends the program with a code. err, when set, is printed first.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usagef is an error of the person who typed.
func usagef(format string, a ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, a...)}
}

func main() { os.Exit(program()) }

// program is the program as the system starts it.
func program() int {
	runtime.MemProfileRate = 0 // nobody reads that profile, and its table takes memory
	collectLate(os.Getenv)
	log.SetOutput(io.Discard) // libraries print there what peers sent; ours have loggers of their own
	promversion.Version = versionString()
	if r := revision(); r != "" {
		promversion.Revision = r
	}
	daemon.Trim() // code that only the start needed: to make the tables of a package touches 64 kB of it
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, alone: true}
	code := a.run(ctx, stop, os.Args[1:])
	stop()
	return code
}

// run executes the command line and returns the exit code. stopSignals makes
// the next interrupt end the program at once.
func (a *app) run(ctx context.Context, stopSignals func(), args []string) int {
	go func() { <-ctx.Done(); stopSignals() }()
	if len(args) == 1 && args[0] == "--version" {
		args = []string{"version"} // no flag: SSM_DOCTOR_VERSION would set it
	}
	root := newRootCmd(a)
	if len(args) > 0 && args[0] == cobra.ShellCompRequestCmd {
		plainUsages(root)
	}
	root.SetArgs(pasted(args))
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return exitManaged
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintf(a.err, "ssm-doctor: %s\n", message(exit.err))
		}
		return exit.code
	}
	fmt.Fprintf(a.err, "ssm-doctor: %s\n", message(err))
	if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Op == "write" {
		return exitInternal // standard output
	}
	// What is left are cobra's own complaints about flags and commands.
	return exitUsage
}

// message is the text of an error for a terminal: whatever names and arguments are in
// it, it begins no line but those of joined errors and of quoted logs.
func message(err error) string {
	var list []string
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			list = append(list, one.Error())
		}
		if strings.Join(list, "\n") != err.Error() {
			break
		}
		for i, one := range e.Unwrap() {
			list[i] = message(one)
		}
		return strings.Join(list, "\n")
	case interface{ Unwrap() error }:
		if in := e.Unwrap(); in != nil && in.Error() == err.Error() {
			return message(in)
		}
	}
	return strings.ReplaceAll(report.Printable(withoutCall(err)), `\n  | `, "\n  | ")
}

// withoutCall is an error without the call of the system that a file was looked at with:
// "a.json: no such file or directory".
func withoutCall(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) && slices.Contains([]string{"open", "openat", "stat", "lstat"}, at.Op) {
		return strings.Replace(err.Error(), at.Op+" "+at.Path+": ", at.Path+": ", 1)
	}
	return err.Error()
}

// printableLines is text of several lines of ours with foreign words in them.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = report.Printable(l)
	}
	return strings.Join(lines, "\n")
}
