package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/packaging/distributor/plugin"
)

// runs fails unless exactly this release is in place and up.
func (n *node) runs(version string) {
	n.t.Helper()
	if got, want := n.read("run/active"), "ssm-doctor "+version+" (go, linux/amd64)\n"; got != want {
		n.t.Errorf("running: got %q, want %q", got, want)
	}
	if !strings.Contains(n.read("opt/ssm-doctor/bin/ssm-doctor"), "ssm-doctor "+version+" ") {
		n.t.Errorf("the program in place is not %s", version)
	}
	for _, f := range []string{"ssm-doctor.new", "ssm-doctor.prev"} {
		if n.exists("opt/ssm-doctor/bin/" + f) {
			n.t.Errorf("%s is left behind", f)
		}
	}
}

// gone fails when anything is left.
func (n *node) gone() {
	n.t.Helper()
	for _, f := range []string{"opt/ssm-doctor", "run/active", "etc/systemd/system/ssm-doctor.service", "usr/local/bin/ssm-doctor", "var/lib/ssm-doctor"} {
		if n.exists(f) {
			n.t.Errorf("%s is left behind", f)
		}
	}
}

func (n *node) want(ok, got bool) {
	n.t.Helper()
	if ok != got {
		n.t.Fatalf("the agent's step: got %v, want %v; scripts: %v\n%s", got, ok, n.ran, n.out)
	}
}

func (n *node) scripts(want ...string) {
	n.t.Helper()
	if d := cmp.Diff(want, n.ran); d != "" {
		n.t.Errorf("scripts that ran: %s", d)
	}
}

func TestLifeInPlace(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, v := range []string{"1.0.0", "1.1.0"} {
		n.publish(v, program(v, 0, ""))
	}
	n.write("etc/config.yaml", "edited: yes\n", 0o600)

	n.want(true, n.configure("1.0.0", true))
	n.scripts("1.0.0/install.sh=0", "1.0.0/validate.sh=0")
	n.runs("1.0.0")
	if got, err := os.Readlink(filepath.Join(n.root, "usr/local/bin/ssm-doctor")); got != "/opt/ssm-doctor/bin/ssm-doctor" {
		t.Errorf("link: %q, %v", got, err)
	}

	n.want(true, n.configure("1.0.0", true)) // the next day
	n.scripts("1.0.0/validate.sh=0")

	n.want(true, n.configure("1.1.0", true))
	n.scripts("1.1.0/update.sh=0", "1.1.0/validate.sh=0")
	n.runs("1.1.0")

	n.want(true, n.configure("1.0.0", true)) // downgrade
	n.scripts("1.0.0/update.sh=0", "1.0.0/validate.sh=0")
	n.runs("1.0.0")

	n.want(true, n.uninstall())
	n.gone()
	n.want(true, n.configure("1.1.0", true))
	n.runs("1.1.0")
	if !n.exists("etc/config.yaml") {
		t.Error("the administrator's file is gone")
	}
}

func TestUninstallAndReinstall(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, v := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		n.publish(v, program(v, 0, ""))
	}
	n.want(true, n.configure("1.0.0", false))
	n.write("var/lib/ssm-doctor/history", "x", 0o600)
	for _, v := range []string{"1.1.0", "1.2.0", "1.0.0"} {
		n.want(true, n.configure(v, false))
		n.runs(v)
		n.state(plugin.Installed, v)
		n.folders(v)
	}
	if !n.exists("var/lib/ssm-doctor/history") {
		t.Error("the history is gone with a mere update")
	}
	n.want(true, n.uninstall())
	n.gone()
}

// folders fails unless the agent keeps exactly these releases.
func (n *node) folders(want ...string) {
	n.t.Helper()
	var got []string
	dirs, err := filepath.Glob(n.agent.Folder("*"))
	for _, d := range dirs {
		if st, err := os.Stat(d); err == nil && st.IsDir() {
			got = append(got, filepath.Base(d))
		}
	}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		n.t.Error("releases kept: ", err, d)
	}
}

