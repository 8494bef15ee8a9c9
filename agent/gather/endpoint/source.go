// Package endpoint asks the regional endpoints the way the agent does: DNS, TCP,
// proxy, TLS, HTTP. No request of it is signed.
package endpoint

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

type Source struct{}

func (Source) Name() string { return "network" }

func (Source) Reset(f *facts.Facts) { f.Network = facts.Network{} }

// services are the endpoints of a node, in the order of importance.
var services = []struct{ name, need string }{
	{"ssm", facts.NeedCore}, {"ssmmessages", facts.NeedCore}, {"ec2messages", facts.NeedFallback},
	{"sts", facts.NeedFeature}, {"s3", facts.NeedFeature}, {"kms", facts.NeedFeature}, {"logs", facts.NeedFeature}, {"monitoring", facts.NeedFeature},
}

func (Source) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	env := run.Env
	n := &f.Network
	*n = facts.Network{}
	if !env.Live {
		n.Proxy, n.Skew = facts.Unknown[facts.ProxyProbe]("not a running host", ""), facts.Unknown[float64]("not a running host", "")
		return nil
	}
	n.Region, n.RegionFrom = Region(env, f)
	if env.Offline {
		n.Proxy, n.Skew = facts.Unknown[facts.ProxyProbe]("offline", ""), facts.Unknown[float64]("offline", "")
		return nil
	}
	if n.Region == "" {
		n.Skew = facts.Unknown[float64]("no Region is known", "")
		return errors.New("no Region is known")
	}
	n.Domain = Domain(n.Region)
	c, _ := f.Agent.Config.Get()
	if c.ServiceDomain != "" {
		n.Domain = c.ServiceDomain
	}
	service, unit, shell := run.Proxies()
	p := NewProber(run, f)
	n.Endpoints = make([]facts.Endpoint, len(services))
	skews := make([]facts.Seen[float64], len(services))
	var wg gather.Workers
	for i, s := range services {
		e := &n.Endpoints[i]
		*e = endpointOf(s.name, s.need, n.Region, n.Domain, c)
		wg.Go(func() { skews[i] = p.endpoint(ctx, e) })
	}
	core := n.Endpoints[0].Host
	n.Proxy = facts.Absent[facts.ProxyProbe]("the service has no proxy for HTTPS", "")
	n.ShellProxy = facts.Absent[facts.ProxyProbe]("there is no other proxy for HTTPS", "")
	wg.Go(func() {
		if u := service.ForHost(core); u != nil {
			n.Proxy = p.probeProxy(ctx, u, service.Variable(), core)
			n.Proxy.Value.Of = "service"
		}
	})
	wg.Go(func() {
		if service.ForHost(core) == nil {
			n.ShellProxy = p.otherProxy(ctx, core, service, unit, shell)
		}
	})
	wg.Wait()
	n.Skew = facts.Unknown[float64]("no endpoint answered with its time", "")
	for _, s := range skews {
		if s.Known() {
			n.Skew = s
			break
		}
	}
	n.Others = p.otherInterfaces(ctx)
	return nil
}

// otherInterfaces tries a core endpoint that timed out from the addresses of
// the interfaces that routing did not choose.
func (p *Prober) otherInterfaces(ctx context.Context) []facts.InterfaceProbe {
	ifs, ok := p.f.Host.Interfaces.Get()
	if !ok || len(ifs) < 2 {
		return nil
	}
	var out []facts.InterfaceProbe
	var mu sync.Mutex
	var wg gather.Workers
	for i := range p.f.Network.Endpoints {
		e := &p.f.Network.Endpoints[i]
		if e.Need != facts.NeedCore || len(e.TCP) == 0 || e.Connected() || e.TCP[0].Outcome == "not-permitted" || e.TCP[0].Interface == "" {
			continue
		}
		for _, in := range ifs {
			for _, c := range in.Addresses {
				src, err := netip.ParsePrefix(c)
				if err != nil || src.Addr().IsLoopback() || src.Addr().IsLinkLocalUnicast() || src.Addr().String() == e.TCP[0].Source || in.Name == e.TCP[0].Interface {
					continue
				}
				to, err := netip.ParseAddr(e.TCP[0].Address)
				if err != nil || to.Is4() != src.Addr().Is4() {
					continue
				}
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
					defer cancel()
					conn, err := p.env.Dial(ctx, "tcp", netip.AddrPortFrom(to, 443).String(), src.Addr())
					if err == nil {
						conn.Close()
					}
					mu.Lock()
					defer mu.Unlock()
					out = append(out, facts.InterfaceProbe{Service: e.Service, Interface: in.Name, Source: src.Addr().String(), Address: e.TCP[0].Address, Outcome: TCPOutcome(err)})
				})
			}
		}
		break
	}
	wg.Wait()
	return out
}
