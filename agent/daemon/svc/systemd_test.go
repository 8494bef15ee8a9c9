package svc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeSystemd behaves like systemctl over a tree of files.
type fakeSystemd struct {
	t       *testing.T
	root    string
	release int
	calls   []string
	enabled bool
	pid     int      // 0: not running
	dies    bool     // what is started fails at once
	users   []string // system users that exist
	groups  []string // group ids of the group, if it exists

	userGroups bool              // userdel takes the group of the user's name as well
	fails      []string          // programs that are not there
	versions   map[string]string // what programs say of themselves
}

func (f *fakeSystemd) run(_ context.Context, name string, args ...string) (string, error) {
	call := strings.Join(append([]string{name}, args...), " ")
	switch {
	case call == "systemctl --version":
		return fmt.Sprintf("systemd %d (%d.1-1)\n+PAM\n", f.release, f.release), nil
	case strings.HasPrefix(call, "systemctl show "):
		return f.show(), nil
	case name == "journalctl":
		return "listen tcp 127.0.0.1:10776: bind: address already in use\n\x1b[31mred\n", nil
	}
	f.calls = append(f.calls, call)
	switch {
	case call == "getent passwd ssm-doctor":
		if len(f.users) == 0 {
			return "", errors.New("exit status 2")
		}
		return "ssm-doctor:x:999:999:SSM doctor:/var/lib/ssm-doctor:/usr/sbin/nologin\n", nil
	case call == "getent group ssm-doctor":
		if len(f.groups) == 0 {
			return "", errors.New("exit status 2")
		}
		return "ssm-doctor:x:" + f.groups[0] + ":\n", nil
	case name == "groupadd":
		if slices.Contains(f.fails, name) {
			return "", errors.New("no such program")
		}
		f.groups = []string{"998"}
		if args[0] == "--gid" {
			f.groups = []string{args[1]}
		}
	case name == "groupdel":
		f.groups = nil
	case name == "useradd":
		if slices.Contains(f.fails, name) {
			return "", errors.New("no such program")
		}
		f.users = append(f.users, Name)
	case name == "systemd-sysusers":
		f.groups = []string{"998"}
		if strings.HasPrefix(args[1], "u ") {
			f.users = append(f.users, Name)
		}
	case name == "userdel":
		f.users = nil
		if f.userGroups { // USERGROUPS_ENAB yes
			f.groups = nil
		}
	case len(args) == 1 && args[0] == "version":
		return f.versions[name], nil
	case call == "systemctl enable "+unitName:
		f.enabled = true
	case call == "systemctl disable "+unitName:
		f.enabled = false
	case call == "systemctl restart "+unitName, call == "systemctl start "+unitName:
		f.pid++
		f.link()
	case call == "systemctl stop "+unitName:
		f.pid = 0
	}
	return "", nil
}

// link makes the process's link to the program that is installed now.
func (f *fakeSystemd) link() {
	dir := filepath.Join(f.root, "proc", fmt.Sprint(f.pid))
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.Link(filepath.Join(f.root, "opt/bin/ssm-doctor"), filepath.Join(dir, "exe"))); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fakeSystemd) show() string {
	p := map[string]string{"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead", "MainPID": fmt.Sprint(f.pid), "UnitFileState": "", "Result": "success"}
	for _, name := range []string{ownUnit, packagedUnits[0]} {
		if _, err := os.Stat(filepath.Join(f.root, name)); err == nil {
			p["LoadState"], p["FragmentPath"], p["UnitFileState"] = "loaded", "/"+name, "disabled"
			break
		}
	}
	if f.enabled {
		p["UnitFileState"] = "enabled"
	}
	switch {
	case f.pid > 0 && f.dies:
		p["ActiveState"], p["SubState"], p["Result"], p["ExecMainStatus"] = "activating", "auto-restart", "exit-code", "203"
	case f.pid > 0:
		p["ActiveState"], p["SubState"] = "active", "running"
	}
	var b strings.Builder
	for k, v := range p {
		fmt.Fprintf(&b, "%s=%s\n", k, v)
	}
	return b.String()
}

// testRoot is a host with systemd and a program in /opt/bin.
func testRoot(t *testing.T) (*systemd, *fakeSystemd, *bytes.Buffer) {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"run/systemd/system", "opt/bin", "etc/systemd/system"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, root, "opt/bin/ssm-doctor", "program")
	f := &fakeSystemd{t: t, root: root, release: 252}
	var out bytes.Buffer
	return newSystemd(root, f.run, &out), f, &out
}

