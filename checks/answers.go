package checks

import (
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// This file holds what errors of AWS say that no policy decides: of the account, of the
// instance, of the call.

// accountRefused is the finding of an account that AWS refuses as such; false: it does not.
func accountRefused(n *node.Node) (Finding, bool) {
	r, ok := n.AccountRefused()
	if !ok {
		return Finding{}, false
	}
	c, of := Likely, "the agent's last try"
	if r.Live {
		c, of = Proven, "this run's reads"
	}
	fd := blocks("account-not-enabled", c, "AWS refuses the account %s as such (%s), whatever its policies allow", text.Or(n.Identity.Account, "of this node"), r.Code).
		sawAt(of, strings.TrimSpace(r.Code+": "+text.Cut(r.Text, 200)), r.From, r.At)
	fd.Answered, fd.Stands = true, r.Live // a credential that is not taken would be answered as such
	if n.OptIn() {
		fd = fd.add(", or has not enabled the Region %s for it", n.Identity.Region).fix(causes.EnableRegion)
	}
	return ends(n, time.Time{}, fd.fix(causes.Get(fd.Cause).Fix...)), true
}

// regionMayBeOff is the second way to read a refusal of all credentials, in a Region that an
// account has to enable.
func regionMayBeOff(n *node.Node, code string) Finding {
	return blocks("account-not-enabled", Possible, "the account %s has not enabled the Region %s, or no longer: credentials are refused there (%s) as if they were unknown", text.Or(n.Identity.Account, "of this node"), n.Identity.Region, code).
		saw("sts GetCallerIdentity with the credentials of the instance profile", code, n.Facts.Permissions.Identities.From).
		fix(causes.EnableRegion).fix(causes.Restart...)
}

// isUnknownInstance reports whether the service said that it does not know an instance.
func isUnknownInstance(r facts.Refusal) bool { return strings.HasPrefix(r.Code, "InvalidInstanceI") }

// unknownInstance is the finding of an EC2 instance that Systems Manager does not know.
// Source: Systems Manager API reference, InvalidInstanceId.
func unknownInstance(n *node.Node, failed node.Entry, r facts.Refusal) Finding {
	return unknown("Systems Manager did not know %s at the agent's last try, %s (%s): it does not run in the account and Region that the agent signs for, or was not known there yet", text.Or(n.Identity.ID, "this instance"), n.Ago(failed.Last), r.Code).
		logged(failed).failing(Blocks).fix(causes.SeeInstance, causes.ServiceEvents)
}

// unansweredByReads is the finding of an agent whose last try ended in an error about the
// call itself, which this program does not make: a restart would only meet it again.
func unansweredByReads(n *node.Node, failed node.Entry, r facts.Refusal) Finding {
	if isUnknownInstance(r) && n.Identity.OnEC2 == node.Yes {
		return unknownInstance(n, failed, r)
	}
	return unknown("AWS answered the agent's last try, %s, with %s, and what this run may read does not tell whether it still does", n.Ago(failed.Last), r.Code).
		logged(failed).failing(Blocks).fix(causes.ExplainCode).with("code", r.Code)
}
