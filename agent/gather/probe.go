package gather

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"ssm-doctor/checks/facts"
)

// maxAddresses is how many addresses of one endpoint are tried.
const maxAddresses = 4

// prober asks endpoints, all at once.
type prober struct {
	env   *Env
	f     *facts.Facts
	proxy proxyVars
	roots func() (*x509.CertPool, error)
}

// roots yields the trusted certificates: the host's and those of the simulator.
// They are loaded once per process, at the latest when a handshake needs them.
func (env *Env) roots() func() (*x509.CertPool, error) {
	if env.RootCAs == nil {
		return systemRoots
	}
	return sync.OnceValues(func() (*x509.CertPool, error) {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(env.RootCAs)
		return pool, nil
	})
}

func systemRoots() (*x509.CertPool, error) { return x509.SystemCertPool() }

// LoadRoots reads the host's trusted certificates, which takes some 20 ms once
// per process, so that no handshake waits for them.
func (env *Env) LoadRoots() {
	if env.RootCAs == nil && !env.Offline {
		_, _ = systemRoots()
	}
}

// endpoint fills in what can be seen of one endpoint and returns the clock's difference.
func (p *prober) endpoint(ctx context.Context, e *facts.Endpoint) (skew facts.Seen[float64]) {
	e.TLS, e.HTTP, e.WebSocket = facts.Unknown[facts.TLS]("not connected", ""), facts.Unknown[facts.HTTP]("not connected", ""), facts.Unknown[facts.HTTP]("not asked", "")
	if e.Service != "ssmmessages" {
		e.WebSocket = facts.Absent[facts.HTTP]("no websocket there", "")
	}
	conn := p.connect(ctx, e)
	if conn == nil {
		return skew
	}
	defer func() { conn.Close() }()
	if e.Need != facts.NeedCore {
		e.TLS, e.HTTP = facts.Unknown[facts.TLS]("not asked: no feature that needs it", ""), facts.Unknown[facts.HTTP]("not asked", "")
		return skew
	}
	tc := p.handshake(ctx, e, conn)
	if tc == nil {
		return skew
	}
	conn = tc
	trusted := e.TLS.Value.OK
	br := bufio.NewReader(tc)
	h, reuse := p.get(tc, br, e.Host, "/", nil)
	skew = h.skew
	if !trusted {
		e.HTTP = facts.Unknown[facts.HTTP]("the certificate is not trusted", "")
		return skew
	}
	e.HTTP = facts.Known(h.HTTP, "https:GET "+e.Host+"/")
	if e.Service != "ssmmessages" {
		return skew
	}
	if !reuse {
		if c := p.connect(ctx, &facts.Endpoint{Service: e.Service, Host: e.Host, Port: e.Port}); c != nil {
			conn.Close()
			scratch := *e
			if t := p.handshake(ctx, &scratch, c); t != nil {
				tc, br, conn = t, bufio.NewReader(t), t
			} else {
				conn = c
			}
		}
	}
	w, _ := p.get(tc, br, e.Host, "/v1/control-channel/ssm-doctor?role=subscribe&stream=input", http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-WebSocket-Version": {"13"}, "Sec-WebSocket-Key": {base64.StdEncoding.EncodeToString([]byte("ssm-doctor probe"))},
	})
	e.WebSocket = facts.Known(w.HTTP, "https:GET "+e.Host+"/v1/control-channel, upgrade, unsigned")
	return skew
}

// connect makes the connection the agent would make; nil when there is none.
func (p *prober) connect(ctx context.Context, e *facts.Endpoint) net.Conn {
	if u := p.proxy.forHost(e.Host); u != nil {
		conn, c := p.connectProxy(ctx, u, e.Host)
		e.Proxy = c
		e.Proxy.Used = true
		return conn
	}
	if p.env.EndpointURL != "" {
		return p.tcp(ctx, e, []string{p.env.EndpointURL})
	}
	viewCtx, stop := context.WithCancel(ctx)
	defer stop()
	var seen []facts.View
	var wg workers
	if ec2 := p.f.IMDS.InstanceID.Known(); ec2 && e.Need == facts.NeedCore {
		wg.Go(func() { seen = views(viewCtx, p.env, p.f, e.Host) })
	}
	d, addrs := resolve(ctx, p.env, p.f, e.Host)
	e.DNS, e.Scope = d, scope(addrs)
	var conn net.Conn
	if len(addrs) > 0 {
		var to []string
		for _, a := range addrs[:min(len(addrs), maxAddresses)] {
			to = append(to, netip.AddrPortFrom(a.Unmap(), uint16(e.Port)).String())
		}
		conn = p.tcp(ctx, e, to)
	}
	if conn != nil {
		stop() // a working endpoint needs no second opinion
	}
	wg.Wait()
	if conn == nil {
		e.DNS.Views = seen
	}
	return conn
}

