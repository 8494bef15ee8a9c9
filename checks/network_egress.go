package checks

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// NetworkEgress is network-egress.
var NetworkEgress = register(Check{
	ID: "network-egress", Group: "network", Title: "The endpoints can be reached on port 443",
	Station: AtTCP,
	Needs:   []*Check{DnsPrivate},
	Causes:  []string{"network-no-egress", "vpce-service-missing", "vpce-sg-blocked", "host-firewall-egress", "ipv6-no-endpoint", "route-wrong-interface", "path-mtu-blackhole", "host-network-down"},
	Doc: "TCP connections to ssm and ssmmessages, with the way each one failed, the address chosen and the interface used. Security groups, network ACLs and route tables are not visible from inside: " +
		"a time-out to a private address points at the endpoint's security group, one to public addresses at the missing way out. Firewall, interfaces and default routes of this host come first: where those cannot be read, nothing outside the host is blamed.",
	Eval: asAgent(func(n *node.Node) Finding {
		if n.Endpoints.Tried != node.Yes {
			return unreadEndpoints(n)
		}
		var up, open []facts.Endpoint // connected; failed at TCP, not before
		for _, e := range n.Endpoints.Core {
			switch {
			case e.Connected():
				up = append(up, e)
			case !e.Proxy.Used && len(e.TCP) > 0:
				open = append(open, e)
			}
		}
		down := n.Endpoints.Down
		switch {
		case len(down) == 0:
			if fd, silent := blameSilence(n, up); silent {
				return fd
			}
			if fd, ok := blameRuleForAgent(n, up); ok {
				return fd
			}
			if !coreTried(n) {
				return unreadEndpoints(n)
			}
			return pass("%d endpoints connected", len(up))
		case len(open) == 0 && down[0].Proxy.Used:
			return unknown("%s is not connected %s", down[0].Host, tcpState(down[0]))
		case len(open) == 0:
			return unknown("no connection was attempted: the names do not resolve")
		}
		fd := explainClosed(n, open, up)
		for _, e := range open {
			from := ""
			if e.TCP[0].Interface != "" {
				from = " from " + e.TCP[0].Interface
			}
			fd = fd.saw("connect to "+e.Host+":443"+from, tcpState(e), "connect")
		}
		for _, e := range up {
			fd = fd.saw("connect to "+e.Host+":443", "connected", "connect")
		}
		e := open[0]
		fd = fd.with("service", e.Service, "endpoint", e.Host, "address", e.TCP[0].Address)
		if fd.Cause == "" {
			return fd
		}
		return stopsAt(n, e, fd)
	}),
})

// blameSilence finds an endpoint that accepts connections, but from which nothing of
// AWS comes back; false: there is none.
func blameSilence(n *node.Node, up []facts.Endpoint) (Finding, bool) {
	for _, e := range up {
		t, shown := e.TLS.Get()
		h, asked := e.HTTP.Get()
		stalls := asked && h.Outcome == facts.Timeout
		var fd Finding
		switch {
		case shown && !t.OK && (t.Kind == facts.TLSTimeout || t.Kind == facts.TLSReset):
			what := unanswered(e)
			if t.Kind == facts.TLSReset {
				what = text.New("is cut off")
			}
			fd = judgeStall(n, e, what, true).saw("TLS to "+e.Host, text.Or(t.Error, string(t.Kind)), e.TLS.From)
		case shown && t.OK && stalls && e.Stall.Value.Small == facts.OK:
			fd = judgeStall(n, e, unanswered(e), false).saw("GET https://"+e.Host+"/", httpWord(h), e.HTTP.From)
		case shown && t.OK && asked && !h.AWS:
			fd = stops(n, "network-no-egress", Likely, "TLS to %s works, but AWS does not answer there: %s; something on the way answers in its place or drops the request", e.Host, httpWord(h)).
				saw("GET https://"+e.Host+"/", httpWord(h), e.HTTP.From)
			if stalls { // what is larger than the handshake may be lost
				fd = fd.fix(silenceSteps(n, e)...)
			} else {
				fd = fd.fix(filterSteps(n, e)...)
			}
		default:
			continue
		}
		fd = fd.with("service", e.Service, "endpoint", e.Host)
		if len(e.TCP) > 0 {
			fd = fd.with("address", e.TCP[0].Address, "interface", text.Or(e.TCP[0].Interface, n.MainDevice()))
		}
		return fd, true
	}
	return Finding{}, false
}

