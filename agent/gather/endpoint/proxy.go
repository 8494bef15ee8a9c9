package endpoint

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
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

// connectProxy opens a tunnel through a proxy to a host.
func (p *Prober) connectProxy(ctx context.Context, u *url.URL, host string) (net.Conn, facts.Connect) {
	var c facts.Connect
	conn, err := p.proxyConn(ctx, u)
	if err != nil {
		c.Outcome, c.Error = proxyOutcome(err), DialText(err)
		var lookup lookupError
		if errors.As(err, &lookup) {
			c.Lookup = lookup.outcome
		}
		return nil, c
	}
	_ = conn.SetDeadline(time.Now().Add(p.env.Limits.HTTP))
	req := &http.Request{Method: "CONNECT", URL: &url.URL{Opaque: host + ":443"}, Host: host + ":443", Header: http.Header{"User-Agent": {p.env.UserAgent}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if u.User != nil {
		pw, _ := u.User.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+pw)))
	}
	if c.Status, err = tunnel(conn, req); err != nil {
		conn.Close()
		if errors.Is(err, errTLSAlert) {
			c.Outcome, c.Error = facts.WantsTLS, err.Error()
		} else {
			c.Outcome = facts.Other
			_, c.Error = httpOutcome(err)
		}
		return nil, c
	}
	switch c.Status {
	case http.StatusOK:
		c.Outcome = facts.OK
		_ = conn.SetDeadline(time.Time{})
		return conn, c
	case http.StatusProxyAuthRequired:
		c.Outcome = facts.WantsLogin
	default:
		c.Outcome = facts.Forbidden
	}
	c.Error = fmt.Sprintf("HTTP %d", c.Status)
	conn.Close()
	return nil, c
}

// errTLSAlert: who was asked in plain text speaks TLS.
var errTLSAlert = errors.New("the proxy answered a plain request with a TLS alert")

// tunnel sends a CONNECT request and returns the status of the answer.
func tunnel(conn net.Conn, req *http.Request) (status int, err error) {
	if err := req.Write(conn); err != nil {
		return 0, err
	}
	br := bufio.NewReader(conn)
	if first, err := br.Peek(2); err == nil && first[0] == 0x15 && first[1] == 0x03 {
		return 0, errTLSAlert
	}
	resp, err := http.ReadResponse(br, req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, nil
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
	}
	switch out := TCPOutcome(err); out {
	case facts.Refused, facts.Timeout, facts.NoRoute:
		return out
	case facts.Other: // of a certificate, among others
		return out
	}
	return facts.NoRoute // this host does not send, or something on the way cuts it off
}

// proxyConn connects to a proxy, with TLS when its URL says so. A login goes only
// to a proxy whose certificate the agent would accept.
func (p *Prober) proxyConn(ctx context.Context, u *url.URL) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.env.Limits.Connect)
	defer cancel()
	host, port := u.Hostname(), ProxyPort(u)
	addrs := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, a)
	} else if d, found := Resolve(ctx, p.env, p.f, host); len(found) > 0 {
		addrs = found
	} else {
		return nil, lookupError{host, d.Outcome, d.Error}
	}
	conn, err := p.env.Dial(ctx, "tcp", net.JoinHostPort(addrs[0].Unmap().String(), port), netip.Addr{})
	if err != nil || u.Scheme != "https" {
		return conn, err
	}
	roots, err := p.Roots()
	if err != nil {
		conn.Close()
		return nil, err
	}
	tc := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12, Time: p.env.Now})
	if err := tc.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return tc, nil
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
	conn, c := p.connectProxy(ctx, u, host)
	if conn != nil {
		conn.Close()
	}
	shown, _ := gather.RedactProxy(u.String())
	pr := facts.ProxyProbe{URL: shown, Variable: variable, Host: u.Hostname(), Outcome: c.Outcome, Status: c.Status, Error: c.Error, Lookup: c.Lookup}
	fmt.Sscan(ProxyPort(u), &pr.Port)
	return facts.Known(pr, "proxy:CONNECT "+host+":443")
}
