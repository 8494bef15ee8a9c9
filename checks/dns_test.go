package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

// dnsFails makes the names of services not resolve.
func dnsFails(d facts.DNS, services ...string) func(*facts.Facts) {
	return netEach(func(e *facts.Endpoint) {
		netNothing(e)
		e.DNS, e.TCP, e.Scope = d, nil, ""
	}, services...)
}

// nameSources gives the host a nsswitch.conf.
func nameSources(list ...string) func(*facts.Facts) {
	return func(f *facts.Facts) { f.Host.NameSources = facts.Known(list, "file:/etc/nsswitch.conf") }
}

func TestDns(t *testing.T) {
	t.Parallel()
	silent := facts.DNS{Server: "10.20.0.2:53", Outcome: facts.Timeout, Error: "i/o timeout"}
	named := func(says, saw, value string) want {
		return want{status: Fail, effect: Blocks, cause: "dns-resolution-failed", confidence: Proven, says: says, saw: saw, value: value}
	}
	as := func(e Effect, w want) want {
		w.effect = e
		if e < Ends {
			w.status = Warn
		}
		return w
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Pass, "2 names resolve")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "2 names resolve")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "2 names resolve")},
		{name: "windows", kind: "windows", want: is(Pass, "2 names resolve")},
		{name: "task", kind: "task", want: is(Unknown, "names of the endpoints: no Region is known")},
		{name: "IPv6 address only", fault: netEach(func(e *facts.Endpoint) { e.DNS.A, e.DNS.AAAA = nil, []string{"2600:1f14::5"} }), want: is(Pass, "2 names resolve")},
		{name: "a feature's name", fault: dnsFails(silent, "logs"), want: is(Pass, "2 names resolve")},

		{name: "silent", fault: dnsFails(silent), want: named("ssm.eu-central-1.amazonaws.com cannot be resolved: the resolver 10.20.0.2:53 does not answer", "DNS ssm.eu-central-1.amazonaws.com: i/o timeout (resolver:10.20.0.2:53)", "resolver=10.20.0.2")},
		{name: "no such host", fault: dnsFails(facts.DNS{Server: "10.0.8.53", Outcome: facts.NXDomain, Error: "no such host"}, "ssmmessages"),
			want: as(Ends, named("ssmmessages.eu-central-1.amazonaws.com cannot be resolved: the resolver 10.0.8.53 says that there is no such host; the node is still accepted", "DNS ssmmessages", "endpoint=ssmmessages.eu-central-1.amazonaws.com"))},
		{name: "no such host, on ec2messages", fault: netAll(netMessages, dnsFails(facts.DNS{Outcome: facts.NXDomain}, "ssmmessages")), want: as(Breaks, named("commands come over ec2messages, sessions do not work", "", ""))},
		{name: "no such host, not accepted", fault: netAll(neverAccepted, dnsFails(facts.DNS{Outcome: facts.NXDomain}, "ssmmessages")), want: named("says that there is no such host", "", "")},
		{name: "server of the host", fault: netAll(dnsFails(facts.DNS{Outcome: facts.ServFail}), func(f *facts.Facts) { f.Host.Resolver.Value.Servers = []string{"10.0.0.2", "10.0.0.3"} }),
			want: named("the resolver 10.0.0.2, 10.0.0.3 fails (SERVFAIL)", "(resolver:10.0.0.2, 10.0.0.3)", "resolver=10.0.0.2")},
		{name: "server not known", fault: netAll(dnsFails(facts.DNS{Outcome: facts.Refused}), func(f *facts.Facts) { f.Host.Resolver = facts.Seen[facts.Resolver]{} }), want: named("the resolver of this host refuses the query", "", "resolver=")},
		{name: "other resolvers", fault: dnsFails(facts.DNS{Server: "10.0.0.2", Outcome: facts.Timeout, Views: []facts.View{{Server: "169.254.169.253", A: []string{"10.0.3.7"}, Outcome: facts.OK, Scope: "private"}}}),
			want: named("", "DNS ssm.eu-central-1.amazonaws.com at 169.254.169.253: ok 10.0.3.7 (resolver:169.254.169.253)", "")},
		{name: "not accepted", fault: netAll(neverAccepted, dnsFails(silent)), want: named("", "", "")},

		{name: "no resolver is asked", fault: netAll(neverAccepted, nameSources("files"), dnsFails(facts.DNS{Outcome: facts.NXDomain, Error: "no such host"})), want: named("by /etc/nsswitch.conf names of hosts are looked up in files only, and no resolver is asked", "hosts in /etc/nsswitch.conf: files (file:/etc/nsswitch.conf)", "endpoint=ssm.eu-central-1.amazonaws.com")},
		{name: "no resolver is asked, nor mDNS for these", fault: netAll(neverAccepted, nameSources("files", "mdns4_minimal", "myhostname"), dnsFails(facts.DNS{Outcome: facts.NXDomain})), want: named("looked up in files, mdns4_minimal, myhostname only", "", "")},
		{name: "no resolver is asked, but one that is pinned", fault: netAll(neverAccepted, nameSources("files"), dnsFails(facts.DNS{Outcome: facts.NXDomain}, "ssm")), want: named("no resolver is asked", "", "")},
		{name: "files only, but a resolver did not answer", fault: netAll(neverAccepted, nameSources("files"), dnsFails(silent)), want: named("the resolver 10.20.0.2:53 does not answer", "", "")},
		{name: "files and DNS", fault: netAll(neverAccepted, nameSources("files", "dns"), dnsFails(facts.DNS{Outcome: facts.NXDomain})), want: named("says that there is no such host", "", "")},
		{name: "a source that counts as DNS", fault: netAll(neverAccepted, nameSources("files", "resolve"), dnsFails(facts.DNS{Outcome: facts.NXDomain})), want: named("says that there is no such host", "", "")},
		{name: "nsswitch.conf unread", fault: netAll(neverAccepted, func(f *facts.Facts) {
			f.Host.NameSources = facts.Unknown[[]string]("permission denied", "")
		}, dnsFails(facts.DNS{Outcome: facts.NXDomain})), want: named("says that there is no such host", "", "")},
		{name: "files only, and all names are pinned", fault: nameSources("files"), want: is(Pass, "2 names resolve")},

		{name: "proxied", fault: netProxied(facts.Connect{Outcome: facts.OK, Status: 200}), want: is(Skip, "the proxy resolves the names")},
		{name: "one is proxied", fault: netProxied(facts.Connect{Outcome: facts.OK, Status: 200}, "ssmmessages"), want: is(Pass, "1 names resolve")},
		{name: "one is proxied, the other fails", fault: netAll(netProxied(facts.Connect{Outcome: facts.OK}, "ssmmessages"), dnsFails(silent, "ssm")), want: named("ssm.eu-central-1", "", "")},

		{name: "offline", fault: netOffline, want: is(Unknown, "names of the endpoints: offline")},
		{name: "no Region", fault: func(f *facts.Facts) { f.Network = facts.Network{Endpoints: facts.Known([]facts.Endpoint{}, "")} }, want: is(Unknown, "no Region is known")},
		{name: "one untried", fault: netUntried, want: is(Unknown, "names of the endpoints: not looked at")},
		{name: "partly", fault: netPartly, want: is(Unknown, "the run was interrupted")},
		{name: "by address", fault: netEach(func(e *facts.Endpoint) { e.DNS = facts.DNS{} }), want: is(Unknown, "names of the endpoints")},
		{name: "dual stack", fault: netAll(netDual, dnsFails(silent)), want: is(Unknown, "but the agent uses dual-stack endpoints")},
		{name: "as a user", fault: netAll(netUser, dnsFails(silent)), want: is(Unknown, "run this as root")},
	}
	judge(t, Dns, table)
	judgeUnread(t, Dns, table)
}