// Of either type, first seen or not: the old release runs, the agent says that the new
// one failed and holds the old one installed; no retry makes it say anything else.
func TestBrokenUpdateLeavesTheOldRunning(t *testing.T) {
	t.Parallel()
	for _, inPlace := range []bool{false, true} {
		t.Run(fmt.Sprintf("in place %v", inPlace), func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.publish("1.1.0", program("1.1.0", 0, ""))
			n.want(true, n.configure("1.1.0", inPlace))
			n.publish("1.2.0", program("1.2.0", 1, ""))
			for try, later := range []time.Duration{0, time.Minute, 14 * time.Minute, 24 * time.Hour} {
				n.now = n.now.Add(later)
				n.want(false, n.configure("1.2.0", inPlace))
				n.runs("1.1.0")
				n.state(plugin.Installed, "1.1.0")
				n.folders("1.1.0")
				if !strings.Contains(n.out, "rolled back to ssm-doctor 1.1.0") || !strings.Contains(n.out, "does not stay up; the previous one runs again") {
					t.Errorf("try %d: %s", try, n.out)
				}
			}
			// Back to the release that runs. Its folder holds the refused one.
			n.want(true, n.configure("1.1.0", inPlace))
			n.scripts("1.1.0/validate.sh=0")
			n.runs("1.1.0")

			n.publish("1.3.0", program("1.3.0", 0, ""))
			n.want(true, n.configure("1.3.0", inPlace)) // mended
			n.runs("1.3.0")
			if n.exists("opt/ssm-doctor/rejected") {
				t.Error("a note of the refused release is left")
			}
			n.want(true, n.uninstall())
			n.gone()
		})
	}
}

// What was refused does not stand in the way of somebody who wants it all gone.
func TestUninstallAfterABrokenUpdate(t *testing.T) {
	t.Parallel()
	for _, inPlace := range []bool{false, true} {
		for _, later := range []time.Duration{0, time.Minute, 16 * time.Minute} {
			n := newNode(t)
			n.publish("1.1.0", program("1.1.0", 0, ""))
			n.want(true, n.configure("1.1.0", inPlace))
			n.publish("1.2.0", program("1.2.0", 1, ""))
			n.want(false, n.configure("1.2.0", inPlace))
			n.runs("1.1.0")
			n.now = n.now.Add(later)
			n.want(true, n.uninstall())
			n.gone()
			n.state(plugin.None, "")
		}
	}
}

// The version that is removed is the one that is installed, not the default one.
func TestUninstallOfWhatIsNotTheDefault(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.publish("1.0.0", program("1.0.0", 0, ""))
	n.want(true, n.configure("1.0.0", true))
	n.publish("1.1.0", program("1.1.0", 0, ""))
	n.want(true, n.uninstall())
	n.gone()
	n.want(true, n.uninstall()) // again
	n.state(plugin.None, "")
}

// Why there is no manifest.json in the zips.
func TestAManifestInTheZipKeepsTheNodeFromRemovingIt(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, v := range []string{"1.0.0", "1.1.0"} {
		b, err := pack([]member{{"install.sh", 0o644, []byte("exit 0\n")}, {"uninstall.sh", 0o644, []byte("exit 0\n")},
			{"manifest.json", 0o644, fmt.Appendf(nil, `{"name":"ssm-doctor","version":%q}`, v)}})
		if err != nil {
			t.Fatal(err)
		}
		zip := filepath.Join(t.TempDir(), "x.zip")
		if err := os.WriteFile(zip, b, 0o644); err != nil {
			t.Fatal(err)
		}
		n.agent.Documents[v] = plugin.Document{Manifest: fmt.Appendf(nil, `{"version":%q}`, v), File: zip}
		n.agent.Default = v
		if v == "1.0.0" {
			n.want(true, n.configure(v, true))
		}
	}
	n.want(false, n.uninstall())
	if want := "manifest version (1.1.0) does not match expected package version (1.0.0)"; !strings.Contains(n.out, want) {
		t.Errorf("got %q, want %q", n.out, want)
	}
}

