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

// Reset keeps the Region: it was known before anything was asked.
func (Source) Reset(f *facts.Facts) { f.Network = facts.Network{Region: f.Network.Region} }

// services are the endpoints of a node, in the order of importance.
var services = []struct{ name, need string }{
	{"ssm", facts.NeedCore}, {"ssmmessages", facts.NeedCore}, {"ec2messages", facts.NeedFallback},
	{"sts", facts.NeedFeature}, {"s3", facts.NeedFeature}, {"kms", facts.NeedFeature}, {"logs", facts.NeedFeature}, {"monitoring", facts.NeedFeature},
}

func (Source) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	n := &f.Network
	*n = facts.Network{}
	switch {
	case !run.Live:
		notAsked(n, "not a running host", facts.NotAskable)
		return nil
	case run.Offline:
		n.Region, _ = Region(run.Env, Known(ctx, run, f))
		notAsked(n, "offline", facts.NotAskable)
		return nil
	}
	early := asking(ctx, run, f, RegionBefore(ctx, run, f))
	region, from := Region(run.Env, Known(ctx, run, f))
	if region == "" {
		early.drop()
		notAsked(n, "no Region is known", f.Registration.Hybrid.Obstacle())
		return errors.New("no Region is known")
	}
	n.Region = region
	if early.region != region {
		early.drop()
		early = asking(ctx, run, f, region)
	}
	*n = early.wait()
	n.Endpoints.From = "Region from " + from
	return nil
}

// asked are the endpoints of a Region while they are being asked. It begins as soon as
// anything says which Region it is; the metadata service may say later that it is another.
type asked struct {
	region string
	cancel context.CancelFunc
	wg     gather.Workers
	n      facts.Network
}

// asking begins to ask the endpoints of a Region, if that is not empty.
func asking(ctx context.Context, run *gather.Run, f *facts.Facts, region string) *asked {
	ctx, cancel := context.WithCancel(ctx)
	a := &asked{region: region, cancel: cancel}
	if region != "" {
		a.wg.Go(func() { a.n = ask(ctx, run, f, region) })
	}
	return a
}

func (a *asked) wait() facts.Network {
	defer a.cancel()
	a.wg.Wait()
	return a.n
}

func (a *asked) drop() {
	a.cancel()
	a.wg.Wait()
}

// ask asks the endpoints of a Region. The metadata service may still be being asked.
func ask(ctx context.Context, run *gather.Run, f *facts.Facts, region string) (n facts.Network) {
	n.Region, n.Domain = region, Domain(region)
	config := run.Config(ctx, f)
	c, _ := config.Get()
	if c.ServiceDomain != "" {
		n.Domain = c.ServiceDomain
	}
	p := NewProber(run, f)
	dual := c.DualStack && run.Await(ctx, "agent") && node.UsesDualStack(f) == node.Yes
	endpoints := make([]facts.Endpoint, len(services))
	skews := make([]facts.Seen[float64], len(services))
	var hosts []string // that the node needs
	var wg gather.Workers
	for i, s := range services {
		e := &endpoints[i]
		*e = endpointOf(s.name, s.need, n.Region, n.Domain, c)
		if name := DualName(s.name, n.Region); dual && e.Configured == "default" && name != "" {
			e.Host, e.Configured = name, "Agent.UseDualStackEndpoint"
		}
		if s.need == facts.NeedCore {
			hosts = append(hosts, e.Host)
		}
		wg.Go(func() { skews[i] = p.endpoint(ctx, e) })
	}
	core := endpoints[0].Host
	wg.Go(func() { p.proxiesAndDirect(ctx, &n, core, hosts) })
	wg.Wait()
	n.Endpoints = facts.Known(endpoints, "")
	p.pastProxy(ctx, &n)
	n.Skew = facts.Unknown[float64]("no endpoint answered with its time", "")
	if i := slices.IndexFunc(skews, facts.Seen[float64].Known); i >= 0 {
		n.Skew = skews[i]
	}
	n.Others = p.otherInterfaces(ctx, endpoints)
	p.askDual(ctx, &n, endpoints)
	return n
}

// notAsked marks all of the network as unknown for one reason.
func notAsked(n *facts.Network, why string, code facts.Reason) {
	n.Endpoints = facts.Unknown[[]facts.Endpoint](why, "").Because(code)
	n.Proxy = facts.Unknown[facts.ProxyProbe](why, "").Because(code)
	n.ShellProxy = facts.Unknown[facts.ProxyProbe](why, "").Because(code)
	n.Direct = facts.Unknown[[]facts.DirectProbe](why, "").Because(code)
	n.Skew = facts.Unknown[float64](why, "").Because(code)
	n.Others = facts.Unknown[[]facts.InterfaceProbe](why, "").Because(code)
}

// others are the tries from other interfaces, by the address that they go to.
type others struct {
	mu    sync.Mutex
	ended bool
	wg    gather.Workers
	tries map[string]*facts.Seen[[]facts.InterfaceProbe]
}

// tryOthers begins the tries from other interfaces for an address, once.
func (p *Prober) tryOthers(ctx context.Context, first facts.Attempt) {
	o := &p.others
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended || o.tries[first.Address] != nil {
		return
	}
	if o.tries == nil {
		o.tries = map[string]*facts.Seen[[]facts.InterfaceProbe]{}
	}
	out := &facts.Seen[[]facts.InterfaceProbe]{}
	o.tries[first.Address] = out
	o.wg.Go(func() { *out = p.fromOthers(ctx, first) })
}

// otherInterfaces is how a core endpoint that could not be connected to fares from the
// addresses of the interfaces that routing did not choose.
func (p *Prober) otherInterfaces(ctx context.Context, endpoints []facts.Endpoint) facts.Seen[[]facts.InterfaceProbe] {
	i := slices.IndexFunc(endpoints, func(e facts.Endpoint) bool {
		return e.Need == facts.NeedCore && len(e.TCP) > 0 && !e.Connected() && e.TCP[0].Outcome != facts.NotPermitted && e.TCP[0].Interface != ""
	})
	if i >= 0 {
		p.tryOthers(ctx, endpoints[i].TCP[0])
	}
	p.others.mu.Lock()
	p.others.ended = true
	p.others.mu.Unlock()
	p.others.wg.Wait()
	switch ifs := p.f.Host.Interfaces; {
	case !ifs.Known():
		return gather.Likewise[[]facts.InterfaceProbe](ifs)
	case i < 0:
		return facts.Unknown[[]facts.InterfaceProbe]("not asked: no endpoint failed by the interface that routing chose", "").Because(facts.NotAskable)
	}
	return *p.others.tries[endpoints[i].TCP[0].Address]
}

// fromOthers tries the address of an attempt from the other interfaces of this host.
func (p *Prober) fromOthers(ctx context.Context, first facts.Attempt) facts.Seen[[]facts.InterfaceProbe] {
	to, err := netip.ParseAddr(first.Address)
	if err != nil {
		return gather.Unknown[[]facts.InterfaceProbe](err, "")
	}
	out := []facts.InterfaceProbe{}
	var mu sync.Mutex
	var wg gather.Workers
	for _, in := range p.f.Host.Interfaces.Some() {
		for _, src := range p.otherSources(in, first, to) {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
				defer cancel()
				conn, err := p.run.Connect(ctx, netip.AddrPortFrom(to, 443).String(), src)
				if err == nil {
					conn.Close()
				}
				mu.Lock()
				defer mu.Unlock()
				out = append(out, facts.InterfaceProbe{Interface: in.Name, Source: src.String(), Address: first.Address, Outcome: TCPOutcome(err)})
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
