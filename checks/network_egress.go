package checks

import (
	"fmt"
	"net/netip"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "network-egress", Group: "network", Title: "The endpoints can be connected on port 443",
	Causes: []string{"network-no-egress", "vpce-service-missing", "vpce-sg-blocked", "host-firewall-egress", "ipv6-no-endpoint", "route-wrong-interface"},
	Needs:  []string{"dns", "dns-pin", "dns-private", "proxy", "proxy-applied"},
	Doc: "TCP connections to ssm and ssmmessages, with the way each one failed, the address chosen and the interface used. Security groups, network ACLs and route tables are not visible from inside: " +
		"a time-out to a private address points at the endpoint's security group, one to public addresses at the missing way out.",
	Eval: packetsOfRoot(namesOfAgent(func(f *facts.Facts) Finding {
		down, tried := coreDown(f)
		if !tried {
			return unknown("endpoints: %s", noNetwork(f))
		}
		var up []facts.Endpoint
		for _, e := range coreEndpoints(f) {
			if e.Connected() {
				up = append(up, e)
			}
		}
		if len(down) == 0 {
			if fd, silent := unanswered(up); silent {
				return fd
			}
			return pass("%d endpoints connected", len(up))
		}
		var open []facts.Endpoint // failed at TCP, not before
		for _, e := range down {
			if !e.Proxy.Used && len(e.TCP) > 0 {
				open = append(open, e)
			}
		}
		if len(open) == 0 {
			if e := down[0]; e.Proxy.Used {
				return unknown("%s is not connected %s", e.Host, tcpState(e))
			}
			return unknown("no connection was attempted: the names do not resolve")
		}
		fd := egress(f, open, up)
		for _, e := range open {
			src := ""
			if len(e.TCP) > 0 && e.TCP[0].Interface != "" {
				src = " from " + e.TCP[0].Interface
			}
			fd = fd.saw("connect to "+e.Host+":443"+src, tcpState(e), "connect")
		}
		for _, e := range up {
			fd = fd.saw("connect to "+e.Host+":443", "connected", "connect")
		}
		e := open[0]
		fd = fd.with("service", e.Service, "endpoint", e.Host, "address", e.TCP[0].Address)
		if len(down) > 1 {
			return fd.blocking()
		}
		return blockedAt(f, e, fd)
	})),
})

// unanswered finds an endpoint that can be connected but from which nothing of
// AWS comes back.
func unanswered(up []facts.Endpoint) (Finding, bool) {
	for _, e := range up {
		t, shown := e.TLS.Get()
		h, asked := e.HTTP.Get()
		var fd Finding
		switch {
		case shown && !t.OK && (t.Kind == "timeout" || t.Kind == "reset"):
			what := map[string]string{"timeout": "is never answered", "reset": "is cut off"}[t.Kind]
			fd = fail("network-no-egress", Likely, "%s accepts connections on 443, but a TLS handshake %s: a firewall on the way, or packets that are too large for it", e.Host, what).
				saw("TLS to "+e.Host, orWord(t.Error, t.Kind), e.TLS.From)
		case shown && t.OK && asked && !h.AWS:
			what := fmt.Sprintf("HTTP %d", h.Status)
			if h.Status == 0 {
				what = orWord(h.Error, h.Outcome)
			} else if h.Server != "" {
				what += " from " + h.Server
			}
			fd = fail("network-no-egress", Likely, "TLS to %s works, but AWS does not answer there: %s; something on the way answers in its place or drops the request", e.Host, what).
				saw("GET https://"+e.Host+"/", what, e.HTTP.From)
		default:
			continue
		}
		return fd.with("service", e.Service, "endpoint", e.Host), true
	}
	return Finding{}, false
}

