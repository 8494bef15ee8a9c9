package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/daemon/svc"
	"ssm-doctor/packaging/distributor/plugin"
)

// windowsNode is a host with an agent that installs the package for Windows: the real
// scripts and the real deployment, on a stand-in for the service manager and for
// programs, which are files of text. packaging/windows/wine.sh runs the same with the
// real program.
type windowsNode struct {
	*node
	registered string // the program that the service starts
	running    string // its release; empty: stopped
	disabled   bool
	msi        bool
	loose      string // a program that others than administrators could replace
	calls      []string
	cut        string // a service action in whose middle the host goes down
}

const windowsProgram = "ssm-doctor.exe"

// exe is a program whose service starts, or not.
func exe(version string, health int) string {
	return fmt.Sprintf("exe %s health=%d uninstall=0\n", version, health)
}

func newWindowsNode(t *testing.T) *windowsNode {
	t.Helper()
	w := &windowsNode{node: &node{t: t, root: t.TempDir(), now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}}
	w.agent = &plugin.Node{
		Data: filepath.Join(w.root, "ProgramData/Amazon/SSM"), Name: "ssm-doctor", Documents: map[string]plugin.Document{},
		Now: func() time.Time { return w.now }, PowerShell: w.script,
	}
	for _, dir := range []string{"Program Files", "ProgramData/Amazon/SSM/packages"} {
		if err := os.MkdirAll(filepath.Join(w.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

var errCut = errors.New("the host is down")

// script is what the program of the package does when its script calls it.
func (w *windowsNode) script(ctx context.Context, folder string, env, call []string) (said []byte, err error) {
	if _, err := w.Run(ctx, filepath.Join(folder, call[0]), "version"); err != nil {
		return nil, err // PowerShell cannot start it
	}
	if d := cmp.Diff([]string{windowsProgram, "service", "deploy"}, call[:3]); d != "" {
		w.t.Fatal(d)
	}
	var out strings.Builder
	defer func() { // a cut off run ends where it is
		if r := recover(); r != nil {
			if r != errCut {
				panic(r)
			}
			said, err = []byte(out.String()), errCut
		}
	}()
	d := svc.Deployment{From: folder, Home: w.home(), Program: windowsProgram, StateDir: filepath.Join(w.root, "ProgramData/ssm-doctor/state"), Out: &out, Host: w,
		Getenv: func(name string) string {
			for _, e := range slices.Backward(env) {
				if v, ok := strings.CutPrefix(e, name+"="); ok {
					return v
				}
			}
			return ""
		}}
	err = d.Do(ctx, call[3])
	if err != nil {
		fmt.Fprintf(&out, "ssm-doctor: %v\n", err)
	}
	return []byte(out.String()), err
}

func (w *windowsNode) home() string { return filepath.Join(w.root, "Program Files/ssm-doctor") }
func (w *windowsNode) bin() string  { return filepath.Join(w.home(), windowsProgram) }

var errCode = errors.New("exit status 70")

func (w *windowsNode) Run(_ context.Context, program string, args ...string) (string, error) {
	b, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	if program == w.loose {
		return "", fmt.Errorf("%w: everybody may change it", svc.ErrNotTrusted)
	}
	var version string
	var health, uninstall int
	if _, err := fmt.Sscanf(string(b), "exe %s health=%d uninstall=%d", &version, &health, &uninstall); err != nil {
		return "", errors.New("not a valid Win32 application")
	}
	line := strings.Join(args, " ")
	if line == "version" {
		return "ssm-doctor " + version + " (go, windows/amd64)\n", nil
	}
	w.calls = append(w.calls, version+" "+line)
	if w.cut != "" && strings.HasPrefix(line, w.cut) {
		w.cut, w.running = "", ""
		panic(errCut)
	}
	state := filepath.Join(w.root, "ProgramData/ssm-doctor/state")
	switch {
	case strings.HasPrefix(line, "service install"):
		w.registered, w.running = program, ""
		if err := os.MkdirAll(state, 0o755); err != nil {
			return "", err
		}
		if strings.Contains(line, "--no-start") {
			return "", nil
		}
		if health != 0 {
			return "ssm-doctor: the service does not stay up; see the Application event log\n", errCode
		}
		w.running = version
		return "running for 10s\n", nil
	case strings.HasPrefix(line, "service start"):
		w.running = version
		return "", nil
	case strings.HasPrefix(line, "service uninstall"):
		if uninstall != 0 {
			return "ssm-doctor: uninstall the service: Access is denied.\n", errCode
		}
		w.registered, w.running = "", ""
		if !strings.Contains(line, "--keep-state") {
			return "", os.RemoveAll(filepath.Dir(state))
		}
		return "", nil
	case line == "service verify":
		if w.registered != program || w.running != version || w.disabled {
			return "ssm-doctor: the service is not running\n", errCode
		}
		return "", nil
	}
	return "", fmt.Errorf("exit status 64: %s", line)
}

func (w *windowsNode) Service() (string, error) { return w.registered, nil }

func (w *windowsNode) Stop(context.Context) error {
	if w.registered == "" {
		return svc.ErrNotInstalled
	}
	w.running = ""
	return nil
}

func (w *windowsNode) Disable() error {
	w.disabled = true
	return nil
}

func (w *windowsNode) Installer() bool { return w.msi }

// publish makes a package with the real scripts around a program; the last is the default.
func (w *windowsNode) publish(version, program string) {
	w.t.Helper()
	bin, out := filepath.Join(w.t.TempDir(), "program"), w.t.TempDir()
	if err := os.WriteFile(bin, []byte(program), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if _, err := build(plan{name: "ssm-doctor", version: version, publisher: "Example", binaries: map[string]string{"windows/amd64": bin}, out: out}); err != nil {
		w.t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(out, "manifest.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.agent.Documents[version] = plugin.Document{Manifest: b, File: filepath.Join(out, "ssm-doctor_windows_amd64.zip")}
	w.agent.Default = version
}

// runs fails unless exactly this release is in place and up, and nothing is left beside it.
func (w *windowsNode) runs(version string) {
	w.t.Helper()
	if w.running != version || w.registered != w.bin() {
		w.t.Errorf("running: %q of %s, want %s", w.running, w.registered, version)
	}
	w.holds(windowsProgram)
	if b, err := os.ReadFile(w.bin()); err != nil || !strings.HasPrefix(string(b), "exe "+version+" ") {
		w.t.Errorf("the program in place is %s, not %s; %v", b, version, err)
	}
}

// holds fails unless these files are in the folder of the program.
func (w *windowsNode) holds(want ...string) {
	w.t.Helper()
	entries, err := os.ReadDir(w.home())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if e.Name() != "rejected" && e.Name() != "placed" {
			got = append(got, e.Name())
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		w.t.Error("in the folder of the program: ", d)
	}
}

func (w *windowsNode) gone() {
	w.t.Helper()
	for _, dir := range []string{"Program Files/ssm-doctor", "ProgramData/ssm-doctor"} {
		if w.exists(dir) {
			w.t.Errorf("%s is left behind", dir)
		}
	}
	if w.registered != "" || w.running != "" {
		w.t.Errorf("a service is left behind: %s", w.registered)
	}
}

func (w *windowsNode) says(want string) {
	w.t.Helper()
	if !strings.Contains(w.out, want) {
		w.t.Errorf("got %q, want it to say %q", w.out, want)
	}
}

func TestWindowsLife(t *testing.T) {
	t.Parallel()
	for _, inPlace := range []bool{false, true} {
		t.Run(fmt.Sprintf("in place %v", inPlace), func(t *testing.T) {
			t.Parallel()
			w := newWindowsNode(t)
			w.publish("1.0.0", exe("1.0.0", 0))
			w.publish("1.1.0", exe("1.1.0", 0))
			w.want(true, w.configure("1.0.0", inPlace))
			w.scripts("1.0.0/install.ps1=0", "1.0.0/validate.ps1=0")
			w.runs("1.0.0")
			w.want(true, w.configure("1.0.0", inPlace))
			w.scripts("1.0.0/validate.ps1=0")
			w.write("ProgramData/ssm-doctor/state/history", "x", 0o600)
			for _, v := range []string{"1.1.0", "1.0.0"} { // and the downgrade
				w.want(true, w.configure(v, inPlace))
				w.runs(v)
				w.state(plugin.Installed, v)
				w.folders(v)
			}
			if !w.exists("ProgramData/ssm-doctor/state/history") {
				t.Error("the history is gone with a mere update")
			}
			w.publish("1.2.0", exe("1.2.0", 1))
			for _, later := range []time.Duration{0, time.Minute, 24 * time.Hour} {
				w.now = w.now.Add(later)
				w.want(false, w.configure("1.2.0", inPlace))
				w.says("rolled back to ssm-doctor 1.0.0")
				w.says("does not stay up; the previous one runs again")
				w.runs("1.0.0")
				w.state(plugin.Installed, "1.0.0")
			}
			w.want(true, w.configure("1.0.0", inPlace)) // its folder holds the refused one
			w.scripts("1.0.0/validate.ps1=0")
			w.want(true, w.uninstall())
			w.gone()
			w.want(true, w.uninstall()) // again
			w.state(plugin.None, "")
		})
	}
}

func TestWindowsBrokenFirstInstall(t *testing.T) {
	t.Parallel()
	w := newWindowsNode(t)
	w.publish("1.0.0", exe("1.0.0", 1))
	w.want(false, w.configure("1.0.0", true))
	w.says("see the Application event log")
	w.says("nothing was left installed")
	w.gone()

	w = newWindowsNode(t)
	w.publish("1.0.0", "exe 1.0.0 health=1 uninstall=70\n")
	w.want(false, w.configure("1.0.0", true))
	w.says("service uninstall")
	if strings.Contains(w.out, "nothing was left") || !w.disabled || !w.exists("Program Files/ssm-doctor/"+windowsProgram) {
		t.Errorf("it is started again and again, or nothing is left to remove it: %s", w.out)
	}
}

// The host goes down in the middle of an update.
func TestWindowsCutOff(t *testing.T) {
	t.Parallel()
	for health, want := range map[int]string{0: "1.1.0", 1: "1.0.0"} {
		w := newWindowsNode(t)
		w.publish("1.0.0", exe("1.0.0", 0))
		w.want(true, w.configure("1.0.0", true))
		w.publish("1.1.0", exe("1.1.0", health))
		// The agent goes down as well: what it has noted then stays.
		state := filepath.Join(w.agent.Data, "packages/ssm-doctor/installstate")
		var kept []byte
		script := w.agent.PowerShell
		w.agent.PowerShell = func(ctx context.Context, folder string, env, call []string) ([]byte, error) {
			if strings.HasSuffix(strings.Join(call, " "), "update") && kept == nil {
				kept, _ = os.ReadFile(state)
				w.cut = "service install"
				return script(ctx, folder, env, call)
			}
			return nil, errCut
		}
		w.want(false, w.configure("1.1.0", true))
		w.agent.PowerShell = script
		if err := os.WriteFile(state, kept, 0o600); err != nil || !strings.Contains(string(kept), `"state":11`) {
			t.Fatal(err, string(kept))
		}
		w.want(health == 0, w.configure("1.1.0", true))
		w.runs(want)
	}
}

func TestWindowsValidateRepairs(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(*windowsNode){
		"stopped":         func(w *windowsNode) { w.running = "" },
		"removed":         func(w *windowsNode) { w.running, w.registered = "", "" },
		"program removed": func(w *windowsNode) { _ = os.Remove(w.bin()) },
		"program damaged": func(w *windowsNode) { w.write("Program Files/ssm-doctor/"+windowsProgram, "MZ", 0o755) },
		"program older":   func(w *windowsNode) { w.write("Program Files/ssm-doctor/"+windowsProgram, exe("0.9.0", 0), 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWindowsNode(t)
			w.publish("1.0.0", exe("1.0.0", 0))
			w.want(true, w.configure("1.0.0", true))
			harm(w)
			w.want(true, w.configure("1.0.0", true))
			w.scripts("1.0.0/validate.ps1=1", "1.0.0/update.ps1=0", "1.0.0/validate.ps1=0")
			w.runs("1.0.0")
			harm(w)
			w.want(true, w.uninstall())
			if name == "program older" {
				w.says("was put there by hand; it stays")
				w.holds(windowsProgram)
				return
			}
			w.gone()
		})
	}
}

// Windows Installer and Distributor share a folder: what the package has put there stays,
// and an older one is refused.
func TestWindowsBesideMSI(t *testing.T) {
	t.Parallel()
	for theirs, ok := range map[string]bool{"1.0.0": true, "1.0.1": true, "1.10.0": true, "0.9.9": false} {
		for _, after := range []bool{false, true} {
			t.Run(theirs+" "+strconv.FormatBool(after), func(t *testing.T) {
				t.Parallel()
				w := newWindowsNode(t)
				w.publish("1.0.0", exe("1.0.0", 0))
				if after {
					w.want(true, w.configure("1.0.0", true))
				}
				if err := os.MkdirAll(w.home(), 0o755); err != nil {
					t.Fatal(err)
				}
				w.write("Program Files/ssm-doctor/"+windowsProgram, exe(theirs, 0), 0o755)
				w.msi, w.registered, w.running = true, w.bin(), theirs
				w.want(ok, w.configure("1.0.0", true))
				if !ok {
					w.says("update the package, or remove it")
				}
				w.runs(theirs)
				if ok {
					w.want(true, w.uninstall())
					w.says("of Windows Installer stays")
					w.runs(theirs)
				}
			})
		}
	}
}

// What an administrator has installed by "service install", at the usual place or elsewhere.
func TestWindowsInstalledByHand(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"Program Files/ssm-doctor/ssm-doctor.exe", "tools/ssm-doctor.exe", "Program Files/ssm-doctor/ssm-doctor.exe after"} {
		place, after := strings.CutSuffix(place, " after")
		for theirs, ok := range map[string]bool{"0.9.0": true, "1.0.0": true, "1.0.1": false} {
			t.Run(fmt.Sprintf("%s %s %v", place, theirs, after), func(t *testing.T) {
				t.Parallel()
				w := newWindowsNode(t)
				if after { // what the agent remembers of an earlier installation means nothing
					w.publish("0.8.0", exe("0.8.0", 0))
					w.want(true, w.configure("0.8.0", true))
					w.want(true, w.uninstall())
				}
				file := filepath.Join(w.root, place)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				w.write(place, exe(theirs, 0), 0o755)
				w.registered, w.running = file, theirs
				// A release that does not start leaves what ran.
				w.publish("1.0.0", exe("1.0.0", 1))
				w.want(false, w.configure("1.0.0", true))
				if w.registered != file || w.running != theirs {
					t.Fatalf("%s of %s runs after a release that does not start\n%s", w.running, w.registered, w.out)
				}
				w.publish("1.0.0", exe("1.0.0", 0))
				w.want(ok, w.configure("1.0.0", true))
				if ok {
					w.runs("1.0.0")
					return
				}
				w.says("service uninstall first")
				w.want(true, w.uninstall())
				if w.registered != file || w.running != theirs {
					t.Error("the administrator's service is gone")
				}
			})
		}
	}
}

// A program that anybody could have replaced is not run, not even for its release, and a
// service that starts it is not taken over.
func TestWindowsNotTrusted(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"Program Files/ssm-doctor/ssm-doctor.exe", "tools/ssm-doctor.exe"} {
		w := newWindowsNode(t)
		file := filepath.Join(w.root, place)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		w.write(place, exe("0.9.0", 0), 0o755)
		w.registered, w.running, w.loose = file, "0.9.0", file
		w.publish("1.0.0", exe("1.0.0", 0))
		w.want(false, w.configure("1.0.0", true))
		w.says("could have replaced it")
		if w.registered != file || w.running != "0.9.0" || len(w.calls) > 0 {
			t.Errorf("%s: %s of %s runs after %q", place, w.running, w.registered, w.calls)
		}
		w.loose = "" // as it is told
		w.want(true, w.configure("1.0.0", true))
		w.runs("1.0.0")
	}
}

// A newer program that an administrator puts over the package's is not taken back.
func TestWindowsReplacedByHand(t *testing.T) {
	t.Parallel()
	w := newWindowsNode(t)
	w.publish("1.0.0", exe("1.0.0", 0))
	w.want(true, w.configure("1.0.0", true))
	w.write("Program Files/ssm-doctor/"+windowsProgram, exe("1.0.1", 0), 0o755)
	w.running = "1.0.1"
	w.want(false, w.configure("1.0.0", true))
	w.says("service uninstall first")
	w.runs("1.0.1")
	w.registered, w.running = "", "" // as it is told
	w.want(true, w.configure("1.0.0", true))
	w.runs("1.0.0")
}

func TestWindowsArguments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args map[string]string
		ok   bool
		call string // of the program first, "" for none
	}{
		{"none", nil, true, "1.0.0 service install --wait 10s"},
		{"longer", map[string]string{"SSM_DOCTOR_WAIT": "300"}, true, "1.0.0 service install --wait 300s"},
		{"not started", map[string]string{"SSM_DOCTOR_NO_START": "true"}, true, "1.0.0 service install --wait 10s --no-start"},
		{"no service", map[string]string{"SSM_DOCTOR_SERVICE": "no"}, true, ""},
		{"everything off", map[string]string{"SSM_DOCTOR_PTRACE": "no", "SSM_DOCTOR_NO_START": "no", "SSM_DOCTOR_KEEP_STATE": "no", "SSM_DOCTOR_WAIT": "0", "SSM_DOCTOR_SERVICE": "yes"}, true, "1.0.0 service install --wait 0s"},
		{"flags of the program are no arguments", map[string]string{"SSM_DOCTOR_EXECUTABLE": `C:\x.exe`, "SSM_DOCTOR_JSON": "x"}, true, "1.0.0 service install --wait 10s"},
		{"wait is no number", map[string]string{"SSM_DOCTOR_WAIT": "1; reboot"}, false, ""},
		{"wait is negative", map[string]string{"SSM_DOCTOR_WAIT": "-1"}, false, ""},
		{"wait is too long", map[string]string{"SSM_DOCTOR_WAIT": "301"}, false, ""},
		{"wait is huge", map[string]string{"SSM_DOCTOR_WAIT": "99999999999999999999"}, false, ""},
		{"unclear word", map[string]string{"SSM_DOCTOR_SERVICE": "maybe"}, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWindowsNode(t)
			w.args = tt.args
			w.publish("1.0.0", exe("1.0.0", 0))
			w.want(tt.ok, w.configure("1.0.0", true))
			if got := strings.Join(w.calls[:min(1, len(w.calls))], ""); got != tt.call {
				t.Errorf("got %q, want %q", got, tt.call)
			}
			if !tt.ok {
				w.gone()
				return
			}
			w.want(true, w.configure("1.0.0", true)) // the next day
			w.scripts("1.0.0/validate.ps1=0")
			w.want(true, w.uninstall())
			w.gone()
		})
	}
	t.Run("the service is given up", func(t *testing.T) {
		t.Parallel()
		w := newWindowsNode(t)
		w.publish("1.0.0", exe("1.0.0", 0))
		w.want(true, w.configure("1.0.0", true))
		w.args = map[string]string{"SSM_DOCTOR_SERVICE": "no"}
		w.want(true, w.configure("1.0.0", true))
		w.scripts("1.0.0/validate.ps1=1", "1.0.0/update.ps1=0", "1.0.0/validate.ps1=0")
		if w.running != "" || w.registered != "" {
			t.Error("the service goes on")
		}
	})
	t.Run("state kept", func(t *testing.T) {
		t.Parallel()
		w := newWindowsNode(t)
		w.publish("1.0.0", exe("1.0.0", 0))
		w.want(true, w.configure("1.0.0", true))
		w.args = map[string]string{"SSM_DOCTOR_KEEP_STATE": "yes"}
		w.want(true, w.uninstall())
		if !w.exists("ProgramData/ssm-doctor/state") || w.exists("Program Files/ssm-doctor") {
			t.Error("the state must stay and nothing else")
		}
	})
}

// What the administrator has put beside the program stays.
func TestWindowsUninstallLeavesTheAdministrators(t *testing.T) {
	t.Parallel()
	w := newWindowsNode(t)
	w.publish("1.0.0", exe("1.0.0", 0))
	w.want(true, w.configure("1.0.0", true))
	w.write("Program Files/ssm-doctor/notes.txt", "x", 0o644)
	w.want(true, w.uninstall())
	w.holds("notes.txt")
}

// A program that this host refuses to run, or a folder that cannot be written to: the old
// release runs on.
func TestWindowsTargetsThatRefuse(t *testing.T) {
	t.Parallel()
	w := newWindowsNode(t)
	w.publish("1.0.0", exe("1.0.0", 0))
	w.want(true, w.configure("1.0.0", true))
	w.publish("1.1.0", "MZ of another machine")
	w.want(false, w.configure("1.1.0", true))
	w.says("not a valid Win32 application")
	if w.running != "1.0.0" {
		t.Errorf("running: %q", w.running)
	}

	w = newWindowsNode(t)
	w.write("Program Files/ssm-doctor", "a file\n", 0o644)
	w.publish("1.0.0", exe("1.0.0", 0))
	w.want(false, w.configure("1.0.0", true))
	w.says("Program Files")
}

// A script is one call: what else it may hold, nobody could test.
func TestWindowsScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("scripts/windows/*")
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		call, err := plugin.Called(string(b))
		want := []string{windowsProgram, "service", "deploy", strings.TrimSuffix(filepath.Base(f), ".ps1")}
		if d := cmp.Diff(want, call); err != nil || d != "" {
			t.Errorf("%s: %v %s", f, err, d)
		}
		for _, bad := range []string{strings.Replace(string(b), "= 1", "= 0", 1), string(b) + "exit 0\n", strings.Replace(string(b), "exit $LASTEXITCODE", "exit", 1), ""} {
			if _, err := plugin.Called(bad); err == nil {
				t.Errorf("taken for a call: %q", bad)
			}
			var p problems
			if p.script("x.zip", filepath.Base(f), []byte(bad)); len(p) != 1 {
				t.Errorf("valid in a package: %q, %v", bad, p)
			}
		}
		var p problems
		p.script("x.zip", filepath.Base(f), b)
		if len(p) > 0 {
			t.Error(p)
		}
		if p.script("x.zip", "another.ps1", b); len(p) != 1 {
			t.Errorf("%s is valid as the script of another action", f)
		}
	}
}
