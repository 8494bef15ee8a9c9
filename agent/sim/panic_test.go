package sim_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks"
	"ssm-doctor/checks/facts"
)

// bomb goes off when it is asked for the nth time.
type bomb struct {
	n, asked atomic.Int64
	goOff    func() // nil: it panics
}

func (b *bomb) tick() {
	switch {
	case b.asked.Add(1) != b.n.Load():
	case b.goOff != nil:
		b.goOff()
	default:
		panic("boom")
	}
}

type minedFS struct {
	gather.FileSystem
	open, stat, list *bomb
}

func (m minedFS) Open(name string) (fs.File, error) { m.open.tick(); return m.FileSystem.Open(name) }
func (m minedFS) Stat(name string) (fs.FileInfo, error) {
	m.stat.tick()
	return m.FileSystem.Stat(name)
}
func (m minedFS) ReadDir(name string) ([]fs.DirEntry, error) {
	m.list.tick()
	return m.FileSystem.ReadDir(name)
}

// mine lays one bomb into each way to the host.
func mine(env *gather.Env) map[string]*bomb {
	b := map[string]*bomb{}
	for _, n := range []string{"open", "stat", "list", "dial", "lookup", "exec", "statfs"} {
		b[n] = new(bomb)
	}
	env.FS = minedFS{env.FS, b["open"], b["stat"], b["list"]}
	dial, lookup, exec, statfs := env.Dial, env.Lookup, env.Exec, env.StatFS
	env.Dial = func(ctx context.Context, network, address string, local netip.Addr) (net.Conn, error) {
		// A transport dials the metadata service in goroutines of its own; what
		// runs there is of the standard library.
		if strings.HasSuffix(address, ":443") {
			b["dial"].tick()
		}
		return dial(ctx, network, address, local)
	}
	env.Lookup = func(ctx context.Context, server, network, host string) ([]netip.Addr, error) {
		b["lookup"].tick()
		return lookup(ctx, server, network, host)
	}
	env.Exec = func(ctx context.Context, name string, args ...string) ([]byte, error) {
		b["exec"].tick()
		return exec(ctx, name, args...)
	}
	env.StatFS = func(path string) (facts.Usage, error) { b["statfs"].tick(); return statfs(path) }
	return b
}

// eachLook calls with for hosts of the demos, with what is said of the host when
// nothing goes off, and for looks at it, spread over the run: the environment in
// which the nth look of a way meets the bomb. Of each way about so many are tried.
func eachLook(t *testing.T, looks int64, with func(t *testing.T, want *report.Report, env *gather.Env, b *bomb, at string)) {
	t.Helper()
	for _, name := range some(sim.Names()) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := sim.New(name)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(h.Close)
			env := h.Env()
			count := mine(env)
			want, _ := engine.Run(t.Context(), env, engine.Options{})
			for way, c := range count {
				total := c.asked.Load()
				for n := int64(1); n <= total; n += max(1, total/looks) {
					env := h.Env()
					b := mine(env)[way]
					b.n.Store(n)
					with(t, want, env, b, fmt.Sprintf("%s %d", way, n))
				}
			}
		})
	}
}

// TestPanicBlamesNobody: wherever asking the host panics, the run ends with a
// report that says so and names no cause: what was not read might be another.
func TestPanicBlamesNobody(t *testing.T) {
	t.Parallel()
	eachLook(t, 5, func(t *testing.T, _ *report.Report, env *gather.Env, b *bomb, at string) {
		r, f := engine.Run(t.Context(), env, engine.Options{})
		if b.asked.Load() < b.n.Load() {
			return // asked less often this time
		}
		if !slices.ContainsFunc(f.Sources, func(s facts.Source) bool { return s.Error == "an error in ssm-doctor: boom" }) {
			t.Errorf("%s: no source tells of it", at)
		}
		if r.State != report.Unknown || r.RootCause != nil || len(r.Also) > 0 {
			t.Errorf("%s: %s, %s, %d more", at, r.State, r.Summary, len(r.Also))
		}
		if i := engine.Judge(f, engine.Options{Profile: checks.ProfileImage}); i.State != report.Unknown || i.RootCause != nil {
			t.Errorf("%s: image %s, %s", at, i.State, i.Summary)
		}
	})
}
