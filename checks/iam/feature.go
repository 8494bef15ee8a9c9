package iam

import (
	_ "embed"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
)

// Rows of features.json are written by hand. The actions of a feature are those
// that the agent and the AWS-... documents call; level and resource types are
// those of the Service Authorization Reference, as github.com/iann0036/iam-dataset
// holds them. What policies grant is not typed: see grants.json.
//
//go:embed data/features.json
var featureData []byte

// grants.json is written by go generate from the policy documents.
//
//go:embed data/grants.json
var grantData []byte

// Sources of a node's credentials, as features and targets name them.
const (
	SourceProfile = "ec2-instance-profile"
	SourceDHMC    = "ec2-dhmc" // the role of Default Host Management
	SourceHybrid  = "hybrid"   // the service role of a hybrid activation
)

// Needs of a feature for an action.
const (
	Mandatory   = "mandatory"
	Conditional = "conditional" // in the situation that When tells
	Optional    = "optional"
	Legacy      = "legacy"      // older agents, or a fallback
	Forbidden   = "forbidden"   // the feature wants it denied
	NotInRole   = "not-in-role" // signed with something else than the node's role
)

// Feature is one capability of Systems Manager and the actions the node calls for it.
type Feature struct {
	ID    string `json:"id"` // kebab-case
	Title string `json:"title"`
	// Parent is the feature this one is a part of; empty for most.
	Parent  string   `json:"parent"`
	Applies []string `json:"applies_to"` // the sources it makes sense for
	OS      []string `json:"os"`         // GOOS values; empty: all
	// JudgedRole is the source whose rights decide, whatever the node uses;
	// empty: that in use.
	JudgedRole string `json:"judged_role"`
	// InUse says on which nodes the feature is in use whatever is seen of it;
	// nil: on none.
	InUse *Use `json:"in_use"`
	// ToldBy are actions whose calls tell that the feature is in use.
	ToldBy []string `json:"told_by"`
	// Polled are actions that the agent calls on every node, whether the feature
	// is in use or not.
	Polled  []string `json:"polled"`
	Actions []Need   `json:"actions"`
	// Instead is a second set of actions that does for part of the mandatory ones.
	Instead   *Instead `json:"instead"`
	Recommend []string `json:"recommend"` // names of policies, the first one first
	// GrantTo is the source whose role a grant is for; empty: that in use.
	GrantTo string `json:"grant_to"`
	// GrantWith are features whose mandatory actions a grant includes.
	GrantWith []string `json:"grant_with"`
	GrantNote string   `json:"grant_note"` // what to mind with a grant
	Notes     string   `json:"notes"`
}

// Use is a reason why a feature is in use.
type Use struct {
	Source string `json:"source"` // of credentials; empty: any
	Why    string `json:"why"`
}

// Need is one action of a feature.
type Need struct {
	Action string `json:"action"`
	Need   string `json:"need"`
	When   string `json:"when"`
	// Resource is the kind of resource that a grant names, one of grantResources;
	// empty: the usual one of the service.
	Resource string `json:"resource"`
}

// Instead lists actions that may take the place of others.
type Instead struct {
	Of    []string `json:"of"`
	Use   []string `json:"use"`
	Where string   `json:"where"` // the Regions in words
	// Regions are those that have the service of Use. Of ec2messages "Reference:
	// ec2messages, ssmmessages, and other API operations" in the user guide says
	// that Regions launched in 2024 and later have it not.
	Regions []string `json:"regions"`
}

// Coverage is how far one policy serves a feature.
type Coverage struct {
	// Result is full, full-limited-scope (for listed resources or under a
	// condition only) or partial; empty: it grants no mandatory action, or there is none.
	Result  string
	Missing []string // mandatory actions it lacks
}

// Action is one row of the action table.
type Action struct {
	Action string `json:"action"`
	Level  string `json:"level"` // Read, List, Write, Tagging, Permissions management
	// ResourceTypes are those the action can be limited to; empty: * only.
	ResourceTypes []string         `json:"resource_types"`
	GrantedBy     map[string]Grant `json:"-"` // by policy name; from grants.json
}

