package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func dhmcRoleFails(message string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		source := f.Credentials.Runtime.Value.Source
		neverAccepted(f)
		f.Credentials.Runtime.Value.Source, f.Credentials.Runtime.Value.RetrievedAt = source, f.CollectedAt.Add(-5*time.Hour)
		log(f, facts.SigDHMCFailed, time.Minute, "ERROR AccessDeniedException: "+message)
	}
}

func TestDhmcRole(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "a hybrid node", kind: "hybrid", want: want{status: Skip, says: "for EC2 identities"}},
		{name: "not in use", want: want{status: Skip, says: "not in use"}},
		{name: "in use", kind: "dhmc", want: want{status: Pass}},
		{name: "cannot be assumed", kind: "dhmc", fault: dhmcRoleFails("Systems Manager is unable to assume role arn:aws:iam::111122223333:role/service-role/Ops"), want: want{status: Fail, effect: Blocks, cause: "dhmc-role-broken", confidence: Likely, says: "its role cannot be assumed", saw: "unable to assume role"}},
		{name: "off", kind: "dhmc", fault: dhmcRoleFails("instance management role is not configured for account"), want: want{status: Pass}},
		{name: "the profile's role", fault: dhmcRoleFails("unable to assume role WebServerRole"), want: want{status: Skip, says: "not in use"}},
		{name: "log unread", kind: "dhmc", fault: unreadLogOf, want: want{status: Unknown, says: "permission denied"}},
		{name: "firmware unread", fault: func(f *facts.Facts) {
			f.Host.DMI, f.IMDS, f.Credentials, f.Registration = facts.DMI{}, facts.IMDS{}, facts.Credentials{}, facts.Registration{}
		}, want: want{status: Unknown, says: "whether this is an EC2 instance"}},
	}
	judge(t, DhmcRole, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, DhmcRole, table) })
}
