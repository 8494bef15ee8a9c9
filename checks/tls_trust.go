package checks

import (
	"fmt"
	"math"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "tls-trust", Group: "tls-proxy-clock", Title: "The endpoints' certificates are trusted",
	Causes: []string{"tls-untrusted-ca", "clock-skew"},
	Needs:  []string{"dns", "dns-pin", "dns-private", "network-egress", "proxy", "clock"},
	Doc: "A TLS handshake with each endpoint the node needs, verified against this host's trust store as the agent verifies. A certificate by an unknown authority is nearly always a TLS-inspecting " +
		"proxy or firewall whose CA this host does not have. A CA set only for the AWS SDK (AWS_CA_BUNDLE) does not help the agent's message channel.",
	Eval: namesOfAgent(func(f *facts.Facts) Finding {
		tried, good := 0, 0
		for _, e := range f.Network.Endpoints {
			t, ok := e.TLS.Get()
			if !ok || e.Need != facts.NeedCore {
				continue
			}
			tried++
			if t.OK {
				good++
				continue
			}
			saw := func(fd Finding) Finding {
				return blockedAt(f, e, fd.saw("TLS to "+e.Host, t.Error, e.TLS.From).saw("certificate issuer of "+e.Host, t.Issuer, e.TLS.From).with("issuer", t.Issuer, "endpoint", e.Host))
			}
			switch t.Kind {
			case "unknown-authority", "no-roots":
				why := fmt.Sprintf("the certificate of %s was issued by %s, which this host does not trust", e.Host, quote(t.Issuer))
				if t.Kind == "no-roots" {
					why = "this host has no trusted CA certificates at all"
				}
				return saw(fail("tls-untrusted-ca", Proven, "%s", why))
			case "expired", "not-yet-valid":
				if skew, ok := f.Network.Skew.Get(); !ok || math.Abs(skew) >= maxSkew {
					return ntp(f, saw(fail("clock-skew", Likely, "by this host's clock (%s) the certificate of %s is %s: the clock is wrong, or something in between shows its own certificate",
						f.CollectedAt.UTC().Format("2006-01-02 15:04"), e.Host, t.Kind)))
				}
				return saw(fail("tls-untrusted-ca", Proven, "the certificate shown for %s, issued by %s, is %s", e.Host, quote(t.Issuer), t.Kind)).fix(expiredSteps...).fix(causes.Reload...)
			case "wrong-name":
				return saw(fail("tls-untrusted-ca", Proven, "what answers for %s shows a certificate for another name (%s, issued by %s)", e.Host, quote(t.Subject), quote(t.Issuer))).fix(otherNameSteps...).fix(causes.Reload...)
			case "not-tls":
				return saw(fail("tls-untrusted-ca", Likely, "what answers for %s does not speak TLS", e.Host))
			}
		}
		if tried == 0 {
			return unknown("no TLS connection was made")
		}
		if good < tried {
			return unknown("%d of %d handshakes ended before a certificate was shown", tried-good, tried)
		}
		return pass("%d endpoints trusted", good)
	}),
})

// Trusting one more authority does not help against a certificate that is
// expired or for another name.
var (
	expiredSteps = []causes.Step{
		{Text: "See whose certificate it is and when it ends", Command: "openssl s_client -connect {endpoint}:443 -servername {endpoint} </dev/null | openssl x509 -noout -subject -issuer -dates", Where: causes.OnHost, GOOS: "linux darwin"},
		{Text: "See who answers there", Command: "curl.exe -sv https://{endpoint}/", Where: causes.OnHost, GOOS: "windows"},
		{Text: "Renew it on the device that shows it (a proxy or firewall that inspects TLS), or exempt the Systems Manager endpoints from inspection; the name to give", Command: "echo {endpoint}:443", Where: causes.OnHost},
	}
	otherNameSteps = []causes.Step{
		{Text: "See where the name leads and what answers there", Command: "getent ahosts {endpoint}; openssl s_client -connect {endpoint}:443 -servername {endpoint} </dev/null | openssl x509 -noout -subject -issuer", Where: causes.OnHost, GOOS: "linux"},
		{Text: "See where the name leads and what answers there", Command: "dscacheutil -q host -a name {endpoint}; openssl s_client -connect {endpoint}:443 -servername {endpoint} </dev/null | openssl x509 -noout -subject -issuer", Where: causes.OnHost, GOOS: "darwin"},
		{Text: "See where the name leads and what answers there", Command: "Resolve-DnsName {endpoint}; curl.exe -sv https://{endpoint}/", Where: causes.OnHost, GOOS: "windows"},
		{Text: "Correct the DNS record, hosts file or redirection that leads it there: the name must reach AWS, or the VPC endpoint of this service and Region; the name to correct", Command: "echo {endpoint}", Where: causes.OnHost},
	}
)