// A second agent finds the lock, and a killed one leaves it for half an hour.
func TestLock(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.publish("1.0.0", program("1.0.0", 0, ""))
	lock := filepath.Join(n.agent.Data, "locks/packages/ssm-doctor.lockfile")
	if err := errors.Join(os.MkdirAll(filepath.Dir(lock), 0o700), os.WriteFile(lock, nil, 0o600), os.Chtimes(lock, n.now, n.now)); err != nil {
		t.Fatal(err)
	}
	n.want(false, n.configure("1.0.0", true))
	n.now = n.now.Add(31 * time.Minute)
	n.want(true, n.configure("1.0.0", true))
	n.runs("1.0.0")
}

// The service cannot even be removed: that is said, it is not started for ever, and what
// removes it later is there.
func TestBrokenFirstInstallThatCannotBeRemoved(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.publish("1.0.0", strings.Replace(program("1.0.0", 1, ""), "    systemctl stop\n", "    exit 70\n", 1))
	n.want(false, n.configure("1.0.0", true))
	if strings.Contains(n.out, "nothing was left") || !strings.Contains(n.out, `run "/opt/ssm-doctor/bin/ssm-doctor service uninstall"`) {
		t.Errorf("got %s", n.out)
	}
	if !n.exists("opt/ssm-doctor/bin/ssm-doctor") || n.read("run/disabled") == "" {
		t.Error("it is started again and again, or nothing is left to remove it")
	}
}

func TestBrokenFirstInstallLeavesNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.publish("1.0.0", program("1.0.0", 1, ""))
	n.want(false, n.configure("1.0.0", true))
	n.gone()
	if !strings.Contains(n.out, "the service is not running") {
		t.Errorf("the reason is missing: %s", n.out)
	}
}

// Codes of a child with a meaning to the agent must not reach it.
func TestNoCodeOfAChildLeaks(t *testing.T) {
	t.Parallel()
	for _, code := range []int{194, 168, 169, 3, 127} {
		n := newNode(t)
		n.publish("1.0.0", program("1.0.0", 0, fmt.Sprintf("exit %d", code)))
		n.want(false, n.configure("1.0.0", true))
		n.scripts("1.0.0/install.sh=1")
		n.gone()
	}
}

// The host goes down in the middle of an update. The agent comes back, finds itself
// updating, and begins with validate.sh.
func TestCutOff(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]struct{ stub, extra string }{
		"before the program is in place":  {stub: `kill -9 "$PPID"`},
		"before the service is installed": {extra: `if [ -f "$R/crash" ]; then rm "$R/crash"; systemctl stop; kill -9 "$PPID"; exit 1; fi`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.publish("1.0.0", program("1.0.0", 0, ""))
			n.publish("1.1.0", program("1.1.0", 0, cut.extra))
			n.want(true, n.configure("1.0.0", true))
			n.cutOff(t, "1.1.0", cut.stub)
			n.want(true, n.configure("1.1.0", true))
			n.scripts("1.1.0/validate.sh=1", "1.1.0/update.sh=0", "1.1.0/validate.sh=0")
			n.runs("1.1.0")
			n.state(plugin.Installed, "1.1.0")
		})
	}
	t.Run("and the release is broken", func(t *testing.T) {
		t.Parallel()
		n := newNode(t)
		n.publish("1.0.0", program("1.0.0", 0, ""))
		n.publish("1.1.0", program("1.1.0", 1, `if [ -f "$R/crash" ]; then rm "$R/crash"; systemctl stop; kill -9 "$PPID"; exit 1; fi`))
		n.want(true, n.configure("1.0.0", true))
		n.cutOff(t, "1.1.0", "")
		n.want(false, n.configure("1.1.0", true))
		n.runs("1.0.0") // the copy of the release that ran was kept
	})
	t.Run("after all is done", func(t *testing.T) {
		t.Parallel()
		n := newNode(t)
		n.publish("1.0.0", program("1.0.0", 0, ""))
		n.want(true, n.configure("1.0.0", true))
		n.write("opt/ssm-doctor/bin/ssm-doctor.prev", "old", 0o755)
		n.want(true, n.configure("1.0.0", true))
		n.runs("1.0.0")
	})
}

