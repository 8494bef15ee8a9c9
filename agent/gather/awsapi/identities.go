package awsapi

import (
	"context"
	"encoding/xml"
	"slices"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/endpoint"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// Identities asks who the credentials on this host belong to.
type Identities struct{}

func (Identities) Name() string { return "identity" }

func (Identities) Reset(f *facts.Facts) { f.Permissions.Identities = facts.Seen[[]facts.Identity]{} }

// Gather asks sts for each source of credentials that exists. It runs beside
// the network source, so it makes its own idea of Region and domain.
func (Identities) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	env := run.Env
	// Verdicts of an earlier run stay until the next reads replace them.
	p := &f.Permissions
	p.Calls, p.Held = map[string]int{}, ""
	if !env.Live || env.Offline {
		p.Identities = gather.NotAskable[[]facts.Identity]("there is no live request in this run", "")
		return nil
	}
	warm, done := ready(ctx, run, f)
	defer done()
	region, _ := endpoint.Region(env, endpoint.Known(ctx, run, f))
	if region == "" {
		p.Identities = facts.Unknown[[]facts.Identity]("no Region is known", "")
		return nil
	}
	who := warm
	if who == nil || who.f.Network.Region != region {
		who = callerIn(ctx, run, f, region)
	}
	defer who.hangUp()
	// Keys that are on this host are asked about while the metadata service may still be
	// being asked for those of the instance profile.
	var here, profile []facts.Identity
	var wg gather.Workers
	wg.Go(func() { here = who.identities(ctx, f, facts.SourceDHMC, facts.SourceHybrid, facts.SourceShared) })
	if run.Await(ctx, "imds") {
		profile = who.identities(ctx, f, facts.SourceProfile)
	}
	wg.Wait()
	out := slices.Concat([]facts.Identity{}, profile, here)
	p.Identities = facts.Known(out, "sts:GetCallerIdentity")
	if unread := unreadKeys(f); unread.Unknown() {
		p.Identities = facts.Partly(out, unread.Reason(), "sts:GetCallerIdentity").Because(unread.Obstacle())
	}
	p.Calls[callerIdentity.action] = len(out)
	return nil
}

// identities asks sts, all at once, who those of the sources are that have keys.
func (c *caller) identities(ctx context.Context, f *facts.Facts, sources ...string) []facts.Identity {
	sources = slices.DeleteFunc(sources, func(s string) bool {
		_, ok := c.run.KeysOf(s)
		return !ok || !relevant(f, s)
	})
	if len(sources) == 0 {
		return nil
	}
	ctx, signed := c.run.Signing(ctx)
	defer signed()
	out := make([]facts.Identity, len(sources))
	var wg gather.Workers
	for i, s := range sources {
		k, _ := c.run.KeysOf(s)
		wg.Go(func() { out[i] = c.whoAmI(ctx, s, k) })
	}
	wg.Wait()
	return out
}

// callerIn is a caller for a Region that the network source may not have told yet.
func callerIn(ctx context.Context, run *gather.Run, f *facts.Facts, region string) *caller {
	view := facts.Facts{Host: f.Host}
	view.Network.Region, view.Network.Domain = region, endpoint.Domain(region)
	if c, _ := run.Config(ctx, f).Get(); c.ServiceDomain != "" {
		view.Network.Domain = c.ServiceDomain
	}
	return newCaller(run, &view)
}

// ready opens a connection to sts while the metadata service is still being asked for the
// keys, where the Region is known before it and keys are to be expected. done waits for it.
func ready(ctx context.Context, run *gather.Run, f *facts.Facts) (c *caller, done func()) {
	region := endpoint.RegionBefore(ctx, run, f)
	keys := false
	for _, s := range []string{facts.SourceDHMC, facts.SourceHybrid, facts.SourceShared} {
		_, ok := run.KeysOf(s)
		keys = keys || ok
	}
	if region == "" || !keys && node.NotEC2(&f.Host) {
		return nil, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	c = callerIn(ctx, run, f, region)
	c.first = &first{host: c.host(callerIdentity), ended: make(chan struct{})}
	var wg gather.Workers
	wg.Go(func() {
		defer close(c.first.ended)
		l, err := c.open(ctx, c.first.host)
		if c.first.err = err; err == nil {
			c.keep(c.first.host, l)
		}
	})
	return c, func() {
		cancel()
		wg.Wait()
		c.hangUp()
	}
}

// unreadKeys is a file of credentials that could not be read; it may hold keys of
// another identity.
func unreadKeys(f *facts.Facts) facts.Seen[facts.SharedFile] {
	if f.Credentials.DHMCFile.Unknown() {
		return f.Credentials.DHMCFile
	}
	return f.Credentials.RootFile
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

func (c *caller) whoAmI(ctx context.Context, source string, k gather.Keys) facts.Identity {
	r := c.signAndSend(ctx, callerIdentity, k, func(s string) string { return s })
	id := facts.Identity{Source: source, From: "sts:GetCallerIdentity", At: r.at}
	switch {
	case r.network != nil, !r.aws:
		id.Outcome = facts.CallUnreachable
	case r.status == 200:
		var d struct {
			Result struct{ Arn, Account string } `xml:"GetCallerIdentityResult"`
		}
		if xml.Unmarshal(r.body, &d) == nil {
			id.ARN, id.Account = gather.OneLine(d.Result.Arn, 300), gather.OneLine(d.Result.Account, 20)
		}
		id.Role, id.Session = principalParts(id.ARN)
		id.Outcome = facts.CallOK
	default:
		id.Outcome, id.Code = facts.CallRefused, r.err.Code
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
