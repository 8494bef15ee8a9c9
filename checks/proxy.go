package checks

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Proxy is proxy.
var Proxy = register(Check{
	ID: "proxy", Group: "tls-proxy-clock", Title: "The proxy of the agent's service works",
	Station: AtTCP, Behind: AtDNS,
	Needs:  []*Check{HostNetwork},
	Causes: []string{"proxy-scheme-mismatch", "proxy-certificate-untrusted", "proxy-refuses", "proxy-unreachable", "clock-skew", "route-wrong-interface", "host-network-down", "host-firewall-egress"},
	Doc: "The proxy variables of the agent's own service, not those of a login shell: the proxy's name and port, whether it speaks the scheme its URL says, the certificate of one that is reached by https:// (a login is sent only if that is trusted), and its answer to a CONNECT to each endpoint the node needs. " +
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

// unsaid is an error unless what was seen says it already.
func unsaid(err, seen string) string {
	if strings.Contains(seen, err) {
		return ""
	}
	return err
}

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
		return fd.saw("proxy "+p.URL, strings.TrimSpace(seen+" "+unsaid(p.Error, seen)), n.Facts.Network.Proxy.From).
			saw(variable+" of the service", p.URL, n.Facts.Agent.ServiceProxy.Value.From).with("proxy", p.URL)
	}
	switch p.Outcome {
	case facts.NotTLS:
		fix := "http://" + where
		return saw(blocks("proxy-scheme-mismatch", Proven, "%s says https:// but the proxy %s speaks plain HTTP; write %s", variable, where, fix)).with("proxy", fix)
	case facts.WantsTLS:
		fix := "https://" + where
		return saw(blocks("proxy-scheme-mismatch", Proven, "%s says http:// but the proxy %s expects TLS; write %s", variable, where, fix)).with("proxy", fix)
	case facts.Untrusted:
		return judgeProxyCertificate(n, p, where, saw)
	case facts.WantsLogin:
		return refuses(n, saw(blocks("proxy-refuses", Proven, "the proxy %s asks for a login (407), and %s holds none or a wrong one", where, variable)), loginSteps(n))
	case facts.Forbidden:
		return refuses(n, saw(blocks("proxy-refuses", Proven, "the proxy %s refuses to connect to the Systems Manager endpoint (HTTP %d)", where, p.Status)), allowSteps(n))
	case facts.NoName:
		if fd, ok := blameRouteToResolver(n, "the name of the proxy", firstOf(n.Facts.Host.Resolver.Value.Servers), p.Lookup, p.Error); ok {
			return saw(fd)
		}
		return otherProxy(n, saw(blocks("proxy-unreachable", Proven, "the name of the proxy %s cannot be resolved", where)))
	case facts.Refused, facts.Timeout, facts.NoRoute:
		return otherProxy(n, saw(blocks("proxy-unreachable", Proven, "the proxy %s cannot be reached: %s", where, text.Or(p.Error, string(p.Outcome)))))
	case facts.Silent:
		return otherProxy(n, saw(stops(n, "proxy-unreachable", Likely, "the proxy %s accepts connections, and does not answer a CONNECT in time: it hangs, or takes longer than a second", where)))
	case facts.Reset:
		return refuses(n, saw(stops(n, "proxy-refuses", Likely, "the proxy %s closes connections without an answer to CONNECT", where)), allowSteps(n))
	}
	if p.Status >= 400 {
		return refuses(n, saw(blocks("proxy-refuses", Likely, "the proxy %s answers CONNECT with HTTP %d", where, p.Status)), allowSteps(n))
	}
	return unknown("proxy %s: %s", where, text.Or(p.Error, string(p.Outcome))).failing(Blocks)
}

