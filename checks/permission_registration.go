package checks

import (
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
)

// PermissionRegistration is permission-registration.
var PermissionRegistration = register(Check{
	ID: "permission-registration", Group: "permissions", Title: "The heartbeat is allowed",
	Station: AtPermissions,
	Causes:  []string{"iam-missing-registration-action", "iam-explicit-deny", "vpce-policy-deny", "account-not-enabled"},
	Doc: "ssm:UpdateInstanceInformation makes a host a managed node. It is never called by this program, since it changes what the service shows: its refusals are read from the agent's log, " +
		"with the policy layer their text names, and from refusals of harmless reads that name a layer which would refuse it as well. An account that AWS refuses as such is told by the code of these answers.",
	Eval: func(n *node.Node) Finding {
		if fd, ok := accountRefused(n); ok {
			return fd
		}
		if n.Acceptance.Now == node.Yes {
			if fd, ok := refusedNext(n); ok {
				return fd
			}
			return pass("accepted %s", n.Ago(n.Acceptance.Proof.At))
		}
		switch n.Credentials.Source {
		case "":
			return unknown("what the agent signs with is not known")
		case facts.SourceNone:
			if n.Log.Read() != node.Yes {
				return unreadLog(n)
			}
		}
		if n.Facts.Credentials.Runtime.Unknown() {
			return unread("runtime configuration", n.Facts.Credentials.Runtime) // it may show a later acceptance
		}
		if fd, ok := heartbeatRefused(n); ok {
			return fd
		}
		if fd, ok := layerRefuses(n); ok {
			return fd
		}
		if fd, ok := behindClosedEndpoint(n); ok {
			return fd
		}
		switch {
		case n.Refusals.Read != node.Yes:
			return unreadRefusals(n)
		case n.Credentials.Source == facts.SourceNone:
			return unknown("no credentials to ask with")
		case !n.Acceptance.Last.At.IsZero() && n.Agent.Core == node.Unknown:
			return unknown("accepted %s; whether the agent still runs is not known", n.Ago(n.Acceptance.Last.At))
		case !n.Acceptance.Last.At.IsZero():
			return pass("accepted %s", n.Ago(n.Acceptance.Last.At))
		}
		return unknown("neither an accepted nor a refused heartbeat is on record")
	},
})

// refusedNext is the finding of a node that is accepted, and whose next heartbeat will
// not be: a policy with an explicit deny, or of the organization or the way, refuses
// all that this run asked. A role that lacks the reads alone may still report itself.
func refusedNext(n *node.Node) (Finding, bool) {
	answered, all := n.ReadsDenied()
	if answered == 0 || !all || len(n.Refusals.Live) == 0 || n.Credentials.Held.Replaced == node.Yes {
		return Finding{}, false
	}
	r := n.Refusals.Live[0]
	if !r.Explicit && r.Layer != iam.LayerSCP && r.Layer != iam.LayerEndpoint && r.Layer != iam.LayerBoundary {
		return Finding{}, false
	}
	fd := denial(n, r, "iam-missing-registration-action").sure(Likely).with("action", node.Heartbeat).
		add(", so %s will most likely be refused as well", node.Heartbeat)
	until := time.Time{}
	if m := n.Log.Last(facts.SigHealthOK); m.Yes() {
		until = m.Last.Add(time.Duration(n.Agent.HealthMinutes) * time.Minute)
	}
	return ends(n, until, fd), true
}

// heartbeatRefused is the finding of a heartbeat that AWS refused by name after the
// last acceptance.
func heartbeatRefused(n *node.Node) (Finding, bool) {
	for _, r := range n.Refusals.Logged {
		if r.Action != node.Heartbeat || !r.Denied || r.NotIAM || !r.At.After(n.Acceptance.Last.At) || r.ByUser() {
			continue
		}
		// About as old as the latest heartbeat: too new for a permission that was
		// given since.
		late := n.Age(r.At) < time.Duration(n.Agent.HealthMinutes+1)*time.Minute
		_, asleep := n.Sleeping()
		if asleep == node.Yes && !n.Facts.Permissions.Actions.LookedAt() {
			return unread("this run's own reads", n.Facts.Permissions.Actions), true
		}
		if n.ReadsAllowed() && (!late || asleep == node.Yes) && !againAfterStart(n, r) {
			return unknown("%s was refused %s, but this run's reads are allowed: whether it still is shows at the agent's next attempt", node.Heartbeat, n.Ago(r.At)), true
		}
		if answered, all := n.ReadsDenied(); asleep == node.Yes && answered > 0 && all && len(n.Refusals.Live) > 0 && n.Refusals.Live[0].Layer != r.Layer {
			return Finding{}, false // another policy refuses now: see layerRefuses
		}
		return asOfLastAttempt(n, denial(n, r, "iam-missing-registration-action")), true
	}
	return Finding{}, false
}

