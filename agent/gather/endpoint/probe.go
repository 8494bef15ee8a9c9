package endpoint

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/routing"
	"ssm-doctor/checks/facts"
)

// maxAddresses is how many addresses of one endpoint are tried.
const maxAddresses = 4

// maxEndpoint bounds all that is asked of one endpoint, however slowly it answers: no peer
// keeps a run waiting longer than five seconds.
const maxEndpoint = 5 * time.Second

// httpsPort is that of every endpoint.
const httpsPort = 443

// Prober asks endpoints, all at once, by the way of the agent's service.
type Prober struct {
	run *gather.Run
	env *gather.Env // of the run
	f   *facts.Facts
	// Roots yields the trusted certificates.
	Roots func() (*x509.CertPool, error)

	trust                gather.Trust     // of the service
	trusted, hosts       onceStore        // what it trusts, and what the host does
	own                  bool             // that is not this program's
	service, unit, shell gather.ProxyVars // see gather.Run
	others               others
}

// NewProber makes a prober. It reads the section of the host in f, and that of the
// metadata service once its source has ended.
func NewProber(run *gather.Run, f *facts.Facts) *Prober {
	p := &Prober{run: run, env: run.Env, f: f, Roots: run.Roots()}
	p.service, p.unit, p.shell = run.Proxies()
	if p.trust = run.Trust(); p.trust != run.OwnTrust() {
		p.own = true
		p.Roots = sync.OnceValues(func() (*x509.CertPool, error) {
			s, err := p.trusted.of(p.env, p.trust)
			return s.Pool, err
		})
	}
	return p
}

// onceStore is a store that is read once: the peers of a host are mostly distrusted together.
type onceStore struct {
	once  sync.Once
	store gather.Store
	err   error
}

func (o *onceStore) of(env *gather.Env, t gather.Trust) (gather.Store, error) {
	o.once.Do(func() { o.store, o.err = env.StoreOf(t) })
	return o.store, o.err
}

// endpoint fills in what can be seen of one endpoint and returns the clock's difference.
func (p *Prober) endpoint(ctx context.Context, e *facts.Endpoint) (skew facts.Seen[float64]) {
	e.TLS, e.HTTP, e.WebSocket = facts.Unknown[facts.TLS]("not connected", ""), facts.Unknown[facts.HTTP]("not connected", ""), facts.Unknown[facts.HTTP]("not asked", "")
	if e.Service != "ssmmessages" {
		e.WebSocket = facts.Absent[facts.HTTP]("no websocket there", "")
	}
	ctx, cancel := context.WithTimeout(ctx, maxEndpoint)
	defer cancel()
	e.Stall = facts.Absent[facts.Stall]("nothing stalled", "")
	conn := p.Connect(ctx, e)
	if conn == nil {
		e.Stall = facts.Unknown[facts.Stall]("not connected", "")
		return skew
	}
	if e.Need != facts.NeedCore {
		conn.Close()
		e.TLS, e.HTTP = facts.Unknown[facts.TLS]("not asked: no feature that needs it", ""), facts.Unknown[facts.HTTP]("not asked", "")
		return skew
	}
	small, stop := p.trySmall(ctx, e)
	defer stop()
	fresh := *e
	t := p.heard(ctx, func(ctx context.Context) *talk { return p.over(ctx, fresh, conn, nil) }, func(ctx context.Context) *talk { return p.anew(ctx, fresh, nil) })
	left := false
	defer func() {
		if !left {
			t.close()
		}
	}()
	e.TLS, e.Stall, skew = t.tls, t.stall, t.skew
	if at := t.at; at != nil && len(at.TCP) > 0 && at.TCP[0].Address != e.TCP[0].Address { // it led elsewhere
		e.DNS, e.Scope, e.TCP = at.DNS, at.Scope, nil
		for _, a := range at.TCP {
			e.TCP = append(e.TCP, p.way(ctx, e, a))
		}
	}
	if (t.unheard() || t.tc == nil && t.tls.Value.Kind == facts.TLSReset) && e.Stall.Known() {
		e.Stall.Value.Small = small()
	}
	switch {
	case t.tc == nil:
		return skew
	case !e.TLS.Value.OK:
		e.HTTP = facts.Unknown[facts.HTTP]("the certificate is not trusted", "")
		return skew
	}
	e.HTTP = facts.Known(t.HTTP, "https:GET "+e.Host+"/")
	if t.late {
		e.HTTP = facts.Unknown[facts.HTTP](noTimeLeft, e.HTTP.From)
	}
	switch {
	case e.Service == "ssmmessages":
		e.WebSocket = p.upgrade(ctx, fresh, t)
	case t.reuse && e.Service == "ssm":
		p.run.Leave(LeftFor(e.Host), &Peer{t.tc, e.Host, proven})
		left = true
	}
	return skew
}

