package sim_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

var (
	mutantsEach = flag.Int("mutants", 1, "how many mutants of each scenario each mutation makes")
	mutantsSeed = flag.Uint64("mutants-seed", 1, "another number gives other mutants")
	mutantsFile = flag.String("mutants-file", "", "write the mutants to this file, for lab/accept -scenarios")
)

// seeded is randomness that is the same for the same name in every run.
func seeded(name string, n int) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(h.Sum64(), *mutantsSeed<<32+uint64(n)))
}

// some is one of every, of a list.
func some[T any](list []T) []T {
	var out []T
	for i := 0; i < len(list); i += every {
		out = append(out, list[i])
	}
	return out
}

// tally counts answers.
type tally struct {
	mu                                 sync.Mutex
	right, unknown, wrong, green, left int
}

func (c *tally) String() string {
	return fmt.Sprintf("%d right, %d cannot tell, %d wrong, %d of them falsely green; %d scenarios not tried", c.right, c.unknown, c.wrong, c.green, c.left)
}

// leave counts a scenario that is not tried.
func (c *tally) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left++
}

// verdict is what is wrong with the answer to a mutant, empty when nothing is: the
// cause and the state stay those of the scenario, or, where less is to be seen, the
// program cannot tell; then another state that the catalogue allows, and a cause that
// is true and less exact (see lesser), are right as well.
func (c *tally) verdict(base, r *report.Report, want expected, loose bool) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, severity := answer(r)
	was, wasSeverity := answer(base)
	switch {
	case want.names(id) && r.State == base.State && severity == wasSeverity:
		c.right++
		return ""
	case loose && want.names(id) && slices.Contains(want.states(), r.State), loose && r.State == base.State && slices.Contains(lesser[was], id):
		c.right++
		return ""
	case loose && r.State == report.Unknown && (r.RootCause == nil || want.names(id) || id == was || slices.Contains(want.Secondary, id)):
		c.unknown++
		return ""
	case loose && was == "channel-stale-connection" && r.State == report.Managed && cannotTell(r, "channel-connection"):
		// Its heartbeats are accepted, and only its connections, which were not read, tell of a dead one.
		c.unknown++
		return ""
	}
	c.wrong++
	kind := "wrong"
	if r.RootCause == nil && r.State == report.Managed && !want.names("healthy") {
		c.green++
		kind = "FALSE GREEN"
	}
	text := fmt.Sprintf("%s: %s %s %s, was %s %s %s: %s", kind, r.State, severity, id, base.State, wasSeverity, was, r.Summary)
	for _, a := range r.Also {
		text += fmt.Sprintf("\n\talso %s %s: %s", a.Severity, a.ID, a.Summary)
	}
	return text
}

// cannotTell reports whether a check is unknown.
func cannotTell(r *report.Report, check string) bool {
	return slices.ContainsFunc(r.Checks, func(c report.Check) bool { return c.ID == check && c.Status == "unknown" })
}

// answered calls with, in parallel, for each scenario that the simulation can play
// and the program answers, with its report. The others are skipped aloud.
func answered(t *testing.T, c *tally, with func(t *testing.T, c observed, base *report.Report)) {
	t.Helper()
	for _, x := range some(catalogue(t)) {
		t.Run(x.ID, func(t *testing.T) {
			t.Parallel()
			if why := inexpressible[x.ID]; why != "" {
				c.leave()
				t.Skip(why)
			}
			s, _ := hostOf(&x, now)
			base, _ := examine(t, s)
			if wrong := mistakes(t, base, x.Expected); len(wrong) > 0 {
				c.leave()
				t.Skipf("not answered itself: %q", wrong)
			}
			with(t, x, base)
		})
	}
	t.Cleanup(func() { t.Log(c.String()) })
}

// TestMutants: the answer to a situation depends neither on names, places and times,
// nor on the order of what is independent, nor on what else is in the logs.
func TestMutants(t *testing.T) {
	t.Parallel()
	var c tally
	answered(t, &c, func(t *testing.T, x observed, base *report.Report) {
		for _, m := range mutations {
			for n := range *mutantsEach {
				r := seeded(x.ID+m.name, n)
				s, ok := m.apply(t, r, x)
				if !ok {
					continue
				}
				got, h := examine(t, s)
				h.Close()
				if why := c.verdict(base, got, x.Expected, m.loose); why != "" {
					t.Errorf("%s %d: %s", m.name, n, why)
				}
			}
		}
	})
}

// apply makes the host of a mutant; false where the mutation changes nothing.
func (m mutation) apply(t testing.TB, r *rand.Rand, x observed) (sim.Scenario, bool) {
	t.Helper()
	w := m.written(t, r, x.ID)
	if w == nil {
		return sim.Scenario{}, false
	}
	b, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var o observed
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	s, cannot := hostOf(&o, now)
	if len(cannot) > 0 {
		t.Fatalf("%s: cannot be expressed: %q", m.name, cannot)
	}
	if m.host != nil && !m.host(r, &s) {
		return s, false
	}
	return s, true
}

// misleading reports whether a line holds the output of a command with words of the
// agent: the lab makes the agent's state of those words, wherever they stand.
func misleading(line string) bool {
	return strings.Contains(line, "Sending reply") && hasAny(line, "Successfully connected with", "channel status is set to", "Next credential rotation", "reporting agent health",
		"Retrieve credentials produced error", "failed to find identity", "failed to assume any identity", "Registration failed", "hibernat", "Health ping failed", "rror occurred when starting",
		"Failed to fetch region", "permission for vault")
}

// TestWriteMutants writes mutants as a catalogue that lab/accept runs:
//
//	go test ./agent/sim -run TestWriteMutants -mutants 2 -mutants-file /tmp/mutants.json
//	lab/build/accept -scenarios /tmp/mutants.json ./ssm-doctor
func TestWriteMutants(t *testing.T) {
	if *mutantsFile == "" {
		t.Skip("no -mutants-file")
	}
	var list []spec
	for _, x := range catalogue(t) {
		for _, m := range mutations {
			if m.text == nil && m.put == nil {
				continue
			}
			for n := range *mutantsEach {
				s := m.written(t, seeded(x.ID+m.name, n), x.ID)
				if s == nil || slices.ContainsFunc(s.log(), misleading) {
					continue
				}
				s["id"] = fmt.Sprintf("%s~%s-%d", x.ID, strings.ReplaceAll(m.name, " ", "-"), n)
				list = append(list, s)
			}
		}
	}
	b, err := json.MarshalIndent(map[string]any{"format_version": 1, "scenarios": list}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*mutantsFile, b, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d mutants in %s", len(list), *mutantsFile)
}
