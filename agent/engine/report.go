package engine

import (
	"sort"
	"strings"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/diagnose"
	"ssm-doctor/checks/facts"
)

// docsPage is where the page of a cause lies in the documentation.
func docsPage(id string) string { return "causes/" + id + ".md" }

// build lays the diagnosis out as a report.
func build(f *facts.Facts, found diagnose.Findings, a diagnose.Answer) *report.Report {
	r := &report.Report{
		GeneratedAt: f.CollectedAt, Version: f.Version, Redacted: f.Redacted,
		Node: report.Node{ID: checks.NodeID(f), Kind: checks.Kind(f), Region: checks.Region(f), Account: checks.Account(f), Partition: checks.Partition(f),
			OS: osName(f), Arch: f.Host.Arch},
		State: a.State, Summary: a.Summary, LastPing: a.LastPing, AgentVersion: checks.AgentVersion(f),
		CallsHeld: f.Permissions.Held,
	}
	if !f.Live() {
		r.CheckedFrom = f.Root
	}
	if a.Root != nil {
		c := cause(*a.Root)
		r.RootCause = &c
	}
	for _, n := range a.Also {
		r.Also = append(r.Also, cause(n))
	}
	for _, c := range checks.All() {
		fd, ok := found[c.ID]
		if !ok {
			continue
		}
		r.Checks = append(r.Checks, report.Check{ID: c.ID, Group: c.Group, Title: c.Title, Status: string(fd.Status), Summary: fd.Summary, Cause: fd.Cause,
			FollowsFrom: a.Follows[c.ID], Evidence: evidence(fd.Evidence)})
	}
	r.Credentials = credentials(f)
	r.Features, r.Permissions = features(f), permissions(f)
	for _, e := range f.Network.Endpoints {
		r.Endpoints = append(r.Endpoints, endpointReport(e))
	}
	for _, s := range f.Sources {
		r.Sources = append(r.Sources, report.Source{Name: s.Name, Success: s.Success, Duration: s.DurationSeconds, Error: s.Error})
	}
	for _, n := range a.NotLooked {
		r.NotLookedAt = append(r.NotLookedAt, report.NotLooked{What: n.What, Why: n.Why, Command: n.Command})
	}
	for _, h := range a.Path {
		r.Path = append(r.Path, report.Hop{Name: h.Name, Status: string(h.Status), Note: h.Note})
	}
	for action, n := range f.Permissions.Calls {
		r.Calls = append(r.Calls, report.Call{Action: action, Count: n})
	}
	sort.Slice(r.Calls, func(i, j int) bool { return r.Calls[i].Action < r.Calls[j].Action })
	if s, ok := f.Network.Skew.Get(); ok {
		r.ClockSkew = &s
	}
	r.NeedRoot = needRoot(f, r)
	r.Measures = measures(f, r)
	r.Normalize()
	return r
}

func osName(f *facts.Facts) string {
	if d, ok := f.Host.Distro.Get(); ok && d.Name != "" {
		return d.Name
	}
	return f.Host.GOOS
}

func cause(n diagnose.Named) report.Cause {
	c := report.Cause{ID: n.Cause.ID, Group: n.Cause.Group, Severity: string(n.Severity), Title: n.Cause.Title, Summary: n.Summary,
		Confidence: string(n.Confidence), Evidence: evidence(n.Evidence), Docs: append([]string{docsPage(n.Cause.ID)}, n.Cause.Docs...)}
	for _, s := range n.Fix {
		c.Fix = append(c.Fix, report.Step{Text: s.Text, Command: s.Command, Where: s.Where, Root: s.Root})
	}
	return c
}

func evidence(in []checks.Evidence) []report.Evidence {
	var out []report.Evidence
	for _, e := range in {
		out = append(out, report.Evidence(e))
	}
	return out
}

