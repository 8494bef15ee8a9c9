package checks

import "ssm-doctor/checks/facts"

var _ = register(Check{
	ID: "hybrid-role", Group: "credentials", Title: "The hybrid service role can be used",
	Causes: []string{"hybrid-role-broken"},
	Needs:  []string{"hybrid-registration", "registration-known", "registration-fingerprint", "clock", "tls-trust", "network-egress"},
	Doc:    "A hybrid node works with the service role named in its activation. A role that was deleted or does not trust ssm.amazonaws.com keeps the service from handing out tokens, which the agent logs.",
	Eval: func(f *facts.Facts) Finding {
		if !hybridActive(f) {
			return skip("no hybrid registration in use")
		}
		for _, id := range []string{facts.SigCredsFailed, facts.SigHibernate, facts.SigHealthFailed} {
			if m, ok := current(f, id); ok && roleBroken(m.Text) {
				fd := fail("hybrid-role-broken", Likely, "the service role of this hybrid node cannot be assumed: it was deleted or does not trust ssm.amazonaws.com").logged(m)
				if r := reRoleName.FindStringSubmatch(m.Text); r != nil {
					fd = fd.with("role", r[1])
					fd.Summary = "the service role " + r[1] + " of this hybrid node cannot be assumed: it was deleted or does not trust ssm.amazonaws.com"
				}
				return fd
			}
		}
		return pass("no refusal on record")
	},
})