// cutOff kills update.sh, and leaves the agent's state as it was then.
func (n *node) cutOff(t *testing.T, version, restorecon string) {
	t.Helper()
	n.stub("restorecon", restorecon)
	n.write("crash", "", 0o644)
	state := filepath.Join(n.agent.Data, "packages/ssm-doctor/installstate")
	var kept []byte
	n.agent.Start = func(cmd *exec.Cmd) ([]byte, error) {
		if kept == nil {
			kept, _ = os.ReadFile(state)
			return cmd.CombinedOutput()
		}
		return nil, errors.New("the host is down")
	}
	n.want(false, n.configure(version, true))
	n.agent.Start = nil
	n.stub("restorecon", "exit 0")
	if err := os.WriteFile(state, kept, 0o600); err != nil || !strings.Contains(string(kept), `"state":11`) {
		t.Fatal(err, string(kept))
	}
}

func TestValidateRepairs(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(*node){
		"stopped":          func(n *node) { _ = os.Remove(filepath.Join(n.root, "run/active")) },
		"unit removed":     func(n *node) { _ = os.Remove(filepath.Join(n.root, "etc/systemd/system/ssm-doctor.service")) },
		"program removed":  func(n *node) { _ = os.Remove(filepath.Join(n.root, "opt/ssm-doctor/bin/ssm-doctor")) },
		"program damaged":  func(n *node) { n.write("opt/ssm-doctor/bin/ssm-doctor", "\x7fELF", 0o755) },
		"program replaced": func(n *node) { n.write("opt/ssm-doctor/bin/ssm-doctor", program("0.9.0", 0, ""), 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.publish("1.0.0", program("1.0.0", 0, ""))
			n.want(true, n.configure("1.0.0", true))
			harm(n)
			n.want(true, n.configure("1.0.0", true))
			n.scripts("1.0.0/validate.sh=1", "1.0.0/update.sh=0", "1.0.0/validate.sh=0")
			n.runs("1.0.0")
		})
	}
}

// Another argument for the release that is installed takes effect.
func TestPtraceOnAndOff(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.publish("1.0.0", program("1.0.0", 0, ""))
	n.want(true, n.configure("1.0.0", true))
	for _, on := range []bool{true, false} {
		n.args = map[string]string{"SSM_DOCTOR_PTRACE": fmt.Sprint(on)}
		n.want(true, n.configure("1.0.0", true))
		n.scripts("1.0.0/validate.sh=1", "1.0.0/update.sh=0", "1.0.0/validate.sh=0")
		if got := n.exists("etc/systemd/system/ssm-doctor.service.ptrace"); got != on {
			t.Errorf("drop-in: %v, want %v", got, on)
		}
		n.want(true, n.configure("1.0.0", true))
		n.scripts("1.0.0/validate.sh=0")
	}
}

func TestPackageOfTheSystem(t *testing.T) {
	t.Parallel()
	tools := map[string]string{"dpkg-query": "printf installed", "rpm": "exit 0", "apk": "exit 0", "pacman": "exit 0"}
	for tool, script := range tools {
		for theirs, ok := range map[string]bool{"1.0.0": true, "1.10.0": true, "0.9.9": false, "0.9.10": false} {
			t.Run(tool+" "+theirs, func(t *testing.T) {
				t.Parallel()
				n := newNode(t)
				n.stub(tool, script)
				n.write("usr/bin/ssm-doctor", program(theirs, 0, ""), 0o755)
				n.publish("1.0.0", program("1.0.0", 0, ""))
				n.want(ok, n.configure("1.0.0", true))
				if !ok && !strings.Contains(n.out, "update the package, or remove it") {
					t.Errorf("a refusal that does not say what to do: %s", n.out)
				}
				if got := n.read("calls"); got != "" || n.exists("opt/ssm-doctor") {
					t.Errorf("something was touched: %s", got)
				}
				if ok {
					n.want(true, n.configure("1.0.0", true))
					n.want(true, n.uninstall())
				}
				if !n.exists("usr/bin/ssm-doctor") {
					t.Error("the package's program is gone")
				}
			})
		}
	}
	// The package comes second, without having taken over: the next run hands over.
	for theirs, ok := range map[string]bool{"1.0.0": true, "9.9.9": true, "0.9.0": false} {
		t.Run("after us, "+theirs, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.publish("1.0.0", program("1.0.0", 0, ""))
			n.want(true, n.configure("1.0.0", true))
			n.stub("dpkg-query", "printf installed")
			n.write("usr/bin/ssm-doctor", program(theirs, 0, `rm -f "$unit"; exit 0`), 0o755)
			n.want(ok, n.configure("1.0.0", true))
			if n.exists("opt/ssm-doctor") || n.exists("usr/local/bin/ssm-doctor") || n.exists("etc/systemd/system/ssm-doctor.service") {
				t.Error("two programs are left")
			}
			if !strings.Contains(n.read("calls"), theirs+" service install") {
				t.Error("the package's own service was not restored")
			}
			n.want(true, n.uninstall())
			if !n.exists("usr/bin/ssm-doctor") {
				t.Error("the package's program is gone")
			}
		})
	}
}

