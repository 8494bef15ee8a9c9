package outlook

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

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
	with := func(changed map[string]iam.Verdict) map[string]iam.Verdict {
		out := map[string]iam.Verdict{node.Heartbeat: iam.Allow, createChannel: iam.Allow, openChannel: iam.Allow}
		maps.Copy(out, changed)
		return out
	}
	without := func(action string) map[string]iam.Verdict {
		out := with(nil)
		delete(out, action)
		return out
	}
	for _, c := range []struct {
		name     string
		fault    func(*facts.Facts)
		verdicts map[string]iam.Verdict
		accepted node.Answer
		refused  string
		open     string
	}{
		{"all is allowed", nil, with(nil), node.Yes, "", ""},
		{"no heartbeat", nil, with(map[string]iam.Verdict{node.Heartbeat: iam.ImplicitDeny}), node.No, node.Heartbeat, ""},
		{"a heartbeat is denied", nil, with(map[string]iam.Verdict{node.Heartbeat: iam.ExplicitDeny}), node.No, node.Heartbeat, ""},
		{"a heartbeat under a condition", nil, with(map[string]iam.Verdict{node.Heartbeat: iam.Unknown}), node.Unknown, "", node.Heartbeat},
		{"nothing is said of a heartbeat", nil, without(node.Heartbeat), node.Unknown, "", node.Heartbeat},
		{"a channel under a condition", nil, with(map[string]iam.Verdict{createChannel: iam.Unknown}), node.Unknown, "", createChannel},
		{"nothing is said of a channel", nil, without(createChannel), node.Unknown, "", createChannel},
		{"to open the channel, under a condition", nil, with(map[string]iam.Verdict{openChannel: iam.Unknown}), node.Unknown, "", openChannel},
		{"the channel may not be opened", nil, with(map[string]iam.Verdict{openChannel: iam.ExplicitDeny}), node.Unknown, "", openChannel},
		{"no policy allows to open the channel", nil, with(map[string]iam.Verdict{openChannel: iam.ImplicitDeny}), node.Unknown, "", openChannel},
		{"nothing is said of anything", nil, nil, node.Unknown, "", node.Heartbeat},
		{"a condition, and it was allowed before", func(f *facts.Facts) {
			f.Permissions.Actions = facts.Known([]facts.Permission{{Action: node.Heartbeat, Identity: facts.SourceProfile, Verdict: facts.AllowedProven}}, "")
		}, with(map[string]iam.Verdict{node.Heartbeat: iam.Unknown}), node.Unknown, "", node.Heartbeat},
	} {
		f := factstest.Healthy(t, "profile")
		if c.fault != nil {
			c.fault(f)
		}
		o, err := WithPolicies(f, c.verdicts)
		if err != nil {
			t.Fatal(err)
		}
		n, says := node.Of(o.Facts), fmt.Sprint(o.Open)
		if accepted := n.Acceptance.Now; c.open == "" && (accepted != c.accepted || len(o.Open) > 0) || c.open != "" && (len(o.Open) == 0 || !strings.Contains(says, c.open)) {
			t.Errorf("%s: accepted %v, open %v", c.name, accepted, o.Open)
		}
		for _, r := range o.Facts.Log.Refusals.Some() {
			if r.Action != c.refused {
				t.Errorf("%s: %s is refused", c.name, r.Action)
			}
		}
		for _, p := range o.Facts.Permissions.Actions.Some() {
			if p.Action == c.open && p.Verdict == facts.AllowedProven {
				t.Errorf("%s: %s is still proven to be allowed", c.name, p.Action)
			}
		}
	}
}

