// Package engine runs the pipeline: gather, check, diagnose, report.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/diagnose"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// DefaultBudget is the longest a run may take.
const DefaultBudget = 20 * time.Second

// Options choose what a run does.
type Options struct {
	Budget time.Duration // 0: DefaultBudget
	// Only and Skip hold check or group ids, with * as wildcard.
	Only, Skip []string
	// Profile is what is judged: the host, or a machine image.
	Profile checks.Profile
	// Log receives trouble of our own; nil: none.
	Log *slog.Logger
	// Waves says which parts of the plan run; the daemon gathers them at
	// different rhythms.
	Waves Waves
	// Previous facts; sections of waves that are not run are kept.
	Previous *facts.Facts
	// Recorded are the facts of a recorded host: what its network answered.
	Recorded *facts.Facts
	// ReadsLast is how long verdicts of earlier reads of rights are kept; 0: for ever.
	ReadsLast time.Duration
	// Progress, when set, is told which sources are waited for whenever that changes, from
	// one goroutine at a time.
	Progress func(waiting []string, done, total int)
	// Gathered, when set, is called once all is gathered, before it is judged.
	Gathered func()
}

// Waves says which parts of the plan are left out. The zero value runs all.
type Waves struct {
	SkipNetwork     bool
	SkipPermissions bool // all signed requests
}

// Run gathers facts from env and judges them. A cancelled ctx ends it early
// with what was gathered and Interrupted set.
func Run(ctx context.Context, env *gather.Env, o Options) (*report.Report, *facts.Facts) {
	start := time.Now()
	f := Collect(ctx, env, o)
	if o.Gathered != nil {
		o.Gathered()
	}
	r := Judge(f, o)
	r.Duration = time.Since(start).Seconds()
	r.TimedOut = r.Duration >= budget(o).Seconds()
	r.Interrupted = errors.Is(context.Cause(ctx), context.Canceled)
	return r, f
}

func budget(o Options) time.Duration { return cmp.Or(o.Budget, DefaultBudget) }

// Collect only gathers.
func Collect(ctx context.Context, env *gather.Env, o Options) *facts.Facts {
	ctx, cancel := context.WithTimeout(ctx, budget(o))
	defer cancel()
	f := kept(o, env)
	f.Schema, f.Version, f.CollectedAt = facts.Schema, env.Version, env.Now().UTC()
	f.Root, f.Offline, f.Asked, f.AgentLatest = env.Root, env.Offline, env.Features, env.AgentLatest
	f.Pseudonyms = env.Pseudonyms
	run, steps := env.Begin(), plan(o.Waves)
	defer run.End()
	if o.Recorded != nil {
		f.Redacted, f.Pseudonyms = o.Recorded.Redacted, nil
		replayed(steps, o.Recorded)
	}
	ended := map[string]chan struct{}{}
	await := map[string]<-chan struct{}{}
	for _, s := range steps {
		ended[s.Name()] = make(chan struct{})
		await[s.Name()] = ended[s.Name()]
	}
	run.Sources(await)
	var mu sync.Mutex
	var wg sync.WaitGroup
	done, results := 0, make([]facts.Source, len(steps))
	waiting := make([]string, len(steps))
	for i, s := range steps {
		waiting[i] = s.Name()
	}
	if o.Progress != nil {
		o.Progress(slices.Clone(waiting), done, len(steps))
	}
	for _, s := range steps {
		if b, ok := s.Source.(interface {
			Begin(context.Context, *gather.Run)
		}); ok {
			b.Begin(ctx, run)
			runtime.Gosched() // what it began goes on until its program runs
		}
	}
	begin := func(i int, s step) {
		wg.Go(func() {
			defer close(ended[s.Name()])
			for _, name := range s.after {
				<-ended[name] // each ends, by its deadlines or by ctx
			}
			r := gatherOne(ctx, run, s, f, o.Log)
			if r.Broken() {
				s.Reset(f)
			}
			results[i] = r
			mu.Lock()
			defer mu.Unlock()
			done++
			waiting = slices.DeleteFunc(waiting, func(name string) bool { return name == s.Name() })
			if o.Progress != nil {
				o.Progress(slices.Clone(waiting), done, len(steps))
			}
		})
	}
	for i, s := range steps {
		if slices.Contains(first, s.Name()) {
			begin(i, s)
			runtime.Gosched() // until it waits
		}
	}
	for i, s := range steps {
		if !slices.Contains(first, s.Name()) {
			begin(i, s)
		}
	}
	if !o.Waves.SkipNetwork && o.Recorded == nil { // last: no source waits for it until one shakes hands
		wg.Go(env.LoadRoots)
	}
	wg.Wait()
	f.Sources = append(f.Sources, results...)
	f.Sources = append(f.Sources, notRun(o.Previous, f.Sources)...)
	return f
}

