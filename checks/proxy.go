package checks

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Proxy is proxy.
var Proxy = register(Check{
	ID: "proxy", Group: "tls-proxy-clock", Title: "The proxy of the agent's service works",
	Station: AtTCP, Behind: AtDNS,
	Needs:  []*Check{HostNetwork},
	Causes: []string{"proxy-scheme-mismatch", "proxy-refuses", "proxy-unreachable", "route-wrong-interface", "host-network-down"},
	Doc: "The proxy variables of the agent's own service, not those of a login shell: the proxy's name and port, whether it speaks the scheme its URL says, and its answer to a CONNECT to each endpoint the node needs. " +
		"Proxy auto-configuration is not supported by the agent.",
	Eval: agentsNames(func(n *node.Node) Finding {
		probe, service := n.Facts.Network.Proxy, n.Facts.Agent.ServiceProxy
		p, ok := probe.Get()
		if ok && p.Outcome != facts.OK {
			return withProxySteps(n, judgeProxy(n, p))
		}
		if fd, failed := blameTunnel(n); failed {
			return withProxySteps(n, fd)
		}
		switch {
		case probe.Unknown():
			return unread("proxy", probe)
		case (ok || n.Endpoints.Proxied == node.Yes) && !coreTried(n):
			return unreadEndpoints(n)
		case ok:
			return pass("%s:%d answers CONNECT", p.Host, p.Port)
		case n.Endpoints.Proxied == node.Yes:
			return pass("the proxy connects to the endpoints that are reached through it")
		case service.Unknown():
			return unread("environment of the service", service)
		case n.Endpoints.Proxied == node.Unknown:
			return unreadEndpoints(n)
		}
		return skip("the service uses no proxy")
	}),
})

// judgeProxy says what is wrong with the proxy of the service, which does not connect
// to the ssm endpoint.
func judgeProxy(n *node.Node, p facts.ProxyProbe) Finding {
	where, variable := fmt.Sprintf("%s:%d", p.Host, p.Port), text.Or(p.Variable, "https_proxy")
	saw := func(fd Finding) Finding {
		seen := string(p.Outcome)
		if p.Status != 0 {
			seen = fmt.Sprintf("CONNECT answered HTTP %d", p.Status)
		}
		if ssm := n.Endpoints.Of("ssm"); ssm != nil {
			fd = fd.with("endpoint", ssm.Host)
		}
		return fd.saw("proxy "+p.URL, strings.TrimSpace(seen+" "+p.Error), n.Facts.Network.Proxy.From).
			saw(variable+" of the service", p.URL, n.Facts.Agent.ServiceProxy.Value.From).with("proxy", p.URL)
	}
	switch p.Outcome {
	case facts.NotTLS:
		fix := "http://" + where
		return saw(blocks("proxy-scheme-mismatch", Proven, "%s says https:// but the proxy %s speaks plain HTTP; write %s", variable, where, fix)).with("proxy", fix)
	case facts.WantsTLS:
		fix := "https://" + where
		return saw(blocks("proxy-scheme-mismatch", Proven, "%s says http:// but the proxy %s expects TLS; write %s", variable, where, fix)).with("proxy", fix)
	case facts.WantsLogin:
		return saw(blocks("proxy-refuses", Proven, "the proxy %s asks for a login (407) that %s does not hold or gets wrong", where, variable))
	case facts.Forbidden:
		return saw(blocks("proxy-refuses", Proven, "the proxy %s refuses to connect to the Systems Manager endpoint (HTTP %d)", where, p.Status))
	case facts.NoName:
		if fd, ok := blameRouteToResolver(n, "the name of the proxy", firstOf(n.Facts.Host.Resolver.Value.Servers), p.Lookup, p.Error); ok {
			return saw(fd)
		}
		return saw(blocks("proxy-unreachable", Proven, "the name of the proxy %s cannot be resolved", where))
	case facts.Refused, facts.Timeout, facts.NoRoute:
		return saw(blocks("proxy-unreachable", Proven, "the proxy %s cannot be reached: %s", where, text.Or(p.Error, string(p.Outcome))))
	}
	if p.Status >= 400 {
		return saw(blocks("proxy-refuses", Likely, "the proxy %s answers CONNECT with HTTP %d", where, p.Status))
	}
	return unknown("proxy %s: %s", where, text.Or(p.Error, string(p.Outcome)))
}

// blameTunnel finds an endpoint the node needs to which the proxy of the service does
// not connect, whatever it answers for another one; false: there is none.
func blameTunnel(n *node.Node) (Finding, bool) {
	var fd Finding
	var first *facts.Endpoint
	for _, e := range n.Endpoints.Core {
		if !e.Proxy.Used || e.Proxy.Outcome == facts.OK {
			continue
		}
		seen, sure := renderOutcome(e.Proxy.Outcome, e.Proxy.Error), Likely
		if e.Proxy.Status != 0 {
			seen, sure = fmt.Sprintf("HTTP %d", e.Proxy.Status), Proven
		}
		if first == nil {
			first = &e
			cause := "proxy-refuses"
			switch e.Proxy.Outcome {
			case facts.NoName, facts.Refused, facts.Timeout, facts.NoRoute:
				cause = "proxy-unreachable"
			case facts.NotTLS, facts.WantsTLS:
				return unread("how the agent's proxy speaks", n.Facts.Network.Proxy), true
			}
			if by, ok := blameRouteToResolver(n, "the name of the proxy", firstOf(n.Facts.Host.Resolver.Value.Servers), e.Proxy.Lookup, e.Proxy.Error); ok {
				return by, true
			}
			fd = blocks(cause, sure, "the agent's proxy does not connect to %s: %s", e.Host, seen).with("endpoint", e.Host)
			if p, ok := n.Facts.Agent.ServiceProxy.Get(); ok {
				fd = fd.saw("proxy of the service", p.HTTPS, p.From).with("proxy", p.HTTPS)
			}
		}
		fd = fd.saw("CONNECT "+e.Host+":443", seen, "proxy:CONNECT "+e.Host+":443")
	}
	if first == nil {
		return fd, false
	}
	if other := n.Endpoints.Of("ec2messages"); other != nil && other.Connected() {
		fd = stopsAt(n, *first, fd)
	}
	return fd, true
}
