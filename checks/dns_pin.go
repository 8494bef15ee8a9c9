package checks

import (
	"fmt"

	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "dns-pin", Group: "network", Title: "No hosts-file entry sends an endpoint to a dead address",
	Causes: []string{"dns-override-stale"},
	Needs:  []string{"proxy", "proxy-applied"},
	Doc: "Entries for Systems Manager endpoints in the hosts file. Addresses of endpoints change; a pinned one that no longer answers, or that answers with a certificate of another name, " +
		"must go. A pin in a local DNS zone cannot be told from a resolver's own answer.",
	Eval: packetsOfRoot(namesOfAgent(func(f *facts.Facts) Finding {
		pinned := 0
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
