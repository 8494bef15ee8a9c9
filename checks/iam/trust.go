package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// TrustKinds are the roles that Trust knows.
var TrustKinds = []string{"ec2", "hybrid", "dhmc"}

// Trust is the trust policy of a role: ec2 for an instance profile, hybrid for
// the service role of activations, dhmc for Default Host Management. Region and
// account that the target lacks stay placeholders.
func Trust(kind string, t Target) ([]byte, error) {
	name := map[string]string{"ec2": "TrustPolicy-EC2InstanceRole", "hybrid": "TrustPolicy-HybridServiceRole", "dhmc": "TrustPolicy-DHMCRole"}[kind]
	d := documentByName(name)
	if d == nil {
		return nil, fmt.Errorf("unknown kind of role %q", kind)
	}
	return t.fill(d.raw), nil
}

// fill puts what is known of the target into a carried document.
func (t Target) fill(raw []byte) []byte {
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
)

// Change is a feature or an action whose state differs between two sets of policies.
type Change struct {
	ID       string // feature id or action
	Old, New Served
}

// Lost reports whether the change is for the worse.
func (c Change) Lost() bool { return servedRank(c.New) < servedRank(c.Old) }

func servedRank(s Served) int {
	return slices.Index([]Served{ServedNo, ServedLimited, ServedYes}, s)
}

// Difference is what a change of policies gains and loses.
type Difference struct {
	Features []Change
	Actions  []Change
}

// Diff compares two sets of layers, such as a role's policies before and after
// a change. A layer that is nil on one side counts as not there.
func Diff(before, after Layers) Difference {
	var d Difference
	verdicts := func(l Layers) map[string]Verdict {
		out := map[string]Verdict{}
		for _, a := range loadMatrix().Actions {
			out[a.Action] = Evaluate(l, requestFor(a)).Verdict
		}
		return out
	}
	o, n := verdicts(before), verdicts(after)
	for _, a := range loadMatrix().Actions {
		if x, y := served(o[a.Action]), served(n[a.Action]); x != y {
			d.Actions = append(d.Actions, Change{a.Action, x, y})
		}
	}
	for _, f := range loadMatrix().Features {
		if len(f.Of(Mandatory)) == 0 {
			continue
		}
		if x, y := servesFeature(f, o), servesFeature(f, n); x != y {
			d.Features = append(d.Features, Change{f.ID, x, y})
		}
	}
	return d
}

func served(v Verdict) Served {
	switch v {
	case Allow:
		return ServedYes
	case Unknown:
		return ServedLimited
	}
	return ServedNo
}

func servesFeature(f Feature, verdicts map[string]Verdict) Served {
	r := FeatureReady(f, func(a string) Verdict { return verdicts[a] })
	switch r.Ready {
	case ReadyYes:
		return ServedYes
	case ReadyNo:
		return ServedNo
	}
	return ServedLimited
}
