package checks

import (
	"slices"
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// Faults that the checks of the network are tried with.

// netAll puts several faults together.
func netAll(faults ...func(*facts.Facts)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		for _, fault := range faults {
			fault(f)
		}
	}
}

// netEach changes the endpoints of some services; without names all of them.
func netEach(change func(*facts.Endpoint), services ...string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		for i := range f.Network.Endpoints.Value {
			if e := &f.Network.Endpoints.Value[i]; len(services) == 0 || slices.Contains(services, e.Service) {
				change(e)
			}
		}
	}
}

// netNothing takes away what comes after a connection.
func netNothing(e *facts.Endpoint) {
	e.TLS, e.HTTP, e.WebSocket = facts.Unknown[facts.TLS]("not connected", ""), facts.Unknown[facts.HTTP]("not connected", ""), facts.Unknown[facts.HTTP]("not asked", "")
}

// netEnds makes connections to services end so.
func netEnds(o facts.Outcome, err string, services ...string) func(*facts.Facts) {
	return netEach(func(e *facts.Endpoint) {
		netNothing(e)
		for i := range e.TCP {
			e.TCP[i].Outcome, e.TCP[i].Error = o, err
		}
	}, services...)
}

// netTimeout is netEnds for connections that time out.
func netTimeout(services ...string) func(*facts.Facts) {
	return netEnds(facts.Timeout, "i/o timeout", services...)
}

// netPrivate gives services the private address of a VPC endpoint.
func netPrivate(services ...string) func(*facts.Facts) {
	return netEach(func(e *facts.Endpoint) {
		e.Scope, e.DNS.A = "private", []string{"10.0.3.7"}
		for i := range e.TCP {
			e.TCP[i].Address = "10.0.3.7"
		}
	}, services...)
}

// netProxied leads services through the proxy of the service, which answers CONNECT so.
func netProxied(c facts.Connect, services ...string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		c.Used = true
		netEach(func(e *facts.Endpoint) {
			e.Proxy, e.DNS, e.TCP, e.Scope = c, facts.DNS{}, nil, ""
			if c.Outcome != facts.OK {
				netNothing(e)
			}
		}, services...)(f)
		f.Agent.ServiceProxy = facts.Known(facts.Proxy{HTTPS: "http://10.0.0.5:3128", No: "169.254.169.254", From: "process environment"}, "process environment")
	}
}

// netUser is a run by an ordinary user, beside an agent whose worker runs.
func netUser(f *facts.Facts) { f.Host.Privileged = facts.Known(false, "effective user id") }

// netDual makes the agent use dual-stack endpoints.
func netDual(f *facts.Facts) {
	f.Agent.Config = facts.Known(facts.Config{DualStack: true}, "file:"+f.Agent.ConfigPath)
	f.Agent.Running = facts.Known("3.3.3572.0", "file:/var/log/amazon/ssm/audits")
}

// netConfigUnread is a configuration of the agent that this user may not read.
func netConfigUnread(f *facts.Facts) {
	f.Agent.Config = facts.Unknown[facts.Config]("permission denied", "").Because(facts.NeedsRoot)
}

// netOffline is a run that sends no packet.
func netOffline(f *facts.Facts) {
	f.Offline = true
	f.Network.Endpoints = facts.Unknown[[]facts.Endpoint]("offline", "").Because(facts.NotAskable)
	f.Network.Proxy = facts.Unknown[facts.ProxyProbe]("offline", "").Because(facts.NotAskable)
	f.Network.ShellProxy = f.Network.Proxy
	f.Network.Skew = facts.Unknown[float64]("offline", "").Because(facts.NotAskable)
}

// netPartly is a list of endpoints of which only a part is there.
func netPartly(f *facts.Facts) {
	f.Network.Endpoints = facts.Partly(f.Network.Endpoints.Value, "the run was interrupted", "")
}