// egress names why connections end before they begin. open is not empty.
func egress(f *facts.Facts, open, up []facts.Endpoint) Finding {
	e := open[0]
	at := e.TCP[0]
	for _, e := range open {
		if allTCP([]facts.Endpoint{e}, "no-local-address") {
			return fail("network-no-egress", Proven, "this host has no local port or address left to connect to %s from (%s): too many connections are open, or the range of local ports is too small", e.Host, tcpWord(e.TCP[0])).
				fix(portSteps...)
		}
	}
	rule, known := firewallRule(f, open)
	saw := func(fd Finding) Finding {
		if !known {
			return fd
		}
		return fd.saw(f.Host.Firewall.Value.Tool+" rule in "+strings.TrimSpace(rule.Table+" "+rule.Chain), rule.Text, f.Host.Firewall.From)
	}
	if anyTCP(open, "not-permitted") {
		return saw(fail("host-firewall-egress", Proven, "a firewall on this host itself refuses connections to %s on 443 (%s)", e.Host, tcpWord(at)))
	}
	if known && (anyTCP(open, "timeout") || anyTCP(open, "refused") || anyTCP(open, "unreachable")) {
		return saw(fail("host-firewall-egress", Likely, "%s:443 cannot be connected, and a %s rule on this host %ss outbound HTTPS: %s", e.Host, f.Host.Firewall.Value.Tool, rule.Action, cut(rule.Text, 160)))
	}
	if four, ok := f.Host.DefaultIPv4.Get(); ok && !four && allTCP(open, "unreachable") {
		if six, ok := f.Host.DefaultIPv6.Get(); ok && six {
			return fail("ipv6-no-endpoint", Proven, "this host has only IPv6, and %s has no address it can reach over IPv6 (%s: %s)", e.Host, at.Address, tcpWord(at)).
				saw("default route", "IPv6 only", f.Host.DefaultIPv6.From)
		}
	}
	for _, o := range f.Network.Others {
		if o.Outcome == "ok" {
			return fail("route-wrong-interface", Proven, "%s cannot be connected by the interface %s that routing chooses, but can be by %s (%s)", e.Host, orWord(at.Interface, "in use"), o.Interface, o.Source).
				saw("connect to "+o.Address+":443 from "+o.Interface, "connected", "connect").with("interface", o.Interface)
		}
	}
	if name := ownSubnet(f, e); name != "" {
		return fail("route-wrong-interface", Likely, "%s (%s) lies in the network of interface %s, but traffic leaves by %s", e.Host, at.Address, name, at.Interface).with("interface", name)
	}
	scope := e.Scope
	if len(up) > 0 {
		if up[0].Scope == "private" && scope != "private" {
			return fail("vpce-service-missing", Proven, "%s is reached over a private VPC endpoint, but %s resolves to the public address %s, which %s: there is no VPC endpoint for %s",
				up[0].Host, e.Host, at.Address, tcpWord(at), e.Service)
		}
		if scope != "private" {
			return fail("network-no-egress", Likely, "%s:443 cannot be connected (%s %s) although %s can: a firewall on the way lets only some names through", e.Host, at.Address, tcpWord(at), up[0].Host)
		}
	}
	if at.Outcome == "unreachable" { // the kernel's word: a security group only drops
		return fail("network-no-egress", Proven, "%s (%s) cannot be connected on port 443: %s; this host has no route to it", e.Host, at.Address, tcpWord(at))
	}
	if scope == "private" {
		if at.Outcome == "refused" {
			return fail("vpce-sg-blocked", Likely, "%s resolves to the private address %s, which refuses connections on 443", e.Host, at.Address)
		}
		return fail("vpce-sg-blocked", Likely, "%s resolves to the private address %s of a VPC endpoint, but port 443 is not let in (%s): its security group most likely lacks inbound 443 from this host", e.Host, at.Address, tcpWord(at))
	}
	if p, ok := f.Network.ShellProxy.Get(); ok && p.Outcome == "ok" && f.Agent.ServiceProxy.Unknown() {
		return unknown("%s cannot be connected directly (%s); a proxy works for users (%s), and whether the agent's service has it is not known", e.Host, tcpWord(at), p.URL)
	}
	return fail("network-no-egress", Proven, "%s (%s) and the other Systems Manager endpoints cannot be connected on port 443: %s; this host has no way out to them", e.Host, at.Address, tcpWord(at))
}

// portSteps are for a host that has used up its local ports.
var portSteps = []causes.Step{
	{Text: "See how many connections there are, and the range of local ports", Command: "ss -s; sysctl net.ipv4.ip_local_port_range", Where: causes.OnHost, GOOS: "linux"},
	{Text: "Find the processes that hold them and stop or mend those", Command: "ss -tanpH | awk '{print $NF}' | sort | uniq -c | sort -rn | head", Where: causes.OnHost, Root: true, GOOS: "linux"},
	{Text: "Or give the host its whole range of local ports", Command: "sysctl -w net.ipv4.ip_local_port_range='1024 65535'", Where: causes.OnHost, Root: true, GOOS: "linux"},
	{Text: "See how many connections there are, and the range of local ports", Command: "netstat -an -p tcp; sysctl net.inet.ip.portrange", Where: causes.OnHost, GOOS: "darwin"},
	{Text: "See which processes hold connections, and the range of local ports", Command: "Get-NetTCPConnection | Group-Object OwningProcess; netsh int ipv4 show dynamicport tcp", Where: causes.OnHost, GOOS: "windows"},
	{Text: "Check again", Command: "ssm-doctor check --wait 5m", Where: causes.OnHost},
}

// firewallRule is the first rule of this host's firewall that stops HTTPS to one
// of the endpoints by the way it was tried.
func firewallRule(f *facts.Facts, open []facts.Endpoint) (facts.FirewallRule, bool) {
	for _, r := range f.Host.Firewall.Value.Rules {
		if !r.HTTPS {
			continue
		}
		for _, e := range open {
			for _, t := range e.TCP {
				if t.Outcome != "ok" && ruleHits(r, t.Address, t.Interface) {
					return r, true
				}
			}
		}
	}
	return facts.FirewallRule{}, false
}

func anyTCP(es []facts.Endpoint, outcome string) bool {
	for _, e := range es {
		for _, t := range e.TCP {
			if t.Outcome == outcome {
				return true
			}
		}
	}
	return false
}

func allTCP(es []facts.Endpoint, outcome string) bool {
	for _, e := range es {
		for _, t := range e.TCP {
			if t.Outcome != outcome {
				return false
			}
		}
	}
	return true
}

// ownSubnet is the interface whose network holds the endpoint's address while
// another one was used; empty when there is none.
func ownSubnet(f *facts.Facts, e facts.Endpoint) string {
	ifs, ok := f.Host.Interfaces.Get()
	if !ok || len(e.TCP) == 0 || e.TCP[0].Interface == "" {
		return ""
	}
	a, err := netip.ParseAddr(e.TCP[0].Address)
	if err != nil {
		return ""
	}
	for _, i := range ifs {
		for _, c := range i.Addresses {
			p, err := netip.ParsePrefix(c)
			if err == nil && p.Contains(a) && i.Name != e.TCP[0].Interface {
				return fmt.Sprint(i.Name)
			}
		}
	}
	return ""
}