// tcp tries all addresses at once, records each and keeps one connection.
func (p *prober) tcp(ctx context.Context, e *facts.Endpoint, to []string) net.Conn {
	ctx, cancel := context.WithTimeout(ctx, p.env.Limits.Connect)
	defer cancel()
	attempts, conns := make([]facts.Attempt, len(to)), make([]net.Conn, len(to))
	var wg workers
	for i, addr := range to {
		wg.Go(func() {
			start := time.Now()
			conn, err := p.env.Dial(ctx, "tcp", addr, netip.Addr{})
			host, _, _ := net.SplitHostPort(addr)
			t := facts.Attempt{Address: host, Outcome: tcpOutcome(err), Error: dialText(err), Seconds: time.Since(start).Seconds()}
			if err == nil {
				conns[i] = conn
				cancel() // the others need not end
				t.Source, _, _ = net.SplitHostPort(conn.LocalAddr().String())
			} else {
				t.Source = p.source(host)
			}
			t.Interface = p.interfaceOf(t.Source)
			attempts[i] = t
		})
	}
	wg.Wait()
	var keep net.Conn
	for _, c := range conns {
		switch {
		case c == nil:
		case keep == nil:
			keep = c
		default:
			c.Close()
		}
	}
	for _, a := range attempts {
		if keep != nil && a.Outcome != "ok" {
			continue // cancelled, says nothing
		}
		e.TCP = append(e.TCP, a)
	}
	return keep
}

func (p *prober) source(host string) string {
	if p.env.SourceAddr != nil {
		return p.env.SourceAddr(host)
	}
	return sourceFor(host)
}

// sourceFor is the local address that routing chooses for a destination; no
// packet is sent. Empty when there is no route.
func sourceFor(host string) string {
	conn, err := net.Dial("udp", net.JoinHostPort(host, "443"))
	if err != nil {
		return ""
	}
	defer conn.Close()
	s, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	return s
}

func (p *prober) interfaceOf(source string) string {
	a, err := netip.ParseAddr(source)
	ifs, ok := p.f.Host.Interfaces.Get()
	if err != nil || !ok {
		return ""
	}
	for _, i := range ifs {
		for _, c := range i.Addresses {
			if pre, err := netip.ParsePrefix(c); err == nil && pre.Addr() == a {
				return i.Name
			}
		}
	}
	return ""
}

// handshake verifies as the agent would, but keeps what was shown when it
// refuses. It returns nil when there is no TLS connection at all.
func (p *prober) handshake(ctx context.Context, e *facts.Endpoint, conn net.Conn) *tls.Conn {
	from := "tls:" + e.Host + ":443"
	roots, err := p.roots()
	if err != nil {
		e.TLS = facts.Known(facts.TLS{Kind: "no-roots", Error: why(err)}, from)
		return nil
	}
	var t facts.TLS
	start := time.Now()
	tc := tls.Client(conn, &tls.Config{ServerName: e.Host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error { // verified below, against the same roots
		leaf := s.PeerCertificates[0]
		last := s.PeerCertificates[len(s.PeerCertificates)-1]
		t.Version, t.NotAfter = tls.VersionName(s.Version), leaf.NotAfter
		t.Subject, t.Issuer, t.Root = oneLine(name(leaf.Subject.String(), leaf.DNSNames), 300), oneLine(leaf.Issuer.String(), 300), oneLine(last.Issuer.String(), 300)
		inter := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			inter.AddCert(c)
		}
		t.Seconds = time.Since(start).Seconds()
		chains, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: inter, DNSName: e.Host, CurrentTime: p.env.Now()})
		t.OK = err == nil
		t.FirstExpiry = firstExpiry(chains)
		t.Kind, t.Error = certKind(err, leaf, p.env.Now())
		return nil
	}})
	ctx, cancel := context.WithTimeout(ctx, p.env.Limits.TLS)
	defer cancel()
	if err := tc.HandshakeContext(ctx); err != nil {
		t.Error = why(err)
		var rec tls.RecordHeaderError
		switch out := tcpOutcome(err); {
		case errors.As(err, &rec):
			t.Kind = "not-tls"
		case out == "timeout":
			t.Kind = "timeout"
		case out == "reset", errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			t.Kind = "reset"
		default:
			t.Kind = "other"
		}
		e.TLS = facts.Known(t, from)
		tc.Close()
		return nil
	}
	e.TLS = facts.Known(t, from)
	return tc
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
func certKind(err error, leaf *x509.Certificate, now time.Time) (kind, text string) {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	if err == nil {
		return "", ""
	}
	text = why(err)
	switch {
	case errors.As(err, &unknown):
		return "unknown-authority", text
	case errors.As(err, &host):
		return "wrong-name", text
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if now.Before(leaf.NotBefore) {
			return "not-yet-valid", text
		}
		return "expired", text
	}
	return "other", text
}

