package sim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"time"
)

// authority issues certificates and remembers them by name.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	mu     sync.Mutex
	issued map[string]*tls.Certificate
}

// subject reads "CN=name,O=organisation,C=US".
func subject(s string) pkix.Name {
	var n pkix.Name
	for _, part := range strings.Split(s, ",") {
		k, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case !ok:
			n.CommonName = k
		case k == "CN":
			n.CommonName = v
		case k == "O":
			n.Organization = append(n.Organization, v)
		case k == "OU":
			n.OrganizationalUnit = append(n.OrganizationalUnit, v)
		case k == "C":
			n.Country = append(n.Country, v)
		}
	}
	return n
}

func serial() (*big.Int, error) { return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) }

func newAuthority(name string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	num, err := serial()
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: num, Subject: subject(name), NotBefore: now.AddDate(-2, 0, 0), NotAfter: now.AddDate(8, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key, issued: map[string]*tls.Certificate{}}, nil
}

func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// issue makes a certificate for a host and what lies below it.
func (a *authority) issue(host string, from, to time.Time) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := host + to.String()
	if c := a.issued[id]; c != nil {
		return c, nil
	}
	num, err := serial()
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: num, Subject: pkix.Name{CommonName: host}, DNSNames: []string{host, "*." + host}, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: a.key}
	a.issued[id] = c
	return c, nil
}

// certificate is what an endpoint shows.
func (h *Host) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	w := h.world.Load()
	name := strings.ToLower(hello.ServerName)
	// Whole days, so that certificates can be kept.
	today := w.service().UTC().Truncate(24 * time.Hour)
	from, to := today.AddDate(0, -3, 0), today.AddDate(0, 10, 0)
	e, known := w.endpoint(w.serviceOf(name))
	for _, p := range w.Proxies {
		if strings.EqualFold(p.Name, name) {
			e, known = Endpoint{TLS: p.TLS}, true
		}
	}
	if !known {
		return h.ca.issue(name, from, to)
	}
	switch e.TLS {
	case "expired":
		return h.ca.issue(name, from, today.AddDate(0, 0, -9))
	case "wrong-name":
		return h.ca.issue(foreignName, from, to)
	case "untrusted":
		issuer := e.Issuer
		if issuer == "" {
			issuer = "CN=Example Corp TLS Inspection CA,O=Example Corp"
		}
		h.mu.Lock()
		a := h.other[issuer]
		if a == nil {
			var err error
			if a, err = newAuthority(issuer, today); err != nil {
				h.mu.Unlock()
				return nil, err
			}
			h.other[issuer] = a
		}
		h.mu.Unlock()
		return a.issue(name, from, to)
	}
	return h.ca.issue(name, from, to)
}
