package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

// cutOff takes every answer away that came from outside.
func cutOff(f *facts.Facts) {
	f.IMDS = facts.IMDS{Token: facts.Known(facts.Exchange{Outcome: facts.NoRoute, Error: "connect: network is unreachable"}, "imds:PUT /latest/api/token"), Bare: facts.Known(facts.Exchange{Outcome: facts.NoRoute}, "imds:GET")}
	for i := range f.Network.Endpoints.Value {
		e := &f.Network.Endpoints.Value[i]
		e.DNS.A, e.DNS.AAAA, e.DNS.Outcome, e.DNS.Error = nil, nil, facts.NoRoute, "network is unreachable"
		e.TCP, e.TLS, e.HTTP, e.WebSocket = nil, facts.Seen[facts.TLS]{}, facts.Seen[facts.HTTP]{}, facts.Seen[facts.HTTP]{}
	}
}

// devices replaces the devices of the host, and their addresses.
func devices(f *facts.Facts, links []facts.Link, addresses map[string][]string) {
	f.Host.Links = facts.Known(links, "rtnetlink")
	list := []facts.Interface{}
	for _, l := range links {
		if l.Up {
			list = append(list, facts.Interface{Name: l.Name, Addresses: addresses[l.Name]})
		}
	}
	f.Host.Interfaces = facts.Known(list, "")
}

func noRoutes(f *facts.Facts) {
	f.Host.DefaultIPv4, f.Host.DefaultIPv6 = facts.Known(false, "file:/proc/net/route"), facts.Known(false, "file:/proc/net/ipv6_route")
	f.Host.Defaults = facts.Known([]facts.Route{}, "file:/proc/net/route")
	f.Host.IMDSRoute = facts.Absent[facts.Route]("no route", "rtnetlink:169.254.169.254")
}

var (
	linkLo   = facts.Link{Name: "lo", Up: true, Carrier: true, Loopback: true}
	linkEth0 = facts.Link{Name: "eth0", Up: true, Carrier: true, MTU: 9001}
)

func TestHostNetwork(t *testing.T) {
	t.Parallel()
	without := func(links []facts.Link, addresses map[string][]string) func(*facts.Facts) {
		return func(f *facts.Facts) { cutOff(f); noRoutes(f); devices(f, links, addresses) }
	}
	down := func(says, saw, value string) want {
		return want{status: Fail, effect: Blocks, cause: "host-network-down", confidence: Proven, says: says, saw: saw, value: value}
	}
	off, bare := linkEth0, linkEth0
	off.Up, off.Carrier, bare.Carrier = false, false, false
	docker := facts.Link{Name: "docker0", Kind: "bridge", Up: true, Carrier: true}
	wg := facts.Link{Name: "wg0", Kind: "wireguard", Up: true, Carrier: true}
	own := map[string][]string{"eth0": {"10.0.12.34/24"}}
	table := []row{
		{name: "healthy", want: want{status: Pass, says: "packets come back"}},
		{name: "address lost", fault: without([]facts.Link{linkLo, linkEth0}, nil), want: down("eth0 has no IP address", "device eth0: up, no address (rtnetlink)", "interface=eth0")},
		{name: "link-local of IPv6 alone", fault: without([]facts.Link{linkLo, linkEth0}, map[string][]string{"eth0": {"fe80::1/64"}}), want: down("eth0 has no IP address", "", "")},
		{name: "no lease", fault: without([]facts.Link{linkLo, linkEth0}, map[string][]string{"eth0": {"169.254.12.9/16"}}), want: down("only the address 169.254.12.9, which it gave itself", "", "")},
		{name: "switched off", fault: without([]facts.Link{linkLo, off}, nil), want: down("eth0 is switched off", "device eth0: down, no address", "")},
		{name: "no carrier", fault: without([]facts.Link{linkLo, bare}, nil), want: down("has no carrier", "up, no carrier, no address", "")},
		{name: "containers have one", fault: without([]facts.Link{linkLo, linkEth0, docker}, map[string][]string{"docker0": {"172.17.0.1/16"}}), want: down("eth0 has no IP address", "device docker0: up, 172.17.0.1/16, bridge", "")},
		{name: "a tunnel has one", fault: without([]facts.Link{linkLo, linkEth0, wg}, map[string][]string{"wg0": {"10.8.0.2/24"}}), want: down("eth0 has no IP address", "", "")},
		{name: "no device", fault: without([]facts.Link{linkLo, docker}, map[string][]string{"docker0": {"172.17.0.1/16"}}), want: down("no network device that leads out", "", "")},
		{name: "empty table", fault: without([]facts.Link{linkLo, linkEth0}, own), want: down("has the address 10.0.12.34, but no default route", "default route: none", "interface=eth0")},
		{name: "empty table, elsewhere", kind: "hybrid", fault: without([]facts.Link{linkLo, linkEth0}, own), want: down("no default route", "", "")},
		{name: "dead cable", fault: func(f *facts.Facts) { cutOff(f); devices(f, []facts.Link{linkLo, bare}, own) }, want: down("no carrier: nothing is at its other end", "", "")},
		{name: "silent behind the router", fault: func(f *facts.Facts) { cutOff(f) }, want: want{status: Pass, says: "and a default route"}},
		{name: "an answer, whatever the tables say", fault: noRoutes, want: want{status: Pass}},
		{name: "devices unread", fault: func(f *facts.Facts) {
			cutOff(f)
			f.Host.Interfaces = facts.Unknown[[]facts.Interface]("permission denied", "")
		}, want: want{status: Unknown, says: "network devices: permission denied"}},
		{name: "routes unread", fault: func(f *facts.Facts) {
			cutOff(f)
			f.Host.DefaultIPv4 = facts.Unknown[bool]("permission denied", "")
		}, want: want{status: Unknown, says: "default route: permission denied"}},
		{name: "an image", fault: func(f *facts.Facts) { f.Root = "/mnt/image" }, want: want{status: Unknown, says: "not a running host"}},
	}
	judge(t, HostNetwork, table)
	judgeUnread(t, HostNetwork, table)
}
