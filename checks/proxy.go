package checks

import (
	"fmt"
	"math"
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
	Causes: []string{"proxy-scheme-mismatch", "proxy-certificate-untrusted", "proxy-refuses", "proxy-unreachable", "clock-skew", "route-wrong-interface", "host-network-down"},
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
		return saw(blocks("proxy-refuses", Proven, "the proxy %s asks for a login (407), and %s holds none or a wrong one", where, variable))
	case facts.Forbidden:
		return saw(blocks("proxy-refuses", Proven, "the proxy %s refuses to connect to the Systems Manager endpoint (HTTP %d)", where, p.Status))
	case facts.NoName:
		if fd, ok := blameRouteToResolver(n, "the name of the proxy", firstOf(n.Facts.Host.Resolver.Value.Servers), p.Lookup, p.Error); ok {
			return saw(fd)
		}
		return saw(blocks("proxy-unreachable", Proven, "the name of the proxy %s cannot be resolved", where))
	case facts.Refused, facts.Timeout, facts.NoRoute:
		return saw(blocks("proxy-unreachable", Proven, "the proxy %s cannot be reached: %s", where, text.Or(p.Error, string(p.Outcome))))
	case facts.Silent:
		return saw(stops(n, "proxy-unreachable", Likely, "the proxy %s accepts connections, and does not answer a CONNECT in time: it hangs, or what is sent does not reach it", where))
	case facts.Reset:
		return saw(stops(n, "proxy-refuses", Likely, "the proxy %s closes connections without an answer to CONNECT", where))
	}
	if p.Status >= 400 {
		return saw(blocks("proxy-refuses", Likely, "the proxy %s answers CONNECT with HTTP %d", where, p.Status))
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
		return of(blocks(cause, Proven, "the certificate of the proxy %s is for another name (%s)", where, text.Quote(t.Subject))).fix(proxyNameSteps...).fix(causes.Reload...)
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
		return withTimeSync(n, of(blocks(cause, Proven, "the certificate of the proxy %s is %s, by this host's clock (%s)", where, is, n.Now().UTC().Format("2006-01-02 15:04")))).fix(proxyExpiredSteps...).fix(causes.Reload...)
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
	proxyNameSteps = []causes.Step{
		{Text: "Check which names it is for", Command: "openssl s_client -connect {address} </dev/null | openssl x509 -noout -subject -ext subjectAltName", Where: causes.OnHost, GOOS: "linux darwin"},
		{Text: "Check which names it is for", Command: "$u = [uri]'{proxy}'; $c = New-Object Net.Sockets.TcpClient; $c.Connect($u.Host, $u.Port); $s = New-Object Net.Security.SslStream($c.GetStream(), $false, {$true}); $s.AuthenticateAsClient($u.Host, $null, 'Tls12', $false); New-Object Security.Cryptography.X509Certificates.X509Certificate2 $s.RemoteCertificate | Format-List Subject,Issuer,NotAfter,DnsNameList", Where: causes.OnHost, GOOS: "windows"},
		{Text: "Write the proxy with one of these names in the settings of the service, or let its administrator add the name in use; what the service has now", Command: "systemctl show amazon-ssm-agent snap.amazon-ssm-agent.amazon-ssm-agent -p Environment -p EnvironmentFiles", Where: causes.OnHost, GOOS: "linux"},
		{Text: "Write the proxy with one of these names in the network settings, or let its administrator add the name in use", Command: "scutil --proxy", Where: causes.OnHost, GOOS: "darwin"},
		{Text: "Write the proxy with one of these names, or let its administrator add the name in use; what the service has now", Command: `Get-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\AmazonSSMAgent -Name Environment; netsh winhttp show proxy`, Where: causes.OnHost, GOOS: "windows"},
	}
)

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
	if other := n.Endpoints.Of("ec2messages"); other != nil && other.Connected() {
		fd = stopsAt(n, *first, fd)
	}
	return fd, true
}
