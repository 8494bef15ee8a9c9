// Package debrpm tests the scripts of the deb and rpm packages.
package debrpm

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/daemon/svc"
)

const unit, dropIn = "etc/systemd/system/ssm-doctor.service", "etc/systemd/system/ssm-doctor.service.d/ptrace.conf"

// host is a root for scripts, with the programs they call.
type host struct {
	t    *testing.T
	root string
}

func newHost(t *testing.T) *host {
	t.Helper()
	if _, err := exec.LookPath("sha256sum"); err != nil {
		t.Skip("no sha256sum on this system")
	}
	h := &host{t, t.TempDir()}
	for _, name := range []string{"getent", "userdel", "deb-systemd-helper"} {
		h.put("stub/"+name, "#!/bin/sh\nexit 1\n")
	}
	h.put("stub/systemctl", "#!/bin/sh\n[ \"$1\" != --version ] || echo \"systemd $RELEASE ($RELEASE)\"\necho \"$*\" >>\"${0%/*}/calls\"\n")
	h.put("usr/share/ssm-doctor/ssm-doctor-plain.service", svc.Unit("/usr/bin/ssm-doctor", 219))
	h.put("etc/systemd/system/other.service", "")
	return h
}

func (h *host) put(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
		h.t.Fatal(err)
	}
}

// get is a file's text, empty when there is none.
func (h *host) get(name string) string {
	b, err := os.ReadFile(filepath.Join(h.root, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Fatal(err)
	}
	return string(b)
}

// run runs a script with its paths moved below the root.
func (h *host) run(release, script string, args ...string) {
	h.t.Helper()
	b, err := os.ReadFile(script)
	if err != nil {
		h.t.Fatal(err)
	}
	text := string(b)
	for _, dir := range []string{"/etc/", "/usr/share/", "/var/lib/", "/run/systemd/"} {
		text = strings.ReplaceAll(text, dir, h.root+dir)
	}
	cmd := exec.CommandContext(h.t.Context(), "sh", append([]string{"-c", text, script}, args...)...)
	cmd.Env = []string{"PATH=" + filepath.Join(h.root, "stub") + ":/usr/bin:/bin", "RELEASE=" + release}
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("%s %v: %v\n%s", script, args, err, out)
	}
}

// The drop-in of "service install --ptrace" goes with the package, an edited one stays.
func TestRemovalTakesTheDropIn(t *testing.T) {
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(svc.PtraceDropIn())))
	for script, arg := range map[string]string{"deb/postrm": "purge", "rpm/postun": "0"} {
		t.Run(script, func(t *testing.T) {
			h := newHost(t)
			h.put(dropIn, svc.PtraceDropIn())
			h.run("252", script, arg)
			if _, err := os.Stat(filepath.Join(h.root, filepath.Dir(dropIn))); err == nil {
				t.Errorf("left behind; the sum in the script must be %s", sum)
			}
			edited := svc.PtraceDropIn() + "Nice=5\n"
			h.put(dropIn, edited)
			h.run("252", script, arg)
			if d := cmp.Diff(edited, h.get(dropIn)); d != "" {
				t.Error("the administrator's drop-in: ", d)
			}
		})
	}
}

// The plain unit is for systemd older than 240 alone, and never in place of the
// administrator's own.
func TestRPMPlainUnit(t *testing.T) {
	plain, own := svc.Unit("/usr/bin/ssm-doctor", 219), "[Service]\nExecStart=/usr/bin/ssm-doctor serve --offline\n"
	for _, tt := range []struct {
		name, release, before, after string
		reenabled                    bool
	}{
		{"old, first installation", "239", "", plain, false},
		{"old, plain unit of an earlier release", "219", "# systemd older than 240\n", plain, false},
		{"old, administrator's own", "219", own, own, false},
		{"new", "240", "", "", false},
		{"new, administrator's own", "252", own, own, false},
		{"new, left from an old system", "252", plain, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			if tt.before != "" {
				h.put(unit, tt.before)
			}
			h.run(tt.release, "rpm/post", "2")
			if d := cmp.Diff(tt.after, h.get(unit)); d != "" {
				t.Error(d)
			}
			if got := strings.Contains(h.get("stub/calls"), "reenable"); got != tt.reenabled {
				t.Errorf("enabled anew: %v, want %v", got, tt.reenabled)
			}
		})
	}
}
