package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/outside"
	"ssm-doctor/agent/outside/cloudtest"
)

// TestServeOutside: the daemon's report holds the operator's half while that is fresh.
func TestServeOutside(t *testing.T) {
	t.Parallel()
	h, err := demoHost("no-egress")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	env := named(h.Env())
	alone, _ := engine.Run(t.Context(), env, engine.Options{})
	for name, c := range map[string]struct {
		age   time.Duration
		holds bool
	}{"fresh": {time.Minute, true}, "of the day before yesterday": {48 * time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			cloud := &cloudtest.Cloud{Region: "eu-central-1", Account: "111122223333", Now: env.Now().Add(-c.age),
				Instances: []cloudtest.Instance{{ID: alone.Node.ID, VPC: "vpc-0a1b2c3d", Subnet: "subnet-0a1b2c3d", Address: "10.0.0.10", Groups: []string{"sg-0a1b2c3d"}}},
				Groups:    map[string]cloudtest.Group{"sg-0a1b2c3d": {VPC: "vpc-0a1b2c3d", Out: []cloudtest.Rule{{CIDR: "0.0.0.0/0"}}}}}
			file := outside.Collect(t.Context(), cloud.Run, outside.Target{Region: cloud.Region, IDs: []string{alone.Node.ID}}, cloud.Now, "test")
			b, err := json.Marshal(file)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "outside.json")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			a := &app{in: &bytes.Buffer{}, out: &bytes.Buffer{}, err: &bytes.Buffer{}, getenv: func(string) string { return "" }}
			s := serve{a: a, outside: path, demo: "no-egress"}
			if _, err := s.load(); err != nil {
				t.Fatal(err)
			}
			both, _ := s.merged(t.Context(), env, engine.Options{})
			if (both.Outside != nil) != c.holds || (len(both.NotLookedAt) < len(alone.NotLookedAt)) != c.holds {
				t.Errorf("outside %+v, not looked at %d of %d", both.Outside, len(both.NotLookedAt), len(alone.NotLookedAt))
			}
		})
	}
	s := serve{a: &app{getenv: func(string) string { return "" }}, outside: "-"}
	if _, err := s.load(); err == nil {
		t.Error("standard input was taken for a file")
	}
}
