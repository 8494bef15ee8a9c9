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

// ImdsReachable is imds-reachable.
var ImdsReachable = register(Check{
	ID: "imds-reachable", Group: "imds", Title: "The metadata service answers over IMDSv2",
	Station: AtMetadata,
	Needs:   []*Check{HostNetwork},
	Causes:  []string{"imds-disabled", "imds-hop-limit", "imds-blocked-by-host", "imds-route-wrong", "imds-via-proxy", "imds-impostor", "imds-unreachable"},
	Doc: "A token request as the agent sends it, beside one request without a token, the kernel's route, local firewall rules and the service's proxy settings; together they tell apart a disabled endpoint, " +
		"a hop limit, a wrong route, a local block, a proxy in between and something else that answers at the address. The hop limit itself is not visible from inside.",
	Eval: rootsPackets(func(n *node.Node) Finding {
		switch n.Identity.InECS {
		case node.Yes:
			return skip("an ECS task does not need it")
		case node.Unknown:
			return ifAgentFails(n, unread("whether this is a task of Amazon ECS", n.Facts.ECS.Task))
		}
		i := &n.Facts.IMDS
		token, asked := i.Token.Get()
		switch {
		case n.Identity.OnEC2 == node.No:
			return judgeOffEC2(n, token, asked)
		case n.Identity.OnEC2 == node.Unknown && !token.Token && wrongRoute(n) == nil: // only an instance has a route of its own for the address
			fd := unknown("whether this is an EC2 instance is not known, and no token was given: %s", text.Or(renderExchange(token), i.Token.Reason()))
			if asked && n.Identity.Hybrid == node.No {
				return fd.failing(effectOfMetadata(n))
			}
			return fd
		}
		if fd, ok := judgeMetadataVariables(n, token); ok {
			return fd
		}
		if fd, ok := judgeProxiedMetadata(n, token, asked); ok {
			return fd
		}
		if !asked {
			return ifAgentFails(n, unread("metadata service", i.Token))
		}
		six, _ := i.IPv6.Get()
		switch {
		case (token.Token || six.Token) && i.ViaProxy.Unknown() && n.MayBe("EC2") != node.No:
			return ifAgentFails(n, unread("whether the agent's http_proxy takes metadata requests", i.ViaProxy))
		case (token.Token || six.Token) && n.Facts.Agent.Metadata.Unknown() && n.MayBe("EC2") != node.No:
			return ifAgentFails(n, unread("whether the environment of the agent's service switches the metadata service off", n.Facts.Agent.Metadata))
		case token.Token:
			return pass("IMDSv2 answers in %.0f ms", token.Seconds*1000)
		case six.Token && n.Acceptance.Now == node.Yes:
			return pass("IMDSv2 answers at its IPv6 address only")
		case six.Token && !strings.Contains(n.Log.CurrentCredentials(facts.SigIMDSFailed).Text, imdsAddress):
			return ifAgentFails(n, unknown("IMDSv2 answers at its IPv6 address only, and whether the agent asks there is not known"))
		}
		fd := explainNoToken(n, token)
		if fd.Status != Fail {
			return fd
		}
		if fd.Cause == "imds-route-wrong" {
			fd = withLaunch(n, fd)
		}
		return endsWithCredentials(n, lowerToInfoOnHybrid(n, fd.logged(n.Log.CurrentCredentials(facts.SigIMDSFailed))))
	}),
})

// judgeMetadataVariables tells what the environment of the agent's service does to
// metadata requests; false: nothing.
func judgeMetadataVariables(n *node.Node, token facts.Exchange) (Finding, bool) {
	m, ok := n.Facts.Agent.Metadata.Get()
	if !ok || n.MayBe("EC2") == node.No {
		return Finding{}, false
	}
	var fd Finding
	switch {
	case m.Disabled:
		const name = noMetadata
		fd = blocks("imds-disabled", Proven, "%s=true in the environment of the agent's service keeps the agent from asking the metadata service, which itself may well answer", name).
			saw(name+" of the service", "true", m.From).fix(withoutVariable(n, m, name)...)
	case m.Endpoint != "" && !isMetadataAddress(m.Endpoint):
		const name = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
		fd = blocks("imds-unreachable", Likely, "%s in the environment of the agent's service makes the agent ask %s in place of the metadata service", name, m.Endpoint).
			saw(name+" of the service", m.Endpoint, m.From).fix(withoutVariable(n, m, name)...)
	default:
		return Finding{}, false
	}
	if n.Acceptance.Now == node.Yes { // it was started before that
		if !m.Disabled {
			return Finding{}, false
		}
		fd = fd.add("; the agent was started without it, and will not come up again with it").as(Breaks)
	}
	return lowerToInfoOnHybrid(n, fd.saw("imds PUT /latest/api/token direct", renderExchange(token), n.Facts.IMDS.Token.From)), true
}