// Grant is how a policy grants an action.
type Grant struct {
	Scope       string   `json:"scope"` // all, or limited
	Resources   []string `json:"resources,omitempty"`
	Conditional bool     `json:"conditional,omitempty"`
}

// Code is the abbreviation of a policy in tables.
type Code struct{ Code, Name string }

type matrix struct {
	Policies []Code    `json:"policies"`
	Actions  []Action  `json:"actions"`
	Features []Feature `json:"features"`
}

var loadMatrix = sync.OnceValue(func() matrix {
	var m matrix
	var grants map[string]map[string]Grant // by action, then by policy
	if err := errors.Join(json.Unmarshal(featureData, &m), json.Unmarshal(grantData, &grants)); err != nil {
		panic("embedded feature matrix: " + err.Error()) // a test reads it
	}
	for i := range m.Actions {
		m.Actions[i].GrantedBy = grants[m.Actions[i].Action]
	}
	return m
})

// Features is the feature matrix in the order of the documentation. The caller
// must not change what the elements point to.
func Features() []Feature { return slices.Clone(loadMatrix().Features) }

// Actions is the action table, sorted by name.
func Actions() []Action { return slices.Clone(loadMatrix().Actions) }

// Codes are the policies of the matrix with their abbreviations.
func Codes() []Code { return slices.Clone(loadMatrix().Policies) }

// FeatureByID finds a feature.
func FeatureByID(id string) (Feature, bool) {
	for _, f := range loadMatrix().Features {
		if f.ID == id {
			return f, true
		}
	}
	return Feature{}, false
}

// ActionByName finds a row of the action table, without regard to case.
func ActionByName(action string) (Action, bool) {
	for _, a := range loadMatrix().Actions {
		if strings.EqualFold(a.Action, action) {
			return a, true
		}
	}
	return Action{}, false
}

// Of lists the actions with one of the given needs, in order.
func (f Feature) Of(needs ...string) []string {
	var out []string
	for _, n := range f.Actions {
		if slices.Contains(needs, n.Need) {
			out = append(out, n.Action)
		}
	}
	return out
}

// CoverageBy says how much of the mandatory actions a carried policy grants.
func (f Feature) CoverageBy(policy string) Coverage {
	var c Coverage
	granted, limited := 0, false
	for _, name := range f.Of(Mandatory) {
		a, _ := ActionByName(name)
		switch g, ok := a.GrantedBy[policy]; {
		case !ok:
			c.Missing = append(c.Missing, name)
		default:
			granted++
			limited = limited || g.Scope != "all"
		}
	}
	switch {
	case granted == 0:
		return Coverage{}
	case c.Missing != nil:
		c.Result = "partial"
	case limited:
		c.Result = "full-limited-scope"
	default:
		c.Result = "full"
	}
	return c
}

// AppliesTo reports whether the feature makes sense for a credential source
// (a Source constant) and operating system (a GOOS value); empty means any.
func (f Feature) AppliesTo(source, goos string) bool {
	return (source == "" || slices.Contains(f.Applies, source)) && (goos == "" || len(f.OS) == 0 || slices.Contains(f.OS, goos))
}

// JudgesProfile reports whether the rights of the instance profile decide,
// whatever the node uses.
func (f Feature) JudgesProfile() bool { return f.JudgedRole == SourceProfile }

// InUseOn reports whether the feature is in use on every node with a credential
// source, and why; the source is empty where the node has none.
func (f Feature) InUseOn(source string) (why string, ok bool) {
	if f.InUse == nil || f.InUse.Source != "" && f.InUse.Source != source {
		return "", false
	}
	return f.InUse.Why, true
}

// IsPolled reports whether the agent calls an action of the feature on every node.
func (f Feature) IsPolled(action string) bool { return slices.Contains(f.Polled, action) }

// FeatureToldBy finds the feature that a call of an action tells to be in use.
func FeatureToldBy(action string) (Feature, bool) {
	for _, f := range loadMatrix().Features {
		if slices.ContainsFunc(f.ToldBy, func(a string) bool { return strings.EqualFold(a, action) }) {
			return f, true
		}
	}
	return Feature{}, false
}

