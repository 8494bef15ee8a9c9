package checks

import (
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

var _ = register(Check{
	ID: "permission-registration", Group: "permissions", Title: "The heartbeat is allowed",
	Causes: []string{"iam-missing-registration-action", "iam-explicit-deny", "vpce-policy-deny"},
	Needs: []string{"imds-reachable", "instance-profile-trust", "credential-source", "hybrid-registration", "registration-known", "registration-fingerprint", "hybrid-role", "dhmc-role",
		"clock", "tls-trust", "proxy", "proxy-applied", "dns", "dns-pin", "dns-private", "network-egress"},
	Doc: "ssm:UpdateInstanceInformation makes a host a managed node. It is never called by this program, since it changes what the service shows: its refusals are read from the agent's log, " +
		"with the policy layer their text names, and from refusals of harmless reads that name a layer which would refuse it as well.",
	Eval: func(f *facts.Facts) Finding {
		if p, ok := Managed(f); ok {
			return pass("accepted %s", ago(f, p.At))
		}
		ok := lastSuccess(f)
		for _, r := range loggedRefusals(f) {
			if r.Refusal.Action != heartbeat || !r.Denied || r.NotIAM || !r.At.After(ok.At) || r.byUser() {
				continue
			}
			if readsAllowed(f) && !lately(f, r) {
				// The permission may have been given since.
				return unknown("%s was refused %s, but this run's reads are allowed: whether it still is shows at the agent's next attempt", heartbeat, ago(f, r.At))
			}
			return grounded(f, denial(f, r, "iam-missing-registration-action"))
		}
		// The agent's log may only say that it was refused. A layer that refuses
		// the harmless reads of the same service by not allowing them at all is
		// the likely one.
		failed, is := firstCurrent(f, facts.SigCredsFailed, facts.SigProfileFailed, facts.SigHealthFailed, facts.SigHibernate, facts.SigDHMCSkipped)
		live := liveRefusals(f)
		if n, all := readsDenied(f); n > 0 && all && len(live) > 0 && (is || ok.At.IsZero()) {
			r := live[0]
			if is || r.Layer == iam.LayerEndpoint || r.Layer == iam.LayerSCP {
				fd := denial(f, r, "iam-missing-registration-action")
				fd.Confidence = Likely
				if is {
					fd = fd.logged(failed)
				}
				if is && !strings.Contains(failed.Text, "AccessDenied") {
					fd.Confidence = Possible // the agent met something else then, and has not come this far
				}
				if fd.Cause == "iam-missing-registration-action" {
					fd.Summary = principalName(f, r) + " has no Systems Manager permissions (" + r.Refusal.Action + " is refused as well), so " + heartbeat + " is most likely not allowed"
					fd = fd.with("action", heartbeat)
				}
				return grounded(f, fd)
			}
		}
		if down, tried := coreDown(f); tried && len(down) > 0 && ok.At.IsZero() && onProfile(f) {
			fd := unknown("whether the role may call %s cannot be seen behind the closed endpoint", heartbeat)
			if down[0].Scope != "private" {
				return fd
			}
			// The usual second fault behind a new VPC endpoint: a note, which claims nothing.
			note := Finding{Status: Unknown, Cause: "iam-missing-registration-action", Severity: causes.Info, Confidence: Possible,
				Summary: "whether " + principalName(f, refusal{}) + " may register the node (" + heartbeat + ") cannot be seen yet behind the closed VPC endpoint"}
			fd.More = []Finding{note.saw("connect to "+down[0].Host+":443", tcpState(down[0]), "connect").with("role", RoleName(f)).fix(
				causes.Step{Text: "Once the endpoint is open, check again; until then an operator can ask what the role allows", Where: causes.OperatorCLI,
					Command: "aws iam simulate-principal-policy --policy-source-arn arn:{partition}:iam::{account}:role/{role} --action-names " + heartbeat})}
			return fd
		}
		if source(f) == facts.SourceNone {
			return unknown("no credentials to ask with")
		}
		if !ok.At.IsZero() {
			return pass("accepted %s", ago(f, ok.At))
		}
		return unknown("neither an accepted nor a refused heartbeat is on record")
	},
})

// lately reports whether a refusal is about as old as the latest heartbeat, or
// younger: too new for a permission that was given since.
func lately(f *facts.Facts, r refusal) bool {
	return age(f, r.At) < time.Duration(healthMinutes(f)+1)*time.Minute
}

// grounded makes a refusal of the node a blocking finding, and points it at
// Default Host Management's role where that is the one in use.
func grounded(f *facts.Facts, fd Finding) Finding {
	if n, all := readsDenied(f); n > 0 && !all && !fd.Blocks {
		fd.Summary += " (as of the agent's last attempt)"
	}
	return fd.blocking()
}
