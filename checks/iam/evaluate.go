package iam

import (
	"fmt"
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

// Evaluate decides a request. It never turns ignorance into an answer: what
// hangs on an unknown value is Unknown.
func Evaluate(l Layers, r Request) Decision {
	type named struct {
		name string
		tally
	}
	// The order is that of AWS: the first layer that refuses is the one named.
	var layers []named
	var notCovered []string
	add := func(layer string, levels ...[]*Policy) {
		if len(levels) == 0 || levels[0] == nil && layer != LayerRCP && layer != LayerSCP {
			notCovered = append(notCovered, layer)
			return
		}
		for _, policies := range levels {
			t := r.tally(policies, false)
			if layer == LayerRCP {
				t = r.underRCP(t)
			}
			layers = append(layers, named{layer, t})
		}
	}
	add(LayerRCP, l.RCP...)
	add(LayerSCP, l.SCP...)
	add(LayerEndpoint, l.Endpoint)
	add(LayerBoundary, l.Boundary)
	add(LayerSession, l.Session)
	identity := r.tally(l.Identity, false)
	if l.Identity == nil {
		notCovered = append(notCovered, LayerIdentity)
		identity.allow = maybe
	}
	cross := maybe
	if mine := arnAccount(r.Principal); mine != "" && r.ResourceAccount != "" {
		cross = is(mine != r.ResourceAccount)
	}
	resource := r.tally(l.Resource, cross != yes)
	if l.Resource == nil {
		notCovered = append(notCovered, LayerResource)
	}

	decide := func(v Verdict, layer string, by origin, format string, a ...any) Decision {
		return Decision{Verdict: v, Layer: layer, PolicyName: by.policy, Statement: by.statement, Why: fmt.Sprintf(format, a...), NotCovered: notCovered}
	}
	every := append(append([]named{}, layers...), named{LayerIdentity, identity}, named{LayerResource, resource})
	var doubt *named
	for i := range every {
		n := &every[i]
		if n.deny == yes {
			return decide(ExplicitDeny, n.name, n.denyBy, "explicit deny in %s", layerTitle(n.name))
		}
		if n.deny == maybe && doubt == nil {
			doubt = n
		}
	}
	// The grant: by the role's own policies, or by the resource's, or both.
	grant, granter := identity.allow, named{LayerIdentity, identity}
	if l.Resource != nil {
		either, both := identity.allow.or(resource.allow), identity.allow.and(resource.allow)
		switch cross {
		case yes:
			grant = both
			if identity.allow == yes && resource.allow != yes {
				granter = named{LayerResource, resource}
			}
		case no:
			grant = either
			if identity.allow != yes && resource.allow == yes {
				granter = named{LayerResource, resource}
			}
		default:
			grant = both
			if both == no && either != no {
				grant = maybe
			}
		}
	}
	byResource := resource.allow != no && granter.name == LayerResource && cross == no
	limited := yes
	var limit named
	for _, n := range layers {
		allow := n.allow
		if byResource && allow == no && (n.name == LayerBoundary || n.name == LayerSession) {
			allow = maybe // a grant to the session itself passes these
		}
		if allow < limited {
			limited, limit = allow, n
		}
	}
	switch {
	case limited == no:
		return decide(ImplicitDeny, limit.name, origin{}, "no %s allows it", layerNoun(limit.name))
	case grant == no:
		return decide(ImplicitDeny, granter.name, origin{}, "no %s allows it", layerNoun(granter.name))
	case doubt != nil:
		return decide(Unknown, doubt.name, doubt.denyBy, "a deny in %s may apply: it hangs on a value that is not known", layerTitle(doubt.name))
	case limited == maybe:
		return decide(Unknown, limit.name, limit.allowBy, "%s allows it for some resources or values only", layerTitle(limit.name))
	case grant == maybe && l.Identity == nil:
		return decide(Unknown, LayerIdentity, origin{}, "the policies of the role were not supplied")
	case grant == maybe:
		return decide(Unknown, granter.name, granter.allowBy, "%s allows it for some resources or values only", layerTitle(granter.name))
	}
	return decide(Allow, granter.name, granter.allowBy, "allowed by %s", layerTitle(granter.name))
}

// Services by whether resource control policies reach them; of others it is
// not known here.
var (
	underRCP = map[string]bool{"s3": true, "sts": true, "kms": true, "sqs": true, "secretsmanager": true, "logs": true, "dynamodb": true, "ecr": true}
	notRCP   = map[string]bool{"ssm": true, "ssmmessages": true, "ec2messages": true, "ec2": true, "cloudwatch": true, "ds": true}
)

// underRCP limits what a level of resource control policies says to the
// services it reaches.
func (r *Request) underRCP(t tally) tally {
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

// tally asks every statement of a layer. own: a grant to the whole account does
// not count, since within an account it only delegates to the role's policies.
func (r *Request) tally(policies []*Policy, own bool) tally {
	var t tally
	for _, p := range policies {
		if p == nil {
			continue
		}
		for i := range p.Statements {
			s := &p.Statements[i]
			m := r.statement(s, p.Version == "2012-10-17", own)
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

func (r *Request) statement(s *Statement, variables, own bool) truth {
	t := no
	if s.NotActions != nil {
		t = yes
		for _, p := range s.NotActions {
			t = t.and(is(!MatchAction(p, r.Action)))
		}
	}
	for _, p := range s.Actions {
		t = t.or(is(MatchAction(p, r.Action)))
	}
	if t == no {
		return no
	}
	switch {
	case s.NotResources != nil:
		m := no
		for _, p := range s.NotResources {
			m = m.or(r.resource(p, variables))
		}
		t = t.and(m.not())
	case s.Resources != nil:
		m := no
		for _, p := range s.Resources {
			m = m.or(r.resource(p, variables))
		}
		t = t.and(m)
	}
	if s.Principals != nil {
		t = t.and(r.principals(s.Principals, own && s.Allow))
	}
	if s.NotPrincipals != nil {
		t = t.and(r.principals(s.NotPrincipals, false).not())
	}
	for _, c := range s.Conditions {
		if t == no {
			return no
		}
		t = t.and(r.condition(c, variables))
	}
	return t
}

func (r *Request) resource(pattern string, variables bool) truth {
	if strings.Trim(pattern, "*") == "" && pattern != "" {
		return yes
	}
	if r.Resource == "" {
		return maybe
	}
	return r.matchARN(pattern, r.Resource, variables)
}

// principals matches the caller. own leaves out grants to the whole account.
func (r *Request) principals(ps Principals, own bool) truth {
	t := no
	for kind, values := range ps {
		for _, v := range values {
			switch {
			case kind == "*" || kind == "AWS" && v == "*":
				return yes
			case kind != "AWS":
				continue
			case r.Principal == "":
				t = t.or(maybe)
				continue
			}
			account := arnAccount(r.Principal)
			switch {
			case v == account || strings.HasPrefix(v, "arn:") && arnAccount(v) == account && strings.HasSuffix(v, ":root"):
				t = t.or(is(!own))
			case v == r.Principal || sameRole(v, r.Principal):
				t = yes
			}
		}
	}
	return t
}

// sameRole compares the ARN of a role, which may have a path, with that of a session.
func sameRole(role, session string) bool {
	rp, sp := strings.SplitN(role, ":", 6), strings.SplitN(roleARN(session), ":", 6)
	if len(rp) != 6 || len(sp) != 6 || rp[1] != sp[1] || rp[4] != sp[4] || !strings.HasPrefix(rp[5], "role/") || !strings.HasPrefix(sp[5], "role/") {
		return false
	}
	return rp[5][strings.LastIndexByte(rp[5], '/')+1:] == sp[5][strings.LastIndexByte(sp[5], '/')+1:]
}
