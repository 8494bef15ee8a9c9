package safefile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRewrite: the new file has the mode, owner and attributes of the old one, nothing is
// left beside it, and one that was changed is left alone.
func TestRewrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "hosts")
	if err := os.WriteFile(name, []byte("old, and longer"), 0o640); err != nil {
		t.Fatal(err)
	}
	labelled := unix.Setxattr(name, "user.label", []byte("x"), 0)
	if labelled != nil && !errors.Is(labelled, unix.ENOTSUP) {
		t.Fatal(labelled)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(name, 0, 12); err != nil {
			t.Fatal(err)
		}
	}
	var before, after unix.Stat_t
	if err := unix.Stat(name, &before); err != nil {
		t.Fatal(err)
	}
	look := func(want string) {
		t.Helper()
		if b, err := os.ReadFile(name); err != nil || string(b) != want {
			t.Errorf("%q %v, want %q", b, err, want)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Errorf("%v %v", list, err)
		}
	}
	if ok, err := Rewrite(name, []byte("old"), []byte("new")); ok || err != nil {
		t.Errorf("another content: %v %v", ok, err)
	}
	look("old, and longer")
	if ok, err := Rewrite(name, []byte("old, and longer"), []byte("new")); !ok || err != nil {
		t.Fatalf("%v %v", ok, err)
	}
	look("new")
	if err := unix.Stat(name, &after); err != nil || after.Mode != before.Mode || after.Uid != before.Uid || after.Gid != before.Gid {
		t.Errorf("%o %d:%d became %o %d:%d (%v)", before.Mode, before.Uid, before.Gid, after.Mode, after.Uid, after.Gid, err)
	}
	value := make([]byte, 8)
	if n, err := unix.Getxattr(name, "user.label", value); labelled == nil && (err != nil || string(value[:n]) != "x") {
		t.Errorf("the label is %q, %v", value[:max(n, 0)], err)
	}
}

// TestNames: an opened file is not that of a name that another file got.
func TestNames(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, base, err := open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	file, err := f.openOwn(base, unix.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if !f.names(base, file) {
		t.Error("it has not its own name")
	}
	if err := errors.Join(os.WriteFile(name+".new", nil, 0o600), os.Rename(name+".new", name)); err != nil {
		t.Fatal(err)
	}
	if f.names(base, file) {
		t.Error("it has the name of another")
	}
}
