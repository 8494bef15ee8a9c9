package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/facts"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// plant is a fault in a generated fleet: every host that has the trait is sick, but for
// some that happen to be well.
type plant struct {
	cause string
	at    Dimension // the trait, if it is a circumstance
	value string
	group string // else a security group
}

// generated is one host of a fleet: circumstances that depend on each other as in
// accounts of the world, so that each explains a part of the others.
func generated(r *rand.Rand, i int) Host {
	account := r.IntN(3)
	region := r.IntN(2)
	vpc := account*8 + region*4 + r.IntN(4)
	h := Host{Key: fmt.Sprintf("i-%017x", i), ID: fmt.Sprintf("i-%017x", i), Kind: "ec2", State: report.Managed, Confidence: "proven", Broken: -1, At: start.Add(time.Duration(i) * time.Millisecond)}
	h.Of = [dimensions]string{Account: fmt.Sprintf("%012d", account+1), Region: []string{"eu-central-1", "us-east-1"}[region], VPC: fmt.Sprintf("vpc-%d", vpc), Subnet: fmt.Sprintf("subnet-%d", vpc*6+r.IntN(6)),
		Image: fmt.Sprintf("ami-%d", r.IntN(20)), System: []string{"Amazon Linux 2023", "Ubuntu 24.04", "Windows Server 2022"}[r.IntN(3)], Role: fmt.Sprintf("role-%d-%d", account, r.IntN(12)),
		Agent: []string{"3.3.40.0", "3.3.987.0", "3.3.3050.0", "3.2.1705.0"}[r.IntN(4)]}
	return h
}

// withTraits adds what the reader of reports would.
func withTraits(h Host, group string) Host {
	for _, x := range []struct {
		at   checks.Station
		name string
		d    Dimension
	}{{checks.AtHost, "account", Account}, {checks.AtHost, "Region", Region}, {checks.AtHost, "image", Image}, {checks.AtHost, "system", System}, {checks.AtAgent, "agent release", Agent},
		{checks.AtNetwork, "VPC", VPC}, {checks.AtNetwork, "subnet", Subnet}, {checks.AtCredentials, "role", Role}} {
		h.Traits = append(h.Traits, Trait{int(x.at), x.name, h.Of[x.d]})
	}
	if group != "" {
		h.Traits = append(h.Traits, Trait{int(checks.AtNetwork), "security group", group})
	}
	return h
}

func sicken(h Host, cause string) Host {
	h.State, h.Cause, h.Severity, h.Broken = report.NotManaged, cause, "critical", int(checks.AtPermissions)
	return h
}

// grown is a fleet of n hosts with plants and noise.
func grown(r *rand.Rand, n int, plants []plant) *Table {
	t := NewTable()
	for i := range n {
		h, group := generated(r, i), fmt.Sprintf("sg-%d", r.IntN(40))
		h = withTraits(h, group)
		for _, p := range plants {
			hit := p.group != "" && p.group == group || p.group == "" && h.Of[p.at] == p.value
			if hit && r.IntN(100) < 97 {
				h = sicken(h, p.cause)
				break
			}
		}
		if h.Cause == "" && r.IntN(1000) < 3 {
			h = sicken(h, "disk-full")
		}
		t.Add(h)
	}
	return t
}

var plantable = []struct {
	cause string
	at    Dimension
}{{"agent-not-installed", Image}, {"vpce-service-missing", VPC}, {"network-no-egress", Subnet}, {"iam-missing-registration-action", Role}, {"agent-version-regression", Agent}}

func plants(r *rand.Rand) []plant {
	var out []plant
	for _, i := range r.Perm(len(plantable))[:3] {
		p := plant{cause: plantable[i].cause, at: plantable[i].at}
		switch p.at {
		case Image:
			p.value = fmt.Sprintf("ami-%d", r.IntN(20))
		case VPC:
			p.value = fmt.Sprintf("vpc-%d", r.IntN(24))
		case Subnet:
			p.value = fmt.Sprintf("subnet-%d", r.IntN(144))
		case Role:
			p.value = fmt.Sprintf("role-%d-%d", r.IntN(3), r.IntN(12))
		case Agent:
			p.value = "3.3.987.0"
		}
		out = append(out, p)
	}
	return out
}

