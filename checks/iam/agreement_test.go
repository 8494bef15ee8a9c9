package iam

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/packaging/gen/golden"
)

// carrier is an identity that a document is attached to, alone.
type carrier struct{ name, principal, node, key string }

var carriers = []carrier{
	{"instance profile", "arn:aws:sts::111122223333:assumed-role/NodeRole/i-0123456789abcdef0", "arn:aws:ec2:eu-west-1:111122223333:instance/i-0123456789abcdef0", "ec2:SourceInstanceARN"},
	{"Default Host Management role", "arn:aws:sts::111122223333:assumed-role/AWSSystemsManagerDefaultEC2InstanceManagementRole/i-0123456789abcdef0", "arn:aws:ec2:eu-west-1:111122223333:instance/i-0123456789abcdef0", "ec2:SourceInstanceARN"},
	{"hybrid service role", "arn:aws:sts::111122223333:assumed-role/HybridRole/mi-0123456789abcdef0", "arn:aws:ssm:eu-west-1:111122223333:managed-instance/mi-0123456789abcdef0", "ssm:SourceInstanceARN"},
}

// ask is a request for an action as the node would make it; the resource is
// empty where it depends on what is configured.
func (c carrier) ask(a Action) Request {
	r := Request{Action: a.Action, Principal: c.principal, Context: map[string][]string{"aws:RequestedRegion": {"eu-west-1"}, "aws:SecureTransport": {"true"}, c.key: {c.node}}}
	has := func(kind string) bool { return slices.Contains(a.ResourceTypes, kind) }
	switch {
	case len(a.ResourceTypes) == 0:
		r.Resource = "*"
	case strings.HasPrefix(a.Action, "ssm:") && has("parameter"):
		r.Resource = "arn:aws:ssm:eu-west-1:111122223333:parameter/app/key"
	case strings.HasPrefix(a.Action, "ssm:") && has("managed-instance"):
		r.Resource = c.node
	case a.Action == "ssm:GetDocument" || a.Action == "ssm:DescribeDocument":
		r.Resource = "arn:aws:ssm:eu-west-1::document/AWS-RunShellScript"
	case strings.HasPrefix(a.Action, "s3:") && has("bucket"):
		r.Resource = "arn:aws:s3:::my-bucket"
	case strings.HasPrefix(a.Action, "s3:"):
		r.Resource = "arn:aws:s3:::my-bucket/key"
	}
	return r
}

// TestGoldenAgreement writes down what each carried document, attached alone to each
// kind of role, lets a node do. Simulated and real answers are held against it.
func TestGoldenAgreement(t *testing.T) {
	t.Parallel()
	var docs []document
	for _, d := range loadDocuments() {
		if d.Kind != "trust" {
			docs = append(docs, d)
		}
	}
	var b strings.Builder
	b.WriteString("A allow, D explicit deny, ? depends on a resource or value that is not known, . implicit deny\n\n")
	for i, d := range docs {
		fmt.Fprintf(&b, "%2d %s\n", i+1, d.Name)
	}
	mark := map[Verdict]string{Allow: "A", ExplicitDeny: "D", ImplicitDeny: ".", Unknown: "?"}
	for _, c := range carriers {
		fmt.Fprintf(&b, "\n%-50s", c.name)
		for i := range docs {
			fmt.Fprintf(&b, "%3d", i+1)
		}
		b.WriteString("\n")
		for _, a := range Actions() {
			fmt.Fprintf(&b, "%-50s", a.Action)
			for _, d := range docs {
				fmt.Fprintf(&b, "%3s", mark[Evaluate(Layers{Identity: []*Policy{d.Policy}}, c.ask(a)).Verdict])
			}
			b.WriteString("\n")
		}
	}
	golden.File(t, "testdata/agreement.txt", []byte(b.String()))
}

// TestAgreementGrants: what the action table calls granted everywhere is
// allowed whatever role carries the document.
func TestAgreementGrants(t *testing.T) {
	t.Parallel()
	for _, c := range carriers {
		for _, a := range Actions() {
			for _, code := range Codes() {
				v := Evaluate(Layers{Identity: []*Policy{documentByName(code.Name).Policy}}, c.ask(a)).Verdict
				switch g, ok := a.GrantedBy[code.Name]; {
				case g.Scope == "all" && v != Allow, !ok && v != ImplicitDeny:
					t.Errorf("%s: %s in %s is %s", c.name, a.Action, code.Name, v)
				}
			}
		}
	}
}
