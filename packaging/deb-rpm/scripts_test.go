// Package debrpm tests the scripts of the deb and rpm packages.
package debrpm

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/daemon/svc"
)

const unit, dropIn = "etc/systemd/system/ssm-doctor.service", "etc/systemd/system/ssm-doctor.service.d/ptrace.conf"

// accountTools work on db/passwd and db/group as shadow's do on those of /etc; what is in
// db/ldap comes from a directory, which they cannot change.
var accountTools = map[string]string{
	"getent": `cat "$db/$1" "$db/ldap-$1" 2>/dev/null | grep "^$2:" | head -n 1 | grep .`,
	"groupadd": `gid=998
[ "$1" != --gid ] || gid=$2
for name; do :; done
! getent group "$name" >/dev/null || exit 9
echo "$name:x:$gid:" >>"$db/group"`,
	"useradd": `[ ! -e "$db/refuse" ] || { echo "useradd: cannot lock /etc/passwd" >&2; exit 1; }
gid=
while [ $# -gt 1 ]; do [ "$1" != --gid ] || gid=$(getent group "$2" | cut -d : -f 3); shift; done
[ -n "$gid" ] || exit 6
echo "$1:x:997:$gid:SSM doctor:/var/lib/ssm-doctor:/usr/sbin/nologin" >>"$db/passwd"`,
	"userdel": `line=$(grep "^$1:" "$db/passwd") || exit 6
gid=$(echo "$line" | cut -d : -f 4)
grep -v "^$1:" "$db/passwd" >"$db/new"; mv "$db/new" "$db/passwd"
if [ "$USERGROUPS" = yes ] && grep -q "^$1:x:$gid:$" "$db/group"; then
    grep -v "^$1:" "$db/group" >"$db/new"; mv "$db/new" "$db/group"
fi
exit 0`,
	"groupdel": `grep -q "^$1:" "$db/group" || exit 6
gid=$(grep "^$1:" "$db/group" | cut -d : -f 3)
! cut -d : -f 4 "$db/passwd" | grep -qx "$gid" || exit 8
grep -v "^$1:" "$db/group" >"$db/new"; mv "$db/new" "$db/group"`,
}

// host is a root for scripts, with the programs they call.
type host struct {
	t          *testing.T
	root       string
	version    string // of the package
	userGroups string // USERGROUPS_ENAB of login.defs
	out        string
}

func newHost(t *testing.T) *host {
	t.Helper()
	if _, err := exec.LookPath("sha256sum"); err != nil {
		t.Skip("no sha256sum on this system")
	}
	h := &host{t: t, root: t.TempDir(), version: "1.0.0", userGroups: "yes"}
	for _, name := range []string{"deb-systemd-helper", "deb-systemd-invoke"} {
		h.put("stub/"+name, "#!/bin/sh\necho \"$0 $*\" >>\"${0%/*}/calls\"\nexit 1\n")
	}
	for name, text := range accountTools {
		h.put("stub/"+name, "#!/bin/sh\ndb=${0%/*}/../db\n"+text)
	}
	h.put("db/passwd", "root:x:0:0::/root:/bin/sh\n")
	h.put("db/group", "root:x:0:\n")
	h.put("var/lib/dpkg/status", "")
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

// try runs a script with its paths moved below the root.
func (h *host) try(release, script string, args ...string) error {
	h.t.Helper()
	b, err := os.ReadFile(script)
	if err != nil {
		h.t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^#: ([a-z-]+)$`).ReplaceAllStringFunc(string(b), func(line string) string {
		part, err := os.ReadFile(filepath.Join("parts", strings.TrimPrefix(line, "#: ")+".sh"))
		if err != nil {
			h.t.Fatal(err)
		}
		return strings.ReplaceAll(string(part), "@VERSION@", h.version)
	})
	for _, dir := range []string{"/etc/", "/usr/share/", "/var/lib/", "/run/systemd/", "/opt/", "/usr/local/", "/usr/lib/"} {
		text = strings.ReplaceAll(text, dir, h.root+dir)
	}
	// What is above the root is not the host's.
	text = strings.ReplaceAll(text, `while [ -n "$at" ]`, `while [ "$at" != "`+h.root+`" ]`)
	cmd := exec.CommandContext(h.t.Context(), "sh", append([]string{"-c", text, script}, args...)...)
	cmd.Env = []string{"PATH=" + filepath.Join(h.root, "stub") + ":/usr/bin:/bin", "RELEASE=" + release, "USERGROUPS=" + h.userGroups}
	out, err := cmd.CombinedOutput()
	h.out = string(out)
	return err
}