// unanswered says how an endpoint is silent: one that confirms what it is sent may only be
// slower than it is waited for.
func unanswered(e facts.Endpoint) text.Text {
	if s, measured := e.Stall.Get(); measured && s.Unacked == 0 {
		return text.New("is confirmed, and not answered in time")
	}
	return text.New("is never answered")
}

// judgeStall tells whether it is the size of packets that a connection stalls by: the
// same with small segments shows it.
func judgeStall(n *node.Node, e facts.Endpoint, what text.Text, handshake bool) Finding {
	s, measured := e.Stall.Get()
	part := "TLS handshake"
	if !handshake {
		part = "request"
	}
	var fd Finding
	switch {
	case !e.Proxy.Used && e.Stall.Unknown() && e.Stall.Obstacle() != facts.NotAskable:
		return unread(e.Host+" accepts connections on 443 and then falls silent, and whether it is for the size of packets was not read", e.Stall).failing(Blocks)
	case measured && s.Small == facts.OK && s.Unacked+s.Retransmits > 0:
		fd = stops(n, "path-mtu-blackhole", Proven, "%s accepts connections on 443, but a %s %s; with segments of %d bytes it works: larger packets do not arrive (MTU)", e.Host, part, what, facts.SmallSegment)
	case measured && s.Small != "" && s.Small != facts.OK && s.Small != facts.Other:
		steps := filterSteps(n, e)
		steps[0].Text = strings.Replace(steps[0].Text, ", without inspection;", ", without inspection; the size of packets (MTU) is not the reason, since small ones are not answered either;", 1)
		fd = stops(n, "network-no-egress", Likely, "%s accepts connections on 443, but a %s %s, with small packets neither: a firewall or inspection device on the way drops it", e.Host, part, what).fix(steps...)
	default:
		fd = stops(n, "network-no-egress", Likely, "%s accepts connections on 443, but a %s %s: a firewall on the way, or packets that are too large for the path (MTU)", e.Host, part, what).fix(silenceSteps(n, e)...)
	}
	if !measured {
		return fd
	}
	fd = fd.saw("connection to "+e.Host, fmt.Sprintf("%d bytes received, %d segments not confirmed, %d sent again; segments of %d bytes, path MTU %d", s.Received, s.Unacked, s.Retransmits, s.Segment, s.PathMTU), e.Stall.From)
	if s.Small != "" {
		fd = fd.saw(fmt.Sprintf("the same with segments of %d bytes", facts.SmallSegment), s.Small.With(""), "connect")
	}
	for _, l := range n.Facts.Host.Links.Some() {
		if len(e.TCP) > 0 && l.Name == text.Or(e.TCP[0].Interface, n.MainDevice()) {
			fd = fd.saw("device "+l.Name, fmt.Sprintf("MTU %d", l.MTU), n.Facts.Host.Links.From)
		}
	}
	return fd
}

