package sim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/endpoint"
)

// target is what a connection leads to.
type target struct {
	kind  string // imds, ecs, aws, proxy
	proxy int    // index in Scenario.Proxies
}

// fate is what happens to connections to one address and port.
type fate struct {
	target
	tcp string // as Endpoint.TCP; also invalid
	// mute: hang after the first bytes; put: only after a PUT.
	mute, put bool
	large     bool // mute only to segments of ordinary size
}

// answer is what a resolver says of one name.
type answer struct {
	four, six []string
	err       string // as Endpoint.DNS
}

// foreignName is what certificates are for that are for another name.
const foreignName = "other.corp.example"

const (
	imdsAddr = "169.254.169.254:80"
	ecsAddr  = "169.254.170.2:80"
)

// endpoint is how a service appears; false: there is no such service.
func (w *world) endpoint(service string) (Endpoint, bool) {
	i := slices.Index(Services, service)
	if i < 0 {
		return Endpoint{}, false
	}
	e, ok := w.Endpoints[service]
	if !ok {
		e = w.Endpoints["*"]
		e.Address, e.IPv6 = nil, nil
	}
	if len(e.Address) == 0 && (len(e.IPv6) == 0 || !w.NoIPv4) {
		e.Address = []string{fmt.Sprintf("52.119.%d.%d", 180+i, 20+i)}
		if e.Private {
			e.Address = []string{fmt.Sprintf("10.0.12.%d", 200+i)}
		}
	}
	return e, true
}

// serviceOf is the service of a host name, buckets of S3 included; empty for others.
func (w *world) serviceOf(host string) string {
	for _, s := range Services {
		if name := w.HostName(s); host == name || strings.HasSuffix(host, "."+name) || host == endpoint.DualName(s, w.Region) && host != "" {
			return s
		}
	}
	return ""
}

// connect fills names and ports.
func (w *world) connect() error {
	w.names, w.ports = map[string]map[string]answer{"": {}}, map[string]fate{}
	say := func(server, name string, a answer) {
		if w.names[server] == nil {
			w.names[server] = map[string]answer{}
		}
		w.names[server][name] = a
	}
	at := func(address, port string, f fate) error {
		a, err := netip.ParseAddr(address)
		if err != nil {
			return fmt.Errorf("address %q: %w", address, err)
		}
		key := net.JoinHostPort(a.String(), port)
		if old, ok := w.ports[key]; ok && old != f {
			return fmt.Errorf("%s is to be %q and %q", key, old.tcp, f.tcp)
		}
		w.ports[key] = f
		return nil
	}
	for _, s := range Services {
		e, _ := w.endpoint(s)
		name := w.HostName(s)
		say("", name, answer{e.Address, e.IPv6, e.DNS})
		f := fate{target: target{kind: "aws"}, tcp: e.TCP, mute: e.TCP == "hang" || e.TCP == "large-lost", large: e.TCP == "large-lost"}
		if f.mute {
			f.tcp = ""
		}
		for _, a := range e.Address {
			if err := at(a, "443", f); err != nil {
				return err
			}
		}
		for _, a := range e.IPv6 {
			if err := at(a, "443", fate{target: target{kind: "aws"}}); err != nil {
				return err
			}
		}
		if dual := endpoint.DualName(s, w.Region); dual != "" && !e.NoDual {
			six := e.IPv6
			if len(six) == 0 {
				six = []string{fmt.Sprintf("2600:1f18:4000::%d", 20+slices.Index(Services, s))}
			}
			say("", dual, answer{e.Address, six, e.DNS})
			for _, a := range six {
				if err := at(a, "443", fate{target: target{kind: "aws"}}); err != nil {
					return err
				}
			}
		}
		for server, addrs := range e.Views {
			v := answer{four: addrs}
			if len(addrs) == 0 {
				v.err = "nxdomain"
			}
			say(server, name, v)
			for _, a := range addrs {
				p, err := netip.ParseAddr(a)
				if err != nil {
					return fmt.Errorf("address %q: %w", a, err)
				}
				if _, ok := w.ports[net.JoinHostPort(p.String(), "443")]; !ok {
					if err := at(a, "443", fate{target: target{kind: "aws"}}); err != nil {
						return err
					}
				}
			}
		}
	}
	for name, a := range w.Sites {
		say("", name, answer{four: []string{a}})
		if err := at(a, "443", fate{target: target{kind: "aws"}}); err != nil {
			return err
		}
	}
	for i, p := range w.Proxies {
		if p.Address == "" {
			say("", p.Name, answer{err: "nxdomain"})
			continue
		}
		say("", p.Name, answer{four: []string{p.Address}})
		if p.TLS == "wrong-name" { // which is another name of it
			say("", foreignName, answer{four: []string{p.Address}})
		}
		if err := at(p.Address, strconv.Itoa(p.Port), fate{target: target{"proxy", i}, tcp: p.TCP}); err != nil {
			return err
		}
	}
	f := fate{target: target{kind: "imds"}}
	switch w.IMDS.Mode {
	case "absent":
		f.tcp = "timeout"
	case "refuse", "unreachable", "invalid", "not-permitted", "no-port":
		f.tcp = w.IMDS.Mode
	case "hang":
		f.mute = true
	case "token-timeout":
		f.put = true
	case "required", "optional", "disabled", "impostor":
	default:
		return fmt.Errorf("unknown mode %q of the metadata service", w.IMDS.Mode)
	}
	w.ports[imdsAddr] = f
	if w.Task != nil {
		w.ports[ecsAddr] = fate{target: target{kind: "ecs"}}
	}
	return nil
}

