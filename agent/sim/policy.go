package sim

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/iam"
)

// policies are the parsed documents of a scenario.
type policies struct {
	identity, boundary, session map[string][]*iam.Policy // by principal
	scp                         [][]*iam.Policy
	endpoint                    map[string][]*iam.Policy // by service
}

// parse reads a document, or the named one.
func (p Policy) parse() (*iam.Policy, error) {
	b := []byte(p)
	if !strings.HasPrefix(strings.TrimSpace(string(p)), "{") {
		var ok bool
		if b, ok = iam.Document(string(p)); !ok {
			return nil, fmt.Errorf("no policy %q", p)
		}
	}
	d, err := iam.ParsePolicy(b)
	if err != nil {
		return nil, err
	}
	if d.Name == "" && len(p) < 100 {
		d.Name = string(p)
	}
	return d, nil
}

func (w *world) parsePolicies() (out policies, err error) {
	one := func(p Policy) []*iam.Policy {
		if p == "" || err != nil {
			return nil
		}
		d, e := p.parse()
		if e != nil {
			err = e
			return nil
		}
		return []*iam.Policy{d}
	}
	out = policies{identity: map[string][]*iam.Policy{}, boundary: map[string][]*iam.Policy{}, session: map[string][]*iam.Policy{}, endpoint: map[string][]*iam.Policy{}}
	for name, p := range w.Principals {
		out.identity[name] = []*iam.Policy{} // a role without policies may do nothing
		for _, d := range p.Policies {
			out.identity[name] = append(out.identity[name], one(d)...)
		}
		out.boundary[name], out.session[name] = one(p.Boundary), one(p.Session)
	}
	if len(w.SCP) > 0 {
		level := one(Allow("*"))
		for _, d := range w.SCP {
			level = append(level, one(d)...)
		}
		out.scp = [][]*iam.Policy{level}
	}
	for _, s := range Services {
		if e, _ := w.endpoint(s); e.Policy != "" {
			out.endpoint[s] = one(e.Policy)
		}
	}
	return out, err
}

// authorize decides a request; an empty message allows it.
func (w *world) authorize(principal, service, action, resource string) (message, verdict string) {
	p := w.Principals[principal]
	l := iam.Layers{Identity: w.policies.identity[principal], Boundary: w.policies.boundary[principal], Session: w.policies.session[principal],
		SCP: w.policies.scp, Endpoint: w.policies.endpoint[service]}
	if p.Kind == KindIdentity {
		l.Identity = []*iam.Policy{} // it may register and ask for a role, nothing else
	}
	node := "arn:" + w.Partition() + ":ec2:" + w.Region + ":" + w.Account + ":instance/" + w.Instance
	d := iam.Evaluate(l, iam.Request{Action: action, Resource: resource, Principal: w.arn(p), ResourceAccount: w.Account, Complete: true,
		Context: map[string][]string{"aws:RequestedRegion": {w.Region}, "aws:SecureTransport": {"true"}, "ec2:SourceInstanceARN": {node}, "ssm:SourceInstanceARN": {node},
			"aws:SourceIp": {w.Address}, "aws:PrincipalType": {"AssumedRole"}}})
	if d.Verdict == iam.Allow {
		return "", "allow"
	}
	head := fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", w.arn(p), action, resource)
	verdict = d.Layer + ":" + string(d.Verdict)
	noun := map[string]string{iam.LayerIdentity: "identity-based policy", iam.LayerBoundary: "permissions boundary", iam.LayerSession: "session policy",
		iam.LayerSCP: "service control policy", iam.LayerEndpoint: "VPC endpoint policy"}[d.Layer]
	switch {
	case w.PlainDenials || noun == "":
		return head, verdict
	case d.Verdict == iam.ExplicitDeny:
		article := "a "
		if d.Layer == iam.LayerIdentity {
			article = "an "
		}
		return head + " with an explicit deny in " + article + noun, verdict
	}
	return head + " because no " + noun + " allows the " + action + " action", verdict
}
