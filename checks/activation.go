package checks

import (
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
)

// activationCodes are the errors of RegisterManagedInstance that are about the activation.
// Source: AWS Systems Manager API reference, RegisterManagedInstance is not public;
// the codes are those that the agent logs.
var activationCodes = pattern.New(`(?i)\b(ActivationExpired|ActivationLimitExceeded|RegistrationLimitExceeded|Invalid(Hybrid)?Activation\w*)\b`)

// Activation is activation.
var Activation = register(Check{
	ID: "activation", Group: "identity", Title: "The last registration attempt was not refused",
	Station: AtAgent, Behind: AtCredentials,
	Causes: []string{"activation-rejected"},
	Doc: "Looks for a refused activation in the agent's log: expired, used up, invalid, or made in another Region. The activation itself is not on the host, and a failed attempt " +
		"leaves the vault without an id.",
	Eval: func(n *node.Node) Finding {
		switch {
		case n.Identity.InECS == node.Yes:
			return skip("an ECS task needs no activation")
		case n.Identity.HybridMeant == node.No:
			return skip("an EC2 instance needs no activation")
		case n.Identity.HybridMeant == node.Unknown:
			return unknown("whether this host is meant to have a hybrid registration is not known")
		}
		m := n.Log.Current(facts.SigRegisterFailed)
		key := n.Facts.Registration.Hybrid
		switch {
		case key.Known() && key.Value.Complete():
			return pass("registered as %s", key.Value.InstanceID)
		case m.Unread():
			return unreadLog(n)
		case key.Unknown():
			return unread("registration", key)
		case !m.Yes():
			return skip("no attempt to register is on record")
		}
		code := activationCodes.FindString(m.Text)
		if code == "" {
			return skip("the last attempt to register failed for another reason")
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
		return stops(n, "activation-rejected", Likely, "the hybrid activation %s (%s)", why, code).logged(m)
	},
})
