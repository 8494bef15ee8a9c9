package outside

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/outside/cloudtest"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
)

// crowd is a sound cloud of many instances, the same profile or one each.
func crowd(n int, oneEach bool) *cloudtest.Cloud {
	c := cloudtest.Sound()
	first := c.Instances[0]
	c.Instances, c.Nodes = nil, nil
	for i := range n {
		x := first
		x.ID = fmt.Sprintf("i-%017x", i)
		if oneEach {
			x.Profile = fmt.Sprintf("profile-%d", i)
			role := c.Roles[cloudtest.RoleName]
			role.Inline = nil
			c.Profiles[x.Profile], c.Roles[x.Profile] = []string{x.Profile}, role
		}
		c.Instances = append(c.Instances, x)
	}
	for _, i := range []int{0, n - 1} {
		c.Nodes = append(c.Nodes, cloudtest.Node{ID: fmt.Sprintf("i-%017x", i), Ping: "ConnectionLost", Last: c.Now})
	}
	return c
}

func viewOf(t *testing.T, c *cloudtest.Cloud, target Target) *View {
	t.Helper()
	target.Region = c.Region
	b, err := json.Marshal(Collect(t.Context(), c.Run, target, c.Now, "test"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return ViewOf(f)
}

// TestCutIsSaid: more instances than one run asks for. The file, the text and what is
// merged say so, and of those that were left out nothing is claimed.
func TestCutIsSaid(t *testing.T) {
	t.Parallel()
	const many = 1300
	for _, target := range []Target{{All: true}, {Tag: "env=prod"}} {
		v := viewOf(t, crowd(many, false), target)
		if len(v.instances) != MaxInstances || !slices.Contains(v.File.Cut, "ec2 describe-instances") {
			t.Errorf("%d instances, cut %q", len(v.instances), v.File.Cut)
		}
		for _, a := range v.File.Answers {
			if a.Error != "" || len(a.Output) > maxAnswer/2 {
				t.Errorf("%v: %s, %d bytes", a.Call[:2], a.Error, len(a.Output))
			}
		}
		if l := strings.Join(v.Limits(), "\n"); !strings.Contains(l, "more than the 1000 instances of one run") {
			t.Errorf("limits: %q", l)
		}
		inside := Alone(v, "i-00000000000000000", "test")
		if !slices.ContainsFunc(inside.Outside.Unknown, func(s string) bool { return strings.Contains(s, "more than the 1000 instances") }) {
			t.Errorf("unknown: %q", inside.Outside.Unknown)
		}
		left := fmt.Sprintf("i-%017x", many-1)
		r := halfOf("", "", "")
		r.Node.ID = left
		switch in := Merge(r, v); {
		case in != target.All: // the service lists it
			t.Errorf("%+v: in the file: %v", target, in)
		case in:
			if all := strings.Join(r.Outside.Unknown, "\n"); r.State != report.Unknown || r.RootCause != nil || strings.Contains(all, "not found") || !strings.Contains(all, "the instance (not asked: there are more") {
				t.Errorf("%s, %q", r.State, all)
			}
		}
	}
	if l := viewOf(t, crowd(MaxInstances, false), Target{All: true}).Limits(); len(l) != 0 {
		t.Errorf("nothing was cut: %q", l)
	}
}

// TestCallsThatWereNotMade: one run makes so many calls; what is not asked is not known.
func TestCallsThatWereNotMade(t *testing.T) {
	t.Parallel()
	c := crowd(MaxInstances, true)
	v := viewOf(t, c, Target{All: true})
	if len(v.File.Answers) != maxCalls || v.File.NotAsked == 0 {
		t.Fatalf("%d calls, %d not made", len(v.File.Answers), v.File.NotAsked)
	}
	if l := strings.Join(v.Limits(), "\n"); !strings.Contains(l, "calls were not made") {
		t.Errorf("limits: %q", l)
	}
	r := Alone(v, fmt.Sprintf("i-%017x", MaxInstances-1), "test")
	if all := strings.Join(r.Outside.Unknown, "\n"); r.RootCause != nil || !strings.Contains(all, whatRole+" (not asked: ") || !strings.Contains(all, "calls were not made") {
		t.Errorf("%+v, %q", r.RootCause, all)
	}
}

// TestControlPoliciesThatDoNotReach: of the account that manages the organization, and of
// one that is in none, a deny of an organization is no cause.
func TestControlPoliciesThatDoNotReach(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*cloudtest.Cloud)
		cause  string
		says   string
	}{
		{"a member", func(*cloudtest.Cloud) {}, "iam-explicit-deny", "6 policies read, attached on 3 levels"},
		{"the account that manages it", func(c *cloudtest.Cloud) { c.Organization.Manager = c.Account }, "", "manages its organization"},
		{"none", func(c *cloudtest.Cloud) { c.Organization = nil }, "", "in no organization"},
		{"for billing alone", func(c *cloudtest.Cloud) { c.Organization.Billing = true }, "", "consolidated billing"},
		{"not enabled", func(c *cloudtest.Cloud) { c.Organization.Off = kindsOfControl[:1] }, "", "not enabled"},
		{"neither kind enabled", func(c *cloudtest.Cloud) { c.Organization.Off = kindsOfControl }, "", "not enabled"},
		{"one level without any", func(c *cloudtest.Cloud) { c.Organization.Bare = map[string]bool{"r-abcd": true} }, "", ""},
		{"not shown", func(c *cloudtest.Cloud) { c.Organization.Outside = true }, "", ""},
	} {
		c := cloudtest.Sound()
		for _, at := range []string{c.Account, "ou-abcd-11111111", "r-abcd"} {
			c.Organization.SCP[at] = []string{"guard"}
		}
		c.Organization.Text["guard"] = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"*"}]}`
		tt.change(c)
		r := Alone(viewOf(t, c, Target{IDs: []string{cloudtest.NodeID}}), cloudtest.NodeID, "test")
		got := ""
		if r.RootCause != nil {
			got = r.RootCause.ID
		}
		says := slices.ContainsFunc(r.Outside.Looked, func(l report.Looked) bool {
			return l.What == whatSCP && strings.Contains(l.Says, tt.says)
		})
		if got != tt.cause || says != (tt.says != "") {
			t.Errorf("%s: %q, %+v, %q", tt.name, got, r.Outside.Looked, r.Outside.Unknown)
		}
	}
}

// TestResourceControl: a resource control policy takes a feature from ready to unknown,
// since whose the bucket is is not known, and it never blames the node.
func TestResourceControl(t *testing.T) {
	t.Parallel()
	c := cloudtest.Sound()
	c.Organization.RCP["r-abcd"] = []string{"data"}
	c.Organization.Text["data"] = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"ssm:*","Resource":"*"}]}`
	r := Alone(viewOf(t, c, Target{IDs: []string{cloudtest.NodeID}}), cloudtest.NodeID, "test")
	verdicts := map[string]string{}
	for _, p := range r.Permissions {
		verdicts[p.Action] = p.Verdict
	}
	says := slices.ContainsFunc(r.Outside.Looked, func(l report.Looked) bool { return strings.Contains(l.Says, "s3:PutObject") })
	if r.RootCause != nil || verdicts["s3:PutObject"] != facts.Inconclusive || verdicts["ssm:UpdateInstanceInformation"] != facts.AllowedPredicted || !says {
		t.Errorf("%+v, %q %q, %+v", r.RootCause, verdicts["s3:PutObject"], verdicts["ssm:UpdateInstanceInformation"], r.Outside.Looked)
	}
}

