package checks

import (
	"strings"
	"testing"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// dnsPinned pins services to an address in the hosts file.
func dnsPinned(services ...string) func(*facts.Facts) {
	return netEach(func(e *facts.Endpoint) {
		e.DNS.Pinned, e.DNS.A, e.Scope = "10.99.0.4", []string{"10.99.0.4"}, "private"
		for i := range e.TCP {
			e.TCP[i].Address = "10.99.0.4"
		}
	}, services...)
}

// dnsForeign makes a certificate of another name answer.
func dnsForeign(services ...string) func(*facts.Facts) {
	return netEach(func(e *facts.Endpoint) {
		netNothing(e)
		e.TLS = facts.Known(facts.TLS{Subject: "old.corp.example", Issuer: "CN=Corp", Kind: facts.WrongName, Error: "x509: certificate is valid for old.corp.example"}, "tls")
	}, services...)
}

// dnsSearched makes the search list lead services elsewhere.
func dnsSearched(f *facts.Facts) {
	netEach(func(e *facts.Endpoint) {
		e.DNS.Searched, e.DNS.A = e.Host+".corp.example", []string{"198.18.254.9"}
		for i := range e.TCP {
			e.TCP[i].Address = "198.18.254.9"
		}
	})(f)
	f.Host.Resolver.Value.Search, f.Host.Resolver.Value.Options = []string{"corp.example"}, []string{"ndots:5"}
}

func TestDnsPin(t *testing.T) {
	t.Parallel()
	named := func(says, saw, value string) want {
		return want{status: Fail, effect: Blocks, cause: "dns-override-stale", confidence: Proven, says: says, saw: saw, value: value}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Pass, "no endpoint is pinned")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "no endpoint is pinned")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "no endpoint is pinned")},
		{name: "windows", kind: "windows", want: is(Pass, "no endpoint is pinned")},
		{name: "task", kind: "task", want: is(Unknown, "endpoints: no Region is known")},
		{name: "pins that answer", fault: dnsPinned("ssm", "logs"), want: is(Pass, "2 names pinned in the hosts file, all answer")},
		{name: "a pin into a null route of this host", fault: func(f *facts.Facts) {
			dnsPinned("ssm")(f)
			e := f.Network.Endpoint("ssm")
			netNothing(e)
			for i := range e.TCP {
				e.TCP[i].Outcome, e.TCP[i].Route = facts.NoRoute, facts.Known(facts.Route{Destination: "10.99.0.4/32", Kind: "blackhole"}, "rtnetlink")
			}
		}, want: is(Unknown, "this host's own route discards what is sent there")},
		{name: "a search list that does no harm", fault: dnsSearched, want: is(Pass, "no endpoint is pinned")},
		{name: "proxied", fault: netProxied(facts.Connect{Outcome: facts.OK}), want: is(Skip, "the proxy resolves the names")},
		{name: "a pin that the proxy passes by", fault: netAll(netProxied(facts.Connect{Outcome: facts.OK}), netEach(func(e *facts.Endpoint) { e.DNS.Pinned = "10.99.0.4" }, "ssm")), want: is(Skip, "the proxy resolves the names")},

		{name: "dead", fault: netAll(dnsPinned("ssm"), netTimeout("ssm")), want: named("the hosts file pins ssm.eu-central-1.amazonaws.com to 10.99.0.4, which does not answer on 443", "hosts file: 10.99.0.4 ssm.eu-central-1.amazonaws.com (file:/etc/hosts)", "address=10.99.0.4")},
		{name: "dead, the attempt", fault: netAll(dnsPinned("ssm"), netTimeout("ssm")), want: named("", "connect to ssm.eu-central-1.amazonaws.com:443: 10.99.0.4 timed out (connect)", "endpoint=ssm.eu-central-1.amazonaws.com")},
		{name: "dead, on Windows", kind: "windows", fault: netAll(dnsPinned("ssm"), netTimeout("ssm")), want: named("", "(file:/Windows/System32/drivers/etc/hosts)", "")},
		{name: "dead, another resolver", fault: netAll(dnsPinned("ssm"), netTimeout("ssm"), netEach(func(e *facts.Endpoint) {
			e.DNS.Views = []facts.View{{Server: "169.254.169.253", A: []string{"52.119.180.20"}, Outcome: facts.OK}}
		}, "ssm")), want: named("", "DNS ssm.eu-central-1.amazonaws.com at 169.254.169.253: [52.119.180.20] (resolver:169.254.169.253)", "")},
		{name: "another name answers", fault: netAll(dnsPinned("ssmmessages"), dnsForeign("ssmmessages")), want: named(`the hosts file pins ssmmessages.eu-central-1.amazonaws.com to 10.99.0.4, where another name ("old.corp.example") answers`, "10.99.0.4 connected", "")},
		{name: "dead, of a feature", fault: netAll(dnsPinned("logs"), netTimeout("logs")), want: want{status: Warn, effect: Breaks, cause: "dns-override-stale", confidence: Proven, says: "pins logs.eu-central-1"}},
		{name: "search list", fault: netAll(dnsSearched, netTimeout()), want: named("turns ssm.eu-central-1.amazonaws.com into ssm.eu-central-1.amazonaws.com.corp.example (198.18.254.9), where the endpoint does not answer", "resolv.conf: search corp.example; options ndots:5 (file:/etc/resolv.conf)", "address=198.18.254.9")},
		{name: "search list, another name answers", fault: netAll(dnsSearched, dnsForeign("ssm")), want: named("a wildcard in that domain catches it", "DNS ssm.eu-central-1.amazonaws.com.corp.example: 198.18.254.9", "")},

		{name: "offline", fault: netOffline, want: is(Unknown, "endpoints: offline")},
		{name: "one untried", fault: netUntried, want: is(Unknown, "endpoints: not looked at")},
		{name: "a pin untried", fault: netAll(dnsPinned("ssm"), netEach(func(e *facts.Endpoint) { e.TCP = nil }, "ssm")), want: is(Unknown, "whether it answers there was not tried")},
		{name: "partly", fault: netPartly, want: is(Unknown, "the run was interrupted")},
		{name: "dual stack", fault: netAll(netDual, dnsPinned("ssm"), netTimeout("ssm")), want: is(Unknown, "but the agent uses dual-stack endpoints")},
		{name: "as a user", fault: netAll(netUser, dnsPinned("ssm"), netTimeout("ssm")), want: is(Unknown, "run this as root")},
	}
	judge(t, DnsPin, table)
	judgeUnread(t, DnsPin, table)
}

// TestDnsPinFix: a wildcard has a remedy of its own, a pin that of the catalogue.
func TestDnsPinFix(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "profile")
	dnsSearched(f)
	netTimeout()(f)
	fix := DnsPin.Judge(node.Of(f)).Fix
	if len(fix) != 2+len(causes.Restart) || !strings.Contains(fix[1].Text, "Remove the wildcard record") || !strings.Contains(fix[0].Command, "{endpoint}.") {
		t.Errorf("%+v", fix)
	}
	f = factstest.Healthy(t, "profile")
	dnsPinned("ssm")(f)
	netTimeout("ssm")(f)
	if fd := DnsPin.Judge(node.Of(f)); fd.Fix != nil {
		t.Errorf("%+v", fd.Fix)
	}
}
