package checks

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "instance-profile-trust", Group: "credentials", Title: "EC2 may assume the role of the instance profile",
	Causes: []string{"instance-profile-trust-broken"},
	Needs:  []string{"imds-reachable"},
	Doc: "The metadata service reports a Code beside a role's credentials. Anything but Success means that EC2 could not assume the role: its trust policy does not name ec2.amazonaws.com, " +
		"or role or profile were deleted. The trust policy itself cannot be read here.",
	Eval: func(f *facts.Facts) Finding {
		if ec2, _ := OnEC2(f); !ec2 {
			return skip("not an EC2 instance")
		}
		if f.IMDS.Profile.Absent() {
			return skip("no instance profile is attached")
		}
		p, _ := f.IMDS.Profile.Get()
		r, ok := f.IMDS.Role.Get()
		if !ok && f.IMDS.Profile.Unknown() {
			return unknown("instance profile: %s", f.IMDS.Role.Reason())
		}
		code, message, from := r.Code, r.Message, f.IMDS.Role.From
		if !ok {
			code, message, from = p.Code, p.Message, f.IMDS.Profile.From
		}
		name := orWord(RoleName(f), "of the instance profile")
		switch code {
		case "Success":
			return pass("credentials of the role %s are given out", name)
		case "":
			return unknown("credentials of the role: %s", f.IMDS.Role.Reason())
		}
		fd := fail("instance-profile-trust-broken", Proven, "EC2 cannot assume the role %s (%s): its trust policy does not allow ec2.amazonaws.com, or the role was deleted", name, code).
			saw("imds GET iam/security-credentials/"+name, strings.TrimSpace(fmt.Sprintf("Code %s %s", code, message)), from).with("role", RoleName(f), "profile", p.Name)
		if m, ok := current(f, facts.SigProfileFailed); ok {
			fd = fd.logged(m)
		}
		if hybridActive(f) {
			return fd.severity(causes.Info)
		}
		if _, managed := Managed(f); managed && onDHMC(f) {
			return fd.severity(causes.Warning)
		}
		return fd.blocking()
	},
})