func put(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, root, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var opts = Options{Executable: "/opt/bin/ssm-doctor"}

func TestInstallFromNothing(t *testing.T) {
	t.Parallel()
	s, f, _ := testRoot(t)
	if err := s.install(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"getent group ssm-doctor", "groupadd --system ssm-doctor", "getent passwd ssm-doctor",
		"useradd --system --gid ssm-doctor --no-create-home --home-dir /var/lib/ssm-doctor --shell /usr/sbin/nologin --comment SSM doctor ssm-doctor",
		"systemctl daemon-reload", "systemctl enable " + unitName,
		"systemctl reset-failed " + unitName, "systemctl restart " + unitName,
	}
	if d := cmp.Diff(want, f.calls); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Unit("/opt/bin/ssm-doctor", 252), get(t, f.root, ownUnit)); d != "" {
		t.Error(d)
	}
	if err := s.verify(t.Context(), opts); err != nil {
		t.Error(err)
	}
	st, err := s.state(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(State{Manager: "linux-systemd", Installed: true, Enabled: true, Running: true, PID: 1, File: "/" + ownUnit, Detail: "active (running)", Program: "/opt/bin/ssm-doctor"}, st); d != "" {
		t.Error(d)
	}
}

func TestInstallAgainChangesNothing(t *testing.T) {
	t.Parallel()
	s, f, out := testRoot(t)
	if err := s.install(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	f.calls = nil
	if err := s.install(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"getent group ssm-doctor", "getent passwd ssm-doctor"}, f.calls); d != "" {
		t.Error(d)
	}
	if !strings.Contains(out.String(), "nothing changed") {
		t.Error(out.String())
	}
}

func TestInstallRestartsAReplacedProgram(t *testing.T) {
	t.Parallel()
	s, f, _ := testRoot(t)
	if err := s.install(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(f.root, "opt/bin/ssm-doctor")); err != nil {
		t.Fatal(err)
	}
	put(t, f.root, "opt/bin/ssm-doctor", "newer program")
	if err := s.verify(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "restart the service") {
		t.Errorf("verify: %v", err)
	}
	if err := s.install(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if f.pid != 2 {
		t.Errorf("process %d, want a second one", f.pid)
	}
}

func TestInstallSaysWhyItDoesNotStayUp(t *testing.T) {
	t.Parallel()
	s, f, _ := testRoot(t)
	f.dies = true
	err := s.install(t.Context(), opts)
	if err == nil {
		t.Fatal("a service that dies was taken as started")
	}
	want := "the service does not stay up: it exited with code 203 (the program could not be executed: wrong architecture, a noexec mount, or refused by SELinux or another policy); its last lines:\n" +
		"  | listen tcp 127.0.0.1:10776: bind: address already in use\n  | \\x1b[31mred"
	if d := cmp.Diff(want, err.Error()); d != "" {
		t.Error(d)
	}
}

func TestInstallOnOldSystemd(t *testing.T) {
	t.Parallel()
	s, f, _ := testRoot(t)
	f.release = 219
	// The package's hardened unit must not be used by it.
	put(t, f.root, packagedUnits[0], Unit("/opt/bin/ssm-doctor", 252))
	if err := s.install(t.Context(), Options{Executable: opts.Executable, Ptrace: true}); err != nil {
		t.Fatal(err)
	}
	unit := get(t, f.root, ownUnit)
	for _, word := range []string{"SystemCallFilter", "AmbientCapabilities", "ProtectSystem=strict", "User="} {
		if strings.Contains(unit, word) {
			t.Errorf("the plain unit has %s", word)
		}
	}
	if s.exists(dropIn) {
		t.Error("a drop-in was written for a service that runs as root")
	}
	if len(f.users) != 0 {
		t.Error("a user was made that nothing runs as")
	}
}

func TestInstallPrefersThePackagesUnit(t *testing.T) {
	t.Parallel()
	s, f, _ := testRoot(t)
	put(t, f.root, packagedUnits[0], Unit("/opt/bin/ssm-doctor", 252))
	put(t, f.root, ownUnit, "[Service]\nExecStart=/somewhere/else serve\n")
	// Older releases from elsewhere, and programs that do not tell theirs, give way.
	if err := s.install(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if s.exists(ownUnit) {
		t.Error("the unit that hides the package's is still there")
	}
	if err := s.verify(t.Context(), opts); err != nil {
		t.Error(err)
	}
	if err := s.uninstall(t.Context(), false); err == nil || !strings.Contains(err.Error(), "package manager") {
		t.Errorf("uninstall of a package's service: %v", err)
	}
}

// What --ptrace adds goes again without it, and verify compares both ways.
func TestInstallPtrace(t *testing.T) {
	t.Parallel()
	s, f, _ := testRoot(t)
	on := opts
	on.Ptrace = true
	check := func(o Options, want string) {
		t.Helper()
		err := s.verify(t.Context(), o)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("verify with ptrace %v: got %v, want %q", o.Ptrace, err, want)
		}
	}
	if err := s.install(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	check(on, "missing")
	if err := s.install(t.Context(), on); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(PtraceDropIn(), get(t, f.root, dropIn)); d != "" {
		t.Error(d)
	}
	check(on, "")
	check(opts, "only --ptrace")
	before := f.pid
	if err := s.install(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if s.exists(filepath.Dir(dropIn)) || f.pid == before {
		t.Errorf("drop-in left: %v, process %d after %d: want it gone and the service restarted", s.exists(dropIn), f.pid, before)
	}
	check(opts, "")

	// The administrator's own stays, and is not what --ptrace installs.
	put(t, f.root, dropIn, "[Service]\nNice=5\n")
	if err := s.install(t.Context(), opts); err != nil || !s.exists(dropIn) {
		t.Errorf("install over an edited drop-in: %v, left %v", err, s.exists(dropIn))
	}
	check(opts, "")
	check(on, "differs")
}

func TestInstallInAnImage(t *testing.T) {
	t.Parallel()
	s, f, _ := testRoot(t)
	s.live = false
	if err := s.install(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if f.pid != 0 || !f.enabled {
		t.Errorf("process %d, enabled %v: want it enabled and not started", f.pid, f.enabled)
	}
}

func TestInstallMasked(t *testing.T) {
	t.Parallel()
	s, f, _ := testRoot(t)
	if err := os.Symlink("/dev/null", filepath.Join(f.root, ownUnit)); err != nil {
		t.Fatal(err)
	}
	if err := s.install(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "systemctl unmask") {
		t.Errorf("masked unit: %v", err)
	}
}

func TestUninstall(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		keep bool
	}{{"all", false}, {"keep the state", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, f, _ := testRoot(t)
			o := opts
			o.Ptrace = true
			if err := s.install(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			put(t, f.root, "var/lib/ssm-doctor/history", "x")
			f.calls = nil
			if err := s.uninstall(t.Context(), tt.keep); err != nil {
				t.Fatal(err)
			}
			if f.calls[0] != "systemctl stop "+unitName || f.pid != 0 || f.enabled {
				t.Errorf("not stopped first and disabled: %q", f.calls)
			}
			for _, name := range []string{ownUnit, dropIn, filepath.Dir(dropIn)} {
				if s.exists(name) {
					t.Errorf("%s is left", name)
				}
			}
			if got := s.exists("var/lib/ssm-doctor"); got != tt.keep {
				t.Errorf("state left: %v, want %v", got, tt.keep)
			}
			if got := len(f.users) > 0; got != tt.keep {
				t.Errorf("user left: %v, want %v", got, tt.keep)
			}
			if err := s.uninstall(t.Context(), tt.keep); err != nil {
				t.Errorf("again: %v", err)
			}
			if err := s.verify(t.Context(), opts); !errors.Is(err, ErrNotInstalled) {
				t.Errorf("verify after it: %v", err)
			}
		})
	}
}

func TestVerifyFindsDifferences(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		spoil      func(s *systemd, f *fakeSystemd)
	}{
		{"edited unit", "differs", func(_ *systemd, f *fakeSystemd) { put(f.t, f.root, ownUnit, "[Service]\n") }},
		{"disabled", "not enabled", func(_ *systemd, f *fakeSystemd) { f.enabled = false }},
		{"stopped", "not running", func(_ *systemd, f *fakeSystemd) { f.pid = 0 }},
		{"failing", "exited with code 203", func(_ *systemd, f *fakeSystemd) { f.dies = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, f, _ := testRoot(t)
			if err := s.install(t.Context(), opts); err != nil {
				t.Fatal(err)
			}
			tt.spoil(s, f)
			if err := s.verify(t.Context(), opts); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	s, f, _ := testRoot(t)
	if err := s.start(t.Context(), 0); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("start: %v", err)
	}
	if err := s.stop(t.Context()); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("stop: %v", err)
	}
	if err := s.install(t.Context(), Options{Executable: opts.Executable, NoStart: true}); err != nil || f.pid != 0 {
		t.Fatalf("install without start: %v, process %d", err, f.pid)
	}
	if err := s.start(t.Context(), 0); err != nil || f.pid != 1 {
		t.Errorf("start: %v, process %d", err, f.pid)
	}
	if err := s.stop(t.Context()); err != nil || f.pid != 0 {
		t.Errorf("stop: %v, process %d", err, f.pid)
	}
}
