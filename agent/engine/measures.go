package engine

import (
	"cmp"
	"strings"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/sorting"
	"ssm-doctor/checks/text"
)

// measures picks the observations that machines want to follow.
func measures(n *node.Node, r *report.Report) *report.Measures {
	f := n.Facts
	m := &report.Measures{Platform: f.Host.GOOS, AgentPackage: packaging(n), AgentLatest: f.AgentLatest, AgentRunning: known(n.Agent.Core), AgentStarted: n.Agent.Since}
	m.Registered, m.KeyCreated = registered(n)
	imdsMeasures(f, m)
	endpoints, _ := n.Endpoints.All()
	for _, e := range endpoints {
		if e.Tried() || e.DNS.Outcome != "" {
			m.Endpoints = append(m.Endpoints, phases(e))
		}
	}
	for _, p := range f.Permissions.Actions.Some() {
		if p.At.After(m.PermissionsRead) {
			m.PermissionsRead = p.At.UTC()
		}
	}
	for _, ft := range r.Features {
		total := 0
		if known, ok := iam.FeatureByID(ft.ID); ok {
			total = len(known.Of(iam.Mandatory, iam.Forbidden))
		}
		denied, unknown := len(ft.Denied)+len(ft.Forbidden), len(ft.Unknown)
		m.Features = append(m.Features, report.FeatureRights{ID: ft.ID, Allowed: max(0, total-denied-unknown), Denied: denied, Unknown: unknown})
	}
	m.Failures = failures(f)
	return m
}

// packages are the kinds of packaging that package managers call otherwise.
var packages = map[string]string{"windows": "msi", "macos": "pkg"}

// packaging names the installation that is in use, as package managers call it.
func packaging(n *node.Node) string {
	if n.Agent.Installed == node.No {
		return "none"
	}
	return text.Or(packages[n.Agent.Packaging], n.Agent.Packaging)
}

// known is an answer as a metric has it: nil when it could not be told.
func known(a node.Answer) *bool {
	if a == node.Unknown {
		return nil
	}
	yes := a == node.Yes
	return &yes
}

// registered tells whether the agent's state gives this host an identity, and the
// age of its key.
func registered(n *node.Node) (*bool, time.Time) {
	own, ok := n.Facts.Registration.EC2.Get()
	switch {
	case n.Identity.Hybrid == node.Yes:
		return known(node.Yes), n.Facts.Registration.Hybrid.Value.CreatedAt
	case ok && own.InstanceID != "":
		return known(node.Yes), own.CreatedAt
	case n.Identity.Hybrid == node.Unknown, n.Facts.Registration.EC2.Unknown():
		return nil, time.Time{}
	}
	return known(node.No), time.Time{}
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
		if a.Outcome == facts.OK {
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
	for _, id := range f.Permissions.Identities.Some() {
		if sent["sts:GetCallerIdentity"] > 0 && id.Outcome != facts.CallOK && id.Outcome != facts.CallNoCredentials {
			n[report.CallFailure{Action: "sts:GetCallerIdentity", Reason: reason(id.Code, id.Outcome == facts.CallUnreachable)}]++
		}
	}
	for _, p := range f.Permissions.Actions.Some() {
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
	sorting.By(out, func(a, b report.CallFailure) int {
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
