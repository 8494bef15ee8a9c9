package node

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestEndpoints(t *testing.T) {
	t.Parallel()
	each := func(change func(*facts.Endpoint), services ...string) fault {
		return func(f *facts.Facts) {
			for i := range f.Network.Endpoints.Value {
				for _, s := range services {
					if e := &f.Network.Endpoints.Value[i]; e.Service == s {
						change(e)
					}
				}
			}
		}
	}
	closed := func(e *facts.Endpoint) { e.TCP = []facts.Attempt{{Address: "10.0.1.20", Outcome: facts.Timeout}} }
	untried := func(e *facts.Endpoint) { e.TCP, e.DNS = nil, facts.DNS{} }
	unresolved := func(e *facts.Endpoint) { e.TCP, e.DNS = nil, facts.DNS{Outcome: facts.NXDomain} }
	proxied := func(outcome facts.Outcome) func(*facts.Endpoint) {
		return func(e *facts.Endpoint) { e.TCP, e.Proxy = nil, facts.Connect{Used: true, Outcome: outcome} }
	}
	for _, c := range []struct {
		name           string
		fault          fault
		core, down     int
		tried, proxied Answer
	}{
		{"healthy", nil, 2, 0, Yes, No},
		{"one closed", each(closed, "ssmmessages"), 2, 1, Yes, No},
		{"closed, but not needed", each(closed, "ec2messages", "s3"), 2, 0, Yes, No},
		{"one address of two", each(func(e *facts.Endpoint) { e.TCP = append([]facts.Attempt{{Outcome: facts.Refused}}, e.TCP...) }, "ssm"), 2, 0, Yes, No},
		{"a name that does not resolve", each(unresolved, "ssm"), 2, 1, Yes, No},
		{"one not tried", each(untried, "ssm"), 2, 0, Yes, No},
		{"none tried", each(untried, "ssm", "ssmmessages"), 2, 0, Unknown, Unknown},
		{"through a proxy", each(proxied(facts.OK), "ssm", "ssmmessages"), 2, 0, Yes, Yes},
		{"a proxy that refuses one", each(proxied(facts.Forbidden), "ssm"), 2, 1, Yes, Yes},
		{"unread", func(f *facts.Facts) { f.Network = facts.Network{} }, 0, 0, Unknown, Unknown},
	} {
		e := nodeOf(t, "profile", nonNil(c.fault)).Endpoints
		if len(e.Core) != c.core || len(e.Down) != c.down || e.Tried != c.tried || e.Proxied != c.proxied {
			t.Errorf("%s: %d core, %d down, tried %s, proxied %s", c.name, len(e.Core), len(e.Down), e.Tried, e.Proxied)
		}
	}
	e := nodeOf(t, "profile").Endpoints
	if x := e.Of("kms"); x == nil || x.Service != "kms" {
		t.Errorf("kms: %+v", x)
	}
	if e.Of("no-such-service") != nil {
		t.Error("an endpoint that was not made")
	}
	if list, unread := e.All(); len(list) != 8 || unread {
		t.Errorf("%d endpoints, unread %v", len(list), unread)
	}
}

func TestEndpointsUnseen(t *testing.T) {
	t.Parallel()
	none := func(f *facts.Facts) { f.Network.Endpoints = facts.Seen[[]facts.Endpoint]{} }
	for _, c := range []struct {
		name  string
		fault fault
		why   string
		code  facts.Reason
	}{
		{"its own reason", func(f *facts.Facts) {
			f.Network.Endpoints = facts.Unknown[[]facts.Endpoint]("the run ended", "").Because(facts.NeedsRoot)
		}, "the run ended", facts.NeedsRoot},
		{"offline", all(none, func(f *facts.Facts) { f.Offline = true }), "offline", facts.NotAskable},
		{"image", all(none, func(f *facts.Facts) { f.Root = "/mnt" }), "not a running host", facts.NotAskable},
		{"no Region", all(none, func(f *facts.Facts) { f.Network.Region = "" }), "no Region is known", ""},
		{"nobody looked", none, "not looked at", ""},
	} {
		u := nodeOf(t, "profile", c.fault).Endpoints.Unseen()
		if !u.Unknown() || u.Reason() != c.why || u.Obstacle() != c.code {
			t.Errorf("%s: %v %q %q", c.name, u.Unknown(), u.Reason(), u.Obstacle())
		}
	}
}
