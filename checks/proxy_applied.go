package checks

import (
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "proxy-applied", Group: "tls-proxy-clock", Title: "A proxy that this host needs is known to the agent's service",
	Causes: []string{"proxy-not-applied-to-agent"},
	Needs:  []string{"agent-installed"},
	Doc: "Services do not read login shells or /etc/environment. When users have a proxy that works, the agent's service has none, and the endpoints cannot be reached directly, " +
		"the proxy has to be written into the service's unit.",
	Eval: func(f *facts.Facts) Finding {
		service, ok := f.Agent.ServiceProxy.Get()
		if ok && service.Set() {
			return pass("the service has its own proxy settings")
		}
		if !ok && !f.Agent.ServiceProxy.Absent() {
			return unknown("environment of the service: %s", f.Agent.ServiceProxy.Reason())
		}
		shell, ok := f.Agent.ShellProxy.Get()
		if !ok || !shell.Set() {
			return skip("no proxy is set on this host")
		}
		down, tried := coreDown(f)
		if !tried {
			return unknown("whether the endpoints can be reached directly was not tried")
		}
		if len(down) == 0 {
			return pass("the endpoints can be reached without the proxy")
		}
		probe, ok := f.Network.ShellProxy.Get()
		if !ok || probe.Outcome != "ok" {
			return pass("the proxy of the shell does not help either")
		}
		u := "amazon-ssm-agent.service"
		if m := mainUnit(f); m != nil {
			u = m.Name
		}
		fd := fail("proxy-not-applied-to-agent", Proven, "a proxy is set for users (%s) and works, but the service unit %s has none, and %s cannot be reached directly", probe.URL, u, down[0].Host).
			saw("proxy of the shell", probe.URL+", CONNECT works", shell.From).
			saw("proxy of the service "+u, "none", f.Agent.ServiceProxy.From).with("proxy", probe.URL, "unit", u).blocking()
		for _, e := range down {
			fd = fd.saw("connect to "+e.Host+":443", tcpState(e), "connect")
		}
		return fd
	},
})
