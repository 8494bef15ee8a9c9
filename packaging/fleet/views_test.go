package fleet

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// answer is what DuckDB says to one query.
type answer struct {
	Columns []string
	Rows    [][]string
}

// lines are the rows of an answer.
func (a answer) lines() string {
	var b strings.Builder
	for _, r := range a.Rows {
		b.WriteString(strings.Join(r, " ") + "\n")
	}
	return b.String()
}

// report writes one line of reports.
func writeReport(w *bufio.Writer, host, day int, account, image, cause string) {
	state, root := "managed", "null"
	if cause != "" {
		state, root = "not-managed", fmt.Sprintf(`{"id":%q,"severity":"critical"}`, cause)
	}
	fmt.Fprintf(w, `{"day":"2026/11/2%[1]d","generated_at":"2026-11-2%[1]dT09:00:00Z","state":%[2]q,"agent_version":"3.3.3050.0","node":{"id":"i-%017[3]x","account":%[4]q,"region":"eu-central-1","image":%[5]q,"subnet":"subnet-1"},"root_cause":%[6]s}`+"\n", day, state, host, account, image, root)
}

// ask runs the views of Athena over reports in DuckDB, which speaks the same SQL for them.
func ask(t *testing.T, reports func(*bufio.Writer), queries ...string) []answer {
	t.Helper()
	if os.Getenv("DUCKDB_MODULES") == "" {
		t.Skip("NOT TRIED: set DUCKDB_MODULES to a folder in which npm installed @duckdb/node-api")
	}
	name := filepath.Join(t.TempDir(), "reports.jsonl")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	reports(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	out, err := exec.CommandContext(t.Context(), "node", append([]string{"testdata/views.mjs", "inventory/reports.sql", name}, queries...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%d queries in %s", len(queries), time.Since(started).Round(time.Millisecond))
	var answers []answer
	for l := range strings.Lines(string(out)) {
		var a answer
		if err := json.Unmarshal([]byte(l), &a); err != nil {
			t.Fatalf("%v\n%s", err, l)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(queries) {
		t.Fatalf("%d answers to %d queries", len(answers), len(queries))
	}
	return answers
}

const (
	byDay = "SELECT day, account, cause, hosts FROM ssm_doctor.causes_by_day ORDER BY day, account, cause"
	since = "SELECT cause, since, last_seen, count(*) FROM ssm_doctor.sick_since GROUP BY cause, since, last_seen ORDER BY 1, 2, 3"
)

// TestReportViews: ten hosts sick from the first day, ten from the second, ten sick of
// another cause on the third, ten mended, ten that are well.
func TestReportViews(t *testing.T) {
	t.Parallel()
	const a, b = "network-no-egress", "disk-full"
	kinds := [][3]string{{a, a, a}, {"", b, b}, {b, b, a}, {a, a, ""}, {"", "", ""}}
	got := ask(t, func(w *bufio.Writer) {
		for host := range 50 {
			for day, cause := range kinds[host/10] {
				writeReport(w, host, day+1, "111122223333", "ami-1", cause)
			}
		}
	}, byDay, since, "SELECT state, count(*) FROM ssm_doctor.report_of_host GROUP BY state ORDER BY state")
	for i, want := range []string{`2026/11/21 111122223333 disk-full 10
2026/11/21 111122223333 network-no-egress 20
2026/11/22 111122223333 disk-full 20
2026/11/22 111122223333 network-no-egress 20
2026/11/23 111122223333 disk-full 10
2026/11/23 111122223333 network-no-egress 20
`, `disk-full 2026/11/22 2026/11/23 10
network-no-egress 2026/11/21 2026/11/23 10
network-no-egress 2026/11/23 2026/11/23 10
`, `managed 20
not-managed 30
`} {
		if got[i].lines() != want {
			t.Errorf("got\n%swant\n%s", got[i].lines(), want)
		}
	}
}

// panelOf is what is read of a panel of Grafana.
type panelOf struct {
	Title, Type string
	Targets     []struct {
		RawSQL string
		Format int
	}
}

// TestFleetDashboard runs the queries of the dashboard over 100,000 hosts of twelve causes
// and three accounts, and three days, and adds up what they say.
func TestFleetDashboard(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "grafana", "ssm-doctor-fleet.json"))
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels     []panelOf
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(b, &board); err != nil {
		t.Fatal(err)
	}
	const hosts, causes, perCause = 100_000, 12, 500 // the rest is well; one in a hundred is silent on the last day
	fill := strings.NewReplacer("${account:singlequote}", "'111111111111','222222222222','333333333333'", "${region:singlequote}", "'eu-central-1'",
		"${__from:date:YYYY/MM/DD}", "2026/11/22", "${__to:date:YYYY/MM/DD}", "2026/11/23")
	var titles, queries []string
	for _, p := range board.Panels {
		for _, q := range p.Targets {
			titles, queries = append(titles, p.Title), append(queries, fill.Replace(q.RawSQL))
		}
	}
	for _, v := range board.Templating.List[1:] {
		titles, queries = append(titles, v.Name), append(queries, v.Definition)
	}
	if i := slices.IndexFunc(queries, func(q string) bool { return strings.Contains(q, "$") }); i >= 0 {
		t.Fatalf("%s: %s", titles[i], queries[i])
	}
	answers := ask(t, func(w *bufio.Writer) {
		for host := range hosts {
			account, cause, image := fmt.Sprint(host%3+1), "", fmt.Sprintf("ami-%d", host/perCause)
			if k := host / perCause; k < causes {
				cause = fmt.Sprintf("cause-%02d", k)
			}
			for day := range 3 {
				if day == 2 && host%100 == 99 {
					continue
				}
				if day == 0 { // all were well
					writeReport(w, host, day+1, strings.Repeat(account, 12), image, "")
				} else {
					writeReport(w, host, day+1, strings.Repeat(account, 12), image, cause)
				}
			}
		}
	}, queries...)
	by := map[string]answer{}
	for i, title := range titles {
		by[title] = answers[i]
		if len(answers[i].Rows) == 0 {
			t.Errorf("%s: no rows", title)
		}
	}
	for title, want := range map[string]string{"Hosts": "100000\n", "Managed share": "0.94\n", "Not managed": "6000\n", "Silent": "1000\n", "account": "111111111111\n222222222222\n333333333333\n", "region": "eu-central-1\n", "Agent releases": "3.3.3050.0 100000 6000\n"} {
		if got := by[title].lines(); got != want {
			t.Errorf("%s: %q, want %q", title, got, want)
		}
	}
	if a := by["Hosts by cause"]; len(a.Rows) != causes || slices.ContainsFunc(a.Rows, func(r []string) bool { return r[1] != "500" }) {
		t.Errorf("causes:\n%s", a.lines())
	}
	// On the last day the silent are not counted: five of a cause.
	if a := by["Causes by day"]; len(a.Rows) != 2*causes || a.Columns[0] != "time" || a.Rows[0][2] != "500" || a.Rows[causes][2] != "495" {
		t.Errorf("by day:\n%s", a.lines())
	}
	if a := by["Sick longest"]; len(a.Rows) != 200 || a.Rows[0][4] != "2026/11/22" {
		t.Errorf("longest: %d rows", len(a.Rows))
	}
	sum := 0
	for _, r := range by["By account and Region"].Rows {
		n := 0
		_, _ = fmt.Sscan(r[2], &n)
		sum += n
	}
	if sum != causes*perCause {
		t.Errorf("accounts have %d sick hosts", sum)
	}
}
