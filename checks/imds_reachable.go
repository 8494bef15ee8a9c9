package checks

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

const imdsAddress = "169.254.169.254"

var _ = register(Check{
	ID: "imds-reachable", Group: "imds", Title: "The metadata service answers over IMDSv2",
	Causes: []string{"imds-disabled", "imds-hop-limit", "imds-blocked-by-host", "imds-route-wrong", "imds-via-proxy", "imds-impostor", "imds-unreachable"},
	Doc: "A token request as the agent sends it, beside one request without a token, the kernel's route, local firewall rules and the service's proxy settings; together they tell apart a disabled endpoint, " +
		"a hop limit, a wrong route, a local block, a proxy in between and something else that answers at the address. The hop limit itself is not visible from inside.",
	Eval: packetsOfRoot(func(f *facts.Facts) Finding {
		if Kind(f) == KindECS {
			return skip("an ECS task does not need it")
		}
		ec2, known := OnEC2(f)
		i := &f.IMDS
		token, asked := i.Token.Get()
		if known && !ec2 {
			return imdsOffEC2(f, token, asked)
		}
		if !known && !token.Token && wrongRoute(f) == nil { // only an instance has a route of its own for the address
			return unknown("whether this is an EC2 instance is not known, and no token was given: %s", orWord(exchange(token), i.Token.Reason()))
		}
		if v, ok := i.ViaProxy.Get(); ok && !v.Token && identityAllowed(f, "EC2") {
			seen := fmt.Sprintf("HTTP %d from %s", v.Status, orWord(v.Server, "the proxy"))
			if v.Status == 0 {
				seen = v.Outcome + " " + v.Error
			}
			fd := fail("imds-via-proxy", Proven, "the agent's http_proxy sends metadata requests to the proxy: its no_proxy lacks %s", imdsAddress).
				saw("imds PUT /latest/api/token via proxy", strings.TrimSpace(seen), i.ViaProxy.From)
			if p, ok := f.Agent.ServiceProxy.Get(); ok {
				fd = fd.saw("no_proxy of the service", quote(p.No), p.From).with("proxy", p.HTTP)
			}
			if asked {
				fd = fd.saw("imds PUT /latest/api/token direct", exchange(token), i.Token.From)
			}
			return soften(f, fd)
		}
		if !asked {
			return unknown("metadata service: %s", i.Token.Reason())
		}
		if token.Token {
			return pass("IMDSv2 answers in %.0f ms", token.Seconds*1000)
		}
		if six, ok := i.IPv6.Get(); ok && six.Token {
			return pass("IMDSv2 answers at its IPv6 address only")
		}
		fd := imdsFailure(f, token)
		if fd.Status != Fail {
			return fd
		}
		if m, ok := current(f, facts.SigIMDSFailed); ok {
			fd = fd.logged(m)
		}
		return soften(f, fd)
	}),
})

