package checks

import (
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "proxy-applied", Group: "tls-proxy-clock", Title: "A proxy that this host needs is known to the agent's service",
	Causes: []string{"proxy-not-applied-to-agent"},
	Needs:  []string{"agent-installed"},
	Doc: "Services do not read login shells or /etc/environment. When users have a proxy that works, the agent's service has none, and the endpoints cannot be reached directly, " +
		"the proxy has to be written into the service's unit. The same holds for a proxy that the unit got after the agent started, and for one from which no_proxy takes the endpoints.",
	Eval: packetsOfRoot(namesOfAgent(func(f *facts.Facts) Finding {
		service, ok := f.Agent.ServiceProxy.Get()
		if !ok && !f.Agent.ServiceProxy.Absent() {
			return unknown("environment of the service: %s", f.Agent.ServiceProxy.Reason())
		}
		probe, probed := f.Network.ShellProxy.Get()
		other := probed && (probe.Of == "unit" || probe.Of == "service")
		if ok && service.Set() && !other {
			return pass("the service has its own proxy settings")
		}
		shell, ok := f.Agent.ShellProxy.Get()
		if !other && (!ok || !shell.Set()) {
			return skip("no proxy is set on this host")
		}
		down, tried := coreDown(f)
		if !tried {
			return unknown("whether the endpoints can be reached directly was not tried")
		}
		down = slices.DeleteFunc(down, func(e facts.Endpoint) bool { return e.Proxy.Used })
		if len(down) == 0 {
			return pass("the endpoints can be reached without the proxy")
		}
		if !probed || probe.Outcome != "ok" {
			return pass("a proxy that the service does not use does not help either")
		}
		u := "amazon-ssm-agent.service"
		if m := mainUnit(f); m != nil {
			u = m.Name
		}
		var fd Finding
		switch probe.Of {
		case "unit":
			fd = fail("proxy-not-applied-to-agent", Proven, "the files of %s give it a proxy that works (%s), but the agent was started before and has it not, and %s cannot be reached directly: a restart applies it", u, probe.URL, down[0].Host).
				saw("proxy in the files of "+u, probe.URL+", CONNECT works", f.Agent.PendingProxy.From).
				saw("proxy of the running agent", orWord(service.HTTPS, "none"), f.Agent.ServiceProxy.From).fix(causes.Reload...)
		case "service":
			if down[0].Scope == "private" {
				return pass("no_proxy takes the private addresses of the endpoints from the proxy")
			}
			fd = fail("proxy-not-applied-to-agent", Proven, "the proxy of the service (%s) works, but no_proxy (%s) takes %s from it, which cannot be reached directly", probe.URL, strings.Join(probe.Excluded, ","), down[0].Host).
				saw("proxy of the service "+u, probe.URL+", CONNECT works", service.From).
				saw("no_proxy of the service "+u, service.No, service.From)
		default:
			fd = fail("proxy-not-applied-to-agent", Proven, "a proxy is set for users (%s) and works, but the service unit %s has none, and %s cannot be reached directly", probe.URL, u, down[0].Host).
				saw("proxy of the shell", probe.URL+", CONNECT works", shell.From).
				saw("proxy of the service "+u, "none", f.Agent.ServiceProxy.From)
		}
		fd = fd.with("proxy", probe.URL, "unit", u).blocking()
		for _, e := range down {
			fd = fd.saw("connect to "+e.Host+":443", tcpState(e), "connect")
		}
		return fd
	})),
})
