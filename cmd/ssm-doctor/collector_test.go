//go:build !race

// The race detector takes several times the memory.

package main

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"testing"
)

func init() { programs["ssm-doctor-collector"] = collectorCommand }

// collected is how a process ended that took memory.
type collected struct {
	Collections uint32
	Percent     int
	Limit       int64
}

var sink [][]byte

// collectorCommand takes memory as the environment says, as the program would: DROPPED
// bytes that it no longer needs, KEPT that it does.
func collectorCommand() {
	collectLate(os.Getenv)
	var dropped, kept int
	_ = json.Unmarshal([]byte(os.Getenv("DROPPED")), &dropped)
	_ = json.Unmarshal([]byte(os.Getenv("KEPT")), &kept)
	if os.Getenv("SERVE") != "" {
		collectUsually()
	}
	const size = 16 << 10
	for n := 0; n < kept; n += size {
		sink = append(sink, make([]byte, size))
	}
	for n := 0; n < dropped; n += size {
		sink = append(sink, make([]byte, size))
		sink = sink[:len(sink)-1]
		if n%(64*size) == 0 {
			runtime.Gosched() // for what runs after a collection
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_ = json.NewEncoder(os.Stdout).Encode(collected{m.NumGC, debug.SetGCPercent(-1), debug.SetMemoryLimit(-1)})
	os.Exit(0)
}

// TestCollector: a run of usual size collects nothing, a larger one seldom, one with much
// in use as often as the daemon; who sets the variables of Go has what they say.
func TestCollector(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name        string
		env         []string
		least, most uint32
		percent     int
		limit       int64
	}{
		{name: "nothing", most: 0, percent: atFirst, limit: math.MaxInt64},
		{name: "a usual run", env: []string{"DROPPED=3000000"}, most: 0, percent: atFirst, limit: math.MaxInt64},
		// What is taken while a collection goes on counts as in use, so it may end either way.
		{name: "a large run", env: []string{"DROPPED=80000000"}, least: 2, most: 200},
		// A large percentage of much that is in use would be far too much.
		{name: "much in use", env: []string{"KEPT=60000000", "DROPPED=60000000"}, least: 2, most: 100, percent: gcPercent, limit: math.MaxInt64},
		{name: "the daemon", env: []string{"SERVE=1", "DROPPED=4000000"}, least: 1, most: 20, percent: gcPercent, limit: math.MaxInt64},
		{name: "GOGC", env: []string{"GOGC=200", "DROPPED=80000000"}, least: 1, most: 100, percent: 200, limit: math.MaxInt64},
		{name: "GOGC, the daemon", env: []string{"GOGC=200", "SERVE=1"}, most: 20, percent: 200, limit: math.MaxInt64},
		{name: "GOMEMLIMIT", env: []string{"GOMEMLIMIT=100MiB", "DROPPED=4000000"}, least: 1, most: 20, percent: gcPercent, limit: 100 << 20},
		{name: "GOMEMLIMIT, the daemon", env: []string{"GOMEMLIMIT=100MiB", "SERVE=1"}, most: 20, percent: gcPercent, limit: 100 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), self)
			cmd.Args, cmd.Env = []string{"ssm-doctor-collector"}, append([]string{"PATH=/usr/bin:/bin"}, c.env...)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			var got collected
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%s: %v", out, err)
			}
			if got.Collections < c.least || got.Collections > c.most {
				t.Errorf("%d collections, want %d to %d", got.Collections, c.least, c.most)
			}
			if c.percent != 0 && (got.Percent != c.percent || got.Limit != c.limit) {
				t.Errorf("collects by %d %% and %d bytes, want %d and %d", got.Percent, got.Limit, c.percent, c.limit)
			}
		})
	}
}