// silenceSteps are for connections that open, and on which AWS is not heard, where it may
// be for the size of packets.
func silenceSteps(n *node.Node, e facts.Endpoint) []causes.Step {
	return append([]causes.Step{
		{Text: "Rule out that large packets are lost: the MTU of the device, and the largest size that gets through", Command: "ip link show dev {interface} | grep -o 'mtu [0-9]*'; tracepath -n {address}", Where: causes.OnHost, GOOS: "linux"},
		{Text: "If a size below the MTU is the limit, try a smaller one", Command: "ip link set dev {interface} mtu 1400", Where: causes.OnHost, Root: true, GOOS: "linux"},
		{Text: "If large packets are lost, try a smaller MTU", Command: "networksetup -setMTU {interface} 1400", Where: causes.OnHost, Root: true, GOOS: "darwin"},
		{Text: "Rule out that large packets are lost: the MTU of the device, and whether 1400 bytes get through", Command: "netsh interface ipv4 show subinterfaces; ping -f -l 1372 {address}", Where: causes.OnHost, GOOS: "windows"},
	}, filterSteps(n, e)...)
}

// filterSteps are for what is stopped on the way, whatever its size.
func filterSteps(n *node.Node, e facts.Endpoint) []causes.Step {
	return append(append([]causes.Step{
		{Text: "Let the administrator of the firewall or inspection device on the way let TLS to this name and port pass, without inspection; the name to give", Command: "echo {endpoint}:443", Where: causes.OnHost},
	}, goAround(n, e)...),
		causes.Step{Text: "Restart the agent, which tries again at once; left alone it waits up to {failedwait} after a failure", Command: "{restart}", Where: causes.OnHost, Root: true},
		causes.Again)
}

// explainClosed names why connections to open endpoints end before they begin, or says
// what has to be read for that. Neither open nor the attempts of one is empty.
func explainClosed(n *node.Node, open, up []facts.Endpoint) Finding {
	if fd, ok := blameOwnRoute(n, open); ok {
		return fd
	}
	if fd, ok := blameHost(n, open); ok {
		return fd
	}
	if seen := unseenOnHost(n, open); seen != nil {
		return unread("the endpoints cannot be reached, and what on this host may be in the way was not read", seen).failing(Blocks)
	}
	if fd, ok := blameRouting(n, open); ok {
		return fd
	}
	fd := blameOutside(n, open[0], up)
	if n.Facts.Agent.ServiceProxy.Unknown() && fd.Confidence == Proven { // the agent may go another way
		fd = fd.sure(Likely)
	}
	return fd
}

// blameOwnRoute names a route of this host that keeps connections from being made: one
// that leads nowhere, or by a device that is not the way out; false: none that was seen.
func blameOwnRoute(n *node.Node, open []facts.Endpoint) (Finding, bool) {
	if onlySix(n, open) {
		return Finding{}, false
	}
	for _, e := range open {
		for _, t := range e.TCP {
			r, known := t.Route.Get()
			var fd Finding
			switch {
			case t.Route.Absent() && allEnded([]facts.Endpoint{e}, facts.NoRoute) && n.Facts.Host.DefaultIPv4.Known() && !n.Facts.Host.DefaultIPv6.Unknown():
				fd = blocks("host-network-down", Proven, "packets to %s (%s) do not leave this host: its routing tables have no route for them, and no default route", e.Host, t.Address).
					fix(addressSteps(n, n.MainDevice())...)
			case t.Outcome == facts.OK, t.Outcome == facts.NoLocalAddress, !known:
				continue
			case node.IsNull(r):
				fd = blocks("route-wrong-interface", Proven, "packets to %s (%s) go nowhere: %s on this host stops them", e.Host, t.Address, nullWord(r)).fix(removeRoute(n, r, t.Address)...)
			case n.LeadsAstray(r) && t.Outcome != facts.NotPermitted && !n.Carries(r.Interface):
				sure := Likely
				if ownNetwork(n, t.Address) {
					sure = Proven
				}
				fd = blocks("route-wrong-interface", sure, "packets to %s (%s) leave by the %s, by its route %s, and are lost there: %s", e.Host, t.Address, leadsTo(n, r), r.Destination, tcpWord(t)).
					fix(leadBack(n, r, t.Address, sameWay(open, r, t.Address)...)...)
			default:
				continue
			}
			return fd.sawRoute(n, t.Address, t.Route).with("interface", text.Or(r.Interface, n.MainDevice())), true
		}
	}
	return Finding{}, false
}

