package iam

import (
	"fmt"
	"slices"
	"strings"
)

// Verdict is the outcome of an evaluation.
type Verdict string

// The outcomes.
const (
	Allow        Verdict = "allow"
	ImplicitDeny Verdict = "implicit-deny"
	ExplicitDeny Verdict = "explicit-deny"
	Unknown      Verdict = "unknown"
)

// Names of layers, as refusals, facts and reports spell them.
const (
	LayerIdentity = "identity"
	LayerBoundary = "boundary"
	LayerSession  = "session"
	LayerSCP      = "scp"
	LayerRCP      = "rcp"
	LayerEndpoint = "vpce"
	LayerResource = "resource"
	LayerTrust    = "trust"
	LayerService  = "service"
	LayerUnknown  = "unknown"
)

// Layers are the policies that bear on a request. A nil layer was not supplied:
// it is taken to allow and named in Decision.NotCovered. A layer that is there
// but empty allows nothing. Identity is the exception to the first rule: not
// supplied, the outcome is unknown.
type Layers struct {
	Identity []*Policy
	Boundary []*Policy
	Session  []*Policy
	// SCP and RCP hold the levels from the root to the account; each must allow.
	SCP      [][]*Policy
	RCP      [][]*Policy
	Endpoint []*Policy
	Resource []*Policy
}

// Request is what is asked.
type Request struct {
	Action string
	// Resource is an ARN, "*" for actions without resource types, or empty when
	// it is not known.
	Resource string
	// Principal is the ARN of the caller, empty when not known.
	Principal string
	// ResourceAccount owns the resource; empty when not known.
	ResourceAccount string
	// Context holds condition keys. A key with no values is known to be missing;
	// a key not listed is unknown, unless Complete is set.
	Context  map[string][]string
	Complete bool
}

// Decision is the outcome with the layer and statement that decided.
type Decision struct {
	Verdict    Verdict
	Layer      string
	PolicyName string
	Statement  string // Sid, or "statement N"
	Why        string
	NotCovered []string // layers nobody supplied
}

// tally is what one layer says.
type tally struct {
	allow, deny truth
	// where the values came from
	allowBy, denyBy origin
}

type origin struct{ policy, statement string }

// namedTally is what a layer says, with its name.
type namedTally struct {
	layer string
	tally
}

// tallies is what every layer says of one request.
type tallies struct {
	limits     []namedTally // layers that grant nothing themselves, in the order of AWS
	identity   namedTally
	resource   namedTally
	cross      truth // whether the resource belongs to another account
	supplied   Layers
	notCovered []string
}

// Evaluate decides a request. It never turns ignorance into an answer: what
// hangs on an unknown value is Unknown. The rules are those of "Policy
// evaluation logic" in the IAM user guide.
func Evaluate(l Layers, r Request) Decision {
	t := r.askLayers(l)
	d := t.decide()
	d.NotCovered = t.notCovered
	return d
}

// askLayers asks every layer. The order is that of AWS: the first layer that
// refuses is the one a refusal names.
func (r *Request) askLayers(l Layers) tallies {
	t := tallies{supplied: l}
	add := func(layer string, levels ...[]*Policy) {
		if len(levels) == 0 || levels[0] == nil && layer != LayerRCP && layer != LayerSCP {
			t.notCovered = append(t.notCovered, layer)
			return
		}
		for _, policies := range levels {
			says := r.tally(policies, false)
			if layer == LayerRCP {
				says = r.limitToRCP(says)
			}
			t.limits = append(t.limits, namedTally{layer, says})
		}
	}
	add(LayerRCP, l.RCP...)
	add(LayerSCP, l.SCP...)
	add(LayerEndpoint, l.Endpoint)
	add(LayerBoundary, l.Boundary)
	add(LayerSession, l.Session)
	t.identity = namedTally{LayerIdentity, r.tally(l.Identity, false)}
	if l.Identity == nil {
		t.notCovered = append(t.notCovered, LayerIdentity)
		t.identity.allow = maybe
	}
	t.cross = maybe
	if mine := arnAccount(r.Principal); mine != "" && r.ResourceAccount != "" {
		t.cross = truthOf(mine != r.ResourceAccount)
	}
	t.resource = namedTally{LayerResource, r.tally(l.Resource, t.cross != yes)}
	if l.Resource == nil {
		t.notCovered = append(t.notCovered, LayerResource)
	}
	return t
}

