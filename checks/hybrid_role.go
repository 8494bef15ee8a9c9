package checks

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// HybridRole is hybrid-role.
var HybridRole = register(Check{
	ID: "hybrid-role", Group: "credentials", Title: "The hybrid service role can be used",
	Station: AtCredentials,
	Needs:   []*Check{HybridRegistration, RegistrationFingerprint},
	Causes:  []string{"hybrid-role-broken"},
	Doc:     "A hybrid node works with the service role named in its activation. A role that was deleted or does not trust ssm.amazonaws.com keeps the service from handing out tokens, which the agent logs.",
	Eval: func(n *node.Node) Finding {
		switch n.Identity.Hybrid {
		case node.No:
			return skip("no hybrid registration in use")
		case node.Unknown:
			return unreadHybrid(n)
		}
		read := true
		for _, id := range []string{facts.SigCredsFailed, facts.SigHibernate, facts.SigHealthFailed} {
			m := n.Log.CurrentCredentials(id)
			if id != facts.SigCredsFailed {
				m = n.Log.Current(id)
			}
			read = read && !m.Unread()
			if !m.Yes() || !roleNotAssumed(m.Text) {
				continue
			}
			fd := blocks("hybrid-role-broken", Likely, "the service role of this hybrid node cannot be assumed: it was deleted or does not trust ssm.amazonaws.com").logged(m)
			if role := text.Or(node.RoleInEntry(m.Text), n.RoleInUse()); role != "" {
				fd = fd.say("the service role %s of this hybrid node cannot be assumed: it was deleted or does not trust ssm.amazonaws.com", role).with("role", role)
			}
			return endsWithCredentials(n, fd)
		}
		if !read {
			return unreadLog(n)
		}
		if n.Acceptance.Now == node.Yes {
			return pass("accepted %s with the credentials it gives", n.Ago(n.Acceptance.Proof.At))
		}
		return unknown("no refusal on record, and nothing that was accepted either")
	},
})