// ownNetwork reports whether an address lies in the VPC of this instance, or in a
// network of its own devices: no tunnel is the way there.
func ownNetwork(n *node.Node, address string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	cidrs := []string{n.Facts.IMDS.VPC.Value.CIDR}
	for _, i := range n.Facts.Host.Interfaces.Some() {
		if class, _ := n.DeviceOf(i.Name); class == node.WayOut {
			cidrs = append(cidrs, i.Addresses...)
		}
	}
	return slices.ContainsFunc(cidrs, func(c string) bool {
		p, err := netip.ParsePrefix(c)
		return err == nil && p.Masked().Contains(a)
	})
}

// onlySix reports whether this host has only IPv6, and no endpoint has an address for it.
func onlySix(n *node.Node, open []facts.Endpoint) bool {
	four, known := n.Facts.Host.DefaultIPv4.Get()
	six, _ := n.Facts.Host.DefaultIPv6.Get()
	return known && !four && six && allEnded(open, facts.NoRoute)
}

// blameHost names what on this host itself keeps connections from being made; false:
// nothing that was seen.
func blameHost(n *node.Node, open []facts.Endpoint) (Finding, bool) {
	e := open[0]
	for _, e := range open {
		if allEnded([]facts.Endpoint{e}, facts.NoLocalAddress) {
			return blocks("network-no-egress", Proven, "this host has no local port or address left to connect to %s from (%s): too many connections are open, or the range of local ports is too small", e.Host, tcpWord(e.TCP[0])).
				fix(portSteps...), true
		}
	}
	in := n.Facts.Host.Firewall
	rule, known := firewallRule(in.Some(), open)
	tool := in.Some().Tool
	var fd Finding
	switch {
	case someEnded(open, facts.NotPermitted) && slices.ContainsFunc(in.Some().ForAgent, func(r facts.FirewallRule) bool {
		// The core agent alone opens no channel.
		return r.HTTPS && r.Program != "amazon-ssm-agent.exe" && node.RuleHits(r, e.TCP[0].Address, e.TCP[0].Interface)
	}):
		return onlyAgentMay(in.Some().ForAgent, e.Host+":443", tcpWord(e.TCP[0])), true
	case someEnded(open, facts.NotPermitted) && n.Facts.Host.GOOS == "windows" && in.Unknown() && in.Obstacle() != facts.NotAskable:
		return unread("this program may not connect to "+e.Host+"; rules of this host's firewall", in).failing(Blocks), true
	case someEnded(open, facts.NotPermitted):
		fd = blocks("host-firewall-egress", Proven, "a firewall on this host itself refuses connections to %s on 443 (%s)", e.Host, tcpWord(e.TCP[0]))
	case known && rule.Action != "block" && someEnded(open, stoppedByRule...): // Windows says that it forbids it
		what := "outbound HTTPS"
		if rule.Hook != "" {
			what = "the answers of HTTPS"
		}
		fd = blocks("host-firewall-egress", Likely, "%s:443 cannot be reached, and a %s rule on this host %ss %s: %s", e.Host, tool, rule.Action, what, text.Cut(rule.Text, 160))
	default:
		return Finding{}, false
	}
	if known {
		fd = sawRule(fd, in, rule)
	}
	return fd.fix(letThrough(n, tool, rule, toHTTPS)...), true
}

