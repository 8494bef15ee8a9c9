package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host plays the engine: what it answers, and what it was asked.
type host struct {
	mu     sync.Mutex
	answer func(n int, o engine.Options) (*report.Report, *facts.Facts)
	asked  []engine.Options
	held   []string
	at     []time.Time
}

func (h *host) run(ctx context.Context, env *gather.Env, o engine.Options) (*report.Report, *facts.Facts) {
	h.mu.Lock()
	h.asked, h.held, h.at = append(h.asked, o), append(h.held, env.Hold), append(h.at, time.Now())
	n := len(h.asked)
	h.mu.Unlock()
	r, f := h.answer(n, o)
	if r != nil {
		r.Normalize()
	}
	return r, f
}

// count counts the runs that a condition holds for.
func (h *host) count(is func(engine.Waves) bool) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for i := range h.asked {
		if is(h.asked[i].Waves) {
			n++
		}
	}
	return n
}

func withNetwork(w engine.Waves) bool { return !w.SkipNetwork }

func (h *host) runs() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.at)
}

// reads tells runs that read rights.
func (h *host) reads() []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []time.Time
	for i, o := range h.asked {
		if !o.Waves.SkipPermissions && h.held[i] == "" {
			out = append(out, h.at[i])
		}
	}
	return out
}

func managed() (*report.Report, *facts.Facts) {
	return &report.Report{State: report.Managed, Node: report.Node{ID: "i-0123456789abcdef0"}, Measures: &report.Measures{}}, &facts.Facts{Permissions: facts.Permissions{Calls: map[string]int{"ssm:GetDocument": 1}}}
}

func imdsGone() (*report.Report, *facts.Facts) {
	r, f := managed()
	r.State, r.RootCause = report.NotManaged, &report.Cause{ID: "imds-disabled"}
	return r, f
}

func always(f func() (*report.Report, *facts.Facts)) func(int, engine.Options) (*report.Report, *facts.Facts) {
	return func(int, engine.Options) (*report.Report, *facts.Facts) { return f() }
}

func testDaemon(t *testing.T, h *host, edit func(*config.Config), more func(*Options)) *Daemon {
	t.Helper()
	o := Options{Run: h.run, Load: func() (*config.Config, error) {
		c := config.Default()
		c.StateDir = ""
		if edit != nil {
			edit(c)
		}
		return c, nil
	}, Env: func(*config.Config) (*gather.Env, error) { return &gather.Env{Version: "test"}, nil }}
	if more != nil {
		more(&o)
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// looped runs the loop while during runs, in a bubble.
func looped(t *testing.T, d *Daemon, during func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); d.Loop(ctx) }()
	during()
	cancel()
	<-done
}

func TestRhythm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &host{answer: always(managed)}
		d := testDaemon(t, h, nil, nil)
		start := time.Now()
		looped(t, d, func() { time.Sleep(49 * time.Hour) })
		total, network, reads := h.runs(), h.count(withNetwork), h.reads()
		if total < 4900 || total > 6500 {
			t.Errorf("%d runs in 49 hours", total)
		}
		if network < 540 || network > 640 {
			t.Errorf("%d runs with the network", network)
		}
		if len(reads) != 3 && len(reads) != 2 {
			t.Fatalf("rights were read %d times: %v", len(reads), reads)
		}
		if h.count(func(w engine.Waves) bool { return !w.SkipPermissions }) != len(reads) {
			t.Error("AWS was asked by a run that reads no rights")
		}
		for _, o := range h.asked {
			if o.ReadsLast != 48*time.Hour {
				t.Fatalf("verdicts are kept for %s", o.ReadsLast)
			}
		}
		if first := reads[0].Sub(start); first < firstReadMin || first > firstReadMax+time.Minute {
			t.Errorf("first read after %s", first)
		}
		if gap := reads[1].Sub(reads[0]); gap < 22*time.Hour || gap > 26*time.Hour {
			t.Errorf("second read %s after the first", gap)
		}
		for i := 1; i < len(h.at); i++ {
			if h.at[i].Sub(h.at[i-1]) > time.Minute {
				t.Fatalf("nothing ran for %s", h.at[i].Sub(h.at[i-1]))
			}
		}
		s := d.Snapshot()
		if n := s.Stats.Runs[export.TriggerStart]; n != 1 || s.Stats.Runs[export.TriggerInterval] < 4900 {
			t.Errorf("runs: %v", s.Stats.Runs)
		}
	})
}