// netUntried is an endpoint of the channel that nobody tried.
func netUntried(f *facts.Facts) {
	netEach(func(e *facts.Endpoint) { netNothing(e); e.DNS, e.TCP, e.Scope = facts.DNS{}, nil, "" }, "ssmmessages")(f)
}

// netMessages is an agent that fell back to ec2messages, with heartbeats that are accepted.
func netMessages(f *facts.Facts) {
	log(f, facts.SigChannelMDS, 2*60e9, "INFO [MGSInteractor] SSM Connection channel status is set to ec2messages")
}

// TestAgentsWay: what fails for this program is not said to fail for an agent whose way
// is, or may be, another.
func TestAgentsWay(t *testing.T) {
	t.Parallel()
	found := blocks("network-no-egress", Proven, "no way out").saw("connect", "timed out", "connect")
	for _, c := range []struct {
		name          string
		fault         func(*facts.Facts)
		names, packet bool // what agentsNames and rootsPackets let stand
		says          string
		obstacle      facts.Reason
		effect        Effect // of what is left
	}{
		{name: "root", fault: func(*facts.Facts) {}, names: true, packet: true},
		{name: "user without worker", fault: netAll(netUser, neverAccepted), names: true, packet: true},
		{name: "user", fault: netUser, names: true, says: "no way out; but the agent runs as root, whose packets may pass", obstacle: facts.NeedsRoot},
		{name: "user, processes unread", fault: netAll(netUser, func(f *facts.Facts) { f.Agent.Processes = facts.Seen[facts.Processes]{} }), names: true, says: "run this as root", obstacle: facts.NeedsRoot},
		{name: "user not known", fault: func(f *facts.Facts) { f.Host.Privileged = facts.Seen[bool]{} }, names: true, says: "whether this program does is not known", effect: Blocks},
		{name: "dual stack", fault: netDual, packet: true, says: "no way out; but the agent uses dual-stack endpoints (Agent.UseDualStackEndpoint)"},
		{name: "dual stack, older agent", fault: netAll(netDual, func(f *facts.Facts) { f.Agent.Running = facts.Known("3.3.3000.0", "") }), names: true, packet: true},
		{name: "dual stack, version not known", fault: netAll(netDual, func(f *facts.Facts) {
			f.Agent.Running, f.Agent.Installed = facts.Seen[string]{}, facts.Seen[string]{}
		}), packet: true, says: "is not known", effect: Blocks},
		{name: "configuration unread", fault: netConfigUnread, packet: true, says: "whether the agent uses dual-stack endpoints, whose names were not tried, is not known", obstacle: facts.NeedsRoot, effect: Blocks},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := factstest.Healthy(t, "profile")
			c.fault(f)
			n := node.Of(f)
			eval := func(*node.Node) Finding { return found }
			for _, w := range []struct {
				name  string
				fd    Finding
				stand bool
			}{{"agentsNames", agentsNames(eval)(n), c.names}, {"rootsPackets", rootsPackets(eval)(n), c.packet}, {"asAgent", asAgent(eval)(n), c.names && c.packet}} {
				switch {
				case w.stand && (w.fd.Cause != found.Cause || w.fd.Status != Fail):
					t.Errorf("%s: %s %q: %s", w.name, w.fd.Status, w.fd.Cause, w.fd.Summary)
				case w.stand:
				case w.fd.Status != Unknown || w.fd.Cause != "" || w.fd.Effect != c.effect || len(w.fd.Evidence) != 1 || w.fd.Obstacle != c.obstacle || !strings.Contains(w.fd.Summary.String(), c.says):
					t.Errorf("%s: %+v: %s", w.name, w.fd, w.fd.Summary)
				}
			}
			for _, fd := range []Finding{pass("fine"), warns("near the limit"), unknown("not tried")} {
				if got := asAgent(func(*node.Node) Finding { return fd })(n); got.Status != fd.Status || got.Summary.String() != fd.Summary.String() {
					t.Errorf("%s became %s: %s", fd.Status, got.Status, got.Summary)
				}
			}
		})
	}
}

