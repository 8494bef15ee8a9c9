package checks

import (
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// DnsPrivate is dns-private.
var DnsPrivate = register(Check{
	ID: "dns-private", Group: "network", Title: "The resolver in use knows the VPC endpoints",
	Station: AtDNS,
	Needs:   []*Check{Dns, DnsPin},
	Causes:  []string{"vpce-private-dns-off"},
	Doc: "When an endpoint's public address cannot be reached, the VPC's own resolver is asked as well. A private answer there means that a VPC endpoint exists which the host's resolver does not know. " +
		"An endpoint whose private DNS is switched off looks like no endpoint at all.",
	Eval: asAgent(func(n *node.Node) Finding {
		if n.Endpoints.Tried != node.Yes {
			return unreadEndpoints(n)
		}
		var public []facts.Endpoint // that cannot be reached at the addresses given
		for _, e := range n.Endpoints.Down {
			if e.Scope != "public" || e.Proxy.Used {
				continue
			}
			public = append(public, e)
			for _, v := range e.DNS.Views {
				if v.Scope == "private" {
					return blameForwarding(n, e, v)
				}
			}
		}
		switch {
		case !coreTried(n):
			return unreadEndpoints(n)
		case coreProxied(n):
			return skip("the proxy resolves the names")
		case len(n.Endpoints.Down) == 0:
			return pass("the endpoints can be reached at the addresses given")
		case len(public) == 0:
			return skip("no endpoint has a public address that cannot be reached")
		}
		return judgeOtherResolvers(n, public)
	}),
})

// blameForwarding names a resolver that does not know what the VPC's resolver knows.
func blameForwarding(n *node.Node, e facts.Endpoint, v facts.View) Finding {
	used := e.DNS.Server
	if r, ok := n.Facts.Host.Resolver.Get(); ok && len(r.Servers) > 0 {
		used = r.Servers[0]
	}
	return blocks("vpce-private-dns-off", Proven, "the resolver %s gives the public address of %s, which cannot be reached; the VPC resolver (%s) gives a private one (%s): a VPC endpoint exists that this host's DNS does not use",
		text.Or(used, "of this host"), e.Host, v.Server, strings.Join(v.A, ", ")).
		saw("DNS "+e.Host+" at "+text.Or(used, "the host's resolver"), strings.Join(e.DNS.A, " ")+" (public)", "resolver:"+used).
		saw("DNS "+e.Host+" at "+v.Server, strings.Join(v.A, " ")+" (private)", "resolver:"+v.Server).
		saw("connect to "+e.Host+":443", tcpState(e), "connect").
		with("resolver", used, "service", e.Service, "endpoint", e.Host, "address", firstOf(v.A)).fix(forwardSteps(n, v.Server)...)
}

// judgeOtherResolvers tells whether resolvers besides the host's own were asked for
// endpoints, and answered, none with a private address.
func judgeOtherResolvers(n *node.Node, public []facts.Endpoint) Finding {
	asked, answered := map[string]bool{}, map[string]bool{}
	for _, e := range public {
		for _, v := range e.DNS.Views {
			asked[v.Server] = true
			if v.Outcome == facts.OK || v.Outcome == facts.NXDomain || v.Outcome == facts.NoData {
				answered[v.Server] = true
			}
		}
	}
	r, _ := n.Facts.Host.Resolver.Get()
	switch {
	case len(answered) > 0:
		return pass("no resolver asked knows private addresses (%d asked)", len(answered))
	case len(asked) > 0:
		return unknown("no other resolver answers (%d asked)", len(asked))
	case slices.Contains(r.Servers, vpcResolver):
		return pass("this host asks the VPC resolver itself")
	case n.Identity.OnEC2 == node.No:
		return skip("not an EC2 instance, so without a VPC resolver to ask")
	}
	return unknown("no resolver besides the host's own was asked")
}
