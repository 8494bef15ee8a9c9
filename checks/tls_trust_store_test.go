package checks

import (
	"strings"
	"testing"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// What a service trusts by its own variables, and a store that is only a part of one, are
// told from a device that inspects TLS.
func TestBlameStore(t *testing.T) {
	t.Parallel()
	const corporate, amazon = "CN=Corp Inspection CA,O=Corp", "CN=Amazon RSA 2048 M01,O=Amazon,C=US"
	store := func(s facts.Store) facts.Store { s.Counted = true; return s }
	for name, c := range map[string]struct {
		issuer    string
		store     facts.Store
		says, fix string // of the first step
	}{
		"a variable of the service":    {amazon, store(facts.Store{Variables: "SSL_CERT_FILE=/etc/corp.pem", Certificates: 1, Host: true}), "its service has SSL_CERT_FILE=/etc/corp.pem", "UnsetEnvironment=SSL_CERT_FILE SSL_CERT_DIR"},
		"that names nothing":           {amazon, store(facts.Store{Variables: "SSL_CERT_FILE=/gone SSL_CERT_DIR=/gone", Host: true}), "no certificate of an authority; this host itself trusts it", "UnsetEnvironment"},
		"whole, and neither trusts it": {corporate, store(facts.Store{Variables: "SSL_CERT_FILE=/etc/corp.pem", Certificates: 140}), "which this host does not trust", "openssl s_client"},
		"an empty store":               {corporate, store(facts.Store{}), "its trust store is empty", "{rebuildca}"},
		"a part of a store":            {amazon, store(facts.Store{Certificates: 3}), "it is a public authority", "{rebuildca}"},
		"an old store":                 {amazon, store(facts.Store{Certificates: 120}), "it is a public authority", "{rebuildca}"},
		"a device that inspects":       {corporate, store(facts.Store{Certificates: 140}), "which this host does not trust", "openssl s_client"},
		"what is trusted was not read": {amazon, facts.Store{Variables: "SSL_CERT_FILE=/etc/corp.pem"}, "which this host does not trust", "openssl s_client"},
		"facts of an earlier release":  {amazon, facts.Store{}, "which this host does not trust", "openssl s_client"},
	} {
		f := factstest.Healthy(t, "profile")
		for i := range f.Network.Endpoints.Value {
			e := &f.Network.Endpoints.Value[i]
			if e.Need == facts.NeedCore {
				e.TLS.Value.OK, e.TLS.Value.Kind, e.TLS.Value.Issuer, e.TLS.Value.Store = false, facts.UnknownAuthority, c.issuer, c.store
			}
		}
		fd := TlsTrust.Judge(node.Of(f))
		steps := fd.Fix
		if len(steps) == 0 {
			for _, s := range causes.Get(fd.Cause).Fix {
				if s.GOOS != "windows" {
					steps = append(steps, s)
				}
			}
		}
		if fd.Cause != "tls-untrusted-ca" || !strings.Contains(fd.Summary.String(), c.says) || !strings.Contains(steps[0].Command, c.fix) {
			t.Errorf("%s: %q: %s\n%v", name, fd.Cause, fd.Summary, steps)
		}
	}
}