// blameRuleForAgent finds a rule of this host that stops the agent's programs, and not
// this one, whose connections are made; false: there is none.
func blameRuleForAgent(n *node.Node, up []facts.Endpoint) (Finding, bool) {
	in, forbidden := n.Facts.Host.Firewall, forbiddenEntry(n)
	switch {
	case n.Acceptance.Now == node.Yes, forbidden.Found == node.No:
		return Finding{}, false
	case in.Unknown() && forbidden.Yes():
		return unread("the system forbids the agent to connect; rules of this host's firewall", in).failing(Blocks).logged(forbidden), true
	}
	for _, r := range in.Some().Rules {
		for _, e := range up {
			hits := slices.ContainsFunc(e.TCP, func(t facts.Attempt) bool { return node.RuleHits(r, t.Address, t.Interface) })
			switch {
			case r.Program == "" || !r.HTTPS || !hits:
			case forbidden.Unread():
				return unreadLog(n), true
			default:
				return sawRule(blocks("host-firewall-egress", Proven, "a firewall on this host lets this program connect to %s on 443, and not %s", e.Host, r.Program).logged(forbidden), in, r), true
			}
		}
	}
	return Finding{}, false
}

// forbiddenEntry is a current entry of the agent's log that says that Windows forbade a
// connection.
func forbiddenEntry(n *node.Node) node.Entry {
	out := node.Entry{Found: n.Log.Read()}
	if out.Found == node.Yes {
		out.Found = node.No
	}
	for _, m := range n.Facts.Log.Matches.Some() {
		if strings.Contains(m.Text, "forbidden by its access permissions") {
			if e := n.Log.Current(m.ID); e.Yes() || e.Unread() {
				return e
			}
		}
	}
	return out
}

// sawRule adds a rule of this host's firewall, and the step that switches it off where
// it has a name to do that by.
func sawRule(fd Finding, in facts.Seen[facts.Firewall], rule facts.FirewallRule) Finding {
	tool := in.Some().Tool
	if rule.Action != "block" {
		return fd.saw(tool+" rule in "+strings.TrimSpace(rule.Table+" "+rule.Chain), rule.Text, in.From)
	}
	fd = fd.add(": %s", text.Cut(rule.Text, 160)).saw("rule of the "+tool, strings.TrimSpace(rule.Chain+" "+rule.Text), in.From)
	if step, ok := disableRule(rule); ok {
		return fd.fix(step).fix(causes.Get(fd.Cause).Fix...)
	}
	return fd
}

// stoppedByRule is how a connection ends that a rule drops or rejects.
var stoppedByRule = []facts.Outcome{facts.Timeout, facts.Refused, facts.NoRoute}

// unseenOnHost is what on this host may be in the way and could have been read, but
// was not; nil: all of it was.
func unseenOnHost(n *node.Node, open []facts.Endpoint) facts.Unseen {
	h := &n.Facts.Host
	list := []facts.Unseen{h.Interfaces}
	if someEnded(open, stoppedByRule...) {
		list = append(list, h.Firewall, n.Facts.Network.Others)
	}
	if allEnded(open, facts.NoRoute) {
		list = append(list, h.DefaultIPv4)
		if four, ok := h.DefaultIPv4.Get(); ok && !four {
			list = append(list, h.DefaultIPv6)
		}
	}
	for _, u := range list {
		if u.Unknown() && u.Obstacle() != facts.NotAskable {
			return u
		}
	}
	return nil
}

