package sim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/causes"
)

// What is wrong with the way to the service, or with the host, is the same
// whatever the node signs with.
func TestFaultsWithOtherCredentials(t *testing.T) {
	t.Parallel()
	groups := []string{"host", "agent", "imds", "tls-proxy-clock", "network"}
	for i, f := range faults() {
		group := causes.Get(f.cause).Group
		if f.severity == "info" && !causes.Get(f.cause).LastResort {
			continue // a note is no answer
		}
		if f.base != "profile" || !slices.Contains(groups, group) || every > 1 && i%3 != 0 {
			continue
		}
		for _, base := range []string{"dhmc", "hybrid"} {
			if base == "hybrid" && (group == "imds" || f.cause == "vpce-private-dns-off") {
				continue // no metadata service and no VPC resolver there
			}
			s := bases[base]()
			s.Now = now
			f.put(&s)
			if s.Agent.Source == "profile" {
				s.Agent.Source = base
			}
			r, _ := examine(t, s)
			if id, severity := answer(r); id != f.cause || severity != f.severity {
				t.Errorf("%s on %s: got %s %s, want %s %s: %s", f.name, base, severity, id, f.severity, f.cause, r.Summary)
			}
		}
	}
}

// earlier moves log lines back in time.
func earlier(lines []string, by time.Duration) []string {
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		_, rest, _ := strings.Cut(l, " ")
		out = append(out, fmt.Sprintf("-%s %s", ago(l)+by, rest))
	}
	return out
}

// What the log tells of a fault that was followed by success is history: after
// hours for what stopped the node, after two days for what only hurt a feature.
func TestPastFaults(t *testing.T) {
	t.Parallel()
	for i, f := range faults() {
		if f.base == "task" || f.base == "windows" || every > 1 && i%3 != 0 {
			continue
		}
		by := 5 * time.Hour
		if f.severity != "critical" {
			by = 50 * time.Hour
		}
		past := bases[f.base]()
		f.put(&past)
		s := bases[f.base]()
		s.Now, s.Log = now, append(earlier(past.Log, by), s.Log...)
		r, _ := examine(t, s)
		if r.RootCause != nil || r.State != report.Managed {
			id, severity := answer(r)
			t.Errorf("%s: got %s, %s %s: %s", f.name, r.State, severity, id, r.Summary)
		}
	}
}

// A fault of the way that is gone, while the agent still sleeps after it, is no
// fault any more.
func TestGoneFaults(t *testing.T) {
	t.Parallel()
	for _, f := range faults() {
		group := causes.Get(f.cause).Group
		if group != "network" && group != "tls-proxy-clock" || f.severity != "critical" || f.base == "windows" {
			continue
		}
		then := bases[f.base]()
		f.put(&then)
		if then.Agent.Worker {
			continue // the agent does not sleep but works in part
		}
		s := bases[f.base]()
		s.Now = now
		sim.Refused(&s)
		s.Log = then.Log
		r, _ := examine(t, s)
		if id, severity := answer(r); id != "agent-backoff-wait" || severity != "info" {
			t.Errorf("%s: got %s %s: %s", f.name, severity, id, r.Summary)
		}
	}
}
