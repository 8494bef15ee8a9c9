package svc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/kardianos/service"

	"ssm-doctor/agent/safefile"
)

const description = "Tells whether this host is an AWS Systems Manager managed node, and why not. Read-only."

// config is what kardianos/service is told; executable may be empty when it is
// not to install.
func config(executable string) *service.Config {
	return &service.Config{
		Name:        Name,
		DisplayName: "SSM doctor",
		Description: description,
		Executable:  executable,
		Arguments:   []string{"serve"},
		Option:      service.KeyValue{"RunAtLoad": true, "KeepAlive": true},
	}
}

// other drives OpenRC, SysV, launchd and the Windows service manager.
type other struct {
	out                 io.Writer
	configDir, stateDir string
}

func (o *other) say(format string, a ...any) { fmt.Fprintf(o.out, format+"\n", a...) }

func (o *other) service(executable string) (service.Service, error) {
	return service.New(newProgram(context.Background(), nil), config(executable))
}

// scriptFile is the file that kardianos/service writes, "" on Windows.
func scriptFile() string {
	switch runtime.GOOS {
	case "windows":
		return ""
	case "darwin":
		return "/Library/LaunchDaemons/" + Name + ".plist"
	}
	if service.Platform() == "linux-upstart" {
		return "/etc/init/" + Name + ".conf"
	}
	return "/etc/init.d/" + Name
}

func (o *other) install(ctx context.Context, opts Options) error {
	if err := prepareFolder(o.configDir); err != nil {
		return fmt.Errorf("prepare the folder of the configuration: %w", err)
	}
	s, err := o.service(opts.Executable)
	if err != nil {
		return err
	}
	changed, err := o.register(s, opts.Executable)
	if err != nil {
		return err
	}
	recovery, err := setRecovery()
	switch {
	case err != nil: // it can run without, and verify tells
		o.say("NOT restarted after a failure: the service manager refused that: %v", err)
	case recovery:
		o.say("the service is restarted after a failure")
	}
	if opts.NoStart {
		return nil
	}
	status, err := s.Status()
	if err == nil && status == service.StatusRunning && !changed && upToDate(opts.Executable) {
		o.say("already installed and running, nothing changed")
		return o.watch(ctx, s, opts.Wait)
	}
	if status == service.StatusRunning {
		if err := o.stopService(ctx, s); err != nil {
			return err
		}
	}
	if err := s.Start(); err != nil {
		return fmt.Errorf("start the service: %w", err)
	}
	return o.watch(ctx, s, opts.Wait)
}

// register installs the service, or brings an existing registration up to date,
// and reports whether anything differed. kardianos/service refuses to install
// over an existing file and leaves an empty one after an error, so the old file
// steps aside and comes back.
func (o *other) register(s service.Service, executable string) (bool, error) {
	file := scriptFile()
	if file == "" {
		return registerWindows(s, executable)
	}
	old, err := os.ReadFile(file)
	existed := err == nil
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	if existed {
		if err := os.Remove(file); err != nil {
			return false, err
		}
	}
	if err := s.Install(); err != nil {
		_ = os.Remove(file)
		if existed {
			err = errors.Join(err, safefile.Replace(file, 0o755, old))
		}
		return false, fmt.Errorf("install the service: %w", err)
	}
	now, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	if existed && bytes.Equal(old, now) {
		return false, nil
	}
	o.say("wrote %s", file)
	return true, nil
}

// upToDate says whether the program has been running since after the file was
// replaced. Where this cannot be told it says no and the service is restarted.
func upToDate(executable string) bool {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	want, err := os.Stat(executable)
	if err != nil {
		return false
	}
	for _, l := range links {
		if l == fmt.Sprintf("/proc/%d/exe", os.Getpid()) {
			continue
		}
		if got, err := os.Stat(l); err == nil && os.SameFile(got, want) {
			return true
		}
	}
	return false
}

