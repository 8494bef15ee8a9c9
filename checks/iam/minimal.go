package iam

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Target is the node and the things that a policy is written for. What is
// empty becomes a placeholder in capitals.
type Target struct {
	Partition string // aws when empty
	Region    string
	Account   string
	Source    string // a Source constant; empty: SourceProfile
	GOOS      string // empty: any
	// Buckets take output; each may have a prefix after a slash.
	Buckets       []string
	ForeignBucket bool     // the buckets belong to another account
	LogGroups     []string // for output
	Parameters    []string // paths such as /app/prod
	Keys          []string // ARNs or ids of KMS keys
	Directory     string   // d-...
	// Conditional also grants what is needed in some situations only.
	Conditional bool
}

// Grants is what to give a role so that features work.
type Grants struct {
	// Attach are AWS-managed policies of which at least half is wanted, legacy
	// actions not counted.
	Attach []string
	// Custom is the document for what is left; nil when nothing is.
	Custom *Draft
	// Instead are AWS-managed policies that together serve too, but grant more.
	Instead []string
	// Extra is how many actions Instead grants beyond those asked for.
	Extra int
	// Placeholders are words in Custom to fill in.
	Placeholders []string
	// Left are optional actions, and those needed in some situations only, that
	// are not granted.
	Left []Need
	// Notes say what else to mind.
	Notes []string
}

// Draft is a policy document to hand out.
type Draft struct {
	Version   string
	Statement []DraftStatement
}

// DraftStatement is one of its statements.
type DraftStatement struct {
	Sid       string
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string]string `json:",omitempty"`
}

// buckets.json holds the names of the table in "SSM Agent communications with
// AWS managed S3 buckets" of the Systems Manager user guide.
//
//go:embed data/buckets.json
var bucketData []byte

type buckets struct {
	Always, Windows, Patch, Distributor []string
	PatchDarwin                         []string `json:"patch_darwin"`
	Suffixes                            map[string]struct{ Patch, Snapshot string }
}

var loadBuckets = sync.OnceValue(func() buckets {
	var b buckets
	if err := json.Unmarshal(bucketData, &b); err != nil {
		panic("embedded buckets: " + err.Error())
	}
	return b
})

// anyRegion takes the place of a Region that is not known.
const anyRegion = "REGION"

// ManagedBuckets are the names of the buckets that AWS keeps for Systems
// Manager in a Region, for an operating system (empty: all). complete is false
// where names are not known: of Regions missing from the list, as those of
// China and GovCloud, none is; of the word REGION, those with a suffix.
func ManagedBuckets(region, goos string) (names []string, complete bool) {
	b := loadBuckets()
	suffix, complete := b.Suffixes[region]
	if !complete && region != anyRegion {
		return nil, false
	}
	list := slices.Clone(b.Always)
	if goos == "" || goos == "windows" {
		list = append(list, b.Windows...)
	}
	list = append(list, b.Patch...)
	if goos == "" || goos == "darwin" {
		list = append(list, b.PatchDarwin...)
	}
	list = append(list, b.Distributor...)
	for _, n := range list {
		snapshot := ""
		if suffix.Snapshot != "" {
			snapshot = "-" + suffix.Snapshot
		}
		if !complete && strings.Contains(n, "PATCH") {
			continue
		}
		names = append(names, strings.NewReplacer("[-SNAPSHOT]", snapshot, "PATCH", suffix.Patch, "REGION", region).Replace(n))
	}
	return names, complete
}

// suggestedPolicies are the AWS-managed policies that may be suggested, in order.
func suggestedPolicies(source string) []string {
	base := Core
	if source == SourceDHMC {
		base = "AmazonSSMManagedEC2InstanceDefaultPolicy"
	}
	return []string{base, "CloudWatchAgentServerPolicy", "AmazonSSMDirectoryServiceAccess", "AmazonSSMPatchAssociation", vssPolicy}
}

// vssPolicy limits what it grants to snapshots with certain tags; these limits
// are meant, so it serves in spite of them.
const vssPolicy = "AWSEC2VssSnapshotPolicy"

// wanted are actions to grant: by action, then by the feature that needs it, the
// kind of resource it needs it on.
type wanted map[string]map[string]string

// want adds an action.
func (w wanted) want(n Need, feature string) {
	if w[n.Action] == nil {
		w[n.Action] = map[string]string{}
	}
	w[n.Action][feature] = cmp.Or(n.Resource, usualResource(n.Action))
}

// wantFeature adds the actions that a feature needs for a target, and returns
// those that it would use besides.
func (w wanted) wantFeature(f Feature, t Target) (left []Need) {
	for _, id := range f.GrantWith {
		with, _ := FeatureByID(id)
		for _, a := range with.Of(Mandatory) {
			w.want(Need{Action: a}, f.ID)
		}
	}
	optionalOnly := len(f.Of(Mandatory, Conditional)) == 0
	for _, n := range f.Actions {
		switch {
		case n.Need == Mandatory, n.Need == Conditional && t.wants(n, f), n.Need == Optional && optionalOnly:
			w.want(n, f.ID)
		case n.Need == Conditional, n.Need == Optional:
			left = append(left, n)
		}
	}
	return left
}

