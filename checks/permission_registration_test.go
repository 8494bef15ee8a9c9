package checks

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
)

// permissionRegistrationRole is the principal of the healthy instance with a profile.
const permissionRegistrationRole = "arn:aws:sts::111122223333:assumed-role/WebServerRole/i-0a1b2c3d4e5f60718"

// permissionRegistrationSays is a refusal of an action to that role, as AWS puts it.
func permissionRegistrationSays(action, why string) string {
	return "User: " + permissionRegistrationRole + " is not authorized to perform: " + action + " on resource: arn:aws:ec2:eu-central-1:111122223333:instance/i-0a1b2c3d4e5f60718" + why
}

// permissionRegistrationRefused is a node that was never accepted, and whose
// heartbeat was refused so long before the run.
func permissionRegistrationRefused(before time.Duration, why string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		refuse(f, facts.SigHealthFailed, before, "AccessDeniedException", permissionRegistrationSays("ssm:UpdateInstanceInformation", why))
	}
}

// permissionRegistrationReads answers this run's reads with a refusal.
func permissionRegistrationReads(f *facts.Facts, why string) {
	for i := range f.Permissions.Actions.Value {
		a := &f.Permissions.Actions.Value[i]
		a.Verdict, a.Rule, a.Refused = facts.DeniedProven, "", iam.ParseRefusal("AccessDeniedException", permissionRegistrationSays(a.Action, why))
		a.Layer, a.Code, a.Message = a.Refused.Layer, a.Refused.Code, a.Refused.Text
	}
}

// permissionRegistrationClosed is a node that was never accepted, behind an endpoint
// of the scope to which no connection is made.
func permissionRegistrationClosed(scope string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		f.Permissions.Actions = facts.Unknown[[]facts.Permission]("no endpoint answers", "")
		e := f.Network.Endpoint("ssm")
		e.Scope, e.TCP = scope, []facts.Attempt{{Address: "10.0.1.20", Outcome: facts.Timeout, Error: "i/o timeout"}}
		e.TLS, e.HTTP = facts.Seen[facts.TLS]{}, facts.Seen[facts.HTTP]{}
	}
}