// dial is gather.Env.Dial.
func (h *Host) dial(ctx context.Context, network, address string, local netip.Addr) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := h.world.Load()
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	remote := net.TCPAddrFromAddrPort(ap)
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: remote, Err: err}
	}
	f, ok := w.ports[ap.String()]
	if !ok {
		f.tcp = "timeout"
	}
	linkLocal := ap.Addr().IsLinkLocalUnicast()
	switch {
	case ap.Addr().Is6() && !w.IPv6 && !ok, ap.Addr().Is4() && w.NoIPv4 && !linkLocal:
		return fail(os.NewSyscallError("connect", syscall.ENETUNREACH))
	case !local.IsValid() && w.lost(ap.Addr()) != nil && f.tcp != "not-permitted" && ap.String() != ecsAddr:
		return fail(w.lost(ap.Addr()))
	case local.IsValid() && local.String() != w.Address:
		// Another interface: only its own network is next to it.
		if !w.near(local, ap.Addr()) {
			return fail(os.ErrDeadlineExceeded)
		}
		f.tcp = ""
	}
	if f.tcp != "not-permitted" && w.answersStopped("tcp", ap.Addr().String(), strconv.Itoa(int(ap.Port()))) {
		return fail(os.ErrDeadlineExceeded)
	}
	switch f.tcp {
	case "":
	case "refuse":
		return fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	case "unreachable":
		return fail(os.NewSyscallError("connect", syscall.EHOSTUNREACH))
	case "not-permitted":
		return fail(os.NewSyscallError("connect", syscall.EPERM))
	case "no-port":
		return fail(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL))
	case "invalid":
		return fail(os.NewSyscallError("connect", syscall.EINVAL))
	default:
		return fail(os.ErrDeadlineExceeded)
	}
	to := h.plain
	if f.kind == "aws" || f.kind == "proxy" && w.Proxies[f.proxy].TLS != "" {
		to = h.secure
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", to.Addr().String())
	if err != nil {
		return nil, err
	}
	source := net.ParseIP(w.Address)
	if local.IsValid() {
		source = local.AsSlice()
	}
	lc := c.LocalAddr().(*net.TCPAddr)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.targets[pairOf(c)] = f.target
	mine := &conn{Conn: c, h: h, f: f, local: &net.TCPAddr{IP: source, Port: lc.Port}, remote: remote}
	h.conns[pairOf(c)] = mine
	return mine, nil
}

// pairOf names a connection by both of its ends, the client's first: the port alone may
// be that of two connections, to two listeners.
func pairOf(client net.Conn) string {
	return client.LocalAddr().String() + " " + client.RemoteAddr().String()
}

// pairOfRequest is the same at the other end.
func pairOfRequest(r *http.Request) string {
	here, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if here == nil {
		return ""
	}
	return r.RemoteAddr + " " + here.String()
}

