package export

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/gather/awsapi"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/text"
	"ssm-doctor/packaging/gen/golden"
)

var testTime = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

// full is a report with every series that a host can have, and more: all checks,
// sources and features that the program has.
func full() *report.Report {
	r := small()
	r.Checks, r.Sources, r.Features, r.Measures.Features = nil, nil, nil, nil
	for i, c := range checks.All() {
		// A daemon does not judge images, and what a host skips has no series: checks of
		// tasks of Amazon ECS, those of other systems, and the one that only a hybrid
		// machine has. An EC2 instance with Linux has the most.
		if !c.IsFor(checks.ProfileHost) || c.Group == "ecs" || c.ID == "hybrid-registration" || len(c.Systems) > 0 && !slices.Contains(c.Systems, "linux") {
			continue
		}
		r.Checks = append(r.Checks, report.Check{ID: c.ID, Group: c.Group, Status: []string{"pass", "fail", "warn"}[i%3]})
	}
	for _, s := range engine.Sources() {
		r.Sources = append(r.Sources, report.Source{Name: s, Success: true, Duration: 0.01})
	}
	for _, f := range iam.Features() {
		r.Features = append(r.Features, report.Feature{ID: f.ID, Ready: "no"})
		r.Measures.Features = append(r.Measures.Features, report.FeatureRights{ID: f.ID, Allowed: 1, Denied: 1, Unknown: 1})
	}
	return r
}

// small is what golden files are made of: it fills every family, and does not
// grow with the program's checks, sources, features and requests.
func small() *report.Report {
	r := &report.Report{GeneratedAt: testTime, Version: "1.2.3", Duration: 1.25, State: report.Degraded, AgentVersion: "3.3.40.0", LastPing: testTime.Add(-time.Minute), Until: testTime.Add(38 * time.Minute), ClockSkew: ptr(0.4),
		Node: report.Node{ID: "i-0123456789abcdef0", Kind: "ec2", Region: "eu-west-1", Account: "111122223333"}, Credentials: report.Credentials{Source: "instance-profile", Role: "WebNode", ExpiresAt: testTime.Add(time.Hour)},
		RootCause: &report.Cause{ID: "clock-skew", Group: "network", Severity: "warning"}, Also: []report.Cause{{ID: "disk-full", Severity: "info"}},
		Checks: []report.Check{{ID: "agent-service", Group: "agent", Status: "pass"}, {ID: "clock", Group: "network", Status: "warn"}, {ID: "dns", Group: "network", Status: "fail"},
			{ID: "tls-trust", Group: "network", Status: "skip"}, {ID: "websocket", Group: "network", Status: "unknown"}},
		Sources:     []report.Source{{Name: "host", Success: true, Duration: 0.01}, {Name: "imds", Duration: 0.02}},
		Features:    []report.Feature{{ID: "core", Ready: "yes"}, {ID: "messaging", Ready: "no"}, {ID: "run-command", Ready: "unknown"}, {ID: "distributor", Ready: "yes"}},
		Unexplained: []report.Unexplained{{Shape: "[MGSInteractor] * panicked", Level: "error", Count: 3, Last: testTime}}, UnexplainedMore: ptr(1)}
	m := &report.Measures{Platform: "linux", AgentPackage: "snap", AgentLatest: "3.3.3050.0", AgentRunning: ptr(true), AgentStarted: testTime, Registered: ptr(true), KeyCreated: testTime, PermissionsRead: testTime,
		IMDSReachable: ptr(true), IMDSTokenRequired: ptr(true), IMDSTokenSeconds: ptr(0.001), IMDSIdentitySeconds: ptr(0.002), IMDSCredentialsSeconds: ptr(0.003),
		Features: []report.FeatureRights{{ID: "core", Allowed: 3, Denied: 2, Unknown: 1}, {ID: "distributor", Allowed: 1}}}
	for _, e := range endpoints {
		r.Endpoints = append(r.Endpoints, report.Endpoint{Service: e, Host: e + ".example", Reachable: ptr(true), Phase: "ok", Route: "private"})
		m.Endpoints = append(m.Endpoints, report.EndpointMeasure{Service: e, Resolve: ptr(0.1), Connect: ptr(0.2), TLS: ptr(0.3), HTTP: ptr(0.4), TLSExpires: testTime})
	}
	r.Measures = m
	r.Normalize()
	return r
}

