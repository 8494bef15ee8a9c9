package grafana_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// selector is a metric with its matchers; names before "(" are functions and
// names in by, on and group_left lists are labels.
var selector = regexp.MustCompile(`\b((?:job[a-z_]*:)?(?:ssm_doctor_[a-z_:]+|up))(\{[^}]*\})?(\[[^\]]*\])?`)

func TestExpressionsSelectWhatIsChosen(t *testing.T) {
	t.Parallel()
	for _, p := range read(t).graphs() {
		for _, q := range p.Targets {
			found := selector.FindAllStringSubmatch(q.Expr, -1)
			if len(found) == 0 {
				t.Errorf("%q asks for no metric: %s", p.Title, q.Expr)
			}
			for _, m := range found {
				name, matchers := m[1], m[2]
				if !strings.Contains(matchers, `job=~"$job"`) {
					t.Errorf("%q: %s does not select job", p.Title, name)
				}
				// Recorded sums have no instance.
				if !strings.Contains(name, ":") && !strings.Contains(matchers, `instance=~"$instance"`) {
					t.Errorf("%q: %s does not select instance", p.Title, name)
				}
			}
		}
	}
}

// TestCountersAreRates: a counter is only looked at through rate, irate or
// increase, over Grafana's own interval, and nothing else is.
func TestCountersAreRates(t *testing.T) {
	t.Parallel()
	rated := regexp.MustCompile(`\b(rate|irate|increase)\((ssm_doctor_[a-z_]+)\{[^}]*\}\[([^\]]*)\]\)`)
	ranges := regexp.MustCompile(`\[[^\]]*\]`)
	for _, p := range read(t).graphs() {
		for _, q := range p.Targets {
			for _, r := range rated.FindAllStringSubmatch(q.Expr, -1) {
				if !strings.HasSuffix(r[2], "_total") || r[3] != "$__rate_interval" {
					t.Errorf("%q: %s", p.Title, r[0])
				}
			}
			rest := rated.ReplaceAllString(q.Expr, "")
			if strings.Contains(rest, "_total") || ranges.MatchString(rest) {
				t.Errorf("%q: counter or range outside of a rate: %s", p.Title, q.Expr)
			}
		}
	}
}

// TestRecordedSeriesExist: what the dashboard reads, the rules record.
func TestRecordedSeriesExist(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "prometheus", "ssm-doctor.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	recorded := regexp.MustCompile(`(?m)- record: (\S+)$`).FindAllStringSubmatch(string(b), -1)
	used := 0
	for _, p := range read(t).graphs() {
		for _, q := range p.Targets {
			for _, m := range selector.FindAllStringSubmatch(q.Expr, -1) {
				if !strings.Contains(m[1], ":") {
					continue
				}
				used++
				if !slices.ContainsFunc(recorded, func(r []string) bool { return r[1] == m[1] }) {
					t.Errorf("%q reads %s, which no rule records", p.Title, m[1])
				}
			}
		}
	}
	if used == 0 {
		t.Error("no panel reads a recorded series")
	}
}

// TestExpressionsParse writes every expression into a file of rules.
func TestExpressionsParse(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("SKIPPED: no promtool (Debian package prometheus): no expression was parsed")
	}
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []rule
	for _, p := range read(t).graphs() {
		for i, q := range p.Targets {
			rules = append(rules, rule{
				Record: fmt.Sprintf("panel:p%d_%d:expr", p.ID, i),
				Expr:   strings.ReplaceAll(q.Expr, "$__rate_interval", "5m"),
			})
		}
	}
	b, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "dashboard.rules.yml")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tool, "check", "rules", name).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if want := fmt.Sprintf("%d rules found", len(rules)); !strings.Contains(string(out), want) {
		t.Errorf("%s; want %s", out, want)
	}
}
