package gather

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/http/httpproxy"

	"ssm-doctor/checks/facts"
)

// NetworkSources are the sources that ask the regional endpoints. They read the
// sections of the first wave.
func NetworkSources() []Source { return []Source{networkSource{}, imdsProxySource{}} }

type networkSource struct{}

func (networkSource) Name() string { return "network" }

func (networkSource) Reset(f *facts.Facts) { f.Network = facts.Network{} }

// services are the endpoints of a node, in the order of importance.
var services = []struct{ name, need string }{
	{"ssm", facts.NeedCore}, {"ssmmessages", facts.NeedCore}, {"ec2messages", facts.NeedFallback},
	{"sts", facts.NeedFeature}, {"s3", facts.NeedFeature}, {"kms", facts.NeedFeature}, {"logs", facts.NeedFeature}, {"monitoring", facts.NeedFeature},
}

func (networkSource) Gather(ctx context.Context, run *Run, f *facts.Facts) error {
	env := run.Env
	n := &f.Network
	*n = facts.Network{}
	if !env.Live {
		n.Proxy, n.Skew = facts.Unknown[facts.ProxyProbe]("not a running host", ""), facts.Unknown[float64]("not a running host", "")
		return nil
	}
	n.Region, n.RegionFrom = networkRegion(env, f)
	if env.Offline {
		n.Proxy, n.Skew = facts.Unknown[facts.ProxyProbe]("offline", ""), facts.Unknown[float64]("offline", "")
		return nil
	}
	if n.Region == "" {
		n.Skew = facts.Unknown[float64]("no Region is known", "")
		return errors.New("no Region is known")
	}
	n.Domain = domain(n.Region)
	c, _ := f.Agent.Config.Get()
	if c.ServiceDomain != "" {
		n.Domain = c.ServiceDomain
	}
	service, unit, shell := run.proxies()
	p := prober{env: env, f: f, proxy: service, roots: env.roots()}
	n.Endpoints = make([]facts.Endpoint, len(services))
	skews := make([]facts.Seen[float64], len(services))
	var wg workers
	for i, s := range services {
		e := &n.Endpoints[i]
		*e = endpointOf(s.name, s.need, n.Region, n.Domain, c)
		wg.Go(func() { skews[i] = p.endpoint(ctx, e) })
	}
	core := n.Endpoints[0].Host
	n.Proxy = facts.Absent[facts.ProxyProbe]("the service has no proxy for HTTPS", "")
	n.ShellProxy = facts.Absent[facts.ProxyProbe]("there is no other proxy for HTTPS", "")
	wg.Go(func() {
		if u := service.forHost(core); u != nil {
			n.Proxy = p.probeProxy(ctx, u, service.variable(), core)
			n.Proxy.Value.Of = "service"
		}
	})
	wg.Go(func() {
		if service.forHost(core) == nil {
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

// networkRegion is the Region the agent would use (ssm-agent.md 3).
func networkRegion(env *Env, f *facts.Facts) (region, from string) {
	if env.Region != "" {
		return env.Region, "flag"
	}
	if k, ok := f.Registration.Hybrid.Get(); ok && k.Complete() && regionName(k.Region) {
		return k.Region, f.Registration.Hybrid.From
	}
	if r, ok := f.IMDS.Region.Get(); ok && regionName(r) {
		return r, f.IMDS.Region.From
	}
	for _, s := range []facts.Seen[facts.Key]{f.Registration.EC2} {
		if k, ok := s.Get(); ok && regionName(k.Region) {
			return k.Region, s.From
		}
	}
	if i, ok := f.Registration.Informational.Get(); ok && regionName(i.Region) {
		return i.Region, f.Registration.Informational.From
	}
	if c, ok := f.Agent.Config.Get(); ok && regionName(c.Region) {
		return c.Region, f.Agent.Config.From
	}
	for _, v := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if r := env.Getenv(v); regionName(r) {
			return r, "env:" + v
		}
	}
	return "", ""
}

func regionName(r string) bool {
	if len(r) < 6 || len(r) > 40 {
		return false
	}
	for _, c := range r {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return strings.Count(r, "-") >= 2
}

// domain is the DNS suffix of a Region. Source: ssm-agent.md 6.1.
func domain(region string) string {
	for _, d := range []struct{ prefix, domain string }{
		{"cn-", "amazonaws.com.cn"}, {"us-iso-", "c2s.ic.gov"}, {"us-isob-", "sc2s.sgov.gov"}, {"us-isof-", "csp.hci.ic.gov"},
		{"eu-isoe-", "cloud.adc-e.uk"}, {"eusc-de-", "amazonaws.eu"},
	} {
		if strings.HasPrefix(region, d.prefix) {
			return d.domain
		}
	}
	return "amazonaws.com"
}

// endpointOf is the address of a service as the agent's configuration leaves it.
func endpointOf(service, need, region, domain string, c facts.Config) facts.Endpoint {
	e := facts.Endpoint{Service: service, Need: need, Port: 443, Configured: "default", Host: service + "." + region + "." + domain}
	if c.ServiceDomain != "" {
		e.Configured = "Agent.ServiceDomain"
	}
	for _, o := range []struct{ service, key, value string }{
		{"ssm", "Ssm.Endpoint", c.SSMEndpoint}, {"ssmmessages", "Mgs.Endpoint", c.MgsEndpoint}, {"ec2messages", "Mds.Endpoint", c.MdsEndpoint},
		{"s3", "S3.Endpoint", c.S3Endpoint}, {"kms", "Kms.Endpoint", c.KmsEndpoint},
	} {
		if o.service == service && o.value != "" {
			h := strings.TrimPrefix(strings.TrimPrefix(o.value, "https://"), "http://")
			h, _, _ = strings.Cut(h, "/")
			e.Host, e.Configured = strings.TrimSuffix(h, ":443"), o.key
		}
	}
	if service == "ssmmessages" && c.MgsRegion != "" && c.MgsEndpoint == "" && regionName(c.MgsRegion) {
		e.Host, e.Configured = service+"."+c.MgsRegion+"."+domain, "Mgs.Region"
	}
	return e
}

// forHost is the proxy for an https request to a host, by Go's rules, which are the agent's.
func (p proxyVars) forHost(host string) *url.URL {
	if p.https == "" {
		return nil
	}
	cfg := httpproxy.Config{HTTPProxy: p.http, HTTPSProxy: p.https, NoProxy: p.no}
	u, err := cfg.ProxyFunc()(&url.URL{Scheme: "https", Host: host + ":443"})
	if err != nil {
		return nil
	}
	return u
}

// otherProxy probes the proxy that the service could use for a host to which it goes directly.
func (p *prober) otherProxy(ctx context.Context, host string, service, unit, shell proxyVars) facts.Seen[facts.ProxyProbe] {
	own := service
	own.no = ""
	for _, o := range []struct {
		of   string
		vars proxyVars
	}{{"unit", unit}, {"service", own}, {"users", shell}} {
		u := o.vars.forHost(host)
		if u == nil {
			continue
		}
		probe := p.probeProxy(ctx, u, o.vars.variable(), host)
		probe.Value.Of = o.of
		if o.of == "service" {
			probe.Value.Excluded = service.excludedBy(host)
		}
		return probe
	}
	return facts.Absent[facts.ProxyProbe]("there is no other proxy for HTTPS", "")
}

// excludedBy lists the entries of no_proxy that take a host from the proxy.
func (p proxyVars) excludedBy(host string) []string {
	var out []string
	for e := range strings.SplitSeq(p.no, ",") {
		p.no = strings.TrimSpace(e)
		if p.no != "" && p.forHost(host) == nil {
			out = append(out, oneLine(p.no, 300))
		}
	}
	return out
}

func (p proxyVars) variable() string { return cmp.Or(p.name, "https_proxy") }

// tcpOutcome sorts the ways in which a connection fails.
func tcpOutcome(err error) string {
	var ne net.Error
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return "not-permitted"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no-local-address"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "unreachable"
	case errors.Is(err, syscall.EINVAL):
		return "invalid"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return "timeout"
	}
	return "other"
}

// dialText is the part of a dial error that says something.
func dialText(err error) string {
	if err == nil {
		return ""
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		if op.Timeout() {
			return "i/o timeout"
		}
		return why(op.Err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "i/o timeout"
	}
	return why(err)
}

// otherInterfaces tries a core endpoint that timed out from the addresses of
// the interfaces that routing did not choose.
func (p *prober) otherInterfaces(ctx context.Context) []facts.InterfaceProbe {
	ifs, ok := p.f.Host.Interfaces.Get()
	if !ok || len(ifs) < 2 {
		return nil
	}
	var out []facts.InterfaceProbe
	var mu sync.Mutex
	var wg workers
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
					out = append(out, facts.InterfaceProbe{Service: e.Service, Interface: in.Name, Source: src.Addr().String(), Address: e.TCP[0].Address, Outcome: tcpOutcome(err)})
				})
			}
		}
		break
	}
	wg.Wait()
	return out
}

// forPlain is the proxy for a plain http URL, by the same rules.
func (p proxyVars) forPlain(target string) *url.URL {
	if p.http == "" {
		return nil
	}
	t, err := url.Parse(target)
	if err != nil {
		return nil
	}
	cfg := httpproxy.Config{HTTPProxy: p.http, HTTPSProxy: p.https, NoProxy: p.no}
	u, err := cfg.ProxyFunc()(t)
	if err != nil {
		return nil
	}
	return u
}
