package node

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// Device is what a network device is to the way out of the host.
type Device uint8

// Devices.
const (
	UnknownDevice Device = iota
	WayOut               // hardware, or what the host's own default route leaves by
	Loopback
	Tunnel    // of a VPN or a mesh
	Container // between this host and its containers or virtual machines
)

// tunnels and containers are kinds of device. Source: Linux, IFLA_INFO_KIND, as in
// ip-link(8). Bonds, teams and VLANs are as good as hardware.
var (
	tunnels    = []string{"wireguard", "tun", "tap", "ppp", "ipip", "sit", "gre", "gretap", "ip6tnl", "ip6gre", "ip6gretap", "vti", "vti6", "xfrm", "ovpn", "amneziawg", "l2tp"}
	containers = []string{"veth", "bridge", "dummy", "macvlan", "macvtap", "ipvlan", "ipvtap", "vxlan", "geneve", "openvswitch", "ifb", "nlmon", "netkit"}
)

// Names that devices have by convention, for systems that do not tell a kind. A
// container's own end of a link is named as hardware is.
var (
	reHardware  = pattern.New(`(?i)^(eth|en|em|ib|wl|ww|bond|team|wi-fi)[0-9a-z ]*(\.\d+)?$`)
	reTunnel    = pattern.New(`(?i)^(wg|wt|tun|tap|utun|ppp|tailscale|zt|zerotier|feth|nebula|nb-|netbird|openvpn|wireguard|ipsec|vti|xfrm|gpd|cscotun|proton|nordlynx|mullvad|vpn|warp|cloudflarewarp|twingate)`)
	reContainer = pattern.New(`(?i)^(veth|vethernet|docker|br-|cni|flannel|cali|cilium|lxc|lxd|incus|virbr|vnet|podman|nerdctl|kube|weave|vxlan|antrea|dummy|cbr|vmenet|vmnet|bridge1\d\d$)`)
)

// DeviceOf tells what a device is, and its kind in a word.
func (n *Node) DeviceOf(name string) (Device, string) {
	if name == "" {
		return UnknownDevice, ""
	}
	h := &n.Facts.Host
	kind := ""
	for _, l := range h.Links.Some() {
		if l.Name == name {
			if l.Loopback {
				return Loopback, "loopback"
			}
			kind = l.Kind
		}
	}
	hardware := reHardware.MatchString(name)
	switch {
	case name == "lo", strings.HasPrefix(name, "Loopback"):
		return Loopback, "loopback"
	case strings.HasPrefix(name, "ppp") && n.isDefault(name): // the line of the provider
		return WayOut, ""
	case slices.Contains(tunnels, kind), !hardware && reTunnel.MatchString(name):
		return Tunnel, "tunnel"
	case hardware && (kind == "" || kind == "veth" || kind == "macvlan" || kind == "ipvlan"): // of a container, its own end
		return WayOut, ""
	case n.isDefault(name):
		return WayOut, ""
	case slices.Contains(containers, kind):
		return Container, map[bool]string{true: "bridge", false: "container link"}[kind == "bridge"]
	case reContainer.MatchString(name):
		return Container, "container link"
	case kind == "", kind == "bond", kind == "team", kind == "vlan", kind == "vrf":
		return WayOut, ""
	}
	return UnknownDevice, kind
}

// isDefault reports whether a default route of the main table leaves by a device.
func (n *Node) isDefault(name string) bool {
	return slices.ContainsFunc(n.Facts.Host.Defaults.Some(), func(r facts.Route) bool { return r.Interface == name })
}

// MainRoute is the default route of the main table that leaves by a device which is
// the host's own way out; false: none was seen.
func (n *Node) MainRoute(six bool) (facts.Route, bool) {
	for _, r := range n.Facts.Host.Defaults.Some() {
		if d, _ := n.DeviceOf(r.Interface); d == WayOut && strings.Contains(r.Gateway, ":") == six {
			return r, true
		}
	}
	return facts.Route{}, false
}

// MainDevice is the device that should lead out: that of the default route, else the
// first of hardware; empty when there is none.
func (n *Node) MainDevice() string {
	if r, ok := n.MainRoute(false); ok {
		return r.Interface
	}
	for _, l := range n.Facts.Host.Links.Some() {
		if class, _ := n.DeviceOf(l.Name); class == WayOut {
			return l.Name
		}
	}
	for _, i := range n.Facts.Host.Interfaces.Some() {
		if class, _ := n.DeviceOf(i.Name); class == WayOut {
			return i.Name
		}
	}
	return ""
}

// IsNull reports whether a route leads nowhere at all: one that rejects or drops, or
// one to another host by way of the loopback device.
func IsNull(r facts.Route) bool {
	switch r.Kind {
	case "blackhole", "unreachable", "prohibit", "throw":
		return true
	case "unicast":
		return r.Interface == "lo" || strings.HasPrefix(r.Gateway, "127.")
	}
	return false
}

// LeadsAstray reports whether a route leaves this host by a device that is not its way
// out: a tunnel, or a link to a container.
func (n *Node) LeadsAstray(r facts.Route) bool {
	if r.Kind != "unicast" {
		return false
	}
	d, _ := n.DeviceOf(r.Interface)
	return d == Tunnel || d == Container
}

