package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// ErrNoRole is returned for a role that is not in the description of an account.
var ErrNoRole = errors.New("no such role")

// ChooseRole finds the role of a node among those of an account: the one that is
// wanted, the only one, or the only one in an instance profile.
func ChooseRole(roles []iam.Role, want string) (iam.Role, error) {
	if want != "" {
		i := slices.IndexFunc(roles, func(r iam.Role) bool { return r.Name == want })
		if i < 0 {
			return iam.Role{}, fmt.Errorf("%w %q in it", ErrNoRole, want)
		}
		return roles[i], nil
	}
	if len(roles) == 1 {
		return roles[0], nil
	}
	var inProfile []iam.Role
	for _, r := range roles {
		if len(r.Profiles) > 0 {
			inProfile = append(inProfile, r)
		}
	}
	if len(inProfile) == 1 {
		return inProfile[0], nil
	}
	return iam.Role{}, fmt.Errorf("holds %d roles, %d of them in an instance profile; name one with --role", len(roles), len(inProfile))
}

// RoleInUse is the role of the node of these facts; empty when none is known.
func RoleInUse(f *facts.Facts) string { return credentials(node.Of(f)).Role }

// endpointNames are services whose endpoints have another name than their actions.
var endpointNames = map[string]string{"monitoring": "cloudwatch", "tagging": "tag"}

// EndpointService is the prefix of the actions that a VPC endpoint serves, by the
// name of the endpoint or the prefix itself. The empty name stands for every endpoint.
func EndpointService(name string) (string, error) {
	service := text.Or(endpointNames[name], name)
	if service != "" && !slices.ContainsFunc(iam.Actions(), func(a iam.Action) bool { return strings.HasPrefix(a.Action, service+":") }) {
		return "", fmt.Errorf("no action of a feature belongs to %q", service)
	}
	return service, nil
}

// fullAccess is what AWS attaches to every level of an organization at first.
// Source: AWS Organizations user guide, "SCP evaluation".
var fullAccess = &iam.Policy{Name: "FullAWSAccess", Version: "2012-10-17", Statements: []iam.Statement{{Sid: "FullAWSAccess", Allow: true, Actions: []string{"*"}, Resources: []string{"*"}}}}

// OrganizationLevel is one level of an organization's policies. Policies that only
// deny say nothing of what is allowed there: they are taken together with the one
// that AWS attaches at first, and completed tells so.
func OrganizationLevel(policies []*iam.Policy) (level []*iam.Policy, completed bool) {
	for _, p := range policies {
		if slices.ContainsFunc(p.Statements, func(s iam.Statement) bool { return s.Allow }) {
			return policies, false
		}
	}
	return append(slices.Clone(policies), fullAccess), true
}

// Report is what the documents say of the features of a node, as far as the node is known.
func (o Offline) Report(version string) *report.Report {
	t := o.Target
	r := &report.Report{Version: version, Node: report.Node{Kind: string(node.KindUnknown), Region: t.Region, Account: t.Account, Partition: t.Partition, GOOS: t.GOOS},
		Credentials: report.Credentials{Source: FromPolicies, Why: "documents given with --policy"}}
	f := &facts.Facts{}
	if o.Facts != nil {
		f = o.Facts
		r.GeneratedAt, r.Redacted, r.Node = f.CollectedAt, f.Redacted, nodeOf(node.Of(f))
	}
	r.Features, r.Permissions = o.Evaluate()
	asked := *f
	asked.Asked = slices.Concat(f.Asked, o.Asked)
	if c := o.deprecated(r.Permissions, node.Of(&asked)); c != nil {
		r.Also = append(r.Also, *c)
	}
	r.Normalize()
	return r
}

// deprecated is the note on AmazonEC2RoleforSSM for documents that are it or grant
// the same; nil for others.
func (o Offline) deprecated(permissions []report.Permission, n *node.Node) *report.Cause {
	verdicts := map[string]iam.Verdict{}
	for _, p := range permissions {
		switch p.Verdict {
		case facts.AllowedPredicted:
			verdicts[p.Action] = iam.Allow
		case facts.DeniedPredicted:
			verdicts[p.Action] = iam.ImplicitDeny
		}
	}
	sign := iam.DeprecatedSignature(func(action string) iam.Verdict { return verdicts[action] })
	named := slices.ContainsFunc(o.Layers.Identity, func(p *iam.Policy) bool { return p.Name == iam.Deprecated })
	if !named && (sign.Policy != iam.Deprecated || !sign.Likely) {
		return nil
	}
	k := causes.Get(checks.PolicyDeprecated.Causes[0])
	c := &report.Cause{ID: k.ID, Group: k.Group, Severity: string(checks.Notes.Severity()), Title: k.Title, Confidence: string(checks.Proven),
		Summary: text.New("AmazonEC2RoleforSSM is among the policies; it is deprecated and allows access to every S3 bucket. Attach the replacements before it is detached")}
	if !named {
		c.Confidence = string(checks.Likely)
		c.Summary = text.New("the documents grant what AmazonEC2RoleforSSM does; that policy is deprecated and allows access to every S3 bucket. Attach the replacements before it is detached")
	}
	for _, s := range checks.MigrationSteps(n) {
		c.Fix = append(c.Fix, report.Step(s.Fill(nil)))
	}
	return c
}
