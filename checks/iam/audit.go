package iam

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"ssm-doctor/checks/sorting"
)

// AuditRow is what an account's description says of one role of an instance profile.
type AuditRow struct {
	Role     string   `json:"role"`
	Profiles []string `json:"profiles"`
	Trust    string   `json:"trust"` // yes, no, unknown: EC2 may assume the role
	Ready    []string `json:"ready"` // features
	NotReady []string `json:"not_ready"`
	Unknown  []string `json:"unknown"`
	// Deprecated: AmazonEC2RoleforSSM is attached.
	Deprecated bool     `json:"deprecated"`
	Attach     []string `json:"attach"` // policies; attach before anything is detached
	Detach     []string `json:"detach"`
	Gains      []string `json:"gains"` // features that the change makes ready
	Loses      []Loss   `json:"loses"`
	// Denied: a boundary or a deny is in the way, which no policy that is attached mends.
	Denied  bool     `json:"denied,omitempty"`
	Missing []string `json:"missing"` // policies whose documents are not in the output
}

// Loss is a feature that a migration takes, and what to attach if it is in use.
type Loss struct {
	Feature string `json:"feature"`
	Attach  string `json:"attach_if_used"`
}

// Audit says for each role of an instance profile what it serves, and what a change to
// AmazonSSMManagedInstanceCore would gain and lose. Rows are in the order of names.
func Audit(roles []Role, t Target) []AuditRow {
	var list []Role
	for _, r := range roles {
		if len(r.Profiles) > 0 {
			list = append(list, r)
		}
	}
	out := make([]AuditRow, len(list))
	a := auditor{target: t, cache: map[string]Side{}}
	var wg sync.WaitGroup
	share := (len(list) + runtime.GOMAXPROCS(0) - 1) / max(1, runtime.GOMAXPROCS(0))
	for from := 0; from < len(list); from += share {
		wg.Go(func() {
			for i := from; i < min(len(list), from+share); i++ {
				out[i] = a.row(list[i])
			}
		})
	}
	wg.Wait()
	sorting.By(out, func(a, b AuditRow) int { return cmp.Compare(a.Role, b.Role) })
	return out
}

// auditor keeps what sets of policies say that many roles have.
type auditor struct {
	target Target
	mu     sync.Mutex
	cache  map[string]Side
}

// maxSides bounds the sets that are kept.
const maxSides = 1000

// side judges a set of policies. Sets of managed policies alone are kept by their ARNs.
func (a *auditor) side(identity, boundary []*Policy, incomplete bool) Side {
	key, keep := "", true
	for i, list := range [][]*Policy{identity, boundary} {
		key += string(rune('0' + i))
		for _, p := range list {
			keep = keep && p.ARN != ""
			key += p.ARN + "\n"
		}
	}
	if incomplete {
		key += "incomplete"
	}
	if keep {
		a.mu.Lock()
		s, ok := a.cache[key]
		a.mu.Unlock()
		if ok {
			return s
		}
	}
	s := Side{Verdicts: map[string]Verdict{}, Incomplete: incomplete}
	l := Layers{Identity: identity, Boundary: boundary}
	// What no policy of this role alone speaks of is as the managed ones say.
	var own, managed []*Policy
	if !keep && len(boundary) == 0 {
		managed = []*Policy{}
		for _, p := range identity {
			if p.ARN == "" {
				own = append(own, p)
			} else {
				managed = append(managed, p)
			}
		}
	}
	shared := Side{}
	if managed != nil && len(managed) < len(identity) {
		shared = a.side(managed, nil, incomplete)
	}
	for _, action := range auditActions() {
		if v, ok := shared.Verdicts[action.Action]; ok && !speaksOf(own, action.Action) {
			s.Verdicts[action.Action] = v
			continue
		}
		r := requestFor(action)
		r.Context = map[string][]string{"aws:SecureTransport": {"true"}}
		if a.target.Region != "" {
			r.Context["aws:RequestedRegion"] = []string{a.target.Region}
		}
		d := Evaluate(l, r)
		if incomplete && d.Verdict != ExplicitDeny {
			d.Verdict = Unknown
		}
		s.Verdicts[action.Action] = d.Verdict
	}
	if keep {
		a.mu.Lock()
		if len(a.cache) < maxSides {
			a.cache[key] = s
		}
		a.mu.Unlock()
	}
	return s
}

