package imds

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/endpoint"
	"ssm-doctor/checks/facts"
)

// ViaProxy asks the metadata service the way the agent's http_proxy
// would carry the request.
type ViaProxy struct{}

func (ViaProxy) Name() string { return "imds-proxy" }

func (ViaProxy) Reset(f *facts.Facts) { f.IMDS.ViaProxy = facts.Seen[facts.Exchange]{} }

func (ViaProxy) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	env := run.Env
	if !env.Live || env.IMDS == "" {
		f.IMDS.ViaProxy = gather.NotAskable[facts.Exchange]("not a running host", "")
		return nil
	}
	service, _, _ := run.Proxies()
	u := service.ForPlain(env.IMDS)
	if u == nil {
		f.IMDS.ViaProxy = facts.Absent[facts.Exchange]("no proxy applies to the metadata address", "")
		return nil
	}
	if env.Offline {
		f.IMDS.ViaProxy = gather.NotAskable[facts.Exchange]("offline", "")
		return nil
	}
	name, ok := gather.UsableHost(u)
	if !ok {
		f.IMDS.ViaProxy = facts.Known(facts.Exchange{Outcome: facts.Other, Error: "the proxy " + name + " cannot be asked"}, "http_proxy of the service")
		return nil
	}
	ctx, cancel := run.Patience(ctx, env.Limits.IMDS)
	defer cancel()
	address := net.JoinHostPort(u.Hostname(), endpoint.ProxyPort(u))
	if host := u.Hostname(); env.Lookup != nil {
		if _, err := netip.ParseAddr(host); err != nil {
			if _, addrs := endpoint.Resolve(ctx, run, f, host); len(addrs) > 0 {
				address = net.JoinHostPort(addrs[0].Unmap().String(), endpoint.ProxyPort(u))
			}
		}
	}
	var roots *x509.CertPool
	if u.Scheme == "https" {
		var err error
		if roots, err = run.Roots()(); err != nil {
			f.IMDS.ViaProxy = gather.Unknown[facts.Exchange](err, "")
			return nil
		}
	}
	c := proxyClient(run, u, address, roots)
	defer c.CloseIdleConnections()
	e := tokenRequest(ctx, env, c, env.IMDS)
	e.Error = strings.ReplaceAll(e.Error, u.Hostname(), name)
	f.IMDS.ViaProxy = facts.Known(e, "imds:PUT /latest/api/token via proxy")
	return nil
}
