package daemon

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
)

// Options are what a daemon needs of the outside.
type Options struct {
	// Load reads the configuration, at start and on reload.
	Load func() (*config.Config, error)
	// Env makes the environment that is examined.
	Env func(*config.Config) (*gather.Env, error)
	// Run is engine.Run unless a test says otherwise.
	Run    func(context.Context, *gather.Env, engine.Options) (*report.Report, *facts.Facts)
	Log    *slog.Logger
	Getenv func(string) string
	// Reload is asked for by a signal of the host.
	Reload <-chan struct{}
	// Eager reads the rights with the first run: a simulated host has no fleet.
	Eager bool
	// Wall is the wall clock; nil: time.Now.
	Wall func() time.Time
	// Host is the name of this host, for the Host header.
	Host string
	// Quiet is called when nothing is to do until the next look; network tells that it was
	// the network's turn, so that this is a while. GiveBack is made for it.
	Quiet func(network bool)
	// Ready is called once the daemon listens.
	Ready func()
}

// GiveBack returns memory that only runs need to the system. A collection for each look at
// files would cost more than it gives.
func GiveBack(network bool) {
	if network {
		debug.FreeOSMemory()
	}
	Trim()
}

// Daemon examines the host on a schedule and holds the last result. Its fields
// below now belong to the loop.
type Daemon struct {
	o   Options
	now atomic.Pointer[published]
	cfg atomic.Pointer[config.Config]

	handler atomic.Pointer[http.Handler]
	asked   chan chan error // reload, answered with its outcome
	run     chan struct{}   // a run was asked for
	results chan result

	schedule  schedule
	ledger    *ledger
	history   *History
	env       *gather.Env
	stats     export.Stats
	previous  *facts.Facts
	readFor   string // what the rights were read for
	busy      bool   // a run is under way
	stuck     bool   // and takes longer than it may
	started   time.Time
	wanted    bool      // somebody asked for a run that has not begun
	asking    time.Time // start of the last run that somebody asked for
	lastWall  time.Time
	lastMono  time.Time
	inDir     string    // where the inventory item was written
	tidied    bool      // an item of an earlier start is gone
	networkAt time.Time // wall clock of the last look at the network
	told      map[string]string
}

// published is what readers see. It is not changed once it is published.
type published struct {
	snapshot *export.Snapshot
	shown    func() *report.Report // redacted, with history, once somebody asks; nil: no run has finished
	next     time.Time
}

// New makes a daemon; Run starts it.
func New(o Options) (*Daemon, error) {
	if o.Run == nil {
		o.Run = engine.Run
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.Ready == nil {
		o.Ready = func() {}
	}
	cfg, err := o.Load()
	if err != nil {
		return nil, err
	}
	d := &Daemon{o: o, asked: make(chan chan error), run: make(chan struct{}, 1), results: make(chan result, 1), told: map[string]string{}}
	d.cfg.Store(cfg)
	if d.env, err = o.Env(cfg); err != nil {
		return nil, err
	}
	wall := d.wall()
	d.history = OpenHistory(cfg.StateDir)
	d.ledger = openLedger(cfg.StateDir, wall)
	d.readFor = d.ledger.ReadFor
	d.schedule = schedule{cfg: cfg, rand: rand.Float64, interval: cfg.Permissions}
	if i := time.Duration(d.ledger.Interval * float64(time.Second)); i > cfg.Permissions && i <= longestInterval {
		d.schedule.interval = i
	}
	d.stats = export.Stats{ReloadOK: true, Runs: map[string]uint64{}, Requests: map[string]uint64{}, Failures: map[export.Failure]uint64{}}
	d.publish(nil, time.Time{}, time.Time{}, false)
	d.swapHandler()
	return d, nil
}

// wall is the wall clock without the monotonic one.
func (d *Daemon) wall() time.Time { return d.o.Wall().Round(0) }

// Snapshot is the last result, for the collector.
func (d *Daemon) Snapshot() *export.Snapshot { return d.now.Load().snapshot }

// Loop runs the schedule until ctx ends. It owns all of the daemon but what
// readers see.
func (d *Daemon) Loop(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		d.waitForRun()
	}()
	notify := newNotifier(d.o.Getenv)
	ping := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	d.lastMono, d.lastWall = time.Now(), d.wall()
	w := work{network: true, permissions: d.readDue(), trigger: export.TriggerStart, why: "start"}
	d.planFirstRead(w)
	d.start(ctx, w)
	for {
		wait := d.step(ctx)
		if notify.watchdog > 0 {
			if time.Since(ping) >= notify.watchdog/2 {
				notify.send("WATCHDOG=1")
				ping = time.Now()
			}
			wait = min(wait, notify.watchdog/2)
		}
		timer.Reset(max(wait, time.Millisecond))
		select {
		case <-ctx.Done():
			notify.send("STOPPING=1")
			return
		case r := <-d.results:
			d.finish(ctx, r)
		case <-d.run:
			d.wanted = true // step starts it
		case answer := <-d.asked:
			answer <- d.reload()
		case <-d.o.Reload:
			notify.send("RELOADING=1")
			_ = d.reload()
			notify.send("READY=1")
		case <-timer.C:
		}
	}
}