// blameMissingSix names what a host with only IPv6 lacks for an endpoint without an
// address for it, and which of the ways out is open to this agent.
func blameMissingSix(n *node.Node, e facts.Endpoint) Finding {
	h := &n.Facts.Host
	fd := blocks("ipv6-no-endpoint", Proven, "this host has only IPv6, and %s has no address it can reach over IPv6 (%s: %s)", e.Host, e.TCP[0].Address, tcpWord(e.TCP[0])).
		saw("default route", "IPv6 only", h.DefaultIPv6.From).
		saw("IPv6 addresses of "+e.Host, text.Or(strings.Join(e.DNS.AAAA, " "), "none"), "DNS AAAA")
	d, asked := e.Dual.Get()
	if !asked {
		return fd
	}
	fd = fd.saw("IPv6 addresses of "+d.Host, text.Or(strings.Join(d.AAAA, " "), "none"), e.Dual.From)
	if d.Outcome != "" {
		fd = fd.saw("connect to "+d.Host+":443", d.Outcome.With(""), "connect")
	}
	config, _ := n.Facts.Agent.Config.Get()
	old := n.Agent.OlderThan(node.LeastDualStack)
	switch {
	case len(d.AAAA) == 0, d.Outcome != facts.OK:
		return fd.fix(causes.NAT64...) // the names do not help
	case old == node.Yes && config.DualStack:
		return fd.add("; Agent.UseDualStackEndpoint is set, but agent %s is older than %s and ignores it", n.Agent.Version, node.LeastDualStack).with("version", node.LeastDualStack).
			fix(updateForSix, restartSix).fix(causes.Again)
	case old == node.Yes:
		return fd.add("; %s has one, which agents use from %s on", d.Host, node.LeastDualStack).with("version", node.LeastDualStack).
			fix(append(append([]causes.Step{updateForSix}, switchSteps(n)...), restartSix, causes.Again)...)
	case old == node.No && !config.DualStack:
		return fd.add("; %s can be reached, which the agent uses with Agent.UseDualStackEndpoint", d.Host).
			fix(append(switchSteps(n), restartSix, causes.Again)...)
	}
	return fd
}

var (
	updateForSix = causes.Step{Text: "Update the agent to {version} or later, from another network or by a dual-stack mirror: its bucket has IPv6 at s3.dualstack.{region}.{domain}", Command: "{reinstall}", Where: causes.OnHost, Root: true}
	restartSix   = causes.Step{Text: "Restart the agent", Command: "{restart}", Where: causes.OnHost, Root: true}
)

// switchSteps turn Agent.UseDualStackEndpoint on, and leave the rest of the file.
func switchSteps(n *node.Node) []causes.Step {
	const says = "Let the agent use the dual-stack endpoints: set Agent.UseDualStackEndpoint to true"
	// An object that is put ahead of one of the same name, the agent reads as one.
	edit := causes.EditConfig(`/"`+causes.AnyCase("UseDualStackEndpoint")+`"/!s/\{/{"Agent": {"UseDualStackEndpoint": true},/`,
		`s/(\{"Agent": \{"UseDualStackEndpoint": true\}),([[:space:]]*\})/\1\2/`, `s/("`+causes.AnyCase("UseDualStackEndpoint")+`"[[:space:]]*:[[:space:]]*)false/\1true/`)
	if n.Facts.Agent.Config.Absent() { // what the file does not say keeps its default
		edit = `echo '{"Agent": {"UseDualStackEndpoint": true}}' > {config}`
	}
	return []causes.Step{
		{Text: says, Command: edit, Where: causes.OnHost, Root: true, GOOS: "linux darwin"},
		{Text: says, Command: "if (-not (Test-Path {config})) { '{}' | Set-Content {config} }; try { $c = Get-Content {config} -Raw | ConvertFrom-Json; if (-not $c.Agent) { $c | Add-Member Agent ([pscustomobject]@{}) }; $c.Agent | Add-Member UseDualStackEndpoint $true -Force; $c | ConvertTo-Json -Depth 9 | Set-Content {config} } catch { throw }", Where: causes.OnHost, Root: true, GOOS: "windows"},
		{Text: "Policies that name IPv4 addresses (aws:SourceIp) need those of IPv6 too; see what this host will come from", Command: "ip -6 -br addr show scope global", Where: causes.OnHost, GOOS: "linux"},
	}
}

// sameWay are the addresses of endpoints, of the family of one, to which packets leave by
// the device of a route.
func sameWay(open []facts.Endpoint, r facts.Route, to string) []string {
	var out []string
	for _, e := range open {
		for _, t := range e.TCP {
			if o, known := t.Route.Get(); known && strings.Contains(t.Address, ":") == strings.Contains(to, ":") && o.Interface == r.Interface && o.Table == r.Table {
				out = append(out, t.Address)
			}
		}
	}
	return out
}

