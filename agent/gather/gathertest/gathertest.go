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

// Option changes an environment.
type Option func(*gather.Env)

// Image makes the tree one that does not run: no processes, no programs.
func Image(e *gather.Env) { e.Live, e.Exec = false, nil }

// Getenv gives the environment variables.
func Getenv(vars map[string]string) Option {
	return func(e *gather.Env) { e.Getenv = func(k string) string { return vars[k] } }
}

// Programs gives the output of programs by name, or by name and arguments.
func Programs(out map[string]string) Option {
	return func(e *gather.Env) {
		e.Exec = func(_ context.Context, name string, args ...string) ([]byte, error) {
			for _, k := range []string{name + " " + strings.Join(args, " "), name} {
				if s, ok := out[k]; ok {
					return []byte(s), nil
				}
			}
			return nil, fmt.Errorf("run %s: %w", name, gather.ErrNoProgram)
		}
	}
}

// New makes the environment of a Linux host whose files are given by path. A
// name that ends in / is a directory, a content that begins with "-> " a link.
func New(t testing.TB, files map[string]string, opts ...Option) *gather.Env {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		write(t, dir, name, content)
	}
	return Dir(t, dir, opts...)
}

// Dir makes the environment of a host whose root is an existing directory.
func Dir(t testing.TB, dir string, opts ...Option) *gather.Env {
	t.Helper()
	env, err := gather.Host(dir)
	if err != nil {
		t.Fatal(err)
	}
	env.Live, env.Root = true, "/"
	env.GOOS, env.GOARCH, env.UID = "linux", "amd64", 0
	env.Now = func() time.Time { return Now }
	env.Getenv = func(string) string { return "" }
	env.Dial, env.Lookup, env.StatFS, env.Attr, env.Kernel = nil, nil, nil, nil, nil
	env.Owner = func(fs.FileInfo) (int, bool) { return 0, true }
	Programs(nil)(env)
	for _, o := range opts {
		o(env)
	}
	return env
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
