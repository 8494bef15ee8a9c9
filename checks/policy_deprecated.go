package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "policy-deprecated", Group: "permissions", Title: "The role does not carry the deprecated AmazonEC2RoleforSSM",
	Causes: []string{"policy-deprecated"},
	Doc: "AmazonEC2RoleforSSM allows far more than a node needs, among it reading and writing every S3 bucket and parameter of the account. The host cannot list its role's policies; " +
		"the combination of actions that only this policy gives tells it, where those actions were seen or asked for (--probe deprecated). It never changes the state of the node.",
	Eval: func(f *facts.Facts) Finding {
		role := orWord(RoleName(f), "of this node")
		sign := map[string]facts.Permission{}
		for _, p := range f.Permissions.Actions {
			if p.Identity == source(f) && (p.Verdict == facts.AllowedProven || p.Verdict == facts.DeniedProven) {
				sign[p.Action] = p
			}
		}
		has := func(action string) (yes, known bool) {
			p, ok := sign[action]
			return ok && p.Verdict == facts.AllowedProven, ok
		}
		status, asked := has("ec2:DescribeInstanceStatus")
		if !asked {
			return skip("not asked: --probe deprecated looks for its signs, permissions --policy tells offline")
		}
		if !status {
			return pass("ec2:DescribeInstanceStatus is denied, which that policy allows")
		}
		many, _ := has("ssm:GetParameters")
		one, oneKnown := has("ssm:GetParameter")
		tags, tagsKnown := has("ec2:DescribeTags")
		if !many || tags || !tagsKnown || !oneKnown {
			return unknown("the signs do not decide: ec2:DescribeInstanceStatus is allowed, others do not match that policy alone")
		}
		c, how := Likely, "alone"
		if one {
			c, how = Possible, "together with AmazonSSMManagedInstanceCore"
		}
		fd := warn("policy-deprecated", c, "the role %s allows what AmazonEC2RoleforSSM does, %s; that policy is deprecated and opens every S3 bucket", role, how).
			severity(causes.Info).with("role", RoleName(f))
		for _, a := range []string{"ec2:DescribeInstanceStatus", "ssm:GetParameters", "ssm:GetParameter", "ec2:DescribeTags"} {
			if p, ok := sign[a]; ok {
				fd = fd.sawAt(a, p.Verdict, p.From, p.At)
			}
		}
		return fd
	},
})