func TestSplayIsSpreadAndStays(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for _, id := range []string{"i-1", "i-2", "i-3", "mi-4", ""} {
		s := splay(id)
		if s < firstReadMin || s >= firstReadMax || s != splay(id) {
			t.Errorf("%s: %s", id, s)
		}
		seen[s] = true
	}
	if len(seen) != 5 {
		t.Errorf("nodes read at the same time: %v", seen)
	}
}

// A state change seen by a local look leads to a full run at once, once.
func TestStateChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		h := &host{}
		h.answer = func(int, engine.Options) (*report.Report, *facts.Facts) {
			if down.Load() {
				return imdsGone()
			}
			return managed()
		}
		d := testDaemon(t, h, nil, nil)
		looped(t, d, func() {
			time.Sleep(2*time.Hour + time.Minute) // rights are read by now
			before := h.count(withNetwork)
			down.Store(true)
			reads := len(h.reads())
			time.Sleep(40 * time.Second)
			synctest.Wait()
			if n := h.count(withNetwork); n < before+1 || n > before+2 {
				t.Errorf("%d runs with the network after the change", n-before)
			}
			if n := len(h.reads()); n != reads+1 {
				t.Errorf("rights were read %d times after the change", n-reads)
			}
			if r := d.now.Load().shown(); r.State != report.NotManaged || len(r.History) != 2 || r.History[1].Cause != "imds-disabled" {
				t.Errorf("%s %v", r.State, r.History)
			}
			// A host that flaps does not read its rights within the hour.
			for range 10 {
				down.Store(!down.Load())
				time.Sleep(time.Minute)
			}
			if n := len(h.reads()); n > reads+1 {
				t.Errorf("flapping read rights %d times", n-reads)
			}
		})
	})
}

func TestPanicAndRecovery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		h.answer = func(n int, _ engine.Options) (*report.Report, *facts.Facts) {
			if n == 2 || n == 3 { // the change is followed by a second look
				panic("boom")
			}
			return managed()
		}
		d := testDaemon(t, h, nil, nil)
		looped(t, d, func() {
			time.Sleep(32 * time.Second)
			if s := d.Snapshot(); s.Report.State != report.Unknown || s.Success {
				t.Errorf("after a panic: %s, success %v", s.Report.State, s.Success)
			}
			time.Sleep(time.Minute)
			if s := d.Snapshot(); s.Report.State != report.Managed || !s.Success {
				t.Errorf("afterwards: %s, success %v", s.Report.State, s.Success)
			}
		})
	})
}

// Who asks for a run gets one: after the run under way, and not sooner than
// requestGap after the last that was asked for. Any number of wishes is one run.
func TestRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &host{answer: func(int, engine.Options) (*report.Report, *facts.Facts) {
			time.Sleep(3 * time.Second)
			return managed()
		}}
		d := testDaemon(t, h, func(c *config.Config) { c.Local, c.Network = time.Hour, time.Hour }, nil)
		looped(t, d, func() {
			want := func(what string, n int) {
				t.Helper()
				synctest.Wait()
				if got := h.runs(); got != n {
					t.Errorf("%s: %d runs, want %d", what, got, n)
				}
			}
			time.Sleep(time.Second)
			d.Trigger()
			want("while the first run is under way", 1)
			time.Sleep(2 * time.Second)
			want("once it has ended", 2)
			for range 3 {
				time.Sleep(time.Second)
				d.Trigger()
			}
			time.Sleep(requestGap - 4*time.Second)
			want("within the gap", 2)
			time.Sleep(2 * time.Second)
			want("after the gap", 3)
			time.Sleep(time.Minute)
			want("later", 3)
			d.Trigger()
			want("long after", 4)
			if n := d.Snapshot().Stats.Runs[export.TriggerRequest]; n != 2 {
				t.Errorf("%d runs counted that were asked for", n)
			}
		})
	})
}

// A run that does not end makes the state unknown; no second one is piled on it.
func TestHangingRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := &host{}
		h.answer = func(n int, _ engine.Options) (*report.Report, *facts.Facts) {
			if n == 2 {
				<-release
			}
			return managed()
		}
		d := testDaemon(t, h, nil, nil)
		looped(t, d, func() {
			time.Sleep(time.Second)
			ended := d.Snapshot().At
			time.Sleep(20 * time.Minute)
			if s := d.Snapshot(); s.Report.State != report.Unknown || s.Success || !s.At.Equal(ended) {
				t.Errorf("while it hangs: %s, success %v, last run ended %s, want %s", s.Report.State, s.Success, s.At, ended)
			}
			if n := h.runs(); n != 2 {
				t.Errorf("%d runs were started", n)
			}
			close(release)
			time.Sleep(time.Minute)
			if s := d.Snapshot(); s.Report.State != report.Managed {
				t.Errorf("afterwards: %s", s.Report.State)
			}
		})
	})
}