func (o *other) uninstall(ctx context.Context, keepState bool) error {
	s, err := o.service("")
	if err != nil {
		return err
	}
	status, err := s.Status()
	if errors.Is(err, service.ErrNotInstalled) {
		o.say("the service is not installed")
	} else {
		if status == service.StatusRunning {
			if err := o.stopService(ctx, s); err != nil {
				return err
			}
		}
		if err := s.Uninstall(); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("uninstall the service: %w", err)
		}
	}
	for _, f := range leftovers() {
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if !keepState {
		if err := os.RemoveAll(o.stateDir); err != nil {
			return fmt.Errorf("remove the state: %w", err)
		}
	}
	removeFolder(o.configDir)
	return nil
}

// leftovers are files that kardianos/service makes and does not remove.
func leftovers() []string {
	if runtime.GOOS == "windows" {
		return nil
	}
	files := []string{"/var/log/" + Name + ".log", "/var/log/" + Name + ".err",
		"/var/log/" + Name + ".out.log", "/var/log/" + Name + ".err.log", "/var/run/" + Name + ".pid"}
	for _, level := range "0123456" {
		for _, prefix := range []string{"S50", "K02"} {
			files = append(files, fmt.Sprintf("/etc/rc%c.d/%s%s", level, prefix, Name))
		}
	}
	return files
}

func (o *other) start(ctx context.Context, wait time.Duration) error {
	s, err := o.service("")
	if err != nil {
		return err
	}
	status, err := s.Status()
	if errors.Is(err, service.ErrNotInstalled) {
		return ErrNotInstalled
	}
	if status != service.StatusRunning {
		if err := s.Start(); err != nil {
			return fmt.Errorf("start the service: %w", err)
		}
	}
	return o.watch(ctx, s, wait)
}

func (o *other) stop(ctx context.Context) error {
	s, err := o.service("")
	if err != nil {
		return err
	}
	status, err := s.Status()
	if errors.Is(err, service.ErrNotInstalled) {
		return ErrNotInstalled
	}
	if status == service.StatusStopped {
		return nil
	}
	return o.stopService(ctx, s)
}

// stopService stops the service. The library's Windows loop never ends when a
// service hangs, so it is given a limit here.
func (o *other) stopService(ctx context.Context, s service.Service) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Stop() }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("stop the service: %w", err)
		}
		return nil
	case <-ctx.Done():
		return errors.New("the service did not stop in time")
	}
}

func (o *other) state(context.Context) (State, error) {
	st := State{Manager: service.Platform(), File: scriptFile()}
	s, err := o.service("")
	if err != nil {
		return st, err
	}
	status, err := s.Status()
	switch {
	case errors.Is(err, service.ErrNotInstalled):
		st.File = ""
		return st, nil
	case err != nil && status == service.StatusUnknown && st.File != "":
		if _, serr := os.Stat(st.File); errors.Is(serr, os.ErrNotExist) {
			st.File = ""
			return st, nil
		}
		st.Installed, st.Detail = true, clean(err.Error())
	case err != nil:
		return st, err
	default:
		st.Installed = true
	}
	st.Running = status == service.StatusRunning
	st.Enabled = st.Installed // these managers are enabled by being installed
	if program, err := registeredProgram(); err == nil {
		st.Program = program
	}
	switch {
	case st.Running:
		st.Detail = "running"
	case st.Detail == "":
		st.Detail = "stopped"
	}
	return st, nil
}

func (o *other) verify(ctx context.Context, opts Options) error {
	st, err := o.state(ctx)
	if err != nil {
		return err
	}
	if !st.Installed {
		return ErrNotInstalled
	}
	if err := verifyRegistration(opts.Executable); err != nil {
		return err
	}
	if !st.Running {
		return fmt.Errorf("the service is not running: %s", st.Detail)
	}
	s, err := o.service("")
	if err != nil {
		return err
	}
	return o.watch(ctx, s, opts.Wait)
}

// watch returns once the service has been running for wait.
func (o *other) watch(ctx context.Context, s service.Service, wait time.Duration) error {
	var up time.Time
	limit := time.Now().Add(startLimit + wait)
	for {
		status, err := s.Status()
		switch {
		case err == nil && status == service.StatusRunning:
			if up.IsZero() {
				up = time.Now()
			}
			if time.Since(up) >= wait {
				o.say("running for %v", wait)
				return nil
			}
		case !up.IsZero():
			return errors.New("the service does not stay up; " + whereLogs)
		case time.Now().After(limit):
			return errors.New("the service does not start; " + whereLogs)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}