// decide weighs what the layers say: a deny, then a layer that allows nothing,
// then what is not known.
func (t *tallies) decide() Decision {
	denied, doubt := t.findDeny()
	if denied != nil {
		return denied.decide(ExplicitDeny, denied.denyBy, "explicit deny in "+layerTitle(denied.layer))
	}
	grant, granter := t.findGrant()
	limited, limit := t.findLimit(granter.layer == LayerResource)
	switch {
	case limited == no:
		return limit.decide(ImplicitDeny, origin{}, "no "+layerNoun(limit.layer)+" allows it")
	case grant == no:
		return granter.decide(ImplicitDeny, origin{}, "no "+layerNoun(granter.layer)+" allows it")
	case doubt != nil:
		return doubt.decide(Unknown, doubt.denyBy, "a deny in "+layerTitle(doubt.layer)+" may apply: it depends on a value that is not known")
	case limited == maybe:
		return limit.decide(Unknown, limit.allowBy, layerTitle(limit.layer)+" allows it for some resources or values only")
	case grant == maybe && t.supplied.Identity == nil:
		return t.identity.decide(Unknown, origin{}, "the policies of the role were not supplied")
	case grant == maybe:
		return granter.decide(Unknown, granter.allowBy, layerTitle(granter.layer)+" allows it for some resources or values only")
	}
	return granter.decide(Allow, granter.allowBy, "allowed by "+layerTitle(granter.layer))
}

// decide makes this layer the one that decided.
func (n namedTally) decide(v Verdict, by origin, why string) Decision {
	return Decision{Verdict: v, Layer: n.layer, PolicyName: by.policy, Statement: by.statement, Why: why}
}

// findDeny is the first layer with a deny, and the first one that may have one.
func (t *tallies) findDeny() (denied, doubt *namedTally) {
	every := append(slices.Clone(t.limits), t.identity, t.resource)
	for i := range every {
		switch n := &every[i]; {
		case n.deny == yes:
			return n, nil
		case n.deny == maybe && doubt == nil:
			doubt = n
		}
	}
	return nil, doubt
}

// findGrant is whether the role's own policies grant it, or those of the
// resource: either within an account, both across accounts.
func (t *tallies) findGrant() (grant truth, granter namedTally) {
	if t.supplied.Resource == nil {
		return t.identity.allow, t.identity
	}
	either, both := t.identity.allow.or(t.resource.allow), t.identity.allow.and(t.resource.allow)
	switch t.cross {
	case yes:
		if t.identity.allow == yes && t.resource.allow != yes {
			return both, t.resource
		}
		return both, t.identity
	case no:
		if t.identity.allow != yes && t.resource.allow == yes {
			return either, t.resource
		}
		return either, t.identity
	}
	if both == no && either != no {
		return maybe, t.identity
	}
	return both, t.identity
}

// findLimit is the layer that allows it least. A grant of the resource to the
// session itself, within the account, passes boundary and session policy.
func (t *tallies) findLimit(byResource bool) (limited truth, limit namedTally) {
	passes := byResource && t.cross == no && t.resource.allow != no
	limited = yes
	for _, n := range t.limits {
		allow := n.allow
		if passes && allow == no && (n.layer == LayerBoundary || n.layer == LayerSession) {
			allow = maybe
		}
		if allow < limited {
			limited, limit = allow, n
		}
	}
	return limited, limit
}

// Services by whether resource control policies reach them, from the list in
// "Resource control policies" of the Organizations user guide; of others it is
// not known here.
var (
	underRCP = map[string]bool{"s3": true, "sts": true, "kms": true, "sqs": true, "secretsmanager": true, "logs": true, "dynamodb": true, "ecr": true}
	notRCP   = map[string]bool{"ssm": true, "ssmmessages": true, "ec2messages": true, "ec2": true, "cloudwatch": true, "ds": true}
)

// limitToRCP limits what a level of resource control policies says to the
// services it reaches.
func (r *Request) limitToRCP(t tally) tally {
	service, _, _ := strings.Cut(strings.ToLower(r.Action), ":")
	switch {
	case underRCP[service]:
	case notRCP[service]:
		t = tally{allow: yes}
	default:
		t.allow, t.deny = t.allow.or(maybe), t.deny.and(maybe)
	}
	return t
}

