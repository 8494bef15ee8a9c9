package daemon

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/gather/awsapi"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// result is what a run brought.
type result struct {
	work     work
	report   *report.Report // nil: it panicked
	facts    *facts.Facts
	panicked string
	probes   []string
	held     string // why requests that were due were not sent
}

// readDue reports whether rights are read with the very first run.
func (d *Daemon) readDue() bool { return d.o.Eager && d.wall().Sub(d.ledger.LastRead) >= readGap }

// planFirstRead spreads the first read of rights over a fleet; where in the
// window this node lies is known once its id is.
func (d *Daemon) planFirstRead(w work) {
	now := time.Now()
	d.schedule.done(now, w)
	if w.permissions {
		return
	}
	d.schedule.permission = now.Add(firstReadMax)
	if last := d.ledger.LastRead; !last.IsZero() {
		if left := d.schedule.interval - d.wall().Sub(last); left > firstReadMax {
			d.schedule.permission = now.Add(left)
		}
	}
}

// start begins a run beside the loop. Nobody starts a second one meanwhile.
func (d *Daemon) start(ctx context.Context, w work) {
	cfg, env := d.cfg.Load(), d.env
	hold := d.limit(&w)
	env.Hold = hold
	if hold == "" && !w.permissions {
		env.Hold = "the node's rights are read at another time"
	}
	o := engine.Options{Budget: cfg.Budget, Log: d.o.Log, Previous: d.previous, ReadsLast: 2 * d.schedule.interval,
		Waves: engine.Waves{SkipNetwork: !w.network, SkipPermissions: !w.permissions}}
	d.busy, d.stuck, d.started = true, false, time.Now()
	d.o.Log.Debug("run started", "trigger", w.trigger, "network", w.network, "permissions", w.permissions)
	go func() {
		r := result{work: w, probes: cfg.Probes, held: hold}
		defer func() {
			if p := recover(); p != nil {
				r.report, r.facts = nil, nil
				r.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
			d.results <- r
		}()
		r.report, r.facts = d.o.Run(ctx, env, o)
	}()
}

// limit keeps requests to AWS within the caps and says why some are held back.
func (d *Daemon) limit(w *work) string {
	if !w.permissions {
		return ""
	}
	cfg := d.cfg.Load()
	need := identityCalls + len(awsapi.Operations(cfg.Probes))
	used := d.ledger.used(d.wall())
	var why string
	switch {
	case need > cfg.CallsPerRun:
		why = fmt.Sprintf("%d requests to AWS are more than the %d that a run may send", need, cfg.CallsPerRun)
	case used+need > cfg.CallsPerDay:
		why = fmt.Sprintf("%d of %d requests to AWS were sent in the last 24 hours", used, cfg.CallsPerDay)
	default:
		return ""
	}
	w.permissions = false
	d.schedule.permission = time.Now().Add(d.schedule.jitter(readGap))
	d.once("calls", "no requests are sent to AWS; what only they tell stays as it was", why)
	return why
}

// finish takes over what a run brought.
func (d *Daemon) finish(ctx context.Context, r result) {
	now, wall := time.Now(), d.wall()
	d.busy = false
	defer func() {
		if p := recover(); p != nil {
			d.o.Log.Error("a result was dropped because of an error in ssm-doctor; the state is unknown until the next run; please report this line", "err", fmt.Sprint(p), "stack", string(debug.Stack()))
			d.publish(failed(wall, d.env.Version, "the result of a run was dropped because of an error in ssm-doctor; the log of the daemon says where"), wall, wall, false)
		}
	}()
	d.schedule.done(now, r.work)
	if ctx.Err() != nil {
		return // cut short by our own end: it says nothing about the host
	}
	if r.report == nil {
		d.o.Log.Error("a run failed because of an error in ssm-doctor; the state is unknown until the next run; please report this line", "err", r.panicked)
		r.report = failed(wall, d.env.Version, "the run failed because of an error in ssm-doctor; the log of the daemon says where")
	}
	d.count(r)
	if d.stuck {
		d.o.Log.Warn("the run that took too long has ended; its result is used", "seconds", now.Sub(d.started).Seconds())
	}
	if r.facts != nil {
		d.previous = r.facts
		if r.work.permissions {
			d.ledger.Interval = d.schedule.interval.Seconds()
			d.ledger.note(wall, total(r.facts.Permissions.Calls), credentialsKey(r.report))
		}
	}
	if d.ledger.err != nil { // perhaps the disk has space again
		d.ledger.save()
	}
	before := d.now.Load().snapshot.Report
	success := r.panicked == "" && export.Completed(r.report)
	if r.report.CallsHeld == "" {
		r.report.CallsHeld = r.held
	}
	d.publish(r.report, wall, wall, success)
	if r.work.network {
		d.networkAt = wall
		d.schedule.again(now, r.report.State == report.Managed)
	}
	d.afterwards(now, wall, before, r)
	d.writeFiles(r.report)
	if d.o.Quiet != nil {
		d.o.Quiet(r.work.network)
	}
}

// count adds what a run did to the counters.
func (d *Daemon) count(r result) {
	d.stats.Runs[r.work.trigger]++
	if r.facts == nil || !r.work.permissions {
		return
	}
	for op, n := range r.facts.Permissions.Calls {
		d.stats.Requests[op] += uint64(n)
	}
	if m := r.report.Measures; m != nil {
		throttled := false
		for _, f := range m.Failures {
			d.stats.Failures[export.Failure{Operation: f.Action, Reason: f.Reason}] += uint64(f.Count)
			throttled = throttled || f.Reason == report.Throttled
		}
		d.schedule.throttled(throttled)
		if throttled {
			d.schedule.permission = time.Now().Add(d.schedule.jitter(d.schedule.interval))
		}
	}
}

func total(n map[string]int) int {
	sum := 0
	for _, c := range n {
		sum += c
	}
	return sum
}

// credentialsKey is what the rights belong to: they are read again when it changes.
func credentialsKey(r *report.Report) string {
	return strings.Join([]string{r.Credentials.Source, r.Credentials.Role, r.Node.ID, r.AgentVersion}, " ")
}

// afterwards plans what a result asks for.
func (d *Daemon) afterwards(now, wall time.Time, before *report.Report, r result) {
	if before == nil && !r.work.permissions && d.schedule.permission.Sub(now) <= firstReadMax {
		d.schedule.permission = d.started.Add(splay(r.report.Node.ID))
	}
	key := credentialsKey(r.report)
	changed := before != nil && (before.State != r.report.State || causeOf(before) != causeOf(r.report))
	if changed {
		d.o.Log.Info("verdict changed", "state", r.report.State, "cause", causeOf(r.report), "was", before.State)
	} else if before == nil {
		d.o.Log.Info("first verdict since the start", "state", r.report.State, "cause", causeOf(r.report))
	}
	if r.work.permissions {
		d.readFor = key
	}
	if changed && r.work.trigger == export.TriggerInterval && !r.work.network {
		d.schedule.soon(now)
	}
	// The agent was accepted after the network was looked at last: look again.
	if !r.work.network && r.report.State != report.Managed && r.report.LastPing.After(d.networkAt) {
		d.schedule.soon(now)
	}
	// Nothing is read again within readGap, whatever happens.
	if !r.work.permissions && (changed || d.readFor != "" && d.readFor != key) && d.ledger.LastRead != (time.Time{}) {
		wait := max(0, readGap-wall.Sub(d.ledger.LastRead))
		if at := now.Add(wait); at.Before(d.schedule.permission) {
			d.schedule.permission = at
		}
	}
}

func causeOf(r *report.Report) string {
	if r.RootCause == nil {
		return ""
	}
	return r.RootCause.ID
}

// declareStuck says that nothing is known, while a run does not end.
func (d *Daemon) declareStuck() {
	d.stuck = true
	d.o.Log.Warn("the current run takes longer than it may; the state is unknown until it ends", "seconds", time.Since(d.started).Seconds())
	r := failed(d.wall(), d.env.Version, "the run does not end; this host cannot be identified right now")
	r.Duration = time.Since(d.started).Seconds()
	d.publish(r, d.wall(), d.now.Load().snapshot.At, false)
	d.writeFiles(r)
}

// failed is the report of a run that brought nothing.
func failed(at time.Time, version, why string) *report.Report {
	r := &report.Report{GeneratedAt: at.UTC(), Version: version, Node: report.Node{Kind: string(node.KindUnknown)}, State: report.Unknown, Summary: text.New(why), Interrupted: true}
	r.Normalize()
	return r
}

// waitForRun gives a run that was cancelled the time to end.
func (d *Daemon) waitForRun() {
	if !d.busy {
		return
	}
	select {
	case <-d.results:
	case <-time.After(stopPatience):
		d.o.Log.Warn("the current run did not stop; its result is lost")
	}
}

// once logs a warning when its text changed since the last time; "" forgets it.
func (d *Daemon) once(what, message, why string) {
	if d.told[what] == why {
		return
	}
	d.told[what] = why
	if why != "" {
		d.o.Log.Warn(message, "err", why)
	}
}