// imdsFailure tells why a token request on EC2 got no token.
func imdsFailure(f *facts.Facts, token facts.Exchange) Finding {
	i := &f.IMDS
	bare, _ := i.Bare.Get()
	put := func(fd Finding) Finding {
		fd = fd.saw("imds PUT /latest/api/token", exchange(token), i.Token.From)
		if i.Bare.Known() {
			fd = fd.saw("imds GET /latest/meta-data/ without token", exchange(bare), i.Bare.From)
		}
		return fd
	}
	if token.Outcome == "no-local-address" {
		return unknown("metadata service: this host has no local port or address left to connect from (%s)", token.Error)
	}
	route, routed := f.Host.IMDSRoute.Get()
	if routed {
		switch route.Kind {
		case "blackhole", "unreachable", "prohibit":
			return put(fail("imds-blocked-by-host", Proven, "a %s route on this host stops packets to %s", route.Kind, imdsAddress)).
				saw("route to "+imdsAddress, route.Kind, f.Host.IMDSRoute.From)
		}
	}
	if token.Status == 403 {
		return put(fail("imds-disabled", Proven, "the metadata service answers 403: its endpoint is disabled for this instance"))
	}
	if token.Status != 0 && (html(token) || token.Status == 200) {
		return put(fail("imds-impostor", Proven, "what answers at %s is not the EC2 metadata service: %s", imdsAddress, exchange(token)))
	}
	if fw, ok := f.Host.Firewall.Get(); ok && token.Status == 0 {
		for _, r := range fw.Rules {
			if r.IMDS && !r.Policy && ruleHits(r, imdsAddress, route.Interface) {
				return put(fail("imds-blocked-by-host", Proven, "a firewall rule on this host drops packets to %s: %s", imdsAddress, cut(r.Text, 160))).
					saw(fw.Tool+" rule in "+r.Table+" "+r.Chain, r.Text, f.Host.Firewall.From)
			}
		}
	}
	if r := wrongRoute(f); r != nil {
		return put(fail("imds-route-wrong", Proven, "the route to %s points to the gateway %s, which is in no network of this host", imdsAddress, r.Gateway)).
			saw("route to "+imdsAddress, r.Destination+" via "+r.Gateway+" "+r.Interface, orWord(r.From, f.Host.IMDSRoute.From)).with("gateway", r.Gateway)
	}
	switch token.Outcome {
	case "not-permitted":
		return put(fail("imds-blocked-by-host", Proven, "this host itself refuses packets to %s (%s)", imdsAddress, token.Error))
	case "unreachable", "invalid":
		return put(fail("imds-blocked-by-host", Likely, "this host has no usable route to %s: %s", imdsAddress, token.Error))
	case "timeout", "connect-timeout":
		if token.TCP && (bare.Status == 401 || bare.Status == 200) || !token.TCP && bare.Status != 0 {
			in, sure := "a container, or another network hop, stands between", Likely
			if c, ok := f.Host.Container.Get(); ok {
				in, sure = "this is a container ("+c.Runtime+")", Proven
			}
			return put(fail("imds-hop-limit", sure, "the token answer of the metadata service is lost on the way: the hop limit is too low; %s", in)).
				saw("container", containerState(f), f.Host.Container.From)
		}
	}
	if token.Outcome == "" {
		return put(fail("imds-unreachable", Proven, "the metadata service answers a token request with HTTP %d", token.Status))
	}
	return put(fail("imds-unreachable", Proven, "the metadata service at %s does not answer: %s", imdsAddress, orWord(token.Error, token.Outcome)))
}

// imdsOffEC2 judges the address on a machine that is not an EC2 instance.
func imdsOffEC2(f *facts.Facts, token facts.Exchange, asked bool) Finding {
	if !asked || token.Status == 0 || token.Token {
		return skip("not an EC2 instance")
	}
	fd := fail("imds-impostor", Proven, "this is not an EC2 instance, but something answers at %s: %s", imdsAddress, exchange(token)).
		saw("imds PUT /latest/api/token", exchange(token), f.IMDS.Token.From)
	if hybridActive(f) {
		// The registration is taken first; the impostor only costs time.
		return fd.severity(causes.Info)
	}
	if _, ok := Managed(f); ok {
		return fd.severity(causes.Info)
	}
	return fd
}

// soften lowers a metadata fault where the node does not depend on it.
func soften(f *facts.Facts, fd Finding) Finding {
	if hybridActive(f) {
		return fd.severity(causes.Info)
	}
	return fd.blocking()
}

// wrongRoute is a route to the metadata service whose gateway is not on link.
func wrongRoute(f *facts.Facts) *facts.Route {
	if r, ok := f.Host.IMDSRoute.Get(); ok && r.Gateway != "" && !r.OnLink {
		return &r
	}
	if rs, ok := f.Host.PersistentRoutes.Get(); ok {
		for _, r := range rs {
			if r.Gateway != "" && !r.OnLink {
				return &r
			}
		}
	}
	return nil
}

func html(e facts.Exchange) bool {
	return strings.Contains(strings.ToLower(e.ContentType), "html") || strings.Contains(strings.ToLower(e.Body), "<html") || strings.Contains(strings.ToLower(e.Body), "<!doctype")
}

// exchange renders a metadata request's end.
func exchange(e facts.Exchange) string {
	if e.Status == 0 {
		if e.TCP {
			return strings.TrimSpace("connected, then " + orWord(e.Error, e.Outcome))
		}
		return orWord(e.Error, e.Outcome)
	}
	s := fmt.Sprintf("HTTP %d", e.Status)
	if e.Server != "" {
		s += " from " + e.Server
	}
	if e.Body != "" {
		s += ", " + quote(cut(e.Body, 60))
	}
	return s
}

func containerState(f *facts.Facts) string {
	if c, ok := f.Host.Container.Get(); ok {
		return "container: " + c.Runtime + ", " + c.Evidence
	}
	return "not seen to be a container"
}

func orWord(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