// isMetadataAddress reports whether a URL is one of the metadata service itself.
func isMetadataAddress(u string) bool {
	return strings.Contains(u, imdsAddress) || strings.Contains(strings.ToLower(u), "fd00:ec2::254")
}

// judgeProxiedMetadata tells what the agent's proxy does to metadata requests; false: there
// is none in the way.
func judgeProxiedMetadata(n *node.Node, token facts.Exchange, asked bool) (Finding, bool) {
	i := &n.Facts.IMDS
	v, ok := i.ViaProxy.Get()
	switch {
	case !ok, v.Token, n.MayBe("EC2") == node.No:
		return Finding{}, false
	case n.MayBe("EC2") == node.Unknown:
		return unread("a proxy takes metadata requests; the configuration of the agent", n.Facts.Agent.Config).failing(effectOfMetadata(n)), true
	}
	seen := fmt.Sprintf("HTTP %d from %s", v.Status, text.Or(v.Server, "the proxy"))
	if v.Status == 0 {
		seen = strings.TrimSpace(string(v.Outcome) + " " + v.Error)
	}
	fd := blocks("imds-via-proxy", Proven, "the agent's http_proxy sends metadata requests to the proxy: its no_proxy lacks %s", imdsAddress).
		saw("imds PUT /latest/api/token via proxy", seen, i.ViaProxy.From)
	if p, ok := n.Facts.Agent.ServiceProxy.Get(); ok {
		fd = fd.saw("http_proxy of the service", p.HTTP, p.From).saw("no_proxy of the service", text.Quote(p.No), text.Or(p.NoFrom, p.From)).with("proxy", p.HTTP)
		if by, ok := proxySetters[p.By]; ok {
			fd = fd.add("; the proxy is set by %s", by.name)
		}
	}
	if asked {
		fd = fd.saw("imds PUT /latest/api/token direct", renderExchange(token), i.Token.From)
	}
	return endsWithCredentials(n, lowerToInfoOnHybrid(n, fd)), true
}

// explainNoToken tells why a token request on EC2 got no token.
func explainNoToken(n *node.Node, token facts.Exchange) Finding {
	i, host := &n.Facts.IMDS, &n.Facts.Host
	put := func(fd Finding) Finding {
		fd = fd.saw("imds PUT /latest/api/token", renderExchange(token), i.Token.From)
		if bare, ok := i.Bare.Get(); ok {
			fd = fd.saw("imds GET /latest/meta-data/ without token", renderExchange(bare), i.Bare.From)
		}
		return fd
	}
	if token.Outcome == facts.NoLocalAddress {
		return unknown("metadata service: this host has no local port or address left to connect from (%s)", token.Error)
	}
	route, _ := host.IMDSRoute.Get()
	if token.Status == 0 {
		if fd, ok := blameRouteToMetadata(n, token, route); ok {
			return put(fd)
		}
	}
	if token.Status == 403 {
		return put(blocks("imds-disabled", Proven, "the metadata service answers 403: its endpoint is disabled for this instance"))
	}
	if token.Status != 0 && (isHTML(token) || token.Status == 200) {
		return put(blocks("imds-impostor", Proven, "what answers at %s is not the EC2 metadata service: %s", imdsAddress, renderExchange(token)))
	}
	if fw := host.Firewall.Some(); token.Outcome == facts.NotPermitted {
		if goos := host.GOOS; host.Firewall.Unknown() && host.Firewall.Obstacle() != facts.NotAskable && (goos == "" || goos == "windows") {
			return put(unread("this program may not connect to the metadata service; rules of this host's firewall", host.Firewall)).failing(effectOfMetadata(n))
		}
		if i := slices.IndexFunc(fw.ForAgent, func(r facts.FirewallRule) bool { return r.IMDS }); i >= 0 {
			return put(onlyAgentMay(fw.ForAgent[i:], imdsAddress, token.Error))
		}
	}
	if fw := host.Firewall.Some(); token.Status == 0 {
		for _, r := range fw.Rules {
			forbids := r.Action != "block" && !r.Policy || r.Action == "block" && token.Outcome == facts.NotPermitted // Windows says that it forbids it
			what := "packets to"
			if r.Hook != "" { // which surely stops all that it is for
				forbids, what = token.Outcome == facts.Timeout || token.Outcome == facts.ConnectTimeout, "the answers of"
			}
			if r.IMDS && forbids && node.RuleHits(r, imdsAddress, route.Interface) {
				fd := put(blocks("imds-blocked-by-host", Proven, "a firewall rule on this host drops %s %s: %s", what, imdsAddress, text.Cut(r.Text, 160)))
				if step, ok := disableRule(r); ok {
					fd = fd.fix(step).fix(causes.Get(fd.Cause).Fix...)
				}
				return fd.saw(fw.Tool+" rule in "+r.Table+" "+r.Chain, r.Text, host.Firewall.From).fix(letThrough(n, fw.Tool, r, toMetadata)...)
			}
		}
	}
	if r := wrongRoute(n); r != nil {
		return put(blocks("imds-route-wrong", Proven, "the route to %s points to the gateway %s, which is in no network of this host", imdsAddress, r.Gateway)).
			saw("route to "+imdsAddress, strings.TrimSpace(r.Destination+" via "+r.Gateway+" "+r.Interface), text.Or(r.From, host.IMDSRoute.From)).with("gateway", r.Gateway)
	}
	if fd, ok := explainBySend(n, token); ok {
		return put(fd)
	}
	if token.Outcome == "" {
		return put(blocks("imds-unreachable", Proven, "the metadata service answers a token request with HTTP %d", token.Status))
	}
	if seen := unseenBlock(n); seen != nil {
		return put(unread("the metadata service does not answer, and what on this host may stop the packets was not read", seen)).failing(effectOfMetadata(n))
	}
	return put(blocks("imds-unreachable", Proven, "the metadata service at %s does not answer: %s", imdsAddress, text.Or(token.Error, string(token.Outcome))))
}

