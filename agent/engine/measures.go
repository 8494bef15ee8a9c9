package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// measures picks the observations that machines want to follow.
func measures(f *facts.Facts, r *report.Report) *report.Measures {
	m := &report.Measures{Platform: f.Host.GOOS, AgentPackage: packaging(f), AgentLatest: f.AgentLatest}
	m.AgentRunning, m.AgentStarted = running(f)
	m.Registered, m.KeyCreated = registered(f)
	imdsMeasures(f, m)
	for _, e := range f.Network.Endpoints {
		if e.Tried() || e.DNS.Outcome != "" {
			m.Endpoints = append(m.Endpoints, phases(e))
		}
	}
	for _, p := range f.Permissions.Actions {
		if p.At.After(m.PermissionsRead) {
			m.PermissionsRead = p.At.UTC()
		}
	}
	for _, ft := range r.Features {
		total := 0
		for _, known := range iam.Features() {
			if known.ID == ft.ID {
				total = len(known.Of(iam.Mandatory, iam.Forbidden))
			}
		}
		denied, unknown := len(ft.Denied)+len(ft.Forbidden), len(ft.Unknown)
		m.Features = append(m.Features, report.FeatureRights{ID: ft.ID, Allowed: max(0, total-denied-unknown), Denied: denied, Unknown: unknown})
	}
	m.Failures = failures(f)
	return m
}

// packaging names the installation that is in use, as package managers call it.
func packaging(f *facts.Facts) string {
	kinds := map[string]string{"windows": "msi", "macos": "pkg"}
	for _, i := range f.Agent.Installations {
		if i.Broken == "" || len(f.Agent.Installations) == 1 {
			return orElse(kinds[i.Kind], i.Kind)
		}
	}
	if len(f.Agent.Installations) > 0 {
		return orElse(kinds[f.Agent.Installations[0].Kind], f.Agent.Installations[0].Kind)
	}
	if all, ok := f.Agent.InstallationsRead.Get(); ok && all {
		return "none"
	}
	return ""
}

// running tells whether the core agent runs and since when.
func running(f *facts.Facts) (*bool, time.Time) {
	if ps, ok := f.Agent.Processes.Get(); ok {
		yes := len(ps.Core) > 0
		if yes {
			return &yes, ps.Core[0].Started
		}
		return &yes, time.Time{}
	}
	known, yes, since := false, false, time.Time{}
	for _, u := range f.Agent.Units {
		if u.Load == "not-found" || u.Active == "" {
			continue
		}
		known = true
		if u.Active == "active" {
			yes, since = true, u.StartedAt
		}
	}
	if !known {
		return nil, time.Time{}
	}
	return &yes, since
}

// registered tells whether the vault holds an identity, and the age of its key.
func registered(f *facts.Facts) (*bool, time.Time) {
	yes, unknown := false, false
	var created time.Time
	for _, s := range []facts.Seen[facts.Key]{f.Registration.Hybrid, f.Registration.EC2} {
		k, ok := s.Get()
		switch {
		case ok && k.InstanceID != "":
			if !yes {
				created = k.CreatedAt
			}
			yes = true
		case !ok && !s.Absent():
			unknown = true
		}
	}
	if !yes && unknown {
		return nil, time.Time{}
	}
	return &yes, created
}

func imdsMeasures(f *facts.Facts, m *report.Measures) {
	i := &f.IMDS
	if t, ok := i.Token.Get(); ok {
		m.IMDSReachable = &t.Token
		if t.Outcome == "" {
			m.IMDSTokenSeconds = &t.Seconds
		}
	}
	if b, ok := i.Bare.Get(); ok && (b.Status == 200 || b.Status == 401) {
		required := b.Status == 401
		m.IMDSTokenRequired = &required
	}
	m.IMDSIdentitySeconds, m.IMDSCredentialsSeconds = positive(i.IdentitySeconds), positive(i.RoleSeconds)
}

func positive(seconds float64) *float64 {
	if seconds <= 0 {
		return nil
	}
	return &seconds
}

func phases(e facts.Endpoint) report.EndpointMeasure {
	out := report.EndpointMeasure{Service: e.Service, Resolve: positive(e.DNS.Seconds)}
	for _, a := range e.TCP {
		if a.Outcome == "ok" {
			out.Connect = positive(a.Seconds)
			break
		}
	}
	if t, ok := e.TLS.Get(); ok {
		out.TLS = positive(t.Seconds)
		if t.OK {
			out.TLSExpires = t.FirstExpiry.UTC()
		}
	}
	if h, ok := e.HTTP.Get(); ok && h.Status > 0 {
		out.HTTP = positive(h.Seconds)
	}
	return out
}

// failures counts what AWS refused or did not answer in this run.
func failures(f *facts.Facts) []report.CallFailure {
	n := map[report.CallFailure]int{}
	sent := f.Permissions.Calls // verdicts of earlier runs are no failures of this one
	for _, id := range f.Permissions.Identities {
		if sent["sts:GetCallerIdentity"] > 0 && id.Outcome != "ok" && id.Outcome != "no-credentials" {
			n[report.CallFailure{Action: "sts:GetCallerIdentity", Reason: reason(id.Code, id.Outcome == "unreachable")}]++
		}
	}
	for _, p := range f.Permissions.Actions {
		switch {
		case sent[p.Action] == 0:
		case p.Verdict == facts.Unreachable:
			n[report.CallFailure{Action: p.Action, Reason: report.NoAnswer}]++
		case p.Code != "" && !strings.HasPrefix(p.Verdict, "allowed"):
			n[report.CallFailure{Action: p.Action, Reason: reason(p.Code, false)}]++
		}
	}
	out := make([]report.CallFailure, 0, len(n))
	for k, count := range n {
		k.Count = count
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b report.CallFailure) int {
		return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

// reason sorts an error code of AWS into one of report.FailureReasons.
func reason(code string, noAnswer bool) string {
	c := strings.ToLower(code)
	switch {
	case noAnswer:
		return report.NoAnswer
	case strings.Contains(c, "throttl"), strings.Contains(c, "toomanyrequests"), strings.Contains(c, "requestlimitexceeded"), c == "slowdown":
		return report.Throttled
	case strings.HasPrefix(c, "accessdenied"), strings.Contains(c, "unauthorized"), strings.Contains(c, "notauthorized"):
		return report.AccessDenied
	}
	return report.OtherFailure
}
