package daemon

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/facts"
)

func simHost(name string) (*sim.Host, error) { return sim.New(name) }

// use is what a process holds.
type use struct {
	goroutines, fds int
	heap            uint64
}

func measure() use {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	list, _ := os.ReadDir("/proc/self/fd")
	return use{runtime.NumGoroutine(), len(list), m.HeapAlloc}
}

// TestSoak runs the whole pipeline again and again against a simulated host
// that breaks and recovers, with panics in between, and scrapes each result.
// Nothing may grow. SSM_DOCTOR_SOAK sets the number of cycles; 10 000 take a
// quarter of an hour.
func TestSoak(t *testing.T) {
	cycles := 40
	if testing.Short() {
		cycles = 10
	}
	if n, err := strconv.Atoi(os.Getenv("SSM_DOCTOR_SOAK")); err == nil {
		cycles = n
	}
	h, err := simHost("no-credential-source")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	dir, n := t.TempDir(), 0
	d, err := New(Options{
		Load: func() (*config.Config, error) {
			c := config.Default()
			c.StateDir, c.CallsPerDay = dir, 10000
			return c, nil
		},
		Env: func(*config.Config) (*gather.Env, error) { return h.Env(), nil },
		Run: func(ctx context.Context, env *gather.Env, o engine.Options) (*report.Report, *facts.Facts) {
			if n%13 == 12 {
				panic("injected")
			}
			return engine.Run(ctx, env, o)
		}})
	if err != nil {
		t.Fatal(err)
	}
	cycle := func() {
		n++
		if n%5 == 0 {
			change := h.Lift
			if n%10 == 0 {
				change = h.Break
			}
			if err := change(); err != nil {
				t.Fatal(err)
			}
		}
		if n%50 == 0 {
			if err := d.reload(); err != nil {
				t.Fatal(err)
			}
		}
		full := n%10 == 0
		d.start(t.Context(), work{network: full || n%3 == 0, permissions: full, trigger: export.TriggerInterval})
		d.finish(t.Context(), <-d.results)
		for _, path := range []string{"/metrics", "/", "/report.json"} {
			if w := ask(d, "GET", "localhost", path); w.Code != 200 {
				t.Fatalf("cycle %d: %s: %d", n, path, w.Code)
			}
		}
	}
	warm := max(cycles/4, 20)
	for range warm {
		cycle()
	}
	before := measure()
	start, cpu := time.Now(), n
	for range cycles {
		cycle()
	}
	after := measure()
	t.Logf("%d cycles, %s each: goroutines %d to %d, fds %d to %d, heap %d to %d kB, %d states in history", n-cpu, time.Since(start)/time.Duration(cycles),
		before.goroutines, after.goroutines, before.fds, after.fds, before.heap>>10, after.heap>>10, len(d.history.List()))
	if after.goroutines > before.goroutines+5 {
		t.Errorf("goroutines grew from %d to %d", before.goroutines, after.goroutines)
	}
	if after.fds > before.fds+5 {
		t.Errorf("file descriptors grew from %d to %d", before.fds, after.fds)
	}
	if after.heap > before.heap+before.heap/2+2<<20 {
		t.Errorf("heap grew from %d to %d", before.heap, after.heap)
	}
	if s := d.Snapshot(); s.Stats.Runs[export.TriggerInterval] != uint64(n) {
		t.Errorf("%d runs counted, %d made", s.Stats.Runs[export.TriggerInterval], n)
	}
}