// expire lets a client's wait for an answer end as if its time were up. pair names the
// connection that it came by, which may be that of a tunnel.
func (h *Host) expire(pair string) {
	h.mu.Lock()
	if client, ok := h.by[pair]; ok {
		pair = client
	}
	c := h.conns[pair]
	h.mu.Unlock()
	if c != nil {
		c.silence()
	}
}

// near reports whether an address lies in the network of the interface that has local.
func (w *world) near(local, to netip.Addr) bool {
	for _, c := range w.Interfaces {
		if p, err := netip.ParsePrefix(c); err == nil && p.Addr() == local {
			return p.Masked().Contains(to)
		}
	}
	return false
}

// sourceAddr is gather.Env.SourceAddr: all leaves by eth0.
func (h *Host) sourceAddr(host string) string {
	w := h.world.Load()
	if a, err := netip.ParseAddr(host); err != nil || a.Is4() && w.NoIPv4 || a.Is6() {
		return ""
	}
	return w.Address
}

// conn is a connection on loopback that claims to be one of the host.
type conn struct {
	net.Conn
	h             *Host
	f             fate
	silent        atomic.Bool
	received      atomic.Int64
	local, remote net.Addr
}

// silence ends every wait for an answer, from now on.
func (c *conn) silence() {
	c.silent.Store(true)
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0)) // a closed connection waits for nothing
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) Close() error {
	at := pairOf(c.Conn)
	c.h.mu.Lock()
	if c.h.conns[at] == c { // closed a second time, its port may be another's by now
		delete(c.h.targets, at)
		delete(c.h.conns, at)
	}
	c.h.mu.Unlock()
	return c.Conn.Close()
}

// claim gives an error the addresses that the connection claims to have.
func (c *conn) claim(err error) error {
	var op *net.OpError
	if !errors.As(err, &op) {
		return err
	}
	mine := *op
	mine.Source, mine.Addr = c.local, c.remote
	return &mine
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.received.Add(int64(n))
	return n, c.claim(err)
}

// Write swallows what would never be answered.
func (c *conn) Write(b []byte) (int, error) {
	if c.silent.Load() || c.f.mute || c.f.put && strings.HasPrefix(string(b[:min(len(b), 4)]), "PUT ") {
		c.silence()
		return len(b), nil
	}
	n, err := c.Conn.Write(b)
	return n, c.claim(err)
}

// A deadline must not undo the end of the wait.
func (c *conn) SetDeadline(t time.Time) error { return c.deadline(t, c.Conn.SetDeadline) }

func (c *conn) SetReadDeadline(t time.Time) error { return c.deadline(t, c.Conn.SetReadDeadline) }

func (c *conn) deadline(t time.Time, set func(time.Time) error) error {
	if c.silent.Load() {
		return nil
	}
	err := set(t)
	if c.silent.Load() { // meanwhile
		c.silence()
	}
	return err
}

// lookup is gather.Env.Lookup. The hosts file is read by the caller.
func (h *Host) lookup(ctx context.Context, server, network, host string) ([]netip.Addr, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := h.world.Load()
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if len(w.Resolvers) > 0 && server == w.Resolvers[0] {
		server = ""
	}
	from := server
	if from == "" {
		from = w.Resolvers[0]
	}
	if w.asksNobody() {
		return nil, &net.DNSError{Name: host, Err: "no such host", IsNotFound: true}
	}
	if lost := w.unanswered(from, host); lost != nil {
		return nil, lost
	}
	fail := &net.DNSError{Name: host, Server: from + ":53"}
	a, ok := w.names[server][host]
	if !ok && server == "169.254.169.253" && w.Kind == EC2 {
		// The VPC's resolver answers as the host's own unless a view says otherwise.
		a, ok = w.names[""][host]
		if ok && a.err == "timeout" {
			a.err = ""
		}
	} else if !ok && server != "" {
		a, ok = answer{err: "timeout"}, true
	}
	switch {
	case !ok || a.err == "nxdomain":
		fail.Err, fail.IsNotFound = "no such host", true
		return nil, fail
	case a.err == "servfail":
		fail.Err = "server misbehaving"
		return nil, fail
	case a.err != "":
		fail.Err, fail.IsTimeout = "i/o timeout", true
		return nil, fail
	}
	list := a.four
	if network == "ip6" {
		list = a.six
	}
	var out []netip.Addr
	for _, s := range list {
		if p, err := netip.ParseAddr(s); err == nil {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		fail.Err, fail.IsNotFound = "no such host", true
		return nil, fail
	}
	return out, nil
}

// asksNobody reports whether nsswitch.conf has names looked up in files only.
func (w *world) asksNobody() bool {
	sources := gather.NameSources([]byte(w.Files["/etc/nsswitch.conf"].Content))
	return len(sources) > 0 && !slices.ContainsFunc(sources, func(s string) bool { return s != "files" })
}

// serve runs an HTTP server until Close.
func (h *Host) serve(l net.Listener, handler http.Handler) {
	s := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: patience,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // websockets need HTTP/1.1
		ConnState: func(_ net.Conn, state http.ConnState) { // so that Close leaves nothing running
			switch state {
			case http.StateNew:
				h.wg.Add(1)
			case http.StateHijacked, http.StateClosed:
				h.wg.Done()
			}
		}}
	h.servers = append(h.servers, s)
	h.wg.Go(func() { _ = s.Serve(l) })
}