type answer struct {
	facts.HTTP
	skew facts.Seen[float64]
}

// get sends one unsigned GET on an open connection and reads the start of the
// answer. reuse tells whether the connection can carry another request.
func (p *prober) get(conn net.Conn, br *bufio.Reader, host, path string, header http.Header) (a answer, reuse bool) {
	a.Outcome = "ok"
	u, err := url.Parse("https://" + host + path)
	if err != nil {
		a.Outcome, a.Error = "other", why(err)
		return a, false
	}
	req := &http.Request{Method: "GET", URL: u, Host: host, Header: http.Header{"User-Agent": {p.env.UserAgent}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	for k, v := range header {
		req.Header[k] = v
	}
	_ = conn.SetDeadline(time.Now().Add(p.env.Limits.HTTP))
	sent := p.env.Now()
	start := time.Now()
	if err := req.Write(conn); err == nil {
		var resp *http.Response
		if resp, err = http.ReadResponse(br, req); err == nil {
			defer resp.Body.Close()
			body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
			a.Status, a.Server = resp.StatusCode, oneLine(resp.Header.Get("Server"), 60)
			a.AWS, a.Code = awsAnswer(resp, body)
			if resp.StatusCode == http.StatusSwitchingProtocols {
				a.AWS = true // the far end speaks websocket
			}
			a.Seconds = time.Since(start).Seconds()
			if d, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
				a.Date = saneTime(d)
				// The header has whole seconds; half a second is its mean error.
				mid := sent.Add(time.Duration(a.Seconds / 2 * float64(time.Second)))
				a.skew = facts.Known(d.Add(500*time.Millisecond).Sub(mid).Seconds(), "https:Date of "+host)
			}
			return a, !resp.Close && resp.StatusCode != http.StatusSwitchingProtocols
		}
		a.Outcome, a.Error = httpOutcome(err)
		return a, false
	} else {
		a.Outcome, a.Error = httpOutcome(err)
	}
	return a, false
}

func httpOutcome(err error) (outcome, text string) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout", "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), tcpOutcome(err) == "reset":
		return "reset", "the connection was closed without an answer"
	}
	return "other", why(err)
}

// awsAnswer reports whether an answer has the form of an AWS service, and its error code.
func awsAnswer(r *http.Response, body []byte) (bool, string) {
	code := r.Header.Get("X-Amzn-Errortype")
	code, _, _ = strings.Cut(code, ":")
	code = oneLine(code, 100)
	aws := code != ""
	for _, h := range []string{"X-Amzn-Requestid", "X-Amz-Request-Id", "X-Amz-Id-2"} {
		aws = aws || r.Header.Get(h) != ""
	}
	if e := parseAWSError(body); e.code != "" {
		if code == "" {
			code = e.code
		}
		aws = aws || !strings.Contains(strings.ToLower(r.Header.Get("Content-Type")), "html")
	}
	return aws, code
}

// connectProxy opens a tunnel through a proxy to a host.
func (p *prober) connectProxy(ctx context.Context, u *url.URL, host string) (net.Conn, facts.Connect) {
	var c facts.Connect
	conn, err := p.proxyConn(ctx, u)
	if err != nil {
		c.Outcome, c.Error = "unreachable", dialText(err)
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
func (p *prober) proxyConn(ctx context.Context, u *url.URL) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.env.Limits.Connect)
	defer cancel()
	host, port := u.Hostname(), proxyPort(u)
	addrs := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, a)
	} else if _, found := resolve(ctx, p.env, p.f, host); len(found) > 0 {
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

func proxyPort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// probeProxy tells how a proxy itself fares.
func (p *prober) probeProxy(ctx context.Context, u *url.URL, variable, host string) facts.Seen[facts.ProxyProbe] {
	shown, _ := redactProxy(u.String())
	pr := facts.ProxyProbe{URL: shown, Variable: variable, Scheme: u.Scheme, Host: u.Hostname()}
	fmt.Sscan(proxyPort(u), &pr.Port)
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