// judgeProxyCertificate says why the certificate of a proxy is not accepted.
func judgeProxyCertificate(n *node.Node, p facts.ProxyProbe, where string, saw func(Finding) Finding) Finding {
	t := p.TLS.Value
	of := func(fd Finding) Finding {
		return saw(fd.saw("certificate of "+where, t.Subject, p.TLS.From).saw("issuer of that certificate", t.Issuer, p.TLS.From)).with("issuer", t.Issuer, "address", where)
	}
	const cause = "proxy-certificate-untrusted"
	switch t.Kind {
	case facts.UnknownAuthority:
		return of(blocks(cause, Proven, "the certificate of the proxy %s was issued by %s, which this host does not trust", where, text.Quote(t.Issuer)))
	case facts.NoRoots:
		return of(blocks(cause, Proven, "this host has no trusted CA certificates at all, and the proxy %s is reached by https://", where))
	case facts.WrongName:
		return of(blocks(cause, Proven, "the certificate of the proxy %s is for another name (%s)", where, text.Quote(t.Subject))).with("proxy", urlOf("https", nameIn(t.Subject), p.Port)).fix(proxyNameSteps(n, p, t)...).fix(causes.Reload...)
	case facts.Expired, facts.NotYetValid:
		is := "expired"
		if t.Kind == facts.NotYetValid {
			is = "not valid yet"
		}
		skew, measured := n.Facts.Network.Skew.Get()
		kept, known := n.Facts.Host.NTPSynchronized.Get()
		if measured && math.Abs(skew) >= maxSkew || !measured && known && !kept {
			return withTimeSync(n, of(blocks("clock-skew", Likely, "by this host's clock (%s) the certificate of the proxy %s is %s: the clock is wrong, or the certificate has to be renewed",
				n.Now().UTC().Format("2006-01-02 15:04"), where, is)))
		}
		if !measured && !known { // nobody else tells the time
			return unread("time service, and by this host's clock the certificate of the proxy is "+is, n.Facts.Host.NTPSynchronized)
		}
		return withTimeSync(n, of(blocks(cause, Proven, "the certificate of the proxy %s is %s, by this host's clock (%s)", where, is, n.Now().UTC().Format("2006-01-02 15:04")))).fix(proxyExpiredSteps...).fix(causes.Restart...)
	}
	return of(blocks(cause, Likely, "the certificate of the proxy %s is not accepted: %s", where, text.Or(t.Error, p.Error)))
}

// Trusting one more authority does not help against a proxy's certificate that is
// expired or for another name.
var (
	proxyExpiredSteps = []causes.Step{
		{Text: "See when it ends", Command: "openssl s_client -connect {address} </dev/null | openssl x509 -noout -subject -issuer -dates", Where: causes.OnHost, GOOS: "linux darwin"},
		{Text: "See when it ends", Command: "$u = [uri]'{proxy}'; $c = New-Object Net.Sockets.TcpClient; $c.Connect($u.Host, $u.Port); $s = New-Object Net.Security.SslStream($c.GetStream(), $false, {$true}); $s.AuthenticateAsClient($u.Host, $null, 'Tls12', $false); New-Object Security.Cryptography.X509Certificates.X509Certificate2 $s.RemoteCertificate | Format-List Subject,Issuer,NotAfter,DnsNameList", Where: causes.OnHost, GOOS: "windows"},
		{Text: "Let the proxy's administrator renew it; the proxy to name", Command: "echo {address}", Where: causes.OnHost},
	}
)

// proxyNameSteps are for a certificate that is for other names than the one in use: the
// proxy is written by one of those.
func proxyNameSteps(n *node.Node, p facts.ProxyProbe, t facts.TLS) []causes.Step {
	ask := causes.Step{Text: "Let the proxy's administrator put the name {address} into its certificate; the proxy to name", Command: "echo {address}", Where: causes.OnHost}
	if nameIn(t.Subject) == "" {
		return []causes.Step{ask}
	}
	out := causes.WriteProxy("Write the proxy by a name that its certificate holds, {proxy}")
	ask.Text, ask.Alternative = "Or let"+strings.TrimPrefix(ask.Text, "Let"), true
	return append(out, ask)
}

// nameIn is the first of the names of a certificate that is one host's; empty: none.
func nameIn(subject string) string {
	for w := range strings.FieldsFuncSeq(subject, func(r rune) bool { return r == ',' || r == ' ' }) {
		if w = strings.TrimPrefix(w, "CN="); strings.Contains(w, ".") && !strings.ContainsAny(w, "*=:") && causes.Safe(w) {
			return w
		}
	}
	return ""
}

// urlOf is the URL of a proxy; empty: it has no name.
func urlOf(scheme, name string, port int) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf("%s://%s:%d", scheme, name, port)
}

// refusedNames are those of the endpoints that this node needs to which the proxy does not
// connect; all of them, where that was not asked of each.
func refusedNames(n *node.Node) []string {
	var all, refused []string
	for _, e := range n.Endpoints.Core {
		all = append(all, e.Host)
		if e.Proxy.Used && e.Proxy.Outcome != facts.OK && e.Proxy.Outcome != "" {
			refused = append(refused, e.Host)
		}
	}
	if len(refused) == 0 {
		return all
	}
	return refused
}

