package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// appliedProbe is a proxy that the service does not use, and how it fares.
func appliedProbe(of facts.ProxyOwner, o facts.Outcome) func(*facts.Facts) {
	return func(f *facts.Facts) {
		p := facts.ProxyProbe{URL: "http://10.0.0.5:3128", Variable: "https_proxy", Host: "10.0.0.5", Port: 3128, Outcome: o, Of: of}
		if of == facts.ProxyOfService {
			p.Excluded = []string{".amazonaws.com"}
		}
		f.Network.ShellProxy = facts.Known(p, "proxy:CONNECT ssm")
	}
}

// appliedUsers is a proxy of users that works.
func appliedUsers(f *facts.Facts) {
	appliedProbe(facts.ProxyOfUsers, facts.OK)(f)
	f.Agent.ShellProxy = facts.Known(facts.Proxy{HTTPS: "http://10.0.0.5:3128", From: "/etc/environment"}, "/etc/environment")
}

// appliedUnit is a proxy that works, in the files of the unit only.
func appliedUnit(f *facts.Facts) {
	appliedProbe(facts.ProxyOfUnit, facts.OK)(f)
	f.Agent.PendingProxy = facts.Known(facts.Proxy{HTTPS: "http://10.0.0.5:3128"}, "/etc/systemd/system/amazon-ssm-agent.service.d/proxy.conf")
}

// appliedService is a proxy of the service from which no_proxy takes the endpoints.
func appliedService(f *facts.Facts) {
	appliedProbe(facts.ProxyOfService, facts.OK)(f)
	f.Agent.ServiceProxy = facts.Known(facts.Proxy{HTTPS: "http://10.0.0.5:3128", No: "169.254.169.254,.amazonaws.com", From: "process environment"}, "process environment")
}

func appliedOffline(f *facts.Facts) {
	f.Network.ShellProxy = facts.Unknown[facts.ProxyProbe]("offline", "").Because(facts.NotAskable)
}