// TestPlantedCauses grows fleets of 10,000 hosts with three faults each: the faults come
// first, no cluster mixes them, and what the sick share is among the first three
// differences.
func TestPlantedCauses(t *testing.T) {
	t.Parallel()
	fleets := 40
	if testing.Short() {
		fleets = 5
	}
	first, pure, told, clusters, planted := 0, 0, 0, 0, 0
	for seed := range fleets {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		list := plants(r)
		s := grown(r, 10_000, list).Summarize(Options{Now: start})
		want := map[string]plant{}
		for _, p := range list {
			want[p.cause] = p
		}
		ok := true
		for _, g := range s.Causes[:len(list)] {
			_, is := want[g.ID]
			ok = ok && is
		}
		if ok {
			first++
		}
		for _, p := range list {
			planted++
			i := slices.IndexFunc(s.Clusters, func(c Cluster) bool { return c.Cause == p.cause })
			if i < 0 {
				t.Errorf("seed %d: no cluster of %s", seed, p.cause)
				continue
			}
			c := s.Clusters[i]
			clusters++
			if c.Where[p.at.String()] == p.value || c.Shared[p.at.String()] == p.value {
				pure++
			}
			if slices.ContainsFunc(c.Differ[:min(3, len(c.Differ))], func(d Difference) bool { return d.Value == p.value && !d.Lacks }) {
				told++
			}
		}
	}
	t.Logf("first in %d of %d fleets, %d of %d clusters pure, difference told for %d of %d", first, fleets, pure, clusters, told, planted)
	if first*100 < fleets*95 {
		t.Errorf("planted causes come first in %d of %d fleets", first, fleets)
	}
	if pure*100 < clusters*95 {
		t.Errorf("%d of %d clusters hold one plant and nothing else", pure, clusters)
	}
	if told*100 < planted*90 {
		t.Errorf("the difference is among the first three for %d of %d plants", told, planted)
	}
}

// TestOddOnesOut hides a fault in a security group that few hosts of each image have.
func TestOddOnesOut(t *testing.T) {
	t.Parallel()
	right, total := 0, 20
	for seed := range total {
		r := rand.New(rand.NewPCG(uint64(seed), 9))
		p := plant{cause: "network-no-egress", group: fmt.Sprintf("sg-%d", r.IntN(40))}
		s := grown(r, 10_000, []plant{p}).Summarize(Options{Now: start})
		if len(s.Odd) > 0 && s.Odd[0].Cause == p.cause && slices.ContainsFunc(s.Odd[0].Differ[:min(3, len(s.Odd[0].Differ))], func(d Difference) bool { return d.Value == p.group }) {
			right++
		}
	}
	if right*100 < total*90 {
		t.Errorf("the group is among the first three differences in %d of %d fleets", right, total)
	}
}

// TestHealthyFleet: where nothing is wrong nothing is told.
func TestHealthyFleet(t *testing.T) {
	t.Parallel()
	table := NewTable()
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 500 {
		table.Add(withTraits(generated(r, i), ""))
	}
	s := table.Summarize(Options{Now: start})
	if len(s.Causes)+len(s.Clusters)+len(s.Odd) != 0 || s.States[report.Managed] != 500 {
		t.Errorf("got %+v, %+v, %+v", s.Causes, s.Clusters, s.Odd)
	}
}

// jsonOf is a report as check writes it, of the size of a real one.
func jsonOf(id, account, cause, state string, at time.Time) string {
	r := &report.Report{GeneratedAt: at, State: state, AgentVersion: "3.3.40.0", Node: report.Node{ID: id, Kind: "ec2", Region: "eu-central-1", Account: account, Image: "ami-0a", Subnet: "subnet-0a", VPC: "vpc-0a"}}
	if cause != "" {
		r.RootCause = &report.Cause{ID: cause, Severity: "critical", Confidence: "proven", Fix: []report.Step{{Where: "this-host"}}}
	}
	for _, c := range checks.All() {
		r.Checks = append(r.Checks, report.Check{ID: c.ID, Group: c.Group, Title: c.Title, Status: "pass", Evidence: []report.Evidence{{What: strings.Repeat("w", 60), Seen: strings.Repeat("s", 120), From: "file:/var/log/amazon/ssm/amazon-ssm-agent.log"}}})
	}
	r.Normalize()
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return string(b)
}

const (
	one = "i-0123456789abcdef0"
	two = "i-0123456789abcdef1"
)

