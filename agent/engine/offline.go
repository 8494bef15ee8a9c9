package engine

import (
	"fmt"
	"slices"
	"strings"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Offline says what documents grant, without a request.
type Offline struct {
	Layers iam.Layers
	// Endpoints are VPC endpoint policies by service, as in actions; those under
	// "" stand before every service.
	Endpoints map[string][]*iam.Policy
	// Target is the node that the documents are for, as far as it is known.
	Target iam.Target
	// Facts of the node; nil: none.
	Facts *facts.Facts
	// Asked are features of interest besides those in use.
	Asked []string
	// Principal is the ARN of who asks; empty: not known.
	Principal string
	// Incomplete names policies of the role whose documents are missing.
	Incomplete []string
	// ResourceUnknown: whose the resources are is not known, so that a resource control
	// policy of this organization may not reach them.
	ResourceUnknown bool
}

// FromPolicies is the identity of verdicts that come from documents.
const FromPolicies = "policies"

// decide judges an action, by the endpoint policy of its service.
func (o Offline) decide(a iam.Action) (iam.Request, iam.Decision) {
	r := o.request(a)
	service, _, _ := strings.Cut(a.Action, ":")
	l := o.Layers
	if p, ok := o.Endpoints[service]; ok {
		l.Endpoint = p
	} else if p, ok := o.Endpoints[""]; ok {
		l.Endpoint = p
	}
	d := iam.Evaluate(l, r)
	if o.ResourceUnknown && d.Layer == iam.LayerRCP && d.Verdict != iam.Allow {
		d.Verdict = iam.Unknown
		d.Why += ", for resources of this organization"
	}
	// A missing document may grant what the others do not, or deny it.
	if v := d.Verdict; len(o.Incomplete) > 0 && v != iam.ExplicitDeny && !(v == iam.ImplicitDeny && d.Layer != iam.LayerIdentity && d.Layer != iam.LayerBoundary) {
		d.Verdict = iam.Unknown
		d.Why += "; not supplied: " + strings.Join(o.Incomplete, ", ")
	}
	return r, d
}

// Side is what the documents say of every action, for a comparison.
func (o Offline) Side() iam.Side {
	s := iam.Side{Verdicts: map[string]iam.Verdict{}, Incomplete: len(o.Incomplete) > 0}
	for _, a := range iam.Actions() {
		_, d := o.decide(a)
		s.Verdicts[a.Action] = d.Verdict
	}
	return s
}

// Evaluate fills the features and permissions of a report from documents.
func (o Offline) Evaluate() ([]report.Feature, []report.Permission) {
	verdicts := map[string]iam.Verdict{}
	var permissions []report.Permission
	for _, a := range iam.Actions() {
		r, d := o.decide(a)
		v := d.Verdict
		verdicts[a.Action] = v
		p := report.Permission{Action: a.Action, Identity: FromPolicies, Layer: d.Layer, Resource: r.Resource, Evidence: d.Why}
		switch v {
		case iam.Allow:
			p.Verdict = facts.AllowedPredicted
		case iam.Unknown:
			p.Verdict = facts.Inconclusive
		default:
			p.Verdict = facts.DeniedPredicted
		}
		if d.Statement != "" {
			p.Evidence += fmt.Sprintf(" (%s, %s)", text.Or(d.PolicyName, "unnamed policy"), d.Statement)
		}
		permissions = append(permissions, p)
	}
	f := o.Facts
	if f == nil {
		f = &facts.Facts{}
	}
	used := node.Of(f).InUse()
	for _, id := range o.Asked {
		used[id] = "asked for"
	}
	var features []report.Feature
	for _, ft := range iam.Features() {
		if ft.JudgesProfile() && o.Target.Source == iam.SourceHybrid {
			continue // a hybrid node has no instance profile
		}
		if !ft.AppliesTo(o.Target.Source, o.Target.GOOS) && !slices.Contains(f.Asked, ft.ID) && !slices.Contains(o.Asked, ft.ID) {
			continue
		}
		features = append(features, feature(ft.ForRole(o.Target.Source), used, o.Target.Region, func(action string) iam.Verdict { return verdicts[action] }))
	}
	return features, permissions
}

// request asks for an action on the resource of the node, where it is known.
func (o Offline) request(a iam.Action) iam.Request {
	t := o.Target
	partition := text.Or(t.Partition, "aws")
	r := iam.Request{Action: a.Action, Principal: o.Principal, Context: map[string][]string{"aws:SecureTransport": {"true"}}}
	if len(a.ResourceTypes) == 0 {
		r.Resource = "*"
	}
	if t.Region != "" {
		r.Context["aws:RequestedRegion"] = []string{t.Region}
		r.Context["ec2:Region"] = []string{t.Region}
	}
	if t.Account != "" {
		r.Context["aws:PrincipalAccount"] = []string{t.Account}
	}
	if o.Facts == nil {
		return r
	}
	id := node.Of(o.Facts).Identity.ID
	arn := ""
	switch {
	case t.Region == "" || t.Account == "" || id == "":
	case strings.HasPrefix(id, "mi-"):
		arn = "arn:" + partition + ":ssm:" + t.Region + ":" + t.Account + ":managed-instance/" + id
		r.Context["ssm:SourceInstanceARN"] = []string{arn}
	default:
		arn = "arn:" + partition + ":ec2:" + t.Region + ":" + t.Account + ":instance/" + id
		r.Context["ec2:SourceInstanceARN"] = []string{arn}
	}
	if len(a.ResourceTypes) > 0 && !slices.ContainsFunc(a.ResourceTypes, func(t string) bool { return t != "instance" && t != "managed-instance" }) {
		r.Resource = arn
	}
	return r
}

// TargetOf is a node as a target for policies.
func TargetOf(n *node.Node) iam.Target {
	t := iam.Target{Partition: n.Identity.Partition, Region: n.Identity.Region, Account: n.Identity.Account, Source: n.FeatureSource(), GOOS: n.Facts.Host.GOOS}
	if out, ok := n.Facts.Agent.Output.Get(); ok {
		t.Buckets, t.LogGroups = out.Buckets, out.LogGroups
	}
	return t
}
