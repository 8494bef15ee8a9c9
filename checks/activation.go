package checks

import (
	"regexp"
	"strings"

	"ssm-doctor/checks/facts"
)

var reActivation = regexp.MustCompile(`(?i)\b(ActivationExpired|ActivationLimitExceeded|RegistrationLimitExceeded|Invalid(Hybrid)?Activation\w*)\b`)

var _ = register(Check{
	ID: "activation", Group: "identity", Title: "The last registration attempt was not refused",
	Causes: []string{"activation-rejected"},
	Needs:  []string{"agent-installed", "clock", "tls-trust", "dns", "network-egress", "proxy"},
	Doc: "Looks for a refused activation in the agent's log: expired, used up, invalid, or made in another Region. The activation itself is not on the host, and a failed attempt " +
		"leaves the vault without an id.",
	Eval: func(f *facts.Facts) Finding {
		if !hybridMeant(f) {
			return skip("an EC2 instance needs no activation")
		}
		m, ok := current(f, facts.SigRegisterFailed)
		if !ok {
			return pass("no refused registration on record")
		}
		if k, ok := f.Registration.Hybrid.Get(); ok && k.Complete() {
			return pass("registered as %s", k.InstanceID)
		}
		code := reActivation.FindString(m.Text)
		if code == "" {
			return pass("the last attempt failed for another reason")
		}
		why := "is not accepted"
		switch low := strings.ToLower(code); {
		case strings.Contains(low, "expired"):
			why = "has expired"
		case strings.Contains(low, "limit"):
			why = "is used up: its limit of registrations is reached"
		case strings.HasPrefix(low, "invalid"):
			why = "is invalid: mistyped, deleted, or made in another Region or account"
		}
		return fail("activation-rejected", Likely, "the hybrid activation %s (%s)", why, code).logged(m)
	},
})
