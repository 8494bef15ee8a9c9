package checks

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/causes"
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
		"or role or profile were deleted. Credentials that had already expired when EC2 gave them out are not renewed either; those that AWS does not know belong to a role that was deleted, and perhaps made again under its name. The trust policy itself cannot be read here.",
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
		case code == "Success" && ok && !r.Expires.IsZero() && !r.Expires.After(n.Now()):
			return endedAtTheSource(n, name, p.Name, r, from)
		case code == "Success" && (n.Acceptance.Now == node.No || n.Credentials.Held.Refused.Yes()) && refusedAtTheSource(n):
			return unknownToAWS(n, name, p.Name)
		case code == "Success" && n.Acceptance.Now == node.Unknown && refusedAtTheSource(n):
			return unknown("AWS does not know the credentials of the role %s that are given out, and whether the node is accepted is not known", name)
		case code == "Success" && n.Acceptance.Now != node.Yes && !n.Facts.Permissions.Identities.LookedAt():
			return unknown("credentials of the role %s are given out; whether AWS knows them was not asked", name)
		case code == "Success":
			return pass("credentials of the role %s are given out", name)
		case code == "" && ok:
			return unknown("the metadata service gives no Code for the role %s", name)
		case role.Absent() && role.Reason() == facts.EmptyRoleList:
			return profileWithoutRole(n, p.Name)
		case code == "" && asked(role):
			return notGiven(n, name, p.Name)
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
		case n.Acceptance.Now == node.Yes && n.Credentials.OnDHMC == node.Yes && !n.Log.CurrentCredentials(facts.SigDHMCOff, facts.SigDHMCFailed).Yes():
			return fd.as(Breaks) // it is renewed by Default Host Management, unless that was refused
		}
		return endsWithCredentials(n, fd)
	},
})

// endedAtTheSource is the finding of credentials that had ended when the metadata service
// gave them out, by a clock that is right.
func endedAtTheSource(n *node.Node, name, profile string, r facts.Role, from string) Finding {
	skew, known := n.Facts.Network.Skew.Get()
	switch {
	case !known:
		return unknown("the metadata service gives out credentials of the role %s that ended %s by the clock of this host, which was not compared with that of AWS", name, n.Ago(r.Expires)).failing(Blocks)
	case max(skew, -skew) > 60:
		return unknown("the metadata service gives out credentials of the role %s that ended %s by the clock of this host, which is wrong", name, n.Ago(r.Expires)).failing(Blocks)
	case n.MayBeHybrid():
		return unknown("the metadata service gives out credentials of the role %s that have expired, and whether the node needs them is not known", name)
	}
	fd := blocks("instance-profile-trust-broken", Proven, "the metadata service gives out credentials of the role %s that ended %s: EC2 does not renew them", name, n.Ago(r.Expires)).
		saw("imds GET iam/security-credentials/"+name, "Success, valid until "+text.Stamp(r.Expires), from).with("role", n.Identity.Role, "profile", profile).
		logged(n.Log.CurrentCredentials(facts.SigProfileFailed)).
		fix(causes.AttachProfileAgain...)
	return asFarAsUsed(n, fd)
}

// refusedAtTheSource reports whether AWS does not know the credentials that the metadata
// service gives out: this run signed with them, and nothing was answered.
func refusedAtTheSource(n *node.Node) bool {
	for _, p := range n.Facts.Permissions.Actions.Some() {
		if p.Identity == facts.SourceProfile && (p.Verdict != facts.Inconclusive || p.Code != "" && !node.RefusesKey(p.Code)) {
			return false
		}
	}
	id := n.Called(facts.SourceProfile)
	return id != nil && id.Outcome == facts.CallRefused && node.RefusesKey(id.Code)
}

// unknownToAWS is the finding of such credentials.
func unknownToAWS(n *node.Node, name, profile string) Finding {
	id := n.Called(facts.SourceProfile)
	if n.MayBeHybrid() {
		return unknown("AWS refuses the credentials of the role %s (%s), and whether the node needs them is not known", name, id.Code)
	}
	fd := blocks("instance-profile-trust-broken", Likely, "AWS does not know the credentials that the metadata service gives out for the role %s (%s): the role was deleted, and perhaps made again under its name", name, id.Code).
		saw("sts GetCallerIdentity with the credentials of the instance profile", id.Code, n.Facts.Permissions.Identities.From).with("role", n.Identity.Role, "profile", profile)
	ended := strings.HasPrefix(id.Code, "Expired") // of a role that it knows
	if ended {
		fd = fd.say("for AWS the credentials that the metadata service gives out for the role %s have expired (%s): EC2 does not renew them", name, id.Code)
	} else {
		fd = fd.fix(causes.MakeRoleAgain)
	}
	fd = fd.fix(causes.AttachProfileAgain...)
	if m := n.Credentials.Held.Refused; m.Yes() {
		fd = fd.logged(m)
	}
	if n.OptIn() && !ended {
		fd = fd.sure(Possible).add("; or the account has not enabled the Region %s", n.Identity.Region).and(asFarAsUsed(n, regionMayBeOff(n, id.Code)))
	}
	return asFarAsUsed(n, fd)
}

// profileWithoutRole is the finding of a profile that is attached, and of which the metadata
// service names no role. The agent takes that for a failure, and does not try Default Host
// Management.
func profileWithoutRole(n *node.Node, profile string) Finding {
	if n.MayBeHybrid() {
		return unknown("the instance profile gives no role, and whether the node needs one is not known")
	}
	fd := blocks("instance-profile-trust-broken", Likely, "the instance profile %s gives no credentials: the list of roles of the metadata service is empty, so that the profile holds no role, or is just being taken off", profile).
		saw("imds GET iam/security-credentials/", "200, empty", n.Facts.IMDS.Role.From).with("profile", profile).
		logged(n.Log.CurrentCredentials(facts.SigProfileFailed, facts.SigDHMCSkipped)).
		fix(causes.FillProfile...).fix(causes.AttachProfileAgain...)
	return asFarAsUsed(n, fd)
}

// asked reports whether the metadata service answered a question about the role, and not
// with its credentials.
func asked(role facts.Seen[facts.Role]) bool {
	return role.Absent() || strings.HasPrefix(role.Reason(), "HTTP ") || strings.Contains(role.Reason(), "JSON")
}

// notGiven is the finding of a metadata service that names a role, and gives no credentials
// of it that can be read, which a restart of the agent does not change.
func notGiven(n *node.Node, name, profile string) Finding {
	role := n.Facts.IMDS.Role
	fd := unknown("the metadata service gives no usable credentials of the role %s: %s", name, role.Reason()).
		saw("imds GET iam/security-credentials/"+name, role.Reason(), role.From)
	if n.Credentials.OnProfile != node.Yes || n.Acceptance.Now == node.Yes && n.Credentials.Held.Valid(n.Now()) {
		return fd
	}
	return fd.failing(Blocks).fix(causes.AskRoleAgain...).with("role", n.Identity.Role, "profile", profile)
}

// asFarAsUsed says what a profile without credentials does to a node, which may have others.
func asFarAsUsed(n *node.Node, fd Finding) Finding {
	switch {
	case n.Identity.Hybrid == node.Yes:
		return fd.as(Notes)
	case n.Acceptance.Now == node.Yes && n.Credentials.OnDHMC == node.Yes:
		return fd.as(Breaks)
	}
	return endsWithCredentials(n, fd)
}