// What keeps a node from being managed at boot or for a moment is looked at again
// soon, and what stays is left to its usual rhythm.
func TestNetworkComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		h := &host{answer: func(int, engine.Options) (*report.Report, *facts.Facts) {
			if down.Load() {
				return imdsGone()
			}
			return managed()
		}}
		d := testDaemon(t, h, nil, nil)
		looped(t, d, func() {
			time.Sleep(10 * time.Second)
			down.Store(false)
			time.Sleep(30 * time.Second)
			if n := h.count(withNetwork); n < 2 {
				t.Errorf("%d looks at the network in 40 seconds", n)
			}
			down.Store(true)
			time.Sleep(2 * time.Hour)
			before := h.count(withNetwork)
			time.Sleep(time.Hour)
			if n := h.count(withNetwork) - before; n < 10 || n > 14 {
				t.Errorf("%d looks at the network an hour while a fault stays", n)
			}
		})
	})
}

// The agent's log may tell of an acceptance before the network is looked at again.
func TestAcceptedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var accepted atomic.Bool
		h := &host{answer: func(_ int, o engine.Options) (*report.Report, *facts.Facts) {
			r, f := imdsGone()
			if accepted.Load() && !o.Waves.SkipNetwork {
				r, f = managed()
			}
			if accepted.Load() {
				r.LastPing = time.Now()
			}
			return r, f
		}}
		d := testDaemon(t, h, nil, nil)
		looped(t, d, func() {
			time.Sleep(2*time.Hour + 10*time.Second)
			accepted.Store(true)
			time.Sleep(40 * time.Second)
			if s := d.Snapshot().Report.State; s != report.Managed {
				t.Errorf("%s after an acceptance was seen", s)
			}
		})
	})
}

// A result that cannot be taken over is one run that failed.
func TestResultPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &host{answer: always(managed)}
		d := testDaemon(t, h, nil, func(o *Options) {
			first := true
			o.Quiet = func(bool) {
				if first {
					first = false
					panic("boom")
				}
			}
		})
		looped(t, d, func() {
			time.Sleep(time.Second)
			if s := d.Snapshot(); s.Report.State != report.Unknown || s.Success {
				t.Errorf("%s, success %v", s.Report.State, s.Success)
			}
			time.Sleep(time.Minute)
			if s := d.Snapshot(); s.Report.State != report.Managed || !s.Success {
				t.Errorf("afterwards %s, success %v", s.Report.State, s.Success)
			}
		})
	})
}

// After each look something can be given back, and more after one at the network.
func TestQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network, local := 0, 0
		d := testDaemon(t, &host{answer: always(managed)}, nil, func(o *Options) {
			o.Quiet = func(n bool) {
				if n {
					network++
				} else {
					local++
				}
			}
		})
		looped(t, d, func() {
			time.Sleep(20 * time.Minute)
			synctest.Wait()
			if network < 3 || local < 5*network {
				t.Errorf("%d times after the network, %d times after the host alone", network, local)
			}
		})
	})
}

// A daemon whose very first run does not end is not ready, and shows nothing
// that it does not know.
func TestFirstRunHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := &host{answer: func(int, engine.Options) (*report.Report, *facts.Facts) { <-release; return managed() }}
		d := testDaemon(t, h, nil, nil)
		looped(t, d, func() {
			time.Sleep(10 * time.Minute)
			if w := ask(d, "GET", "localhost", "/-/ready"); w.Code != 503 {
				t.Errorf("ready: %d", w.Code)
			}
			body := ask(d, "GET", "localhost", "/metrics").Body.String()
			for _, family := range []string{"findings", "checks", "node_info", "agent_info", "last_run_timestamp_seconds"} {
				if strings.Contains(body, "\nssm_doctor_"+family+"{") || strings.Contains(body, "\nssm_doctor_"+family+" ") {
					t.Errorf("%s is there before a run has ended", family)
				}
			}
			if !strings.Contains(body, `ssm_doctor_node_state{state="unknown"} 1`) || !strings.Contains(body, "ssm_doctor_last_run_success 0") {
				t.Error("the state is not unknown, or the run a success")
			}
			close(release)
			time.Sleep(time.Minute)
			if w := ask(d, "GET", "localhost", "/-/ready"); w.Code != 200 {
				t.Errorf("ready afterwards: %d", w.Code)
			}
		})
	})
}

