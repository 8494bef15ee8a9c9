package checks

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// egressFirewall gives this host a rule.
func egressFirewall(r facts.FirewallRule) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Host.Firewall = facts.Known(facts.Firewall{Tool: "nft", Rules: []facts.FirewallRule{r}}, "nft")
	}
}

var egressRule = facts.FirewallRule{Table: "inet filter", Chain: "output", Text: "tcp dport 443 drop", Action: "drop", HTTPS: true}

// egressNoRoute is a host whose kernel knows no way to any endpoint.
var egressNoRoute = netEnds(facts.NoRoute, "connect: network is unreachable")

func egressRoutes(four, six bool) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Host.DefaultIPv4, f.Host.DefaultIPv6 = facts.Known(four, "file:/proc/net/route"), facts.Known(six, "file:/proc/net/ipv6_route")
	}
}

// egressOther is an endpoint that answers to another interface.
func egressOther(o facts.Outcome) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Network.Others = facts.Known([]facts.InterfaceProbe{{Interface: "eth1", Source: "10.0.44.9", Address: "52.119.180.20", Outcome: o}}, "connect")
	}
}

func egressInterface(name, network string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Host.Interfaces.Value = append(f.Host.Interfaces.Value, facts.Interface{Name: name, Addresses: []string{network}})
	}
}

// egressShell is a proxy of users that works.
func egressShell(f *facts.Facts) {
	f.Agent.ShellProxy = facts.Known(facts.Proxy{HTTPS: "http://10.0.0.5:3128", From: "file:/etc/environment"}, "file:/etc/environment")
	f.Network.ShellProxy = facts.Known(facts.ProxyProbe{URL: "http://10.0.0.5:3128", Variable: "https_proxy", Host: "10.0.0.5", Port: 3128, Outcome: facts.OK, Status: 200, Of: facts.ProxyOfUsers}, "proxy:CONNECT ssm")
}

// winRule is a rule of the Windows firewall.
func winRule(r facts.FirewallRule) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Host.Firewall = facts.Known(facts.Firewall{Tool: "Windows firewall", Rules: []facts.FirewallRule{r}}, "registry")
	}
}

