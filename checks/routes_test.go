package checks

import (
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// tunnelled gives the host a tunnel wg0, to which a rule sends some addresses.
func tunnelled(f *facts.Facts) facts.Route {
	f.Host.Links.Value = append(f.Host.Links.Value, facts.Link{Name: "wg0", Kind: "wireguard", Up: true, Carrier: true, MTU: 1420})
	f.Host.Rules = facts.Known([]facts.RoutingRule{{Priority: 32764, Family: "inet", Table: 51820, Text: "not from all fwmark 0xca6c lookup 51820"}}, "rtnetlink")
	return facts.Route{Destination: "10.0.0.0/16", Interface: "wg0", Kind: "unicast", Table: 51820}
}

// ended lets all connections to core endpoints end in one way, by a route.
func ended(f *facts.Facts, way facts.Outcome, r facts.Seen[facts.Route]) {
	for i := range f.Network.Endpoints.Value {
		e := &f.Network.Endpoints.Value[i]
		for j := range e.TCP {
			e.TCP[j].Outcome, e.TCP[j].Error, e.TCP[j].Route = way, string(way), r
		}
		e.TLS, e.HTTP = facts.Unknown[facts.TLS]("not connected", ""), facts.Unknown[facts.HTTP]("not connected", "")
	}
}

// Whatever the way to an endpoint, resolver or the metadata service is, the host's own
// route is named where it does not lead out, and nobody else.
func TestOwnRoutes(t *testing.T) {
	t.Parallel()
	unanswered := func(f *facts.Facts, way facts.Outcome, says string) {
		for i := range f.Network.Endpoints.Value {
			d := &f.Network.Endpoints.Value[i].DNS
			d.A, d.AAAA, d.Outcome, d.Error = nil, nil, way, says
			f.Network.Endpoints.Value[i].TCP = nil
		}
	}
	toResolver := func(f *facts.Facts, r facts.Seen[facts.Route]) {
		f.Host.Paths = facts.Known([]facts.Path{{To: f.Host.Resolver.Value.Servers[0], Of: facts.PathResolver, Route: r}}, "")
	}
	known := func(r facts.Route) facts.Seen[facts.Route] { return facts.Known(r, "rtnetlink") }
	none := facts.Absent[facts.Route]("no route", "rtnetlink")
	blackhole := facts.Route{Destination: "default", Kind: "blackhole", Table: facts.MainTable}
	out := facts.Route{Destination: "default", Gateway: "10.0.12.1", Interface: "eth0", Kind: "unicast"}
	for name, c := range map[string]struct {
		check *Check
		fault func(*facts.Facts)
		cause string // empty: none is named
		says  string
		fix   string
	}{
		"endpoint by a tunnel": {NetworkEgress, func(f *facts.Facts) { ended(f, facts.Timeout, known(tunnelled(f))) }, "route-wrong-interface", "the tunnel wg0", "lookup main priority 32763"},
		"endpoint dropped":     {NetworkEgress, func(f *facts.Facts) { ended(f, facts.Invalid, known(blackhole)) }, "route-wrong-interface", "a blackhole route", "ip route del blackhole default"},
		"endpoint dropped by a rule": {NetworkEgress, func(f *facts.Facts) {
			to := f.Network.Endpoint("ssm").TCP[0].Address
			ended(f, facts.NotPermitted, known(facts.Route{Destination: to + "/32", Kind: "prohibit"}))
			f.Host.Rules = facts.Known([]facts.RoutingRule{{Priority: 50, Family: "inet", Text: "from all to " + to + " prohibit"}, {Priority: 32766, Family: "inet", Table: facts.MainTable, Text: "from all lookup main"}}, "rtnetlink")
		}, "route-wrong-interface", "a prohibit route", "ip rule del priority 50 to "},
		"endpoint without way": {NetworkEgress, func(f *facts.Facts) { ended(f, facts.NoRoute, none) }, "host-network-down", "no route for them", "networkctl reconfigure"},
		"endpoint, ordinary":   {NetworkEgress, func(f *facts.Facts) { ended(f, facts.Timeout, known(out)) }, "network-no-egress", "timed out", ""},
		"resolver by a tunnel": {Dns, func(f *facts.Facts) { toResolver(f, known(tunnelled(f))); unanswered(f, facts.Timeout, "i/o timeout") }, "route-wrong-interface", "the tunnel wg0", "AllowedIPs"},
		"resolver dropped": {Dns, func(f *facts.Facts) {
			toResolver(f, known(blackhole))
			unanswered(f, facts.Invalid, "invalid argument")
		}, "route-wrong-interface", "a blackhole route", "ip route del blackhole"},
		"resolver without way": {Dns, func(f *facts.Facts) { toResolver(f, none); unanswered(f, facts.NoRoute, "network is unreachable") }, "host-network-down", "no route to the resolver", ""},
		"resolver not sent to": {Dns, func(f *facts.Facts) {
			toResolver(f, known(out))
			unanswered(f, facts.NotPermitted, "operation not permitted")
		}, "host-firewall-egress", "a firewall on this host itself refuses queries to the resolver", "iptables -I OUTPUT 1 -d 10.0.0.2 -p udp --dport 53 -j ACCEPT"},
		"resolver, route unread": {Dns, func(f *facts.Facts) {
			f.Host.Paths = facts.Seen[[]facts.Path]{}
			unanswered(f, facts.NoRoute, "network is unreachable")
		}, "", "was not read", ""},
		"resolver, ordinary":   {Dns, func(f *facts.Facts) { toResolver(f, known(out)); unanswered(f, facts.Timeout, "i/o timeout") }, "dns-resolution-failed", "does not answer", ""},
		"metadata by a tunnel": {ImdsReachable, func(f *facts.Facts) { imdsSilent(f); f.Host.IMDSRoute = known(tunnelled(f)) }, "imds-route-wrong", "the tunnel wg0", "ip rule add to 169.254.169.254"},
		"metadata by lo": {ImdsReachable, func(f *facts.Facts) {
			imdsSilent(f)
			f.Host.IMDSRoute = known(facts.Route{Destination: "169.254.169.254/32", Gateway: "127.0.0.1", Interface: "lo", Kind: "unicast"})
		}, "imds-blocked-by-host", "a null route by the loopback device", "ip route del 169.254.169.254/32 via 127.0.0.1 dev lo"},
	} {
		f := factstest.Healthy(t, "profile")
		c.fault(f)
		fd := c.check.Judge(node.Of(f))
		fix := ""
		for _, s := range fd.Fix {
			fix += s.Command + "\n"
		}
		if fd.Cause != c.cause || !strings.Contains(fd.Summary.String(), c.says) || !strings.Contains(fix, c.fix) {
			t.Errorf("%s: %q: %s\n%s", name, fd.Cause, fd.Summary, fix)
		}
	}
}

// A tunnel by which something else was reached works, and is not to blame.
func TestTunnelThatWorks(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "profile")
	r := facts.Known(tunnelled(f), "rtnetlink")
	ended(f, facts.Timeout, r)
	e := f.Network.Endpoint("ec2messages")
	for i := range e.TCP {
		e.TCP[i].Outcome = facts.OK
	}
	if fd := NetworkEgress.Judge(node.Of(f)); fd.Cause == "route-wrong-interface" {
		t.Errorf("%s", fd.Summary)
	}
}