func layerNoun(layer string) string {
	switch layer {
	case LayerIdentity:
		return "identity-based policy"
	case LayerBoundary:
		return "permissions boundary"
	case LayerSession:
		return "session policy"
	case LayerSCP:
		return "service control policy"
	case LayerRCP:
		return "resource control policy"
	case LayerEndpoint:
		return "VPC endpoint policy"
	case LayerResource:
		return "resource-based policy"
	case LayerTrust:
		return "role trust policy"
	}
	return "policy"
}

func layerTitle(layer string) string {
	n := layerNoun(layer)
	if layer == LayerIdentity {
		return "an " + n
	}
	return "a " + n
}

// tally asks every statement of a layer. With skipAccount a grant to the whole
// account does not count: within an account it only delegates to the role's policies.
func (r *Request) tally(policies []*Policy, skipAccount bool) tally {
	var t tally
	for _, p := range policies {
		if p == nil {
			continue
		}
		for i := range p.Statements {
			s := &p.Statements[i]
			m := r.matchStatement(s, p.Version == "2012-10-17", skipAccount)
			o := origin{p.Name, s.Sid}
			if s.Sid == "" {
				o.statement = fmt.Sprintf("statement %d", i+1)
			}
			if s.Allow && m > t.allow {
				t.allow, t.allowBy = m, o
			}
			if !s.Allow && m > t.deny {
				t.deny, t.denyBy = m, o
			}
		}
	}
	return t
}

// matchStatement says whether a statement applies; variables: policy variables
// work in its document.
func (r *Request) matchStatement(s *Statement, variables, skipAccount bool) truth {
	t := r.matchActions(s)
	if t == no {
		return no
	}
	switch {
	case s.NotResources != nil:
		t = t.and(r.matchResources(s.NotResources, variables).not())
	case s.Resources != nil:
		t = t.and(r.matchResources(s.Resources, variables))
	}
	if s.Principals != nil {
		t = t.and(r.matchPrincipals(s.Principals, skipAccount && s.Allow))
	}
	if s.NotPrincipals != nil {
		t = t.and(r.matchPrincipals(s.NotPrincipals, false).not())
	}
	for _, c := range s.Conditions {
		if t == no {
			return no
		}
		t = t.and(r.matchCondition(c, variables))
	}
	return t
}

func (r *Request) matchActions(s *Statement) truth {
	covered := func(patterns []string) truth {
		t := no
		for _, p := range patterns {
			if isCut(p) {
				t = t.or(maybe)
			} else {
				t = t.or(truthOf(MatchAction(p, r.Action)))
			}
		}
		return t
	}
	if s.NotActions != nil {
		return covered(s.NotActions).not()
	}
	return covered(s.Actions)
}

func (r *Request) matchResources(patterns []string, variables bool) truth {
	t := no
	for _, p := range patterns {
		switch {
		case strings.Trim(p, "*") == "" && p != "":
			return yes
		case r.Resource == "":
			t = t.or(maybe)
		default:
			t = t.or(r.matchARN(p, r.Resource, variables))
		}
	}
	return t
}

// matchPrincipals matches the caller. skipAccount leaves out grants to the
// whole account.
func (r *Request) matchPrincipals(ps Principals, skipAccount bool) truth {
	t := no
	for kind, values := range ps {
		for _, v := range values {
			switch {
			case kind == "*" || kind == "AWS" && v == "*":
				return yes
			case isCut(kind) || kind == "AWS" && isCut(v):
				t = t.or(maybe)
			case kind != "AWS":
			case r.Principal == "":
				t = t.or(maybe)
			case r.isAccount(v):
				t = t.or(truthOf(!skipAccount))
			case v == r.Principal || sameRole(v, r.Principal):
				t = yes
			}
		}
	}
	return t
}

// isAccount reports whether a principal is the whole account of the caller.
func (r *Request) isAccount(principal string) bool {
	account := arnAccount(r.Principal)
	return principal == account || strings.HasPrefix(principal, "arn:") && arnAccount(principal) == account && strings.HasSuffix(principal, ":root")
}

// sameRole compares the ARN of a role, which may have a path, with that of a session.
func sameRole(role, session string) bool {
	rp, sp := strings.SplitN(role, ":", 6), strings.SplitN(roleARN(session), ":", 6)
	if len(rp) != 6 || len(sp) != 6 || rp[1] != sp[1] || rp[4] != sp[4] || !strings.HasPrefix(rp[5], "role/") || !strings.HasPrefix(sp[5], "role/") {
		return false
	}
	return rp[5][strings.LastIndexByte(rp[5], '/')+1:] == sp[5][strings.LastIndexByte(sp[5], '/')+1:]
}
