package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// kept holds what a release wrote: facts, the report and the metrics of them, a
// configuration with every key, and the state of a daemon. Later releases must read it,
// and what reads it must find its way in what they write. After the release its files
// are never changed; the next one adds a folder of its own.
const kept = "testdata/release-1.0"

func readKept(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(kept, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// paths lists the members of a JSON value with their types; those of all elements of a
// list together.
func paths(v any, at string, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			paths(x, at+"."+k, into)
		}
	case []any:
		for _, x := range v {
			paths(x, at+"[]", into)
		}
	case nil:
	default:
		into[fmt.Sprintf("%s %T", at, v)] = true
	}
}

func TestUpgradeReport(t *testing.T) {
	t.Parallel()
	code, out, trouble := command(t, "check", "--from", filepath.Join(kept, "facts.json"), "-o", "json")
	if code != exitManaged || trouble != "" {
		t.Fatalf("facts of the release: code %d, %s", code, trouble)
	}
	var was, is any
	if err := json.Unmarshal([]byte(readKept(t, "report.json")), &was); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &is); err != nil {
		t.Fatal(err)
	}
	before, now := map[string]bool{}, map[string]bool{}
	paths(was, "", before)
	paths(is, "", now)
	if len(before) < 50 {
		t.Fatalf("only %d members are kept", len(before))
	}
	for p := range before {
		if !now[p] {
			t.Errorf("readers of the report miss %s", p)
		}
	}
}

var sampleLine = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? `)

// families: name of a metric, and the names of its labels.
func families(text string) map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(text) {
		m := sampleLine.FindStringSubmatch(line)
		if m == nil || strings.HasPrefix(line, "#") {
			continue
		}
		var labels []string
		for _, l := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(m[2], -1) {
			labels = append(labels, l[1])
		}
		all[m[1]] = labels
	}
	return all
}

func TestUpgradeMetrics(t *testing.T) {
	t.Parallel()
	_, out, _ := command(t, "check", "--from", filepath.Join(kept, "facts.json"), "-o", "prometheus")
	was, is := families(readKept(t, "metrics.prom")), families(out)
	if len(was) < 10 {
		t.Fatalf("only %d families are kept", len(was))
	}
	for name, labels := range was {
		got, ok := is[name]
		if !ok {
			t.Errorf("dashboards miss %s", name)
		}
		for _, l := range labels {
			if ok && !slices.Contains(got, l) {
				t.Errorf("%s has no label %s", name, l)
			}
		}
	}
}

// keptState is the state of the release. The daemon's files belong to it alone; a checkout
// makes them readable for all.
func keptState(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range []string{"history.jsonl", "aws-calls.json"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte(readKept(t, "state/"+f)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestUpgradeHistory(t *testing.T) {
	t.Parallel()
	code, out, trouble := command(t, "history", "--state-dir", keptState(t), "-o", "json")
	if code != 0 || !strings.Contains(out, `"cause": "no-credential-source"`) || !strings.Contains(out, keptSince) {
		t.Errorf("history of the release: %d %s%s", code, out, trouble)
	}
}

// A report of the release beside one of today, and together with others.
func TestUpgradeReadsReport(t *testing.T) {
	t.Parallel()
	old := filepath.Join(kept, "report.json")
	now := filepath.Join(t.TempDir(), "now.json")
	if code, _, trouble := command(t, "check", "--from", filepath.Join(kept, "facts.json"), "-f", now); code != exitManaged {
		t.Fatalf("code %d, %s", code, trouble)
	}
	if code, out, trouble := command(t, "summary", old, now); code != exitManaged || !strings.Contains(out, "managed") || trouble != "" {
		t.Errorf("summary: %d %s%s", code, out, trouble)
	}
	// It ends with 1 where something differs: what was added since.
	if code, out, trouble := command(t, "compare", old, now); code > exitDegraded || strings.Count(out, "  MANAGED  ") != 2 || trouble != "" {
		t.Errorf("compare: %d %s%s", code, out, trouble)
	}
}

// keptSince is when the daemon of the release came to its last verdict.
const keptSince = "2026-11-27T13:09:44"

// TestUpgradeDaemon starts the daemon of today with the configuration and the state of the
// release, on a host as it was then: it serves metrics that know since when the verdict
// stands, finds nothing to complain of, and goes on in the same files.
func TestUpgradeDaemon(t *testing.T) {
	t.Parallel()
	file := filepath.Join(kept, "ssm-doctor.yml")
	if code, out, trouble := command(t, "config", "check", file); code != 0 {
		t.Fatalf("configuration of the release: %d %s%s", code, out, trouble)
	}
	_, all, _ := command(t, "config", "show")
	for _, m := range regexp.MustCompile(`(?m)^( *)#([a-z_]+): `).FindAllStringSubmatch(all, -1) {
		if !regexp.MustCompile(`(?m)^` + m[1] + m[2] + `: `).MatchString(readKept(t, "ssm-doctor.yml")) {
			t.Errorf("the configuration that is kept sets no %s", m[2])
		}
	}
	dir := keptState(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	a := &app{in: strings.NewReader(""), out: io.Discard, err: w, getenv: func(string) string { return "" }}
	ended := make(chan int, 1)
	go func() {
		ended <- a.run(ctx, func() {}, []string{"serve", "--demo", "no-credential-source", "--config.file", file, "--state-dir", dir, "--web.listen-address", "127.0.0.1:0", "--log.format", "logfmt"})
		_ = w.Close()
	}()
	var address, said string
	scraped := false
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := lines.Text()
		said += line + "\n"
		if m := regexp.MustCompile(`msg=listening address=(\S+)`).FindStringSubmatch(line); m != nil {
			address = m[1]
		}
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			t.Error(line)
		}
		if strings.Contains(line, `msg="first verdict since the start"`) {
			metrics := get(t, "http://"+address+"/metrics")
			m := regexp.MustCompile(`(?m)^ssm_doctor_node_state_since_timestamp_seconds (\S+)$`).FindStringSubmatch(metrics)
			if m == nil {
				t.Fatalf("no time of the verdict:\n%s", metrics)
			}
			since, err := strconv.ParseFloat(m[1], 64)
			if at := time.Unix(int64(since), 0).UTC().Format("2006-01-02T15:04:05"); err != nil || at != keptSince {
				t.Errorf("the verdict stands since %s, not since %s; %v", at, keptSince, err)
			}
			if got := get(t, "http://"+address+"/report.json"); !strings.Contains(got, `"no-credential-source"`) {
				t.Errorf("report: %s", got)
			}
			scraped = true
			stop()
		}
	}
	if code := <-ended; code != 0 || !scraped {
		t.Fatalf("ended with %d\n%s", code, said)
	}
	code, out, trouble := command(t, "history", "--state-dir", dir, "-o", "json")
	if code != 0 || !strings.Contains(out, keptSince) || trouble != "" {
		t.Errorf("history afterwards: %d %s%s", code, out, trouble)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
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
		t.Fatalf("%s: %s %v", url, resp.Status, err)
	}
	return string(b)
}