// blameRouting names a route of this host that leads the wrong way; false: none that
// was seen.
func blameRouting(n *node.Node, open []facts.Endpoint) (Finding, bool) {
	e, at, h := open[0], open[0].TCP[0], &n.Facts.Host
	if onlySix(n, open) {
		return blameMissingSix(n, e), true
	}
	for _, o := range n.Facts.Network.Others.Some() {
		if o.Outcome == facts.OK {
			return blocks("route-wrong-interface", Proven, "%s cannot be reached by the interface %s that routing chooses, but can be by %s (%s)", e.Host, text.Or(at.Interface, "in use"), o.Interface, o.Source).
				saw("connect to "+o.Address+":443 from "+o.Interface, "connected", "connect").with("interface", o.Interface).fix(leadBy(n, open, o.Interface)...), true
		}
	}
	if name := ownSubnet(h.Interfaces.Some(), at); name != "" {
		return blocks("route-wrong-interface", Likely, "%s (%s) lies in the network of interface %s, but traffic leaves by %s", e.Host, at.Address, name, at.Interface).with("interface", name).fix(leadBy(n, open, name)...), true
	}
	return Finding{}, false
}

// leadBy is the remedy where the endpoints lie in the network of another interface than
// the one that is chosen; nil where they do not: the catalogue's.
func leadBy(n *node.Node, open []facts.Endpoint, name string) []causes.Step {
	command := ""
	for _, e := range open {
		for _, t := range e.TCP {
			if ownSubnet(n.Facts.Host.Interfaces.Some(), t) == name && causes.Safe(t.Address) && causes.Safe(name) {
				command += "ip route replace " + t.Address + " dev " + name + "\n"
			}
		}
	}
	if command == "" || n.Facts.Host.GOOS != "linux" {
		return nil
	}
	return []causes.Step{
		lookStep(open[0].TCP[0].Address),
		linuxStep(true, "Let the endpoints be reached by "+name+", in whose network they lie", strings.TrimSuffix(command, "\n")),
		linuxStep(false, "Make it last where the network of this host is configured: a lower metric for "+name, "nmcli connection show; networkctl list; ls /etc/netplan /etc/systemd/network 2>/dev/null"),
		restartLinux, causes.Again,
	}
}

// blameOutside names what outside of this host keeps connections to an endpoint from
// being made.
func blameOutside(n *node.Node, e facts.Endpoint, up []facts.Endpoint) Finding {
	at, private := e.TCP[0], e.Scope == "private"
	p, _ := n.Facts.Network.ShellProxy.Get()
	switch {
	case len(up) > 0 && !private && up[0].Scope == "private":
		return blocks("vpce-service-missing", Proven, "there is no VPC endpoint for %s: its name resolves to the public address %s, which %s, while %s is reached over a VPC endpoint",
			e.Service, at.Address, tcpWord(at), up[0].Service)
	case len(up) > 0 && !private:
		return blocks("network-no-egress", Likely, "%s:443 cannot be reached (%s %s) although %s can: a firewall on the way lets only some names through", e.Host, at.Address, tcpWord(at), up[0].Host)
	case at.Outcome == facts.NoRoute: // the kernel's word: a security group only drops
		return blocks("network-no-egress", Proven, "%s (%s) cannot be reached on port 443: %s; this host has no route to it", e.Host, at.Address, tcpWord(at))
	case private && at.Outcome == facts.Refused:
		return blocks("vpce-sg-blocked", Likely, "%s resolves to the private address %s, which refuses connections on 443", e.Host, at.Address)
	case private:
		return blocks("vpce-sg-blocked", Likely, "%s resolves to the private address %s of a VPC endpoint, but port 443 is not let in (%s): its security group most likely lacks inbound 443 from this host", e.Host, at.Address, tcpWord(at))
	case p.Outcome == facts.OK && n.Facts.Agent.ServiceProxy.Unknown():
		fd := unread("environment of the service", n.Facts.Agent.ServiceProxy)
		return fd.say("%s cannot be reached directly (%s); a proxy works for users (%s), and whether the agent's service has it is not known", e.Host, tcpWord(at), p.URL)
	}
	if !coreTried(n) {
		return unreadEndpoints(n)
	}
	probe := n.Facts.Network.ShellProxy
	if n.Facts.Agent.ShellProxy.Value.Set() && probe.Unknown() && probe.Obstacle() != facts.NotAskable {
		return unread("the endpoints cannot be reached directly; the proxy of users", probe).failing(Blocks)
	}
	if shell := n.Facts.Agent.ShellProxy; shell.Unknown() && shell.Obstacle() != facts.NotAskable {
		return unread("the endpoints cannot be reached directly, and whether users have a proxy was not read", shell).failing(Blocks)
	}
	if service := n.Facts.Agent.ServiceProxy; service.Unknown() && service.Obstacle() != facts.NotAskable {
		return unread("the endpoints cannot be reached directly, and whether the agent's service has a proxy was not read", service).failing(Blocks)
	}
	return blocks("network-no-egress", Proven, "%s (%s) and the other Systems Manager endpoints cannot be reached on port 443: %s; this host has no way out to them", e.Host, at.Address, tcpWord(at))
}

