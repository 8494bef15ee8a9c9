package checks

import (
	"strings"

	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "dns-private", Group: "network", Title: "The resolver in use knows the VPC endpoints",
	Causes: []string{"vpce-private-dns-off"},
	Needs:  []string{"dns", "dns-pin", "proxy", "proxy-applied"},
	Doc: "When an endpoint's public address cannot be reached, the VPC's own resolver is asked as well. A private answer there means that a VPC endpoint exists which the host's resolver does not know. " +
		"An endpoint whose private DNS is switched off looks like no endpoint at all.",
	Eval: packetsOfRoot(namesOfAgent(func(f *facts.Facts) Finding {
		down, tried := coreDown(f)
		if !tried {
			return unknown("endpoints: %s", noNetwork(f))
		}
		for _, e := range down {
			if e.Scope != "public" || e.Proxy.Used {
				continue
			}
			for _, v := range e.DNS.Views {
				if v.Scope != "private" {
					continue
				}
				used := e.DNS.Server
				if r, ok := f.Host.Resolver.Get(); ok && len(r.Servers) > 0 {
					used = r.Servers[0]
				}
				fd := fail("vpce-private-dns-off", Proven, "the resolver %s gives the public address of %s, which cannot be reached; the VPC resolver (%s) gives a private one (%s): a VPC endpoint exists that this host's DNS does not use",
					orWord(used, "of this host"), e.Host, v.Server, strings.Join(v.A, ", ")).
					saw("DNS "+e.Host+" at "+orWord(used, "the host's resolver"), strings.Join(e.DNS.A, " ")+" (public)", "resolver:"+used).
					saw("DNS "+e.Host+" at "+v.Server, strings.Join(v.A, " ")+" (private)", "resolver:"+v.Server).
					saw("connect to "+e.Host+":443", tcpState(e), "connect").
					with("resolver", used, "service", e.Service, "endpoint", e.Host, "address", firstOf(v.A)).blocking()
				return fd
			}
		}
		if len(down) == 0 {
			return pass("the endpoints can be reached at the addresses given")
		}
		return pass("no resolver asked knows private addresses (%d asked)", views(down))
	})),
})

func firstOf(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

func views(es []facts.Endpoint) int {
	seen := map[string]bool{}
	for _, e := range es {
		for _, v := range e.DNS.Views {
			seen[v.Server] = true
		}
	}
	return len(seen)
}
