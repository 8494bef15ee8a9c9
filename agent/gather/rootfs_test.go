package gather

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes files below a new directory; "-> target" makes a link, a name
// ending in / a directory.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		target, link := strings.CutPrefix(content, "-> ")
		switch {
		case err != nil:
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(p, 0o755)
		case link:
			err = os.Symlink(target, p)
		default:
			err = os.WriteFile(p, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func rootOf(t testing.TB, files map[string]string) *rootFS {
	t.Helper()
	f, err := newRootFS(tree(t, files), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.root.Close() })
	return f
}

func TestRootFSLinks(t *testing.T) {
	t.Parallel()
	outside := tree(t, map[string]string{"secret": "outside"})
	f := rootOf(t, map[string]string{
		"etc/real":       "inside",
		"secret":         "own",
		"etc/rel":        "-> real",
		"etc/abs":        "-> /etc/real",
		"var/up":         "-> ../../../../../secret",
		"etc/out":        "-> " + filepath.ToSlash(outside) + "/secret",
		"etc/loop-a":     "-> loop-b",
		"etc/loop-b":     "-> loop-a",
		"etc/dir":        "-> /var",
		"etc/gone":       "-> nothing",
		"etc/via":        "-> dir/up",
		"etc/real/../x/": "",
	})
	tests := []struct {
		name, want string
		err        error
	}{
		{"etc/real", "inside", nil},
		{"/etc/real", "inside", nil},
		{"etc/rel", "inside", nil},
		{"etc/abs", "inside", nil},
		{"var/up", "own", nil},
		{"etc/dir/up", "own", nil},
		{"etc/via", "own", nil},
		{"../../secret", "own", nil},
		{"etc/out", "", fs.ErrNotExist},
		{"etc/gone", "", fs.ErrNotExist},
		{"etc/loop-a", "", ErrLinkLoop},
		{"etc/none", "", fs.ErrNotExist},
		{"etc", "", ErrNotAFile},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, err := ReadFile(f, tt.name, MaxSmall)
			if !errors.Is(err, tt.err) || string(b) != tt.want {
				t.Errorf("got %q, %v; want %q, %v", b, err, tt.want, tt.err)
			}
			if err != nil && !strings.Contains(err.Error(), Clean(tt.name)) {
				t.Errorf("error %q does not name the file", err)
			}
		})
	}
	if got, err := f.Readlink("etc/loop-a"); err != nil || got != "loop-b" {
		t.Errorf("Readlink = %q, %v", got, err)
	}
	if fi, err := f.Lstat("etc/gone"); err != nil || fi.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("Lstat of a dangling link = %v, %v", fi, err)
	}
}

func TestReadFileBounds(t *testing.T) {
	t.Parallel()
	f := rootOf(t, map[string]string{"a": strings.Repeat("x", 100)})
	if _, err := ReadFile(f, "a", 99); !errors.Is(err, ErrTooLarge) {
		t.Errorf("99 of 100 bytes: %v", err)
	}
	if b, err := ReadFile(f, "a", 100); err != nil || len(b) != 100 {
		t.Errorf("100 of 100 bytes: %d, %v", len(b), err)
	}
}

func TestHostNamesBadRoot(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"file": ""})
	for _, root := range []string{filepath.Join(dir, "missing"), filepath.Join(dir, "file")} {
		if _, err := Host(root); err == nil || !strings.Contains(err.Error(), root) {
			t.Errorf("Host(%s) = %v, want an error that names it", root, err)
		}
	}
	env, err := Host(dir)
	if err != nil {
		t.Fatal(err)
	}
	if env.Live || env.Exec != nil || env.Kernel != nil || env.Root != dir {
		t.Errorf("another root must not speak of the running system: %+v", env)
	}
}

func TestHostLive(t *testing.T) {
	t.Parallel()
	env, err := Host("/")
	if err != nil {
		t.Fatal(err)
	}
	if !env.Live || env.Root != "/" || env.Exec == nil || env.Kernel == nil {
		t.Errorf("the running system is not live: %+v", env)
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in    string
		limit int
		want  string
	}{
		{"a\tb\r\n c", 100, "a b c"},
		{"\x1b[31mred\x07", 100, `\x1b[31mred\x07`},
		{"bad\xffutf", 100, `bad\xffutf`},
		{"rtl\u202etxt", 100, `rtl\u202etxt`},
		{"c1\u009b2J", 100, `c1\u009b2J`},
		{"äöü", 4, "äö…"},
		{"", 10, ""},
	}
	for _, tt := range tests {
		if got := OneLine(tt.in, tt.limit); got != tt.want {
			t.Errorf("oneLine(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestManyEntries: of a folder that holds more than any host has some are read, and that
// not all were.
func TestManyEntries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range maxDirEntries + 10 {
		if err := os.Symlink("x", fmt.Sprintf("%s/%d", dir, i)); err != nil {
			t.Skip(err)
		}
	}
	fsys, err := newRootFS(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	es, err := fsys.ReadDir(".")
	if len(es) != maxDirEntries || !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d, %v", len(es), err)
	}
}
