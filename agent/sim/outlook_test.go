package sim_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

// planned examines a host and plans on its facts alone.
func planned(t *testing.T, s sim.Scenario, probes []string) (*report.Report, *report.Plan) {
	t.Helper()
	h, err := sim.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	env := h.Env()
	env.Probes = probes
	r, f := engine.Run(t.Context(), env, engine.Options{})
	h.Close()
	return r, planOn(t, f, r)
}

func planOn(t *testing.T, f *facts.Facts, r *report.Report) *report.Plan {
	t.Helper()
	p, err := engine.Plan(f, r, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// impossible are faults that a node which was accepted until then cannot have had.
var impossible = map[string]string{
	"too-old-for-dhmc": "its release never got credentials of Default Host Management",
	"unregistered":     "it was never registered", "zone-as-region": "the same", "activation": "the same",
}

// told counts what plans say.
type told struct {
	sync.Mutex
	n map[string]int
}

func (c *told) add(what string) {
	c.Lock()
	defer c.Unlock()
	c.n[what]++
}

// achievesNothing are changes that a world may not take from its steps: a release that does
// not run either, too little space or memory, a clock that no server sets, a systemd that
// does not know a setting.
func achievesNothing(s sim.Scenario) func(causes.Change) bool {
	return func(c causes.Change) bool {
		switch c.Kind {
		case causes.AgentInstalled:
			return c.To != "before" && c.To != s.Agent.Version
		case causes.UnitSet:
			return strings.Contains(c.To, "UnsetEnvironment=") || strings.Contains(c.To, "METADATA")
		}
		return slices.Contains([]causes.Kind{causes.SpaceFreed, causes.VolumeGrown, causes.MemoryAdded, causes.ClockSet}, c.Kind)
	}
}

// agrees compares what a plan says with the host after the changes were made to its world.
func (c *told) agrees(t *testing.T, s sim.Scenario, r *report.Report, p *report.Plan, probes []string) {
	t.Helper()
	for _, w := range p.Ways {
		c.add(w.State)
		var list, certain []causes.Change // certain: without the steps for a case that may not be
		for _, i := range w.Steps {
			f := r.RootCause.Fix[i-1]
			x, known := causes.ChangesOf(f.Command.String(), f.Where)
			if !known {
				t.Errorf("plan of %s: not known what this changes: %s", r.RootCause.ID, f.Command)
			}
			if list = append(list, x...); !causes.Conditional(f.Text.String()) {
				certain = append(certain, x...)
			}
		}
		after, err := sim.After(s, list)
		if err != nil {
			t.Fatal(err)
		}
		then, _ := examine(t, after, probes...)
		id, _ := answer(then)
		if w.State == report.Unknown {
			c.add("promises nothing, and the world is " + then.State)
			if len(w.NotKnown) == 0 {
				t.Error("nothing is said of what is not known")
			}
			continue
		}
		says := fmt.Sprintf("plan of %s, steps %v: %s %s; the world: %s %s: %s", r.RootCause.ID, w.Steps, w.State, w.Next, then.State, id, then.Summary)
		if idle := slices.DeleteFunc(slices.Clone(list), achievesNothing(s)); w.State == report.Managed && len(idle) < len(list) {
			after, err := sim.After(s, idle)
			if err != nil {
				t.Fatal(err)
			}
			if then, _ := examine(t, after, probes...); then.State != report.Managed {
				t.Errorf("%s; the same where a step achieves nothing: %s", says, then.State)
			}
		}
		same := func(c report.Cause) bool {
			return c.ID == w.Next || len(w.NotKnown) > 0 && c.Group == causes.Get(w.Next).Group // what is not known may say more of it
		}
		kept := func(then *report.Report) bool {
			return then.State == w.State && (w.Next == "" || slices.ContainsFunc(named(then), same))
		}
		if !kept(then) {
			after, err := sim.After(s, certain)
			if err != nil {
				t.Fatal(err)
			}
			if without, _ := examine(t, after, probes...); len(certain) == len(list) || len(w.NotKnown) > 0 || !kept(without) {
				t.Error(says)
			}
		}
		if w.Next != "" && slices.ContainsFunc(named(then), func(c report.Cause) bool { return c.ID == w.Next }) {
			c.add("names exactly the next cause")
		}
	}
}

// lived gives a host with a fault the log and credentials of a healthy one until the fault
// came. It fails for one that has them, or that never had an agent.
func lived(s *sim.Scenario, base string) bool {
	healthy := bases[base]()
	if s.Agent.Worker || s.Agent.Version == "" || s.Kind == sim.ECS {
		return false
	}
	began := time.Minute
	for _, l := range s.Log {
		began = max(began, ago(l))
	}
	for _, x := range s.Agent.Starts {
		began = max(began, time.Duration(x))
	}
	for _, u := range s.Agent.Units {
		if u.Active == "inactive" || u.Active == "failed" {
			began = max(began, time.Duration(u.Since))
		}
	}
	began += time.Minute
	s.Log = append(earlier(healthy.Log, began), s.Log...)
	if s.Agent.Source == "" && s.Principals[healthy.Agent.Source] != nil {
		s.Agent.Source, s.Agent.Age = healthy.Agent.Source, sim.Duration(began+10*time.Minute)
	}
	return true
}

// TestPlanKeepsItsPromises: what a plan says of the facts of a host is what becomes of
// the host.
func TestPlanKeepsItsPromises(t *testing.T) {
	t.Parallel()
	c := &told{n: map[string]int{}}
	t.Cleanup(func() { t.Logf("ways of faults and demos: %v", c.n) })
	d := &told{n: map[string]int{}}
	t.Cleanup(func() {
		t.Logf("ways of faults of nodes that were accepted until then: %v", d.n)
		if promised, silent := d.n[report.Managed], d.n["promises nothing, and the world is managed"]; promised < silent && promised+silent > 60 {
			t.Errorf("of %d ways that lead to a managed node only %d are promised", promised+silent, promised)
		}
	})
	all := append(faults(), loneFaults...)
	for _, f := range some(all) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := bases[f.base]()
			s.Now = now
			f.put(&s)
			r, p := planned(t, s, f.probes)
			c.agrees(t, s, r, p, f.probes)
		})
		t.Run("accepted, then "+f.name, func(t *testing.T) {
			t.Parallel()
			s := bases[f.base]()
			s.Now = now
			f.put(&s)
			if impossible[f.name] != "" || !lived(&s, f.base) {
				return
			}
			r, p := planned(t, s, f.probes)
			if held[f.name].who != "" { // nothing can be promised
				p.Ways = slices.DeleteFunc(p.Ways, func(w report.Way) bool { return w.State == report.Unknown })
			}
			d.agrees(t, s, r, p, f.probes)
		})
	}
	for _, f := range some(repairables(t)) {
		if slices.ContainsFunc(all, func(x fault) bool { return x.name == f.name }) {
			continue // above
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			r, p := planned(t, f.host, f.probes)
			c.agrees(t, f.host, r, p, f.probes)
		})
	}
	for _, d := range sim.Demos() {
		t.Run("demo "+d.Name, func(t *testing.T) {
			t.Parallel()
			s, err := sim.Play(d.Name)
			if err != nil {
				t.Fatal(err)
			}
			s.Now = goldenTime
			r, p := planned(t, s, nil)
			c.agrees(t, s, r, p, nil)
		})
	}
}

