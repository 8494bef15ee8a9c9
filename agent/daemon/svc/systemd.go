package svc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/safefile"
	"ssm-doctor/checks/pattern"
)

const (
	unitName = Name + ".service"
	// ownUnit and dropIn are the files Install writes, below the root.
	ownUnit = "etc/systemd/system/" + unitName
	dropIn  = "etc/systemd/system/" + unitName + ".d/ptrace.conf"

	pollEvery = 500 * time.Millisecond
	// startLimit is how long a start may take before the stay-up time counts.
	startLimit = 15 * time.Second
)

// packagedUnits is where an operating system package leaves the unit.
var packagedUnits = []string{"usr/lib/systemd/system/" + unitName, "lib/systemd/system/" + unitName}

// run executes a program and returns its standard output, bounded.
type run func(ctx context.Context, name string, args ...string) (string, error)

type systemd struct {
	root string // "/", or a directory in tests
	run  run
	out  io.Writer
	live bool // it is the running init; otherwise an image is being built
}

func newSystemd(root string, r run, out io.Writer) *systemd {
	s := &systemd{root: root, run: r, out: out}
	s.live = s.exists("run/systemd/system")
	return s
}

func (s *systemd) path(name string) string { return filepath.Join(s.root, name) }

func (s *systemd) exists(name string) bool {
	_, err := os.Stat(s.path(name))
	return err == nil
}

// offline: systemd will be the init of this tree once it boots, as in a chroot
// in which an image is built.
func (s *systemd) offline() bool {
	if s.exists("sbin/openrc-run") || s.exists("sbin/openrc") {
		return false
	}
	return (s.exists("usr/lib/systemd/systemd") || s.exists("lib/systemd/systemd")) &&
		(s.exists("usr/bin/systemctl") || s.exists("bin/systemctl"))
}

func (s *systemd) say(format string, a ...any) { fmt.Fprintf(s.out, format+"\n", a...) }

var releaseLine = pattern.New(`^systemd ([0-9]{1,5})`)

// release asks systemctl for its version number.
func (s *systemd) release(ctx context.Context) (int, error) {
	out, err := s.run(ctx, "systemctl", "--version")
	if err != nil {
		return 0, fmt.Errorf("ask systemctl for its version: %w", err)
	}
	m := releaseLine.FindStringSubmatch(out)
	if m == nil {
		return 0, errors.New("systemctl --version names no version")
	}
	return strconv.Atoi(m[1])
}

// wanted is the unit file that should be in force and its text.
func (s *systemd) wanted(ctx context.Context, executable string) (name, text string, release int, err error) {
	release, err = s.release(ctx)
	if err != nil {
		return "", "", 0, err
	}
	text = Unit(executable, release)
	for _, p := range packagedUnits {
		b, err := os.ReadFile(s.path(p))
		if err != nil || startsFrom(b) != executable {
			continue
		}
		// An old systemd needs the plain unit, which hides the package's.
		if release >= hardenedSince || string(b) == text {
			return p, string(b), release, nil
		}
	}
	return ownUnit, text, release, nil
}

// startsFrom returns the program of a unit's first ExecStart line.
func startsFrom(unit []byte) string {
	for line := range bytes.Lines(unit) {
		if v, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("ExecStart=")); ok {
			if f := strings.Fields(string(v)); len(f) > 0 {
				return f[0]
			}
		}
	}
	return ""
}

