package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

// onePair is the only demo that these tests examine.
func onePair(t *testing.T) pair {
	t.Helper()
	h, err := sim.New("no-credential-source")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	broken, _ := engine.Run(t.Context(), h.Env(), engine.Options{})
	if err := h.Lift(); err != nil {
		t.Fatal(err)
	}
	whole, _ := engine.Run(t.Context(), h.Env(), engine.Options{})
	if broken.State != report.NotManaged || whole.State != report.Managed {
		t.Fatalf("broken is %s, whole is %s", broken.State, whole.State)
	}
	return pair{whole, broken}
}

func scrape(t *testing.T, target string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+target+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", resp.Status, err)
	}
	return string(b)
}

func TestFleetAnswersForEachHost(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux answers for all of 127/8")
	}
	f, err := serveFleet(3, 0, []pair{onePair(t)}, 1, export.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	ids := map[string]bool{}
	id := regexp.MustCompile(`\nssm_doctor_node_info\{.*node_id="([^"]+)".*\} 1\n`)
	for i, target := range f.targets {
		text := scrape(t, target)
		m := id.FindAllStringSubmatch(text, -1)
		if len(m) != 1 {
			t.Fatalf("host %d has node_info %q", i, m)
		}
		ids[m[0][1]] = true
		for _, name := range []string{"ssm_doctor_root_cause_info{", "ssm_doctor_run_interval_seconds ", "ssm_doctor_aws_requests_total{", "go_goroutines "} {
			if !strings.Contains(text, "\n"+name) {
				t.Errorf("host %d does not export %s", i, name)
			}
		}
	}
	if len(ids) != 3 || f.scrapes.Load() != 3 {
		t.Errorf("%d different hosts, %d scrapes", len(ids), f.scrapes.Load())
	}
}

func TestRunsDiffer(t *testing.T) {
	t.Parallel()
	p := onePair(t)
	h, err := newHost(7, p, 1, export.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first := h.shown.Load()
	h.run(time.Unix(1e9, 0), true)
	second := h.shown.Load()
	if first.Report.State != report.NotManaged || second.Report.State != report.Managed {
		t.Errorf("%s, then %s", first.Report.State, second.Report.State)
	}
	if first.Report.Duration == second.Report.Duration || second.Stats.Runs[export.TriggerInterval] != 2 {
		t.Errorf("duration %v twice, or runs %v", first.Report.Duration, second.Stats.Runs)
	}
	// The reports that all hosts share are not written to.
	if p.whole.Node.ID == h.id || len(p.whole.Sources) > 0 && &p.whole.Sources[0] == &second.Report.Sources[0] {
		t.Error("hosts change a report that they share")
	}
}

func TestAddressesAreDistinctLoopback(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for n := range 130_000 {
		a := address(n)
		if seen[a] {
			t.Fatalf("%s is there twice", a)
		}
		seen[a] = true
	}
	if address(0) != "127.1.0.1" || address(62_500) != "127.2.0.1" {
		t.Errorf("%s, %s", address(0), address(62_500))
	}
}

func TestSinkCounts(t *testing.T) {
	t.Parallel()
	s := &sink{}
	srv := httptest.NewServer(s)
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL, bytes.NewReader(make([]byte, 1234)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent || s.bytes.Load() != 1234 || s.requests.Load() != 1 {
		t.Errorf("%s, %d bytes, %d requests", resp.Status, s.bytes.Load(), s.requests.Load())
	}
}