// step starts what is due and returns how long to wait.
func (d *Daemon) step(ctx context.Context) time.Duration {
	now := time.Now()
	d.watchClock(now)
	if d.busy {
		if limit := d.cfg.Load().Budget + overrun; !d.stuck && now.Sub(d.started) > limit {
			d.declareStuck()
		}
		return time.Second
	}
	w, due, next := d.schedule.due(now)
	if d.wanted {
		if at := d.asking.Add(requestGap); now.Before(at) {
			if at.Before(next) {
				next = at
			}
		} else {
			d.wanted, d.asking = false, now
			w.network, w.trigger, w.why = true, export.TriggerRequest, "request" // with what is due
			d.start(ctx, w)
			return time.Second
		}
	}
	if due {
		w.trigger = export.TriggerInterval
		d.start(ctx, w)
		return time.Second
	}
	return min(next.Sub(now), maxTimer)
}

// watchClock notices steps of the wall clock and time spent suspended: what is
// known is then older than it looks, or of another time.
func (d *Daemon) watchClock(now time.Time) {
	wall := d.wall()
	step := wall.Sub(d.lastWall) - now.Sub(d.lastMono)
	d.lastMono, d.lastWall = now, wall
	if step.Abs() < clockTolerance {
		return
	}
	d.o.Log.Info("the clock of this host was set, or the host slept; everything is looked at again", "seconds", step.Seconds())
	d.ledger.sane(wall)
	d.schedule.soon(now)
}

// Trigger asks for a run. It begins when the one under way has ended and
// requestGap is over; all that were asked for until then are one.
func (d *Daemon) Trigger() {
	select {
	case d.run <- struct{}{}:
	default:
	}
}

// Reload reads the configuration again and tells how that went.
func (d *Daemon) Reload(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case d.asked <- answer:
		return <-answer
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Daemon) reload() error {
	cfg, err := d.o.Load()
	if err == nil {
		err = ValidWeb(cfg.WebConfigFile)
	}
	var env *gather.Env
	if err == nil {
		env, err = d.o.Env(cfg)
	}
	d.stats.ReloadOK = err == nil
	if err != nil {
		d.o.Log.Error("the new configuration was refused; the one before stays in use", "err", err)
		d.republish()
		return err
	}
	if untilRestart(d.cfg.Load(), cfg) {
		d.o.Log.Warn("changed, and used only after a restart: addresses to listen on, web configuration file, state directory or form of the log")
	}
	d.cfg.Store(cfg)
	d.schedule.cfg = cfg
	d.schedule.interval = max(min(d.schedule.interval, longestInterval), cfg.Permissions)
	d.env = env // a run under way keeps its own
	d.swapHandler()
	d.wanted = true // like a run that is asked for, and with the same gap
	d.republish()
	d.o.Log.Info("the configuration was read again and is in use")
	return nil
}
