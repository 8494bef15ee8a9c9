package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// profileOfHeartbeats is a host whose profile is refused all but the heartbeat.
func profileOfHeartbeats(f *facts.Facts) {
	var kept []facts.Match
	for _, m := range f.Log.Matches.Value {
		if m.ID != facts.SigChannelUp && m.ID != facts.SigChannelMGS && m.ID != facts.SigHealthOK {
			kept = append(kept, m)
		}
	}
	f.Log.Matches.Value = kept
	log(f, facts.SigProfileOK, 10*time.Minute, "Successfully connected with instance profile role credentials")
	refuse(f, facts.SigChannelToken, 2*time.Minute, "AccessDeniedException", "User: "+f.Permissions.Identities.Value[0].ARN+" is not authorized to perform: ssmmessages:CreateControlChannel on resource: * because no identity-based policy allows the ssmmessages:CreateControlChannel action")
	var denied []facts.Permission
	for _, p := range f.Permissions.Actions.Value {
		p.Verdict = facts.DeniedProven
		denied = append(denied, p)
	}
	f.Permissions.Actions.Value = denied
}

func TestProfileVsDhmc(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "healthy", want: want{status: Pass, says: "is not refused the channel"}},
		{name: "Default Host Management", kind: "dhmc", want: want{status: Skip, says: "the instance profile is not in use"}},
		{name: "heartbeats only", fault: profileOfHeartbeats, want: want{status: Fail, effect: Blocks, cause: "profile-shadows-dhmc", confidence: Likely, says: "may call ssm:UpdateInstanceInformation but not open the message channel", saw: "CreateControlChannel", value: "role=WebServerRole"}},
		{name: "commands work", fault: func(f *facts.Facts) {
			profileOfHeartbeats(f)
			log(f, facts.SigChannelMDS, time.Second, "SSM Connection channel status is set to ec2messages")
		}, want: want{status: Pass, says: "works over ec2messages"}},
		{name: "has other permissions", fault: func(f *facts.Facts) {
			reads := f.Permissions.Actions
			profileOfHeartbeats(f)
			f.Permissions.Actions = reads
		}, want: want{status: Pass, says: "it is meant to be used"}},
		{name: "nothing asked", fault: func(f *facts.Facts) {
			profileOfHeartbeats(f)
			f.Permissions.Actions = facts.Unknown[[]facts.Permission]("held", "")
		}, want: want{status: Unknown, says: "was not asked"}},
		{name: "no acceptance on record", fault: func(f *facts.Facts) {
			profileOfHeartbeats(f)
			neverAccepted(f)
		}, want: want{status: Unknown, says: "is not on record"}},
		{name: "log unread", fault: unreadLogOf, want: want{status: Unknown, says: "permission denied"}},
		{name: "metadata unread", fault: func(f *facts.Facts) { f.IMDS.Profile = facts.Unknown[facts.Profile]("no answer", "imds") }, want: want{status: Unknown, says: "whether the instance profile is in use"}},
	}
	judge(t, ProfileVsDhmc, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, ProfileVsDhmc, table) })
}