func TestNetworkEgress(t *testing.T) {
	t.Parallel()
	named := func(cause string, c Confidence, says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: cause, confidence: c, says: says, saw: saw}
	}
	// later is a fault of the channel alone, on a node that is accepted.
	later := func(cause, says string) want {
		return want{status: Fail, effect: Ends, cause: cause, confidence: Likely, says: says}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	const ssm, channel = "ssm.eu-central-1.amazonaws.com", "ssmmessages.eu-central-1.amazonaws.com"
	unread := func(why string) want {
		return want{status: Unknown, effect: Blocks, says: "the endpoints cannot be reached, and what on this host may be in the way was not read: " + why, saw: "connect to " + ssm + ":443 from eth0: 52.119.180.20 timed out"}
	}
	table := []row{
		{name: "profile", want: is(Pass, "2 endpoints connected")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "2 endpoints connected")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "2 endpoints connected")},
		{name: "windows", kind: "windows", want: is(Pass, "2 endpoints connected")},
		{name: "task", kind: "task", want: is(Unknown, "endpoints: no Region is known")},
		{name: "features are closed", fault: netTimeout("logs", "ec2messages"), want: is(Pass, "2 endpoints connected")},
		{name: "proxied", fault: netProxied(facts.Connect{Outcome: facts.OK, Status: 200}), want: is(Pass, "2 endpoints connected")},

		// What comes back is not AWS.
		{name: "silent after connect", fault: tlsShown(facts.TLSTimeout, "ssm"), want: want{status: Warn, effect: Breaks, cause: "network-no-egress", confidence: Likely,
			says: ssm + " accepts connections on 443, but a TLS handshake is never answered: a firewall on the way, or packets that are too large for the path (MTU)", saw: "TLS to " + ssm + ": x509: timeout (tls:" + ssm + ":443)", value: "service=ssm"}},
		{name: "silent after connect, small segments work, none was lost", fault: netAll(neverAccepted, tlsShown(facts.TLSTimeout, "ssm"), netEach(func(e *facts.Endpoint) {
			e.Stall = facts.Known(facts.Stall{Segment: 1448, PathMTU: 1500, Small: facts.OK}, "TCP_INFO")
		}, "ssm")), want: named("network-no-egress", Likely, "a TLS handshake is confirmed, and not answered in time: a firewall on the way, or packets that are too large for the path (MTU)", "the same with segments of 536 bytes")},
		{name: "silent after connect, not accepted", fault: netAll(neverAccepted, tlsShown(facts.TLSTimeout, "ssm")), want: named("network-no-egress", Likely, "is never answered", "")},
		{name: "cut off after connect", fault: netAll(neverAccepted, tlsShown(facts.TLSReset, "ssmmessages")), want: named("network-no-egress", Likely, channel+" accepts connections on 443, but a TLS handshake is cut off", "")},
		{name: "a page answers", fault: netAll(neverAccepted, netEach(func(e *facts.Endpoint) {
			e.HTTP = facts.Known(facts.HTTP{Status: 403, Server: "filter", Outcome: facts.OK}, "https:GET "+e.Host+"/")
		}, "ssm")), want: named("network-no-egress", Likely, "TLS to "+ssm+" works, but AWS does not answer there: HTTP 403 from filter", "GET https://"+ssm+"/: HTTP 403 from filter")},
		{name: "request dropped", fault: netAll(neverAccepted, netEach(func(e *facts.Endpoint) {
			e.HTTP = facts.Known(facts.HTTP{Outcome: facts.Timeout, Error: "no answer in time"}, "https:GET "+e.Host+"/")
		}, "ssm")), want: named("network-no-egress", Likely, "does not answer there: no answer in time", "")},
		{name: "certificate of another", fault: tlsShown(facts.UnknownAuthority, "ssm"), want: is(Pass, "2 endpoints connected")},

		// This host.
		{name: "no local port", fault: netEnds(facts.NoLocalAddress, "connect: cannot assign requested address"), want: named("network-no-egress", Proven, "no local port or address left to connect to "+ssm+" from (connect: cannot assign requested address)", "")},
		{name: "not permitted", fault: netEnds(facts.NotPermitted, "connect: operation not permitted"), want: named("host-firewall-egress", Proven, "a firewall on this host itself refuses connections to "+ssm+" on 443 (connect: operation not permitted)", "connect to "+ssm+":443 from eth0: 52.119.180.20 connect: operation not permitted")},
		{name: "not permitted, by a rule", fault: netAll(netEnds(facts.NotPermitted, ""), egressFirewall(egressRule)), want: named("host-firewall-egress", Proven, "itself refuses", "nft rule in inet filter output: tcp dport 443 drop (nft)")},
		{name: "dropped by a rule", fault: netAll(netTimeout(), egressFirewall(egressRule)), want: named("host-firewall-egress", Likely, ssm+":443 cannot be reached, and a nft rule on this host drops outbound HTTPS: tcp dport 443 drop", "nft rule in inet filter output: tcp dport 443 drop (nft)")},
		{name: "rejected by a rule", fault: netAll(netEnds(facts.Refused, ""), egressFirewall(facts.FirewallRule{Text: "reject", Action: "reject", HTTPS: true})), want: named("host-firewall-egress", Likely, "rejects outbound HTTPS", "")},
		{name: "dropped by a rule, rules read in part", fault: netAll(netTimeout(), func(f *facts.Facts) {
			f.Host.Firewall = facts.Partly(facts.Firewall{Tool: "nft", Rules: []facts.FirewallRule{egressRule}}, "iptables-save: exit status 1", "nft")
		}), want: named("host-firewall-egress", Likely, "", "tcp dport 443 drop")},
		{name: "a rule for other addresses", fault: netAll(netTimeout(), egressFirewall(facts.FirewallRule{Text: "x", HTTPS: true, To: []string{"203.0.113.0/24"}})), want: named("network-no-egress", Proven, "", "")},
		{name: "a rule for another interface", fault: netAll(netTimeout(), egressFirewall(facts.FirewallRule{Text: "x", HTTPS: true, Out: []string{"tun+"}})), want: named("network-no-egress", Proven, "", "")},
		{name: "a rule for other packets", fault: netAll(netTimeout(), egressFirewall(facts.FirewallRule{Text: "x", IMDS: true})), want: named("network-no-egress", Proven, "", "")},
		{name: "IPv6 only", fault: netAll(egressNoRoute, egressRoutes(false, true)), want: named("ipv6-no-endpoint", Proven, "this host has only IPv6, and "+ssm+" has no address it can reach over IPv6 (52.119.180.20: connect: network is unreachable)", "default route: IPv6 only (file:/proc/net/ipv6_route)")},
		{name: "other interface", fault: netAll(netTimeout(), egressOther(facts.OK)), want: want{status: Fail, effect: Blocks, cause: "route-wrong-interface", confidence: Proven,
			says: ssm + " cannot be reached by the interface eth0 that routing chooses, but can be by eth1 (10.0.44.9)", saw: "connect to 52.119.180.20:443 from eth1: connected", value: "interface=eth1"}},
		{name: "other interface in vain", fault: netAll(netTimeout(), egressOther(facts.Timeout)), want: named("network-no-egress", Proven, "", "")},
		{name: "tunnel takes the network", fault: netAll(netPrivate(), netEach(func(e *facts.Endpoint) { e.TCP[0].Interface = "wt0" }), netTimeout(), egressInterface("eth1", "10.0.3.1/24")), want: want{status: Fail, effect: Blocks, cause: "route-wrong-interface", confidence: Likely,
			says: ssm + " (10.0.3.7) lies in the network of interface eth1, but traffic leaves by wt0", value: "interface=eth1"}},

		// Outside.
		{name: "no VPC endpoint for the channel", fault: netAll(netPrivate("ssm"), netTimeout("ssmmessages")), want: want{status: Fail, effect: Ends, cause: "vpce-service-missing", confidence: Proven,
			says: "there is no VPC endpoint for ssmmessages: its name resolves to the public address 52.119.181.21, which timed out, while ssm is reached over a VPC endpoint", saw: "connect to " + ssm + ":443: connected", value: "service=ssmmessages"}},
		{name: "no VPC endpoint, commands by ec2messages", fault: netAll(netMessages, netPrivate("ssm"), netTimeout("ssmmessages")), want: want{status: Warn, effect: Breaks, cause: "vpce-service-missing", says: "commands come over ec2messages, sessions do not work"}},
		{name: "one name is let through", fault: netTimeout("ssmmessages"), want: later("network-no-egress", channel+":443 cannot be reached (52.119.181.21 timed out) although "+ssm+" can: a firewall on the way lets only some names through")},
		{name: "no route", fault: netAll(egressNoRoute, egressRoutes(true, false)), want: named("network-no-egress", Proven, ssm+" (52.119.180.20) cannot be reached on port 443: connect: network is unreachable; this host has no route to it", "")},
		{name: "no route at all", fault: netAll(egressNoRoute, egressRoutes(false, false)), want: named("network-no-egress", Proven, "this host has no route to it", "")},
		{name: "VPC endpoint is closed", fault: netAll(netPrivate(), netTimeout()), want: want{status: Fail, effect: Blocks, cause: "vpce-sg-blocked", confidence: Likely,
			says: ssm + " resolves to the private address 10.0.3.7 of a VPC endpoint, but port 443 is not let in (timed out): its security group most likely lacks inbound 443", saw: "connect to " + channel + ":443 from eth0: 10.0.3.7 timed out", value: "address=10.0.3.7"}},
		{name: "VPC endpoint refuses", fault: netAll(netPrivate(), netEnds(facts.Refused, "")), want: named("vpce-sg-blocked", Likely, "resolves to the private address 10.0.3.7, which refuses connections on 443", "")},
		{name: "VPC endpoint of the channel is closed", fault: netAll(netPrivate("ssmmessages"), netTimeout("ssmmessages")), want: later("vpce-sg-blocked", channel)},
		{name: "no way out", fault: netTimeout(), want: named("network-no-egress", Proven, ssm+" (52.119.180.20) and the other Systems Manager endpoints cannot be reached on port 443: timed out; this host has no way out to them", "connect to "+channel+":443 from eth0: 52.119.181.21 timed out (connect)")},
		{name: "forbidden by a rule of Windows", kind: "windows", fault: netAll(netEnds(facts.NotPermitted, "forbidden"), winRule(facts.FirewallRule{Chain: "{1AB}", Text: "Block HTTPS", Action: "block", HTTPS: true})),
			want: named("host-firewall-egress", Proven, "Block HTTPS", "rule of the Windows firewall: {1AB} Block HTTPS (registry)")},
		{name: "a rule of Windows that lets only the agent out", kind: "windows", fault: netAll(netEnds(facts.NotPermitted, "forbidden"), func(f *facts.Facts) {
			f.Host.Firewall = facts.Known(facts.Firewall{Tool: "Windows firewall", ForAgent: []facts.FirewallRule{{Text: "SSM out", Action: "allow", HTTPS: true, Program: "ssm-agent-worker.exe"}}}, "registry")
		}), want: is(Unknown, "one allows ssm-agent-worker.exe: SSM out")},
		{name: "a rule of Windows, which would have said so", kind: "windows", fault: netAll(netTimeout(), winRule(facts.FirewallRule{Chain: "{1AB}", Text: "Block HTTPS", Action: "block", HTTPS: true})),
			want: named("network-no-egress", Proven, "no way out", "")},
		{name: "a rule of Windows for the agent's program", kind: "windows", fault: netAll(winRule(facts.FirewallRule{Chain: "{1AB}", Text: "Block the agent", Action: "block", HTTPS: true, Program: "ssm-agent-worker.exe"}), func(f *facts.Facts) {
			neverAccepted(f)
			log(f, facts.SigHealthFailed, time.Minute, "Health ping failed: dial tcp: connectex: An attempt was made to access a socket in a way forbidden by its access permissions.")
		}), want: named("host-firewall-egress", Proven, "lets this program connect to "+ssm+" on 443, and not ssm-agent-worker.exe: Block the agent", "")},
		{name: "a rule of Windows for the agent's program, which is accepted", kind: "windows", fault: winRule(facts.FirewallRule{Action: "block", HTTPS: true, Program: "ssm-agent-worker.exe"}), want: is(Pass, "")},
		{name: "no way out, on Windows", kind: "windows", fault: netAll(netTimeout(), func(f *facts.Facts) {
			f.Host.Firewall = facts.Unknown[facts.Firewall]("not available on this operating system", "").Because(facts.NotAskable)
		}), want: named("network-no-egress", Proven, "no way out", "")},
		{name: "a proxy of users, and none of the service", fault: netAll(netTimeout(), egressShell), want: named("network-no-egress", Proven, "no way out", "")},

		// What was not read.
		{name: "a proxy of users, service unread", fault: netAll(netTimeout(), egressShell, func(f *facts.Facts) {
			f.Agent.ServiceProxy = facts.Unknown[facts.Proxy]("permission denied", "").Because(facts.NeedsRoot)
		}), want: is(Unknown, ssm+" cannot be reached directly (timed out); a proxy works for users (http://10.0.0.5:3128), and whether the agent's service has it is not known")},
		{name: "firewall needs root", fault: netAll(neverAccepted, netTimeout(), netUser, func(f *facts.Facts) {
			f.Host.Firewall = facts.Unknown[facts.Firewall]("listing rules needs root", "").Because(facts.NeedsRoot)
		}), want: unread("listing rules needs root")},
		{name: "rules read in part", fault: netAll(netTimeout(), func(f *facts.Facts) {
			f.Host.Firewall = facts.Partly(facts.Firewall{Tool: "nft"}, "iptables-save: exit status 1", "nft")
		}), want: unread("iptables-save: exit status 1")},
		{name: "interfaces unread", fault: netAll(netTimeout(), func(f *facts.Facts) { f.Host.Interfaces = facts.Unknown[[]facts.Interface]("netlink: no buffer", "") }), want: unread("netlink: no buffer")},
		{name: "routes unread", fault: netAll(egressNoRoute, func(f *facts.Facts) { f.Host.DefaultIPv4 = facts.Unknown[bool]("route: no buffer", "") }), want: want{status: Unknown, effect: Blocks, says: "was not read: route: no buffer"}},
		{name: "IPv6 routes unread", fault: netAll(egressNoRoute, egressRoutes(false, false), func(f *facts.Facts) { f.Host.DefaultIPv6 = facts.Unknown[bool]("route6: no buffer", "") }), want: want{status: Unknown, effect: Blocks, says: "was not read: route6: no buffer"}},
		{name: "names do not resolve", fault: dnsFails(facts.DNS{Outcome: facts.Timeout}), want: is(Unknown, "no connection was attempted: the names do not resolve")},
		{name: "proxy refuses", fault: netProxied(facts.Connect{Outcome: facts.Forbidden, Error: "HTTP 403", Status: 403}), want: is(Unknown, ssm+" is not connected through the proxy: forbidden HTTP 403")},
		{name: "a proxy of users, not tried", fault: netAll(netTimeout(), egressShell, func(f *facts.Facts) {
			f.Agent.ShellProxy = facts.Known(facts.Proxy{HTTPS: "http://10.0.0.5:3128"}, "file:/etc/profile.d/proxy.sh")
			f.Network.ShellProxy = facts.Unknown[facts.ProxyProbe]("the run was interrupted", "")
		}), want: want{status: Unknown, effect: Blocks, says: "the proxy of users: the run was interrupted"}},
		{name: "a proxy of users or none", fault: netAll(netTimeout(), func(f *facts.Facts) {
			f.Agent.ShellProxy = facts.Unknown[facts.Proxy]("/etc/profile.d: input/output error", "")
		}), want: want{status: Unknown, effect: Blocks, says: "whether users have a proxy was not read"}},
		{name: "no way out, the service's proxy unread", kind: "windows", fault: netAll(netTimeout(), func(f *facts.Facts) {
			f.Agent.ServiceProxy = facts.Unknown[facts.Proxy]("Access is denied.", "")
		}), want: want{status: Unknown, effect: Blocks, says: "whether the agent's service has a proxy was not read"}},
		{name: "offline", fault: netOffline, want: is(Unknown, "endpoints: offline")},
		{name: "one untried", fault: netUntried, want: is(Unknown, "endpoints: not looked at")},
		{name: "partly", fault: netPartly, want: is(Unknown, "the run was interrupted")},
		{name: "dual stack", fault: netAll(netDual, netTimeout()), want: is(Unknown, "but the agent uses dual-stack endpoints")},
		{name: "as a user", fault: netAll(netUser, netTimeout()), want: is(Unknown, "run this as root")},
	}
	judge(t, NetworkEgress, table)
	judgeUnread(t, NetworkEgress, table)
}

// TestNetworkEgressObstacle: where root would see more, the report can say so.
func TestNetworkEgressObstacle(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "profile")
	netTimeout()(f)
	f.Host.Firewall = facts.Unknown[facts.Firewall]("listing rules needs root", "").Because(facts.NeedsRoot)
	if fd := NetworkEgress.Judge(node.Of(f)); fd.Obstacle != facts.NeedsRoot {
		t.Errorf("%q: %s", fd.Obstacle, fd.Summary)
	}
}

// TestNetworkEgressPorts: a host without local ports is told of them and of nothing outside.
func TestNetworkEgressPorts(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "profile")
	netEnds(facts.NoLocalAddress, "")(f)
	for _, goos := range []string{"linux", "darwin", "windows"} {
		steps := 0
		for _, s := range NetworkEgress.Judge(node.Of(f)).Fix {
			if s.GOOS == "" || strings.Contains(s.GOOS, goos) {
				steps++
			}
			if s.Where != "this-host" {
				t.Errorf("%+v", s)
			}
		}
		if steps < 2 {
			t.Errorf("%s: %d steps", goos, steps)
		}
	}
}
