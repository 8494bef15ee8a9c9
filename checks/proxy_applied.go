package checks

import (
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// ProxyApplied is proxy-applied.
var ProxyApplied = register(Check{
	ID: "proxy-applied", Group: "tls-proxy-clock", Title: "A proxy that this host needs is known to the agent's service",
	Station: AtTCP, Behind: AtDNS,
	Causes: []string{"proxy-not-applied-to-agent"},
	Doc: "Services do not read login shells or /etc/environment. When users have a proxy that works, the agent's service has none, and the endpoints cannot be reached directly, " +
		"the proxy has to be written into the service's unit. The same finding covers a proxy that was added to the unit after the agent started, and a no_proxy that excludes the endpoints.",
	Eval: asAgent(func(n *node.Node) Finding {
		if n.Facts.Agent.ServiceProxy.Unknown() {
			return unread("environment of the service", n.Facts.Agent.ServiceProxy)
		}
		if fd, none := noOtherProxy(n); none {
			return fd
		}
		direct := slices.DeleteFunc(slices.Clone(n.Endpoints.Down), func(e facts.Endpoint) bool { return e.Proxy.Used })
		probe := n.Facts.Network.ShellProxy
		p, _ := probe.Get()
		switch {
		case n.Endpoints.Tried != node.Yes, len(direct) == 0 && !coreTried(n):
			return unreadEndpoints(n)
		case len(direct) == 0:
			return pass("the endpoints can be reached without the proxy")
		case probe.Unknown():
			return unread("a proxy that the service does not use", probe)
		case p.Outcome != facts.OK:
			return pass("the proxy that the service does not use does not work either")
		case p.Of == facts.ProxyOfService && direct[0].Scope == "private":
			return pass("no_proxy takes the private addresses of the endpoints from the proxy")
		}
		fd := blameProxyUse(n, p, direct[0]).with("proxy", p.URL, "unit", n.Agent.UnitName())
		for _, e := range direct {
			fd = fd.saw("connect to "+e.Host+":443", tcpState(e), "connect")
		}
		return fd
	}),
})

// noOtherProxy is the answer where there is no proxy besides the one that the service
// uses, or where that could not be told; false: there is one.
func noOtherProxy(n *node.Node) (Finding, bool) {
	a, probe := &n.Facts.Agent, n.Facts.Network.ShellProxy
	uses := a.ServiceProxy.Value.Set()
	p, ok := probe.Get()
	switch {
	case ok && (p.Of == facts.ProxyOfUnit || p.Of == facts.ProxyOfService):
		return Finding{}, false
	case probe.Unknown() && (uses || a.PendingProxy.Unknown() || a.PendingProxy.Value.Set()):
		return unread("a proxy that the service does not use", probe), true
	case uses && a.PendingProxy.Unknown():
		return unread("whether the running agent was started with the proxy of its service", a.PendingProxy), true
	case uses:
		return pass("the service has its own proxy settings"), true
	case a.ShellProxy.Unknown():
		return unread("proxy settings of users", a.ShellProxy), true
	case !a.ShellProxy.Value.Set():
		return skip("no proxy is set on this host"), true
	}
	return Finding{}, false
}

// blameProxyUse says why the agent does not use a proxy that works, where an endpoint
// cannot be reached directly.
func blameProxyUse(n *node.Node, p facts.ProxyProbe, e facts.Endpoint) Finding {
	a := &n.Facts.Agent
	service, unit := a.ServiceProxy.Value, text.Or(n.Agent.UnitName(), "the agent's service")
	switch p.Of {
	case facts.ProxyOfUnit:
		return blocks("proxy-not-applied-to-agent", Proven, "the files of %s give it a proxy that works (%s), but the agent was started before that, and %s cannot be reached directly: a restart applies it", unit, p.URL, e.Host).
			saw("proxy in the files of "+unit, p.URL+", CONNECT works", a.PendingProxy.From).
			saw("proxy of the running agent", text.Or(service.HTTPS, "none"), a.ServiceProxy.From).fix(causes.Reload...)
	case facts.ProxyOfService:
		return blocks("proxy-not-applied-to-agent", Proven, "the proxy of the service (%s) works, but no_proxy (%s) takes %s from it, which cannot be reached directly", p.URL, strings.Join(p.Excluded, ","), e.Host).
			saw("proxy of the service "+unit, p.URL+", CONNECT works", service.From).
			saw("no_proxy of the service "+unit, service.No, service.From)
	}
	return blocks("proxy-not-applied-to-agent", Proven, "a proxy is set for users (%s) and works, but the service unit %s has none, and %s cannot be reached directly", p.URL, unit, e.Host).
		saw("proxy of the shell", p.URL+", CONNECT works", a.ShellProxy.Value.From).
		saw("proxy of the service "+unit, "none", a.ServiceProxy.From)
}
