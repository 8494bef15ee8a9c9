package gathertest

import (
	"context"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// Plain is a Linux host whose root is dir, taken as the running system, with
// no programs and no network.
func Plain(t testing.TB, dir string) *gather.Env {
	t.Helper()
	env, err := gather.Host(dir)
	if err != nil {
		t.Fatal(err)
	}
	env.Live, env.Root, env.GOOS, env.GOARCH, env.Privileged = true, "/", "linux", "amd64", facts.Known(true, "effective user id")
	env.Now = func() time.Time { return Now }
	env.Getenv = func(string) string { return "" }
	env.Exec, env.Dial, env.Lookup, env.StatFS, env.Kernel, env.Owner = nil, nil, nil, nil, nil, nil
	return env
}

// GatherDir runs sources over a directory.
func GatherDir(t testing.TB, dir string, sources ...gather.Source) *facts.Facts {
	t.Helper()
	return Gather(t, Plain(t, dir), sources...)
}

// Gather runs sources, each of which must succeed.
func Gather(t testing.TB, env *gather.Env, sources ...gather.Source) *facts.Facts {
	t.Helper()
	f, run := &facts.Facts{}, env.Begin()
	for _, s := range sources {
		if err := s.Gather(context.Background(), run, f); err != nil {
			t.Errorf("%s: %v", s.Name(), err)
		}
	}
	return f
}

// memFS is a file tree in memory for fuzz targets, without links.
type memFS struct{ fstest.MapFS }

func (m memFS) Open(name string) (fs.File, error) { return m.MapFS.Open(gather.Clean(name)) }

func (m memFS) Stat(name string) (fs.FileInfo, error) { return m.MapFS.Stat(gather.Clean(name)) }

func (m memFS) Lstat(name string) (fs.FileInfo, error) { return m.MapFS.Stat(gather.Clean(name)) }

func (m memFS) ReadDir(name string) ([]fs.DirEntry, error) {
	return m.MapFS.ReadDir(gather.Clean(name))
}

func (m memFS) Readlink(name string) (string, error) {
	return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
}

// InMemory is a Linux host in memory, taken as the running system.
func InMemory(files map[string][]byte) *gather.Env {
	m := memFS{fstest.MapFS{}}
	for name, b := range files {
		m.MapFS[name] = &fstest.MapFile{Data: b, Mode: 0o600}
	}
	return &gather.Env{
		FS: m, Root: "/", Live: true, GOOS: "linux", GOARCH: "amd64", Limits: gather.DefaultLimits(),
		Now: func() time.Time { return Now }, Getenv: func(string) string { return "" },
	}
}