// speaksOf reports whether a statement of the policies may cover an action.
func speaksOf(policies []*Policy, action string) bool {
	service, _, _ := strings.Cut(action, ":")
	for _, p := range policies {
		for _, s := range p.Statements {
			if len(s.NotActions) > 0 {
				return true
			}
			for _, pattern := range s.Actions {
				of, _, _ := strings.Cut(pattern, ":")
				if isCut(pattern) || (strings.EqualFold(of, service) || strings.ContainsAny(of, "*?")) && MatchAction(pattern, action) {
					return true
				}
			}
		}
	}
	return false
}

// auditActions are those without which a feature of an EC2 node does not work.
var auditActions = sync.OnceValue(func() []Action {
	want := map[string]bool{}
	for _, f := range auditFeatures() {
		for _, action := range f.Of(Mandatory) {
			want[action] = true
		}
	}
	var out []Action
	for _, action := range loadMatrix().Actions {
		if want[action.Action] {
			out = append(out, action)
		}
	}
	return out
})

var auditFeatures = sync.OnceValue(func() []Feature {
	var out []Feature
	for _, f := range loadMatrix().Features {
		if f.AppliesTo(SourceProfile, "") && len(f.Of(Mandatory)) > 0 {
			out = append(out, f)
		}
	}
	return out
})

func (a *auditor) row(r Role) AuditRow {
	row := AuditRow{Role: r.Name, Profiles: r.Profiles, Trust: "unknown", Ready: []string{}, NotReady: []string{}, Unknown: []string{}, Attach: []string{}, Detach: []string{}, Gains: []string{}, Loses: []Loss{}, Missing: append([]string{}, r.Missing...)}
	if r.Trust != nil {
		row.Trust = map[bool]string{true: "yes", false: "no"}[TrustsService(r.Trust, "ec2.")]
	}
	before := a.side(r.Identity, r.Boundary, len(r.Missing) > 0)
	for _, f := range auditFeatures() {
		switch before.rateFeature(f, a.target.Region) {
		case ServedYes:
			row.Ready = append(row.Ready, f.ID)
		case ServedNo:
			row.NotReady = append(row.NotReady, f.ID)
		default:
			row.Unknown = append(row.Unknown, f.ID)
		}
	}
	after := slices.DeleteFunc(slices.Clone(r.Identity), func(p *Policy) bool { return isDeprecated(p) })
	row.Deprecated = len(after) < len(r.Identity)
	if row.Deprecated {
		row.Detach = []string{Deprecated}
	}
	hasCore := slices.ContainsFunc(after, func(p *Policy) bool { return lastSegment(p.ARN) == Core })
	if hasCore && !row.Deprecated {
		row.Denied = slices.Contains(row.NotReady, "core")
		return row
	}
	if !row.Deprecated && slices.Contains(row.Ready, "core") && slices.Contains(row.Ready, "messaging") {
		return row // other policies serve it
	}
	if !hasCore {
		d := documentByName(Core)
		p := *d.Policy
		p.Name, p.ARN = d.Name, d.ARN
		after = append(after, &p)
		row.Attach = []string{Core}
	}
	then := a.side(after, r.Boundary, len(r.Missing) > 0)
	for _, f := range auditFeatures() {
		c := Change{f.ID, before.rateFeature(f, a.target.Region), then.rateFeature(f, a.target.Region)}
		switch {
		case c.Old == c.New || !c.Known():
		case c.Lost():
			row.Loses = append(row.Loses, Loss{f.ID, firstOf(f.Recommend)})
		default:
			row.Gains = append(row.Gains, f.ID)
		}
	}
	for _, f := range auditFeatures() {
		if f.ID == "core" && then.rateFeature(f, a.target.Region) == ServedNo {
			row.Denied = true
		}
	}
	if row.Denied && !row.Deprecated {
		row.Attach, row.Gains = []string{}, []string{}
	}
	return row
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func isDeprecated(p *Policy) bool {
	return lastSegment(p.ARN) == Deprecated && strings.Contains(p.ARN, ":iam::aws:policy/")
}

// TrustsService reports whether a trust policy lets a service assume the role; service
// is the begin of its principal, such as "ec2.". A condition that cannot be judged here
// counts as met, and a Deny statement is not looked at: what is unknown names no fault.
func TrustsService(p *Policy, service string) bool {
	for _, s := range p.Statements {
		if !s.Allow || !slices.ContainsFunc(s.Actions, func(a string) bool { return isCut(a) || MatchAction(a, "sts:AssumeRole") }) && len(s.NotActions) == 0 {
			continue
		}
		if len(s.NotPrincipals) > 0 {
			return true
		}
		for kind, values := range s.Principals {
			for _, x := range values {
				if kind == "*" || x == "*" || isCut(kind) || isCut(x) || kind == "Service" && strings.HasPrefix(x, service) {
					return true
				}
			}
		}
	}
	return false
}