// Carries reports whether something that the agent needs was reached by a device in
// this run: then the device itself works.
func (n *Node) Carries(device string) bool {
	for _, e := range n.Facts.Network.Endpoints.Some() {
		for _, t := range e.TCP {
			if t.Outcome == facts.OK && t.Route.Value.Interface == device {
				return true
			}
		}
		if asked := e.DNS.Server; e.DNS.Outcome == facts.OK && e.DNS.Pinned == "" {
			if p, ok := n.PathTo(asked); ok && p.Route.Value.Interface == device {
				return true
			}
		}
	}
	return false
}

// PathTo is the path to an address, which may have a port.
func (n *Node) PathTo(address string) (facts.Path, bool) {
	if ap, err := netip.ParseAddrPort(address); err == nil {
		address = ap.Addr().String()
	}
	for _, p := range n.Facts.Host.Paths.Some() {
		if p.To == address {
			return p, true
		}
	}
	return facts.Path{}, false
}

// ResolverPath is the path to a resolver that was asked; of one on this host itself, to
// the first that it asks in its turn.
func (n *Node) ResolverPath(asked string) (facts.Path, bool) {
	if p, ok := n.PathTo(asked); ok {
		return p, true
	}
	if !strings.HasPrefix(asked, "127.") && asked != "" {
		return facts.Path{}, false
	}
	for _, p := range n.Facts.Host.Paths.Some() {
		if p.Of == facts.PathResolver {
			return p, true
		}
	}
	return facts.Path{}, false
}

// RuleOf is the rule that leads to a route's table, as "ip rule" writes it: the first that
// takes the agent's packets, or, where none of those that can be judged does, the first.
// False for the main table, and where it was not read.
func (n *Node) RuleOf(r facts.Route, to string) (facts.RoutingRule, bool) {
	if r.Table == 0 || r.Table == facts.MainTable || r.Table == 255 {
		return facts.RoutingRule{}, false
	}
	var rules []facts.RoutingRule
	for _, x := range n.Facts.Host.Rules.Some() {
		if x.Table == r.Table && (x.Family == "inet6") == strings.Contains(to, ":") {
			rules = append(rules, x)
		}
	}
	for _, x := range rules {
		if takes(x, r, to) {
			return x, true
		}
	}
	if len(rules) > 0 {
		return rules[0], true
	}
	return facts.RoutingRule{}, false
}

// NullRule is the rule by which the kernel discards packets to an address, where no route
// of that kind does; false: none was read.
func (n *Node) NullRule(r facts.Route, to string) (facts.RoutingRule, bool) {
	if r.Kind == "unicast" || r.Kind == "" {
		return facts.RoutingRule{}, false
	}
	for _, x := range n.Facts.Host.Rules.Some() {
		if x.Table == 0 && x.Priority != 0 && strings.HasSuffix(x.Text, " "+r.Kind) && takes(x, r, to) {
			return x, true
		}
	}
	return facts.RoutingRule{}, false
}

// takes reports whether a rule takes packets of root to the port of an address that a
// route was asked for. A rule with other conditions, such as a mark, cannot be judged.
func takes(x facts.RoutingRule, r facts.Route, to string) bool {
	address, err := netip.ParseAddr(to)
	if err != nil || (x.Family == "inet6") != address.Is6() {
		return false
	}
	w := strings.Fields(x.Text)
	for i := 0; i+1 < len(w); i += 2 {
		condition, value := w[i], w[i+1]
		first, last, ok := strings.Cut(value, "-")
		if !ok {
			last = first
		}
		low, err1 := strconv.Atoi(first)
		high, err2 := strconv.Atoi(last)
		between := func(number int) bool { return err1 == nil && err2 == nil && low <= number && number <= high }
		holds := false
		switch condition {
		case "from":
			holds = value == "all"
		case "to":
			p, err := netip.ParsePrefix(value)
			holds = err == nil && p.Contains(address) || value == to
		case "iif":
			holds = value == "lo" // what this host sends
		case "ipproto":
			holds = r.Port != 0 && value == facts.ProtocolOf(uint16(r.Port))
		case "dport":
			holds = r.Port != 0 && between(r.Port)
		case "uidrange":
			holds = between(0)
		case "lookup", "suppress_prefixlength":
			holds = true
		}
		if !holds {
			return false
		}
	}
	return true
}

// RouteText is a route as "ip route" writes it, with the rule that leads to it.
func (n *Node) RouteText(r facts.Route, to string) string {
	s := r.Destination
	if r.Kind != "unicast" && r.Kind != "local" {
		s = r.Kind + " " + s
	}
	if r.Gateway != "" {
		s += " via " + r.Gateway
	}
	if r.Interface != "" {
		s += " dev " + r.Interface
	}
	if r.Table != 0 && r.Table != facts.MainTable {
		s += fmt.Sprintf(" table %d", r.Table)
	}
	if r.Source != "" {
		s += " src " + r.Source
	}
	if r.Metric != 0 {
		s += fmt.Sprintf(" metric %d", r.Metric)
	}
	if r.MTU != 0 {
		s += fmt.Sprintf(" mtu %d", r.MTU)
	}
	rule, ok := n.RuleOf(r, to)
	if !ok {
		rule, ok = n.NullRule(r, to)
	}
	if ok {
		s += fmt.Sprintf(" (rule %d: %s)", rule.Priority, rule.Text)
	}
	return s
}
