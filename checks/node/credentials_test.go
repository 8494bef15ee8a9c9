package node

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	noProfile := func(f *facts.Facts) { f.IMDS.Profile = facts.Absent[facts.Profile]("404", "imds") }
	for _, c := range []struct {
		name, kind   string
		change       change
		source, next string
		dhmc         Answer
	}{
		{"profile", "profile", nil, facts.SourceProfile, facts.SourceDHMC, No},
		{"Default Host Management", "dhmc", nil, facts.SourceDHMC, facts.SourceProfile, Yes},
		{"hybrid", "hybrid", nil, facts.SourceHybrid, "", No},
		{"task", "task", nil, facts.SourceTask, "", No},
		{"none", "profile", func(f *facts.Facts) {
			noProfile(f)
			emptyLog(f)
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}, facts.SourceNone, facts.SourceDHMC, No},
		{"metadata unread", "profile", func(f *facts.Facts) { f.IMDS.Profile = facts.Unknown[facts.Profile]("no answer", "imds") }, "", "", No},
		{"runtime and log unread, a profile attached", "profile", func(f *facts.Facts) { unreadLog(f); noRuntime(f) }, facts.SourceProfile, facts.SourceDHMC, Unknown},
		{"runtime and log unread, none attached", "dhmc", func(f *facts.Facts) { unreadLog(f); noRuntime(f) }, "", "", Unknown},
		{"the log tells where no runtime file is", "dhmc", func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
			entry(facts.SigDHMCOK, 0)(f)
		}, facts.SourceDHMC, facts.SourceProfile, Yes},
		{"vault needs root", "profile", noVault, facts.SourceProfile, facts.SourceDHMC, No},
		{"nothing known", "profile", func(f *facts.Facts) { *f = facts.Facts{} }, "", "", Unknown},
	} {
		got := hostWith(t, c.kind, c.change).Credentials
		if got.Source != c.source || got.Next != c.next || got.OnDHMC != c.dhmc {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestRuleHits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		rule        facts.FirewallRule
		addr, iface string
		want        bool
	}{
		{"all", facts.FirewallRule{}, "10.0.0.1", "", true},
		{"the address", facts.FirewallRule{To: []string{"10.0.0.1"}}, "10.0.0.1", "", true},
		{"another address", facts.FirewallRule{To: []string{"10.0.0.2"}}, "10.0.0.1", "", false},
		{"prefix", facts.FirewallRule{To: []string{"10.0.0.0/8"}}, "10.0.0.1", "", true},
		{"range", facts.FirewallRule{To: []string{"10.0.0.0-10.0.0.9"}}, "10.0.0.1", "", true},
		{"not the prefix", facts.FirewallRule{To: []string{"10.0.0.0/8"}, NotTo: true}, "10.0.0.1", "", false},
		{"the interface", facts.FirewallRule{Out: []string{"eth*"}}, "10.0.0.1", "eth0", true},
		{"another interface", facts.FirewallRule{Out: []string{"wg0"}}, "10.0.0.1", "eth0", false},
		{"interface not known", facts.FirewallRule{Out: []string{"eth0"}}, "10.0.0.1", "", false},
		{"no address", facts.FirewallRule{To: []string{"10.0.0.1"}}, "x", "", false},
	} {
		if got := RuleHits(c.rule, c.addr, c.iface); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	e := hostWith(t, "profile").Endpoints
	if len(e.Core) != 2 || len(e.Down) != 0 || e.Tried != Yes || e.Proxied != No {
		t.Errorf("%d core, %d down, tried %s, proxied %s", len(e.Core), len(e.Down), e.Tried, e.Proxied)
	}
	down := hostWith(t, "profile", func(f *facts.Facts) {
		for i := range f.Network.Endpoints.Value {
			for j := range f.Network.Endpoints.Value[i].TCP {
				f.Network.Endpoints.Value[i].TCP[j].Outcome = facts.Timeout
			}
		}
	}).Endpoints
	if len(down.Down) != 2 {
		t.Errorf("%d down", len(down.Down))
	}
	for why, change := range map[string]change{
		"offline":            func(f *facts.Facts) { f.Network, f.Offline = facts.Network{}, true },
		"not a running host": func(f *facts.Facts) { f.Network, f.Root = facts.Network{}, "/mnt" },
		"no Region is known": func(f *facts.Facts) { f.Network = facts.Network{} },
	} {
		e := hostWith(t, "profile", change).Endpoints
		if _, unread := e.All(); !unread || e.Tried != Unknown || e.Unseen().Reason() != why {
			t.Errorf("%s: tried %s, %s", why, e.Tried, e.Unseen().Reason())
		}
	}
}
