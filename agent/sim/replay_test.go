package sim_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

// moment is what is true of a host at one time: words separated by "|" are
// alternatives, healthy is no cause at all.
type moment struct {
	State string `json:"state"`
	Cause string `json:"cause"`
	Not   string `json:"not"`
}

// TestReplayMoving answers at each moment of each tree that a real agent left while
// the world changed under it: its log as it was then, in the world as it is now.
func TestReplayMoving(t *testing.T) {
	t.Parallel()
	trees, err := filepath.Glob(moving + "/*")
	if err != nil || len(trees) < 14 {
		t.Fatalf("%d trees, %v", len(trees), err)
	}
	for _, dir := range trees {
		var truth struct {
			To, Agent string
			Answers   []struct {
				At       time.Time
				Expected moment
			}
		}
		readJSON(t, filepath.Join(dir, "truth.json"), &truth)
		if len(truth.Answers) < 3 {
			t.Fatalf("%s: %d answers", dir, len(truth.Answers))
		}
		for _, a := range truth.Answers {
			t.Run(filepath.Base(dir)+"/"+a.At.Format(time.TimeOnly), func(t *testing.T) {
				t.Parallel()
				s := surroundings(t, truth.To)
				s.Agent.Version = truth.Agent
				s.Files = treeFiles(t, filepath.Join(dir, "root"), true)
				s.Now = a.At
				leaveAsThen(t, &s)
				expectMoment(t, s, a.Expected)
			})
		}
	}
}

// TestReplayVersions answers on the trees that agents of older releases left.
func TestReplayVersions(t *testing.T) {
	t.Parallel()
	trees, err := filepath.Glob(versions + "/*/*")
	if err != nil || len(trees) < 45 {
		t.Fatalf("%d trees, %v", len(trees), err)
	}
	for _, dir := range trees {
		t.Run(strings.TrimPrefix(dir, versions+"/"), func(t *testing.T) {
			t.Parallel()
			var truth struct{ Expected moment }
			readJSON(t, filepath.Join(dir, "truth.json"), &truth)
			s := leftHost(t, dir)
			leaveAsThen(t, &s)
			expectMoment(t, s, truth.Expected)
		})
	}
}

func readJSON(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func expectMoment(t *testing.T, s sim.Scenario, want moment) {
	t.Helper()
	r, h := examine(t, s)
	cause := "healthy"
	if r.RootCause != nil {
		cause = r.RootCause.ID
	}
	blamed := slices.ContainsFunc(named(r), func(c report.Cause) bool {
		return c.Severity != "info" && slices.Contains(strings.Split(want.Not, "|"), c.ID)
	})
	if !slices.Contains(strings.Split(want.State, "|"), r.State) || !slices.Contains(strings.Split(want.Cause, "|"), cause) || blamed {
		t.Errorf("%s, %s; want %s, %s, not %s: %s", r.State, cause, want.State, want.Cause, want.Not, r.Summary)
		for _, c := range r.Also {
			t.Logf("also %s %s: %s", c.Severity, c.ID, c.Summary)
		}
	}
	harmless(t, h)
}

var (
	channelOpened = regexp.MustCompile(`Successfully opened websocket connection to: (\S+)`)
	channelLost   = regexp.MustCompile(`retry limit \d+ for receive messages|Successfully closed websocket connection|Error while sending websocket ping`)
)

// leaveAsThen cuts the agent's logs at the host's clock and gives the host the
// processes and the connection that the log shows at that time.
func leaveAsThen(t *testing.T, s *sim.Scenario) {
	t.Helper()
	const log = "/var/log/amazon/ssm/amazon-ssm-agent.log"
	for name, f := range s.Files {
		if strings.HasPrefix(name, "/var/log/amazon/ssm/") && strings.HasSuffix(name, ".log") {
			f.Content = untilTime(f.Content, s.Now)
			s.Files[name] = f
		}
	}
	lines := strings.Split(s.Files[log].Content, "\n")
	started := time.Time{}
	ended, worker, peer := false, strings.HasPrefix(s.Agent.Version, "2."), []string{}
	for _, l := range lines {
		at, err := time.Parse(time.DateTime, l[:min(len(l), len(time.DateTime))])
		switch {
		case err != nil:
		case strings.Contains(l, "Proxy environment variables:") && !strings.Contains(l, "worker]"), strings.Contains(l, "amazon-ssm-agent - v") && started.IsZero():
			started, ended, worker, peer = at, false, strings.HasPrefix(s.Agent.Version, "2."), []string{}
		case strings.Contains(l, "rror occurred when starting amazon-ssm-agent"):
			ended = true
		case strings.Contains(l, "Worker ssm-agent-worker (pid:"):
			worker = true
		case channelOpened.MatchString(l):
			peer = []string{"198.18.1.11:443"}
		case channelLost.MatchString(l):
			peer = []string{}
		}
	}
	s.Agent.Core, s.Agent.Worker, s.Agent.Source = !ended, worker && !ended, ""
	s.Agent.Channel = peer
	unit := sim.Unit{Since: sim.Duration(s.Now.Sub(started))}
	if ended {
		unit = sim.Unit{Active: "inactive", Since: sim.Duration(s.Now.Sub(started))}
	}
	s.Agent.Units = map[string]sim.Unit{"deb": unit}
	if e, ok := s.Endpoints["ssmmessages"]; !ok && len(s.Endpoints) == 0 {
		e.Address = []string{"198.18.1.11"}
		s.Endpoints = map[string]sim.Endpoint{"ssmmessages": e}
	}
}

// untilTime is a log up to a time.
func untilTime(log string, now time.Time) string {
	for _, at := range stampOfLog.FindAllStringIndex(log, -1) {
		if stamp, err := time.Parse(time.DateTime, log[at[0]:at[1]]); err == nil && stamp.After(now) {
			return log[:at[0]]
		}
	}
	return log
}
