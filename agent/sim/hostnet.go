package sim

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"ssm-doctor/checks/facts"
)

// Network is the host's own network where it is not the ordinary one, which is eth0
// with an address and a default route.
type Network struct {
	Down      bool `json:"down,omitempty"`       // eth0 is switched off
	NoCarrier bool `json:"no_carrier,omitempty"` // nothing is at its other end
	NoAddress bool `json:"no_address,omitempty"`
	NoDefault bool `json:"no_default,omitempty"`
	// Devices beside lo and eth0, and their kinds. Their addresses are in
	// Scenario.Interfaces.
	Devices map[string]string `json:"devices,omitempty"`
	// Routes beside those of eth0. What leaves by another device than eth0 is lost.
	Routes []Route `json:"routes,omitempty"`
	// Rules beside the three of every host: "5270: from all lookup 52".
	Rules []string `json:"rules,omitempty"`
	Tools []string `json:"tools,omitempty"` // what configures the network: networkd (when empty), dhclient and so on
	MTU   int      `json:"mtu,omitempty"`   // of eth0; 0: 9001
}

// Route is a route of the host.
type Route struct {
	To    string `json:"to"` // prefix, or default
	Via   string `json:"via,omitempty"`
	Dev   string `json:"dev,omitempty"`
	Kind  string `json:"kind,omitempty"`  // blackhole, unreachable, prohibit, throw; empty: unicast
	Table int    `json:"table,omitempty"` // 0: main. What another table holds goes before.
}

// links are the devices of the host.
func (w *world) links() facts.Seen[[]facts.Link] {
	mtu := w.Net.MTU
	if mtu == 0 {
		mtu = 9001
	}
	list := []facts.Link{{Name: "lo", Up: true, Carrier: true, Loopback: true, MTU: 65536}, {Name: "eth0", Up: !w.Net.Down, Carrier: !w.Net.Down && !w.Net.NoCarrier, MTU: mtu}}
	for _, name := range slices.Sorted(maps.Keys(w.Interfaces)) {
		if _, ok := w.Net.Devices[name]; !ok {
			list = append(list, facts.Link{Name: name, Up: true, Carrier: true, MTU: 9001})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.Net.Devices)) {
		list = append(list, facts.Link{Name: name, Kind: w.Net.Devices[name], Up: true, Carrier: true, MTU: 1420})
	}
	return facts.Known(list, "rtnetlink")
}

// rules are the routing rules of the host.
func (w *world) rules() facts.Seen[[]facts.RoutingRule] {
	list := []facts.RoutingRule{{Priority: 0, Family: "inet", Table: 255, Text: "from all lookup local"}}
	for _, r := range w.Net.Rules {
		p, rest, _ := strings.Cut(r, ":")
		rule := facts.RoutingRule{Family: "inet", Text: strings.TrimSpace(rest)}
		rule.Priority, _ = strconv.Atoi(p)
		if i := strings.LastIndex(rule.Text, "lookup "); i >= 0 {
			rule.Table, _ = strconv.Atoi(rule.Text[i+len("lookup "):])
		}
		list = append(list, rule)
	}
	list = append(list, facts.RoutingRule{Priority: 32766, Family: "inet", Table: facts.MainTable, Text: "from all lookup main"}, facts.RoutingRule{Priority: 32767, Family: "inet", Table: 253, Text: "from all lookup default"})
	return facts.Known(list, "rtnetlink")
}

// withoutNetwork reports whether eth0 leads nowhere.
func (w *world) withoutNetwork() bool { return w.Net.Down || w.Net.NoAddress }

// defaults are the default routes of the main table.
func (w *world) defaults() []Route {
	var list []Route
	if !w.NoIPv4 && !w.withoutNetwork() && !w.Net.NoDefault {
		list = append(list, Route{To: "0.0.0.0/0", Via: w.gateway(), Dev: "eth0"})
	}
	if w.IPv6 {
		list = append(list, Route{To: "::/0", Via: "fe80::1", Dev: "eth0"})
	}
	return list
}

