package checks

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// InstanceProfileTrust is instance-profile-trust.
var InstanceProfileTrust = register(Check{
	ID: "instance-profile-trust", Group: "credentials", Title: "EC2 may assume the role of the instance profile",
	Station: AtCredentials,
	Causes:  []string{"instance-profile-trust-broken"},
	Doc: "The metadata service reports a Code beside a role's credentials. Anything but Success means that EC2 could not assume the role: its trust policy does not name ec2.amazonaws.com, " +
		"or role or profile were deleted. The trust policy itself cannot be read here.",
	Eval: func(n *node.Node) Finding {
		profile, role := n.Facts.IMDS.Profile, n.Facts.IMDS.Role
		switch {
		case n.Identity.OnEC2 == node.No:
			return skip("not an EC2 instance")
		case n.Identity.OnEC2 == node.Unknown:
			return unknown("whether this is an EC2 instance is not known")
		case profile.Absent():
			return skip("no instance profile is attached")
		case profile.Unknown() && !role.Known():
			return unread("instance profile", profile)
		}
		p, _ := profile.Get()
		r, ok := role.Get()
		code, message, from := r.Code, r.Message, role.From
		if !ok && p.Code != "Success" { // which is said of the profile, whatever becomes of its role
			code, message, from = p.Code, p.Message, profile.From
		}
		name := text.Or(n.Identity.Role, "of the instance profile")
		switch {
		case code == "Success":
			return pass("credentials of the role %s are given out", name)
		case code == "" && ok:
			return unknown("the metadata service gives no Code for the role %s", name)
		case code == "":
			return unread("credentials of the role", role)
		case n.MayBeHybrid():
			return unknown("EC2 cannot assume the role %s (%s), and whether the node needs it is not known", name, code)
		}
		fd := blocks("instance-profile-trust-broken", Proven, "EC2 cannot assume the role %s (%s): its trust policy does not allow ec2.amazonaws.com, or the role was deleted", name, code).
			saw("imds GET iam/security-credentials/"+name, strings.TrimSpace(fmt.Sprintf("Code %s %s", code, message)), from).with("role", n.Identity.Role, "profile", p.Name).
			logged(n.Log.CurrentCredentials(facts.SigProfileFailed))
		switch {
		case n.Identity.Hybrid == node.Yes:
			return fd.as(Notes)
		case n.Acceptance.Now == node.Yes && n.Credentials.OnDHMC == node.Yes:
			return fd.as(Breaks)
		}
		return endsWithCredentials(n, fd)
	},
})