func stats(operations ...string) *Stats {
	return &Stats{Interval: 5 * time.Minute, Since: testTime, Runs: map[string]uint64{TriggerStart: 1, TriggerInterval: 3}, Operations: operations,
		Requests: map[string]uint64{"sts:GetCallerIdentity": 4}, Failures: map[Failure]uint64{{"sts:GetCallerIdentity", report.NoAnswer}: 1}, ReloadOK: true, HistoryOK: ptr(true)}
}

// whole is everything that a daemon can expose.
func whole() *Snapshot {
	return &Snapshot{Report: full(), At: testTime.Add(2 * time.Second), Success: true, Stats: stats(awsapi.Operations(nil)...)}
}

// snapshots are what the golden files show.
func snapshots() map[string]*Snapshot {
	down := small()
	down.State, down.Checks, down.Features, down.Endpoints = report.NotManaged, down.Checks[:3], nil, down.Endpoints[:2]
	down.RootCause = &report.Cause{ID: "imds-disabled", Group: "imds", Severity: "critical"}
	down.Endpoints[0].Reachable, down.Endpoints[0].Phase = ptr(false), "dns"
	down.Endpoints[1].Reachable, down.Endpoints[1].Route = nil, ""
	down.Measures = &report.Measures{Platform: "linux", AgentPackage: "none", AgentRunning: ptr(false), IMDSReachable: ptr(false)}
	down.Unexplained, down.UnexplainedMore = nil, nil
	down.LastPing, down.ClockSkew, down.AgentVersion, down.Credentials = time.Time{}, nil, "", report.Credentials{Source: "none"}
	well := small()
	well.State, well.RootCause, well.Also, well.Checks, well.Features = report.Managed, nil, nil, well.Checks[:1], well.Features[:2]
	hostile := small()
	hostile.AgentVersion, hostile.Node.ID = "3.3\n# HELP x \"", strings.Repeat("i", 9000)
	hostile.Sources = []report.Source{{Name: "host"}, {Name: "host", Success: true}, {Name: "evil\x1b[31m"}, {Name: "\xff"}}
	hostile.Endpoints = append(hostile.Endpoints, report.Endpoint{Service: "ssm", Route: "public", Reachable: ptr(false)}, report.Endpoint{Service: "http://x"})
	hostile.Checks, hostile.Features, hostile.State = hostile.Checks[:1], nil, "splendid"
	hostile.Credentials.ExpiresAt = time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)
	s := func(r *report.Report, st *Stats) *Snapshot {
		return &Snapshot{Report: r, At: testTime.Add(2 * time.Second), Success: true, Stats: st}
	}
	st := func() *Stats { return stats("ssm:GetDocument", "sts:GetCallerIdentity") }
	return map[string]*Snapshot{"none": {}, "booting": {Stats: &Stats{Interval: time.Minute}}, "well": s(well, st()), "down": s(down, st()), "hostile": s(hostile, nil), "full": s(small(), st())}
}

func exposed(t *testing.T, s *Snapshot, o Options) string {
	t.Helper()
	var b, again bytes.Buffer
	for _, w := range []*bytes.Buffer{&b, &again} {
		if err := Write(w, s, o, false); err != nil {
			t.Fatal(err)
		}
	}
	if b.String() != again.String() {
		t.Error("two expositions of one snapshot differ")
	}
	return stable(b.String())
}

// TestGoldenExposition shows every family with its HELP and TYPE.
func TestGoldenExposition(t *testing.T) {
	t.Parallel()
	golden.File(t, "testdata/full.prom", []byte(exposed(t, snapshots()["full"], Options{All: true})))
}

// TestGoldenSnapshots shows what other hosts expose, and a daemon before its
// first run.
func TestGoldenSnapshots(t *testing.T) {
	t.Parallel()
	values := map[string]map[string]string{}
	for name, s := range snapshots() {
		values[name] = map[string]string{}
		for line := range strings.Lines(exposed(t, s, Options{})) {
			if strings.HasPrefix(line, "# ") {
				continue
			}
			i := strings.LastIndexByte(line, ' ')
			values[name][line[:i]] = strings.TrimSpace(line[i:])
		}
	}
	golden.File(t, "testdata/snapshots.txt", golden.Differences("full", values))
}