// portSteps are for a host that has used up its local ports.
var portSteps = []causes.Step{
	{Text: "Check how many connections there are, and the range of local ports", Command: "ss -s; sysctl net.ipv4.ip_local_port_range", Where: causes.OnHost, GOOS: "linux"},
	{Text: "Find the processes that hold them; stop or mend them", Command: "ss -tanpH | awk '{print $NF}' | sort | uniq -c | sort -rn | head", Where: causes.OnHost, Root: true, GOOS: "linux"},
	{Text: "Give the host its whole range of local ports", Command: "sysctl -w net.ipv4.ip_local_port_range='1024 65535'", Where: causes.OnHost, Root: true, GOOS: "linux"},
	{Text: "Check how many connections there are, and the range of local ports", Command: "netstat -an -p tcp; sysctl net.inet.ip.portrange", Where: causes.OnHost, GOOS: "darwin"},
	{Text: "Check which processes hold connections, and the range of local ports", Command: "Get-NetTCPConnection | Group-Object OwningProcess; netsh int ipv4 show dynamicport tcp", Where: causes.OnHost, GOOS: "windows"},
	{Text: "Restart the agent, which tries again at once", Command: "{restart}", Where: causes.OnHost, Root: true},
	causes.Again,
}

// firewallRule is the first rule of this host's firewall that stops HTTPS to one
// of the endpoints by the way it was tried. Where answers are stopped nothing is heard.
func firewallRule(fw facts.Firewall, open []facts.Endpoint) (facts.FirewallRule, bool) {
	for _, r := range fw.Rules {
		for _, e := range open {
			for _, t := range e.TCP {
				if r.HTTPS && t.Outcome != facts.OK && (r.Hook == "" || t.Outcome == facts.Timeout) && node.RuleHits(r, t.Address, t.Interface) {
					return r, true
				}
			}
		}
	}
	return facts.FirewallRule{}, false
}

// someEnded reports whether an attempt to connect ended in one of these ways.
func someEnded(list []facts.Endpoint, ways ...facts.Outcome) bool {
	return slices.ContainsFunc(list, func(e facts.Endpoint) bool {
		return slices.ContainsFunc(e.TCP, func(t facts.Attempt) bool { return slices.Contains(ways, t.Outcome) })
	})
}

// ownSubnet is the interface whose network holds an address while another interface
// was used; empty when there is none.
func ownSubnet(list []facts.Interface, at facts.Attempt) string {
	a, err := netip.ParseAddr(at.Address)
	if err != nil || at.Interface == "" {
		return ""
	}
	for _, i := range list {
		for _, c := range i.Addresses {
			p, err := netip.ParsePrefix(c)
			if err == nil && p.Contains(a) && i.Name != at.Interface {
				return i.Name
			}
		}
	}
	return ""
}
