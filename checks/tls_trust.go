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
		return saw(blameStore(n, e, t)), true
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

// blameStore tells whether a certificate is not accepted for who issued it, or for what the
// agent's service trusts.
func blameStore(n *node.Node, e facts.Endpoint, t facts.TLS) Finding {
	s := t.Store
	public := strings.Contains(t.Issuer, "O=Amazon") || strings.Contains(t.Issuer, "O=Starfield")
	fd := blocks("tls-untrusted-ca", Proven, "the certificate of %s was issued by %s, which this host does not trust", e.Host, text.Quote(t.Issuer))
	switch {
	case s.Counted && s.Variables != "" && (s.Host || s.Certificates == 0):
		fd = blocks("tls-untrusted-ca", Proven, "the certificate of %s was issued by %s, which the agent does not trust: its service has %s, with %s", e.Host, text.Quote(t.Issuer), text.Cut(s.Variables, 200), storeWord(s))
		if s.Host {
			fd = fd.add("; this host itself trusts it")
		}
		return withUnit(n, fd.saw("environment of the agent's service", s.Variables, n.Facts.Agent.Metadata.From).saw("certificates that the agent trusts", storeWord(s), "trusted certificates")).fix(ownStoreAway(n)...)
	case s.Counted && s.Variables == "" && s.Certificates == 0:
		return blocks("tls-untrusted-ca", Proven, "this host trusts %s, and not %s, who issued the certificate of %s: its trust store is empty", storeWord(s), text.Quote(t.Issuer), e.Host).
			saw("certificates that this host trusts", storeWord(s), "trusted certificates").fix(rebuildStore(n)...)
	case s.Counted && s.Variables == "" && public:
		return fd.add("; it is a public authority: the trust store is old, or lacks it").sure(Likely).fix(rebuildStore(n)...)
	}
	return fd
}

func storeWord(s facts.Store) string {
	if s.Certificates == 0 {
		return "no certificate of an authority"
	}
	return fmt.Sprintf("%d certificates of authorities", s.Certificates)
}

// ownStoreAway are the steps that let the agent trust what its host does, whatever sets the
// variables; nil: the catalogue's.
func ownStoreAway(n *node.Node) []causes.Step {
	if n.Facts.Host.GOOS != "linux" || n.Agent.Unit == nil {
		return nil
	}
	return append([]causes.Step{
		linuxStep(true, "Let the agent trust what this host trusts: a drop-in takes the variables out of its environment", causes.DropIn(`[Service]\nUnsetEnvironment=SSL_CERT_FILE SSL_CERT_DIR\nEnvironment="SSL_CERT_FILE=" "SSL_CERT_DIR="\n`, "zz-trust.conf")),
	}, causes.Reload...)
}

// rebuildStore are the steps for a trust store that lacks what it should have; nil: the
// catalogue's.
func rebuildStore(n *node.Node) []causes.Step {
	if n.Facts.Host.GOOS != "linux" {
		return nil
	}
	return []causes.Step{
		linuxStep(true, "Install the package of the trust store again: it writes the store", "{rebuildca}"),
		restartLinux, causes.Again,
	}
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
