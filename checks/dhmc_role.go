package checks

import (
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// DhmcRole is dhmc-role.
var DhmcRole = register(Check{
	ID: "dhmc-role", Group: "credentials", Title: "The role of Default Host Management can be used",
	Station: AtCredentials,
	Needs:   []*Check{RegistrationStore},
	Causes:  []string{"dhmc-role-broken"},
	Doc: "When Default Host Management is on, the service assumes a role for the node. A role that is missing, does not trust ssm.amazonaws.com, or lacks the heartbeat's permission shows in the agent's log. " +
		"Which role is set can be asked only with an administrator's credentials.",
	Eval: func(n *node.Node) Finding {
		switch {
		case n.Identity.OnEC2 == node.No, n.Identity.Hybrid == node.Yes:
			return skip("Default Host Management is for EC2 identities")
		case n.Identity.OnEC2 == node.Unknown:
			return unknown("whether this is an EC2 instance is not known")
		case n.Identity.Hybrid == node.Unknown && n.Credentials.OnProfile != node.Yes:
			return unreadHybrid(n)
		}
		read := true
		for _, id := range []string{facts.SigDHMCFailed, facts.SigCredsFailed} {
			m := n.Log.CurrentCredentials(id)
			read = read && !m.Unread()
			if !m.Yes() || strings.Contains(m.Text, "role is not configured") || !roleNotAssumed(m.Text) {
				continue
			}
			if n.Facts.IMDS.Role.Unknown() && !n.Facts.IMDS.Profile.Absent() {
				return unread("role of the instance profile", n.Facts.IMDS.Role)
			}
			if role, ok := n.Facts.IMDS.Role.Get(); ok && role.Name != "" && strings.Contains(m.Text, role.Name) {
				continue
			}
			return endsWithCredentials(n, blocks("dhmc-role-broken", Likely, "Default Host Management is on, but its role cannot be assumed: it is missing or does not trust ssm.amazonaws.com").logged(m))
		}
		id := n.Called(facts.SourceDHMC)
		switch {
		case !read:
			return unreadLog(n)
		case n.Credentials.OnDHMC == node.Yes && id != nil && id.Outcome == facts.CallOK:
			return pass("%s", id.Role)
		case n.Credentials.OnDHMC == node.Yes:
			return pass("in use")
		case n.Credentials.OnDHMC == node.Unknown:
			return unread("runtime configuration", n.Facts.Credentials.Runtime)
		}
		return skip("not in use")
	},
})
