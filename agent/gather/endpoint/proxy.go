package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// proxies probes the proxy that the agent's service uses for a host, or else the
// one that it could use.
func (p *Prober) proxies(ctx context.Context, host string) (service, other facts.Seen[facts.ProxyProbe]) {
	none := facts.Absent[facts.ProxyProbe]("there is no other proxy for HTTPS", "")
	if u := p.service.ForHost(host); u != nil {
		service = p.probeProxy(ctx, u, p.service.Variable(), host)
		service.Value.Of = facts.ProxyOfService
		return service, none
	}
	service = facts.Absent[facts.ProxyProbe]("the service has no proxy for HTTPS", "")
	all := p.service
	all.No = "" // what no_proxy takes from it
	for _, o := range []struct {
		of   facts.ProxyOwner
		vars gather.ProxyVars
	}{{facts.ProxyOfUnit, p.unit}, {facts.ProxyOfService, all}, {facts.ProxyOfUsers, p.shell}} {
		u := o.vars.ForHost(host)
		if u == nil {
			continue
		}
		other = p.probeProxy(ctx, u, o.vars.Variable(), host)
		other.Value.Of = o.of
		if o.of == facts.ProxyOfService {
			other.Value.Excluded = p.service.ExcludedBy(host)
		}
		return service, other
	}
	return service, none
}

// tunnelled is what came of a try to open a tunnel through a proxy. shown is the certificate
// of a proxy of https://.
type tunnelled struct {
	conn  net.Conn // nil: none
	c     facts.Connect
	shown facts.Seen[facts.TLS]
}

// connectProxy opens a tunnel through a proxy to a host. Where the network was seen to lose
// packets or to be slow, it tries over more connections before the proxy is called silent.
func (p *Prober) connectProxy(ctx context.Context, u *url.URL, host string) (net.Conn, facts.Connect, facts.Seen[facts.TLS]) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tries := make(chan tunnelled, maxTalks)
	var wg gather.Workers
	begun, ended := 0, 0
	begin := func() {
		begun++
		wg.Go(func() {
			var t tunnelled
			defer func() { tries <- t }()
			t = p.tryProxy(ctx, u, host)
		})
	}
	rough := func() bool { return begun < maxTalks && p.run.Rough() && ctx.Err() == nil }
	timer := time.NewTicker(max(p.env.Limits.HTTP, time.Millisecond))
	defer timer.Stop()
	begin()
	var out tunnelled
	for said := false; !said && ended < begun; {
		select {
		case <-timer.C:
			if rough() {
				begin()
			}
		case t := <-tries:
			ended++
			said = t.c.Outcome != facts.Silent && t.c.Outcome != facts.Timeout
			if said || ended == 1 {
				out = t
			}
			if !said && ended == begun && rough() {
				begin()
			}
		}
	}
	if out.c.Outcome == facts.Other && out.c.Error == noTimeLeft && begun >= silentTries {
		out.c.Outcome = facts.Silent // on none of them, until no time was left
	}
	cancel()
	wg.Wait()
	for ; ended < begun; ended++ {
		if t := <-tries; t.conn != nil {
			t.conn.Close()
		}
	}
	return out.conn, out.c, out.shown
}

// silentTries is how many connections to a proxy, all without an answer when the time of an
// endpoint ends, make it silent where packets are lost.
const silentTries = 3