func TestReadForms(t *testing.T) {
	t.Parallel()
	a, b := jsonOf(one, "111122223333", "disk-full", "not-managed", start), jsonOf(two, "111122223333", "", "managed", start)
	indented := func(s string) string {
		var out bytes.Buffer
		if err := json.Indent(&out, []byte(s), "", "  "); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	quoted := func(s string) string { q, _ := json.Marshal(s); return string(q) }
	for _, tt := range []struct {
		name, in string
		want     string // node state cause, by line
		unread   string // host: why
	}{
		{"lines", a + "\n" + b + "\n", one + " not-managed disk-full\n" + two + " managed \n", ""},
		{"indented", indented(a) + indented(b), one + " not-managed disk-full\n" + two + " managed \n", ""},
		{"array", "[" + indented(a) + ",\n" + indented(b) + "]", one + " not-managed disk-full\n" + two + " managed \n", ""},
		{"text around", "hello\n" + a + "\nbye\n", one + " not-managed disk-full\n", ""},
		{"a cut line between", a[:3000] + "\n" + b + "\n", two + " managed \n", one + ": cut short"},
		{"cut in a number", a[:len(a)-1] + "\n" + b + "\n", two + " managed \n", one + ": cut short"},
		{"cut at the end", b + "\n" + a[:3000], two + " managed \n", one + ": cut short"},
		{"UTF-16", "\xff\xfe" + utf16Of(b), two + " managed \n", ""},
		{"invocations", `{"CommandInvocations":[{"InstanceId":"` + two + `","CommandPlugins":[{"Output":` + quoted(b) + `}]},{"InstanceId":"` + one + `","CommandPlugins":[{"Output":` + quoted(a[:2400]+"\n---Output truncated---") + `}]}]}`, two + " managed \n", one + ": cut short"},
		{"invocation", `{"InstanceId":"` + two + `","StandardOutputContent":` + quoted(b) + `}`, two + " managed \n", ""},
		{"console", `{"InstanceId":"` + one + `","Output":` + quoted("[ 0.1] kernel\nssm-doctor: "+`{"schema":"ssm-doctor/verdict/v1","node":{"id":"`+one+`"},"state":"not-managed","root_cause":{"id":"imds-disabled"}}`+"\n[ 9.0] more") + `}`, one + " not-managed imds-disabled\n", ""},
		{"nothing", "no report here", "", "in: no report in it"},
		{"other JSON", `{"a":1}`, "", "in: neither a report nor facts"},
		{"another state", strings.Replace(b, `"state":"managed"`, `"state":"splendid"`, 1), "", "in: it names no state of a node"},
		{"an image", strings.Replace(b, `"state":"managed"`, `"profile":"image","state":"managed"`, 1), "", "in: the report judges a machine image, not a host"},
		{"a later format", strings.Replace(b, "ssm-doctor/report/v1", "ssm-doctor/report/v2", 1), "", "in: " + errOther.Error()},
		{"a member of another type", strings.Replace(b, `"clock_skew_seconds":null`, `"clock_skew_seconds":"x"`, 1), "", "in: its member clock_skew_seconds has not the form that a report gives it"},
		{"no id", strings.Replace(b, two, "", 1), "in managed \n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			table := NewTable()
			if err := table.Read("in", strings.NewReader(tt.in), nil); err != nil {
				t.Fatal(err)
			}
			s := table.Summarize(Options{Now: start})
			got, unread := "", ""
			for _, l := range s.List {
				got += l.Node + " " + l.State + " " + l.Cause + "\n"
			}
			for _, u := range s.Unread {
				name := u.Host
				if name == "" {
					name = u.Name
				}
				unread = name + ": " + u.Why
			}
			if got != tt.want || unread != tt.unread {
				t.Errorf("got\n%sunread %q, want\n%sunread %q", got, unread, tt.want, tt.unread)
			}
		})
	}
}

func utf16Of(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteByte(c)
		b.WriteByte(0)
	}
	return b.String()
}

// TestLatestCounts: whatever the order, and the same host in two inputs is one.
func TestLatestCounts(t *testing.T) {
	t.Parallel()
	older, newer := jsonOf(one, "111122223333", "disk-full", "not-managed", start), jsonOf(one, "111122223333", "", "managed", start.Add(time.Hour))
	for _, in := range []string{older + newer, newer + older} {
		table := NewTable()
		if err := table.Read("in", strings.NewReader(in), nil); err != nil {
			t.Fatal(err)
		}
		s := table.Summarize(Options{Now: start})
		if s.Hosts != 1 || s.Reports != 2 || s.States[report.Managed] != 1 {
			t.Errorf("got %d hosts, %d reports, %v", s.Hosts, s.Reports, s.States)
		}
	}
}

