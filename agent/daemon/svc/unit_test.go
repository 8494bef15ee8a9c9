package svc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kardianos/service"
)

// TestUnitsKeepTheAgentVisible: these settings look good on a score and hide the
// agent's process or its unit from us.
func TestUnitsKeepTheAgentVisible(t *testing.T) {
	t.Parallel()
	for _, release := range []int{219, 239, 240, 257} {
		unit := Unit("/usr/bin/ssm-doctor", release)
		for line := range strings.Lines(unit) {
			if strings.HasPrefix(line, "ProtectProc=") || strings.HasPrefix(line, "DynamicUser=") || strings.HasPrefix(line, "ProcSubset=") || strings.HasPrefix(line, "PrivateUsers=") {
				t.Errorf("%d: %s", release, line)
			}
		}
		if !strings.Contains(unit, "\nExecStart=/usr/bin/ssm-doctor serve\n") || strings.Contains(unit, "\n\n\n") || strings.Contains(unit, "{{") {
			t.Errorf("%d:\n%s", release, unit)
		}
		if got, want := strings.Contains(unit, "SystemCallFilter=@"), release >= 240; got != want {
			t.Errorf("%d: groups of system calls: %v, want %v", release, got, want)
		}
	}
}

func TestCheckExecutable(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("paths of Unix")
	}
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"plain": 0o644, "with space": 0o755} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"bin/ssm-doctor":                 "not absolute",
		filepath.Join(dir, "missing"):    "no such file",
		dir:                              "not a regular file",
		filepath.Join(dir, "plain"):      "not executable",
		filepath.Join(dir, "with space"): "spaces",
	} {
		if err := checkExecutable(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if err := checkExecutable("/bin/sh"); err != nil && !strings.Contains(err.Error(), "regular") {
		t.Errorf("/bin/sh: %v", err)
	}
}

func TestWithoutRoot(t *testing.T) {
	t.Parallel()
	s, f, _ := testRoot(t)
	m := &Manager{b: s}
	for name, err := range map[string]error{
		"install":   m.Install(t.Context(), opts),
		"uninstall": m.Uninstall(t.Context(), false),
		"start":     m.Start(t.Context(), 0),
		"stop":      m.Stop(t.Context()),
	} {
		if !errors.Is(err, ErrPrivilege) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(f.calls) > 0 {
		t.Errorf("something was run: %q", f.calls)
	}
	if _, err := m.State(t.Context()); err != nil {
		t.Errorf("state: %v", err)
	}
}

func FuzzParseProperties(f *testing.F) {
	f.Add("ActiveState=active\nMainPID=12\r\n=\n")
	f.Add("x=y=z")
	f.Fuzz(func(t *testing.T, out string) {
		for k, v := range parseProperties(out) {
			if strings.ContainsAny(k, "=\n") || strings.Contains(v, "\n") {
				t.Errorf("%q=%q", k, v)
			}
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("plain \x1b[31m red \u202e \xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if len(got) > maxLine+8 || strings.ContainsAny(got, "\x1b\n\r\x00\u202e") {
			t.Errorf("%q", got)
		}
	})
}

// fakeService takes the place of the host's service manager.
type fakeService struct{ service.Service }

func TestProgram(t *testing.T) {
	t.Parallel()
	failure := errors.New("address already in use")
	for _, tt := range []struct {
		name        string
		serve       func(ctx context.Context, ready func()) error
		start, stop error
		took        time.Duration // of the start
	}{
		{"serves", func(ctx context.Context, ready func()) error {
			time.Sleep(time.Second)
			ready()
			<-ctx.Done()
			return ctx.Err()
		}, nil, nil, time.Second},
		{"fails to listen", func(context.Context, func()) error { return failure }, failure, failure, 0},
		{"is slow", func(ctx context.Context, _ func()) error { <-ctx.Done(); return nil }, nil, nil, readyLimit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newProgram(t.Context(), tt.serve)
				began := time.Now()
				if err := p.Start(fakeService{}); !errors.Is(err, tt.start) {
					t.Errorf("start: %v, want %v", err, tt.start)
				}
				if got := time.Since(began); got != tt.took {
					t.Errorf("start took %v, want %v", got, tt.took)
				}
				if err := p.Stop(fakeService{}); !errors.Is(err, tt.stop) {
					t.Errorf("stop: %v, want %v", err, tt.stop)
				}
			})
		})
	}
}

func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		p := newProgram(t.Context(), func(_ context.Context, ready func()) error { ready(); <-end; return nil })
		if err := p.Start(fakeService{}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := p.Stop(fakeService{}); err == nil || time.Since(began) != stopLimit {
			t.Errorf("%v after %v, want an error after %v", err, time.Since(began), stopLimit)
		}
		close(end)
	})
}