// credentials says what the agent signs with and what it would try next.
// Source: amazon-ssm-agent 3.3, common/identity/credentialproviders.
func credentials(f *facts.Facts) report.Credentials {
	c := report.Credentials{Source: checks.Source(f)}
	if id := checks.Identity(f, c.Source); id != nil {
		c.Role = id.Role
	}
	r, has := f.Credentials.Runtime.Get()
	if has && r.ExpiresAt.Year() > 1 {
		c.ExpiresAt = r.ExpiresAt
	}
	switch c.Source {
	case facts.SourceProfile:
		if c.Role == "" {
			c.Role = checks.RoleName(f)
		}
		c.Why = "an instance profile is attached and the agent tries it first"
		c.Next = facts.SourceDHMC
	case facts.SourceDHMC:
		c.Why = "no instance profile that may send a heartbeat; the agent uses Default Host Management"
		if f.IMDS.Profile.Known() {
			c.Why = "the attached profile may not send a heartbeat; the agent uses Default Host Management"
		}
		c.Next = facts.SourceProfile
	case facts.SourceHybrid:
		c.Why = "the hybrid registration in the vault"
	case facts.SourceTask:
		c.Why = "the task role of the container"
	default:
		if sourceUnclear(f) {
			c.Source, c.Why = "", "where the agent would take credentials from could not be seen"
			break
		}
		c.Why = "no source of credentials was found"
		if ec2, _ := checks.OnEC2(f); ec2 {
			c.Next = facts.SourceDHMC
		}
	}
	if role, ok := f.IMDS.Role.Get(); ok && c.Source == facts.SourceProfile && c.ExpiresAt.IsZero() {
		c.ExpiresAt = role.Expires
	}
	return c
}

// sourceUnclear reports whether what would name a source of credentials could
// not be read.
func sourceUnclear(f *facts.Facts) bool {
	ec2, known := checks.OnEC2(f)
	return f.Registration.Hybrid.Unknown() || f.Credentials.Runtime.Unknown() || (ec2 || !known) && f.IMDS.Profile.Unknown()
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
		out.Phase, out.Error = "dns", strings.TrimSpace(e.DNS.Outcome+" "+e.DNS.Error)
		ok = false
		out.Reachable = &ok
	case !ok && e.Proxy.Used:
		out.Phase, out.Error, out.Reachable = "proxy", strings.TrimSpace(e.Proxy.Outcome+" "+e.Proxy.Error), &ok
	case !ok:
		out.Phase, out.Reachable = "tcp", &ok
		if len(e.TCP) > 0 {
			out.Error = orElse(e.TCP[0].Error, e.TCP[0].Outcome)
		}
	default:
		out.Phase = "tcp"
		if t, known := e.TLS.Get(); known {
			out.Phase = "tls"
			if !t.OK {
				ok, out.Error = false, orElse(t.Error, t.Kind)
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
			if t.Outcome == "ok" {
				out.Seconds = t.Seconds
			}
		}
	}
	return out
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func permissions(f *facts.Facts) []report.Permission {
	var out []report.Permission
	for _, p := range checks.Rights(f) {
		ev := p.Message
		if ev == "" {
			ev = p.Rule
		}
		if ev == "" {
			ev = p.From
		}
		at := ""
		if !p.At.IsZero() {
			at = p.At.UTC().Format(time.RFC3339)
		}
		out = append(out, report.Permission{Action: p.Action, Identity: p.Identity, Verdict: p.Verdict, Layer: p.Layer, Evidence: ev, Resource: p.Resource, At: at, Invented: p.Invented})
	}
	return out
}

// needRoot counts the observations that failed for lack of privilege.
func needRoot(f *facts.Facts, r *report.Report) int {
	if p, ok := f.Host.Privileged.Get(); ok && p {
		return 0
	}
	n := 0
	for _, c := range r.Checks {
		if c.Status == string(checks.Unknown) && (strings.Contains(c.Summary, "permission denied") || strings.Contains(c.Summary, "needs root") || strings.Contains(c.Summary, "not permitted")) {
			n++
		}
	}
	return n
}
