//go:build unix

package safefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func put(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// foreign gives a file to another user; only root can.
func foreign(t *testing.T, name string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to have a second user")
	}
	if err := os.Lchown(name, 65534, 65534); err != nil {
		t.Fatal(err)
	}
}

// soon fails a test whose call does not return.
func soon(t *testing.T, what string, call func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-time.After(5 * time.Second):
		t.Fatalf("%s hangs", what)
		return nil
	}
}

// TestPlaces: where the writers write, and what they leave alone.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		lay  func(t *testing.T, dir string) string // returns the name to write to
		want string                                // part of the refusal; empty: it is written
	}{
		{"new", func(_ *testing.T, dir string) string { return dir + "/f" }, ""},
		{"existing", func(t *testing.T, dir string) string { put(t, dir+"/f", "old", 0o644); return dir + "/f" }, ""},
		{"odd spelling", func(t *testing.T, dir string) string { _ = os.Mkdir(dir+"/d", 0o755); return dir + "//./d/../f" }, ""},
		{"own link on the way", func(t *testing.T, dir string) string {
			_ = os.Mkdir(dir+"/d", 0o755)
			_ = os.Symlink("d", dir+"/l")
			return dir + "/l/f"
		}, ""},
		{"own absolute link on the way", func(t *testing.T, dir string) string {
			_ = os.Mkdir(dir+"/d", 0o755)
			_ = os.Symlink(dir+"/d", dir+"/l")
			return dir + "/l/f"
		}, ""},
		{"link in its place", func(t *testing.T, dir string) string {
			put(t, dir+"/victim", "secret", 0o600)
			_ = os.Symlink("victim", dir+"/f")
			return dir + "/f"
		}, "a link"},
		{"dangling link in its place", func(_ *testing.T, dir string) string { _ = os.Symlink("gone", dir+"/f"); return dir + "/f" }, "a link"},
		{"named pipe", func(_ *testing.T, dir string) string { _ = syscall.Mkfifo(dir+"/f", 0o644); return dir + "/f" }, "a named pipe"},
		{"folder", func(_ *testing.T, dir string) string { _ = os.Mkdir(dir+"/f", 0o755); return dir + "/f" }, "a folder"},
		{"name of a folder", func(_ *testing.T, dir string) string { return dir + "/" }, "no regular file"},
		{"this folder", func(_ *testing.T, dir string) string { return dir + "/." }, "no regular file"},
		{"no name", func(*testing.T, string) string { return "" }, "no regular file"},
		{"null device", func(*testing.T, string) string { return "/dev/null" }, "a device"},
		{"no folder", func(_ *testing.T, dir string) string { return dir + "/missing/f" }, "no such file"},
		{"file on the way", func(t *testing.T, dir string) string { put(t, dir+"/x", "", 0o644); return dir + "/x/f" }, "not a directory"},
		{"links in a circle", func(_ *testing.T, dir string) string { _ = os.Symlink("l", dir+"/l"); return dir + "/l/f" }, "too many levels"},
		{"everybody may write", func(_ *testing.T, dir string) string {
			_ = os.Mkdir(dir+"/d", 0o755)
			_ = os.Chmod(dir+"/d", 0o777)
			return dir + "/d/f"
		}, "everybody may write to it, and it is not sticky"},
		{"everybody may write, sticky", func(_ *testing.T, dir string) string {
			_ = os.Mkdir(dir+"/d", 0o755)
			_ = os.Chmod(dir+"/d", 0o777|os.ModeSticky)
			return dir + "/d/f"
		}, ""},
		{"another user's link on the way", func(t *testing.T, dir string) string {
			_ = os.Mkdir(dir+"/d", 0o755)
			_ = os.Symlink("d", dir+"/l")
			foreign(t, dir+"/l")
			return dir + "/l/f"
		}, "it is not followed"},
		{"link on the way in another user's folder", func(t *testing.T, dir string) string {
			_ = os.Mkdir(dir+"/d", 0o755)
			_ = os.Symlink("..", dir+"/d/l")
			foreign(t, dir+"/d")
			return dir + "/d/l/f"
		}, "in a folder that others may write to"},
		{"another user's folder", func(t *testing.T, dir string) string {
			_ = os.Mkdir(dir+"/d", 0o755)
			foreign(t, dir+"/d")
			return dir + "/d/f"
		}, ""},
		{"a group may write", func(t *testing.T, dir string) string {
			_ = os.Mkdir(dir+"/d", 0o755)
			foreign(t, dir+"/d")
			_ = os.Chmod(dir+"/d", 0o775)
			return dir + "/d/f"
		}, "the group 65534 may write to it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			name := c.lay(t, dir)
			before, _ := os.ReadFile(dir + "/victim")
			for way, write := range map[string]func() error{"replace": func() error { return Replace(name, 0o640, []byte("new")) }, "append": func() error { return Append(name, 0o640, []byte("new")) }} {
				err := soon(t, way, write)
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) && way == "replace") {
					t.Errorf("%s: %v, want %q", way, err, c.want)
				}
			}
			if after, _ := os.ReadFile(dir + "/victim"); !bytes.Equal(before, after) {
				t.Error("another file was written")
			}
			if c.want == "" {
				b, err := ReadTail(name, 4)
				fi, _ := os.Lstat(name)
				if err != nil || string(b[max(0, len(b)-3):]) != "new" || !fi.Mode().IsRegular() || fi.Mode().Perm()&0o022 != 0 {
					t.Errorf("%q, %v, %v", b, err, fi.Mode())
				}
			}
			left, _ := filepath.Glob(filepath.Dir(name) + "/.*.tmp")
			if len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, mode := range []os.FileMode{0o600, 0o644, 0o640} {
		name := fmt.Sprintf("%s/%d", dir, i)
		if err := Replace(name, mode, nil); err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(name); err != nil || fi.Mode() != mode {
			t.Errorf("%v: %v, %v", mode, fi.Mode(), err)
		}
	}
}