// tryProxy is one try of connectProxy.
func (p *Prober) tryProxy(ctx context.Context, u *url.URL, host string) tunnelled {
	var c facts.Connect
	peer, shown, err := p.proxyConn(ctx, u)
	if err != nil {
		c.Outcome, c.Error = proxyOutcome(err), DialText(err)
		var lookup lookupError
		if errors.As(err, &lookup) {
			c.Lookup = lookup.outcome
		}
		if c.Outcome == facts.Untrusted {
			c.Error = shown.Value.Error
		}
		return tunnelled{nil, c, shown}
	}
	limited, cancel := p.run.Patience(ctx, p.env.Limits.HTTP, p.confirmed(peer))
	defer cancel()
	req := &http.Request{Method: "CONNECT", URL: &url.URL{Opaque: host + ":443"}, Host: host + ":443", Header: http.Header{"User-Agent": {p.env.UserAgent}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if err = peer.Attach(req, u.Hostname(), login(u)); err == nil {
		err = gather.During(limited, peer.Conn, func() (err error) {
			c.Status, err = tunnel(peer, req)
			return err
		})
	}
	if err != nil {
		peer.Close()
		if errors.Is(err, errTLSAlert) {
			c.Outcome, c.Error = facts.WantsTLS, err.Error()
		} else {
			switch c.Outcome, c.Error = httpOutcome(err); {
			case c.Outcome == facts.Timeout && ctx.Err() != nil:
				c.Outcome, c.Error = facts.Other, noTimeLeft
			case c.Outcome == facts.Timeout:
				c.Outcome = facts.Silent
			}
		}
		return tunnelled{nil, c, shown}
	}
	switch c.Status {
	case http.StatusOK:
		c.Outcome = facts.OK
		return tunnelled{peer.Conn, c, shown}
	case http.StatusProxyAuthRequired:
		c.Outcome = facts.WantsLogin
	default:
		c.Outcome = facts.Forbidden
	}
	c.Error = fmt.Sprintf("HTTP %d", c.Status)
	peer.Close()
	return tunnelled{nil, c, shown}
}

// errTLSAlert: who was asked in plain text speaks TLS.
var errTLSAlert = errors.New("the proxy answered a plain request with a TLS alert")

// tunnel sends a CONNECT request and returns the status of the answer.
func tunnel(conn net.Conn, req *http.Request) (status int, err error) {
	if err := req.Write(conn); err != nil {
		return 0, err
	}
	answers := gather.NewAnswerReader(conn)
	if first, err := answers.Peek(2); err == nil && first[0] == 0x15 && first[1] == 0x03 {
		return 0, errTLSAlert
	}
	return answers.Status(req)
}

// lookupError is a name that gave no address.
type lookupError struct {
	name    string
	outcome facts.Outcome
	says    string
}

func (e lookupError) Error() string { return "lookup " + e.name + ": " + e.says }

// proxyOutcome sorts the ways in which a proxy cannot be connected to.
func proxyOutcome(err error) facts.Outcome {
	var name lookupError
	var rec tls.RecordHeaderError
	switch {
	case errors.As(err, &name):
		return facts.NoName
	case errors.As(err, &rec):
		return facts.NotTLS
	case errors.Is(err, errCertificate):
		return facts.Untrusted
	}
	switch out := TCPOutcome(err); out {
	case facts.Refused, facts.Timeout, facts.NoRoute:
		return out
	case facts.Other: // of a handshake
		return out
	}
	return facts.NoRoute // this host does not send, or something on the way cuts it off
}

// proxyConn connects to a proxy, with TLS when its URL says so; the proxy then has to
// show a certificate that the agent would accept.
func (p *Prober) proxyConn(ctx context.Context, u *url.URL) (*Peer, facts.Seen[facts.TLS], error) {
	shown := facts.Absent[facts.TLS]("the proxy's URL says "+u.Scheme+"://", "")
	host, port := u.Hostname(), ProxyPort(u)
	addrs := []netip.Addr{}
	name, ok := gather.UsableHost(u)
	if !ok {
		return nil, shown, lookupError{name, facts.NoName, "not the name of a host"}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, a)
	} else if d, found := Resolve(ctx, p.run, p.f, host); len(found) > 0 {
		addrs = found
	} else {
		return nil, shown, lookupError{name, d.Outcome, strings.ReplaceAll(d.Error, host, name)}
	}
	conn, err := p.run.Connect(ctx, net.JoinHostPort(addrs[0].Unmap().String(), port), netip.Addr{})
	switch {
	case err != nil:
		return nil, shown, err
	case u.Scheme != "https":
		return &Peer{conn, host, namedPlain}, shown, nil
	}
	peer, t, err := p.Trusted(ctx, conn, host)
	return peer, facts.Known(t, "tls:"+net.JoinHostPort(host, port)), err
}

// ProxyPort is the port of a proxy's URL.
func ProxyPort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// probeProxy tells how a proxy itself fares.
func (p *Prober) probeProxy(ctx context.Context, u *url.URL, variable, host string) facts.Seen[facts.ProxyProbe] {
	conn, c, cert := p.connectProxy(ctx, u, host)
	if conn != nil {
		conn.Close()
	}
	shown, _ := gather.RedactProxy(u.String())
	name, _ := gather.UsableHost(u)
	pr := facts.ProxyProbe{URL: shown, Variable: variable, Host: name, Outcome: c.Outcome, Status: c.Status, Error: c.Error, Lookup: c.Lookup, TLS: cert}
	fmt.Sscan(ProxyPort(u), &pr.Port)
	return facts.Known(pr, "proxy:CONNECT "+host+":443")
}
