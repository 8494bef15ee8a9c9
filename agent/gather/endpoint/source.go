// Package endpoint asks the regional endpoints the way the agent does: DNS, TCP,
// proxy, TLS, HTTP. No request of it is signed.
package endpoint

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// Source asks the regional endpoints. It reads the sections of the first wave.
type Source struct{}

func (Source) Name() string { return "network" }

func (Source) Reset(f *facts.Facts) { f.Network = facts.Network{} }

// services are the endpoints of a node, in the order of importance.
var services = []struct{ name, need string }{
	{"ssm", facts.NeedCore}, {"ssmmessages", facts.NeedCore}, {"ec2messages", facts.NeedFallback},
	{"sts", facts.NeedFeature}, {"s3", facts.NeedFeature}, {"kms", facts.NeedFeature}, {"logs", facts.NeedFeature}, {"monitoring", facts.NeedFeature},
}

func (Source) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	n := &f.Network
	*n = facts.Network{}
	if !run.Live {
		notAsked(n, "not a running host", facts.NotAskable)
		return nil
	}
	var from string
	n.Region, from = Region(run.Env, f)
	switch {
	case run.Offline:
		notAsked(n, "offline", facts.NotAskable)
		return nil
	case n.Region == "":
		notAsked(n, "no Region is known", f.Registration.Hybrid.Obstacle())
		return errors.New("no Region is known")
	}
	n.Domain = Domain(n.Region)
	c, _ := f.Agent.Config.Get()
	if c.ServiceDomain != "" {
		n.Domain = c.ServiceDomain
	}
	p := NewProber(run, f)
	dual := node.UsesDualStack(f) == node.Yes // of all facts: others are being gathered now
	endpoints := make([]facts.Endpoint, len(services))
	skews := make([]facts.Seen[float64], len(services))
	var wg gather.Workers
	for i, s := range services {
		e := &endpoints[i]
		*e = endpointOf(s.name, s.need, n.Region, n.Domain, c)
		if name := DualName(s.name, n.Region); dual && e.Configured == "default" && name != "" {
			e.Host, e.Configured = name, "Agent.UseDualStackEndpoint"
		}
		wg.Go(func() { skews[i] = p.endpoint(ctx, e) })
	}
	core := endpoints[0].Host
	wg.Go(func() { n.Proxy, n.ShellProxy = p.proxies(ctx, core) })
	wg.Wait()
	n.Endpoints = facts.Known(endpoints, "Region from "+from)
	n.Skew = facts.Unknown[float64]("no endpoint answered with its time", "")
	if i := slices.IndexFunc(skews, facts.Seen[float64].Known); i >= 0 {
		n.Skew = skews[i]
	}
	n.Others = p.otherInterfaces(ctx, endpoints)
	p.askDual(ctx, n, endpoints)
	return nil
}

// notAsked marks all of the network as unknown for one reason.
func notAsked(n *facts.Network, why string, code facts.Reason) {
	n.Endpoints = facts.Unknown[[]facts.Endpoint](why, "").Because(code)
	n.Proxy = facts.Unknown[facts.ProxyProbe](why, "").Because(code)
	n.ShellProxy = facts.Unknown[facts.ProxyProbe](why, "").Because(code)
	n.Skew = facts.Unknown[float64](why, "").Because(code)
	n.Others = facts.Unknown[[]facts.InterfaceProbe](why, "").Because(code)
}

// otherInterfaces tries a core endpoint that could not be connected to from the
// addresses of the interfaces that routing did not choose.
func (p *Prober) otherInterfaces(ctx context.Context, endpoints []facts.Endpoint) facts.Seen[[]facts.InterfaceProbe] {
	ifs, ok := p.f.Host.Interfaces.Get()
	if !ok {
		return gather.Likewise[[]facts.InterfaceProbe](p.f.Host.Interfaces)
	}
	i := slices.IndexFunc(endpoints, func(e facts.Endpoint) bool {
		return e.Need == facts.NeedCore && len(e.TCP) > 0 && !e.Connected() && e.TCP[0].Outcome != facts.NotPermitted && e.TCP[0].Interface != ""
	})
	if i < 0 {
		return facts.Unknown[[]facts.InterfaceProbe]("not asked: no endpoint failed by the interface that routing chose", "").Because(facts.NotAskable)
	}
	e := &endpoints[i]
	to, err := netip.ParseAddr(e.TCP[0].Address)
	if err != nil {
		return gather.Unknown[[]facts.InterfaceProbe](err, "")
	}
	out := []facts.InterfaceProbe{}
	var mu sync.Mutex
	var wg gather.Workers
	for _, in := range ifs {
		for _, src := range p.otherSources(in, e.TCP[0], to) {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
				defer cancel()
				conn, err := p.env.Dial(ctx, "tcp", netip.AddrPortFrom(to, 443).String(), src)
				if err == nil {
					conn.Close()
				}
				mu.Lock()
				defer mu.Unlock()
				out = append(out, facts.InterfaceProbe{Interface: in.Name, Source: src.String(), Address: e.TCP[0].Address, Outcome: TCPOutcome(err)})
			})
		}
	}
	wg.Wait()
	return facts.Known(out, "")
}

// otherSources are the addresses of an interface from which a destination can be
// tried again, where the interface is not the one of the first attempt.
func (p *Prober) otherSources(in facts.Interface, first facts.Attempt, to netip.Addr) []netip.Addr {
	if in.Name == first.Interface {
		return nil
	}
	var out []netip.Addr
	for _, c := range in.Addresses {
		src, err := netip.ParsePrefix(c)
		if err != nil {
			continue
		}
		if a := src.Addr(); !a.IsLoopback() && !a.IsLinkLocalUnicast() && a.String() != first.Source && a.Is4() == to.Is4() {
			out = append(out, a)
		}
	}
	return out
}