func TestProxyApplied(t *testing.T) {
	t.Parallel()
	named := func(says, saw, value string) want {
		return want{status: Fail, effect: Blocks, cause: "proxy-not-applied-to-agent", confidence: Proven, says: says, saw: saw, value: value}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	const ssm = "ssm.eu-central-1.amazonaws.com"
	users := "a proxy is set for users (http://10.0.0.5:3128) and works, but the service unit amazon-ssm-agent.service has none, and " + ssm + " cannot be reached directly"
	unread := func(what, why string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			p := facts.Unknown[facts.Proxy](why, "").Because(facts.NeedsRoot)
			switch what {
			case "service":
				f.Agent.ServiceProxy = p
			case "users":
				f.Agent.ShellProxy = p
			}
		}
	}
	table := []row{
		{name: "profile", want: is(Skip, "no proxy is set on this host")},
		{name: "dhmc", kind: "dhmc", want: is(Skip, "no proxy is set")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "no proxy is set")},
		{name: "windows", kind: "windows", want: is(Skip, "no proxy is set")},
		{name: "task", kind: "task", want: is(Skip, "no proxy is set")},
		{name: "of the service", fault: proxyEnds(facts.OK, 200, ""), want: is(Pass, "the service has its own proxy settings")},
		{name: "of users, not needed", fault: appliedUsers, want: is(Pass, "the endpoints can be reached without the proxy")},
		{name: "of users, does not work", fault: netAll(netTimeout(), appliedUsers, appliedProbe(facts.ProxyOfUsers, facts.Timeout)), want: is(Pass, "does not work either")},
		{name: "of users, which they do not use for it", fault: netAll(netTimeout(), appliedUsers, func(f *facts.Facts) {
			f.Network.ShellProxy = facts.Absent[facts.ProxyProbe]("there is no other proxy for HTTPS", "")
		}), want: is(Pass, "does not work either")},
		{name: "no_proxy for private addresses", fault: netAll(netPrivate(), netTimeout(), appliedService), want: is(Pass, "no_proxy takes the private addresses of the endpoints from the proxy")},
		{name: "no_proxy, not needed", fault: appliedService, want: is(Pass, "can be reached without the proxy")},
		{name: "the rest is proxied", fault: netAll(appliedService, netProxied(facts.Connect{Outcome: facts.Forbidden}, "ssmmessages")), want: is(Pass, "can be reached without the proxy")},

		{name: "of users", fault: netAll(netTimeout(), appliedUsers), want: named(users, "proxy of the shell: http://10.0.0.5:3128, CONNECT works (/etc/environment)", "proxy=http://10.0.0.5:3128")},
		{name: "of users, the service", fault: netAll(netTimeout(), appliedUsers), want: named("", "proxy of the service amazon-ssm-agent.service: none (process environment)", "unit=amazon-ssm-agent.service")},
		{name: "of users, the attempts", fault: netAll(netTimeout(), appliedUsers), want: named("", "connect to ssmmessages.eu-central-1.amazonaws.com:443: 52.119.181.21 timed out (connect)", "")},
		{name: "of users, no unit", fault: netAll(netTimeout(), appliedUsers, func(f *facts.Facts) { f.Agent.Units = facts.Known([]facts.Unit{}, "systemctl") }), want: named("the service unit the agent's service has none", "", "unit=")},
		{name: "of the unit", fault: netAll(netTimeout("ssm"), appliedUnit), want: named("the files of amazon-ssm-agent.service give it a proxy that works (http://10.0.0.5:3128), but the agent was started before that, and "+ssm+" cannot be reached directly: a restart applies it", "proxy in the files of amazon-ssm-agent.service: http://10.0.0.5:3128, CONNECT works (/etc/systemd/system/amazon-ssm-agent.service.d/proxy.conf)", "")},
		{name: "of the unit, the running agent", fault: netAll(netTimeout(), appliedUnit), want: named("", "proxy of the running agent: none (process environment)", "")},
		{name: "no_proxy", fault: netAll(netTimeout(), appliedService), want: named("the proxy of the service (http://10.0.0.5:3128) works, but no_proxy (.amazonaws.com) takes "+ssm+" from it, which cannot be reached directly", "no_proxy of the service amazon-ssm-agent.service: 169.254.169.254,.amazonaws.com (process environment)", "")},

		{name: "service unread", fault: netAll(netTimeout(), appliedUsers, unread("service", "permission denied")), want: is(Unknown, "environment of the service: permission denied")},
		{name: "users unread", fault: unread("users", "permission denied"), want: is(Unknown, "proxy settings of users: permission denied")},
		{name: "of the service, offline", fault: netAll(appliedService, appliedOffline), want: is(Unknown, "a proxy that the service does not use: offline")},
		{name: "of the unit, offline", fault: netAll(appliedUnit, appliedOffline), want: is(Unknown, "a proxy that the service does not use: offline")},
		{name: "of the unit, unread", fault: netAll(appliedOffline, func(f *facts.Facts) { f.Agent.PendingProxy = facts.Seen[facts.Proxy]{} }), want: is(Unknown, "offline")},
		{name: "of users, not tried", fault: netAll(netTimeout(), appliedUsers, appliedOffline), want: is(Unknown, "a proxy that the service does not use: offline")},
		{name: "none, offline", fault: netOffline, want: is(Skip, "no proxy is set on this host")},
		{name: "endpoints untried", fault: netAll(appliedUsers, netOffline, appliedUsers), want: is(Unknown, "endpoints: offline")},
		{name: "one untried", fault: netAll(appliedUsers, netUntried), want: is(Unknown, "endpoints: not looked at")},
		{name: "dual stack", fault: netAll(netDual, netTimeout(), appliedUsers), want: is(Unknown, "but the agent uses dual-stack endpoints")},
		{name: "as a user", fault: netAll(netUser, netTimeout(), appliedUsers), want: is(Unknown, "run this as root")},
	}
	judge(t, ProxyApplied, table)
	judgeUnread(t, ProxyApplied, table)
}

// TestProxyAppliedFix: where the files of the unit are right, a restart is all.
func TestProxyAppliedFix(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault func(*facts.Facts)
		own   bool
	}{"unit": {appliedUnit, true}, "users": {appliedUsers, false}, "no_proxy": {appliedService, false}} {
		f := factstest.Healthy(t, "profile")
		netTimeout()(f)
		c.fault(f)
		if fix := ProxyApplied.Judge(node.Of(f)).Fix; (len(fix) > 0) != c.own {
			t.Errorf("%s: %+v", name, fix)
		}
	}
}