func (h *Host) tls(l net.Listener) net.Listener {
	return tls.NewListener(l, &tls.Config{GetCertificate: h.certificate, MinVersion: tls.VersionTLS12, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256}})
}

// servePlain answers what is not TLS, by where the connection was meant to go.
func (h *Host) servePlain(rw http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	t := h.targets[pairOfRequest(r)]
	h.mu.Unlock()
	w := h.world.Load()
	switch t.kind {
	case "imds":
		h.serveIMDS(w, rw, r)
	case "ecs":
		h.serveTask(w, rw, r)
	case "proxy":
		if t.proxy < len(w.Proxies) {
			h.serveProxy(w, w.Proxies[t.proxy], rw, r)
			return
		}
		fallthrough
	default:
		http.Error(rw, "nothing is simulated here", http.StatusNotFound)
	}
}

// serveProxy plays an HTTP proxy of the common kind.
func (h *Host) serveProxy(w *world, p Proxy, rw http.ResponseWriter, r *http.Request) {
	status := p.Plain
	if status == 0 {
		status = http.StatusForbidden
	}
	name, _, _ := strings.Cut(r.Host, ":")
	if r.Method == http.MethodConnect {
		if status = p.Connect; status == 0 || p.Login != "" && r.Header.Get("Proxy-Authorization") == p.Login {
			status = http.StatusOK
		}
		if slices.Contains(p.Forbids, w.serviceOf(strings.ToLower(name))) {
			status = http.StatusForbidden
		}
		if status == http.StatusOK && w.serviceOf(strings.ToLower(name)) == "" && w.Sites[name] == "" {
			status = http.StatusServiceUnavailable
		}
	}
	h.note(Entry{Service: "proxy", Method: r.Method, Path: r.RequestURI, Status: status})
	if r.Method == http.MethodConnect && status == http.StatusOK {
		h.tunnel(rw)
		return
	}
	rw.Header().Set("Server", "squid")
	rw.Header().Set("Via", "1.1 "+p.Name+" (squid)")
	rw.Header().Set("Content-Type", "text/html")
	if status == http.StatusProxyAuthRequired {
		rw.Header().Set("Proxy-Authenticate", `Basic realm="proxy"`)
	}
	rw.WriteHeader(status)
	fmt.Fprintf(rw, "<html><head><title>%d %s</title></head><body>squid</body></html>\n", status, http.StatusText(status))
}

// tunnel joins a client to the endpoints.
func (h *Host) tunnel(rw http.ResponseWriter) {
	up, err := net.Dial("tcp", h.secure.Addr().String())
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadGateway)
		return
	}
	down, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		up.Close()
		return
	}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		up.Close()
		down.Close()
		return
	}
	h.tunnels[up], h.tunnels[down] = true, true
	h.by[pairOf(up)] = down.RemoteAddr().String() + " " + down.LocalAddr().String()
	h.wg.Add(2)
	h.mu.Unlock()
	_ = down.SetDeadline(time.Time{})
	_, _ = io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
	pipe := func(to, from net.Conn) {
		defer h.wg.Done()
		_, _ = io.Copy(to, from)
		to.Close()
		from.Close()
		h.mu.Lock()
		delete(h.tunnels, to)
		delete(h.tunnels, from)
		delete(h.by, pairOf(up))
		h.mu.Unlock()
	}
	go pipe(up, down)
	go pipe(down, up)
}