// TestStopsAt: without ssmmessages a node is managed that has ec2messages and is accepted.
func TestStopsAt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, service string
		fault         func(*facts.Facts)
		want          Effect
	}{
		{"accepted, commands over ec2messages", "ssmmessages", netMessages, Breaks},
		{"ssm itself", "ssm", netMessages, Ends},
		{"ssm itself, and no channel", "ssm", netAll(netMessages, func(f *facts.Facts) { f.Agent.Channel = facts.Known([]facts.Socket{}, "") }), Blocks},
		{"no fall-back", "ssmmessages", func(*facts.Facts) {}, Ends},
		{"not accepted", "ssmmessages", netAll(neverAccepted, netMessages), Blocks},
		{"log unread", "ssmmessages", netAll(netMessages, unreadLogOf), Blocks},
		{"ssm does not answer", "ssmmessages", netAll(netMessages, netEach(netNothing, "ssm")), Blocks},
	} {
		f := factstest.Healthy(t, "profile")
		c.fault(f)
		n := node.Of(f)
		fd := stopsAt(n, *n.Endpoints.Of(c.service), blocks("network-no-egress", Proven, "closed"))
		if says := strings.Contains(fd.Summary.String(), "sessions do not work"); fd.Effect != c.want || says != (c.want == Breaks) || (fd.Status == Fail) != (c.want >= Ends) {
			t.Errorf("%s: %s %v: %s", c.name, fd.Status, fd.Effect, fd.Summary)
		}
	}
}

// TestWordsOfOutcomes: how a probe ended, in words.
func TestWordsOfOutcomes(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		dnsWord(facts.DNS{Outcome: facts.NXDomain}):                                                             "says that there is no such host",
		dnsWord(facts.DNS{Outcome: facts.Timeout}):                                                              "does not answer",
		dnsWord(facts.DNS{Outcome: facts.ServFail}):                                                             "fails (SERVFAIL)",
		dnsWord(facts.DNS{Outcome: facts.Refused}):                                                              "refuses the query",
		dnsWord(facts.DNS{Outcome: facts.NoData}):                                                               "has no address for it",
		dnsWord(facts.DNS{Outcome: facts.Other, Error: "broken packet"}):                                        "fails: broken packet",
		tcpWord(facts.Attempt{Outcome: facts.OK}):                                                               "connected",
		tcpWord(facts.Attempt{Outcome: facts.Timeout, Error: "x"}):                                              "timed out",
		tcpWord(facts.Attempt{Outcome: facts.Refused, Error: "x"}):                                              "connection refused",
		tcpWord(facts.Attempt{Outcome: facts.NoRoute}):                                                          "network is unreachable",
		tcpWord(facts.Attempt{Outcome: facts.NotPermitted}):                                                     "operation not permitted",
		tcpWord(facts.Attempt{Outcome: facts.Invalid}):                                                          "invalid",
		tcpState(facts.Endpoint{}):                                                                              "no address to connect to",
		tcpState(facts.Endpoint{Proxy: facts.Connect{Used: true, Outcome: facts.Forbidden, Error: "HTTP 403"}}): "through the proxy: forbidden HTTP 403",
		tcpState(facts.Endpoint{TCP: []facts.Attempt{{Address: "192.0.2.1", Outcome: facts.Timeout}, {Address: "192.0.2.2", Outcome: facts.Refused}}}): "192.0.2.1 timed out, 192.0.2.2 connection refused",
		httpWord(facts.HTTP{Status: 503, Server: "squid"}):          "HTTP 503 from squid",
		httpWord(facts.HTTP{Status: 503}):                           "HTTP 503",
		httpWord(facts.HTTP{Outcome: facts.Reset, Error: "closed"}): "closed",
		httpWord(facts.HTTP{Outcome: facts.Reset}):                  "reset",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
