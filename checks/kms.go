package checks

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// Kms is kms.
var Kms = register(Check{
	ID: "kms", Group: "permissions", Title: "The key for sessions can be used",
	Station: AtPermissions,
	Needs:   []*Check{PermissionRegistration},
	Causes:  []string{"kms-access-denied", "vpce-policy-deny"},
	Doc:     "Sessions encrypted with a KMS key need kms:Decrypt for the node's role, in its policies and in the key's. Seen only when a session failed: which key the preferences name is not on the host.",
	Eval: func(n *node.Node) Finding {
		opened := n.Log.Latest(facts.SigSessionOpened)
		for _, r := range n.Refusals.Logged {
			if r.Match == facts.SigKMS && opened.Last.After(r.At) {
				continue // a session that is to be encrypted opens only with its key
			}
			if serviceOf(r.Action) == "kms" && r.Denied && n.Age(r.At) < node.RecentWindow {
				return denial(n, r, "kms-access-denied").as(Breaks).halts("session-kms")
			}
		}
		m := n.Log.Unmended(facts.SigKMS, facts.SigSessionOpened)
		switch {
		case m.Yes() && !n.QuotesAnother(m.Match):
			fd := breaks("kms-access-denied", Likely, "the key that sessions are encrypted with cannot be used by this node").logged(m).
				with("role", n.RoleOf(node.Refusal{}), "action", "kms:Decrypt").halts("session-kms")
			for _, r := range n.Refusals.Logged {
				if r.Match == facts.SigKMS && r.Resource != "" {
					return fd.with("resource", r.Resource)
				}
			}
			return fd
		case n.Log.Read() != node.Yes || n.Refusals.Read != node.Yes:
			return unreadLog(n)
		}
		return skip("no session failed for lack of a key; whether one is set cannot be seen on this host")
	},
})