// The end is quick even when a run ignores that it was cancelled.
func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := &host{answer: func(int, engine.Options) (*report.Report, *facts.Facts) { <-release; return managed() }}
		d := testDaemon(t, h, nil, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); d.Loop(ctx) }()
		time.Sleep(5 * time.Second)
		start := time.Now()
		cancel()
		<-done
		if took := time.Since(start); took >= 5*time.Second {
			t.Errorf("stopping took %s", took)
		}
		close(release)
	})
}

func TestThrottlingBacksOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &host{answer: func(int, engine.Options) (*report.Report, *facts.Facts) {
			r, f := managed()
			r.Measures.Failures = []report.CallFailure{{Action: "ssm:GetDocument", Reason: report.Throttled, Count: 1}}
			return r, f
		}}
		d := testDaemon(t, h, func(c *config.Config) { c.Local, c.Network = time.Hour, time.Hour }, nil)
		looped(t, d, func() { time.Sleep(40 * 24 * time.Hour) })
		reads := h.reads()
		var gaps []time.Duration
		for i := 1; i < len(reads); i++ {
			gaps = append(gaps, reads[i].Sub(reads[i-1]))
		}
		// 2, 4, then 7 days.
		for i, want := range []time.Duration{48 * time.Hour, 96 * time.Hour, longestInterval, longestInterval} {
			if i >= len(gaps) || gaps[i] < want*9/10 || gaps[i] > want*11/10 {
				t.Fatalf("gaps %v", gaps)
			}
		}
		if n := d.Snapshot().Stats.Failures[export.Failure{Operation: "ssm:GetDocument", Reason: report.Throttled}]; n < uint64(len(reads)) || n > uint64(len(reads))+1 {
			t.Errorf("%d failures counted in %d reads", n, len(reads))
		}
	})
}

func TestCaps(t *testing.T) {
	t.Parallel()
	for _, edit := range []func(*config.Config){func(c *config.Config) { c.CallsPerRun = 3 }, func(c *config.Config) { c.CallsPerDay = 0 }} {
		synctest.Test(t, func(t *testing.T) {
			h := &host{answer: always(managed)}
			d := testDaemon(t, h, edit, nil)
			looped(t, d, func() { time.Sleep(26 * time.Hour) })
			if n := len(h.reads()); n > 0 {
				t.Errorf("rights were read %d times", n)
			}
			held := false
			for _, why := range h.held {
				held = held || strings.Contains(why, "requests to AWS")
			}
			if !held {
				t.Error("the report does not say why")
			}
		})
	}
}

// A clock set forward or back by an hour, and a long sleep, lead to a new look
// at the network, not to a stampede or a stop.
func TestClockSteps(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{time.Hour, -time.Hour, 100 * 24 * time.Hour, -100 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var offset time.Duration
			h := &host{answer: always(managed)}
			d := testDaemon(t, h, nil, func(o *Options) {
				o.Wall = func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(offset) }
			})
			looped(t, d, func() {
				time.Sleep(2 * time.Hour)
				runs, network := h.runs(), h.count(withNetwork)
				mu.Lock()
				offset = step
				mu.Unlock()
				time.Sleep(time.Minute)
				if n := h.count(withNetwork); n == network {
					t.Errorf("%s: no look at the network", step)
				}
				time.Sleep(time.Hour)
				if n := h.runs() - runs; n < 100 || n > 140 {
					t.Errorf("%s: %d runs in the hour after", step, n)
				}
			})
		})
	}
}

// A daemon that is started again and again does not ask AWS again and again.
func TestRestartStorm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		h := &host{answer: always(managed)}
		for range 20 {
			d := testDaemon(t, h, func(c *config.Config) { c.StateDir = dir }, func(o *Options) { o.Eager = true })
			looped(t, d, func() { time.Sleep(time.Minute) })
		}
		if n := len(h.reads()); n != 1 {
			t.Errorf("rights were read %d times by 20 starts", n)
		}
	})
}

func TestReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &host{answer: always(managed)}
		var fail error
		interval := 5 * time.Minute
		hup := make(chan struct{})
		d := testDaemon(t, h, nil, func(o *Options) {
			o.Reload = hup
			o.Load = func() (*config.Config, error) {
				c := config.Default()
				c.StateDir, c.Network = "", interval
				return c, fail
			}
		})
		looped(t, d, func() {
			time.Sleep(time.Second)
			fail = errors.New("line 3: unknown key")
			if err := d.Reload(t.Context()); err == nil || d.Snapshot().Stats.ReloadOK {
				t.Errorf("a broken configuration: %v", err)
			}
			fail, interval = nil, 10*time.Minute
			hup <- struct{}{}
			synctest.Wait()
			if s := d.Snapshot().Stats; !s.ReloadOK || s.Interval != interval {
				t.Errorf("%+v", s)
			}
		})
	})
}

