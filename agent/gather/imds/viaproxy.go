package imds

import (
	"context"
	"net"
	"net/netip"

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
	ctx, cancel := context.WithTimeout(ctx, env.Limits.IMDS)
	defer cancel()
	if host := u.Hostname(); env.Lookup != nil {
		if _, err := netip.ParseAddr(host); err != nil {
			if _, addrs := endpoint.Resolve(ctx, env, f, host); len(addrs) > 0 {
				c := *u
				c.Host = net.JoinHostPort(addrs[0].Unmap().String(), endpoint.ProxyPort(u))
				u = &c
			}
		}
	}
	c := metadataClient(env, u)
	defer c.CloseIdleConnections()
	f.IMDS.ViaProxy = facts.Known(tokenRequest(ctx, env, c, env.IMDS), "imds:PUT /latest/api/token via proxy")
	return nil
}
