package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// trustDocuments are the documents with the trust policies of roles.
var trustDocuments = []struct{ kind, name string }{
	{"ec2", "TrustPolicy-EC2InstanceRole"},
	{"hybrid", "TrustPolicy-HybridServiceRole"},
	{"dhmc", "TrustPolicy-DHMCRole"},
}

// TrustKinds are the kinds of roles that Trust knows: ec2 for an instance
// profile, hybrid for the service role of activations, dhmc for Default Host
// Management.
var TrustKinds = func() (kinds []string) {
	for _, d := range trustDocuments {
		kinds = append(kinds, d.kind)
	}
	return kinds
}()

// Trust is the trust policy of a kind of role. Region and account that the
// target lacks stay placeholders.
func Trust(kind string, t Target) ([]byte, error) {
	for _, d := range trustDocuments {
		if d.kind == kind {
			return t.fillPlaceholders(documentByName(d.name).raw), nil
		}
	}
	return nil, fmt.Errorf("unknown kind of role %q", kind)
}

// fillPlaceholders puts what is known of the target into a carried document.
func (t Target) fillPlaceholders(raw []byte) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		panic("embedded document: " + err.Error())
	}
	pairs := []string{}
	if t.Partition != "" {
		pairs = append(pairs, "arn:aws:", "arn:"+t.Partition+":")
	}
	if t.Region != "" {
		pairs = append(pairs, "REGION", t.Region)
	}
	if t.Account != "" {
		pairs = append(pairs, "ACCOUNT_ID", t.Account)
	}
	return []byte(strings.NewReplacer(pairs...).Replace(out.String()))
}

// Served says how far policies serve a feature.
type Served string

// How far.
const (
	ServedYes     Served = "yes"
	ServedLimited Served = "limited" // for some resources or under a condition only
	ServedNo      Served = "no"
	ServedUnknown Served = "unknown" // a document is missing
)

// Change is a feature or an action whose state differs between two sets of policies.
type Change struct {
	ID       string // feature id or action
	Old, New Served
}

// Lost reports whether the change is known to be for the worse.
func (c Change) Lost() bool { return c.Known() && rankServed(c.New) < rankServed(c.Old) }

// Known reports whether both states are.
func (c Change) Known() bool { return c.Old != ServedUnknown && c.New != ServedUnknown }

// Side is one of two sets of policies.
type Side struct {
	Verdicts   map[string]Verdict // by action
	Incomplete bool               // a document is missing: Unknown may be anything
}

func rankServed(s Served) int {
	return slices.Index([]Served{ServedNo, ServedLimited, ServedYes}, s)
}

// Difference is what a change of policies gains and loses.
type Difference struct {
	Features []Change
	Actions  []Change
}

// Diff compares two sets of policies, such as a role's before and after a
// change, for a Region; empty: not known.
func Diff(region string, before, after Side) Difference {
	var d Difference
	for _, a := range loadMatrix().Actions {
		if x, y := before.rateVerdict(before.Verdicts[a.Action]), after.rateVerdict(after.Verdicts[a.Action]); x != y {
			d.Actions = append(d.Actions, Change{a.Action, x, y})
		}
	}
	for _, f := range loadMatrix().Features {
		if len(f.Of(Mandatory)) == 0 {
			continue
		}
		if x, y := before.rateFeature(f, region), after.rateFeature(f, region); x != y {
			d.Features = append(d.Features, Change{f.ID, x, y})
		}
	}
	return d
}

func (s Side) rateVerdict(v Verdict) Served {
	switch {
	case v == Allow:
		return ServedYes
	case v != Unknown:
		return ServedNo
	case s.Incomplete:
		return ServedUnknown
	}
	return ServedLimited
}

func (s Side) rateFeature(f Feature, region string) Served {
	verdicts := map[string]Verdict{ReadyYes: Allow, ReadyNo: ImplicitDeny, ReadyUnknown: Unknown}
	return s.rateVerdict(verdicts[FeatureReady(f, region, func(a string) Verdict { return s.Verdicts[a] }).Ready])
}
