package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// handshake verifies as the agent would, but keeps what was shown when it
// refuses. It returns nil when there is no TLS connection at all.
func (p *Prober) handshake(ctx context.Context, e *facts.Endpoint, conn net.Conn) *tls.Conn {
	from := "tls:" + e.Host + ":443"
	roots, err := p.someRoots()
	switch {
	case err != nil && p.own:
		e.TLS = gather.Unknown[facts.TLS](err, from)
		return nil
	case err != nil:
		e.TLS = facts.Known(facts.TLS{Kind: facts.NoRoots, Error: gather.Why(err)}, from)
		return nil
	}
	tc, t, err := p.shake(ctx, conn, e.Host, roots, false)
	e.TLS = facts.Known(t, from)
	if err != nil {
		switch {
		case t.Kind == facts.TLSTimeout && ctx.Err() != nil:
			e.TLS, e.Stall = facts.Unknown[facts.TLS](noTimeLeft, from), facts.Unknown[facts.Stall](noTimeLeft, "")
		case t.Kind == facts.TLSTimeout || t.Kind == facts.TLSReset:
			e.Stall = p.flow(conn)
		}
		tc.Close()
		return nil
	}
	return tc
}

// someRoots are those to try first: of the bundle, where the host has one.
func (p *Prober) someRoots() (*roots, error) {
	if some := p.env.Bundle(); some != nil && !p.own {
		return &roots{bundle: some}, nil
	}
	all, err := p.Roots()
	return &roots{all: all}, err
}

// roots are trusted certificates: a bundle, or all.
type roots struct {
	bundle *gather.Bundle
	all    *x509.CertPool
}

// of are those to judge what a peer shows by.
func (r *roots) of(shown []*x509.Certificate) *x509.CertPool {
	if r.bundle != nil {
		return r.bundle.For(shown)
	}
	return r.all
}

// noTimeLeft: the run ended before the peer's time to answer was over.
const noTimeLeft = "no time was left to wait for its answer"

// errCertificate ends a handshake whose certificate is not accepted.
var errCertificate = errors.New("the certificate is not accepted")

// shake shakes hands with who should be host and judges the certificate. With must a
// handshake fails when that is not accepted, so that nothing is sent. Without, only
// what is no secret may be sent.
func (p *Prober) shake(ctx context.Context, conn net.Conn, host string, trusted *roots, must bool) (*tls.Conn, facts.TLS, error) {
	var t facts.TLS
	start := time.Now()
	tc := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error { // verified here, against the same roots
		leaf := s.PeerCertificates[0]
		t.Subject, t.Issuer = gather.OneLine(name(leaf.Subject.String(), leaf.DNSNames), 300), gather.OneLine(leaf.Issuer.String(), 300)
		inter := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			inter.AddCert(c)
		}
		t.Seconds = time.Since(start).Seconds()
		o := x509.VerifyOptions{Roots: trusted.of(s.PeerCertificates), Intermediates: inter, DNSName: host, CurrentTime: p.env.Now()}
		chains, err := leaf.Verify(o)
		if err != nil || firstExpiry(chains).Before(leaf.NotAfter) { // another root may be better
			if all, unread := p.Roots(); unread == nil && trusted.bundle != nil {
				o.Roots = all
				chains, err = leaf.Verify(o)
			}
		}
		t.OK = err == nil
		if _, distrusted := errors.AsType[x509.UnknownAuthorityError](err); distrusted {
			t.Store = p.store(leaf, o)
		}
		t.FirstExpiry = firstExpiry(chains)
		t.Kind, t.Error = certKind(err, leaf, p.env.Now())
		if must && err != nil {
			return errCertificate
		}
		return nil
	}})
	// A context given to the handshake would close the connection, and with it what the
	// kernel knows of it.
	ctx, cancel := p.run.Patience(ctx, p.env.Limits.TLS, p.confirmed(conn))
	defer cancel()
	err := gather.During(ctx, conn, tc.Handshake)
	if t.Seconds > 0 {
		p.run.Felt(time.Duration(t.Seconds * float64(time.Second)))
	}
	if err != nil && !errors.Is(err, errCertificate) {
		t.Error = gather.Why(err)
		var rec tls.RecordHeaderError
		switch out := TCPOutcome(err); {
		case errors.As(err, &rec):
			t.Kind = facts.NoTLS
		case out == facts.Timeout:
			t.Kind = facts.TLSTimeout
		case out == facts.Reset, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			t.Kind = facts.TLSReset
		default:
			t.Kind = facts.TLSOther
		}
	}
	return tc, t, err
}

// store is what the agent's service trusts, by which a certificate is not accepted.
func (p *Prober) store(leaf *x509.Certificate, o x509.VerifyOptions) facts.Store {
	s, err := p.trusted.of(p.env, p.trust)
	out := facts.Store{Counted: err == nil, Variables: p.trust.Variables(), Certificates: s.N}
	if err == nil && out.Variables != "" {
		hosts, err := p.hosts.of(p.env, gather.Trust{})
		o.Roots = hosts.Pool
		if _, no := leaf.Verify(o); err == nil {
			out.Host = no == nil
		}
	}
	return out
}

// Trusted shakes hands with who proves to be host; the connection is closed otherwise.
func (p *Prober) Trusted(ctx context.Context, conn net.Conn, host string) (*Peer, facts.TLS, error) {
	roots, err := p.someRoots()
	if err != nil {
		conn.Close()
		return nil, facts.TLS{Kind: facts.NoRoots, Error: gather.Why(err)}, err
	}
	tc, t, err := p.shake(ctx, conn, host, roots, true)
	if err == nil && !t.OK { // no certificate was shown
		err = errCertificate
	}
	if err != nil {
		tc.Close()
		return nil, t, err
	}
	return &Peer{tc, host, proven}, t, nil
}

// firstExpiry is when the first certificate of the longest lasting chain expires.
func firstExpiry(chains [][]*x509.Certificate) time.Time {
	var best time.Time
	for _, c := range chains {
		first := c[0].NotAfter
		for _, x := range c[1:] {
			if x.NotAfter.Before(first) {
				first = x.NotAfter
			}
		}
		if first.After(best) {
			best = first
		}
	}
	return best
}

func name(subject string, dns []string) string {
	if len(dns) > 0 {
		return strings.Join(dns[:min(3, len(dns))], ", ")
	}
	return subject
}

// certKind sorts the reasons for which a certificate is refused.
func certKind(err error, leaf *x509.Certificate, now time.Time) (kind facts.TLSFault, text string) {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	if err == nil {
		return "", ""
	}
	text = gather.Why(err)
	switch {
	case errors.As(err, &unknown):
		return facts.UnknownAuthority, text
	case errors.As(err, &host):
		return facts.WrongName, text
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if now.Before(leaf.NotBefore) {
			return facts.NotYetValid, text
		}
		return facts.Expired, text
	}
	return facts.TLSOther, text
}