// An administrator's own install: an older release does not replace it, a newer one takes
// the service over.
func TestInstalledByHand(t *testing.T) {
	t.Parallel()
	for theirs, ok := range map[string]bool{"0.9.0": true, "1.0.0": true, "1.0.1": false} {
		t.Run(theirs, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.write("usr/local/bin/ssm-doctor", program(theirs, 0, ""), 0o755)
			n.write("etc/systemd/system/ssm-doctor.service", "[Service]\nExecStart=/usr/local/bin/ssm-doctor serve\n", 0o644)
			// A release that does not start leaves what ran.
			if ok {
				n.publish("1.0.0", program("1.0.0", 1, ""))
				n.want(false, n.configure("1.0.0", true))
				if got := n.read("run/active"); !strings.HasPrefix(got, "ssm-doctor "+theirs+" ") || n.exists("opt/ssm-doctor") {
					t.Errorf("%q runs after a release that does not start", got)
				}
			}
			n.publish("1.0.0", program("1.0.0", 0, ""))
			n.want(ok, n.configure("1.0.0", true))
			if !ok {
				if !strings.Contains(n.out, "/usr/local/bin/ssm-doctor service uninstall") {
					t.Errorf("a refusal that does not say what to do: %s", n.out)
				}
				n.want(true, n.uninstall())
				if !n.exists("etc/systemd/system/ssm-doctor.service") {
					t.Error("the administrator's service is gone")
				}
				return
			}
			n.runs("1.0.0")
		})
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args map[string]string
		ok   bool
		call string // of the program, "" for none
	}{
		{"none", nil, true, "1.0.0 service install --wait 10s\n"},
		{"longer, with environments", map[string]string{"SSM_DOCTOR_WAIT": "30", "SSM_DOCTOR_PTRACE": "yes"}, true, "1.0.0 service install --wait 30s --ptrace\n"},
		{"not started", map[string]string{"SSM_DOCTOR_NO_START": "true"}, true, "1.0.0 service install --wait 10s --no-start\n"},
		{"no service", map[string]string{"SSM_DOCTOR_SERVICE": "no"}, true, ""},
		{"wait is no number", map[string]string{"SSM_DOCTOR_WAIT": "1; reboot"}, false, ""},
		{"wait is too long", map[string]string{"SSM_DOCTOR_WAIT": "301"}, false, ""},
		{"wait is huge", map[string]string{"SSM_DOCTOR_WAIT": "99999999999999999999"}, false, ""},
		{"everything off by name", map[string]string{"SSM_DOCTOR_PTRACE": "no", "SSM_DOCTOR_NO_START": "no", "SSM_DOCTOR_KEEP_STATE": "no", "SSM_DOCTOR_WAIT": "3", "SSM_DOCTOR_SERVICE": "yes"}, true, "1.0.0 service install --wait 3s\n"},
		{"flags of the program are no arguments", map[string]string{"SSM_DOCTOR_EXECUTABLE": "/bin/sh", "SSM_DOCTOR_JSON": "x"}, true, "1.0.0 service install --wait 10s\n"},
		{"unclear word", map[string]string{"SSM_DOCTOR_SERVICE": "maybe"}, false, ""},
		{"root cannot be an argument", map[string]string{"SSM_DOCTOR_ROOT": "/elsewhere"}, true, "1.0.0 service install --wait 10s\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.args = tt.args
			n.publish("1.0.0", program("1.0.0", 0, ""))
			n.want(tt.ok, n.configure("1.0.0", true))
			got, _, _ := strings.Cut(n.read("calls"), "1.0.0 serve")
			if tt.call != "" && got != tt.call {
				got, _, _ = strings.Cut(got, "1.0.0 service verify")
			}
			if got != tt.call {
				t.Errorf("calls: got %q, want %q", got, tt.call)
			}
		})
	}
	t.Run("removed without a service", func(t *testing.T) {
		t.Parallel()
		n := newNode(t)
		n.args = map[string]string{"SSM_DOCTOR_SERVICE": "no"}
		n.publish("1.0.0", program("1.0.0", 0, ""))
		n.want(true, n.configure("1.0.0", true))
		n.want(true, n.uninstall())
		n.gone()
		if got := n.read("calls"); got != "" {
			t.Errorf("the service was touched: %s", got)
		}
	})
	t.Run("the service is given up", func(t *testing.T) {
		t.Parallel()
		n := newNode(t)
		n.publish("1.0.0", program("1.0.0", 0, ""))
		n.publish("1.1.0", program("1.1.0", 0, ""))
		n.want(true, n.configure("1.0.0", true))
		n.args = map[string]string{"SSM_DOCTOR_SERVICE": "no"}
		n.want(true, n.configure("1.1.0", true))
		if n.exists("run/active") || n.exists("etc/systemd/system/ssm-doctor.service") {
			t.Error("the replaced program goes on")
		}
	})
	t.Run("state kept", func(t *testing.T) {
		t.Parallel()
		n := newNode(t)
		n.publish("1.0.0", program("1.0.0", 0, ""))
		n.want(true, n.configure("1.0.0", true))
		n.args = map[string]string{"SSM_DOCTOR_KEEP_STATE": "yes"}
		n.want(true, n.uninstall())
		if !n.exists("var/lib/ssm-doctor") || n.exists("opt/ssm-doctor") {
			t.Error("the state must stay and nothing else")
		}
	})
}

