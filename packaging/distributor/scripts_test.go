package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
	for _, refreshes := range []bool{false, true} {
		t.Run(fmt.Sprintf("old folder refreshed %v", refreshes), func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.refreshesOld, n.rollsBack = refreshes, true
			n.publish("1.0.0", program("1.0.0", 0, ""))
			n.publish("1.1.0", program("1.1.0", 0, ""))
			n.want(true, n.configure("1.0.0", false))
			n.want(true, n.configure("1.1.0", false))
			n.runs("1.1.0")
		})
	}
}

func TestBrokenUpdateLeavesTheOldRunning(t *testing.T) {
	t.Parallel()
	for _, refreshes := range []bool{false, true} {
		for _, rollsBack := range []bool{false, true} {
			t.Run(fmt.Sprintf("refreshed %v, rolls back %v", refreshes, rollsBack), func(t *testing.T) {
				t.Parallel()
				n := newNode(t)
				n.refreshesOld, n.rollsBack = refreshes, rollsBack
				n.publish("1.1.0", program("1.1.0", 0, ""))
				n.publish("1.2.0", program("1.2.0", 1, ""))
				n.publish("1.3.0", program("1.3.0", 0, ""))
				n.want(true, n.configure("1.1.0", true))
				n.want(false, n.configure("1.2.0", true))
				n.runs("1.1.0")
				if rollsBack && n.state != stateInstalled {
					t.Errorf("state after the rollback: %d, want %d", n.state, stateInstalled)
				}
				if !slices.Contains(n.ran, "1.2.0/update.sh=1") {
					t.Errorf("the failed update was not reported: %v", n.ran)
				}

				n.state = stateInstalled
				n.want(false, n.configure("1.2.0", true)) // the next day, again
				n.runs("1.1.0")

				n.state = stateInstalled
				n.want(true, n.configure("1.3.0", true)) // mended
				n.runs("1.3.0")
				if n.exists("opt/ssm-doctor/rejected") {
					t.Error("a note of the refused release is left")
				}
				n.want(true, n.uninstall())
				n.gone()
			})
		}
	}
}

func TestUninstallAfterABrokenUpdate(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.publish("1.1.0", program("1.1.0", 0, ""))
	n.publish("1.2.0", program("1.2.0", 1, ""))
	n.want(true, n.configure("1.1.0", true))
	n.want(false, n.configure("1.2.0", true))
	n.script("1.2.0", "uninstall.sh") // could be the agent's rollback: stands back
	n.runs("1.1.0")
	n.script("1.2.0", "uninstall.sh") // somebody means it
	n.gone()

	// An old note is no reason to stand back.
	n.want(true, n.configure("1.1.0", true))
	n.write("opt/ssm-doctor/rejected", "00 1000000000 -\n", 0o644)
	n.script("1.1.0", "uninstall.sh")
	n.gone()
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
		if n.reboots != 0 {
			t.Errorf("code %d of a child rebooted the host", code)
		}
		n.gone()
	}
}

// The agent's reboot protocol itself, with scripts that use it.
func TestRebootProtocol(t *testing.T) {
	t.Parallel()
	for validate, want := range map[string]bool{"exit 0\n": true, "exit 1\n": false, "": true} {
		n := newNode(t)
		members := []member{{"install.sh", 0o644, []byte("exit 194\n")}, {"readme", 0o644, nil}}
		if validate != "" {
			members = append(members, member{"validate.sh", 0o644, []byte(validate)})
		}
		b, err := pack(members)
		if err != nil {
			t.Fatal(err)
		}
		n.packages["1.0.0"] = filepath.Join(t.TempDir(), "x.zip")
		if err := os.WriteFile(n.packages["1.0.0"], b, 0o644); err != nil {
			t.Fatal(err)
		}
		n.unpack("1.0.0", n.folder("1.0.0"))
		if got := n.act("1.0.0", "install.sh"); got != want || n.reboots != 1 {
			t.Errorf("validate %q: got %v after %d reboots, want %v after 1", validate, got, n.reboots, want)
		}
	}
}

// The host goes down in the middle of an update: the agent comes back with validate.sh.
func TestCutOff(t *testing.T) {
	t.Parallel()
	t.Run("before the program is in place", func(t *testing.T) {
		t.Parallel()
		n := newNode(t)
		n.publish("1.0.0", program("1.0.0", 0, ""))
		n.publish("1.1.0", program("1.1.0", 0, ""))
		n.want(true, n.configure("1.0.0", true))
		n.stub("restorecon", `kill -9 "$PPID"`)
		n.unpack("1.1.0", n.folder("1.1.0"))
		if n.script("1.1.0", "update.sh") == 0 {
			t.Fatal("update.sh survived")
		}
		n.stub("restorecon", "exit 0")
		n.want(true, n.resume("1.1.0"))
		n.scripts("1.1.0/validate.sh=1", "1.1.0/install.sh=0")
		n.runs("1.1.0")
	})
	t.Run("before the service is installed", func(t *testing.T) {
		t.Parallel()
		n := newNode(t)
		n.publish("1.0.0", program("1.0.0", 0, ""))
		n.publish("1.1.0", program("1.1.0", 0, `if [ -f "$R/crash" ]; then rm "$R/crash"; systemctl stop; kill -9 "$PPID"; exit 1; fi`))
		n.want(true, n.configure("1.0.0", true))
		n.unpack("1.1.0", n.folder("1.1.0"))
		n.write("crash", "", 0o644)
		if n.script("1.1.0", "update.sh") == 0 {
			t.Fatal("update.sh survived")
		}
		n.want(true, n.resume("1.1.0"))
		n.scripts("1.1.0/validate.sh=1", "1.1.0/install.sh=0")
		n.runs("1.1.0")
	})
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
			n.scripts("1.0.0/validate.sh=1", "1.0.0/install.sh=0", "1.0.0/validate.sh=0")
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
		n.args = []string{fmt.Sprintf("SSM_DOCTOR_PTRACE=%v", on)}
		n.want(true, n.configure("1.0.0", true))
		n.scripts("1.0.0/validate.sh=1", "1.0.0/install.sh=0", "1.0.0/validate.sh=0")
		if got := n.exists("etc/systemd/system/ssm-doctor.service.ptrace"); got != on {
			t.Errorf("drop-in: %v, want %v", got, on)
		}
		n.want(true, n.configure("1.0.0", true))
		n.scripts("1.0.0/validate.sh=0")
	}
}