func (s *systemd) install(ctx context.Context, o Options) error {
	name, text, release, err := s.wanted(ctx, o.Executable)
	if err != nil {
		return err
	}
	if link, err := os.Readlink(s.path(ownUnit)); err == nil && link == "/dev/null" {
		return fmt.Errorf("the unit is masked; run: systemctl unmask %s", unitName)
	}
	if err := s.otherRoute(ctx, o.Executable); err != nil {
		return err
	}
	if err := s.beginNote(); err != nil {
		return err
	}
	changed := false
	if release >= hardenedSince {
		if err := s.ensureUser(ctx); err != nil {
			return err
		}
	}
	if name == ownUnit {
		if changed, err = s.write(ownUnit, text); err != nil {
			return err
		}
	} else {
		s.say("the unit of the installed package, /%s, is used", name)
		// An own unit from an earlier install would hide the package's.
		if s.exists(ownUnit) {
			if err := os.Remove(s.path(ownUnit)); err != nil {
				return fmt.Errorf("remove the unit that hides the package's: %w", err)
			}
			changed = true
		}
	}
	if o.Ptrace && release < hardenedSince {
		s.say("systemd %d runs it as root: no drop-in is needed", release)
	}
	c, err := s.setDropIn(o.Ptrace && release >= hardenedSince)
	if err != nil {
		return err
	}
	changed = changed || c
	if !s.live {
		if _, err := s.run(ctx, "systemctl", "enable", unitName); err != nil {
			return fmt.Errorf("enable the service: %w", err)
		}
		s.say("systemd does not run here: the service is enabled and will start with the system")
		return nil
	}
	if changed {
		if _, err := s.run(ctx, "systemctl", "daemon-reload"); err != nil {
			return fmt.Errorf("make systemd read the unit: %w", err)
		}
	}
	p, err := s.show(ctx)
	if err != nil {
		return err
	}
	if p["UnitFileState"] != "enabled" {
		if _, err := s.run(ctx, "systemctl", "enable", unitName); err != nil {
			return fmt.Errorf("enable the service: %w", err)
		}
	}
	if o.NoStart {
		return nil
	}
	if !changed && p["ActiveState"] == "active" && s.runs(p["MainPID"], o.Executable) {
		s.say("already installed and running, nothing changed")
		return s.watch(ctx, o.Wait)
	}
	return s.restart(ctx, "restart", o.Wait)
}

// setDropIn writes the drop-in of --ptrace, or takes it back, and reports whether
// that changed anything. One that the administrator has edited is not taken back.
func (s *systemd) setDropIn(wanted bool) (bool, error) {
	if wanted {
		return s.write(dropIn, ptraceDropIn)
	}
	if !s.hasDropIn() {
		return false, nil
	}
	if err := os.Remove(s.path(dropIn)); err != nil {
		return false, fmt.Errorf("remove the drop-in: %w", err)
	}
	s.say("removed /%s, which --ptrace had installed", dropIn)
	// Fails, as it should, while drop-ins of the administrator are in it.
	_ = os.Remove(s.path(filepath.Dir(dropIn)))
	return true, nil
}

// hasDropIn: the drop-in is there, as --ptrace writes it.
func (s *systemd) hasDropIn() bool {
	b, err := os.ReadFile(s.path(dropIn))
	return err == nil && string(b) == ptraceDropIn
}

// runs says whether the process is the file that is installed now, and not the
// one it replaced.
func (s *systemd) runs(pid, executable string) bool {
	a, err := os.Stat(s.path("proc/" + pid + "/exe"))
	if err != nil {
		return false
	}
	b, err := os.Stat(s.path(executable))
	return err == nil && os.SameFile(a, b)
}

// restart starts the service and waits until it stays up. The failed state of
// an earlier attempt is cleared first: it would refuse the start.
func (s *systemd) restart(ctx context.Context, verb string, wait time.Duration) error {
	// An error here only says that there is nothing to clear.
	_, _ = s.run(ctx, "systemctl", "reset-failed", unitName)
	if _, err := s.run(ctx, "systemctl", verb, unitName); err != nil {
		return fmt.Errorf("%s the service: %w%s", verb, err, s.reason(ctx))
	}
	return s.watch(ctx, wait)
}

// write puts a file in place at once, and reports whether it was different.
func (s *systemd) write(name, text string) (bool, error) {
	path := s.path(name)
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return false, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, err
	}
	if err := safefile.Replace(path, 0o644, []byte(text)); err != nil {
		return false, fmt.Errorf("write /%s: %w", name, err)
	}
	// A created file may carry the label of temporary files where SELinux rules.
	if s.exists("sbin/restorecon") || s.exists("usr/sbin/restorecon") {
		_, _ = s.run(context.WithoutCancel(context.TODO()), "restorecon", "-F", path)
	}
	s.say("wrote /%s", name)
	return true, nil
}

