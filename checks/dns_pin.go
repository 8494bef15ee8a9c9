package checks

import (
	"fmt"
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// DnsPin is dns-pin.
var DnsPin = register(Check{
	ID: "dns-pin", Group: "network", Title: "No hosts-file entry or search list sends an endpoint to a dead address",
	Station: AtDNS,
	Needs:   []*Check{Proxy, ProxyApplied},
	Causes:  []string{"dns-override-stale"},
	Doc: "Entries for Systems Manager endpoints in the hosts file. Addresses of endpoints change; a pinned one that no longer answers, or that answers with a certificate of another name, " +
		"must go. The same holds for a wildcard in a domain of resolv.conf's search list, asked first where ndots is large. A pin in a local DNS zone cannot be told from a resolver's own answer.",
	Eval: asAgent(func(n *node.Node) Finding {
		if fd, ok := judgeSearchList(n); ok {
			return fd
		}
		list, _ := n.Endpoints.All()
		pinned := 0
		for _, e := range list {
			switch {
			case e.DNS.Pinned == "" || e.Proxy.Used:
				continue
			case isDead(e) && slices.ContainsFunc(e.TCP, func(a facts.Attempt) bool { r, ok := a.Route.Get(); return ok && node.IsNull(r) }):
				return unknown("the hosts file pins %s to %s, and this host's own route discards what is sent there", e.Host, e.DNS.Pinned)
			case isDead(e) || answersAsOther(e):
				return blamePin(n, e).with("pinned", deadPins(list))
			case !e.Connected():
				return unknown("the hosts file pins %s to %s, and whether it answers there was not tried", e.Host, e.DNS.Pinned)
			}
			pinned++
		}
		switch {
		case !coreTried(n):
			return unreadEndpoints(n)
		case pinned > 0:
			return pass("%d names pinned in the hosts file, all answer", pinned)
		case coreProxied(n):
			return skip("the proxy resolves the names")
		}
		return pass("no endpoint is pinned")
	}),
})

// deadPins are the names of all pinned endpoints that do not answer, for a pattern.
func deadPins(list []facts.Endpoint) string {
	var names []string
	for _, e := range list {
		if e.DNS.Pinned != "" && !e.Proxy.Used && (isDead(e) || answersAsOther(e)) && causes.Safe(e.Host) && !slices.Contains(names, e.Host) {
			names = append(names, e.Host)
		}
	}
	return strings.Join(names, "|")
}

// isDead reports whether no connection to an endpoint was made.
func isDead(e facts.Endpoint) bool { return e.Tried() && !e.Connected() }

// answersAsOther reports whether what answers for an endpoint shows a certificate for
// another name.
func answersAsOther(e facts.Endpoint) bool {
	t, shown := e.TLS.Get()
	return shown && t.Kind == facts.WrongName
}

// blamePin names the entry of the hosts file for an endpoint that does not answer there.
func blamePin(n *node.Node, e facts.Endpoint) Finding {
	fd := breaks("dns-override-stale", Proven, "the hosts file pins %s to %s", e.Host, e.DNS.Pinned)
	if e.Need == facts.NeedCore {
		fd = fd.as(Blocks)
	}
	if isDead(e) {
		fd = fd.add(", which does not answer on 443")
	} else {
		fd = fd.add(", where another name (%s) answers", text.Quote(e.TLS.Value.Subject))
	}
	fd = fd.saw("hosts file", e.DNS.Pinned+" "+e.Host, "file:"+n.Layout().Hosts).saw("connect to "+e.Host+":443", tcpState(e), "connect").
		with("endpoint", e.Host, "address", e.DNS.Pinned)
	for _, v := range e.DNS.Views {
		fd = fd.saw("DNS "+e.Host+" at "+v.Server, fmt.Sprint(v.A), "resolver:"+v.Server)
	}
	return fd
}

// judgeSearchList finds an endpoint whose name the search list turns into another,
// at whose address the endpoint does not answer; false: there is none.
func judgeSearchList(n *node.Node) (Finding, bool) {
	for _, e := range n.Endpoints.Core {
		if e.DNS.Searched == "" || e.DNS.Pinned != "" || e.Proxy.Used || !isDead(e) && !answersAsOther(e) {
			continue
		}
		fd := blocks("dns-override-stale", Proven, "the search list of resolv.conf turns %s into %s (%s), where the endpoint does not answer: a wildcard in that domain catches it", e.Host, e.DNS.Searched, strings.Join(e.DNS.A, ", ")).
			saw("DNS "+e.DNS.Searched, strings.Join(e.DNS.A, " "), "resolver:"+e.DNS.Server)
		if r, ok := n.Facts.Host.Resolver.Get(); ok {
			fd = fd.saw("resolv.conf", "search "+strings.Join(r.Search, " ")+"; options "+strings.Join(r.Options, " "), n.Facts.Host.Resolver.From)
		}
		return fd.saw("connect to "+e.Host+":443", tcpState(e), "connect").
			with("endpoint", e.Host, "address", firstOf(e.DNS.A)).fix(searchSteps...).fix(causes.Restart...), true
	}
	return Finding{}, false
}

// searchSteps are for a wildcard that the search list leads to.
var searchSteps = []causes.Step{
	{Text: "Check what the name gives with the search list, and what it gives with a dot at its end", Command: "cat /etc/resolv.conf; getent ahosts {endpoint}; getent ahosts {endpoint}.", Where: causes.OnHost},
	{Text: "Remove the wildcard record from that domain, or the domain from the search list, or set ndots:1 (in Kubernetes in dnsConfig of the pod)", Command: "grep -nE 'search|ndots' /etc/resolv.conf", Where: causes.OnHost},
}
