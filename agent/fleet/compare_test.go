package fleet

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/text"
)

func hostReport(change func(*report.Report)) *report.Report {
	r := &report.Report{State: "managed", AgentVersion: "3.3.40.0", Node: report.Node{ID: one, Image: "ami-1", Subnet: "subnet-1", SecurityGroups: []string{"sg-2", "sg-1"}},
		Endpoints:   []report.Endpoint{{Service: "ssm", Route: "private", Need: "core"}, {Service: "s3", Route: "public", Need: "feature"}},
		Checks:      []report.Check{{ID: "agent-installed", Status: "pass"}, {ID: "dns", Status: "pass"}, {ID: "network-egress", Status: "pass"}, {ID: "permission-channel", Status: "pass"}, {ID: "kms", Status: "pass"}},
		Permissions: []report.Permission{{Action: "ssm:GetDocument", Verdict: "allowed-proven"}}}
	for _, s := range report.Stations {
		r.Path = append(r.Path, report.Hop{Name: s, Status: "pass"})
	}
	change(r)
	r.Normalize()
	return r
}

func TestCompare(t *testing.T) {
	t.Parallel()
	good := hostReport(func(*report.Report) {})
	set := func(r *report.Report, id, status, says string) {
		for i := range r.Checks {
			if r.Checks[i].ID == id {
				r.Checks[i].Status, r.Checks[i].Summary = status, text.New("%s", says)
			}
		}
	}
	breaks := func(r *report.Report, at string) {
		r.State = "not-managed"
		for i := range r.Path {
			if r.Path[i].Name == at {
				r.Path[i].Status = "fail"
			}
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*report.Report)
		want   []string
		follow int
	}{
		{"the same", func(*report.Report) {}, nil, 0},
		{"another host, nothing that matters", func(r *report.Report) { r.Node.ID = two; set(r, "kms", "skip", "") }, nil, 0},
		{"order of groups", func(r *report.Report) { r.Node.SecurityGroups = []string{"sg-1", "sg-2"} }, nil, 0},
		{"agent release", func(r *report.Report) { r.AgentVersion = "3.1.0.0" }, []string{"agent agent release 3.3.40.0 3.1.0.0"}, 0},
		{"broken at tcp", func(r *report.Report) {
			r.Node.Subnet = "subnet-2"
			breaks(r, "tcp")
			set(r, "network-egress", "fail", "no way out")
			set(r, "permission-channel", "unknown", "")
			r.Permissions[0].Verdict = "denied-proven"
		}, []string{"network subnet subnet-1 subnet-2", "tcp check network-egress pass:  fail: no way out"}, 2},
		{"denied", func(r *report.Report) {
			breaks(r, "permissions")
			r.Permissions[0].Verdict, r.Permissions[0].Layer = "denied-proven", "scp"
		}, []string{"permissions ssm:GetDocument allowed denied scp"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := Compare(good, hostReport(tt.change))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range c.Differ {
				got = append(got, strings.Join([]string{d.Station, d.What, d.A, d.B}, " "))
			}
			if !slices.Equal(got, tt.want) || c.Follow != tt.follow {
				t.Errorf("got %q and %d that follow, want %q and %d", got, c.Follow, tt.want, tt.follow)
			}
			var b bytes.Buffer
			if err := WriteComparison(&b, "text", c); err != nil || (len(tt.want) == 0) != strings.Contains(b.String(), "Nothing differs") {
				t.Errorf("%v\n%s", err, &b)
			}
		})
	}
}

// TestCompareRedactedRoles: the stand-ins of two hosts have two keys and say nothing.
func TestCompareRedactedRoles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		redacted bool
		node     string
		want     int
	}{{true, two, 0}, {true, one, 1}, {false, two, 1}} {
		a := hostReport(func(r *report.Report) { r.Redacted, r.Credentials.Role = tt.redacted, "role-aaaaaa" })
		b := hostReport(func(r *report.Report) {
			r.Redacted, r.Credentials.Role, r.Node.ID = tt.redacted, "role-bbbbbb", tt.node
		})
		if c, err := Compare(a, b); err != nil || len(c.Differ) != tt.want {
			t.Errorf("%+v: %+v, %v", tt, c.Differ, err)
		}
	}
}

// TestNamelessAndUnknown: reports without a node id are hosts of their own, an id that is
// expected twice is missing once, and a host that cannot be told is neither sick nor mended.
func TestNamelessAndUnknown(t *testing.T) {
	t.Parallel()
	table := NewTable()
	line := `{"schema":"ssm-doctor/report/v1","state":"managed","node":{}}` + "\n"
	if err := table.Read("all.jsonl", strings.NewReader(strings.Repeat(line, 3)), nil); err != nil {
		t.Fatal(err)
	}
	for id, state := range map[string]string{one: "unknown", two: "managed"} {
		table.Add(Host{Key: id, ID: id, State: state, Broken: -1})
	}
	gone := "i-00000000000000fff"
	s := table.Summarize(Options{Expected: []string{gone, one, gone}, Since: &Summary{List: []Line{{Node: one, State: "managed"}, {Node: two, State: "unknown"}}}})
	if s.Hosts != 5 || len(s.Missing) != 1 {
		t.Errorf("%d hosts, missing %q", s.Hosts, s.Missing)
	}
	for _, l := range s.Change.New {
		if l.Node == one {
			t.Error("unknown is newly sick")
		}
	}
	if len(s.Change.Mended) != 0 {
		t.Errorf("mended: %q", s.Change.Mended)
	}
}
