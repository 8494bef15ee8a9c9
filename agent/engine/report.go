package engine

import (
	"sort"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/diagnose"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// build lays the diagnosis out as a report.
func build(n *node.Node, found diagnose.Findings, a diagnose.Answer) *report.Report {
	f, rights := n.Facts, n.Rights()
	r := &report.Report{
		GeneratedAt: f.CollectedAt, Version: f.Version, Redacted: f.Redacted, Pseudonyms: f.Pseudonyms,
		Node: nodeOf(n), State: string(a.State), Summary: a.Summary, LastPing: a.LastPing, Until: a.Until, AgentVersion: n.Agent.Version,
		CallsHeld: f.Permissions.Held,
	}
	if !f.Live() {
		r.CheckedFrom = f.Root
	}
	r.CannotTell = doubt(a.Doubt)
	if a.Root != nil {
		c := cause(*a.Root)
		r.RootCause = &c
	}
	for _, c := range a.Also {
		r.Also = append(r.Also, cause(c))
	}
	for _, c := range checks.All() {
		fd, ok := found[c.ID]
		if !ok {
			continue
		}
		r.Checks = append(r.Checks, report.Check{ID: c.ID, Group: c.Group, Title: c.Title, Status: string(fd.Status), Summary: fd.Summary, Cause: fd.Cause,
			FollowsFrom: a.Follows[c.ID], Crashed: fd.Crashed, Evidence: evidence(fd.Evidence)})
	}
	r.Credentials = credentials(n)
	r.Features, r.Permissions = features(n, rights, found), permissions(rights)
	endpoints, _ := n.Endpoints.All()
	for _, e := range endpoints {
		r.Endpoints = append(r.Endpoints, endpointReport(e))
	}
	for _, s := range f.Sources {
		r.Sources = append(r.Sources, report.Source{Name: s.Name, Success: s.Success, Duration: s.DurationSeconds, Error: s.Error, Ending: string(s.Ending)})
	}
	for _, l := range a.NotLooked {
		r.NotLookedAt = append(r.NotLookedAt, report.NotLooked{What: l.What, Why: l.Why, Command: l.Command})
	}
	for _, h := range a.Path {
		r.Path = append(r.Path, report.Hop{Name: h.Name, Status: string(h.Status), Note: h.Note})
	}
	for _, u := range f.Log.Unexplained.Some() {
		r.Unexplained = append(r.Unexplained, report.Unexplained{Shape: u.Shape, Level: u.Level, Count: u.Count, Last: u.Last})
	}
	if !f.Log.Unexplained.Unknown() {
		r.UnexplainedMore = &f.Log.UnexplainedMore
	}
	for action, count := range f.Permissions.Calls {
		r.Calls = append(r.Calls, report.Call{Action: action, Count: count})
	}
	sort.Slice(r.Calls, func(i, j int) bool { return r.Calls[i].Action < r.Calls[j].Action })
	if s, ok := f.Network.Skew.Get(); ok {
		ahead := 0 - s // what is seen is AWS minus host
		r.ClockSkew = &ahead
	}
	r.NeedRoot = needRoot(found)
	r.Measures = measures(n, r)
	r.Normalize()
	return r
}

func nodeOf(n *node.Node) report.Node {
	i, h := n.Identity, n.Facts.Host
	m := n.Facts.IMDS
	return report.Node{ID: i.ID, Name: h.Hostname.Value, Kind: string(i.Kind), Region: i.Region, Account: i.Account, Partition: i.Partition, OS: osName(n.Facts), GOOS: h.GOOS, Arch: h.Arch,
		Image: m.Image.Value, InstanceType: m.InstanceType.Value, VPC: m.VPC.Value.ID, Subnet: m.VPC.Value.Subnet, SecurityGroups: m.VPC.Value.SecurityGroups}
}

func osName(f *facts.Facts) string {
	if d, ok := f.Host.Distro.Get(); ok && d.Name != "" {
		return d.Name
	}
	return f.Host.GOOS
}

func cause(n diagnose.Named) report.Cause {
	c := report.Cause{ID: n.Cause.ID, Group: n.Cause.Group, Severity: string(n.Severity), Title: n.Cause.Title, Summary: n.Summary,
		Confidence: string(n.Confidence), Evidence: evidence(n.Evidence), Docs: append([]string{"causes/" + n.Cause.ID + ".md"}, n.Cause.Docs...)}
	for _, s := range n.Fix {
		c.Fix = append(c.Fix, report.Step(s))
	}
	return c
}

// doubt is what stands beside a state that cannot be told; nil beside others.
func doubt(d *diagnose.Doubt) *report.Doubt {
	if d == nil {
		return nil
	}
	out := &report.Doubt{Tried: d.Tried, Missing: d.Missing, AgainAt: d.Again, AgainWhy: d.Why}
	for _, s := range d.Fix {
		out.Fix = append(out.Fix, report.Step(s))
	}
	return out
}

func evidence(in []checks.Evidence) []report.Evidence {
	var out []report.Evidence
	for _, e := range in {
		out = append(out, report.Evidence(e))
	}
	return out
}

// credentials says what the agent signs with, why, and until when.
// Source: amazon-ssm-agent 3.3, common/identity/credentialproviders.
func credentials(n *node.Node) report.Credentials {
	f := n.Facts
	c := report.Credentials{Source: n.Credentials.Source, Next: n.Credentials.Next}
	if id := n.Called(c.Source); id != nil {
		c.Role = id.Role
	}
	if r, ok := f.Credentials.Runtime.Get(); ok && r.ExpiresAt.Year() > 1 {
		c.ExpiresAt = r.ExpiresAt
	}
	switch c.Source {
	case facts.SourceProfile:
		c.Role = text.Or(c.Role, n.Identity.Role)
		c.Why = "an instance profile is attached and the agent tries it first"
		if role, ok := f.IMDS.Role.Get(); ok && c.ExpiresAt.IsZero() {
			c.ExpiresAt = role.Expires
		}
	case facts.SourceDHMC:
		c.Why = "no instance profile that may send a heartbeat; the agent uses Default Host Management"
		if f.IMDS.Profile.Known() {
			c.Why = "the attached profile may not send a heartbeat; the agent uses Default Host Management"
		}
	case facts.SourceHybrid:
		c.Why = "the hybrid registration in the vault"
	case facts.SourceTask:
		c.Why = "the task role of the container"
	case facts.SourceNone:
		c.Why = "no source of credentials was found"
	default:
		c.Why = "where the agent would take credentials from could not be seen"
	}
	return c
}

func endpointReport(e facts.Endpoint) report.Endpoint {
	out := report.Endpoint{Service: e.Service, Host: e.Host, Need: e.Need, Route: e.Scope}
	if e.Proxy.Used {
		out.Route = "proxy"
	}
	ok := e.Connected()
	switch {
	case !e.Tried() && e.DNS.Outcome == "":
	case !e.Tried():
		out.Phase, out.Error = "dns", e.DNS.Outcome.With(e.DNS.Error)
		ok = false
		out.Reachable = &ok
	case !ok && e.Proxy.Used:
		out.Phase, out.Error, out.Reachable = "proxy", e.Proxy.Outcome.With(e.Proxy.Error), &ok
	case !ok:
		out.Phase, out.Reachable = "tcp", &ok
		if len(e.TCP) > 0 {
			out.Error = text.Or(e.TCP[0].Error, string(e.TCP[0].Outcome))
		}
	default:
		out.Phase = "tcp"
		if t, known := e.TLS.Get(); known {
			out.Phase = "tls"
			if !t.OK {
				ok, out.Error = false, text.Or(t.Error, string(t.Kind))
			} else if h, known := e.HTTP.Get(); known {
				out.Phase, out.Seconds = "http", h.Seconds
				if h.AWS {
					out.Phase = "ok"
				} else {
					out.Error = h.Error
				}
			}
		}
		out.Reachable = &ok
	}
	if out.Seconds == 0 {
		for _, t := range e.TCP {
			if t.Outcome == facts.OK {
				out.Seconds = t.Seconds
			}
		}
	}
	return out
}

func permissions(rights []facts.Permission) []report.Permission {
	var out []report.Permission
	for _, p := range rights {
		out = append(out, report.Permission{Action: p.Action, Identity: p.Identity, Verdict: p.Verdict, Layer: p.Layer, Evidence: text.Or(p.Message, text.Or(p.Rule, p.From)),
			Resource: p.Resource, At: text.Stamp(p.At), Invented: p.Invented})
	}
	return out
}

// needRoot counts the checks that could not tell for lack of privilege.
func needRoot(found diagnose.Findings) int {
	n := 0
	for _, fd := range found {
		if fd.Status == checks.Unknown && fd.Obstacle == facts.NeedsRoot {
			n++
		}
	}
	return n
}
