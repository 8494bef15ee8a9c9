package gather

import (
	"context"
	"encoding/xml"
	"strings"

	"ssm-doctor/checks/facts"
)

// IdentitySources ask who the credentials on this host belong to.
func IdentitySources() []Source { return []Source{identitySource{}} }

type identitySource struct{}

func (identitySource) Name() string { return "identity" }

func (identitySource) Reset(f *facts.Facts) { f.Permissions.Identities = nil }

// Gather asks sts for each source of credentials that exists. It runs beside
// the network source, so it makes its own idea of Region and domain.
func (identitySource) Gather(ctx context.Context, run *Run, f *facts.Facts) error {
	env := run.Env
	// Verdicts of an earlier run stay until the next reads replace them.
	f.Permissions.Identities, f.Permissions.Calls, f.Permissions.Held = nil, map[string]int{}, ""
	if !env.Live || env.Offline {
		return nil
	}
	region, _ := networkRegion(env, f)
	if region == "" {
		return nil
	}
	c, _ := f.Agent.Config.Get()
	view := facts.Facts{Host: f.Host, IMDS: facts.IMDS{}}
	view.Network.Region, view.Network.Domain = region, domain(region)
	if c.ServiceDomain != "" {
		view.Network.Domain = c.ServiceDomain
	}
	service, _, _ := run.proxies()
	p := prober{env: env, f: &view, proxy: service, roots: env.roots()}
	var sources []string
	for _, s := range []string{facts.SourceProfile, facts.SourceDHMC, facts.SourceHybrid, facts.SourceShared} {
		if _, ok := run.keysOf(s); ok && relevant(f, s) {
			sources = append(sources, s)
		}
	}
	out := make([]facts.Identity, len(sources))
	var wg workers
	for i, s := range sources {
		k, _ := run.keysOf(s)
		wg.Go(func() { out[i] = p.whoAmI(ctx, s, k) })
	}
	wg.Wait()
	f.Permissions.Identities = out
	f.Permissions.Calls[callerIdentity.action] = len(sources)
	return nil
}

// relevant leaves out keys that the node would not use: root's own file on a
// host where neither the agent nor its commands read it is still of interest,
// a left-over of Default Host Management beside a hybrid registration is not.
func relevant(f *facts.Facts, source string) bool {
	if source != facts.SourceDHMC {
		return true
	}
	k, ok := f.Registration.Hybrid.Get()
	return !ok || !k.Complete()
}

func (p *prober) whoAmI(ctx context.Context, source string, k keys) facts.Identity {
	r := p.signAndSend(ctx, callerIdentity, k, func(s string) string { return s })
	id := facts.Identity{Source: source, From: "sts:GetCallerIdentity", At: r.at}
	switch {
	case r.network != nil:
		id.Outcome, id.Message = "unreachable", oneLine(r.network.Error(), 200)
	case !r.aws:
		id.Outcome, id.Message = "unreachable", r.foreign()
	case r.status == 200:
		var d struct {
			Result struct{ Arn, Account string } `xml:"GetCallerIdentityResult"`
		}
		if xml.Unmarshal(r.body, &d) == nil {
			id.ARN, id.Account = oneLine(d.Result.Arn, 300), oneLine(d.Result.Account, 20)
		}
		id.Role, id.Session = principalParts(id.ARN)
		id.Outcome = "ok"
	default:
		id.Outcome, id.Code, id.Message = "refused", r.err.code, r.err.message
	}
	return id
}

// principalParts are role (or user) and session of a principal's ARN.
func principalParts(arn string) (role, session string) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return "", ""
	}
	f := strings.Split(parts[5], "/")
	switch f[0] {
	case "assumed-role":
		if len(f) > 2 {
			return f[len(f)-2], f[len(f)-1]
		}
	case "user":
		return f[len(f)-1], ""
	}
	return "", ""
}
