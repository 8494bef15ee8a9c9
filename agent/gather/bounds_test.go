package gather_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// TestHugeFiles: a file far larger than real ones is refused by every reader, and said so.
func TestHugeFiles(t *testing.T) {
	t.Parallel()
	root := gathertest.Tree(t, map[string]string{})
	for _, name := range []string{"etc/amazon/ssm/amazon-ssm-agent.json", "var/lib/amazon/ssm/runtimeconfig/identity_config.json", "var/lib/amazon/ssm/credentials", "etc/os-release", "etc/resolv.conf", "etc/hosts", "etc/passwd",
		"etc/environment", "usr/lib/systemd/system/amazon-ssm-agent.service", "var/lib/amazon/ssm/Vault/Manifest", "etc/netplan/x.yaml", "proc/42/environ", "proc/stat", "var/lib/amazon/ssm/i-0123456789abcdef0/document/state/completed/x"} {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(p, 1<<40); err != nil { // sparse
			t.Skip(err)
		}
	}
	f := gathertest.GatherDir(t, root, fileSources...)
	for what, w := range map[string]string{"config": f.Agent.Config.Why, "runtime": f.Credentials.Runtime.Why, "credentials": f.Credentials.DHMCFile.Why, "distro": f.Host.Distro.Why, "resolver": f.Host.Resolver.Why} {
		if w != gather.ErrTooLarge.Error() {
			t.Errorf("%s: %q", what, w)
		}
	}
	if d := f.Registration.Damage.Value; len(d) != 1 || !strings.HasSuffix(d[0].Path, "/Manifest") {
		t.Errorf("damage %+v", d)
	}
}

// spyFS notes what is opened. FileSystem has no way to write; this shows what
// the sources look at.
type spyFS struct {
	gather.FileSystem
	mu     *sync.Mutex // sources read at once
	opened *[]string
}

func (s spyFS) Open(name string) (fs.File, error) {
	s.mu.Lock()
	*s.opened = append(*s.opened, name)
	s.mu.Unlock()
	return s.FileSystem.Open(name)
}

// TestNothingIsWritten: a run over a tree leaves it as it was: names, sizes,
// modes and times. Programs and packets are asked for by name only.
func TestNothingIsWritten(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"healthy-dhmc", "hybrid-fingerprint-mismatch"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if err := os.CopyFS(root, os.DirFS(filepath.Join("testdata", "agent", name))); err != nil {
				t.Fatal(err)
			}
			before := listing(t, root)
			env := gathertest.Plain(t, root)
			var opened, programs []string
			env.FS = spyFS{env.FS, &sync.Mutex{}, &opened}
			env.Exec = func(_ context.Context, name string, args ...string) ([]byte, error) {
				programs = append(programs, strings.Join(append([]string{name}, args...), " "))
				return nil, gather.ErrNoProgram
			}
			env.Dial = (&gathertest.Network{}).Dial
			f := gathertest.Gather(t, env, fileSources...)
			if after := listing(t, root); !slices.Equal(before, after) {
				t.Errorf("the tree changed:\n%s\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
			}
			if len(opened) < 20 || !f.Log.Matches.Known() {
				t.Errorf("looked at %d files only", len(opened))
			}
			allowed := []string{"systemctl show ", "rpm -q ", "nft -a list ruleset", "iptables-save", "/usr/bin/amazon-ssm-agent -version", "/usr/local/bin/amazon-ssm-agent -version"}
			for _, p := range programs {
				if !slices.ContainsFunc(allowed, func(a string) bool { return strings.HasPrefix(p, a) }) {
					t.Errorf("ran %q", p)
				}
			}
		})
	}
}