func (s *systemd) uninstall(ctx context.Context, keepState bool) error {
	for _, p := range packagedUnits {
		if s.exists(p) {
			return fmt.Errorf("/%s belongs to a package; remove it with the package manager", p)
		}
	}
	if s.live {
		if err := s.stop(ctx); err != nil && !errors.Is(err, ErrNotInstalled) {
			return err
		}
	}
	if s.exists(ownUnit) {
		if _, err := s.run(ctx, "systemctl", "disable", unitName); err != nil {
			return fmt.Errorf("disable the service: %w", err)
		}
	}
	for _, name := range []string{dropIn, ownUnit} {
		if err := os.Remove(s.path(name)); err == nil {
			s.say("removed /%s", name)
		} else if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the unit: %w", err)
		}
	}
	// Fails, as it should, while drop-ins of the administrator are in it.
	_ = os.Remove(s.path(filepath.Dir(dropIn)))
	if s.live {
		if _, err := s.run(ctx, "systemctl", "daemon-reload"); err != nil {
			return fmt.Errorf("make systemd forget the unit: %w", err)
		}
		_, _ = s.run(ctx, "systemctl", "reset-failed", unitName)
	}
	if keepState {
		return nil
	}
	for _, dir := range []string{"var/lib/" + Name, "run/" + Name} {
		if err := os.RemoveAll(s.path(dir)); err != nil {
			return fmt.Errorf("remove the state: %w", err)
		}
	}
	s.removeAccounts(ctx)
	return nil
}

func (s *systemd) start(ctx context.Context, wait time.Duration) error {
	if !s.live {
		return errors.New("systemd does not run here")
	}
	st, err := s.state(ctx)
	if err != nil {
		return err
	}
	if !st.Installed {
		return ErrNotInstalled
	}
	return s.restart(ctx, "start", wait)
}

func (s *systemd) stop(ctx context.Context) error {
	if !s.live {
		return errors.New("systemd does not run here")
	}
	st, err := s.state(ctx)
	if err != nil {
		return err
	}
	if !st.Installed {
		return ErrNotInstalled
	}
	if _, err := s.run(ctx, "systemctl", "stop", unitName); err != nil {
		return fmt.Errorf("stop the service: %w", err)
	}
	p, err := s.show(ctx)
	if err != nil {
		return err
	}
	if a := p["ActiveState"]; a != "inactive" && a != "failed" {
		return fmt.Errorf("the service is still %s after it was told to stop", a)
	}
	return nil
}

// show asks for the properties that everything here is decided by.
func (s *systemd) show(ctx context.Context) (map[string]string, error) {
	out, err := s.run(ctx, "systemctl", "show", "-p", "LoadState,ActiveState,SubState,MainPID,Result,ExecMainCode,ExecMainStatus,UnitFileState,FragmentPath", unitName)
	if err != nil {
		return nil, fmt.Errorf("ask systemd for the service's state: %w", err)
	}
	return parseProperties(out), nil
}

// parseProperties reads the KEY=VALUE lines of systemctl show.
func parseProperties(out string) map[string]string {
	p := map[string]string{}
	for line := range strings.Lines(out) {
		if k, v, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "="); ok {
			p[k] = v
		}
	}
	return p
}

func (s *systemd) state(ctx context.Context) (State, error) {
	st := State{Manager: "linux-systemd"}
	if !s.live {
		for _, name := range append([]string{ownUnit}, packagedUnits...) {
			if s.exists(name) {
				st.Installed, st.File = true, "/"+name
				break
			}
		}
		st.Enabled = s.exists("etc/systemd/system/multi-user.target.wants/" + unitName)
		st.Detail = "systemd does not run here"
		return st, nil
	}
	p, err := s.show(ctx)
	if err != nil {
		return st, err
	}
	st.Installed = p["LoadState"] != "" && p["LoadState"] != "not-found"
	st.Enabled = p["UnitFileState"] == "enabled"
	st.Running = p["ActiveState"] == "active" && p["SubState"] == "running"
	st.PID, _ = strconv.Atoi(p["MainPID"])
	st.File = p["FragmentPath"]
	st.Detail = p["ActiveState"]
	if sub := p["SubState"]; sub != "" && sub != st.Detail {
		st.Detail += " (" + sub + ")"
	}
	if b, err := os.ReadFile(s.path(st.File)); err == nil && st.File != "" {
		st.Program = startsFrom(b)
	}
	if exe := s.path("proc/" + p["MainPID"] + "/exe"); st.PID != 0 && st.Program != "" && readable(exe) && !s.runs(p["MainPID"], st.Program) {
		st.Stale = true
	}
	return st, nil
}

