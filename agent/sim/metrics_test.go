package sim_test

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/export"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/packaging/gen/golden"
)

// goldenTime is the clock of the hosts that golden files show.
var goldenTime = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// unsteady are the series whose values time and the build decide.
var unsteady = regexp.MustCompile(`^(ssm_doctor_\w*duration_seconds|ssm_doctor_last_run_timestamp_seconds|ssm_doctor_build_info)\b`)

// TestGoldenHosts shows what each simulated host looks like: the outcome of every
// check, and all that Prometheus sees. Series of checks are held to the report
// instead, so that a new check is a line in one file.
func TestGoldenHosts(t *testing.T) {
	t.Parallel()
	const base = "healthy-profile"
	statuses, series := map[string]map[string]string{}, map[string]map[string]string{}
	for _, name := range sim.Names() {
		r := examineDemo(t, name)
		statuses[name] = map[string]string{}
		for _, c := range r.Checks {
			statuses[name][c.ID] = c.Status
		}
		var checks map[string]string
		checks, series[name] = exposed(t, r)
		if d := cmp.Diff(checksOf(r), checks); d != "" {
			t.Errorf("%s: series of checks (-report +metrics):\n%s", name, d)
		}
	}
	golden.File(t, "testdata/checks.txt", golden.Differences(base, statuses))
	golden.File(t, "testdata/metrics.txt", golden.Differences(base, series))
}

func examineDemo(t *testing.T, name string) *report.Report {
	t.Helper()
	s, err := sim.Play(name)
	if err != nil {
		t.Fatal(err)
	}
	s.Now = goldenTime
	r, _ := examine(t, s)
	return r
}

// checksOf are the series that the checks of a report should have.
func checksOf(r *report.Report) map[string]string {
	out := map[string]string{}
	n := map[string]int{"pass": 0, "warn": 0, "fail": 0, "skip": 0, "unknown": 0}
	success := map[string]string{"pass": "1", "warn": "0", "fail": "0"}
	for _, c := range r.Checks {
		n[c.Status]++
		if v, ok := success[c.Status]; ok {
			out[fmt.Sprintf("ssm_doctor_check_success{check=%q}", c.ID)] = v
		}
	}
	for status, n := range n {
		out[fmt.Sprintf("ssm_doctor_checks{status=%q}", status)] = strconv.Itoa(n)
	}
	return out
}

// exposed are the samples of a report, those of checks by themselves.
func exposed(t *testing.T, r *report.Report) (checks, rest map[string]string) {
	t.Helper()
	var b bytes.Buffer
	if err := export.Write(&b, export.OneRun(r), export.Options{}, false); err != nil {
		t.Fatal(err)
	}
	rest = map[string]string{}
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		name, value := line[:i], strings.TrimSpace(line[i:])
		switch {
		case strings.HasPrefix(name, "ssm_doctor_build_info"):
			name, value = "ssm_doctor_build_info", "BUILD"
		case unsteady.MatchString(name):
			value = "TIME"
		case name == "ssm_doctor_clock_skew_seconds":
			// The server's clock has whole seconds, and the run takes a moment.
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			value = fmt.Sprintf("%d min", int(math.Round(v/60)))
		}
		rest[name] = value
	}
	checks = map[string]string{}
	for name, value := range rest {
		if strings.HasPrefix(name, "ssm_doctor_check_success{") || strings.HasPrefix(name, "ssm_doctor_checks{") {
			checks[name] = value
		}
	}
	maps.DeleteFunc(rest, func(name, _ string) bool { _, ok := checks[name]; return ok })
	return checks, rest
}
