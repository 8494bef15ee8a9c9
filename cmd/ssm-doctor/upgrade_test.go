package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
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

func TestUpgradeConfigurationAndState(t *testing.T) {
	t.Parallel()
	if code, out, trouble := command(t, "config", "check", filepath.Join(kept, "ssm-doctor.yml")); code != 0 {
		t.Errorf("configuration of the release: %d %s%s", code, out, trouble)
	}
	// The daemon's files belong to it alone; a checkout makes them readable for all.
	dir := t.TempDir()
	for _, f := range []string{"history.jsonl", "aws-calls.json"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte(readKept(t, "state/"+f)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out, trouble := command(t, "history", "--state-dir", dir, "-o", "json")
	if code != 0 || !strings.Contains(out, `"cause": "no-credential-source"`) || !strings.Contains(out, "2026-11-27T13:09:44") {
		t.Errorf("history of the release: %d %s%s", code, out, trouble)
	}
}