func listing(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		out = append(out, strings.TrimPrefix(p, root)+" "+fi.Mode().String()+" "+fi.ModTime().Format(time.RFC3339Nano))
		if fi.Mode().IsRegular() {
			out[len(out)-1] += " " + string(rune(fi.Size()%1000+'0'))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRootIsNotLeft: links of the examined tree to the outside show nothing of it.
func TestRootIsNotLeft(t *testing.T) {
	t.Parallel()
	outside := gathertest.Tree(t, map[string]string{"secret-config": `{"Agent":{"Region":"xx-outside-1"}}`, "secret-log/amazon-ssm-agent.log": "2026-11-22 09:10:00 INFO Credentials ready outside\n", "passwd": "root:x:0:0::/outside:/bin/sh\n"})
	o := filepath.ToSlash(outside)
	root := gathertest.Tree(t, map[string]string{
		"etc/amazon/ssm/amazon-ssm-agent.json": "-> " + o + "/secret-config", "var/log/amazon/ssm": "-> " + o + "/secret-log", "etc/passwd": "-> ../../../../../../../.." + o + "/passwd",
		"var/lib/amazon/ssm/Vault/Manifest": `{"RegistrationKey":"` + o + `/secret-config"}`,
	})
	f := gathertest.GatherDir(t, root, fileSources...)
	if !f.Agent.Config.Absent() || !f.Log.Matches.Absent() || f.Registration.Hybrid.Known() {
		t.Errorf("%+v %+v", f.Agent.Config, f.Log)
	}
	gathertest.NoSecret(t, f, "xx-outside-1", "ready outside", "/outside/.aws")
}

// denyFS refuses some names as the kernel does.
type denyFS struct {
	gather.FileSystem
	deny string
}

func (d denyFS) check(op, name string) error {
	if strings.HasPrefix(gather.Clean(name), d.deny+"/") {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrPermission}
	}
	return nil
}

func (d denyFS) Open(name string) (fs.File, error) {
	if err := d.check("open", name); err != nil || gather.Clean(name) == d.deny {
		return nil, errors.Join(err, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission})
	}
	return d.FileSystem.Open(name)
}

func (d denyFS) Stat(name string) (fs.FileInfo, error) {
	if err := d.check("stat", name); err != nil {
		return nil, err
	}
	return d.FileSystem.Stat(name)
}

func (d denyFS) Lstat(name string) (fs.FileInfo, error) {
	if err := d.check("lstat", name); err != nil {
		return nil, err
	}
	return d.FileSystem.Lstat(name)
}

func (d denyFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := d.check("open", name); err != nil || gather.Clean(name) == d.deny {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.FileSystem.ReadDir(name)
}

// TestDeniedIsUnknown: what may not be read is unknown, never absent.
func TestDeniedIsUnknown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		deny string
		seen func(f *facts.Facts) []bool // all must be true: unknown
	}{
		{"var/lib/amazon/ssm/Vault", func(f *facts.Facts) []bool {
			r := f.Registration
			return []bool{r.Hybrid.Unknown(), r.EC2.Unknown(), r.Fingerprint.Unknown(), r.Damage.Unknown(), len(r.Damage.Some()) == 0, r.Hybrid.Code == facts.NeedsRoot}
		}},
		{"var/lib/amazon/ssm", func(f *facts.Facts) []bool {
			return []bool{f.Registration.NodeFolders.Unknown(), f.Registration.Informational.Unknown(), f.Credentials.Runtime.Unknown(), f.Credentials.DHMCFile.Unknown()}
		}},
		{"var/log/amazon/ssm", func(f *facts.Facts) []bool {
			l := f.Log
			return []bool{l.Matches.Unknown(), l.Matches.Code == facts.NeedsRoot, l.Refusals.Unknown(), l.Backoff.Unknown(), f.Agent.Versions.Unknown(), f.Agent.Starts.Unknown(), f.Agent.Running.Unknown()}
		}},
		{"root", func(f *facts.Facts) []bool { return []bool{f.Credentials.RootFile.Unknown()} }},
		{"etc/amazon", func(f *facts.Facts) []bool { return []bool{f.Agent.Config.Unknown()} }},
		{"usr/bin", func(f *facts.Facts) []bool {
			return []bool{f.Agent.Installations.Unknown(), f.Agent.Installed.Unknown()}
		}},
		{"var/lib/dpkg", func(f *facts.Facts) []bool { return []bool{f.Agent.Installations.Unknown()} }},
		{"proc", func(f *facts.Facts) []bool {
			return []bool{f.Agent.Processes.Unknown(), f.Agent.Channel.Unknown(), f.Host.DefaultIPv4.Unknown(), f.Host.Inotify.Unknown()}
		}},
	} {
		t.Run(c.deny, func(t *testing.T) {
			t.Parallel()
			env := gathertest.Plain(t, filepath.Join("testdata", "agent", "hybrid-healthy"))
			env.FS, env.Privileged = denyFS{env.FS, c.deny}, facts.Known(false, "effective user id")
			var f facts.Facts
			run := env.Begin()
			for _, s := range fileSources {
				_ = s.Gather(t.Context(), run, &f) // a source that could fill nothing says so
			}
			for i, ok := range c.seen(&f) {
				if !ok {
					t.Errorf("%s: fact %d is not unknown", c.deny, i)
				}
			}
		})
	}
}