// blameRouteToMetadata tells where this host's own route sends packets for the metadata
// service; false: on the ordinary way, or it was not read.
func blameRouteToMetadata(n *node.Node, token facts.Exchange, r facts.Route) (Finding, bool) {
	seen := n.Facts.Host.IMDSRoute
	var fd Finding
	switch {
	case node.IsNull(r):
		fd = blocks("imds-blocked-by-host", Proven, "%s on this host stops packets to %s", nullWord(r), imdsAddress).fix(removeRoute(n, r, imdsAddress)...)
	case n.LeadsAstray(r) && !n.Carries(r.Interface):
		fd = blocks("imds-route-wrong", Proven, "packets to %s leave by the %s, by its route %s, and so never reach the metadata service", imdsAddress, leadsTo(n, r), r.Destination).
			fix(leadBack(n, r, imdsAddress, withResolver(r)...)...).with("interface", r.Interface)
	case seen.Absent() && token.Outcome == facts.NoRoute && n.Identity.OnEC2 == node.Yes:
		fd = blocks("imds-route-wrong", Proven, "this host has no route to %s", imdsAddress)
		if main, ok := n.MainRoute(false); ok {
			fd = fd.fix(leadBack(n, facts.Route{Destination: "default", Interface: main.Interface, Kind: "unicast"}, imdsAddress)...)
		}
	default:
		return Finding{}, false
	}
	return fd.sawRoute(n, imdsAddress, seen), true
}

// explainBySend tells what the end of a token request says by itself.
func explainBySend(n *node.Node, token facts.Exchange) (Finding, bool) {
	bare, _ := n.Facts.IMDS.Bare.Get()
	switch token.Outcome {
	case facts.NotPermitted:
		return blocks("imds-blocked-by-host", Proven, "this host itself refuses packets to %s (%s)", imdsAddress, token.Error), true
	case facts.Refused: // the hypervisor answers at this address, and never refuses
		return blocks("imds-blocked-by-host", Likely, "this host itself refuses connections to %s: %s", imdsAddress, text.Or(token.Error, "connection refused")), true
	case facts.NoRoute, facts.Invalid:
		seen := n.Facts.Host.IMDSRoute
		switch {
		case seen.Unknown() && seen.Obstacle() != facts.NotAskable:
			return unread("this host has no usable route to "+imdsAddress+", and which it takes was not read", seen), true
		case token.Outcome == facts.NoRoute: // a neighbour that does not answer, or a router that said so; no rule of a firewall
			return blocks("imds-route-wrong", Likely, "this host has no usable route to %s: %s", imdsAddress, token.Error).sawRoute(n, imdsAddress, seen), true
		}
		return blocks("imds-blocked-by-host", Likely, "this host has no usable route to %s: %s", imdsAddress, token.Error), true
	case facts.Timeout, facts.ConnectTimeout:
		if token.TCP && bare.Status != 401 && bare.Status != 200 || !token.TCP && bare.Status == 0 {
			break
		}
		in := &n.Facts.Host.Container
		c, ok := in.Get()
		if !ok {
			return blocks("imds-hop-limit", Likely, "the IMDSv2 token response does not reach this host: the hop limit is too low, and a container or another network hop is in between").
				saw("container", "not seen to be a container", in.From), true
		}
		return blocks("imds-hop-limit", Proven, "the IMDSv2 token response does not reach this container (%s): the hop limit is too low", c.Runtime).
			saw("container", "container: "+c.Runtime+", "+c.Evidence, in.From), true
	}
	return Finding{}, false
}

