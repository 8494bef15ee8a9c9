package checks

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// HostNetwork is host-network.
var HostNetwork = register(Check{
	ID: "host-network", Group: "network", Title: "This host has an address and a route",
	Station: AtNetwork,
	Causes:  []string{"host-network-down"},
	Doc: "Network devices, their addresses and the default routes of this host. Without an address or a route nothing beyond the host can be reached, and neither resolver nor metadata service nor any firewall elsewhere is to blame for it. " +
		"Links of containers and tunnels do not count. Whether what is behind the first router works is for later checks.",
	Eval: func(n *node.Node) Finding {
		h := &n.Facts.Host
		if !n.Facts.Live() {
			return unread("network devices", facts.Unknown[bool]("not a running host", "").Because(facts.NotAskable))
		}
		address, have := usableAddress(n)
		four, known4 := h.DefaultIPv4.Get()
		six, known6 := h.DefaultIPv6.Get()
		none := known4 && known6 && !four && !six
		reached := slices.ContainsFunc(n.Endpoints.Core, func(e facts.Endpoint) bool { return e.Connected() })
		switch l, dead := deadLink(n); {
		case have && none && !reached && nothingRouted(n):
			return withDevices(n, blocks("host-network-down", Proven, "this host has the address %s, but no default route: the kernel has no way to anything outside", address)).
				fix(addressSteps(n, n.MainDevice())...)
		case h.Interfaces.Known() && !hasAddress(n) && !reached:
			return blameDevice(n, "") // whatever else is said to have come
		case packetsCome(n):
			return pass("packets come back to this host")
		case h.Interfaces.Unknown():
			return unread("network devices", h.Interfaces)
		case !have:
			return blameDevice(n, address)
		case h.DefaultIPv4.Unknown():
			return unread("default route", h.DefaultIPv4)
		case dead:
			return withDevices(n, blocks("host-network-down", Proven, "the device %s, by which everything leaves this host, has no carrier: nothing is at its other end", l.Name)).
				fix(addressSteps(n, l.Name)...)
		case none && n.Endpoints.Tried != node.Yes:
			return unreadEndpoints(n)
		case none:
			return pass("this host has the address %s, and routes to some networks", address)
		}
		return pass("this host has the address %s and a default route", address)
	},
})

// packetsCome reports whether anything outside answered in this run.
func packetsCome(n *node.Node) bool {
	if t, ok := n.Facts.IMDS.Token.Get(); ok && (t.Status != 0 || t.TCP) {
		return true
	}
	list, _ := n.Endpoints.All()
	return slices.ContainsFunc(list, func(e facts.Endpoint) bool {
		if e.Connected() || e.Proxy.Used && e.Proxy.Status != 0 {
			return true
		}
		p, ok := n.PathTo(e.DNS.Server)
		return ok && p.Of == facts.PathResolver && p.Route.Value.Kind != "local" && e.DNS.Pinned == "" && slices.Contains([]facts.Outcome{facts.OK, facts.NXDomain, facts.ServFail, facts.NoData}, e.DNS.Outcome)
	})
}

// usableAddress is an address by which this host can reach others. Without one it is
// the best that there is: one that the host gave itself, or none.
func usableAddress(n *node.Node) (address string, usable bool) {
	own := ""
	odd := "" // on a device that is no known way out
	hardware := false
	for _, i := range n.Facts.Host.Interfaces.Some() {
		class, _ := n.DeviceOf(i.Name)
		if class == node.Loopback || class == node.Container || class == node.Tunnel {
			continue
		}
		hardware = hardware || class == node.WayOut
		for _, c := range i.Addresses {
			p, err := netip.ParsePrefix(c)
			if err != nil {
				continue
			}
			switch a := p.Addr(); {
			case a.IsLinkLocalUnicast() && a.Is4():
				own = a.String()
			case a.IsLinkLocalUnicast(), a.IsLoopback():
			case class == node.WayOut:
				return a.String(), true
			default:
				odd = a.String()
			}
		}
	}
	if odd != "" && !hardware {
		return odd, true
	}
	return own, false
}