// ForRole is the feature as the role of a credential source sees it: what an
// instance profile must not allow is just what the role that grants are for needs.
func (f Feature) ForRole(source string) Feature {
	if f.GrantTo == "" || f.GrantTo != source {
		return f
	}
	f.Actions = slices.Clone(f.Actions)
	for i := range f.Actions {
		if f.Actions[i].Need == Forbidden {
			f.Actions[i].Need = Mandatory
		}
	}
	return f
}

// Answers of Readiness.
const (
	ReadyYes     = "yes"
	ReadyNo      = "no"
	ReadyUnknown = "unknown"
)

// Readiness is what the verdicts on single actions mean for a feature.
type Readiness struct {
	Ready   string
	Denied  []string // mandatory actions that are denied; with Via, others may serve
	Unknown []string // mandatory or forbidden actions nothing is known of
	// Forbidden are actions that are allowed and must not be.
	Forbidden []string
	// Limited are conditional actions that are denied: the feature works, but
	// not in the situations they are for. Where nothing is mandatory, optional
	// ones too.
	Limited []Need
	// Via says which other set of actions serves, and where, if it is not known
	// whether that is here; empty: the usual one.
	Via string
}

// FeatureReady judges a feature by the verdict on each of its actions, in a
// Region; empty: not known.
func FeatureReady(f Feature, region string, verdict func(action string) Verdict) Readiness {
	var r Readiness
	mandatory := len(f.Of(Mandatory, Forbidden))
	var soft []string // what else nothing is known of
	for _, n := range f.Actions {
		soft = append(soft, r.count(n, verdict(n.Action), mandatory == 0)...)
	}
	if f.Instead != nil && len(r.Denied) > 0 && (region == "" || slices.Contains(f.Instead.Regions, region)) {
		r.acceptAlternative(f.Instead, region == "", verdict)
	}
	switch {
	case len(r.Denied) > 0 && r.Via == "" || len(r.Forbidden) > 0:
		r.Ready = ReadyNo
	case len(r.Denied) > 0 || len(r.Unknown) > 0:
		r.Ready = ReadyUnknown
	case mandatory == 0 && len(soft)+len(r.Limited) > 0:
		// Nothing is needed always, so a missing right does not say that it fails.
		r.Ready, r.Unknown = ReadyUnknown, soft
	default:
		r.Ready = ReadyYes
	}
	return r
}

func isDenied(v Verdict) bool { return v == ImplicitDeny || v == ExplicitDeny }

// count puts an action where its verdict belongs; soft is the action when
// nothing is known of it and the feature does not always need it.
func (r *Readiness) count(n Need, v Verdict, nothingMandatory bool) (soft []string) {
	switch n.Need {
	case Mandatory:
		if isDenied(v) {
			r.Denied = append(r.Denied, n.Action)
		} else if v != Allow {
			r.Unknown = append(r.Unknown, n.Action)
		}
	case Forbidden:
		if v == Allow {
			r.Forbidden = append(r.Forbidden, n.Action)
		} else if !isDenied(v) {
			r.Unknown = append(r.Unknown, n.Action)
		}
	case Conditional, Optional:
		if isDenied(v) && (n.Need == Conditional || nothingMandatory) {
			r.Limited = append(r.Limited, n)
		} else if !isDenied(v) && v != Allow {
			return []string{n.Action}
		}
	}
	return nil
}

// acceptAlternative drops denied actions whose place others take; anywhere: that
// hangs on a Region which is not known, so they stay.
func (r *Readiness) acceptAlternative(i *Instead, anywhere bool, verdict func(string) Verdict) {
	var open []string
	for _, a := range i.Use {
		switch verdict(a) {
		case Allow:
		case ImplicitDeny, ExplicitDeny:
			return
		default:
			open = append(open, a)
		}
	}
	rest := slices.DeleteFunc(slices.Clone(r.Denied), func(a string) bool { return slices.Contains(i.Of, a) })
	if len(rest) > 0 {
		return
	}
	service, _, _ := strings.Cut(i.Use[0], ":")
	r.Via = service
	if anywhere {
		r.Via += " in " + i.Where
	} else {
		r.Denied = nil
	}
	r.Unknown = append(slices.DeleteFunc(r.Unknown, func(a string) bool { return slices.Contains(i.Of, a) }), open...)
}
