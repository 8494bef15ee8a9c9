package checks

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "dns-pin", Group: "network", Title: "No hosts-file entry or search list sends an endpoint to a dead address",
	Causes: []string{"dns-override-stale"},
	Needs:  []string{"proxy", "proxy-applied"},
	Doc: "Entries for Systems Manager endpoints in the hosts file. Addresses of endpoints change; a pinned one that no longer answers, or that answers with a certificate of another name, " +
		"must go. The same holds for a wildcard in a domain of resolv.conf's search list, asked first where ndots is large. A pin in a local DNS zone cannot be told from a resolver's own answer.",
	Eval: packetsOfRoot(namesOfAgent(func(f *facts.Facts) Finding {
		pinned := 0
		if fd, ok := searchedAway(f); ok {
			return fd
		}
		for _, e := range f.Network.Endpoints {
			if e.DNS.Pinned == "" || e.Proxy.Used {
				continue
			}
			pinned++
			t, shown := e.TLS.Get()
			dead := e.Tried() && !e.Connected()
			foreign := shown && t.Kind == "wrong-name"
			if !dead && !foreign {
				continue
			}
			what := "which " + tcpState(e)
			if foreign {
				what = fmt.Sprintf("where another name (%s) answers", quote(t.Subject))
			}
			if dead {
				what = "which does not answer on 443"
			}
			fd := fail("dns-override-stale", Proven, "the hosts file pins %s to %s, %s", e.Host, e.DNS.Pinned, what).
				saw("hosts file", e.DNS.Pinned+" "+e.Host, "file:/etc/hosts").saw("connect to "+e.Host+":443", tcpState(e), "connect").
				with("endpoint", e.Host, "address", e.DNS.Pinned)
			for _, v := range e.DNS.Views {
				fd = fd.saw("DNS "+e.Host+" at "+v.Server, fmt.Sprint(v.A), "resolver:"+v.Server)
			}
			if e.Need == facts.NeedCore {
				return fd.blocking()
			}
			fd.Status = Warn
			return fd.severity("warning")
		}
		if pinned > 0 {
			return pass("%d names pinned in the hosts file, all answer", pinned)
		}
		if len(f.Network.Endpoints) == 0 {
			return unknown("endpoints: %s", noNetwork(f))
		}
		return pass("no endpoint is pinned")
	})),
})

// searchedAway finds an endpoint whose name the search list turns into another,
// at whose address the endpoint does not answer.
func searchedAway(f *facts.Facts) (Finding, bool) {
	for _, e := range coreEndpoints(f) {
		t, shown := e.TLS.Get()
		dead, foreign := e.Tried() && !e.Connected(), shown && t.Kind == "wrong-name"
		if e.DNS.Searched == "" || e.DNS.Pinned != "" || e.Proxy.Used || !dead && !foreign {
			continue
		}
		r := f.Host.Resolver.Value
		return fail("dns-override-stale", Proven, "the search list of resolv.conf turns %s into %s (%s), where the endpoint does not answer: a wildcard in that domain catches it", e.Host, e.DNS.Searched, strings.Join(e.DNS.A, ", ")).
			saw("DNS "+e.DNS.Searched, strings.Join(e.DNS.A, " "), "resolver:"+e.DNS.Server).
			saw("resolv.conf", "search "+strings.Join(r.Search, " ")+"; options "+strings.Join(r.Options, " "), f.Host.Resolver.From).
			saw("connect to "+e.Host+":443", tcpState(e), "connect").
			with("endpoint", e.Host, "address", firstOf(e.DNS.A)).blocking().fix(
			causes.Step{Text: "See what the name gives with the search list, and what it gives with a dot at its end", Command: "cat /etc/resolv.conf; getent ahosts {endpoint}; getent ahosts {endpoint}.", Where: causes.OnHost},
			causes.Step{Text: "Remove the wildcard record from that domain, or the domain from the search list, or set ndots:1 (in Kubernetes in dnsConfig of the pod)", Command: "grep -nE 'search|ndots' /etc/resolv.conf", Where: causes.OnHost},
		).fix(causes.Reload...), true
	}
	return Finding{}, false
}