// hasAddress reports whether any device but loopback has an address, be it one of IPv4
// that the host gave itself.
func hasAddress(n *node.Node) bool {
	for _, i := range n.Facts.Host.Interfaces.Some() {
		if class, _ := n.DeviceOf(i.Name); class == node.Loopback {
			continue
		}
		for _, c := range i.Addresses {
			if p, err := netip.ParsePrefix(c); err == nil && !p.Addr().IsLinkLocalUnicast() && !p.Addr().IsLoopback() || err == nil && p.Addr().Is4() {
				return true
			}
		}
	}
	return false
}

// blameDevice tells why there is no address. own is one that the host gave itself.
func blameDevice(n *node.Node, own string) Finding {
	name := n.MainDevice()
	link, known := facts.Link{}, false
	for _, l := range n.Facts.Host.Links.Some() {
		if l.Name == name {
			link, known = l, true
		}
	}
	var fd Finding
	switch {
	case name == "" && n.Facts.Host.Links.Unknown():
		return unread("network devices", n.Facts.Host.Links)
	case name == "":
		fd = blocks("host-network-down", Proven, "this host has no network device that leads out, and so no address: only loopback, and links of containers or tunnels")
	case known && !link.Up:
		fd = blocks("host-network-down", Proven, "the network device %s is switched off, so this host has no address", name)
	case known && !link.Carrier:
		fd = blocks("host-network-down", Proven, "the network device %s has no carrier and no address: nothing is at its other end", name)
	case own != "":
		fd = blocks("host-network-down", Proven, "%s has only the address %s, which it gave itself: no DHCP server answered, and nothing outside can be reached", name, own)
	default:
		fd = blocks("host-network-down", Proven, "%s has no IP address: its DHCP lease was lost or never given, or its configuration is gone", name)
	}
	return withDevices(n, fd).fix(addressSteps(n, name)...)
}

// withDevices adds the devices and default routes of this host as evidence.
func withDevices(n *node.Node, fd Finding) Finding {
	h := &n.Facts.Host
	seen := 0
	for _, l := range h.Links.Some() {
		class, word := n.DeviceOf(l.Name)
		if class == node.Loopback || seen >= 4 {
			continue
		}
		seen++
		state := []string{"down"}
		if l.Up {
			state = []string{"up"}
			if !l.Carrier {
				state = append(state, "no carrier")
			}
		}
		var addresses []string
		for _, i := range h.Interfaces.Some() {
			if i.Name == l.Name {
				addresses = append(addresses, i.Addresses...)
			}
		}
		state = append(state, text.Or(strings.Join(addresses[:min(len(addresses), 3)], " "), "no address"))
		if class != node.WayOut && word != "" {
			state = append(state, word)
		}
		fd = fd.saw("device "+l.Name, strings.Join(state, ", "), h.Links.From)
	}
	if h.Links.Unknown() {
		fd = fd.saw("devices", fmt.Sprintf("%d that are up", len(h.Interfaces.Some())), h.Interfaces.From)
	}
	if d, ok := h.Defaults.Get(); ok {
		says := "none"
		if len(d) > 0 {
			says = n.RouteText(d[0], "")
		}
		fd = fd.saw("default route", says, h.Defaults.From)
	}
	return fd.with("interface", n.MainDevice())
}

// nothingRouted reports whether the kernel had no way for what was tried.
func nothingRouted(n *node.Node) bool {
	if t := n.Facts.IMDS.Token; n.Identity.OnEC2 != node.No && n.Facts.Host.IMDSRoute.Absent() && t.Known() && t.Value.Status == 0 {
		return true
	}
	if n.Endpoints.Tried != node.Yes || n.Endpoints.Proxied == node.Yes {
		return false
	}
	for _, e := range n.Endpoints.Core {
		if e.DNS.Outcome == facts.NoRoute || len(e.TCP) > 0 && allEnded([]facts.Endpoint{e}, facts.NoRoute) {
			continue
		}
		return false
	}
	return len(n.Endpoints.Core) > 0
}

// deadLink is the device of the default route where it has no carrier, and nothing
// that was tried came back; false: none.
func deadLink(n *node.Node) (facts.Link, bool) {
	if n.Endpoints.Tried != node.Yes && !n.Facts.IMDS.Token.Known() {
		return facts.Link{}, false
	}
	r, ok := n.MainRoute(false)
	if !ok {
		return facts.Link{}, false
	}
	for _, l := range n.Facts.Host.Links.Some() {
		if l.Name == r.Interface && !l.Carrier {
			return l, true
		}
	}
	return facts.Link{}, false
}