// routeTo is gather.Env.RouteTo.
func (w *world) routeTo(to netip.Addr) facts.Seen[facts.Route] {
	from := "rtnetlink:" + to.String()
	list := append(slices.Clone(w.Net.Routes), w.defaults()...)
	if !w.withoutNetwork() {
		list = append(list, Route{To: w.network(24), Dev: "eth0"})
	}
	switch imds := imdsAddr[:len(imdsAddr)-3] + "/32"; {
	case w.IMDSGateway != "":
		list = append(list, Route{To: imds, Via: w.IMDSGateway, Dev: "eth0"})
	case w.Kind == EC2 && w.IMDS.Mode == "unreachable":
		list = append(list, Route{To: imds, Kind: "unreachable"})
	case w.Kind == EC2 && w.IMDS.Mode == "invalid":
		list = append(list, Route{To: imds, Kind: "blackhole"})
	case w.Kind == EC2 && w.NoIPv4:
		list = append(list, Route{To: "169.254.0.0/16", Dev: "eth0"})
	}
	best, bits := Route{Table: facts.MainTable}, -1
	for _, r := range list {
		p, err := netip.ParsePrefix(r.To)
		if err != nil {
			continue
		}
		if r.Table == 0 {
			r.Table = facts.MainTable
		}
		other, was := r.Table != facts.MainTable, best.Table != facts.MainTable
		if p.Contains(to) && (other && !was || other == was && p.Bits() > bits) { // another table goes before main
			best, bits = r, p.Bits()
		}
	}
	if bits < 0 {
		return facts.Absent[facts.Route]("no route", from)
	}
	out := facts.Route{Destination: best.To, Gateway: best.Via, Interface: best.Dev, Kind: best.Kind, Table: best.Table}
	if bits == 0 {
		out.Destination = "default"
	}
	if out.Kind == "" {
		out.Kind = "unicast"
	}
	return facts.Known(out, from)
}

// errnos are what the kernel answers by a route that leads nowhere. Source: Linux,
// net/ipv4/fib_semantics.c, fib_props.
var errnos = map[string]syscall.Errno{"blackhole": syscall.EINVAL, "unreachable": syscall.EHOSTUNREACH, "prohibit": syscall.EACCES, "throw": syscall.ENETUNREACH}

// lost is how packets to an address end on this host itself, or on a device that
// leads nowhere; nil: they leave by eth0.
func (w *world) lost(to netip.Addr) error {
	if to.Is6() || w.GOOS != "linux" {
		return nil
	}
	r := w.routeTo(to)
	switch {
	case r.Absent():
		return os.NewSyscallError("connect", syscall.ENETUNREACH)
	case errnos[r.Value.Kind] != 0:
		return os.NewSyscallError("connect", errnos[r.Value.Kind])
	case w.ownedBy(r.Value.Interface, to): // another card, in whose network it lies
		return nil
	case r.Value.Interface != "eth0", w.Net.NoCarrier:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// ownedBy reports whether an address lies in the network of another card of the host.
func (w *world) ownedBy(device string, to netip.Addr) bool {
	own, ok := w.Interfaces[device]
	if _, virtual := w.Net.Devices[device]; !ok || virtual {
		return false
	}
	p, err := netip.ParsePrefix(own)
	return err == nil && p.Masked().Contains(to)
}

// unanswered is how a query to a resolver ends that is lost on the way; nil: it is not.
func (w *world) unanswered(server, host string) *net.DNSError {
	to, err := netip.ParseAddr(server)
	if err != nil {
		return nil
	}
	lost := w.lost(to)
	switch {
	case lost == nil && w.queriesStopped(server): // the kernel tells who sends
		return &net.DNSError{Name: host, Server: server + ":53", Err: "write udp " + w.Address + ":40000->" + server + ":53: write: operation not permitted"}
	case lost == nil && w.answersStopped("udp", server, "53"):
		lost = os.ErrDeadlineExceeded
	}
	switch {
	case lost == nil:
		return nil
	case errors.Is(lost, os.ErrDeadlineExceeded):
		return &net.DNSError{Name: host, Server: server + ":53", Err: "i/o timeout", IsTimeout: true}
	}
	return &net.DNSError{Name: host, Server: server + ":53", Err: "dial udp " + server + ":53: " + lost.Error()}
}

// dialSmall is gather.Env.DialSmall.
func (h *Host) dialSmall(ctx context.Context, address string) (net.Conn, error) {
	c, err := h.dial(ctx, "tcp", address, netip.Addr{})
	if mine, ok := c.(*conn); ok && mine.f.large {
		mine.f.mute = false
	}
	return c, err
}

// flow is gather.Env.Flow.
func (h *Host) flow(c net.Conn) facts.Seen[facts.Stall] {
	mine, ok := c.(*conn)
	if !ok {
		return facts.Unknown[facts.Stall]("not a connection of this host", "TCP_INFO")
	}
	s := facts.Stall{Segment: 1448, PathMTU: h.world.Load().links().Value[1].MTU, Received: uint64(mine.received.Load())}
	if mine.f.large && mine.f.mute {
		s.Unacked, s.Retransmits = 1, 3
	}
	return facts.Known(s, "TCP_INFO")
}