// Minimal finds what to attach, and the smallest document for the rest, so
// that the features work for the target. It fails on an unknown feature.
func Minimal(features []string, t Target) (Grants, error) {
	var g Grants
	needed := wanted{}
	for _, id := range features {
		f, ok := FeatureByID(id)
		if !ok {
			return g, fmt.Errorf("unknown feature %q", id)
		}
		t.Source = cmp.Or(f.GrantTo, t.Source)
		if f.GrantNote != "" {
			g.Notes = append(g.Notes, f.GrantNote)
		}
		g.Left = append(g.Left, needed.wantFeature(f, t)...)
	}
	rest := g.attachManaged(needed, t.Source)
	if len(rest) > 0 {
		g.Custom = t.document(rest)
		g.Placeholders = placeholders(g.Custom)
		g.findManagedOnly(needed, t.Source)
		if _, complete := ManagedBuckets(t.Region, t.GOOS); !complete && t.Region != "" && rest.names(managedBuckets) {
			g.Notes = append(g.Notes, "the names of the managed buckets of "+t.Region+" are not known here; put them in the place of BUCKET_NAME")
		}
	}
	g.Left = slices.DeleteFunc(g.Left, func(n Need) bool {
		return n.Need == Optional && slices.ContainsFunc(g.Attach, func(name string) bool { return slices.Contains(grantedActions(name), n.Action) })
	})
	g.Left = slices.CompactFunc(g.Left, func(a, b Need) bool { return a == b })
	return g, nil
}

// names reports whether a grant names a kind of resource.
func (w wanted) names(kind string) bool {
	for _, features := range w {
		for _, k := range features {
			if k == kind {
				return true
			}
		}
	}
	return false
}

// attachManaged chooses managed policies of which at least half is needed, and
// returns what they leave.
func (g *Grants) attachManaged(needed wanted, source string) (rest wanted) {
	rest = maps.Clone(needed)
	for _, name := range suggestedPolicies(source) {
		use, all := usableActions(name, needed), slices.DeleteFunc(grantedActions(name), isLegacy)
		if len(use) == 0 || name != vssPolicy && 2*len(use) < len(all) {
			continue
		}
		if hit := usableActions(name, rest); len(hit) > 0 {
			g.Attach = append(g.Attach, name)
			maps.DeleteFunc(rest, func(a string, _ map[string]string) bool { return slices.Contains(hit, a) })
		}
	}
	return rest
}

// wants reports whether a conditional action is needed for this target.
func (t Target) wants(n Need, f Feature) bool {
	switch {
	case n.Action == "kms:GenerateDataKey", n.Action == "kms:Decrypt":
		return len(t.Keys) > 0
	case n.Action == "s3:PutObjectAcl":
		return t.ForeignBucket
	case n.Action == "s3:GetEncryptionConfiguration":
		return true
	case n.Action == "secretsmanager:GetSecretValue":
		return t.GOOS == "linux" || t.Conditional
	}
	// Of a feature without mandatory actions these are what it is about.
	return t.Conditional || len(f.Of(Mandatory)) == 0
}

// grantedActions are the actions of the table that a carried policy grants.
func grantedActions(policy string) []string {
	var out []string
	for _, a := range loadMatrix().Actions {
		if _, ok := a.GrantedBy[policy]; ok {
			out = append(out, a.Action)
		}
	}
	return out
}

// isLegacy reports whether no feature needs the action but for old agents.
func isLegacy(action string) bool {
	for _, f := range loadMatrix().Features {
		for _, n := range f.Actions {
			if n.Action == action && n.Need != Legacy {
				return false
			}
		}
	}
	return true
}

// usableActions are the needed actions that a policy grants without limits, or
// with limits that are meant.
func usableActions(policy string, needed wanted) []string {
	var out []string
	for _, a := range loadMatrix().Actions {
		g, ok := a.GrantedBy[policy]
		if ok && needed[a.Action] != nil && (g.Scope == "all" || policy == vssPolicy) {
			out = append(out, a.Action)
		}
	}
	return out
}

// findManagedOnly looks for managed policies that cover everything needed.
func (g *Grants) findManagedOnly(needed wanted, source string) {
	rest := maps.Clone(needed)
	total := map[string]bool{}
	var names []string
	for _, name := range suggestedPolicies(source) {
		hit := usableActions(name, rest)
		if len(hit) == 0 {
			continue
		}
		names = append(names, name)
		for _, a := range hit {
			delete(rest, a)
		}
		for _, a := range grantedActions(name) {
			total[a] = true
		}
	}
	if len(rest) == 0 {
		g.Instead, g.Extra = names, len(total)-len(needed)
	}
}