// TestPlanOfLatePairs: of two faults of a node that was accepted before them, a plan
// promises nothing against what was seen and is still there after its steps: one start may
// mend both. The second fault shows only in another attempt
// of the agent where the promise is wrong; then it rests on that nothing else changed.
func TestPlanOfLatePairs(t *testing.T) {
	t.Parallel()
	c := &told{n: map[string]int{}}
	t.Cleanup(func() { t.Logf("ways of pairs of nodes that were accepted until then: %v", c.n) })
	eachPair(t, 18, 5, func(t *testing.T, s sim.Scenario, a, b fault) {
		if impossible[a.name]+impossible[b.name] != "" || !lived(&s, a.base) {
			return
		}
		r, p := planned(t, s, nil)
		if r.RootCause == nil {
			return
		}
		for _, w := range p.Ways {
			c.add(w.State)
			if w.State != report.Managed {
				continue
			}
			var list []causes.Change
			for _, i := range w.Steps {
				x, _ := causes.ChangesOf(r.RootCause.Fix[i-1].Command.String(), r.RootCause.Fix[i-1].Where)
				list = append(list, x...)
			}
			after, err := sim.After(s, list)
			if err != nil {
				t.Fatal(err)
			}
			then, _ := examine(t, after)
			for _, x := range named(r)[1:] {
				left := slices.ContainsFunc(named(then), func(c report.Cause) bool { return c.ID == x.ID && c.Severity == string(causes.Critical) })
				if x.Severity == string(causes.Critical) && left {
					t.Errorf("plan of %s: managed, with %s left", r.RootCause.ID, x.ID)
				}
			}
			if w.RestsOn.IsZero() {
				t.Errorf("plan of %s rests on nothing", r.RootCause.ID)
			}
		}
	})
}

// TestPlanOfPairs: of two faults the plan for the first names the second, or says that it
// cannot be told; it promises nothing.
func TestPlanOfPairs(t *testing.T) {
	t.Parallel()
	c := &told{n: map[string]int{}}
	t.Cleanup(func() { t.Logf("ways of pairs: %v", c.n) })
	eachPair(t, 9, 4, func(t *testing.T, s sim.Scenario, _, _ fault) {
		r, p := planned(t, s, nil)
		c.agrees(t, s, r, p, nil)
	})
}