func (h *host) run(release, script string, args ...string) {
	h.t.Helper()
	if err := h.try(release, script, args...); err != nil {
		h.t.Fatalf("%s %v: %v\n%s", script, args, err, h.out)
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

// install and remove are what dpkg and rpm run, without the files in between.
var packages = map[string]struct{ install, upgrade, remove func(h *host) error }{
	"deb": {
		install: func(h *host) error {
			return cmpOr(h, []string{"deb/preinst", "install"}, []string{"deb/postinst", "configure", ""})
		},
		upgrade: func(h *host) error {
			return cmpOr(h, []string{"deb/preinst", "upgrade", "0.9"}, []string{"deb/postinst", "configure", "0.9"})
		},
		remove: func(h *host) error {
			return cmpOr(h, []string{"deb/prerm", "remove"}, []string{"deb/postrm", "remove"}, []string{"deb/postrm", "purge"})
		},
	},
	"rpm": {
		install: func(h *host) error { return cmpOr(h, []string{"rpm/pre", "1"}, []string{"rpm/post", "1"}) },
		upgrade: func(h *host) error { return cmpOr(h, []string{"rpm/pre", "2"}, []string{"rpm/post", "2"}) },
		remove:  func(h *host) error { return cmpOr(h, []string{"rpm/preun", "0"}, []string{"rpm/postun", "0"}) },
	},
}

// cmpOr runs scripts until one fails.
func cmpOr(h *host, scripts ...[]string) error {
	for _, s := range scripts {
		if err := h.try("252", s[0], s[1:]...); err != nil {
			return fmt.Errorf("%s: %w: %s", s[0], err, h.out)
		}
	}
	return nil
}

// Whatever the host makes of groups, and whatever was there before: the service has its
// user and group, twice in a row, and afterwards all is as it was.
func TestAccounts(t *testing.T) {
	for kind, p := range packages {
		for _, userGroups := range []string{"yes", "no"} {
			for name, before := range map[string]map[string]string{
				"nothing before": {},
				"group before":   {"db/group": "root:x:0:\nssm-doctor:x:500:\n"},
				"user before":    {"db/passwd": "root:x:0:0::/root:/bin/sh\nssm-doctor:x:500:0:Mine:/var/lib/ssm-doctor:/bin/sh\n"},
				"both before": {"db/group": "root:x:0:\nssm-doctor:x:500:\n",
					"db/passwd": "root:x:0:0::/root:/bin/sh\nssm-doctor:x:500:500:Mine:/var/lib/ssm-doctor:/bin/sh\n"},
				"of a directory":    {"db/ldap-group": "ssm-doctor:x:7000:\n", "db/ldap-passwd": "ssm-doctor:x:7000:7000::/var/lib/ssm-doctor:/bin/sh\n"},
				"group of it alone": {"db/ldap-group": "ssm-doctor:x:7000:\n"},
			} {
				t.Run(kind+", USERGROUPS_ENAB "+userGroups+", "+name, func(t *testing.T) {
					h := newHost(t)
					h.userGroups = userGroups
					for f, text := range before {
						h.put(f, text)
					}
					was := h.get("db/passwd") + h.get("db/group")
					for range 2 {
						if err := errors.Join(p.install(h), p.upgrade(h)); err != nil {
							t.Fatal(err)
						}
						for _, db := range []string{"passwd", "group"} {
							if !strings.Contains(h.get("db/"+db)+h.get("db/ldap-"+db), "ssm-doctor:") {
								t.Fatalf("no entry in %s", db)
							}
						}
						if err := p.remove(h); err != nil {
							t.Fatal(err)
						}
						if d := cmp.Diff(was, h.get("db/passwd")+h.get("db/group")); d != "" {
							t.Fatal("afterwards: ", d)
						}
						if h.get("var/lib/ssm-doctor.accounts") != "" {
							t.Fatal("the note is left")
						}
					}
				})
			}
		}
		t.Run(kind+", made by a release that kept no note", func(t *testing.T) {
			h := newHost(t)
			was := h.get("db/passwd") + h.get("db/group")
			h.put("db/group", "root:x:0:\nssm-doctor:x:998:\n")
			h.put("db/passwd", "root:x:0:0::/root:/bin/sh\nssm-doctor:x:997:998:SSM doctor:/var/lib/ssm-doctor:/bin/sh\n")
			if err := errors.Join(p.upgrade(h), p.remove(h)); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(was, h.get("db/passwd")+h.get("db/group")); d != "" {
				t.Error(d)
			}
		})
		t.Run(kind+", user cannot be made", func(t *testing.T) {
			h := newHost(t)
			h.put("db/refuse", "")
			if err := p.install(h); err == nil || !strings.Contains(err.Error(), "cannot lock") {
				t.Errorf("got %v", err)
			}
		})
		t.Run(kind+", another unit needs the user", func(t *testing.T) {
			h := newHost(t)
			if err := p.install(h); err != nil {
				t.Fatal(err)
			}
			h.put(unit, "[Service]\nExecStart=/srv/ssm-doctor serve --offline\nUser=ssm-doctor\n")
			if err := p.remove(h); err != nil || !strings.Contains(h.get("db/passwd"), "ssm-doctor") {
				t.Errorf("%v: the user is gone, and the other service cannot run", err)
			}
		})
	}
}

// Distributor or "service install" was first.
func TestOtherRouteFirst(t *testing.T) {
	const opt = "opt/ssm-doctor/bin/ssm-doctor"
	for kind, p := range packages {
		for _, tt := range []struct {
			name, there, here string
			ok                bool
		}{
			{"older", "1.9.0", "1.10.0", true},
			{"same", "1.10.0", "1.10.0", true},
			{"newer", "1.10.1", "1.10.0", false},
			{"newer, longer", "1.10.0.3", "1.10.0", false},
			{"does not tell", "", "1.0.0", true},
		} {
			t.Run(kind+", "+tt.name, func(t *testing.T) {
				h := newHost(t)
				h.version = tt.here
				h.put(opt, "#!/bin/sh\n[ -z '"+tt.there+"' ] || echo 'ssm-doctor "+tt.there+" (go1.26, linux/amd64)'\n")
				h.put(unit, svc.Unit(filepath.Join(h.root, opt), 252))
				if err := os.MkdirAll(filepath.Join(h.root, "usr/local/bin"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(filepath.Join(h.root, opt), filepath.Join(h.root, "usr/local/bin/ssm-doctor")); err != nil {
					t.Fatal(err)
				}
				err := p.install(h)
				if !tt.ok {
					if err == nil || !strings.Contains(err.Error(), "install a package of "+tt.there+" or newer") {
						t.Errorf("got %v", err)
					}
					if h.get(unit) == "" || h.get(opt) == "" {
						t.Error("what runs was touched")
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range []string{unit, "opt/ssm-doctor", "usr/local/bin/ssm-doctor"} {
					if _, err := os.Lstat(filepath.Join(h.root, f)); err == nil {
						t.Errorf("%s hides the package", f)
					}
				}
			})
		}
		for name, spoil := range map[string]func(path string) error{
			"program of others":    func(path string) error { return os.Chmod(path, 0o777) },
			"folder of others":     func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) },
			"folder with a sticky": func(path string) error { return os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky) },
			"a link": func(path string) error {
				return errors.Join(os.Rename(path, path+".real"), os.Symlink(path+".real", path))
			},
		} {
			t.Run(kind+", "+name, func(t *testing.T) {
				h := newHost(t)
				h.put("srv/ssm-doctor", "#!/bin/sh\n: >"+filepath.Join(h.root, "ran")+"\necho 'ssm-doctor 9.9.9 (go1.26, linux/amd64)'\n")
				h.put(unit, svc.Unit(filepath.Join(h.root, "srv/ssm-doctor"), 252))
				if err := spoil(filepath.Join(h.root, "srv/ssm-doctor")); err != nil {
					t.Fatal(err)
				}
				if err := p.install(h); err != nil {
					t.Fatal(err)
				}
				if _, err := os.Stat(filepath.Join(h.root, "ran")); err == nil {
					t.Error("root has run what others could have put there")
				}
			})
		}
		t.Run(kind+", administrator's own unit", func(t *testing.T) {
			h := newHost(t)
			own := "[Service]\nExecStart=/srv/ssm-doctor serve --offline\n"
			h.put(unit, own)
			if err := p.install(h); err != nil || h.get(unit) != own || !strings.Contains(h.out, "left as it is") {
				t.Errorf("%v: %s", err, h.out)
			}
		})
	}
}