// TestWrongClocks: of two reports the later by AWS counts, and a clock that nobody has
// measured is told where it is seen.
func TestWrongClocks(t *testing.T) {
	t.Parallel()
	ahead := func(skew string) string {
		b := jsonOf(one, "111122223333", "", "managed", start.Add(-time.Hour).AddDate(1, 0, 0))
		return strings.Replace(b, `"clock_skew_seconds":null`, `"clock_skew_seconds":`+skew, 1)
	}
	for skew, want := range map[string]struct {
		state string
		noted bool
	}{
		"31536000": {report.NotManaged, false}, // a year
		"null":     {report.Managed, true},
		"1e300":    {report.Managed, true},
	} {
		table := NewTable()
		if err := table.Read("in", strings.NewReader(ahead(skew)+jsonOf(one, "111122223333", "disk-full", "not-managed", start)), nil); err != nil {
			t.Fatal(err)
		}
		s := table.Summarize(Options{Now: start.Add(time.Minute)})
		noted := slices.ContainsFunc(s.notes(), func(n string) bool { return strings.Contains(n, "the clock of a host, or of this one, is wrong") })
		if s.Reports != 2 || s.States[want.state] != 1 || noted != want.noted {
			t.Errorf("skew %s: %d reports, %v, noted %v", skew, s.Reports, s.States, noted)
		}
	}
}

func TestSince(t *testing.T) {
	t.Parallel()
	of := func(in ...string) *Table {
		table := NewTable()
		if err := table.Read("in", strings.NewReader(strings.Join(in, "\n")), nil); err != nil {
			t.Fatal(err)
		}
		return table
	}
	id := func(n int) string { return fmt.Sprintf("i-%017x", n) }
	host := func(n int, cause string) string {
		if cause == "" {
			return jsonOf(id(n), "111122223333", "", "managed", start)
		}
		return jsonOf(id(n), "111122223333", cause, "not-managed", start)
	}
	old := of(host(1, ""), host(2, "disk-full"), host(3, "disk-full"), host(4, "disk-full"), host(5, "disk-full")).Summarize(Options{Now: start})
	var b bytes.Buffer
	if err := Write(&b, "json", old); err != nil {
		t.Fatal(err)
	}
	before, err := ParseSummary(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	c := of(host(1, "imds-disabled"), host(2, ""), host(3, "imds-disabled"), host(4, "disk-full"), host(6, "")).Summarize(Options{Now: start, Since: before}).Change
	if len(c.New) != 1 || c.New[0].Node != id(1) || len(c.Other) != 1 || c.Other[0].Node != id(3) || !slices.Equal(c.Mended, []string{id(2)}) || !slices.Equal(c.Gone, []string{id(5)}) || !slices.Equal(c.Causes, []string{"imds-disabled"}) {
		t.Errorf("got %+v", c)
	}
	if _, err := ParseSummary([]byte(`{"schema":"other"}`)); err == nil {
		t.Error("another file was taken for a summary")
	}
}

// TestHostile: what hosts send moves no cursor, ends no line, opens no element, begins no
// formula.
func TestHostile(t *testing.T) {
	t.Parallel()
	bad := "\x1b[2J=cmd|'<script>alert(1)</script>\u202e`$(x)`\n# h\r"
	r := &report.Report{State: "not-managed", Node: report.Node{ID: "-" + bad, Account: bad, Region: bad, Image: bad, VPC: bad, Subnet: bad, OS: bad}, AgentVersion: bad, RootCause: &report.Cause{ID: "disk-full", Severity: bad, Fix: []report.Step{{Where: bad}}},
		Credentials: report.Credentials{Role: bad, Source: bad}, Endpoints: []report.Endpoint{{Service: bad, Route: bad, Need: "core"}}}
	r.Normalize()
	one, _ := json.Marshal(r)
	r.Node.ID, r.State, r.RootCause = "other", "managed", nil
	other, _ := json.Marshal(r)
	table := NewTable()
	if err := table.Read(bad, strings.NewReader(string(one)+"\n"+string(other)+"\n{"+bad), nil); err != nil {
		t.Fatal(err)
	}
	s := table.Summarize(Options{Now: start, Expected: []string{bad}, Since: &Summary{List: []Line{{Node: bad, State: bad, Cause: bad}}}})
	for _, format := range Formats {
		var b bytes.Buffer
		if err := Write(&b, format, s); err != nil {
			t.Fatal(err)
		}
		out := b.String()
		for _, x := range []string{"\x1b", "\u202e", "\r"} {
			if strings.Contains(out, x) {
				t.Errorf("%s holds %q", format, x)
			}
		}
		if format == "html" && strings.Count(out, "<script") != 1 || format == "markdown" && (strings.Contains(out, "\n# h") || strings.Contains(out, " <script")) {
			t.Errorf("%s: %s", format, out)
		}
		if format == "csv" {
			for _, line := range strings.Split(out, "\n") {
				for _, f := range strings.Split(line, ",") {
					if strings.HasPrefix(strings.Trim(f, `"`), "=") || strings.HasPrefix(strings.Trim(f, `"`), "-") {
						t.Errorf("a formula: %q", f)
					}
				}
			}
		}
	}
}

// TestBounds: neither depth nor length nor nesting costs more than they may.
func TestBounds(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]io.Reader{
		"deep":       strings.NewReader(strings.Repeat("{", 1_000_000)),
		"long":       io.LimitReader(endless("{\"a\":\"", "x"), 20<<20),
		"no newline": io.LimitReader(endless("", "x"), 20<<20),
	} {
		table := NewTable()
		if err := table.Read(name, in, nil); err != nil {
			t.Fatal(err)
		}
		if table.broken == 0 || table.reports != 0 {
			t.Errorf("%s: %d broken, %d reports", name, table.broken, table.reports)
		}
	}
}