func TestPackageOfTheSystemIsLeftAlone(t *testing.T) {
	t.Parallel()
	for tool, script := range map[string]string{"dpkg-query": "printf installed", "rpm": "exit 0", "apk": "exit 0", "pacman": "exit 0"} {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.stub(tool, script)
			n.publish("1.0.0", program("1.0.0", 0, ""))
			n.want(true, n.configure("1.0.0", true))
			n.scripts("1.0.0/install.sh=0", "1.0.0/validate.sh=0")
			n.want(true, n.uninstall())
			n.gone()
			if got := n.read("calls"); got != "" {
				t.Errorf("the service was touched: %s", got)
			}
		})
	}
	t.Run("installed after us", func(t *testing.T) {
		t.Parallel()
		n := newNode(t)
		n.publish("1.0.0", program("1.0.0", 0, ""))
		n.want(true, n.configure("1.0.0", true))
		n.stub("dpkg-query", "printf installed")
		n.write("usr/bin/ssm-doctor", program("9.9.9", 0, `rm -f "$unit"; exit 0`), 0o755)
		n.want(true, n.uninstall())
		if n.exists("opt/ssm-doctor") || n.exists("etc/systemd/system/ssm-doctor.service") || !n.exists("usr/bin/ssm-doctor") {
			t.Error("ours must go, the package's must stay")
		}
		if !strings.Contains(n.read("calls"), "9.9.9 service install") {
			t.Error("the package's own service was not restored")
		}
	})
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
		ok   bool
		call string // of the program, "" for none
	}{
		{"none", nil, true, "1.0.0 service install --wait 10s\n"},
		{"longer, with environments", []string{"SSM_DOCTOR_WAIT=30", "SSM_DOCTOR_PTRACE=yes"}, true, "1.0.0 service install --wait 30s --ptrace\n"},
		{"not started", []string{"SSM_DOCTOR_NO_START=true"}, true, "1.0.0 service install --wait 10s --no-start\n"},
		{"no service", []string{"SSM_DOCTOR_SERVICE=no"}, true, ""},
		{"wait is no number", []string{"SSM_DOCTOR_WAIT=1; reboot"}, false, ""},
		{"wait is too long", []string{"SSM_DOCTOR_WAIT=301"}, false, ""},
		{"wait is huge", []string{"SSM_DOCTOR_WAIT=99999999999999999999"}, false, ""},
		{"unclear word", []string{"SSM_DOCTOR_SERVICE=maybe"}, false, ""},
		{"root cannot be an argument", []string{"SSM_DOCTOR_ROOT=/elsewhere"}, true, "1.0.0 service install --wait 10s\n"},
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
		n.args = []string{"SSM_DOCTOR_SERVICE=no"}
		n.publish("1.0.0", program("1.0.0", 0, ""))
		n.want(true, n.configure("1.0.0", true))
		n.want(true, n.uninstall())
		n.gone()
		if got := n.read("calls"); got != "" {
			t.Errorf("the service was touched: %s", got)
		}
	})
	t.Run("state kept", func(t *testing.T) {
		t.Parallel()
		n := newNode(t)
		n.publish("1.0.0", program("1.0.0", 0, ""))
		n.want(true, n.configure("1.0.0", true))
		n.args = []string{"SSM_DOCTOR_KEEP_STATE=yes"}
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
		"noexec":    {"noexec", "mounted noexec"},
		"read-only": {"ro", "read-only"},
		"full":      {"size=4k", "read-only or full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.publish("1.0.0", program("1.0.0", 0, "")+strings.Repeat("# padding\n", 2000))
			n.unpack("1.0.0", n.folder("1.0.0"))
			cmd := exec.CommandContext(t.Context(), "unshare", "-rm", "sh", "-c",
				`mount -t tmpfs -o "$1" tmpfs "$2/opt" && cd "$3" && { sh install.sh; echo "code $?"; ls -A "$2/opt/ssm-doctor/bin" 2>/dev/null; }`,
				"sh", tt.options, n.root, n.folder("1.0.0"))
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

// What Windows PowerShell 5.1 lacks or takes differently.
func TestPowerShellRules(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("scripts/windows/*.ps1")
	if err != nil || len(files) != 5 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"Expand-Archive", "Invoke-WebRequest", "??", "&&", "2>&1", "Remove-Service"} {
			if strings.Contains(string(b), bad) {
				t.Errorf("%s uses %s", f, bad)
			}
		}
		if filepath.Base(f) != "common.ps1" && !strings.HasSuffix(string(b), "\nexit 1\n") {
			t.Errorf("%s does not end with an exit: the agent would report a stale code", f)
		}
	}
}
