package sim_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/factstest"
)

// Trees that real agents left while the world changed under them, and those of
// older releases.
const (
	moving   = "../gather/testdata/moving"
	versions = "../gather/testdata/versions"
)

// TestIgnorance takes each section of the facts away, unread and not absent, of
// every demo and of every host that a real agent left: no check passes, and no
// cause appears, that did not before.
func TestIgnorance(t *testing.T) {
	t.Parallel()
	hosts := map[string]func(t *testing.T) sim.Scenario{}
	for _, name := range sim.Names() {
		hosts["demo "+name] = func(t *testing.T) sim.Scenario {
			s, err := sim.Play(name)
			if err != nil {
				t.Fatal(err)
			}
			s.Now = goldenTime
			return s
		}
	}
	for _, row := range recordedCauses(t) {
		hosts["recorded "+row[0]] = func(t *testing.T) sim.Scenario {
			s := surroundings(t, row[0])
			s.Files = recordedFiles(t, row[0], false)
			return s
		}
	}
	trees, err := filepath.Glob(moving + "/*")
	more, err2 := filepath.Glob(versions + "/*/*")
	if err != nil || err2 != nil || len(trees) < 14 || len(more) < 24 {
		t.Fatalf("%d and %d trees, %v, %v", len(trees), len(more), err, err2)
	}
	for _, dir := range append(trees, more...) {
		hosts[strings.TrimPrefix(dir, "../gather/testdata/")] = func(t *testing.T) sim.Scenario { return leftHost(t, dir) }
	}
	for name, host := range hosts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := sim.Start(host(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(h.Close)
			whole, f := engine.Run(t.Context(), h.Env(), engine.Options{})
			passed, known := outcomes(whole)
			for _, section := range []string{"Host", "Agent", "Registration", "IMDS", "Credentials", "Network", "Permissions", "Log", "ECS"} {
				g := factstest.Clone(f)
				reflect.ValueOf(g).Elem().FieldByName(section).SetZero()
				less := engine.Judge(g, engine.Options{})
				for _, c := range less.Checks {
					if c.Status == "pass" && !passed[c.ID] {
						t.Errorf("without %s %s passes: %s", section, c.ID, c.Summary)
					}
				}
				for _, c := range named(less) {
					if !known[c.ID] {
						t.Errorf("without %s it is %s: %s", section, c.ID, c.Summary)
					}
				}
			}
		})
	}
}

// outcomes are the checks that passed, and the causes that were named, be it as the
// consequence of another.
func outcomes(r *report.Report) (passed, causes map[string]bool) {
	passed, causes = map[string]bool{}, map[string]bool{}
	for _, c := range r.Checks {
		passed[c.ID] = c.Status == "pass"
		causes[c.Cause] = true
	}
	for _, c := range named(r) {
		causes[c.ID] = true
	}
	return passed, causes
}

func named(r *report.Report) []report.Cause {
	if r.RootCause == nil {
		return r.Also
	}
	return append([]report.Cause{*r.RootCause}, r.Also...)
}

var stampOfLog = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)

// leftHost is a host with a tree that a real agent left, in the surroundings that
// it had then. The run is half a minute after the last line of its log.
func leftHost(t *testing.T, dir string) sim.Scenario {
	t.Helper()
	var truth struct{ Agent, Scenario, To string }
	b, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if err == nil {
		err = json.Unmarshal(b, &truth)
	}
	if err != nil {
		t.Fatal(err)
	}
	scenario := truth.Scenario + truth.To
	s := surroundings(t, scenario)
	s.Agent.Version = truth.Agent
	s.Files = treeFiles(t, filepath.Join(dir, "root"), false)
	if strings.HasPrefix(scenario, "hybrid") {
		s.MachineID = registeredMachine(t, filepath.Join(dir, "root"))
	}
	for name, f := range s.Files {
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		stamps := stampOfLog.FindAllString(f.Content, -1)
		if len(stamps) == 0 {
			continue
		}
		at, err := time.Parse(time.DateTime, stamps[len(stamps)-1])
		if err == nil && at.Add(30*time.Second).After(s.Now) || s.Now.Sub(at) > 24*time.Hour {
			s.Now = at.Add(30 * time.Second)
		}
	}
	return s
}
