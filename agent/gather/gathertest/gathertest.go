// Package gathertest makes environments for tests: a file tree in a temporary
// directory, a fixed clock, no network, programs that answer from a map.
package gathertest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/gather"
)

// Now is the clock of every environment.
var Now = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// New makes the environment of a Linux host whose files are given by path, which
// are root's, and on which no program is installed. A name that ends in / is a
// directory, a content that begins with "-> " a link.
func New(t testing.TB, files map[string]string, opts ...func(*gather.Env)) *gather.Env {
	t.Helper()
	env := Plain(t, Tree(t, files))
	env.Owner = func(fs.FileInfo) (int, bool) { return 0, true }
	env.Exec = func(_ context.Context, name string, _ ...string) ([]byte, error) {
		return nil, fmt.Errorf("run %s: %w", name, gather.ErrNoProgram)
	}
	for _, o := range opts {
		o(env)
	}
	return env
}

// Tree makes files below a new directory, in the form that New takes.
func Tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		write(t, dir, name, content)
	}
	return dir
}

func write(t testing.TB, dir, name, content string) {
	t.Helper()
	p := filepath.Join(dir, filepath.FromSlash(name))
	var err error
	if strings.HasSuffix(name, "/") {
		err = os.MkdirAll(p, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(p), 0o755); err == nil {
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, p)
		} else {
			err = os.WriteFile(p, []byte(content), 0o644)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