// TestSeriesOfReport holds the families that grow with the program to the
// report: one series for each check, source, feature and request that has a
// value, and no other.
func TestSeriesOfReport(t *testing.T) {
	t.Parallel()
	s := whole()
	r := s.Report
	want := map[string]map[string]float64{"ssm_doctor_check_success": {}, "ssm_doctor_checks": {}, "ssm_doctor_source_success": {}, "ssm_doctor_source_duration_seconds": {},
		"ssm_doctor_feature_ready": {}, "ssm_doctor_feature_permissions": {}, "ssm_doctor_aws_requests_total": {}, "ssm_doctor_aws_request_failures_total": {}}
	success := map[string]float64{"pass": 1, "warn": 0, "fail": 0}
	for _, status := range report.Statuses {
		want["ssm_doctor_checks"]["status="+status] = 0
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		c.Status = report.Statuses[i%len(report.Statuses)]
		want["ssm_doctor_checks"]["status="+c.Status]++
		if v, ok := success[c.Status]; ok {
			want["ssm_doctor_check_success"]["check="+c.ID] = v
		}
	}
	for i := range r.Sources {
		c := &r.Sources[i]
		c.Success, c.Duration = i%2 == 0, float64(i)/8
		want["ssm_doctor_source_success"]["source="+c.Name] = float64((i + 1) % 2)
		want["ssm_doctor_source_duration_seconds"]["source="+c.Name] = float64(i) / 8
	}
	ready := map[string]float64{"yes": 1, "no": 0}
	for i := range r.Features {
		f := &r.Features[i]
		f.Ready = []string{"yes", "no", "unknown"}[i%3]
		if v, ok := ready[f.Ready]; ok {
			want["ssm_doctor_feature_ready"]["feature="+f.ID] = v
		}
		rights := report.FeatureRights{ID: f.ID, Allowed: i, Denied: i + 1, Unknown: i + 2}
		r.Measures.Features[i] = rights
		for result, n := range map[string]int{"allowed": rights.Allowed, "denied": rights.Denied, "unknown": rights.Unknown} {
			want["ssm_doctor_feature_permissions"]["feature="+f.ID+",result="+result] = float64(n)
		}
	}
	for i, op := range s.Stats.Operations {
		s.Stats.Requests[op] = uint64(i)
		want["ssm_doctor_aws_requests_total"]["operation="+op] = float64(i)
		for j, why := range report.FailureReasons {
			s.Stats.Failures[Failure{op, why}] = uint64(i * j)
			want["ssm_doctor_aws_request_failures_total"]["operation="+op+",reason="+why] = float64(i * j)
		}
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(New(func() *Snapshot { return s }, Options{All: true, Features: []string{"*"}}))
	list, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]map[string]float64{}
	for _, mf := range list {
		if want[mf.GetName()] == nil {
			continue
		}
		got[mf.GetName()] = map[string]float64{}
		for _, m := range mf.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			got[mf.GetName()][strings.Join(labels, ",")] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-report +metrics)\n%s", d)
	}
}

// Every feature that is exposed without being asked for exists.
func TestDefaultFeatures(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(New(whole, Options{}))
	n, err := testutil.GatherAndCount(reg, "ssm_doctor_feature_ready")
	if err != nil || n != len(DefaultFeatures) {
		t.Errorf("%d series for %d features: %v", n, len(DefaultFeatures), err)
	}
}

// stable leaves out what depends on the build.
func stable(s string) string {
	var out []string
	for l := range strings.Lines(s) {
		if !strings.HasPrefix(l, "ssm_doctor_build_info{") {
			out = append(out, l)
		}
	}
	return strings.Join(out, "")
}

// everything is all snapshots, whole included.
func everything() map[string]*Snapshot {
	all := snapshots()
	all["whole"] = whole()
	return all
}

