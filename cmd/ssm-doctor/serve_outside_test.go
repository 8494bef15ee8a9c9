package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/outside"
	"ssm-doctor/agent/outside/cloudtest"
)

// outsideFile writes what an operator collected of an instance at a time.
func outsideFile(t *testing.T, path, id string, at time.Time) {
	t.Helper()
	cloud := &cloudtest.Cloud{Region: "eu-central-1", Account: "111122223333", Now: at,
		Instances: []cloudtest.Instance{{ID: id, VPC: "vpc-0a1b2c3d", Subnet: "subnet-0a1b2c3d", Address: "10.0.0.10", Groups: []string{"sg-0a1b2c3d"}}},
		Groups:    map[string]cloudtest.Group{"sg-0a1b2c3d": {VPC: "vpc-0a1b2c3d", Out: []cloudtest.Rule{{CIDR: "0.0.0.0/0"}}}}}
	b, err := json.Marshal(outside.Collect(t.Context(), cloud.Run, outside.Target{Region: cloud.Region, IDs: []string{id}}, cloud.Now, "test"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestServeOutside: the daemon's report holds the operator's half while that is fresh, and
// of this host; once it is told why it does not.
func TestServeOutside(t *testing.T) {
	t.Parallel()
	h, err := demoHost("no-egress")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	env := named(h.Env())
	alone, _ := engine.Run(t.Context(), env, engine.Options{})
	const other = "i-0fedcba9876543210"
	for name, c := range map[string]struct {
		id   string
		age  time.Duration
		left string // empty: the report holds it
	}{
		"fresh":                       {alone.Node.ID, time.Minute, ""},
		"of clocks that differ":       {alone.Node.ID, -3 * time.Minute, ""},
		"of a host whose clock slows": {alone.Node.ID, -72 * time.Hour, "ahead"},
		"of half an hour ahead":       {alone.Node.ID, -30 * time.Minute, "ahead"},
		"of a day ago":                {alone.Node.ID, 24*time.Hour + time.Minute, "older"},
		"of the day before yesterday": {alone.Node.ID, 48 * time.Hour, "older"},
		"of another node":             {other, time.Minute, "does not hold"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "outside.json")
			outsideFile(t, path, c.id, env.Now().Add(-c.age))
			var log bytes.Buffer
			a := &app{in: &bytes.Buffer{}, out: &bytes.Buffer{}, err: &bytes.Buffer{}, getenv: func(string) string { return "" }}
			s := serve{a: a, outside: path, demo: "no-egress", log: slog.New(slog.NewTextHandler(&log, nil))}
			for range 2 { // and after a reload
				if _, err := s.load(); err != nil {
					t.Fatal(err)
				}
				s.use()
				log.Reset()
				for range 2 {
					both, _ := s.merged(t.Context(), env, engine.Options{})
					if holds := c.left == ""; (both.Outside != nil) != holds || (len(both.NotLookedAt) < len(alone.NotLookedAt)) != holds {
						t.Errorf("outside %+v, not looked at %d of %d", both.Outside, len(both.NotLookedAt), len(alone.NotLookedAt))
					}
				}
				said := log.String()
				if c.left == "" && said != "" || c.left != "" && (strings.Count(said, "\n") != 1 || !strings.Contains(said, c.left)) {
					t.Errorf("the log of two runs: %q", said)
				}
			}
		})
	}
	s := serve{a: &app{getenv: func(string) string { return "" }}, outside: "-"}
	if _, err := s.load(); err == nil {
		t.Error("standard input was taken for a file")
	}
}

// TestOutsideIsTheAdministrators: what anybody could have written is refused like a
// configuration, and what was read before stays until all of a reload is accepted.
func TestOutsideIsTheAdministrators(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes are those of Unix")
	}
	dir := t.TempDir()
	path, file := filepath.Join(dir, "outside.json"), filepath.Join(dir, "ssm-doctor.yml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("log.level: info\n")
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	outsideFile(t, path, "i-0123456789abcdef0", now)
	a := &app{in: &bytes.Buffer{}, out: &bytes.Buffer{}, err: &bytes.Buffer{}, getenv: func(string) string { return "" }}
	s := serve{a: a, file: file, outside: path, demo: "no-egress"}
	if _, err := s.load(); err != nil {
		t.Fatal(err)
	}
	s.use()
	first := s.view.Load()
	stays := func(why string, want string) {
		t.Helper()
		if _, err := s.load(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", why, err)
		}
		if s.view.Load() != first {
			t.Errorf("%s: another file is in use", why)
		}
	}
	outsideFile(t, path, "i-0fedcba9876543210", now)
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	stays("a file that anybody may write", path)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	write("log.level: loud\n")
	stays("a configuration that is refused", "log.level")
	write("log.level: info\n")
	if _, err := s.load(); err != nil {
		t.Fatal(err)
	}
	if s.view.Load() != first {
		t.Error("a file is in use before the configuration is")
	}
	if s.use(); s.view.Load() == first {
		t.Error("the new file is not in use")
	}
}