// A target that cannot take the program: a clear message, and the old release runs on.
func TestTargetsThatRefuse(t *testing.T) {
	t.Parallel()
	update := func(t *testing.T, n *node, payload, want string) {
		t.Helper()
		n.publish("1.1.0", payload)
		n.want(false, n.configure("1.1.0", true))
		if !strings.Contains(n.out, want) {
			t.Errorf("got %q, want it to say %q", n.out, want)
		}
		n.runs("1.0.0")
	}
	start := func(t *testing.T) *node {
		n := newNode(t)
		n.publish("1.0.0", program("1.0.0", 0, ""))
		n.want(true, n.configure("1.0.0", true))
		return n
	}
	t.Run("another architecture", func(t *testing.T) {
		t.Parallel()
		update(t, start(t), "\x7fELF\x02\x01\x01 of another machine", "another architecture")
	})
	t.Run("killed at start", func(t *testing.T) {
		t.Parallel()
		update(t, start(t), "#!/bin/sh\nkill -9 $$\n", "forbidden by a policy")
	})
	t.Run("not ours", func(t *testing.T) {
		t.Parallel()
		update(t, start(t), "#!/bin/sh\necho hello\n", "cannot run the program")
	})
	t.Run("folder cannot be made", func(t *testing.T) {
		t.Parallel()
		n := newNode(t)
		if err := os.RemoveAll(filepath.Join(n.root, "opt")); err != nil {
			t.Fatal(err)
		}
		n.write("opt", "a file\n", 0o644)
		n.publish("1.0.0", program("1.0.0", 0, ""))
		n.want(false, n.configure("1.0.0", true))
		if !strings.Contains(n.out, "read-only or full") {
			t.Errorf("got %q", n.out)
		}
	})
}