// TestResourceControlOff: resource control policies that are not enabled hide no denial,
// and keep nothing from being ready.
func TestResourceControlOff(t *testing.T) {
	t.Parallel()
	verdicts := func(change func(*cloudtest.Cloud)) map[string]string {
		c := cloudtest.Sound()
		c.Roles[cloudtest.RoleName] = cloudtest.Role{Trust: cloudtest.Trust("ec2.amazonaws.com"), Inline: map[string]string{"some": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ssm:*","ssmmessages:*","ec2messages:*","s3:GetObject"],"Resource":"*"}]}`}}
		change(c)
		out := map[string]string{}
		for _, p := range Alone(viewOf(t, c, Target{IDs: []string{cloudtest.NodeID}}), cloudtest.NodeID, "test").Permissions {
			out[p.Action] = p.Verdict + " by " + p.Layer
		}
		return out
	}
	on := verdicts(func(*cloudtest.Cloud) {})
	off := verdicts(func(c *cloudtest.Cloud) { c.Organization.Off = kindsOfControl })
	if on["s3:PutObject"] != "denied-predicted by identity" || !maps.Equal(on, off) {
		t.Errorf("enabled %v\nnot %v", on, off)
	}
}

// TestNetworkNotProven: what a network ACL, a route or a rule does not say is not blamed.
func TestNetworkNotProven(t *testing.T) {
	t.Parallel()
	deny := func(c *cloudtest.Cloud) { c.ACLs[0].Entries = nil }
	closed := func(c *cloudtest.Cloud, in ...cloudtest.Rule) {
		c.Groups[cloudtest.EndGroup] = cloudtest.Group{VPC: cloudtest.VPC, In: in}
	}
	for name, tt := range map[string]struct {
		change func(*cloudtest.Cloud)
		cause  string
	}{
		"an ACL that denies":                  {deny, "network-no-egress"},
		"the endpoints are in another subnet": {func(c *cloudtest.Cloud) { deny(c); c.Endpoints[0].Subnets = []string{"subnet-0fffffffffffffff1"} }, "network-no-egress"},
		"an endpoint in the same subnet":      {func(c *cloudtest.Cloud) { deny(c); c.Endpoints[0].Subnets = []string{cloudtest.Subnet} }, ""},
		"no endpoints":                        {func(c *cloudtest.Cloud) { c.Endpoints = nil }, "network-no-egress"},
		"a way out by IPv6": {func(c *cloudtest.Cloud) {
			c.Endpoints = nil
			c.Tables[0].Routes = append(c.Tables[0].Routes, cloudtest.Route{To: "::/0", Target: "eigw-0123456789abcdef0"})
		}, ""},
		"a way by IPv6 that is gone": {func(c *cloudtest.Cloud) {
			c.Endpoints = nil
			c.Tables[0].Routes = append(c.Tables[0].Routes, cloudtest.Route{To: "::/0", Target: "eigw-0123456789abcdef0", Blackhole: true})
		}, "network-no-egress"},
		"IPv6 within the VPC": {func(c *cloudtest.Cloud) {
			c.Endpoints = nil
			c.Tables[0].Routes = append(c.Tables[0].Routes, cloudtest.Route{To: "2001:db8::/56", Target: "local"})
		}, "network-no-egress"},
		"a group that lets nobody in":        {func(c *cloudtest.Cloud) { closed(c) }, "vpce-sg-blocked"},
		"a group that lets IPv6 in":          {func(c *cloudtest.Cloud) { closed(c, cloudtest.Rule{Port: 443, CIDR: "2001:db8::/56"}) }, ""},
		"a group that lets IPv6 in, not 443": {func(c *cloudtest.Cloud) { closed(c, cloudtest.Rule{Port: 22, CIDR: "::/0"}) }, "vpce-sg-blocked"},
	} {
		c := cloudtest.Sound()
		tt.change(c)
		r := Alone(viewOf(t, c, Target{IDs: []string{cloudtest.NodeID}}), cloudtest.NodeID, "test")
		got := ""
		if r.RootCause != nil {
			got = r.RootCause.ID
		}
		if got != tt.cause {
			t.Errorf("%s: %q, want %q; unknown %q", name, got, tt.cause, r.Outside.Unknown)
		}
	}
}

// TestProvenStays: what the host was told, the outside does not take back. A session
// policy is of the session alone: no call of the outside shows it.
func TestProvenStays(t *testing.T) {
	t.Parallel()
	r := halfOf("iam-missing-registration-action", "proven", "permissions")
	Merge(r, viewOf(t, cloudtest.Sound(), Target{IDs: []string{cloudtest.NodeID}}))
	if r.RootCause == nil || r.RootCause.ID != "iam-missing-registration-action" || r.RootCause.Confidence != "proven" || r.State == report.Managed {
		t.Errorf("%s, %+v", r.State, r.RootCause)
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{`1763802000.123`: "2025-11-22T09:00:00Z", `"2025-11-22T09:00:00+00:00"`: "2025-11-22T09:00:00+00:00", `null`: "not known", `""`: "not known", ``: "not known", `{}`: "not known", `-1`: "not known"} {
		if got := moment(json.RawMessage(in)); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