func TestPermissionRegistration(t *testing.T) {
	t.Parallel()
	const (
		beat = "ssm:UpdateInstanceInformation"
		none = " because no identity-based policy allows the " + beat + " action"
		scp  = " with an explicit deny in a service control policy"
		vpce = " because no VPC endpoint policy allows the " + beat + " action"
		past = " (as of the agent's last attempt)"
	)
	denied := func(why string, change func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			neverAccepted(f)
			permissionRegistrationReads(f, why)
			change(f)
		}
	}
	failed := func(text string) func(*facts.Facts) {
		return func(f *facts.Facts) { log(f, facts.SigCredsFailed, 10*time.Minute, text) }
	}
	keep := func(*facts.Facts) {}
	after := func(first, change func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) { first(f); change(f) }
	}
	noProfile := after(neverAccepted, func(f *facts.Facts) { f.IMDS.Profile = facts.Absent[facts.Profile]("404", "imds:iam/info") })
	stopped := func(f *facts.Facts) { f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc") }
	is := func(s Status, says string) want { return want{status: s, says: says} }
	named := func(cause string, c Confidence, says, saw, value string) want {
		return want{status: Fail, effect: Blocks, cause: cause, confidence: c, says: says, saw: saw, value: value}
	}
	missing := func(c Confidence, says, saw, value string) want {
		return named("iam-missing-registration-action", c, says, saw, value)
	}
	const refused = "ERROR [CredentialRefresher] Retrieve credentials produced error: AccessDeniedException"
	const broken = "ERROR [CredentialRefresher] Retrieve credentials produced error: i/o timeout"
	noRights := "the role WebServerRole has no Systems Manager permissions (ssm:GetDocument is refused as well), so " + beat + " is most likely not allowed"
	table := []row{
		{name: "profile", want: is(Pass, "accepted 3 min ago")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "accepted")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "accepted")},
		{name: "windows", kind: "windows", want: is(Pass, "accepted")},
		{name: "refused just now", fault: permissionRegistrationRefused(3*time.Minute, none), want: missing(Likely, "the role WebServerRole may not call "+beat+": no identity-based policy allows it"+past, beat+": denied: User: "+permissionRegistrationRole, "role=WebServerRole")},
		{name: "refused just now, the action", fault: permissionRegistrationRefused(3*time.Minute, none), want: missing(Likely, "", "", "action="+beat)},
		{name: "refused with all the reads", fault: after(permissionRegistrationRefused(time.Hour, none), func(f *facts.Facts) { permissionRegistrationReads(f, none) }), want: missing(Likely, "no identity-based policy allows it", "", "service=ssm")},
		{name: "refused an hour ago, nothing was asked", fault: after(permissionRegistrationRefused(time.Hour, none), func(f *facts.Facts) {
			f.Permissions.Actions = facts.Unknown[[]facts.Permission]("offline", "")
		}), want: missing(Likely, "the role WebServerRole may not call "+beat, "", "")},
		{name: "an explicit deny, asleep since, and reads are allowed now", fault: func(f *facts.Facts) { // of this action alone, or gone
			permissionRegistrationRefused(20*time.Minute, scp)(f)
			f.Log.Backoff = facts.Known(facts.Backoff{Since: f.CollectedAt.Add(-20 * time.Minute), Seconds: 2400, Until: f.CollectedAt.Add(20 * time.Minute)}, "file:/var/log/amazon/ssm")
		}, want: is(Unknown, "whether it still is shows at the agent's next attempt")},
		{name: "refused before its start and after it, and reads are allowed", fault: func(f *facts.Facts) {
			permissionRegistrationRefused(20*time.Minute, none)(f)
			f.Log.Backoff = facts.Known(facts.Backoff{Since: f.CollectedAt.Add(-20 * time.Minute), Seconds: 2400, Until: f.CollectedAt.Add(20 * time.Minute)}, "file:/var/log/amazon/ssm")
			log(f, facts.SigStart, 21*time.Minute, "INFO amazon-ssm-agent - v3.3.3050.0")
			for i := range f.Log.Matches.Value {
				if m := &f.Log.Matches.Value[i]; m.Last.Equal(f.CollectedAt.Add(-20 * time.Minute)) {
					m.Before = f.CollectedAt.Add(-30 * time.Minute)
				}
			}
		}, want: missing(Likely, "the role WebServerRole may not call "+beat+": no identity-based policy allows it (as of the agent's last attempt)", "", "action="+beat)},
		{name: "no policy allows it, asleep since, and reads are allowed now", fault: func(f *facts.Facts) {
			permissionRegistrationRefused(3*time.Minute, none)(f)
			f.Log.Backoff = facts.Known(facts.Backoff{Since: f.CollectedAt.Add(-3 * time.Minute), Seconds: 2400, Until: f.CollectedAt.Add(37 * time.Minute)}, "file:/var/log/amazon/ssm")
		}, want: is(Unknown, "this run's reads are allowed")},
		{name: "explicit deny", fault: permissionRegistrationRefused(3*time.Minute, scp), want: named("iam-explicit-deny", Likely, "explicit deny in a service control policy (SCP)"+past, "", "action="+beat)},
		{name: "endpoint policy", fault: permissionRegistrationRefused(3*time.Minute, vpce), want: named("vpce-policy-deny", Likely, "no VPC endpoint policy allows it", "", "service=ssm")},
		{name: "accepted since", fault: after(permissionRegistrationRefused(4*time.Hour, none), func(f *facts.Facts) {
			log(f, facts.SigProfileOK, 3*time.Hour, "INFO Successfully connected with instance profile role credentials")
		}), want: is(Pass, "accepted 3 h ago")},
		{name: "an IAM user was refused", fault: after(neverAccepted, func(f *facts.Facts) {
			refuse(f, facts.SigHealthFailed, 3*time.Minute, "AccessDeniedException", "User: arn:aws:iam::111122223333:user/deploy is not authorized to perform: "+beat+none)
		}), want: is(Unknown, "neither an accepted nor a refused heartbeat is on record")},
		{name: "another role was refused", fault: after(neverAccepted, func(f *facts.Facts) {
			refuse(f, facts.SigHealthFailed, 3*time.Minute, "AccessDeniedException", "User: arn:aws:sts::999900001111:assumed-role/Other/i-0fff is not authorized to perform: "+beat+none)
		}), want: is(Unknown, "neither an accepted nor a refused heartbeat is on record")},
		{name: "refused without a name, no read allowed", fault: denied(none, failed(refused)), want: missing(Likely, noRights, "agent log: "+refused, "action="+beat)},
		{name: "failed otherwise, no read allowed", fault: denied(none, failed(broken)), want: missing(Possible, noRights, "ssm:GetDocument: denied: User: "+permissionRegistrationRole, "role=WebServerRole")},
		{name: "refused without a name, an SCP denies reads", fault: denied(scp, failed(refused)), want: named("iam-explicit-deny", Likely, "may not call ssm:GetDocument: explicit deny in a service control policy (SCP)", "", "action=ssm:GetDocument")},
		{name: "no log entry, an SCP denies reads", fault: denied(scp, keep), want: named("iam-explicit-deny", Likely, "explicit deny in a service control policy (SCP)", "", "")},
		{name: "no log entry, the endpoint refuses reads", fault: denied(vpce, keep), want: named("vpce-policy-deny", Likely, "no VPC endpoint policy allows it", "", "service=ssm")},
		{name: "no log entry, the role refuses reads", fault: denied(none, keep), want: is(Unknown, "neither an accepted nor a refused heartbeat is on record")},
		{name: "reads answered otherwise", fault: denied(scp, func(f *facts.Facts) {
			failed(refused)(f)
			f.Permissions.Actions.Value[2].Verdict = facts.AllowedProven
		}), want: is(Unknown, "neither an accepted nor a refused heartbeat is on record")},
		{name: "closed endpoint in the VPC", fault: permissionRegistrationClosed("private"),
			want: want{status: Unknown, says: "whether the role may call " + beat + " cannot be seen behind the closed endpoint", more: "iam-missing-registration-action"}},
		{name: "closed public endpoint", fault: permissionRegistrationClosed("public"), want: is(Unknown, "cannot be seen behind the closed endpoint")},
		{name: "closed endpoint, accepted before", fault: after(permissionRegistrationClosed("private"), func(f *facts.Facts) {
			log(f, facts.SigProfileOK, 3*time.Hour, "INFO Successfully connected with instance profile role credentials")
		}), want: is(Pass, "accepted 3 h ago")},
		{name: "stopped", fault: stopped, want: is(Pass, "accepted 3 min ago")},
		{name: "running or not", fault: func(f *facts.Facts) {
			f.Agent.Processes, f.Agent.Units = facts.Unknown[facts.Processes]("permission denied", ""), facts.Unknown[[]facts.Unit]("no bus", "")
		}, want: is(Unknown, "accepted 3 min ago; whether the agent still runs is not known")},
		{name: "nothing on record", fault: neverAccepted, want: is(Unknown, "neither an accepted nor a refused heartbeat is on record")},
		{name: "no credentials", fault: noProfile, want: is(Unknown, "no credentials to ask with")},
		{name: "no credentials, log unread", fault: after(noProfile, unreadLogOf), want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "no source known", fault: after(neverAccepted, func(f *facts.Facts) {
			f.IMDS.Profile = facts.Unknown[facts.Profile]("timeout", "")
		}), want: is(Unknown, "what the agent signs with is not known")},
		{name: "runtime configuration unread", fault: after(permissionRegistrationRefused(3*time.Minute, none), func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "")
		}), want: is(Unknown, "runtime configuration: permission denied")},
		{name: "log unread", fault: after(neverAccepted, unreadLogOf), want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
	}
	judge(t, PermissionRegistration, table)
	judgeUnread(t, PermissionRegistration, table)
	// Not among those that are tried unread: only the reads speak against the refusal
	// that the log holds, and without them it is the last word.
	judge(t, PermissionRegistration, []row{
		{name: "refused an hour ago, but reads are allowed", fault: permissionRegistrationRefused(time.Hour, none), want: is(Unknown, beat+" was refused 60 min ago, but this run's reads are allowed")},
	})

	t.Run("the note behind a closed endpoint", func(t *testing.T) {
		t.Parallel()
		f := factstest.Healthy(t, "profile")
		permissionRegistrationClosed("private")(f)
		more := PermissionRegistration.Judge(node.Of(f)).More
		if len(more) != 1 {
			t.Fatalf("further findings: %+v", more)
		}
		compare(t, PermissionRegistration, more[0], want{status: Warn, effect: Notes, cause: "iam-missing-registration-action", confidence: Possible,
			says: "whether the role WebServerRole may register the node (" + beat + ") cannot be seen yet", saw: "connect to ssm.eu-central-1.amazonaws.com:443: 10.0.1.20", value: "role=WebServerRole"})
		if fix := more[0].Fix; len(fix) != 1 || fix[0].Where != causes.OperatorCLI || !strings.Contains(fix[0].Command, "simulate-principal-policy") {
			t.Errorf("remedy %+v", fix)
		}
		permissionRegistrationClosed("public")(f)
		if more := PermissionRegistration.Judge(node.Of(f)).More; len(more) != 0 {
			t.Errorf("a public endpoint leaves a note: %+v", more)
		}
	})
}
