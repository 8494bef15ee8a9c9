package checks

import (
	"math"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// TlsTrust is tls-trust.
var TlsTrust = register(Check{
	ID: "tls-trust", Group: "tls-proxy-clock", Title: "The endpoints' certificates are trusted",
	Station: AtTLS,
	Needs:   []*Check{NetworkEgress, Clock},
	Causes:  []string{"tls-untrusted-ca", "clock-skew"},
	Doc: "A TLS handshake with each endpoint the node needs, verified against this host's trust store as the agent verifies. A certificate by an unknown authority is nearly always a TLS-inspecting " +
		"proxy or firewall whose CA this host does not have. A CA set only for the AWS SDK (AWS_CA_BUNDLE) does not help the agent's message channel.",
	Eval: agentsNames(func(n *node.Node) Finding {
		good := 0
		for _, e := range n.Endpoints.Core {
			t, ok := e.TLS.Get()
			if ok && t.OK {
				good++
			}
			if fd, bad := judgeCertificate(n, e, t); bad {
				return fd
			}
		}
		switch core := len(n.Endpoints.Core); {
		case !coreTried(n):
			return unreadEndpoints(n)
		case good < core:
			return unknown("%d of %d endpoints showed no certificate that can be judged", core-good, core)
		}
		return pass("%d endpoints trusted", good)
	}),
})

// judgeCertificate names what is wrong with the certificate that was shown for an
// endpoint; false: nothing, or none was shown.
func judgeCertificate(n *node.Node, e facts.Endpoint, t facts.TLS) (Finding, bool) {
	saw := func(fd Finding) Finding {
		return stopsAt(n, e, fd.saw("TLS to "+e.Host, t.Error, e.TLS.From).saw("certificate issuer of "+e.Host, t.Issuer, e.TLS.From).with("issuer", t.Issuer, "endpoint", e.Host))
	}
	switch t.Kind {
	case facts.UnknownAuthority:
		return saw(blocks("tls-untrusted-ca", Proven, "the certificate of %s was issued by %s, which this host does not trust", e.Host, text.Quote(t.Issuer))), true
	case facts.NoRoots:
		return saw(blocks("tls-untrusted-ca", Proven, "this host has no trusted CA certificates at all")), true
	case facts.Expired, facts.NotYetValid:
		is := "expired"
		if t.Kind == facts.NotYetValid {
			is = "not valid yet"
		}
		if skew, ok := n.Facts.Network.Skew.Get(); !ok || math.Abs(skew) >= maxSkew {
			return withTimeSync(n, saw(blocks("clock-skew", Likely, "by this host's clock (%s) the certificate of %s is %s: the clock is wrong, or something in between shows its own certificate",
				n.Now().UTC().Format("2006-01-02 15:04"), e.Host, is))), true
		}
		return saw(blocks("tls-untrusted-ca", Proven, "the certificate shown for %s, issued by %s, is %s", e.Host, text.Quote(t.Issuer), is)).fix(expiredSteps...).fix(goAround(n, e)...).fix(causes.Reload...), true
	case facts.WrongName:
		return saw(blocks("tls-untrusted-ca", Proven, "what answers for %s shows a certificate for another name (%s, issued by %s)", e.Host, text.Quote(t.Subject), text.Quote(t.Issuer))).fix(otherNameSteps...).fix(causes.Reload...), true
	case facts.NoTLS:
		return saw(blocks("tls-untrusted-ca", Likely, "what answers for %s does not speak TLS", e.Host)), true
	}
	return Finding{}, false
}

// Trusting one more authority does not help against a certificate that is
// expired or for another name.
var (
	expiredSteps = []causes.Step{
		{Text: "See whose certificate it is and when it ends", Command: "openssl s_client -connect {endpoint}:443 -servername {endpoint} </dev/null | openssl x509 -noout -subject -issuer -dates", Where: causes.OnHost, GOOS: "linux darwin"},
		{Text: "See what answers there", Command: "$c = New-Object Net.Sockets.TcpClient; $c.Connect('{endpoint}', 443); $s = New-Object Net.Security.SslStream($c.GetStream(), $false, {$true}); $s.AuthenticateAsClient('{endpoint}', $null, 'Tls12', $false); New-Object Security.Cryptography.X509Certificates.X509Certificate2 $s.RemoteCertificate | Format-List Subject,Issuer,NotAfter,DnsNameList", Where: causes.OnHost, GOOS: "windows"},
		{Text: "Renew it on the device that shows it (a proxy or firewall that inspects TLS), or exempt the Systems Manager endpoints from inspection; the name to give", Command: "echo {endpoint}:443", Where: causes.OnHost},
	}
	otherNameSteps = []causes.Step{
		{Text: "Check where the name leads and what answers there", Command: "getent ahosts {endpoint}; openssl s_client -connect {endpoint}:443 -servername {endpoint} </dev/null | openssl x509 -noout -subject -issuer", Where: causes.OnHost, GOOS: "linux"},
		{Text: "Check where the name leads and what answers there", Command: "dscacheutil -q host -a name {endpoint}; openssl s_client -connect {endpoint}:443 -servername {endpoint} </dev/null | openssl x509 -noout -subject -issuer", Where: causes.OnHost, GOOS: "darwin"},
		{Text: "Check where the name leads and what answers there", Command: "Resolve-DnsName {endpoint}; $c = New-Object Net.Sockets.TcpClient; $c.Connect('{endpoint}', 443); $s = New-Object Net.Security.SslStream($c.GetStream(), $false, {$true}); $s.AuthenticateAsClient('{endpoint}', $null, 'Tls12', $false); New-Object Security.Cryptography.X509Certificates.X509Certificate2 $s.RemoteCertificate | Format-List Subject,Issuer,NotAfter,DnsNameList", Where: causes.OnHost, GOOS: "windows"},
		{Text: "Correct the DNS record, hosts file or redirection that leads it there: the name must reach AWS, or the VPC endpoint of this service and Region; the name to correct", Command: "echo {endpoint}", Where: causes.OnHost},
	}
)