// againAfterStart reports whether an agent was refused before its last start and after it: what
// this run may read then does not show that it no longer is, as where a policy allows only reads.
func againAfterStart(n *node.Node, r node.Refusal) bool {
	m := n.Log.Last(r.Match)
	return m.Yes() && m.Last.Equal(r.At) && !m.Before.IsZero() && n.Log.StartedAfter(facts.Match{Last: m.Before}) && !n.Log.StartedAfter(m.Match)
}

// layerRefuses is the finding of an agent whose log says only that it was refused:
// a layer that refuses all harmless reads of the same service is the likely one.
func layerRefuses(n *node.Node) (Finding, bool) {
	failed := n.Log.Current(facts.SigCredsFailed, facts.SigProfileFailed, facts.SigHealthFailed, facts.SigHibernate, facts.SigDHMCSkipped)
	live := n.Refusals.Live
	answered, all := n.ReadsDenied()
	if answered == 0 || !all || len(live) == 0 || !failed.Yes() && (failed.Unread() || !n.Acceptance.Last.At.IsZero()) {
		return Finding{}, false
	}
	r := live[0]
	if !failed.Yes() && r.Layer != iam.LayerEndpoint && r.Layer != iam.LayerSCP {
		return Finding{}, false
	}
	fd := denial(n, r, "iam-missing-registration-action").sure(Likely).logged(failed)
	if failed.Yes() && !strings.Contains(failed.Text, "AccessDenied") {
		fd = fd.sure(Possible) // the agent met something else then, and has not come this far
	}
	if fd.Cause == "iam-missing-registration-action" {
		fd = fd.say("%s has no Systems Manager permissions (%s is refused as well), so %s is most likely not allowed", principalName(n, r), r.Action, node.Heartbeat).
			with("action", node.Heartbeat)
	}
	return asOfLastAttempt(n, fd), true
}

// behindClosedEndpoint says that rights cannot be seen where no endpoint can be
// reached. The usual second fault behind a new VPC endpoint is a note, which
// claims nothing.
func behindClosedEndpoint(n *node.Node) (Finding, bool) {
	down := n.Endpoints.Down
	if len(down) == 0 || !n.Acceptance.Last.At.IsZero() || n.Credentials.OnProfile != node.Yes {
		return Finding{}, false
	}
	fd := unknown("whether the role may call %s cannot be seen behind the closed endpoint", node.Heartbeat)
	if down[0].Scope != "private" {
		return fd, true
	}
	note := notes("iam-missing-registration-action", Possible, "whether %s may register the node (%s) cannot be seen yet behind the closed VPC endpoint", principalName(n, node.Refusal{}), node.Heartbeat).
		saw("connect to "+down[0].Host+":443", tcpState(down[0]), "connect").with("role", n.Identity.Role).
		fix(causes.Step{Text: "Once the endpoint is open, check again; until then an operator can ask what the role allows", Where: causes.OperatorCLI,
			Command: "aws iam simulate-principal-policy --policy-source-arn arn:{partition}:iam::{account}:role/{role} --action-names " + node.Heartbeat})
	return fd.and(note), true
}

// asOfLastAttempt says that a refusal is that of the agent's last attempt, where
// this run's own reads were answered otherwise.
func asOfLastAttempt(n *node.Node, fd Finding) Finding {
	if answered, all := n.ReadsDenied(); answered > 0 && !all {
		return fd.add(" (as of the agent's last attempt)")
	}
	return fd
}