// upgrade asks who answered in a talk for a websocket.
func (p *Prober) upgrade(ctx context.Context, e facts.Endpoint, t *talk) facts.Seen[facts.HTTP] {
	switch {
	case t.late:
		return facts.Unknown[facts.HTTP](noTimeLeft, "")
	case t.Outcome == facts.Timeout: // who does not answer this does not answer more
		return facts.Unknown[facts.HTTP]("not asked: the endpoint does not answer", "")
	}
	// To no channel: what is on the way judges the headers, and the service files nothing.
	header := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-WebSocket-Version": {"13"}, "Sec-WebSocket-Key": {base64.StdEncoding.EncodeToString([]byte("ssm-doctor probe"))},
	}
	again := func(ctx context.Context) *talk { return p.anew(ctx, e, header) }
	first := again
	if t.reuse {
		first = func(ctx context.Context) *talk {
			same := *t
			p.request(ctx, &e, &same, header)
			return &same
		}
	}
	w := p.heard(ctx, first, again)
	defer w.close()
	switch {
	case w == nil || w.tc == nil:
		return facts.Unknown[facts.HTTP]("not asked: no second connection was made", "")
	case w.late:
		return facts.Unknown[facts.HTTP](noTimeLeft, "https:GET "+e.Host+"/, upgrade, unsigned")
	}
	return facts.Known(w.HTTP, "https:GET "+e.Host+"/, upgrade, unsigned")
}

// LeftFor is under which key a run has the connection that was left to a host, a *Peer.
func LeftFor(host string) string { return "connection to " + host }

// Connect makes the connection the agent would make; nil when there is none.
func (p *Prober) Connect(ctx context.Context, e *facts.Endpoint) net.Conn {
	if u := p.service.ForHost(e.Host); u != nil {
		conn, c, _ := p.connectProxy(ctx, u, e.Host)
		e.Proxy = c
		e.Proxy.Used = true
		return conn
	}
	if p.env.EndpointURL != "" {
		return p.tcp(ctx, e, []string{p.env.EndpointURL})
	}
	seen, done := p.secondOpinion(ctx, e)
	defer done()
	d, addrs := Resolve(ctx, p.run, p.f, e.Host)
	e.DNS, e.Scope = d, scope(addrs)
	var conn net.Conn
	if len(addrs) > 0 {
		var to []string
		for _, a := range addrs[:min(len(addrs), maxAddresses)] {
			to = append(to, netip.AddrPortFrom(a.Unmap(), httpsPort).String())
		}
		conn = p.tcp(ctx, e, to)
	}
	if conn == nil {
		e.DNS.Views = seen()
	}
	return conn
}

// opinionAfter is how long an endpoint may take before other resolvers are asked about it,
// and wayAfter before it is tried from other interfaces: a working one needs no second
// opinion, and one that fails is not kept waiting for it.
const (
	opinionAfter = 150 * time.Millisecond
	wayAfter     = 400 * time.Millisecond
)

// secondOpinion asks further resolvers of an EC2 instance for a core endpoint, when that
// takes long or when the answer is wanted. done ends it.
func (p *Prober) secondOpinion(ctx context.Context, e *facts.Endpoint) (seen func() []facts.View, done func()) {
	if e.Need != facts.NeedCore {
		return func() []facts.View { return nil }, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	host := e.Host
	seen, end := later(opinionAfter, func() []facts.View {
		if !p.run.Await(ctx, "imds") || !p.f.IMDS.InstanceID.Known() {
			return nil
		}
		ctx, cancel := p.run.Patience(ctx, p.env.Limits.DNS-opinionAfter)
		defer cancel()
		return views(ctx, p.run, p.f, host)
	})
	return seen, func() {
		cancel()
		end()
	}
}

// tcp tries all addresses at once, records each and keeps one connection.
func (p *Prober) tcp(ctx context.Context, e *facts.Endpoint, to []string) net.Conn {
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if e.Need == facts.NeedCore {
		host, _, _ := net.SplitHostPort(to[0])
		_, end := later(wayAfter, func() struct{} {
			p.tryOthers(outer, p.way(outer, e, facts.Attempt{Address: host, Outcome: facts.Timeout}))
			return struct{}{}
		})
		defer end()
	}
	attempts, conns := make([]facts.Attempt, len(to)), make([]net.Conn, len(to))
	var wg gather.Workers
	for i, addr := range to {
		wg.Go(func() {
			start := time.Now()
			conn, err := p.run.Connect(ctx, addr, netip.Addr{})
			host, _, _ := net.SplitHostPort(addr)
			t := facts.Attempt{Address: host, Outcome: TCPOutcome(err), Error: DialText(err), Seconds: time.Since(start).Seconds()}
			if err == nil {
				conns[i] = conn
				cancel() // the others need not end
				t.Source, _, _ = net.SplitHostPort(conn.LocalAddr().String())
			}
			attempts[i] = p.way(outer, e, t)
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
		if keep != nil && a.Outcome != facts.OK {
			continue // cancelled, says nothing
		}
		e.TCP = append(e.TCP, a)
	}
	return keep
}

// way says by which address and interface of this host an attempt goes.
func (p *Prober) way(ctx context.Context, e *facts.Endpoint, t facts.Attempt) facts.Attempt {
	if t.Source == "" {
		t.Source = p.source(t.Address)
	}
	t.Interface = p.interfaceOf(t.Source)
	if a, err := netip.ParseAddr(t.Address); err == nil && e.Need == facts.NeedCore && (t.Outcome != facts.OK || p.env.GOOS != "darwin") { // a Mac is asked by a program
		t.Route = routing.To(ctx, p.env, a, httpsPort)
		if r, ok := t.Route.Get(); ok && r.Kind == "unicast" && r.Interface != "" {
			t.Interface = r.Interface
		}
	}
	return t
}

func (p *Prober) source(host string) string {
	if p.env.SourceAddr != nil {
		return p.env.SourceAddr(host)
	}
	return gather.SourceFor(host)
}

func (p *Prober) interfaceOf(source string) string {
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
