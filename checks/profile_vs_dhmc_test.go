package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// profileVsDhmcDenied makes this run's reads of Systems Manager refused to the profile.
func profileVsDhmcDenied(f *facts.Facts) {
	for i := range f.Permissions.Actions.Value {
		p := &f.Permissions.Actions.Value[i]
		p.Verdict, p.Message, p.Code = facts.DeniedProven, "User is not authorized to perform: "+p.Action, "AccessDeniedException"
	}
}

func TestProfileVsDhmc(t *testing.T) {
	t.Parallel()
	const entry = "ERROR [MGSInteractor] CreateControlChannel failed with error: AccessDeniedException: not authorized to perform: ssmmessages:CreateControlChannel"
	// shadowed has a profile that may do the heartbeat and nothing else.
	shadowed := func(changes ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			profileVsDhmcDenied(f)
			log(f, facts.SigChannelToken, 5*time.Minute, entry)
			for _, change := range changes {
				change(f)
			}
		}
	}
	messages := func(before time.Duration) func(*facts.Facts) {
		return func(f *facts.Facts) {
			log(f, facts.SigChannelMDS, before, "INFO SSM Connection channel status is set to ec2messages")
		}
	}
	noAcceptance := func(f *facts.Facts) {
		var list []facts.Match
		for _, m := range f.Log.Matches.Value {
			if m.ID != facts.SigProfileOK {
				list = append(list, m)
			}
		}
		f.Log.Matches.Value = list
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	named := func(saw, value string) want {
		return want{status: Fail, effect: Ends, cause: "profile-shadows-dhmc", confidence: Likely, says: "the role WebServerRole may call ssm:UpdateInstanceInformation but not open the message channel", saw: saw, value: value}
	}
	const asIfFine = "the profile is not refused the channel"
	table := []row{
		{name: "profile", want: is(Pass, asIfFine)},
		{name: "dhmc", kind: "dhmc", want: is(Skip, "the instance profile is not in use")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "the instance profile is not in use")},
		{name: "windows", kind: "windows", want: is(Skip, "the instance profile is not in use")},
		{name: "task", kind: "task", want: is(Skip, "the instance profile is not in use")},

		{name: "shadowed", fault: shadowed(), want: named("agent log: INFO EC2RoleProvider Successfully connected with instance profile role", "role=WebServerRole")},
		{name: "shadowed, the refusal", fault: shadowed(), want: named("agent log: "+entry, "profile=WebServerRole")},
		{name: "shadowed, the reads", fault: shadowed(), want: named("ssm:GetDocument: denied: User is not authorized to perform: ssm:GetDocument (ssm:GetDocument)", "")},
		{name: "shadowed, by the runtime configuration", fault: shadowed(noAcceptance), want: named("agent log: "+entry, "")},
		{name: "shadowed, by the log", fault: shadowed(func(f *facts.Facts) { f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "") }), want: named("Successfully connected", "")},
		{name: "ec2messages was used before", fault: shadowed(messages(time.Hour)), want: named("", "")},
		{name: "ec2messages fails too", fault: shadowed(messages(4*time.Minute), func(f *facts.Facts) {
			log(f, facts.SigMDSFailed, 3*time.Minute, "GetMessages Error: AccessDeniedException")
		}), want: named("", "")},

		{name: "over ec2messages", fault: shadowed(messages(4 * time.Minute)), want: is(Pass, "the profile works over ec2messages")},
		{name: "refused for another reason", fault: func(f *facts.Facts) {
			profileVsDhmcDenied(f)
			log(f, facts.SigChannelToken, 5*time.Minute, "CreateControlChannel failed with error: connection reset")
		}, want: is(Pass, asIfFine)},
		{name: "opened since", fault: shadowed(func(f *facts.Facts) { log(f, facts.SigChannelUp, time.Minute, "Set up control channel successfully") }), want: is(Pass, asIfFine)},
		{name: "meant to be used", fault: shadowed(func(f *facts.Facts) { f.Permissions.Actions.Value[1].Verdict = facts.AllowedProven }), want: is(Pass, "it is meant to be used")},
		{name: "reads not asked", fault: shadowed(func(f *facts.Facts) { f.Permissions.Actions = facts.Unknown[[]facts.Permission]("offline", "") }), want: is(Unknown, "was not asked")},
		{name: "only invented names refused", fault: shadowed(func(f *facts.Facts) {
			for i := range f.Permissions.Actions.Value {
				f.Permissions.Actions.Value[i].Invented = true
			}
		}), want: is(Unknown, "was not asked")},
		{name: "acceptance not on record", fault: shadowed(noAcceptance, func(f *facts.Facts) { f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "") }), want: is(Unknown, "whether the heartbeat was accepted with the profile is not on record")},
		{name: "log unread", fault: shadowed(unreadLogOf), want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "log partly read", fault: shadowed(func(f *facts.Facts) {
			f.Log.Matches = facts.Partly(f.Log.Matches.Value, "errors.log: permission denied", "")
		}), want: is(Unknown, "agent log: errors.log")},
		{name: "profile unread", fault: shadowed(func(f *facts.Facts) { f.IMDS.Profile = facts.Unknown[facts.Profile]("no answer in time", "") }), want: is(Unknown, "whether the instance profile is in use is not known")},
		{name: "vault unread", fault: shadowed(func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Unknown[facts.Key]("input/output error", "")
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}), want: is(Unknown, "whether the instance profile is in use is not known")},
	}
	judge(t, ProfileVsDhmc, table)
	judgeUnread(t, ProfileVsDhmc, table)
}
