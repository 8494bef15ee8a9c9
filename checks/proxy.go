package checks

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "proxy", Group: "tls-proxy-clock", Title: "The proxy of the agent's service works",
	Causes: []string{"proxy-scheme-mismatch", "proxy-refuses", "proxy-unreachable"},
	Doc: "The proxy variables of the agent's own service, not those of a login shell: the proxy's name and port, whether it speaks the scheme its URL says, and its answer to a CONNECT to each endpoint the node needs. " +
		"Proxy auto-configuration is not supported by the agent.",
	Eval: namesOfAgent(func(f *facts.Facts) Finding {
		p, ok := f.Network.Proxy.Get()
		if !ok {
			if fd, failed := tunnelFailed(f); failed {
				return fd
			}
			if f.Network.Proxy.Absent() {
				return skip("the service uses no proxy")
			}
			return unknown("proxy: %s", f.Network.Proxy.Reason())
		}
		where := fmt.Sprintf("%s:%d", p.Host, p.Port)
		variable := orWord(p.Variable, "https_proxy")
		saw := func(fd Finding) Finding {
			seen := p.Outcome
			if p.Status != 0 {
				seen = fmt.Sprintf("CONNECT answered HTTP %d", p.Status)
			}
			return fd.saw("proxy "+p.URL, strings.TrimSpace(seen+" "+p.Error), f.Network.Proxy.From).
				saw(variable+" of the service", p.URL, f.Agent.ServiceProxy.Value.From).with("proxy", p.URL).blocking()
		}
		switch p.Outcome {
		case "ok":
			if fd, failed := tunnelFailed(f); failed {
				return fd
			}
			return pass("%s answers CONNECT", where)
		case "not-tls":
			fix := "http://" + where
			return saw(fail("proxy-scheme-mismatch", Proven, "%s says https:// but the proxy %s speaks plain HTTP; write %s", variable, where, fix)).with("proxy", fix)
		case "tls":
			fix := "https://" + where
			return saw(fail("proxy-scheme-mismatch", Proven, "%s says http:// but the proxy %s expects TLS; write %s", variable, where, fix)).with("proxy", fix)
		case "auth":
			return saw(fail("proxy-refuses", Proven, "the proxy %s asks for a login (407) that %s does not hold or gets wrong", where, variable))
		case "forbidden":
			return saw(fail("proxy-refuses", Proven, "the proxy %s refuses to connect to the Systems Manager endpoint (HTTP %d)", where, p.Status))
		case "dns":
			return saw(fail("proxy-unreachable", Proven, "the name of the proxy %s cannot be resolved", where))
		case "refused", "timeout", "unreachable":
			return saw(fail("proxy-unreachable", Proven, "the proxy %s cannot be connected: %s", where, orWord(p.Error, p.Outcome)))
		}
		if p.Status >= 400 {
			return saw(fail("proxy-refuses", Likely, "the proxy %s answers CONNECT with HTTP %d", where, p.Status))
		}
		return unknown("proxy %s: %s", where, orWord(p.Error, p.Outcome))
	}),
})

// tunnelFailed finds an endpoint the node needs to which the proxy of the
// service does not connect, be its answer for another one as it may.
func tunnelFailed(f *facts.Facts) (Finding, bool) {
	var fd Finding
	var failed []facts.Endpoint
	for _, e := range coreEndpoints(f) {
		if !e.Proxy.Used || e.Proxy.Outcome == "ok" {
			continue
		}
		seen := strings.TrimSpace(e.Proxy.Outcome + " " + e.Proxy.Error)
		sure := Likely
		if e.Proxy.Status != 0 {
			seen, sure = fmt.Sprintf("HTTP %d", e.Proxy.Status), Proven
		}
		if failed = append(failed, e); len(failed) == 1 {
			cause := "proxy-refuses"
			if e.Proxy.Outcome == "unreachable" {
				cause = "proxy-unreachable"
			}
			fd = fail(cause, sure, "the agent's proxy does not connect to %s: %s", e.Host, seen).with("endpoint", e.Host)
			if p, ok := f.Agent.ServiceProxy.Get(); ok {
				fd = fd.saw("proxy of the service", p.HTTPS, p.From).with("proxy", p.HTTPS)
			}
		}
		fd = fd.saw("CONNECT "+e.Host+":443", seen, "proxy:CONNECT "+e.Host+":443")
	}
	if len(failed) == 0 {
		return fd, false
	}
	if other := f.Network.Endpoint("ec2messages"); len(failed) == 1 && other != nil && other.Connected() {
		return blockedAt(f, failed[0], fd), true
	}
	return fd.blocking(), true
}
