// Package svc installs ssm-doctor as a service of the host and runs it under
// the host's service manager. On systemd it writes its own units; elsewhere
// (OpenRC, SysV, launchd, Windows) it goes through kardianos/service.
package svc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/kardianos/service"

	"ssm-doctor/agent/safefile"
	"ssm-doctor/checks/pattern"
)

// Options of Install and Verify.
type Options struct {
	// Executable is the program to start, absolute.
	Executable string
	// Wait is how long the service must stay up before it counts as started.
	Wait time.Duration
	// Ptrace installs the drop-in that lets it read process environments (systemd).
	Ptrace bool
	// NoStart installs and enables only.
	NoStart bool
}

// State of the service as its manager tells it.
type State struct {
	Manager   string `json:"manager"` // linux-systemd, linux-openrc, unix-systemv, darwin-launchd, windows-service
	Installed bool   `json:"installed"`
	Enabled   bool   `json:"enabled"`
	Running   bool   `json:"running"`
	PID       int    `json:"pid,omitempty"`     // 0: not running or not told
	File      string `json:"file,omitempty"`    // unit or script, where there is one
	Detail    string `json:"detail,omitempty"`  // the manager's own words
	Program   string `json:"program,omitempty"` // what the service starts (systemd, Windows)
	// Stale: what runs is not that program as it is now (systemd, as far as it can be read).
	Stale bool `json:"stale,omitempty"`
}

// Errors that callers tell apart.
var (
	ErrNotInstalled = errors.New("the service is not installed")
	ErrPrivilege    = errors.New("this needs root (or an elevated prompt)")
)

// backend is one family of service managers.
type backend interface {
	install(ctx context.Context, o Options) error
	uninstall(ctx context.Context, keepState bool) error
	start(ctx context.Context, wait time.Duration) error
	stop(ctx context.Context) error
	state(ctx context.Context) (State, error)
	verify(ctx context.Context, o Options) error
}

// Manager installs and controls the service of this host.
type Manager struct {
	b    backend
	root bool // we may
}

// New finds the host's service manager. Progress is written to out; configDir and
// stateDir are where serve looks for its configuration and keeps its history.
func New(out io.Writer, configDir, stateDir string) (*Manager, error) {
	m := &Manager{root: privileged()}
	if runtime.GOOS == "linux" {
		if sd := newSystemd("/", runCommand, out); sd.live || sd.offline() {
			m.b = sd
			return m, nil
		}
	}
	if service.ChosenSystem() == nil {
		return nil, errors.New("no service manager found that can run ssm-doctor; start \"ssm-doctor serve\" by the means of this host")
	}
	m.b = &other{out, configDir, stateDir}
	return m, nil
}

// Install writes, enables and starts the service and waits until it stays up.
// What is already as it should be is left alone.
func (m *Manager) Install(ctx context.Context, o Options) error {
	if !m.root {
		return ErrPrivilege
	}
	if err := checkExecutable(o.Executable); err != nil {
		return err
	}
	return m.b.install(ctx, o)
}

// Uninstall stops and removes the service, its state (unless keepState) and its
// user. Configuration is the administrator's and stays.
func (m *Manager) Uninstall(ctx context.Context, keepState bool) error {
	if !m.root {
		return ErrPrivilege
	}
	return m.b.uninstall(ctx, keepState)
}

// Start starts the service and waits until it has stayed up for wait.
func (m *Manager) Start(ctx context.Context, wait time.Duration) error {
	if !m.root {
		return ErrPrivilege
	}
	return m.b.start(ctx, wait)
}

// Stop stops the service and waits for its end.
func (m *Manager) Stop(ctx context.Context) error {
	if !m.root {
		return ErrPrivilege
	}
	return m.b.stop(ctx)
}

// State asks the service manager; it needs no privilege on most hosts.
func (m *Manager) State(ctx context.Context) (State, error) { return m.b.state(ctx) }

// Verify tells what differs from a service that Install has just left.
func (m *Manager) Verify(ctx context.Context, o Options) error {
	if err := m.b.verify(ctx, o); err != nil {
		return err
	}
	return replaceable(o.Executable)
}

// replaceable refuses a program that somebody without rights could replace.
func replaceable(path string) error {
	if _, err := safefile.Program(path); err != nil {
		return fmt.Errorf("%w; a service must not start it: let it and the folders above belong to root, writable by root only, or copy it to /usr/bin", err)
	}
	return nil
}

// plainPath is what unit files, init scripts and property lists take without
// quoting of any kind. Windows paths are quoted by the service manager's glue.
var plainPath = pattern.New(`^/[A-Za-z0-9._+/-]+$`)

func checkExecutable(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("the program's path %q is not absolute", path)
	}
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("look at the program to install: %w", err)
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	if runtime.GOOS == "windows" {
		return replaceable(path)
	}
	if st.Mode()&0o111 == 0 {
		return fmt.Errorf("%s is not executable", path)
	}
	if !plainPath.MatchString(path) {
		return fmt.Errorf("%s: a service cannot start from a path with spaces or special characters; copy the program to /usr/local/bin first", path)
	}
	for _, dir := range []string{"/home/", "/root/", "/run/", "/tmp/", "/var/tmp/", "/Users/"} {
		if strings.HasPrefix(path, dir) {
			return fmt.Errorf("%s is below %s, which the service cannot see or which does not last; copy the program to /usr/local/bin first", path, dir)
		}
	}
	return replaceable(path)
}