// TestSecondName: what is appended goes to no file that has a name elsewhere.
func TestSecondName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/victim", "secret", 0o600)
	if err := os.Link(dir+"/victim", dir+"/f"); err != nil {
		t.Skip(err)
	}
	if err := Append(dir+"/f", 0o600, []byte("x")); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v", err)
	}
}

// TestSwappedWhileWritten: a user who owns the folder swaps what is written for a link
// to another's file. That file keeps its mode and content.
func TestSwappedWhileWritten(t *testing.T) {
	t.Parallel()
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	put(t, victim, "secret", 0o600)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			names, _ := os.ReadDir(dir)
			for _, n := range names {
				p := filepath.Join(dir, n.Name())
				if os.Rename(p, p+".old") == nil {
					_ = os.Symlink(victim, p)
				}
				_ = os.Remove(p + ".old")
			}
		}
	}()
	for range 300 {
		_ = Replace(dir+"/f", 0o644, []byte("new"))
		_ = Append(dir+"/f", 0o644, []byte("new"))
		_ = os.Remove(dir + "/f")
	}
	close(stop)
	<-ended
	b, err := os.ReadFile(victim)
	fi, _ := os.Stat(victim)
	if err != nil || string(b) != "secret" || fi.Mode() != 0o600 {
		t.Errorf("%q, %v, %v", b, fi.Mode(), err)
	}
}

func TestReadIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/f", "0123456789", 0o600)
	_ = syscall.Mkfifo(dir+"/p", 0o644)
	_ = os.Symlink("f", dir+"/l")
	if b, err := ReadTail(dir+"/f", 4); err != nil || string(b) != "6789" {
		t.Errorf("%q, %v", b, err)
	}
	for _, name := range []string{"/p", "/l", "/"} {
		if err := soon(t, name, func() error { _, err := ReadTail(dir+name, 4); return err }); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	if err := soon(t, "OpenRead", func() error { _, err := OpenRead(dir + "/p"); return err }); !errors.Is(err, ErrRefused) {
		t.Errorf("named pipe: %v", err)
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/f", "old", 0o600)
	_ = syscall.Mkfifo(dir+"/p", 0o644)
	_ = os.Symlink("/dev/null", dir+"/null")
	_ = os.Symlink("/dev/zero", dir+"/zero")
	_ = os.Symlink("p", dir+"/to-p")
	_ = os.Symlink("f", dir+"/to-f")
	_ = os.Symlink("gone", dir+"/dangling")
	for _, c := range []struct {
		name string
		ok   bool
		bad  bool
	}{
		{"/dev/null", true, false}, {dir + "/null", true, false}, {dir + "/f", false, false}, {dir + "/new", false, false}, {dir + "/dangling", false, false},
		{"/dev/zero", false, true}, {"/dev/random", false, true}, {dir + "/zero", false, true}, {dir + "/p", false, true}, {dir + "/to-p", false, true}, {dir + "/to-f", false, true}, {dir, false, true}, {"/dev/fd/999", false, false},
	} {
		var ok bool
		err := soon(t, c.name, func() error {
			f, o, err := OpenStream(c.name)
			if ok = o; f != nil {
				f.Close()
			}
			return err
		})
		if c.name != "/dev/fd/999" && (ok != c.ok || (err != nil) != c.bad) {
			t.Errorf("%s: %v, %v", c.name, ok, err)
		}
	}
	t.Run("another user's link", func(t *testing.T) {
		_ = os.Symlink("/dev/null", dir+"/theirs")
		foreign(t, dir+"/theirs")
		if _, _, err := OpenStream(dir + "/theirs"); !errors.Is(err, ErrRefused) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDescriptors(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"/dev/stdout": 1, "/dev/stderr": 2, "/dev/fd/63": 63, "/proc/self/fd/1": 1, "/dev//fd/5": 5, "/dev/fd/": -1, "/dev/fd/x": -1, "/dev/fd/1/x": -1, "/dev/fd/99999": -1, "/dev/null": -1, "stdout": -1, fmt.Sprintf("/proc/%d/fd/2", os.Getpid()): 2} {
		if got := Descriptor(name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	f, err := OpenDescriptor(int(w.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString("through")
	f.Close()
	w.Close()
	if b, _ := io.ReadAll(r); string(b) != "through" {
		t.Errorf("%q", b)
	}
	if _, err := OpenDescriptor(9998); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v", err)
	}
}
