package prometheus_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"ssm-doctor/agent/export"
	"ssm-doctor/checks/causes"
)

// Labels of targets: what service discovery gives, and what scraping needs.
var targetLabels = []string{"job", "instance", "region", "account", "alertname"}

// families are the names and labels of everything that can be exported.
func families(t *testing.T) map[string][]string {
	t.Helper()
	ch := make(chan *prometheus.Desc, 1000)
	export.New(func() *export.Snapshot { return nil }, export.Options{All: true, Features: []string{"*"}}).Describe(ch)
	close(ch)
	form := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	out := map[string][]string{}
	for d := range ch {
		m := form.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("cannot read %s", d)
		}
		out[m[1]] = strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' })
	}
	if len(out) < 30 {
		t.Fatalf("%d families", len(out))
	}
	return out
}

// expressions are those of the rules and of the dashboard, by where they are.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	alerts, records := readRules(t)
	for _, r := range slices.Concat(alerts, records) {
		out[r.Alert+r.Record] = r.Expr
	}
	b, err := os.ReadFile(filepath.Join("..", "grafana", "ssm-doctor.json"))
	if err != nil {
		t.Fatal(err)
	}
	type panel struct {
		Title   string
		Targets []struct{ RefID, Expr string }
		Panels  []panel
	}
	var board struct {
		Panels     []panel
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(b, &board); err != nil {
		t.Fatal(err)
	}
	for _, v := range board.Templating.List {
		out["variable "+v.Name] = v.Definition
	}
	for _, outer := range board.Panels {
		for _, p := range append(outer.Panels, outer) {
			for _, q := range p.Targets {
				out["panel "+p.Title+" "+q.RefID] = q.Expr
			}
		}
	}
	return out
}

// TestNamesAreExported: a metric or label that is asked for and does not exist
// is no error in Prometheus, only never there.
func TestNamesAreExported(t *testing.T) {
	t.Parallel()
	known, seen := families(t), map[string]bool{}
	metric := regexp.MustCompile(`ssm_doctor_[a-z0-9_]+`)
	recorded := regexp.MustCompile(`[a-z_]+:(ssm_doctor_[a-z_]+):[a-z]+`)
	matcher := regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping := regexp.MustCompile(`\b(?:by|without|on|group_left)\s*\(([^)]*)\)`)
	for where, expr := range expressions(t) {
		// Recorded names are a test of their own; they hold a family's name and
		// for a ratio more than that.
		plain := recorded.ReplaceAllString(expr, "")
		labels := slices.Clone(targetLabels)
		for _, name := range metric.FindAllString(plain, -1) {
			have, ok := known[name]
			if !ok {
				t.Errorf("%s: %s is not exported", where, name)
			}
			seen[name] = true
			labels = append(labels, have...)
		}
		for _, m := range recorded.FindAllStringSubmatch(expr, -1) {
			name := strings.TrimSuffix(m[1], "_managed")
			have, ok := known[name]
			if !ok {
				t.Errorf("%s: %s is not exported", where, name)
			}
			labels = append(labels, have...)
		}
		var asked []string
		for _, m := range matcher.FindAllStringSubmatch(expr, -1) {
			asked = append(asked, m[1])
		}
		for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
			asked = append(asked, strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' })...)
		}
		for _, l := range asked {
			if !slices.Contains(labels, l) {
				t.Errorf("%s: no metric there has label %s", where, l)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("rules and dashboard ask for %d metrics", len(seen))
	}
}

// TestCausesThatAreNamedExist guards the values of cause in rules and routes.
func TestCausesThatAreNamedExist(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`cause(?:=~|!~|!=|=)"([a-z0-9|-]+)"`)
	n := 0
	for where, expr := range expressions(t) {
		for _, m := range named.FindAllStringSubmatch(expr, -1) {
			for id := range strings.SplitSeq(m[1], "|") {
				n++
				if id != "undetermined" && causes.Get(id) == nil {
					t.Errorf("%s: no cause %s", where, id)
				}
			}
		}
	}
	if n == 0 {
		t.Error("no expression names a cause")
	}
}
