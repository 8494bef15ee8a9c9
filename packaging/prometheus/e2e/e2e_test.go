//go:build e2e

package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The demo that is served, and its cause.
const demo, cause = "no-credential-source", "no-credential-source"

// Instances: the program, whose host stays broken, the daemon that is repaired, and one
// whose host has credentials, rights and features that are not ready.
const stays, heals, partly = "127.0.0.1", "127.0.0.2", "127.0.0.3"

func TestFaultFiresAndLiftedFaultResolves(t *testing.T) {
	program := startProgram(t, demo)
	daemon, host := startDaemon(t, demo, heals)
	third, _ := startDaemon(t, "session-manager-broken", partly)
	s := startStack(t, program, daemon, third)

	for _, instance := range []string{stays, heals} {
		n, a := s.wait(t, "SSMNodeNotManaged", "firing", instance)
		want := map[string]string{"cause": cause, "group": "credentials", "severity": "warning", "job": "ssm-doctor", "region": "eu-central-1"}
		for k, v := range want {
			if a.Labels[k] != v {
				t.Errorf("%s: label %s is %q, want %q", instance, k, a.Labels[k], v)
			}
		}
		if n.Receiver != "tickets" {
			t.Errorf("%s went to %s", instance, n.Receiver)
		}
		if !strings.Contains(a.Annotations["summary"], cause) || !strings.HasSuffix(a.Annotations["runbook_url"], "/explain/"+cause) {
			t.Errorf("annotations %v", a.Annotations)
		}
	}
	t.Run("exposition", func(t *testing.T) { lintExposition(t, program) })
	t.Run("rules", func(t *testing.T) { rulesAreHealthy(t, s) })
	t.Run("dashboard", func(t *testing.T) { panelsHaveData(t, s) })

	if err := host.Lift(); err != nil {
		t.Fatal(err)
	}
	_, a := s.wait(t, "SSMNodeNotManaged", "resolved", heals)
	if a.Labels["cause"] != cause {
		t.Errorf("resolved: %v", a.Labels)
	}
	for instance, want := range map[string]string{heals: "healthy", stays: cause} {
		eventually(t, instance+" has cause "+want, func() error {
			got, err := s.query(t, fmt.Sprintf("ssm_doctor_root_cause_info{instance=%q,cause=%q}", instance, want))
			if err == nil && len(got) != 1 {
				err = fmt.Errorf("%d series", len(got))
			}
			return err
		})
	}
	got, err := s.query(t, fmt.Sprintf(`ALERTS{alertname="SSMNodeNotManaged",alertstate="firing",instance=%q}`, stays))
	if err != nil || len(got) != 1 {
		t.Errorf("the host that is still broken has %d firing alerts, %v", len(got), err)
	}
}

// rulesAreHealthy asks Prometheus whether any rule failed to evaluate: what
// promtool cannot see, such as joins that match more than one series.
func rulesAreHealthy(t *testing.T, s *stack) {
	body, err := get(t, "http://"+s.prometheus+"/api/v1/rules")
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Data struct {
			Groups []struct {
				Rules []struct {
					Name, Health, LastError string
				}
			}
		}
	}
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range out.Data.Groups {
		for _, r := range g.Rules {
			n++
			if r.Health != "ok" {
				t.Errorf("%s: %s %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	if n < 10 {
		t.Errorf("%d rules", n)
	}
}

// panelsHaveData evaluates every expression of the dashboard on what was
// scraped: each shows something.
func panelsHaveData(t *testing.T, s *stack) {
	var board struct{ Panels []panel }
	b, err := os.ReadFile(filepath.Join("..", "..", "grafana", "ssm-doctor.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &board); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, outer := range board.Panels {
		for _, p := range append(outer.Panels, outer) {
			for _, q := range p.Targets {
				n++
				expr := strings.NewReplacer("$job", ".+", "$instance", ".+", "$cause", ".+", "$__rate_interval", "1m").Replace(q.Expr)
				eventually(t, fmt.Sprintf("panel %q shows something: %s", p.Title, expr), func() error {
					got, err := s.query(t, expr)
					if err == nil && len(got) == 0 {
						err = errors.New("no series")
					}
					return err
				})
			}
		}
	}
	if n < 20 {
		t.Errorf("%d expressions", n)
	}
}

type panel struct {
	Title   string
	Targets []struct{ Expr string }
	Panels  []panel
}