type again struct{ head, text string }

func endless(head, text string) io.Reader { return &again{head, strings.Repeat(text, 4096)} }

func (a *again) Read(p []byte) (int, error) {
	if a.head != "" {
		n := copy(p, a.head)
		a.head = a.head[n:]
		return n, nil
	}
	return copy(p, a.text), nil
}

func FuzzDocuments(f *testing.F) {
	f.Add([]byte(jsonOf(one, "1", "disk-full", "not-managed", start)))
	f.Add([]byte(`{"CommandInvocations":[{"InstanceId":"i-0123456789abcdef0","CommandPlugins":[{"Output":"{\"schema\":\"ssm-doctor/report/v1\"}"}]}]}`))
	f.Add([]byte("\xff\xfe{\x00}\x00"))
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		table := NewTable()
		_ = table.Read("in", bytes.NewReader(b), func(*facts.Facts) *report.Report { return &report.Report{State: "unknown"} })
		s := table.Summarize(Options{Now: start})
		for _, format := range Formats {
			var out bytes.Buffer
			if err := Write(&out, format, s); err != nil {
				t.Fatal(err)
			}
			if bytes.ContainsAny(out.Bytes(), "\x1b\x00") {
				t.Fatalf("%s is not printable", format)
			}
		}
	})
}

func FuzzMembers(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"c":[1,"]"]},"d":"\""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		parts, err := members(b)
		var want map[string]json.RawMessage
		if json.Unmarshal(b, &want) != nil || err != nil {
			return
		}
		for k, v := range want {
			if strings.ContainsAny(k, "\\\"\ufffd<>&\u2028\u2029") || bytes.ContainsRune(b, '\\') {
				continue
			}
			if got := parts[k]; !bytes.Equal(got, v) {
				t.Fatalf("%q is %q, want %q", k, got, v)
			}
		}
	})
}

// fleetReader yields n reports of different hosts.
type fleetReader struct {
	template string
	n, i     int
	rest     string
}

func (f *fleetReader) Read(p []byte) (int, error) {
	if f.rest == "" {
		if f.i == f.n {
			return 0, io.EOF
		}
		f.rest = strings.Replace(strings.Replace(f.template, one, fmt.Sprintf("i-%017x", f.i), 1), "subnet-0a", fmt.Sprintf("subnet-%04d", f.i%500), 1) + "\n"
		f.i++
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func BenchmarkSummary(b *testing.B) {
	template := jsonOf(one, "111122223333", "network-no-egress", "not-managed", start)
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportMetric(float64(len(template)), "B/report")
			for b.Loop() {
				t := NewTable()
				if err := t.Read("in", &fleetReader{template: template, n: n}, nil); err != nil {
					b.Fatal(err)
				}
				if s := t.Summarize(Options{Now: start}); s.Hosts != n {
					b.Fatalf("%d hosts", s.Hosts)
				}
			}
		})
	}
}
