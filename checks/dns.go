package checks

import (
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Dns is dns.
var Dns = register(Check{
	ID: "dns", Group: "network", Title: "The endpoint names resolve",
	Station: AtDNS,
	Needs:   []*Check{AgentConfig, Region, Proxy, ProxyApplied},
	Causes:  []string{"dns-resolution-failed", "route-wrong-interface", "host-network-down", "host-firewall-egress"},
	Doc:     "Resolves the ssm and ssmmessages endpoints as the agent does, hosts file included, and says which resolver was asked and how it failed. With a proxy the names are resolved there and this is skipped. When this host's own kernel does not send the query, its route or firewall is named and not the resolver.",
	Eval: asAgent(func(n *node.Node) Finding {
		var bad []facts.Endpoint
		good, proxied := 0, 0
		for _, e := range n.Endpoints.Core {
			switch {
			case e.Proxy.Used:
				proxied++
			case len(e.DNS.A)+len(e.DNS.AAAA) > 0:
				good++
			case e.DNS.Outcome != "":
				bad = append(bad, e)
			}
		}
		switch {
		case len(bad) > 0:
			return blameResolver(n, bad)
		case !coreTried(n), good+proxied < len(n.Endpoints.Core):
			return unread("names of the endpoints", n.Endpoints.Unseen())
		case good == 0:
			return skip("the proxy resolves the names")
		}
		return pass("%d names resolve", good)
	}),
})

// blameResolver names the resolver that gives no address for endpoints.
func blameResolver(n *node.Node, bad []facts.Endpoint) Finding {
	e := bad[0]
	if fd, ok := blameNameSources(n, bad); ok {
		return stopsAt(n, e, fd)
	}
	asked := e.DNS.Server
	if r, ok := n.Facts.Host.Resolver.Get(); ok && asked == "" {
		asked = strings.Join(r.Servers, ", ")
	}
	if fd, ok := blameRouteToResolver(n, e.Host, asked, e.DNS.Outcome, e.DNS.Error); ok {
		for _, e := range bad {
			fd = fd.saw("DNS "+e.Host, e.DNS.Outcome.With(e.DNS.Error), "resolver:"+text.Or(e.DNS.Server, asked))
		}
		if fd.Cause == "host-firewall-egress" {
			return stopsAt(n, e, fd)
		}
		return fd
	}
	fd := blocks("dns-resolution-failed", Proven, "%s cannot be resolved: the resolver %s %s", e.Host, text.Or(asked, "of this host"), dnsWord(e.DNS)).
		with("endpoint", e.Host, "resolver", firstAddress(asked))
	works, dead, unknown := false, true, 0
	for _, e := range bad {
		fd = fd.saw("DNS "+e.Host, e.DNS.Outcome.With(e.DNS.Error), "resolver:"+text.Or(e.DNS.Server, asked))
		dead = dead && (e.DNS.Outcome == facts.Timeout || e.DNS.Outcome == facts.Refused || e.DNS.Outcome == facts.ConnectTimeout)
		for _, v := range e.DNS.Views {
			fd = fd.saw("DNS "+e.Host+" at "+v.Server, v.Outcome.With(strings.Join(v.A, " ")), "resolver:"+v.Server)
			switch {
			case v.Server != vpcResolver:
			case v.Outcome == facts.OK:
				works = true
			case v.Outcome == facts.NXDomain:
				unknown++
			}
		}
	}
	switch { // a resolver that answers may know names that the VPC's does not
	case works && dead:
		fd = fd.fix(useVPCResolver(n)...).with("interface", n.MainDevice())
	case works:
		fd = fd.fix(forwardSteps(n, vpcResolver)...)
	case unknown == len(bad) && e.DNS.Outcome == facts.NXDomain && n.Identity.OnEC2 == node.Yes:
		fd = fd.fix(causes.NamesMissing...)
	}
	return stopsAt(n, e, fd)
}

// blameNameSources finds a nsswitch.conf by which no resolver is asked; false: it lets one be
// asked, or was not read. The agent and this program look names up by the same rules: sources
// that are not known count as DNS.
// Source: Go, net/conf.go.
func blameNameSources(n *node.Node, bad []facts.Endpoint) (Finding, bool) {
	sources, ok := n.Facts.Host.NameSources.Get()
	if !ok || slices.ContainsFunc(sources, func(s string) bool { return s != "files" && s != "myhostname" && !strings.HasPrefix(s, "mdns") }) {
		return Finding{}, false
	}
	fd := blocks("dns-resolution-failed", Proven, "%s cannot be resolved: by /etc/nsswitch.conf names of hosts are looked up in %s only, and no resolver is asked", bad[0].Host, strings.Join(sources, ", ")).
		saw("hosts in /etc/nsswitch.conf", strings.Join(sources, " "), n.Facts.Host.NameSources.From).with("endpoint", bad[0].Host)
	for _, e := range bad {
		if e.DNS.Outcome != facts.NXDomain { // somebody was asked
			return Finding{}, false
		}
		fd = fd.saw("DNS "+e.Host, e.DNS.Outcome.With(e.DNS.Error), "")
	}
	return fd.fix(askDNS...), true
}
