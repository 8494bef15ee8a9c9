package checks

import (
	"strings"

	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "dhmc-role", Group: "credentials", Title: "The role of Default Host Management can be used",
	Causes: []string{"dhmc-role-broken"},
	Needs:  []string{"imds-reachable", "agent-installed", "registration-store"},
	Doc: "When Default Host Management is on, the service assumes a role for the node. A role that is missing, does not trust ssm.amazonaws.com, or lacks the heartbeat's permission shows in the agent's log. " +
		"Which role is set can be asked only with an administrator's credentials.",
	Eval: func(f *facts.Facts) Finding {
		if ec2, _ := OnEC2(f); !ec2 || hybridActive(f) {
			return skip("Default Host Management is for EC2 identities")
		}
		for _, id := range []string{facts.SigDHMCFailed, facts.SigCredsFailed} {
			m, ok := current(f, id)
			if ok && !strings.Contains(m.Text, "role is not configured") && roleBroken(m.Text) {
				if role, ok := f.IMDS.Role.Get(); ok && role.Name != "" && strings.Contains(m.Text, role.Name) {
					continue
				}
				return fail("dhmc-role-broken", Likely, "Default Host Management is on, but its role cannot be assumed: it is missing or does not trust ssm.amazonaws.com").logged(m)
			}
		}
		if onDHMC(f) {
			if id := identity(f, facts.SourceDHMC); id != nil && id.Outcome == "ok" {
				return pass("%s", id.Role)
			}
			return pass("in use")
		}
		return skip("not in use")
	},
})

func roleBroken(text string) bool {
	low := strings.ToLower(text)
	return strings.Contains(low, "unable to assume role") || strings.Contains(low, "unable to assume the role") || strings.Contains(low, "cannot assume role") || strings.Contains(low, "sts:assumerole")
}

// identity is the answer of GetCallerIdentity for a source; nil when it was not asked.
func identity(f *facts.Facts, source string) *facts.Identity {
	for i := range f.Permissions.Identities {
		if f.Permissions.Identities[i].Source == source {
			return &f.Permissions.Identities[i]
		}
	}
	return nil
}
