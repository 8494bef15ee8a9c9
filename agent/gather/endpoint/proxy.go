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
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// otherProxy probes the proxy that the service could use for a host to which it goes directly.
func (p *Prober) otherProxy(ctx context.Context, host string, service, unit, shell gather.ProxyVars) facts.Seen[facts.ProxyProbe] {
	own := service
	own.No = ""
	for _, o := range []struct {
		of   string
		vars gather.ProxyVars
	}{{"unit", unit}, {"service", own}, {"users", shell}} {
		u := o.vars.ForHost(host)
		if u == nil {
			continue
		}
		probe := p.probeProxy(ctx, u, o.vars.Variable(), host)
		probe.Value.Of = o.of
		if o.of == "service" {
			probe.Value.Excluded = service.ExcludedBy(host)
		}
		return probe
	}
	return facts.Absent[facts.ProxyProbe]("there is no other proxy for HTTPS", "")
}

// connectProxy opens a tunnel through a proxy to a host.
func (p *Prober) connectProxy(ctx context.Context, u *url.URL, host string) (net.Conn, facts.Connect) {
	var c facts.Connect
	conn, err := p.proxyConn(ctx, u)
	if err != nil {
		c.Outcome, c.Error = "unreachable", DialText(err)
		var rec tls.RecordHeaderError
		if errors.As(err, &rec) {
			c.Outcome = "scheme"
		}
		return nil, c
	}
	_ = conn.SetDeadline(time.Now().Add(p.env.Limits.HTTP))
	req := &http.Request{Method: "CONNECT", URL: &url.URL{Opaque: host + ":443"}, Host: host + ":443", Header: http.Header{"User-Agent": {p.env.UserAgent}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	if u.User != nil {
		pw, _ := u.User.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+pw)))
	}
	br := bufio.NewReader(conn)
	var resp *http.Response
	if err = req.Write(conn); err == nil {
		first, perr := br.Peek(2)
		if perr == nil && first[0] == 0x15 && first[1] == 0x03 {
			err = tls.RecordHeaderError{Msg: "the proxy answered with a TLS alert"}
			c.Outcome, c.Error = "scheme", "the proxy answered a plain request with a TLS alert"
		} else {
			resp, err = http.ReadResponse(br, req)
		}
	}
	if err != nil {
		if c.Outcome == "" {
			c.Outcome = "other"
			_, c.Error = httpOutcome(err)
		}
		conn.Close()
		return nil, c
	}
	c.Status = resp.StatusCode
	switch {
	case resp.StatusCode == 200:
		c.Outcome = "ok"
		_ = conn.SetDeadline(time.Time{})
		return conn, c
	case resp.StatusCode == 407:
		c.Outcome = "refused-auth"
	default:
		c.Outcome = "refused"
	}
	c.Error = fmt.Sprintf("HTTP %d", resp.StatusCode)
	conn.Close()
	return nil, c
}

// proxyConn connects to a proxy, with TLS when its URL says so.
func (p *Prober) proxyConn(ctx context.Context, u *url.URL) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.env.Limits.Connect)
	defer cancel()
	host, port := u.Hostname(), ProxyPort(u)
	addrs := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, a)
	} else if _, found := Resolve(ctx, p.env, p.f, host); len(found) > 0 {
		addrs = found
	} else {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	conn, err := p.env.Dial(ctx, "tcp", net.JoinHostPort(addrs[0].Unmap().String(), port), netip.Addr{})
	if err != nil || u.Scheme != "https" {
		return conn, err
	}
	tc := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}) // only its kind is of interest; nothing secret is sent but the login its URL holds
	if err := tc.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return tc, nil
}

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
	shown, _ := gather.RedactProxy(u.String())
	pr := facts.ProxyProbe{URL: shown, Variable: variable, Scheme: u.Scheme, Host: u.Hostname()}
	fmt.Sscan(ProxyPort(u), &pr.Port)
	from := "proxy:CONNECT " + host + ":443"
	conn, c := p.connectProxy(ctx, u, host)
	if conn != nil {
		conn.Close()
	}
	pr.Status, pr.Error = c.Status, c.Error
	switch c.Outcome {
	case "ok":
		pr.Outcome = "ok"
	case "refused-auth":
		pr.Outcome = "auth"
	case "refused":
		pr.Outcome = "forbidden"
	case "scheme":
		pr.Outcome = "tls"
		if u.Scheme == "https" {
			pr.Outcome = "not-tls"
		}
	case "unreachable":
		pr.Outcome = "unreachable"
		switch {
		case strings.Contains(c.Error, "no such host"):
			pr.Outcome = "dns"
		case strings.Contains(c.Error, "refused"):
			pr.Outcome = "refused"
		case strings.Contains(c.Error, "timeout"):
			pr.Outcome = "timeout"
		}
	default:
		pr.Outcome = "other"
	}
	return facts.Known(pr, from)
}
