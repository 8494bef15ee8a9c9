package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

// dnsViewed lets other resolvers answer for all names.
func dnsViewed(views ...facts.View) func(*facts.Facts) {
	return netEach(func(e *facts.Endpoint) { e.DNS.Views = views })
}

func TestDnsPrivate(t *testing.T) {
	t.Parallel()
	private := facts.View{Server: "169.254.169.253", A: []string{"10.0.3.7"}, Outcome: facts.OK, Scope: "private"}
	public := facts.View{Server: "169.254.169.253", A: []string{"52.119.180.20"}, Outcome: facts.OK, Scope: "public"}
	named := func(says, saw, value string) want {
		return want{status: Fail, effect: Blocks, cause: "vpce-private-dns-off", confidence: Proven, says: says, saw: saw, value: value}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Pass, "can be reached at the addresses given")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "can be reached at the addresses given")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "can be reached at the addresses given")},
		{name: "windows", kind: "windows", want: is(Pass, "can be reached at the addresses given")},
		{name: "task", kind: "task", want: is(Unknown, "endpoints: no Region is known")},

		{name: "private elsewhere", fault: netAll(netTimeout(), dnsViewed(private)), want: named("the resolver 10.0.0.2 gives the public address of ssm.eu-central-1.amazonaws.com, which cannot be reached; the VPC resolver (169.254.169.253) gives a private one (10.0.3.7)",
			"DNS ssm.eu-central-1.amazonaws.com at 169.254.169.253: 10.0.3.7 (private) (resolver:169.254.169.253)", "address=10.0.3.7")},
		{name: "private elsewhere, its own answer", fault: netAll(netTimeout(), dnsViewed(private)), want: named("", "DNS ssm.eu-central-1.amazonaws.com at 10.0.0.2: 52.119.180.20 (public) (resolver:10.0.0.2)", "resolver=10.0.0.2")},
		{name: "private elsewhere, the attempt", fault: netAll(netTimeout("ssmmessages"), dnsViewed(private)), want: named("ssmmessages", "connect to ssmmessages.eu-central-1.amazonaws.com:443: 52.119.181.21 timed out", "service=ssmmessages")},
		{name: "resolver not known", fault: netAll(netTimeout(), dnsViewed(private), func(f *facts.Facts) {
			f.Host.Resolver = facts.Seen[facts.Resolver]{}
			netEach(func(e *facts.Endpoint) { e.DNS.Server = "" })(f)
		}), want: named("the resolver of this host gives", "at the host's resolver: 52.119.180.20", "")},

		{name: "public elsewhere too", fault: netAll(netTimeout(), dnsViewed(public)), want: is(Pass, "no resolver asked knows private addresses (1 asked)")},
		{name: "no such name elsewhere", fault: netAll(netTimeout(), dnsViewed(facts.View{Server: "10.0.0.3", Outcome: facts.NXDomain}, facts.View{Server: "169.254.169.253", Outcome: facts.Timeout})), want: is(Pass, "(1 asked)")},
		{name: "nobody answers elsewhere", fault: netAll(netTimeout(), dnsViewed(facts.View{Server: "169.254.169.253", Outcome: facts.Timeout})), want: is(Unknown, "no other resolver answers (1 asked)")},
		{name: "nobody asked", fault: netTimeout(), want: is(Unknown, "no resolver besides the host's own was asked")},
		{name: "nobody to ask", kind: "hybrid", fault: netTimeout(), want: is(Skip, "not an EC2 instance")},
		{name: "the VPC resolver is in use", fault: netAll(netTimeout(), func(f *facts.Facts) { f.Host.Resolver.Value.Servers = []string{"169.254.169.253"} }), want: is(Pass, "this host asks the VPC resolver itself")},
		{name: "private addresses", fault: netAll(netPrivate(), netTimeout(), dnsViewed(private)), want: is(Skip, "no endpoint has a public address that cannot be reached")},
		{name: "no addresses", fault: dnsFails(facts.DNS{Outcome: facts.Timeout, Views: []facts.View{private}}), want: is(Skip, "no endpoint has a public address that cannot be reached")},
		{name: "proxied", fault: netProxied(facts.Connect{Outcome: facts.OK}), want: is(Skip, "the proxy resolves the names")},
		{name: "proxied in vain", fault: netAll(netProxied(facts.Connect{Outcome: facts.Forbidden, Status: 403}), dnsViewed(private)), want: is(Skip, "the proxy resolves the names")},

		{name: "offline", fault: netOffline, want: is(Unknown, "endpoints: offline")},
		{name: "one untried", fault: netUntried, want: is(Unknown, "endpoints: not looked at")},
		{name: "partly", fault: netPartly, want: is(Unknown, "the run was interrupted")},
		{name: "dual stack", fault: netAll(netDual, netTimeout(), dnsViewed(private)), want: is(Unknown, "but the agent uses dual-stack endpoints")},
		{name: "as a user", fault: netAll(netUser, netTimeout(), dnsViewed(private)), want: is(Unknown, "run this as root")},
	}
	judge(t, DnsPrivate, table)
	judgeUnread(t, DnsPrivate, table)
}