func TestLint(t *testing.T) {
	t.Parallel()
	for name, s := range everything() {
		for _, o := range []Options{{}, {Lean: true}, {All: true, Features: []string{"*"}}, {Disable: []string{"node", "checks"}}} {
			reg := prometheus.NewPedanticRegistry()
			reg.MustRegister(New(func() *Snapshot { return s }, o))
			problems, err := testutil.GatherAndLint(reg)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, p := range problems {
				t.Errorf("%s: %s: %s", name, p.Metric, p.Text)
			}
		}
	}
}

func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not on PATH: not checked with it")
	}
	for name, s := range everything() {
		var b bytes.Buffer
		if err := Write(&b, s, Options{All: true}, false); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
		cmd.Stdin = &b
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// The numbers of series are a promise to fleets.
func TestSeriesBudget(t *testing.T) {
	t.Parallel()
	s := whole()
	for _, c := range []struct {
		name  string
		o     Options
		limit int
	}{
		{"default", Options{}, 180},
		{"everything", Options{All: true, Features: []string{"*"}}, 300},
		{"lean", Options{Lean: true}, 60},
	} {
		reg := prometheus.NewPedanticRegistry()
		reg.MustRegister(New(func() *Snapshot { return s }, c.o))
		n, err := testutil.GatherAndCount(reg)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d series", c.name, n)
		if n > c.limit {
			t.Errorf("%s: %d series, at most %d", c.name, n, c.limit)
		}
	}
}

// Every family can be seen, its HELP tells its age, and labels are in their lists.
func TestFamilies(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	s := whole()
	reg.MustRegister(New(func() *Snapshot { return s }, Options{All: true, Features: []string{"*"}}))
	list, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, mf := range list {
		seen[mf.GetName()] = true
		i := slices.IndexFunc(families, func(f *family) bool { return f.name == mf.GetName() })
		for _, m := range mf.GetMetric() {
			for _, l := range m.GetLabel() {
				if v := families[i].values[l.GetName()]; v != nil && !slices.Contains(v, l.GetValue()) {
					t.Errorf("%s: %s=%q is not in the list", mf.GetName(), l.GetName(), l.GetValue())
				}
				if l.GetName() == "check" && checks.Get(l.GetValue()) == nil || l.GetName() == "cause" && causes.Get(l.GetValue()) == nil {
					t.Errorf("%s: %s=%q does not exist", mf.GetName(), l.GetName(), l.GetValue())
				}
			}
		}
	}
	for _, f := range families {
		if !seen[f.name] {
			t.Errorf("%s never shows", f.name)
		}
		if f.needsFacts && !strings.Contains(f.help, "last run") {
			t.Errorf("%s: HELP does not say how old it is: %s", f.name, f.help)
		}
		if (f.needsRun || f.needsFacts || f.needsStats) && f.absent == "" && f.name != "ssm_doctor_node_state" {
			t.Errorf("%s: when is it absent?", f.name)
		}
	}
}

// A collection allocates and computes, nothing else: on a snapshot alone.
func BenchmarkCollect(b *testing.B) {
	s := whole()
	reg := prometheus.NewRegistry()
	reg.MustRegister(New(func() *Snapshot { return s }, Options{All: true}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := reg.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}

// A run is complete when it ended by itself and this program made no error in it;
// what it says of the host does not matter.
func TestCompleted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(*report.Report)
		want bool
	}{
		"as it was":      {func(*report.Report) {}, true},
		"a failed check": {func(r *report.Report) { r.Checks[0].Status = "fail" }, true},
		"a failed source": {func(r *report.Report) {
			r.Sources[0].Success, r.Sources[0].Error = false, "panic: says the host"
		}, true},
		"a summary of that form":  {func(r *report.Report) { r.Checks[0].Summary = text.Plain("this check failed: says the host") }, true},
		"a crashed check":         {func(r *report.Report) { r.Checks[0].Crashed = true }, false},
		"a source that panicked":  {func(r *report.Report) { r.Sources[0].Ending = string(facts.Panicked) }, false},
		"a source that was cut":   {func(r *report.Report) { r.Sources[0].Ending = string(facts.CutOff) }, true},
		"interrupted":             {func(r *report.Report) { r.Interrupted = true }, false},
		"the time limit was over": {func(r *report.Report) { r.TimedOut = true }, false},
	} {
		r := small()
		c.edit(r)
		if got := Completed(r); got != c.want {
			t.Errorf("%s: completed %v", name, got)
		}
	}
}