// watch returns once the service has been up with one process for wait.
func (s *systemd) watch(ctx context.Context, wait time.Duration) error {
	var pid string
	var up time.Time
	limit := time.Now().Add(startLimit + wait)
	for {
		p, err := s.show(ctx)
		if err != nil {
			return err
		}
		switch {
		case p["ActiveState"] == "failed",
			p["ActiveState"] == "activating" && p["SubState"] == "auto-restart",
			pid != "" && p["MainPID"] != pid:
			return fmt.Errorf("the service does not stay up%s", s.reason(ctx))
		case p["ActiveState"] == "inactive":
			return fmt.Errorf("the service ended%s", s.reason(ctx))
		case p["ActiveState"] == "active":
			if pid == "" {
				pid, up = p["MainPID"], time.Now()
			}
			if time.Since(up) >= wait {
				s.say("running as process %s for %v", pid, wait)
				return nil
			}
		case time.Now().After(limit):
			return fmt.Errorf("the service is still %s%s", p["ActiveState"], s.reason(ctx))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

// exitReasons are systemd's own exit codes for what went wrong before the
// program ran; systemd.exec(5), "Process exit codes".
var exitReasons = map[string]string{
	"200": "its working directory is missing",
	"203": "the program could not be executed: wrong architecture, a noexec mount, or refused by SELinux or another policy",
	"216": "its group does not exist",
	"217": "its user does not exist",
	"218": "its capabilities could not be set",
	"226": "its name spaces could not be set up: the kernel or container forbids it",
	"228": "its system call filter could not be set",
	"238": "its state directory could not be made",
	"2":   "it was started with an argument it does not know, or stopped by a verdict",
	"64":  "it refused its command line or configuration",
	"70":  "it met an internal error",
}

// reason puts into words why the service is not up, with its last lines.
func (s *systemd) reason(ctx context.Context) string {
	p, err := s.show(ctx)
	if err != nil {
		return ""
	}
	var b strings.Builder
	switch code := p["ExecMainStatus"]; {
	case p["LoadState"] == "masked":
		b.WriteString(": the unit is masked")
	case p["LoadState"] != "" && p["LoadState"] != "loaded":
		b.WriteString(": systemd could not load the unit (" + clean(p["LoadState"]) + ")")
	case p["Result"] == "start-limit-hit":
		b.WriteString(": it failed too often in a short time")
	case p["Result"] == "oom-kill":
		b.WriteString(": it was killed for using too much memory")
	case p["Result"] == "signal":
		b.WriteString(": it was killed by signal " + clean(code))
	case code != "" && code != "0":
		b.WriteString(": it exited with code " + clean(code))
		if why := exitReasons[code]; why != "" {
			b.WriteString(" (" + why + ")")
		}
	}
	out, err := s.run(ctx, "journalctl", "-u", unitName, "-n", "8", "-o", "cat", "--no-pager", "-q")
	if err == nil && strings.TrimSpace(out) != "" {
		b.WriteString("; its last lines:")
		for line := range strings.Lines(out) {
			b.WriteString("\n  | " + clean(strings.TrimRight(line, "\n")))
		}
	}
	return b.String()
}

func (s *systemd) verify(ctx context.Context, o Options) error {
	name, text, release, err := s.wanted(ctx, o.Executable)
	if err != nil {
		return err
	}
	got, err := os.ReadFile(s.path(name))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return ErrNotInstalled
	case err != nil:
		return err
	case string(got) != text:
		return fmt.Errorf("/%s differs from what this release installs", name)
	}
	switch want := o.Ptrace && release >= hardenedSince; {
	case want && !s.hasDropIn():
		return fmt.Errorf("/%s is missing or differs from what --ptrace installs", dropIn)
	case !want && s.hasDropIn():
		return fmt.Errorf("/%s is there, which only --ptrace installs", dropIn)
	}
	st, err := s.state(ctx)
	if err != nil {
		return err
	}
	if !st.Enabled {
		return errors.New("the service is not enabled: it would not start with the system")
	}
	if !s.live {
		return nil
	}
	if want := "/" + name; st.File != want && st.File != "/"+strings.TrimPrefix(name, "usr/") {
		return fmt.Errorf("systemd uses %s and not %s", clean(st.File), want)
	}
	if !st.Running {
		return fmt.Errorf("the service is not running%s", s.reason(ctx))
	}
	if exe := s.path("proc/" + strconv.Itoa(st.PID) + "/exe"); readable(exe) && !s.runs(strconv.Itoa(st.PID), o.Executable) {
		return fmt.Errorf("the running process is not %s as it is now: restart the service", o.Executable)
	}
	return s.watch(ctx, o.Wait)
}

// readable: the link can be followed; without root, it belongs to another user.
func readable(path string) bool {
	_, err := os.Stat(path)
	return err == nil || errors.Is(err, os.ErrNotExist)
}
