package gather

import (
	"crypto/x509"
	"encoding/pem"
)

// Bundle are certificates that a host trusts, by their subjects. To read all that a
// certificate says takes long, and a peer is vouched for by one or two of a hundred and fifty:
// only these are read.
type Bundle struct {
	bySubject map[string][][]byte
}

// newBundle takes what crypto/x509 takes of a file; nil: no certificate.
func newBundle(text []byte) *Bundle {
	b := &Bundle{map[string][][]byte{}}
	some := false
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" || len(block.Headers) != 0 {
			continue
		}
		subject, ok := subjectOf(block.Bytes)
		if !ok {
			continue
		}
		if !some {
			_, err := x509.ParseCertificate(block.Bytes)
			some = err == nil
		}
		b.bySubject[string(subject)] = append(b.bySubject[string(subject)], block.Bytes)
	}
	if !some {
		return nil
	}
	return b
}

// For are those that can vouch for what a peer shows: the verdict on it by them is that by
// all. Source: crypto/x509, verify.go: a certificate is vouched for by those whose subject
// is its issuer, or by being one of them itself.
func (b *Bundle) For(shown []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range shown {
		for _, name := range [][]byte{c.RawIssuer, c.RawSubject} {
			for _, der := range b.bySubject[string(name)] {
				if root, err := x509.ParseCertificate(der); err == nil {
					pool.AddCert(root)
				}
			}
		}
	}
	return pool
}

// subjectOf is the subject of a certificate as it stands there.
// Source: RFC 5280, 4.1: version, serial number, signature, issuer, validity and subject
// are the first fields of what is signed; the first of them may be missing.
func subjectOf(der []byte) (subject []byte, ok bool) {
	const sequence, version = 0x30, 0xa0
	_, rest, _, ok := element(der, sequence)
	if !ok {
		return nil, false
	}
	if _, rest, _, ok = element(rest, sequence); !ok {
		return nil, false
	}
	if _, _, after, has := element(rest, version); has {
		rest = after
	}
	for range 4 {
		if _, _, rest, ok = element(rest, 0); !ok {
			return nil, false
		}
	}
	whole, _, _, ok := element(rest, sequence)
	return whole, ok
}

// element is the first element of DER data, whole and what is in it, and what follows it. It
// must have a tag, 0: any.
func element(der []byte, tag byte) (whole, inner, rest []byte, ok bool) {
	if len(der) < 2 || tag != 0 && der[0] != tag {
		return nil, nil, nil, false
	}
	length, at := int(der[1]), 2
	if length >= 0x80 {
		n := length & 0x7f
		if n == 0 || n > 3 || len(der) < 2+n {
			return nil, nil, nil, false
		}
		length = 0
		for _, c := range der[2 : 2+n] {
			length = length<<8 | int(c)
		}
		at += n
	}
	if len(der)-at < length {
		return nil, nil, nil, false
	}
	return der[:at+length], der[at : at+length], der[at+length:], true
}