// unseenBlock is what may stop packets on this host and could have been read, but was
// not; nil: all of it was.
func unseenBlock(n *node.Node) facts.Unseen {
	h := &n.Facts.Host
	missing := func(u facts.Unseen) bool { return u.Unknown() && u.Obstacle() != facts.NotAskable }
	switch {
	case missing(h.Firewall):
		return h.Firewall
	case missing(h.IMDSRoute):
		return h.IMDSRoute
	case missing(n.Facts.IMDS.Bare):
		return n.Facts.IMDS.Bare
	}
	return nil
}

// judgeOffEC2 judges the address on a machine that is not an EC2 instance.
func judgeOffEC2(n *node.Node, token facts.Exchange, asked bool) Finding {
	switch {
	case !asked:
		return unread("whether something answers for the metadata service", n.Facts.IMDS.Token)
	case token.Status == 0 || token.Token:
		return skip("not an EC2 instance")
	}
	if cloud, _ := n.Cloud(); cloud != "" {
		return skip("not an EC2 instance: the metadata service of %s answers, as it should there", cloud)
	}
	if n.MayBe("EC2") == node.No {
		return skip("not an EC2 instance, and %s keeps the agent from asking there", n.Facts.Agent.ConfigPath)
	}
	fd := stops(n, "imds-impostor", Proven, "this is not an EC2 instance, but something answers at %s: %s", imdsAddress, renderExchange(token)).
		saw("imds PUT /latest/api/token", renderExchange(token), n.Facts.IMDS.Token.From)
	// A registration is taken first; what answers then only costs time.
	if n.Identity.Hybrid != node.No || n.Acceptance.Now == node.Yes {
		return fd.as(Notes)
	}
	return fd
}

// lowerToInfoOnHybrid lowers a metadata fault where the node does not depend on it.
func lowerToInfoOnHybrid(n *node.Node, fd Finding) Finding {
	if n.Identity.Hybrid == node.Yes {
		return fd.as(Notes)
	}
	return fd
}

// ifAgentFails adds to an unknown that the agent had no answer, by its log.
func ifAgentFails(n *node.Node, fd Finding) Finding {
	if m := n.Log.Current(facts.SigIMDSFailed); m.Yes() {
		return fd.add("; the agent had no answer %s", n.Ago(m.Last)).logged(m).failing(effectOfMetadata(n))
	}
	return fd
}

// effectOfMetadata is what a metadata service that does not answer does to the node.
func effectOfMetadata(n *node.Node) Effect {
	switch {
	case n.Identity.Hybrid == node.No && n.Acceptance.Now != node.Yes:
		return Blocks
	case n.Identity.Hybrid == node.No:
		return Breaks
	}
	return Notes
}

// wrongRoute is a route to the metadata service whose gateway is not on link; nil when
// none was seen.
func wrongRoute(n *node.Node) *facts.Route {
	if r, ok := n.Facts.Host.IMDSRoute.Get(); ok && r.Gateway != "" && !r.OnLink {
		return &r
	}
	for _, r := range n.Facts.Host.PersistentRoutes.Some() {
		if r.Gateway != "" && !r.OnLink {
			return &r
		}
	}
	return nil
}

// isHTML reports whether a web page was answered, which the metadata service never does
// to a token request that it grants.
func isHTML(e facts.Exchange) bool {
	body := strings.ToLower(e.Body)
	return strings.Contains(strings.ToLower(e.ContentType), "html") || strings.Contains(body, "<html") || strings.Contains(body, "<!doctype")
}

// renderExchange says how a metadata request ended.
func renderExchange(e facts.Exchange) string {
	if e.Status == 0 {
		end := text.Or(e.Error, string(e.Outcome))
		if e.TCP {
			return strings.TrimSpace("connected, then " + end)
		}
		return end
	}
	s := fmt.Sprintf("HTTP %d", e.Status)
	if e.Server != "" {
		s += " from " + e.Server
	}
	if e.Body != "" {
		s += ", " + text.Quote(text.Cut(e.Body, 60))
	}
	return s
}
