package checks

import (
	"fmt"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// AgentBackoff is agent-backoff.
var AgentBackoff = register(Check{
	ID: "agent-backoff", Group: "agent", Title: "The agent is awake and does not wait for its next try",
	Station: AtAgent, Behind: AtAcceptance,
	Needs:  []*Check{AgentStable, CredentialsFresh},
	Causes: []string{"agent-backoff-wait"},
	Doc: "After a refusal the agent sleeps up to 30 minutes, after other errors up to 60, or as long as its configuration allows, and from the fourth failure on its log says nothing at the default level. When nothing stands in the way any more, " +
		"a restart makes it try at once. Only the retry shows whether the node is accepted then.",
	Eval: func(n *node.Node) Finding {
		switch {
		case n.Agent.Core == node.No:
			return skip("the agent does not run")
		case n.Acceptance.Now == node.Yes:
			return pass("awake, accepted %s", n.Ago(n.Acceptance.Proof.At))
		case n.Agent.Core == node.Unknown:
			return unread("processes", n.Facts.Agent.Processes)
		}
		failed := n.Log.Last(n.Acceptance.Failed.ID)
		switch {
		case failed.Unread():
			return unreadLog(n)
		case !failed.Yes():
			return skip("no failure on record")
		case n.Log.StartedAfter(failed.Match):
			return skip("the agent was started after its last failure")
		case n.Acceptance.Last.At.After(failed.Last) && n.Log.Read() != node.Yes:
			return unreadLog(n) // a later failure may be in the part that was not read
		case n.Acceptance.Last.At.After(failed.Last):
			return pass("accepted after its last failure")
		case n.Log.Read() != node.Yes: // nor may an acceptance
			return unreadLog(n)
		}
		return judgeSleep(n, failed)
	},
})

// judgeSleep tells whether an agent whose latest attempt failed waits, and whether
// anything but that wait is left.
func judgeSleep(n *node.Node, failed node.Entry) Finding {
	if fd, stands := faultMayStand(n); stands {
		return fd
	}
	if r, ok := n.QuotedBy(failed.Match); ok && !node.AnsweredByReads(r) {
		return unansweredByReads(n, failed, r)
	}
	b, sleeping := n.Sleeping()
	_, longest := n.RetryCap()
	if failed.ID == facts.SigHibernate {
		longest = n.HibernationCap()
	}
	until := failed.Last.Add(longest) // from the fourth failure on a sleep is not announced
	switch {
	case sleeping == node.Yes:
		until = b.Until
	case n.Agent.Worker == node.No && until.After(n.Now()):
	case sleeping == node.Unknown:
		return unread("announced sleep", n.Facts.Log.Backoff)
	case n.Agent.Worker == node.Unknown:
		return unread("processes", n.Facts.Agent.Processes)
	default:
		return skip("not asleep")
	}
	when := text.New("within %s of its last failure, that is before %s", text.Span(longest), n.ClockTime(until))
	if sleeping == node.Yes {
		when = text.New("at %s, in %s", n.ClockTime(until), text.Span(until.Sub(n.Now())))
	}
	says := notes
	if sleeping == node.Yes && failed.ID == facts.SigHibernate && b.Seconds >= time.Hour.Seconds() {
		says = blocks // its tries never come closer again, and those of the last hours did not help
	}
	fd := says("agent-backoff-wait", Likely, "the agent still sleeps after an earlier failure and retries %s; wait, or restart it", when).
		logged(failed).with("until", n.ClockTime(until))
	if sleeping == node.Yes {
		fd = fd.sawAt("back-off", fmt.Sprintf("sleeping %s until %s", text.Span(time.Duration(b.Seconds)*time.Second), n.ClockTime(until)), n.Facts.Log.Backoff.From, b.Since).
			with("minutes", fmt.Sprint(int(until.Sub(n.Now()).Minutes())+1))
	}
	if u := n.Agent.Unit; u != nil {
		fd = fd.with("unit", u.Name)
	}
	fd = withFlush(n, fd)
	for _, r := range n.Refusals.Logged {
		if r.Denied && r.Action == node.Heartbeat {
			if r.Explicit { // perhaps of this action alone: what this run may read says nothing of it then
				fd = fd.sure(Possible).add("; whether a policy still denies %s shows when it does", node.Heartbeat)
			}
			return remedied(fd).fix(ifRefusedAgain(r)).with("role", n.RoleOf(r))
		}
	}
	return fd
}

// ifRefusedAgain is what to do where the heartbeat was refused and the wait turns out not to
// be all: the grant where no policy gives it, a look where one denies it.
func ifRefusedAgain(r node.Refusal) causes.Step {
	s := causes.Step{Where: causes.OperatorCLI}
	switch {
	case r.Layer == iam.LayerEndpoint:
		s.Text = "If it is refused again, the policy of the VPC endpoint still does not let it through: see what it allows"
		s.Command = "aws ec2 describe-vpc-endpoints --region {region} --filters Name=vpc-id,Values={vpc} Name=service-name,Values=com.amazonaws.{region}.ssm --query 'VpcEndpoints[].PolicyDocument' --output text"
	case !r.Explicit && (r.Layer == iam.LayerIdentity || r.Layer == iam.LayerUnknown):
		s.Text = "If it is refused again, the role still lacks the permission: give it, and restart the agent once more"
		s.Command = causes.Get("iam-missing-registration-action").Fix[0].Command
	default:
		s.Text = "If it is refused again, the permission is still missing or still denied: see what the role allows"
		s.Command = "aws iam simulate-principal-policy --policy-source-arn arn:{partition}:iam::{account}:role/{role} --action-names " + node.Heartbeat
	}
	return s
}

// faultMayStand reports whether what failed last may fail again: no answer of this
// run contradicts it. The finding says why.
func faultMayStand(n *node.Node) (Finding, bool) {
	f := n.Facts
	if ssm := n.Endpoints.Of("ssm"); ssm == nil || !ssm.Usable() {
		return unknown("whether the fault is gone cannot be told without an answer of the ssm endpoint"), true
	}
	switch {
	case f.Credentials.Runtime.Unknown():
		return unread("runtime configuration", f.Credentials.Runtime), true
	case n.Credentials.Source == "":
		return unknown("what the agent signs with is not known"), true
	case !f.Permissions.Actions.LookedAt(), f.Permissions.Actions.Obstacle() == facts.NeedsRoot:
		return unread("this run's own reads with the identity in use", f.Permissions.Actions), true
	}
	if answered, all := n.ReadsDenied(); answered > 0 && all {
		return unknown("the identity in use is refused the harmless reads as well"), true
	}
	if n.Credentials.OnProfile != node.Yes {
		return Finding{}, false
	}
	if r, ok := f.IMDS.Role.Get(); !ok || r.Code != "Success" || !r.Expires.IsZero() && !r.Expires.After(n.Now()) {
		return unknown("whether the fault is gone cannot be told without valid credentials of the instance profile"), true
	}
	// These come fresh from the metadata service, not from what the agent stored.
	if id := n.Called(facts.SourceProfile); id != nil && id.Outcome == facts.CallRefused && id.Code != "RegionDisabledException" { // of sts, which the agent does not ask
		return unknown("AWS refuses the credentials of the instance profile: %s", text.Or(id.Code, "no code")), true
	}
	if code := n.ReadsCode(); code != "" {
		return unknown("this run's own reads with the instance profile are not answered either: %s", code), true
	}
	return Finding{}, false
}
