//go:build !race

// The race detector makes this slow, and it is about text.

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/fleet"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

// fleetOf300 are the demos of the 300 hosts, and the cause of each.
var fleetOf300 = []struct{ demo, cause string }{
	{"no-credential-source", "no-credential-source"}, {"agent-not-installed", "agent-not-installed"}, {"agent-stopped", "agent-service-stopped"}, {"imds-disabled", "imds-disabled"},
	{"clock-skew", "clock-skew"}, {"tls-interceptor", "tls-untrusted-ca"}, {"proxy-refuses", "proxy-refuses"}, {"dns-failure", "dns-resolution-failed"},
	{"no-egress", "network-no-egress"}, {"endpoint-missing", "vpce-service-missing"}, {"scp-deny", "iam-explicit-deny"}, {"role-without-policy", "iam-missing-registration-action"},
}

// TestThreeHundredHosts walks the page "300 hosts say not managed": 300 simulated hosts
// of 3 accounts with 12 causes, one that sends a console line only, one without a report.
func TestThreeHundredHosts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	reports := filepath.Join(dir, "reports")
	if err := os.Mkdir(reports, 0o700); err != nil {
		t.Fatal(err)
	}
	each := 25
	if testing.Short() {
		each = 3
	}
	total := each * len(fleetOf300)
	var ids []string
	var wg sync.WaitGroup
	limit := make(chan struct{}, 4)
	for i := range total {
		id := fmt.Sprintf("i-%017x", i+1)
		ids = append(ids, id)
		wg.Add(1)
		limit <- struct{}{}
		go func() {
			defer func() { <-limit; wg.Done() }()
			s, err := sim.Play(fleetOf300[i%len(fleetOf300)].demo)
			if err != nil {
				t.Error(err)
				return
			}
			s.Instance, s.Account = id, fmt.Sprintf("%d%011d", i%3+1, 1)
			h, err := sim.Start(s)
			if err != nil {
				t.Error(err)
				return
			}
			defer h.Close()
			r, f := engine.Run(t.Context(), h.Env(), engine.Options{})
			var write func(w *strings.Builder) error
			name := id + ".json"
			switch { // mixed, as people have them
			case i == 0:
				write = func(w *strings.Builder) error {
					if err := report.Write(w, "verdict", r, report.Style{}); err != nil {
						return err
					}
					out, err := json.Marshal(map[string]string{"InstanceId": id, "Output": "[    0.000000] Linux\n" + w.String() + "[   12.000000] login:"})
					w.Reset()
					w.Write(out)
					return err
				}
			case i%5 == 1:
				write = func(w *strings.Builder) error { return report.WriteJSON(w, report.StripFacts(f), "") }
			default:
				write = func(w *strings.Builder) error {
					return report.Write(w, []string{"json", "jsonl"}[i%2], r, report.Style{})
				}
			}
			var b strings.Builder
			if err := write(&b); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(filepath.Join(reports, name), []byte(b.String()), 0o600); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	lost := "i-0fffffffffffffff0"
	hosts := filepath.Join(dir, "hosts.txt")
	if err := os.WriteFile(hosts, []byte(strings.Join(append(ids, lost), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	monday := filepath.Join(dir, "monday.json")
	code, _, errs := cli(t, "summary", reports, "--hosts", hosts, "--no-redact", "-o", "json", "-f", monday)
	if code != exitNotManaged || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	b, err := os.ReadFile(monday)
	if err != nil {
		t.Fatal(err)
	}
	s, err := fleet.ParseSummary(b)
	if err != nil {
		t.Fatal(err)
	}
	if s.Hosts != total || s.Unreadable != 0 || !slices.Equal(s.Missing, []string{lost}) {
		t.Errorf("%d hosts, %d unreadable %+v, missing %q", s.Hosts, s.Unreadable, s.Unread, s.Missing)
	}
	got := map[string]int{}
	for _, g := range s.Causes {
		got[g.ID] = g.Hosts
		if g.Owner == "" && g.ID != "" {
			t.Errorf("nobody mends %s", g.ID)
		}
	}
	for _, c := range fleetOf300 {
		if got[c.cause] != each {
			t.Errorf("%s: %d hosts, want %d", c.cause, got[c.cause], each)
		}
	}
	if len(got) != len(fleetOf300) {
		t.Errorf("causes: %v", got)
	}
	accounts := map[string]bool{}
	for _, l := range s.List {
		accounts[l.Account] = true
	}
	if len(accounts) < 3 {
		t.Errorf("accounts: %v", accounts)
	}
	for _, c := range s.Clusters {
		if len(c.Fix) == 0 && c.Hosts > 1 {
			t.Errorf("no remedy for %s", c.Cause)
		}
	}
	for _, format := range fleet.Formats {
		if code, out, errs := cli(t, "summary", reports, "-o", format, "--since", monday); code != exitNotManaged || len(out) < 500 || errs != "" {
			t.Errorf("%s: exit %d, %d bytes, %s", format, code, len(out), errs)
		}
	}
	if code, out, _ := cli(t, "outside", "--region", "eu-central-1", "--instance", strings.Join(ids[:20], ","), "--script"); code != 0 || !strings.Contains(out, ids[19]) {
		t.Errorf("outside --script: exit %d", code)
	}
}
