package sim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/causes"
)

// fault is one thing that is wrong with a host, and the answer it should get alone.
type fault struct {
	name            string
	cause, severity string
	base            string // key of bases
	put             func(*sim.Scenario)
	probes          []string // further families of reads to send
}

var bases = map[string]func() sim.Scenario{
	"profile": sim.HealthyProfile, "dhmc": sim.HealthyDHMC, "hybrid": sim.HealthyHybrid,
	"task": func() sim.Scenario {
		s := sim.Scenario{Kind: sim.ECS, Task: &sim.Task{Exec: true}, IMDS: sim.IMDS{Mode: "absent"},
			Agent:      sim.Agent{Version: "3.3.3050.0", Packaging: []string{"managed"}, NoManager: true, Core: true, Worker: true},
			Principals: map[string]*sim.Principal{"task": {Kind: sim.KindTask, Name: "TaskRole", Policies: []sim.Policy{sim.Allow("ssmmessages:*")}}},
			Env:        map[string]string{"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/0123456789abcdef-1"}}
		s.Log = sim.At(50*time.Minute, "INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.3050.0", "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully",
			"INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ssmmessages")
		return s
	},
	"windows": func() sim.Scenario {
		s := sim.HealthyProfile()
		s.GOOS, s.Agent.Packaging, s.Agent.NoManager = "windows", []string{"binary"}, true
		return s
	},
}

const (
	posted   = "RequestError: send request failed\ncaused by: Post \"https://ssm.{region}.{domain}/\": "
	timeout  = "dial tcp 52.119.180.20:443: i/o timeout"
	retrieve = "ERROR [CredentialRefresher] Retrieve credentials produced error: "
)

// broken is an agent that cannot reach the service for the given reason.
func broken(s *sim.Scenario, reason string) {
	if s.Kind == sim.Hybrid {
		sim.Refused(s, retrieve+posted+reason)
		return
	}
	sim.Refused(s, sim.Skipped+posted+reason)
}

// stays appends lines to the log of a node that stays managed.
func stays(s *sim.Scenario, lines ...string) {
	s.Log = append(s.Log, sim.At(4*time.Minute, lines...)...)
	slices.SortStableFunc(s.Log, func(a, b string) int { return int(ago(b) - ago(a)) })
}

func ago(line string) time.Duration {
	first, _, _ := strings.Cut(line, " ")
	d, err := time.ParseDuration(first)
	if err != nil {
		panic(err)
	}
	return -d
}

func unit(s *sim.Scenario, u sim.Unit) { s.Agent.Units = map[string]sim.Unit{"rpm": u} }

// ends makes the agent one that does not stay up.
func ends(s *sim.Scenario, u sim.Unit, lines ...string) {
	s.Agent.Core, s.Agent.Worker, s.Agent.Source, s.Agent.Identity = false, false, "", ""
	if u.Since == 0 {
		u.Since = sim.Duration(30 * time.Second)
	}
	unit(s, u)
	s.Agent.Starts = []sim.Duration{sim.Duration(31 * time.Second)}
	s.Log = sim.At(31*time.Second, lines...)
}

// faults are those of the demos and more, so that every cause occurs.
func faults() []fault {
	var out []fault
	for _, d := range sim.Demos() {
		want := demoAnswers[d.Name]
		if want[1] == "healthy" {
			continue
		}
		base := "profile"
		switch w := d.Whole(); {
		case w.Kind == sim.Hybrid:
			base = "hybrid"
		case w.IMDS.Profile == "":
			base = "dhmc"
		}
		out = append(out, fault{d.Name, want[1], want[2], base, func(s *sim.Scenario) { d.Spoil(s) }, nil})
	}
	out = append(out, hostFaults...)
	out = append(out, identityFaults...)
	out = append(out, networkFaults...)
	out = append(out, hostNetFaults...)
	out = append(out, rightsFaults...)
	return append(out, moreFaults...)
}

// unnamed are causes that no host can show, with the reason.
var unnamed = map[string]string{
	"healthy":             "the answer of a host without fault is no root cause",
	"wmi-stopped":         "no fault of these hosts stops another service of Windows; see the table of registration-fingerprint",
	"client-side-problem": "lies with the caller; seen from the host it is a managed node",
}

func TestSingleFaults(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range faults() {
		seen[f.cause] = true
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := bases[f.base]()
			s.Now = now
			f.put(&s)
			r, h := examine(t, s, f.probes...)
			id, severity := answer(r)
			if f.severity == "info" && id == "healthy" { // a note
				for _, c := range r.Also {
					if c.ID == f.cause {
						id, severity = c.ID, c.Severity
					}
				}
			}
			if id != f.cause || severity != f.severity {
				t.Errorf("got %s %s, want %s %s: %s", severity, id, f.severity, f.cause, r.Summary)
				for _, c := range r.Also {
					t.Logf("also %s %s: %s", c.Severity, c.ID, c.Summary)
				}
			}
			harmless(t, h)
		})
	}
	for _, c := range causes.All() {
		if !seen[c.ID] && unnamed[c.ID] == "" {
			t.Errorf("no host shows %s", c.ID)
		}
	}
	for id := range unnamed {
		if seen[id] || causes.Get(id) == nil {
			t.Errorf("%s is listed as a cause that no host shows", id)
		}
	}
}

func TestHealthyBases(t *testing.T) {
	t.Parallel()
	for name, base := range bases {
		s := base()
		s.Now = now
		r, _ := examine(t, s)
		if r.State == "not-managed" || r.RootCause != nil {
			id, severity := answer(r)
			t.Errorf("%s: %s, %s %s: %s", name, r.State, severity, id, r.Summary)
		}
	}
}