// TestReloadStorm: reloads and requested runs share one gap.
func TestReloadStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := testDaemon(t, &host{answer: always(managed)}, func(c *config.Config) { c.StateDir = "" }, nil)
		looped(t, d, func() {
			time.Sleep(time.Second)
			runs := func() (n uint64) {
				for _, k := range d.Snapshot().Stats.Runs {
					n += k
				}
				return n
			}
			before := runs()
			for range 100 {
				if err := d.Reload(t.Context()); err != nil {
					t.Fatal(err)
				}
				d.Trigger()
				time.Sleep(100 * time.Millisecond)
			}
			if got := runs() - before; got < 1 || got > 2 {
				t.Errorf("%d runs for 100 reloads in 10 s, want 1 or 2", got)
			}
		})
	})
}

// An item of a start with custom inventory goes when there is none any more.
func TestInventoryOfEarlierStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, export.InventoryFile), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		d := testDaemon(t, &host{answer: always(managed)}, func(c *config.Config) { c.InventoryDir = dir }, nil)
		looped(t, d, func() { time.Sleep(time.Second) })
	})
	if _, err := os.Stat(filepath.Join(dir, export.InventoryFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the item is still there: %v", err)
	}
}

func TestNotify(t *testing.T) {
	t.Parallel()
	var n notifier
	n.send("READY=1") // nobody listens: nothing happens
	env := map[string]string{"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000"}
	if w := newNotifier(func(k string) string { return env[k] }).watchdog; w != 15*time.Second {
		t.Errorf("watchdog %s", w)
	}
	env["WATCHDOG_PID"] = "1"
	if w := newNotifier(func(k string) string { return env[k] }).watchdog; w != 0 && os.Getpid() != 1 {
		t.Errorf("watchdog of another process: %s", w)
	}
	env["WATCHDOG_USEC"] = "soon"
	if w := newNotifier(func(k string) string { return env[k] }).watchdog; w != 0 {
		t.Errorf("watchdog %s", w)
	}
}

func TestLedger(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	l := openLedger(dir, now)
	l.note(now, 5, "other key")
	l.note(now.Add(time.Hour), 2, "key")
	again := openLedger(dir, now.Add(2*time.Hour))
	if again.used(now.Add(2*time.Hour)) != 7 || !again.LastRead.Equal(now.Add(time.Hour)) || again.ReadFor != "key" || again.err != nil {
		t.Errorf("%+v", again)
	}
	if n := again.used(now.Add(24*time.Hour + time.Minute)); n != 2 {
		t.Errorf("%d calls in the last day", n)
	}
	// Written by a clock that was ahead; the next start finds it corrected.
	if ahead := openLedger(dir, now.Add(-49*time.Hour)); ahead.err != nil {
		t.Error(ahead.err)
	}
	ahead := openLedger(dir, now.Add(-48*time.Hour))
	if !ahead.LastRead.Equal(now.Add(-49 * time.Hour)) {
		t.Errorf("last read %s, want the time of the start before", ahead.LastRead)
	}
	if ahead.LastRead.After(now.Add(-48*time.Hour)) || ahead.used(now.Add(-48*time.Hour)) != 7 {
		t.Errorf("%+v", ahead)
	}
	if err := os.WriteFile(filepath.Join(dir, LedgerFile), []byte(`{"last_read": "2026-`), 0o600); err != nil {
		t.Fatal(err)
	}
	if torn := openLedger(dir, now); torn.err == nil || !torn.LastRead.IsZero() {
		t.Errorf("%+v", torn)
	}
}

// A state directory that cannot be written is said, and everything else goes on.
func TestBrokenStateDir(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		h := &host{answer: always(managed)}
		d := testDaemon(t, h, func(c *config.Config) { c.StateDir = file }, func(o *Options) { o.Eager = true })
		looped(t, d, func() {
			time.Sleep(time.Minute)
			s := d.Snapshot()
			if s.Report.State != report.Managed || s.Stats.HistoryOK == nil || *s.Stats.HistoryOK {
				t.Errorf("%s, history on disk %v", s.Report.State, s.Stats.HistoryOK)
			}
			if len(d.now.Load().shown().History) != 1 {
				t.Errorf("history %v", d.now.Load().shown().History)
			}
		})
	})
}
