package iam

import (
	_ "embed"
	"encoding/json"
	"fmt"
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
	// Source is ec2-instance-profile, ec2-dhmc or hybrid; empty: ec2-instance-profile.
	Source string
	GOOS   string // empty: any
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

// managedFor are the AWS-managed policies that may be suggested, in order.
func managedFor(source string) []string {
	base := Core
	if source == "ec2-dhmc" {
		base = "AmazonSSMManagedEC2InstanceDefaultPolicy"
	}
	return []string{base, "CloudWatchAgentServerPolicy", "AmazonSSMDirectoryServiceAccess", "AmazonSSMPatchAssociation", "AWSEC2VssSnapshotPolicy"}
}

// Minimal finds what to attach, and the smallest document for the rest, so
// that the features work for the target. It fails on an unknown feature.
func Minimal(features []string, t Target) (Grants, error) {
	var g Grants
	needed := map[string]map[string]bool{} // action -> features
	want := func(action, feature string) {
		if needed[action] == nil {
			needed[action] = map[string]bool{}
		}
		needed[action][feature] = true
	}
	for _, id := range features {
		f, ok := FeatureByID(id)
		if !ok {
			return g, fmt.Errorf("unknown feature %q", id)
		}
		switch {
		case id == "dhmc":
			g.Notes = append(g.Notes, "Default Host Management: the instance profile must not allow ssm:UpdateInstanceInformation; this grant is for the role of Default Host Management")
			t.Source = "ec2-dhmc"
			core, _ := FeatureByID("core")
			messaging, _ := FeatureByID("messaging")
			for _, a := range slices.Concat(core.Of(Mandatory), messaging.Of(Mandatory)) {
				want(a, id)
			}
		case id == "patch-manager":
			g.Notes = append(g.Notes, "AWS-RunPatchBaselineAssociation with BaselineTags: attach AmazonSSMPatchAssociation as well")
		}
		for _, n := range f.Actions {
			switch {
			case n.Need == Mandatory, n.Need == Conditional && t.asks(n, f), n.Need == Optional && len(f.Of(Mandatory, Conditional)) == 0:
				want(n.Action, id)
			case n.Need == Conditional, n.Need == Optional:
				g.Left = append(g.Left, n)
			}
		}
	}
	asked := len(needed)
	rest := map[string]map[string]bool{}
	for a, fs := range needed {
		rest[a] = fs
	}
	for _, name := range managedFor(t.Source) {
		wanted, all := serves(name, needed), slices.DeleteFunc(granted(name), legacyOnly)
		if vss := name == "AWSEC2VssSnapshotPolicy" && len(wanted) > 0; vss || len(wanted) > 0 && 2*len(wanted) >= len(all) {
			hit := serves(name, rest)
			if len(hit) == 0 {
				continue
			}
			g.Attach = append(g.Attach, name)
			for _, a := range hit {
				delete(rest, a)
			}
		}
	}
	if len(rest) > 0 {
		g.Custom = t.document(rest)
		g.Placeholders = placeholders(g.Custom)
		g.instead(needed, asked, t.Source)
		if rest["s3:GetObject"]["managed-buckets"] || rest["s3:GetObject"]["distributor"] {
			if _, complete := ManagedBuckets(t.Region, t.GOOS); !complete && t.Region != "" {
				g.Notes = append(g.Notes, "the names of the managed buckets of "+t.Region+" are not known here; put them in the place of BUCKET_NAME")
			}
		}
	}
	g.Left = slices.DeleteFunc(g.Left, func(n Need) bool {
		return n.Need == Optional && slices.ContainsFunc(g.Attach, func(name string) bool { return slices.Contains(granted(name), n.Action) })
	})
	g.Left = slices.CompactFunc(g.Left, func(a, b Need) bool { return a == b })
	return g, nil
}

// asks reports whether a conditional action is needed for this target.
func (t Target) asks(n Need, f Feature) bool {
	switch {
	case n.Action == "kms:GenerateDataKey", n.Action == "kms:Decrypt":
		return len(t.Keys) > 0
	case n.Action == "s3:PutObjectAcl":
		return t.ForeignBucket
	case n.Action == "s3:GetEncryptionConfiguration", f.ID == "managed-buckets":
		return true
	case n.Action == "secretsmanager:GetSecretValue":
		return t.GOOS == "linux" || t.Conditional
	}
	return t.Conditional
}

// granted are the actions of the table that a carried policy grants.
func granted(name string) []string {
	var out []string
	for _, a := range loadMatrix().Actions {
		if _, ok := a.GrantedBy[name]; ok {
			out = append(out, a.Action)
		}
	}
	return out
}

// legacyOnly reports whether no feature needs the action but for old agents.
func legacyOnly(action string) bool {
	for _, f := range loadMatrix().Features {
		for _, n := range f.Actions {
			if n.Action == action && n.Need != Legacy {
				return false
			}
		}
	}
	return true
}

// serves are the needed actions that a policy grants: without limits, or with
// the limits of the VSS policy, which are meant.
func serves(name string, needed map[string]map[string]bool) []string {
	var out []string
	for _, a := range loadMatrix().Actions {
		g, ok := a.GrantedBy[name]
		if ok && needed[a.Action] != nil && (g.Scope == "all" || name == "AWSEC2VssSnapshotPolicy") {
			out = append(out, a.Action)
		}
	}
	return out
}

// instead looks for managed policies that cover everything needed.
func (g *Grants) instead(needed map[string]map[string]bool, asked int, source string) {
	rest := map[string]map[string]bool{}
	for a, f := range needed {
		rest[a] = f
	}
	total := map[string]bool{}
	var names []string
	for _, name := range managedFor(source) {
		hit := serves(name, rest)
		if len(hit) == 0 {
			continue
		}
		names = append(names, name)
		for _, a := range hit {
			delete(rest, a)
		}
		for _, a := range granted(name) {
			total[a] = true
		}
	}
	if len(rest) == 0 {
		g.Instead, g.Extra = names, len(total)-asked
	}
}