// Real mounts, in a mount namespace of our own.
func TestMounts(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "unshare", "-rm", "true").Run(); err != nil {
		t.Skip("no mount namespaces here: ", err)
	}
	for name, tt := range map[string]struct{ options, want string }{
		"noexec":    {"noexec,mode=755", "mounted noexec"},
		"read-only": {"ro,mode=755", "read-only"},
		"full":      {"size=4k,mode=755", "read-only or full"},
		"sticky":    {"mode=1777", "others than root may write there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.publish("1.0.0", program("1.0.0", 0, "")+strings.Repeat("# padding\n", 2000))
			n.unpack("1.0.0")
			cmd := exec.CommandContext(t.Context(), "unshare", "-rm", "sh", "-c",
				`mount -t tmpfs -o "$1" tmpfs "$2/opt" && cd "$3" && { sh install.sh; echo "code $?"; ls -A "$2/opt/ssm-doctor/bin" 2>/dev/null; }`,
				"sh", tt.options, n.root, n.agent.Folder("1.0.0"))
			cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DOCTOR_TEST_ROOT=" + n.root}
			out, err := cmd.CombinedOutput()
			if strings.Contains(string(out), "mount:") {
				t.Skipf("no mounts here: %s", out)
			}
			text, after, ok := strings.Cut(string(out), "code 1\n")
			if !ok || !strings.Contains(text, tt.want) || after != "" {
				t.Errorf("%v: got %q, want code 1, nothing left, and %q", err, out, tt.want)
			}
		})
	}
}

// What others could have replaced is not run by root, wherever it lies.
func TestProgramsOfOthersAreNotRun(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		path string // of what is spoilt
		mode os.FileMode
		link bool
		says string
	}{
		"program of a service by hand": {"srv/ssm-doctor", 0o777, false, "others than root could have replaced"},
		"its folder":                   {"srv", 0o777, false, "others than root could have replaced"},
		"a link":                       {"srv/ssm-doctor", 0, true, "others than root could have replaced"},
		"home":                         {"opt/ssm-doctor", 0o777, false, "others than root may write there"},
		"the folder of the home":       {"opt", 0o777 | os.ModeSticky, false, "others than root may write there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.publish("1.0.0", program("1.0.0", 0, ""))
			for _, dir := range []string{"srv", "opt/ssm-doctor/bin"} {
				if err := os.MkdirAll(filepath.Join(n.root, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if strings.HasPrefix(tt.path, "srv") {
				n.write("srv/ssm-doctor", "#!/bin/sh\n: >\"$DOCTOR_TEST_ROOT/ran\"\necho 'ssm-doctor 0.9.0 (go, linux/amd64)'\n", 0o755)
				n.write("etc/systemd/system/ssm-doctor.service", "ExecStart=/srv/ssm-doctor serve\n", 0o644)
			}
			spoilt := filepath.Join(n.root, tt.path)
			var err error
			if tt.link {
				err = errors.Join(os.Rename(spoilt, spoilt+".real"), os.Symlink(spoilt+".real", spoilt))
			} else {
				err = os.Chmod(spoilt, tt.mode)
			}
			if err != nil {
				t.Fatal(err)
			}
			n.want(false, n.configure("1.0.0", true))
			if !strings.Contains(n.out, tt.says) {
				t.Errorf("%q lacks %q", n.out, tt.says)
			}
			if n.exists("ran") || n.exists("opt/ssm-doctor/bin/ssm-doctor") {
				t.Error("root has run what others could have put there, or put its own program among it")
			}
		})
	}
}

// The scripts in every shell at hand, and under shellcheck.
func TestScriptsParse(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("scripts/unix/*.sh")
	if err != nil || len(files) != 5 {
		t.Fatal(files, err)
	}
	tried := 0
	for _, c := range [][]string{{"dash", "-n"}, {"busybox", "sh", "-n"}, {"bash", "--posix", "-n"}, {"sh", "-n"}, {"shellcheck", "-s", "sh", "-x", "-P", "scripts/unix"}} {
		if _, err := exec.LookPath(c[0]); err != nil {
			continue
		}
		for _, f := range files {
			tried++
			args := append(slices.Clone(c[1:]), f)
			if out, err := exec.CommandContext(t.Context(), c[0], args...).CombinedOutput(); err != nil {
				t.Errorf("%v: %v\n%s", c, err, out)
			}
		}
	}
	if tried == 0 {
		t.Skip("no shell here")
	}
}
