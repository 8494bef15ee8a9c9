package checks

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
)

// roleInEntry finds the role's name, without its path, which no command takes.
var roleInEntry = pattern.New(`(?i)assume (?:the )?role:? (?:arn:\S*?:role/)?(?:[^\s:/]+/)*([A-Za-z0-9+=,.@_-]{0,63}[A-Za-z0-9+=@_-])`)

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
			if r := roleInEntry.FindStringSubmatch(m.Text); r != nil {
				fd = fd.say("the service role %s of this hybrid node cannot be assumed: it was deleted or does not trust ssm.amazonaws.com", r[1]).with("role", r[1])
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
