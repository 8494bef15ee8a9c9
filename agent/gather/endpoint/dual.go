package endpoint

import (
	"context"
	"net/netip"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// DualName is the name of a service that has addresses of IPv4 and IPv6, for those
// that the agent asks by it; empty where none is known. Source: the installer of ECS
// Anywhere (aws/amazon-ecs-agent, pull request 4747) for the three services, and the
// partitions of the AWS SDKs for the suffix.
func DualName(service, region string) string {
	switch service {
	case "ssm", "ssmmessages", "ec2messages":
	default:
		return ""
	}
	switch Domain(region) {
	case "amazonaws.com":
		return service + "." + region + ".api.aws"
	case "amazonaws.com.cn":
		return service + "." + region + ".api.amazonwebservices.com.cn"
	}
	return ""
}

// askDual tries the dual-stack names of the core endpoints where they are a way out:
// on a host with IPv6 only, whose endpoints cannot be reached.
func (p *Prober) askDual(ctx context.Context, n *facts.Network, endpoints []facts.Endpoint) {
	four, known := p.f.Host.DefaultIPv4.Get()
	six, _ := p.f.Host.DefaultIPv6.Get()
	var wg gather.Workers
	for i := range endpoints {
		e := &endpoints[i]
		name := DualName(e.Service, n.Region)
		if e.Need != facts.NeedCore || e.Configured != "default" || name == "" || e.Connected() || !known || four || !six {
			e.Dual = facts.Unknown[facts.DualName]("not asked: it is for hosts with IPv6 only", "").Because(facts.NotAskable)
			continue
		}
		wg.Go(func() { e.Dual = p.dual(ctx, name) })
	}
	wg.Wait()
}

// dual resolves a dual-stack name over IPv6 and connects to its first address.
func (p *Prober) dual(ctx context.Context, name string) facts.Seen[facts.DualName] {
	from := "DNS AAAA " + name
	d := facts.DualName{Host: name, AAAA: []string{}}
	addrs, err := p.run.Ask(ctx, "", "ip6", name)
	if outcome, text := dnsOutcome(err); err != nil && outcome != facts.NXDomain && outcome != facts.NoData {
		return facts.Unknown[facts.DualName](text, from)
	}
	for _, a := range addrs[:min(len(addrs), maxAddresses)] {
		d.AAAA = append(d.AAAA, a.String())
	}
	if len(d.AAAA) > 0 {
		conn, err := p.run.Connect(ctx, netip.AddrPortFrom(addrs[0], httpsPort).String(), netip.Addr{})
		if d.Outcome = TCPOutcome(err); err == nil {
			conn.Close()
		}
	}
	return facts.Known(d, from)
}