// allowSteps are for a proxy whose rules do not let an endpoint through: the names that it
// refuses are for its administrator.
func allowSteps(n *node.Node) []causes.Step {
	names := ""
	for _, host := range refusedNames(n) {
		if causes.Safe(host) {
			names += " " + host
		}
	}
	fix := slices.Clone(causes.AskForConnect)
	if names != "" {
		fix[0].Text, fix[0].Command = "Let the proxy's administrator allow CONNECT to port 443 of these names, without login for this host; the names to give", "echo"+names
	}
	return fix
}

// loginSteps are for a proxy that asks for a login.
func loginSteps(n *node.Node) []causes.Step {
	return append(append(causes.LogInToProxy(), orAllow(n)), causes.Reload...)
}

// orAllow leaves a refusal of the proxy to who runs it.
func orAllow(n *node.Node) causes.Step {
	ask := allowSteps(n)[0]
	ask.Text, ask.Alternative = "Or "+strings.ToLower(ask.Text[:1])+ask.Text[1:], true
	return ask
}

// refuses is the finding of a proxy that does not let the agent through. Where this host
// reaches what is refused without it, as by VPC endpoints, the agent does not need it for
// that; what Windows itself sets has exceptions of its own.
func refuses(n *node.Node, fd Finding, steps []causes.Step) Finding {
	names := refusedNames(n)
	fd, direct := sawDirect(n, fd, names)
	p, known := n.Facts.Agent.ServiceProxy.Get()
	if direct != node.Yes || !known || p.By != "" && p.By != facts.ByService {
		return fd.fix(steps...)
	}
	reaches := "the endpoints"
	if len(names) < len(n.Endpoints.Core) {
		reaches = strings.Join(names, ", ")
	}
	return fd.add("; this host reaches %s without it", reaches).with("beside", strings.Join(names, ",")).
		fix(append(slices.Clone(causes.PastProxy), orAllow(n))...).fix(causes.Reload...)
}

// otherProxy is the remedy of a proxy that cannot be reached, where the one of users can.
func otherProxy(n *node.Node, fd Finding) Finding {
	fd, direct := sawDirect(n, fd, nil)
	switch {
	case direct == node.Yes && n.Facts.Host.GOOS == "linux" && n.Facts.Agent.Manager.Value == "systemd":
		return fd.add("; the endpoints can be reached without it").fix(causes.WithoutProxy(n.Facts.Agent.ProxyFiles.Some())...).fix(causes.Reload...)
	case direct == node.Yes:
		fd = fd.add("; the endpoints can be reached without it")
	}
	p, ok := n.Facts.Network.ShellProxy.Get()
	if !ok || p.Outcome != facts.OK || p.URL == "" {
		return fd
	}
	return fd.add("; the proxy of users, %s, connects", p.URL).saw("proxy of users "+p.URL, "connects", n.Facts.Network.ShellProxy.From).with("proxy", p.URL).
		fix(causes.Get("proxy-not-applied-to-agent").Fix...)
}

// sawDirect shows how endpoints that the node needs fare without the proxy, all or those of
// these names, and says whether each of them can be reached.
func sawDirect(n *node.Node, fd Finding, names []string) (Finding, node.Answer) {
	direct, ok := n.Facts.Network.Direct.Get()
	if !ok || len(direct) == 0 {
		return fd, node.Unknown
	}
	all, tried := node.Yes, 0
	for _, d := range direct {
		if names != nil && !slices.Contains(names, d.Host) {
			continue
		}
		tried++
		fd = fd.saw(d.Host+" without the proxy", d.Outcome.With(d.Error), n.Facts.Network.Direct.From)
		if d.Outcome != facts.OK {
			all = node.No
		}
	}
	if tried < len(names) {
		return fd, node.Unknown
	}
	return fd, all
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
		seen, sure := e.Proxy.Outcome.With(e.Proxy.Error), Likely
		if e.Proxy.Status != 0 {
			seen, sure = fmt.Sprintf("HTTP %d", e.Proxy.Status), Proven
		}
		if first == nil {
			first = &e
			cause := "proxy-refuses"
			switch e.Proxy.Outcome {
			case facts.NoName, facts.Refused, facts.Timeout, facts.NoRoute:
				cause = "proxy-unreachable"
			case facts.NotTLS, facts.WantsTLS, facts.Untrusted:
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
	if fd.Cause == "proxy-refuses" {
		steps := allowSteps(n)
		if first.Proxy.Status == 407 {
			steps = loginSteps(n)
		}
		fd = refuses(n, fd, steps)
	}
	if other := n.Endpoints.Of("ec2messages"); other != nil && other.Connected() {
		fd = stopsAt(n, *first, fd)
	}
	return fd, true
}