// TestPoliciesStartNothing: other policies do not start an agent.
func TestPoliciesStartNothing(t *testing.T) {
	t.Parallel()
	all := map[string]iam.Verdict{node.Heartbeat: iam.Allow, createChannel: iam.Allow, openChannel: iam.Allow}
	for name, fault := range map[string]func(*facts.Facts){
		"stopped":  func(*facts.Facts) {},
		"not read": func(f *facts.Facts) { f.Agent.Processes = facts.Unknown[facts.Processes]("timed out", "") },
	} {
		f := stopped(t, "profile")
		fault(f)
		o, err := WithPolicies(f, all)
		if err != nil {
			t.Fatal(err)
		}
		if n := node.Of(o.Facts); n.Agent.Core == node.Yes || n.Acceptance.Now == node.Yes || len(o.Open) == 0 {
			t.Errorf("%s: the agent runs %v, accepted %v, open %v", name, n.Agent.Core, n.Acceptance.Now, o.Open)
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

// TestSameRole: new credentials of a role do not lift what AWS refused that role.
func TestSameRole(t *testing.T) {
	t.Parallel()
	refused := func(action, match string, ago time.Duration) func(*facts.Facts) {
		return func(f *facts.Facts) {
			r := facts.Refusal{At: f.CollectedAt.Add(-ago), Match: match}
			r.Action, r.Layer, r.Explicit, r.Denied, r.Code = action, iam.LayerSCP, true, true, "AccessDeniedException"
			f.Log.Refusals = facts.Known([]facts.Refusal{r}, "")
		}
	}
	again, trust := causes.Change{Kind: causes.ProfileAgain, To: "P"}, causes.Change{Kind: causes.TrustSet, On: "R", To: "ec2.amazonaws.com"}
	for _, c := range []struct {
		name   string
		fault  func(*facts.Facts)
		change causes.Change
		open   string
	}{
		{"nothing was refused", nil, again, ""},
		{"a heartbeat was refused since", refused(node.Heartbeat, facts.SigHealthFailed, time.Second), again, "still refuses"},
		{"the channel was refused since", refused(createChannel, facts.SigChannelToken, time.Second), again, "still refuses"},
		{"to open it was refused since", refused(openChannel, facts.SigWebSocketFailed, time.Second), again, "still refuses"},
		{"an entry that was not understood", func(f *facts.Facts) {
			at := f.CollectedAt.Add(-time.Second)
			f.Log.Matches.Value = append(f.Log.Matches.Value, facts.Match{ID: facts.SigHealthFailed, Count: 1, First: at, Last: at, Text: "AccessDeniedException"})
		}, again, "still refuses"},
		{"refused before it was accepted", refused(node.Heartbeat, facts.SigHealthFailed, 50*time.Hour), again, ""},
		{"the trust of a role, which may be gone", nil, trust, "whether the role is still there"},
		{"the trust of a role that was refused since", refused(node.Heartbeat, facts.SigHealthFailed, time.Second), trust, "still refuses"},
	} {
		f := stopped(t, "profile")
		if c.fault != nil {
			c.fault(f)
		}
		o, err := After(f, []causes.Change{c.change, {Kind: causes.ServiceStarted}})
		if err != nil {
			t.Fatal(err)
		}
		if says := fmt.Sprint(o.Open); (c.open == "") != (len(o.Open) == 0) || !strings.Contains(says, c.open) {
			t.Errorf("%s: open %s", c.name, says)
		}
	}
}

// TestRestsOn: a promise rests on the oldest of what stands for what cannot be seen, and a
// heartbeat does not stand for the way to the message service.
func TestRestsOn(t *testing.T) {
	t.Parallel()
	opened := func(ago time.Duration) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Log.Matches.Value = slices.DeleteFunc(f.Log.Matches.Value, func(m facts.Match) bool { return m.ID == facts.SigChannelMGS || ago == 0 && m.ID == facts.SigChannelUp })
			for i := range f.Log.Matches.Value {
				if m := &f.Log.Matches.Value[i]; m.ID == facts.SigChannelUp {
					m.First, m.Last = f.CollectedAt.Add(-ago), f.CollectedAt.Add(-ago)
				}
			}
		}
	}
	hidden := func(f *facts.Facts) {
		for i := range f.Network.Endpoints.Value {
			e := &f.Network.Endpoints.Value[i]
			e.HTTP, e.WebSocket = facts.Unknown[facts.HTTP]("no route to host", ""), facts.Unknown[facts.HTTP]("no route to host", "")
		}
	}
	start := []causes.Change{{Kind: causes.ServiceStarted}}
	route := append([]causes.Change{{Kind: causes.RouteRemoved, On: "10.0.0.0/8"}}, start...)
	for _, c := range []struct {
		name    string
		faults  []func(*facts.Facts)
		changes []causes.Change
		since   time.Duration // zero: nothing is promised
	}{
		{"the channel of long ago", []func(*facts.Facts){opened(60 * time.Hour)}, start, 60 * time.Hour},
		{"the way there, of long ago", []func(*facts.Facts){opened(60 * time.Hour), hidden}, route, 60 * time.Hour},
		{"a channel that was never opened", []func(*facts.Facts){opened(0), hidden}, route, 0},
	} {
		f := stopped(t, "profile")
		for _, fault := range c.faults {
			fault(f)
		}
		o, err := After(f, c.changes)
		if err != nil {
			t.Fatal(err)
		}
		if c.since == 0 {
			if says := fmt.Sprint(o.Open); !o.RestsOn.IsZero() || !strings.Contains(says, "ssmmessages") || !strings.Contains(says, "answer") {
				t.Errorf("%s: open %s, rests on %v", c.name, says, o.RestsOn)
			}
		} else if want := f.CollectedAt.Add(-c.since); len(o.Open) > 0 || !o.RestsOn.Equal(want) {
			t.Errorf("%s: open %v, rests on %v, not %v", c.name, o.Open, o.RestsOn, want)
		}
	}
}

// TestGivesBackWhatItTook: a change that takes the fault away is not asked about.
func TestGivesBackWhatItTook(t *testing.T) {
	t.Parallel()
	start := causes.Change{Kind: causes.ServiceStarted}
	const record, dropIn = "/var/lib/amazon/ssm/runtimeconfig/identity_config.json", "/etc/systemd/system/amazon-ssm-agent.service.d/zz.conf"
	logged := func(text string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			at := f.CollectedAt.Add(-time.Second)
			f.Log.Matches.Value = append(f.Log.Matches.Value, facts.Match{ID: facts.SigHealthFailed, Count: 1, First: at, Last: at, Text: text})
		}
	}
	proxied := func(kind string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Agent.ServiceProxy = facts.Known(facts.Proxy{HTTP: "http://proxy:3128", TakesMetadata: true}, "")
			f.IMDS.ViaProxy = facts.Known(facts.Exchange{Status: 403}, "")
			f.Agent.ProxyFiles = facts.Known([]facts.ProxyFile{{Path: "/etc/default/agent", Kind: kind}}, "")
		}
	}
	noProxy := causes.Change{Kind: causes.UnitSet, On: dropIn, To: `[Service]\nEnvironment="no_proxy=169.254.169.254"`}
	for _, c := range []struct {
		name   string
		fault  func(*facts.Facts)
		change causes.Change
		open   string
	}{
		{"a damaged record", func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("not JSON", "")
		}, causes.Change{Kind: causes.FileMoved, On: record}, ""},
		{"a firewall", logged("RequestError: send request failed: dial tcp 10.0.0.1:443: connect: operation not permitted"), causes.Change{Kind: causes.FirewallRule, On: "169.254.169.254"}, ""},
		{"a file that may not be opened", logged("open x: operation not permitted"), causes.Change{Kind: causes.FirewallRule, On: "169.254.169.254"}, "is over"},
		{"metadata by the proxy", proxied(facts.ProxyDropIn), noProxy, ""},
		{"the same, where a file of variables comes last", proxied(facts.ProxyEnvironment), noProxy, "EnvironmentFile"},
		{"another program", func(f *facts.Facts) { f.Agent.Units.Value[0].Exec = "/usr/bin/other" }, causes.Change{Kind: causes.UnitSet, On: dropIn, To: `[Service]\nExecStart=\nExecStart=/usr/bin/amazon-ssm-agent`}, ""},
		{"a user that sessions run as", nil, causes.Change{Kind: causes.UserCreated, On: "ssm-user"}, "whether a session starts"},
	} {
		f := stopped(t, "profile")
		if c.fault != nil {
			c.fault(f)
		}
		o, err := After(f, []causes.Change{c.change, start})
		if err != nil {
			t.Fatal(err)
		}
		if says := fmt.Sprint(o.Open); (c.open == "") != (len(o.Open) == 0) || !strings.Contains(says, c.open) {
			t.Errorf("%s: open %s", c.name, says)
		}
		if p, ok := o.Facts.IMDS.ViaProxy.Get(); ok && c.change.Kind == causes.UnitSet {
			t.Errorf("%s: metadata requests still go to the proxy: %+v", c.name, p)
		}
		if u := o.Facts.Agent.Units.Value[0]; u.Exec == "/usr/bin/other" {
			t.Errorf("%s: the unit starts %s", c.name, u.Exec)
		}
	}
}
