package outlook

import (
	"testing"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
)

// TestWithPolicies: a node is refused what its policies refuse, and is not promised what
// they do not allow.
func TestWithPolicies(t *testing.T) {
	t.Parallel()
	all := map[string]iam.Verdict{node.Heartbeat: iam.Allow, createChannel: iam.Allow}
	for _, c := range []struct {
		name     string
		verdicts map[string]iam.Verdict
		accepted node.Answer
		refused  string
	}{
		{"all is allowed", all, node.Yes, ""},
		{"no heartbeat", map[string]iam.Verdict{node.Heartbeat: iam.ImplicitDeny, createChannel: iam.Allow}, node.No, node.Heartbeat},
		{"a heartbeat is denied", map[string]iam.Verdict{node.Heartbeat: iam.ExplicitDeny, createChannel: iam.Allow}, node.No, node.Heartbeat},
	} {
		o, err := WithPolicies(factstest.Healthy(t, "profile"), c.verdicts)
		if err != nil {
			t.Fatal(err)
		}
		n := node.Of(o.Facts)
		if n.Acceptance.Now != c.accepted || len(o.Open) > 0 {
			t.Errorf("%s: accepted %v, open %v", c.name, n.Acceptance.Now, o.Open)
		}
		for _, r := range o.Facts.Log.Refusals.Some() {
			if r.Action != c.refused {
				t.Errorf("%s: %s is refused", c.name, r.Action)
			}
		}
	}
}

// TestGivenBack: what a change gives back rests on a recent acceptance, and on that alone.
func TestGivenBack(t *testing.T) {
	t.Parallel()
	hidden := func(f *facts.Facts) {
		for i := range f.Network.Endpoints.Value {
			e := &f.Network.Endpoints.Value[i]
			e.HTTP, e.WebSocket = facts.Unknown[facts.HTTP]("no route to host", ""), facts.Unknown[facts.HTTP]("no route to host", "")
		}
	}
	list := []causes.Change{{Kind: causes.ServiceEnabled}, {Kind: causes.ServiceStarted}}
	for _, c := range []struct {
		name     string
		change   causes.Change
		accepted bool
		promised bool
	}{
		{"a route is taken away", causes.Change{Kind: causes.RouteRemoved, On: "10.0.0.0/8"}, true, true},
		{"the same, never accepted", causes.Change{Kind: causes.RouteRemoved, On: "10.0.0.0/8"}, false, false},
		{"an endpoint that never was", causes.Change{Kind: causes.EndpointCreated, On: "ssm"}, true, false},
		{"another resolver", causes.Change{Kind: causes.ResolverSet, On: "/etc/resolv.conf", To: "10.0.0.2"}, true, false},
	} {
		f := stopped(t, "profile")
		hidden(f)
		if !c.accepted {
			f.Log.Matches = facts.Known([]facts.Match{}, "")
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("", "")
		}
		o, err := After(f, append([]causes.Change{c.change}, list...))
		if err != nil {
			t.Fatal(err)
		}
		if promised := len(o.Open) == 0; promised != c.promised || promised == o.RestsOn.IsZero() {
			t.Errorf("%s: open %v, rests on %v", c.name, o.Open, o.RestsOn)
		}
	}
}
