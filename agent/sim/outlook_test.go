package sim_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

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

// agrees compares what a plan says with the host after the changes were made to its world.
func (c *told) agrees(t *testing.T, s sim.Scenario, r *report.Report, p *report.Plan, probes []string) {
	t.Helper()
	for _, w := range p.Ways {
		c.add(w.State)
		if w.State == report.Unknown {
			if len(w.NotKnown) == 0 {
				t.Error("nothing is said of what is not known")
			}
			continue
		}
		var list []causes.Change
		for _, i := range w.Steps {
			f := r.RootCause.Fix[i-1]
			x, _ := causes.ChangesOf(f.Command.String(), f.Where)
			list = append(list, x...)
		}
		after, err := sim.After(s, list)
		if err != nil {
			t.Fatal(err)
		}
		then, _ := examine(t, after, probes...)
		id, _ := answer(then)
		says := fmt.Sprintf("plan of %s, steps %v: %s %s; the world: %s %s: %s", r.RootCause.ID, w.Steps, w.State, w.Next, then.State, id, then.Summary)
		same := func(c report.Cause) bool {
			return c.ID == w.Next || len(w.NotKnown) > 0 && c.Group == causes.Get(w.Next).Group // what is not known may say more of it
		}
		if then.State != w.State || w.Next != "" && !slices.ContainsFunc(named(then), same) {
			t.Error(says)
		}
		if w.Next != "" && slices.ContainsFunc(named(then), func(c report.Cause) bool { return c.ID == w.Next }) {
			c.add("names exactly the next cause")
		}
	}
}

// TestPlanKeepsItsPromises: what a plan says of the facts of a host is what becomes of
// the host.
func TestPlanKeepsItsPromises(t *testing.T) {
	t.Parallel()
	c := &told{n: map[string]int{}}
	t.Cleanup(func() { t.Logf("ways of faults and demos: %v", c.n) })
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := bases[f.base]()
			s.Now = now
			f.put(&s)
			r, p := planned(t, s, f.probes)
			c.agrees(t, s, r, p, f.probes)
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