// kept are the sections that a run begins with: those of waves that it leaves
// out, and the rights, which are kept as well when AWS may not be asked. All else
// is gathered anew, or what is gone from the host would stay.
func kept(o Options, env *gather.Env) *facts.Facts {
	f := &facts.Facts{}
	if o.Waves.SkipPermissions {
		f.Permissions.Held = env.Hold
	}
	if o.Previous == nil {
		return f
	}
	p := o.Previous.Permissions
	f.Permissions.Identities = p.Identities
	var recent []facts.Permission
	for _, a := range p.Actions.Some() {
		if o.ReadsLast == 0 || env.Now().Sub(a.At) <= o.ReadsLast {
			recent = append(recent, a)
		}
	}
	if len(recent) > 0 {
		f.Permissions.Actions = p.Actions
		f.Permissions.Actions.Value = recent
	}
	if len(recent) > 0 && o.Waves.SkipPermissions {
		f.Permissions.Held = p.Held
	}
	if o.Waves.SkipNetwork {
		f.Network, f.IMDS.ViaProxy = o.Previous.Network, o.Previous.IMDS.ViaProxy
	}
	return f
}

// notRun are the outcomes of earlier sources that did not run this time.
func notRun(previous *facts.Facts, now []facts.Source) []facts.Source {
	var out []facts.Source
	if previous == nil {
		return out
	}
	for _, p := range previous.Sources {
		if !slices.ContainsFunc(now, func(s facts.Source) bool { return s.Name == p.Name }) {
			out = append(out, p)
		}
	}
	return out
}

// gatherOne runs a source and turns a panic of it into an error.
func gatherOne(ctx context.Context, run *gather.Run, s gather.Source, f *facts.Facts, log *slog.Logger) (r facts.Source) {
	start := time.Now()
	r.Name = s.Name()
	defer func() {
		r.DurationSeconds = time.Since(start).Seconds()
		if p := recover(); p != nil {
			r.Success, r.Error, r.Ending = false, "an error in ssm-doctor: "+fmt.Sprint(p), facts.Panicked
			stack := debug.Stack()
			if w, ok := p.(*gather.Panic); ok {
				stack = w.Stack
			}
			if log != nil {
				log.Error("a part of this host could not be read because of an error in ssm-doctor; it is reported as unknown; please report this line", "source", s.Name(), "err", fmt.Sprint(p), "stack", string(stack))
			}
		}
	}()
	err := s.Gather(ctx, run, f)
	if err == nil && ctx.Err() != nil {
		err, r.Ending = errors.New("the run ended before this could be read"), facts.CutOff
	}
	if err != nil {
		r.Error = err.Error()
		return r
	}
	r.Success = true
	return r
}

// Judge makes a report of facts that were gathered before; it needs no host.
func Judge(f *facts.Facts, o Options) *report.Report {
	n := node.Of(f)
	found := evaluate(n, o)
	if o.Profile == checks.ProfileImage {
		return judgeImage(n, found)
	}
	return build(n, found, diagnose.Diagnose(n, found))
}

// evaluate runs the selected checks. A check that panics is unknown.
func evaluate(n *node.Node, o Options) diagnose.Findings {
	found := diagnose.Findings{}
	for _, c := range checks.All() {
		if !c.IsFor(o.Profile) || !Selected(c, o.Only, o.Skip) {
			continue
		}
		found[c.ID] = evaluateOne(c, n, o.Log)
	}
	return found
}

func evaluateOne(c *checks.Check, n *node.Node, log *slog.Logger) (fd checks.Finding) {
	defer func() {
		if p := recover(); p != nil {
			fd = checks.Finding{Status: checks.Unknown, Crashed: true, Summary: text.New("this check failed because of an error in ssm-doctor: %s", fmt.Sprint(p))}
			if log != nil {
				log.Error("a check failed because of an error in ssm-doctor; it is reported as unknown; please report this line", "check", c.ID, "err", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
		}
	}()
	return c.Judge(n)
}

// Selected reports whether a check runs under the given selections of check and
// group ids.
func Selected(c *checks.Check, only, skip []string) bool {
	return (len(only) == 0 || matches(c, only)) && !matches(c, skip)
}

func matches(c *checks.Check, patterns []string) bool {
	for _, p := range patterns {
		for _, id := range []string{c.ID, c.Group} {
			if ok, err := path.Match(p, id); err == nil && ok {
				return true
			}
		}
	}
	return false
}