// What cannot stand in a command is not put into one.
func TestRouteCommand(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]facts.Route{
		"ip route del 10.0.0.0/16 dev wg0 table 7":      {Destination: "10.0.0.0/16", Interface: "wg0", Kind: "unicast", Table: 7},
		"ip -6 route del unreachable fd00:ec2::254/128": {Destination: "fd00:ec2::254/128", Kind: "unreachable", Interface: "lo"},
		"": {Destination: "10.0.0.0/16", Interface: "wg0;reboot", Kind: "unicast"},
		"ip route del 169.254.0.0/16 via 10.0.0.1 dev veth2c043f2": {Destination: "169.254.0.0/16", Gateway: "10.0.0.1", Interface: "veth2c043f2", Kind: "unicast", Table: facts.MainTable},
	} {
		if got, ok := routeCommand("del", r); got != want || ok != (want != "") {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestForEach: the destination is what changes from line to line, and nothing that looks
// like it.
func TestForEach(t *testing.T) {
	t.Parallel()
	const want = "ip route replace 10.0.0.1 via 10.0.0.10 dev eth0\nip route replace 10.0.0.7 via 10.0.0.10 dev eth0"
	if got := forEach("ip route replace 10.0.0.1 via 10.0.0.10 dev eth0", "10.0.0.1", []string{"10.0.0.1", "10.0.0.7"}); got != want {
		t.Errorf("%s", got)
	}
}

// TestSameWay: addresses of another family are led by other commands.
func TestSameWay(t *testing.T) {
	t.Parallel()
	r := facts.Route{Interface: "wg0", Kind: "unicast"}
	by := func(address string) facts.Endpoint {
		return facts.Endpoint{TCP: []facts.Attempt{{Address: address, Route: facts.Known(r, "")}}}
	}
	open := []facts.Endpoint{by("10.0.0.1"), by("2001:db8::1"), by("10.0.0.2")}
	if got := strings.Join(sameWay(open, r, "10.0.0.1"), " "); got != "10.0.0.1 10.0.0.2" {
		t.Error(got)
	}
}
