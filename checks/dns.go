package checks

import (
	"fmt"
	"net/netip"
	"strings"

	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "dns", Group: "network", Title: "The endpoint names resolve",
	Causes: []string{"dns-resolution-failed"},
	Needs:  []string{"region", "proxy", "proxy-applied"},
	Doc:    "Resolves the ssm and ssmmessages endpoints as the agent does, hosts file included, and says which resolver was asked and how it failed. With a proxy the names are resolved there and this is skipped.",
	Eval: packetsOfRoot(namesOfAgent(func(f *facts.Facts) Finding {
		var bad, good []facts.Endpoint
		for _, e := range coreEndpoints(f) {
			switch {
			case e.Proxy.Used:
			case e.DNS.Outcome == "ok" || len(e.DNS.A)+len(e.DNS.AAAA) > 0:
				good = append(good, e)
			case e.DNS.Outcome != "":
				bad = append(bad, e)
			}
		}
		if len(bad) == 0 {
			if len(good) == 0 {
				if proxied(f) {
					return skip("the proxy resolves the names")
				}
				return unknown("no name was resolved: %s", noNetwork(f))
			}
			return pass("%d names resolve", len(good))
		}
		e := bad[0]
		asked := e.DNS.Server
		if asked == "" {
			if r, ok := f.Host.Resolver.Get(); ok {
				asked = strings.Join(r.Servers, ", ")
			}
		}
		fd := fail("dns-resolution-failed", Proven, "%s cannot be resolved: the resolver %s %s", e.Host, orWord(asked, "of this host"), dnsWord(e.DNS)).with("endpoint", e.Host, "resolver", address(firstWord(asked))).blocking()
		for _, e := range bad {
			fd = fd.saw("DNS "+e.Host, strings.TrimSpace(e.DNS.Outcome+" "+e.DNS.Error), "resolver:"+orWord(e.DNS.Server, asked))
			for _, v := range e.DNS.Views {
				fd = fd.saw("DNS "+e.Host+" at "+v.Server, strings.TrimSpace(v.Outcome+" "+strings.Join(v.A, " ")), "resolver:"+v.Server)
			}
		}
		return fd
	})),
})

// address is a resolver without its port.
func address(server string) string {
	if ap, err := netip.ParseAddrPort(server); err == nil {
		return ap.Addr().String()
	}
	return server
}

func dnsWord(d facts.DNS) string {
	switch d.Outcome {
	case "nxdomain":
		return "says that there is no such host"
	case "timeout":
		return "does not answer"
	case "servfail":
		return "fails (SERVFAIL)"
	case "refused":
		return "refuses the query"
	case "no-data":
		return "has no address for it"
	}
	return "fails: " + orWord(d.Error, d.Outcome)
}

func firstWord(s string) string {
	s, _, _ = strings.Cut(s, ",")
	s, _, _ = strings.Cut(s, " ")
	return s
}

// coreEndpoints are those a node needs to be managed.
func coreEndpoints(f *facts.Facts) []facts.Endpoint {
	var out []facts.Endpoint
	for _, e := range f.Network.Endpoints {
		if e.Need == facts.NeedCore {
			out = append(out, e)
		}
	}
	return out
}

// coreDown are the core endpoints to which no connection could be made; tried
// is false when none was attempted.
func coreDown(f *facts.Facts) (down []facts.Endpoint, tried bool) {
	for _, e := range coreEndpoints(f) {
		if !e.Tried() && e.DNS.Outcome == "" {
			continue
		}
		tried = true
		if !e.Connected() {
			down = append(down, e)
		}
	}
	return down, tried
}

func proxied(f *facts.Facts) bool {
	for _, e := range coreEndpoints(f) {
		if e.Proxy.Used {
			return true
		}
	}
	return false
}

func noNetwork(f *facts.Facts) string {
	switch {
	case f.Offline:
		return "offline"
	case !f.Live():
		return "not a running host"
	case f.Network.Region == "":
		return "no Region is known"
	}
	return "not looked at"
}

// tcpState says how the attempts to connect ended.
func tcpState(e facts.Endpoint) string {
	if e.Proxy.Used {
		return strings.TrimSpace(fmt.Sprintf("through the proxy: %s %s", e.Proxy.Outcome, e.Proxy.Error))
	}
	var out []string
	for _, t := range e.TCP {
		out = append(out, fmt.Sprintf("%s %s", t.Address, tcpWord(t)))
	}
	if len(out) == 0 {
		return "no address to connect to"
	}
	return strings.Join(out, ", ")
}

func tcpWord(t facts.Attempt) string {
	switch t.Outcome {
	case "ok":
		return "connected"
	case "timeout":
		return "timed out"
	case "refused":
		return "connection refused"
	case "unreachable":
		return orWord(t.Error, "network is unreachable")
	case "not-permitted":
		return orWord(t.Error, "operation not permitted")
	}
	return orWord(t.Error, t.Outcome)
}
