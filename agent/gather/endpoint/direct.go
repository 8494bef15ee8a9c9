package endpoint

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// directAfter is how long the proxy of the service may take to connect before the endpoints
// are tried without it, and directFor how long that may take: a working proxy is not passed
// by, and one that does not answer is not waited for.
const (
	directAfter = 150 * time.Millisecond
	directFor   = 800 * time.Millisecond
)

// proxiesAndDirect probes the proxies, and the way without the one of the service where that
// does not connect.
func (p *Prober) proxiesAndDirect(ctx context.Context, n *facts.Network, core string, hosts []string) {
	if p.service.ForHost(core) == nil {
		n.Direct = facts.Absent[[]facts.DirectProbe]("the service has no proxy for HTTPS", "")
		n.Proxy, n.ShellProxy = p.proxies(ctx, core)
		return
	}
	direct, cancel := context.WithCancel(ctx)
	want, end := later(directAfter, func() []facts.DirectProbe { return p.direct(direct, hosts) })
	defer end()
	defer cancel()
	n.Proxy, n.ShellProxy = p.proxies(ctx, core)
	if n.Proxy.Value.Outcome == facts.OK {
		n.Direct = facts.Unknown[[]facts.DirectProbe]("not asked: the proxy of the service connects", "").Because(facts.NotAskable)
		return
	}
	n.Direct = facts.Known(want(), "connect")
}

// pastProxy tries those endpoints without the proxy to which it does not connect, where it
// does to others.
func (p *Prober) pastProxy(ctx context.Context, n *facts.Network) {
	if n.Proxy.Value.Outcome != facts.OK {
		return // all were tried
	}
	var hosts []string
	for _, e := range n.Endpoints.Value {
		if e.Need == facts.NeedCore && e.Proxy.Used && e.Proxy.Outcome != facts.OK {
			hosts = append(hosts, e.Host)
		}
	}
	if len(hosts) > 0 {
		n.Direct = facts.Known(p.direct(ctx, hosts), "connect")
	}
}

// direct tries endpoints without a proxy, all at once.
func (p *Prober) direct(ctx context.Context, hosts []string) []facts.DirectProbe {
	ctx, cancel := p.run.Patience(ctx, directFor)
	defer cancel()
	out := make([]facts.DirectProbe, len(hosts))
	var wg gather.Workers
	for i, host := range hosts {
		wg.Go(func() { out[i] = p.directTo(ctx, host) })
	}
	wg.Wait()
	return out
}

func (p *Prober) directTo(ctx context.Context, host string) facts.DirectProbe {
	out := facts.DirectProbe{Host: host}
	d, addrs := Resolve(ctx, p.run, p.f, host)
	if len(addrs) == 0 {
		out.Outcome, out.Error = d.Outcome, d.Error
		return out
	}
	to := addrs[max(0, slices.IndexFunc(addrs, func(a netip.Addr) bool { return a.Unmap().Is4() }))] // many hosts have no way by IPv6
	conn, err := p.run.Connect(ctx, netip.AddrPortFrom(to.Unmap(), httpsPort).String(), netip.Addr{})
	if err != nil {
		out.Outcome, out.Error = TCPOutcome(err), DialText(err)
		return out
	}
	peer, t, err := p.Trusted(ctx, conn, host)
	if err != nil {
		out.Outcome, out.Error = facts.Other, t.Error
		if errors.Is(err, errCertificate) {
			out.Outcome = facts.Untrusted
		}
		return out
	}
	peer.Close()
	out.Outcome = facts.OK
	return out
}
