// Package prometheus_test holds rules, scrape configurations and the dashboard
// to what ssm-doctor exports and documents.
package prometheus_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/causes"
)

const rulesFile = "ssm-doctor.rules.yml"

var testsFiles = []string{"ssm-doctor.rules_test.yml", "ssm-doctor-days.rules_test.yml"}

type rule struct {
	Record      string            `yaml:"record"`
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// alerts and records of the rules file, in order.
func readRules(t *testing.T) (alerts, records []rule) {
	t.Helper()
	var f struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	parse(t, rulesFile, &f)
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				alerts = append(alerts, r)
			} else {
				records = append(records, r)
			}
		}
	}
	if len(alerts) < 8 || len(records) < 3 {
		t.Fatalf("%d alerts and %d recording rules", len(alerts), len(records))
	}
	return alerts, records
}

func parse(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func TestAlertsSayWhatToDo(t *testing.T) {
	t.Parallel()
	alerts, _ := readRules(t)
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range alerts {
		if seen[a.Alert] {
			t.Errorf("%s is there twice", a.Alert)
		}
		seen[a.Alert] = true
		for _, k := range []string{"summary", "description", "runbook_url"} {
			if a.Annotations[k] == "" {
				t.Errorf("%s has no %s", a.Alert, k)
			}
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s has severity %q", a.Alert, a.Labels["severity"])
		}
		if a.For == "" && !strings.Contains(a.Expr, " offset ") {
			t.Errorf("%s fires at once", a.Alert)
		}
		if !strings.Contains(string(readme), "](../docs/alerts/"+a.Alert+".md)") {
			t.Errorf("README.md does not lead to the page of %s", a.Alert)
		}
		for _, link := range runbooks(a.Annotations["runbook_url"]) {
			if err := linkLeadsSomewhere(link); err != nil {
				t.Errorf("%s: %v", a.Alert, err)
			}
		}
	}
}

// runbooks is every address that the template of a runbook can become.
func runbooks(tmpl string) []string {
	const cause = "{{ $labels.cause }}"
	if !strings.Contains(tmpl, cause) {
		return []string{tmpl}
	}
	out := []string{strings.ReplaceAll(tmpl, cause, "undetermined")}
	for _, c := range causes.All() {
		out = append(out, strings.ReplaceAll(tmpl, cause, c.ID))
	}
	return out
}

// linkLeadsSomewhere: the daemon has a page under the address.
func linkLeadsSomewhere(link string) error {
	id, ok := strings.CutPrefix(link, "http://"+config.Default().ListenAddresses[0]+"/explain/")
	if !ok {
		return fmt.Errorf("%s is no address of a daemon", link)
	}
	if found, err := report.ExplainHTML(io.Discard, id); err != nil || !found {
		return fmt.Errorf("%s: no such page, %v", link, err)
	}
	return nil
}

// TestAlertPagesAreOfAlerts: each page explains a rule, and each rule has a page.
func TestAlertPagesAreOfAlerts(t *testing.T) {
	t.Parallel()
	rules, _ := readRules(t)
	var names []string
	for _, a := range rules {
		names = append(names, a.Alert)
	}
	if got, want := report.AlertIDs(), append(names, "undetermined"); !slices.Equal(got, want) {
		t.Errorf("pages %q, rules %q", got, want)
	}
}

// TestOneAddressForAllRunbooks runs what README.md says gives all links one address.
func TestOneAddressForAllRunbooks(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```sh\n")
	commands, _, found := strings.Cut(rest, "```")
	rules, err := os.ReadFile(rulesFile)
	if err != nil || !found {
		t.Fatal(err, commands)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, rulesFile), rules, 0o600); err != nil {
		t.Fatal(err)
	}
	sh := exec.Command("sh", "-ec", commands)
	if sh.Dir = dir; exec.Command("sed", "--version").Run() != nil {
		t.Skip("SKIPPED: no GNU sed")
	}
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var changed struct {
		Groups []struct{ Rules []rule } `yaml:"groups"`
	}
	parse(t, filepath.Join(dir, rulesFile), &changed)
	n := 0
	for _, g := range changed.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			n++
			id, ok := strings.CutPrefix(r.Annotations["runbook_url"], "https://doctor.example.net/explain/")
			if !ok || id != r.Alert && id != "{{ $labels.cause }}" {
				t.Errorf("%s leads to %s", r.Alert, r.Annotations["runbook_url"])
			}
		}
	}
	if n < 10 {
		t.Errorf("%d alerts", n)
	}
}

// TestRecordsAreNamedByLevel holds recorded names to level:metric:operation.
func TestRecordsAreNamedByLevel(t *testing.T) {
	t.Parallel()
	_, records := readRules(t)
	form := regexp.MustCompile(`^job(_[a-z]+)*:ssm_doctor_[a-z_]+:[a-z]+$`)
	for _, r := range records {
		if !form.MatchString(r.Record) {
			t.Errorf("recorded name %s", r.Record)
		}
	}
}

type ruleCase struct {
	Name   string `yaml:"name"`
	Alerts []struct {
		Name string `yaml:"alertname"`
		Exp  []any  `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
	Exprs []struct {
		Expr    string `yaml:"expr"`
		Samples []any  `yaml:"exp_samples"`
	} `yaml:"promql_expr_test"`
}

func readCases(t *testing.T) []ruleCase {
	t.Helper()
	var all []ruleCase
	for _, name := range testsFiles {
		var f struct {
			Tests []ruleCase `yaml:"tests"`
		}
		parse(t, name, &f)
		all = append(all, f.Tests...)
	}
	return all
}

// TestEveryAlertIsTested wants one case that fires and one that does not, and
// one expected value for each recorded series.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	alerts, records := readRules(t)
	fires, silent, values := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range readCases(t) {
		fired := map[string]bool{}
		for _, a := range c.Alerts {
			fired[a.Name] = fired[a.Name] || len(a.Exp) > 0
		}
		for name, yes := range fired {
			fires[name] = fires[name] || yes
			silent[name] = silent[name] || !yes
		}
		for _, e := range c.Exprs {
			values[e.Expr] = values[e.Expr] || len(e.Samples) > 0
		}
	}
	for _, a := range alerts {
		if !fires[a.Alert] || !silent[a.Alert] {
			t.Errorf("%s: fires in a test: %t, keeps silent in one: %t", a.Alert, fires[a.Alert], silent[a.Alert])
		}
	}
	for _, r := range records {
		if !values[r.Record] && !usedByAlert(alerts, r.Record) {
			t.Errorf("%s has no test", r.Record)
		}
	}
}

func usedByAlert(alerts []rule, name string) bool {
	return slices.ContainsFunc(alerts, func(a rule) bool { return strings.Contains(a.Expr, name) })
}

// TestPromtool runs the rules' own tests; .ci/run installs promtool.
func TestPromtool(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("SKIPPED: no promtool (Debian package prometheus): neither rules nor their tests were run")
	}
	for _, args := range [][]string{{"check", "rules", rulesFile}, append([]string{"test", "rules"}, testsFiles...)} {
		if out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
