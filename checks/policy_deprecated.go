package checks

import (
	"maps"
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// PolicyDeprecated is policy-deprecated.
var PolicyDeprecated = register(Check{
	ID: "policy-deprecated", Group: "permissions", Title: "The role does not carry the deprecated AmazonEC2RoleforSSM",
	Causes: []string{"policy-deprecated"},
	Doc: "AmazonEC2RoleforSSM allows far more than a node needs, among it reading and writing every S3 bucket and parameter of the account. The host cannot list its role's policies; " +
		"it is recognised by a combination of actions that only this policy allows, where those actions were seen or asked for (--probe deprecated). It never changes the state of the node.",
	Eval: func(n *node.Node) Finding {
		if n.Credentials.Source == "" {
			return unknown("what the agent signs with is not known")
		}
		rights := n.Rights()
		sign := iam.DeprecatedSignature(node.ShapeOf(rights, n.Credentials.Source))
		role := text.Or(n.Identity.Role, "of this node")
		switch {
		case sign.Excluded && sign.Policy != "":
			return pass("the role %s allows what %s does, not what AmazonEC2RoleforSSM does", role, sign.Policy)
		case sign.Excluded:
			return pass("ec2:DescribeInstanceStatus is denied, which that policy allows")
		case n.Facts.Permissions.Actions.Unknown():
			return unread("this run's own reads", n.Facts.Permissions.Actions)
		case slices.Contains(sign.Missing, iam.SignatureActions[0]):
			return skip("not asked: --probe deprecated looks for its signs, permissions --policy tells offline")
		case sign.Policy == "" && len(sign.Missing) == 0:
			return unknown("the signs do not decide: the role %s has the shape of no known policy", role)
		case sign.Policy == "":
			return unknown("the signs do not decide: nothing is known of %s", strings.Join(sign.Missing, ", "))
		case sign.Policy != iam.Deprecated:
			return pass("the role %s allows what %s does", role, sign.Policy)
		case !sign.Likely && len(sign.Or) > 1:
			// Any broad role looks like this.
			return unknown("the role %s allows what AmazonEC2RoleforSSM with %s does, and so would %s", role, strings.Join(sign.With, " and "), strings.Join(sign.Or, ", "))
		}
		c, how := Likely, "alone"
		if len(sign.With) > 0 {
			how = "together with " + strings.Join(sign.With, " and ")
		}
		if !sign.Likely {
			c, how = Possible, how+"; "+strings.Join(sign.Or, " or ")+" would look the same"
		}
		fd := notes("policy-deprecated", c, "the role %s allows what AmazonEC2RoleforSSM does, %s; that policy is deprecated and allows access to every S3 bucket", role, how).
			with("role", n.Identity.Role).fix(MigrationSteps(n)...)
		for _, a := range iam.SignatureActions {
			for _, p := range rights {
				if p.Action == a && p.Identity == n.Credentials.Source {
					fd = fd.sawAt(a, p.Verdict, p.From, p.At)
				}
			}
		}
		return fd
	},
})

// MigrationSteps are the way off the deprecated policy for the features in use:
// attach, check, detach, check.
func MigrationSteps(n *node.Node) []causes.Step {
	used := n.InUse()
	plan := iam.Migration(slices.Sorted(maps.Keys(used)))
	var steps []causes.Step
	for _, r := range plan.Attach {
		what := strings.Join(r.Features, ", ")
		if what == "" {
			what = "registration, commands and sessions"
		}
		if r.Managed {
			steps = append(steps, causes.Step{Text: "Attach " + r.Policy + " (" + what + ")", Where: causes.OperatorCLI,
				Command: "aws iam attach-role-policy --role-name {role} --policy-arn " + iam.PolicyARN(r.Policy, n.Identity.Partition)})
			continue
		}
		steps = append(steps, causes.Step{Text: "Print a policy for " + what + " and put it on the role", Where: causes.OnHost,
			Command: "ssm-doctor permissions --minimal --feature " + strings.Join(r.Features, ",")})
	}
	return append(steps,
		causes.Step{Text: "Check again with the replacements in place; applications on the host that used the old policy's rights to S3 buckets, logs or directories need grants of their own", Command: "ssm-doctor check --probe deprecated", Where: causes.OnHost},
		causes.Step{Text: "Then detach the old policy; it may not be attachable again", Where: causes.OperatorCLI,
			Command: "aws iam detach-role-policy --role-name {role} --policy-arn " + iam.PolicyARN(iam.Deprecated, n.Identity.Partition)},
		causes.Step{Text: "Check once more", Command: "ssm-doctor check --wait 5m", Where: causes.OnHost})
}
