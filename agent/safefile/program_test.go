//go:build unix

package safefile

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root to have files of root and of another user")
	}
	give := func(t *testing.T, name string, uid, gid int, mode os.FileMode) {
		t.Helper()
		if err := os.Lchown(name, uid, gid); err != nil {
			t.Fatal(err)
		}
		if mode != 0 {
			if err := os.Chmod(name, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	const staff = 50
	for _, c := range []struct {
		name string
		lay  func(t *testing.T, dir string) string // returns the program's path
		want string                                // part of the refusal; empty: may be run
	}{
		{"root's", func(_ *testing.T, dir string) string { return dir + "/bin/p" }, ""},
		{"root's group may write", func(t *testing.T, dir string) string { give(t, dir+"/bin/p", 0, 0, 0o775); return dir + "/bin/p" }, ""},
		{"setuid", func(t *testing.T, dir string) string {
			give(t, dir+"/bin/p", 0, 0, 0o755|os.ModeSetuid)
			return dir + "/bin/p"
		}, ""},
		{"another user's", func(t *testing.T, dir string) string { give(t, dir+"/bin/p", 65534, 0, 0); return dir + "/bin/p" }, "belongs to user 65534"},
		{"a group may write", func(t *testing.T, dir string) string { give(t, dir+"/bin/p", 0, staff, 0o775); return dir + "/bin/p" }, "group 50 may write"},
		{"everybody may write", func(t *testing.T, dir string) string { give(t, dir+"/bin/p", 0, 0, 0o757); return dir + "/bin/p" }, "everybody may write"},
		{"folder of another user", func(t *testing.T, dir string) string { give(t, dir+"/bin", 65534, 0, 0); return dir + "/bin/p" }, "/bin: others could"},
		{"folder of a group, as /usr/local/bin was", func(t *testing.T, dir string) string {
			give(t, dir+"/bin", 0, staff, 0o775|os.ModeSetgid)
			return dir + "/bin/p"
		}, "group 50 may write"},
		{"sticky folder of everybody", func(t *testing.T, dir string) string {
			give(t, dir+"/bin", 0, 0, 0o777|os.ModeSticky)
			return dir + "/bin/p"
		}, "everybody may write"},
		{"folder above of another user", func(t *testing.T, dir string) string { give(t, dir, 65534, 0, 0); return dir + "/bin/p" }, "belongs to user 65534"},
		{"root's link", func(_ *testing.T, dir string) string { _ = os.Symlink("bin/p", dir+"/l"); return dir + "/l" }, ""},
		{"root's link to a folder", func(_ *testing.T, dir string) string { _ = os.Symlink(dir+"/bin", dir+"/l"); return dir + "/l/p" }, ""},
		{"another user's link", func(t *testing.T, dir string) string {
			_ = os.Symlink("bin/p", dir+"/l")
			give(t, dir+"/l", 65534, 0, 0)
			return dir + "/l"
		}, "a link of user 65534"},
		{"root's link into another user's folder", func(t *testing.T, dir string) string {
			_ = os.Symlink("bin/p", dir+"/l")
			give(t, dir+"/bin", 65534, 0, 0)
			return dir + "/l"
		}, "/bin: others could"},
		{"root's link that goes up", func(_ *testing.T, dir string) string {
			_ = os.Symlink("../"+dir[strings.LastIndex(dir, "/")+1:]+"/bin/p", dir+"/l")
			return dir + "/l"
		}, ""},
		{"named pipe", func(_ *testing.T, dir string) string { _ = syscall.Mkfifo(dir+"/f", 0o755); return dir + "/f" }, "named pipe"},
		{"folder", func(_ *testing.T, dir string) string { return dir + "/bin" }, "a folder"},
		{"missing", func(_ *testing.T, dir string) string { return dir + "/bin/q" }, "no such file"},
		{"circle", func(_ *testing.T, dir string) string { _ = os.Symlink("l", dir+"/l"); return dir + "/l" }, "too many levels"},
		{"relative", func(*testing.T, string) string { return "bin/p" }, "not an absolute path"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("/run", "ssm-doctor-test-") // temporary folders are everybody's
			if err != nil {
				t.Skip(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			_ = os.Mkdir(dir+"/bin", 0o755)
			put(t, dir+"/bin/p", "#!/bin/sh\n", 0o755)
			name := c.lay(t, dir)
			got, err := Program(name)
			switch {
			case c.want == "" && (err != nil || got != dir+"/bin/p"):
				t.Errorf("%q, %v", got, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			case c.want == "no such file" && !errors.Is(err, os.ErrNotExist):
				t.Errorf("%v is no ErrNotExist", err)
			}
		})
	}
}
