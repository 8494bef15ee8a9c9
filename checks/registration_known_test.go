package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func registrationUnknown(f *facts.Facts) {
	neverAccepted(f)
	log(f, facts.SigInvalidInstance, time.Minute, "ERROR InvalidInstanceId: ManagedInstance not found")
}

func TestRegistrationKnown(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "an EC2 instance", want: want{status: Skip, says: "no hybrid registration in use"}},
		{name: "healthy", kind: "hybrid", want: want{status: Pass, says: "no refusal of the id on record"}},
		{name: "the log says so", kind: "hybrid", fault: registrationUnknown, want: want{status: Fail, effect: Blocks, cause: "registration-orphaned", confidence: Likely, says: "the service does not know mi-", saw: "registration in use: mi-"}},
		{name: "this run's read says so", kind: "hybrid", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.Permissions.Actions = facts.Known([]facts.Permission{{Action: "ssm:ListInstanceAssociations", Identity: facts.SourceHybrid, Verdict: facts.Inconclusive, Code: "InvalidInstanceId", From: "ssm"}}, "ssm")
		}, want: want{status: Fail, effect: Blocks, cause: "registration-orphaned", confidence: Proven, says: "its registration was deleted", saw: "InvalidInstanceId"}},
		{name: "started since", kind: "hybrid", fault: func(f *facts.Facts) {
			registrationUnknown(f)
			log(f, facts.SigStart, 30*time.Second, "amazon-ssm-agent - v3.3.3050.0")
		}, want: want{status: Unknown, says: "was started after"}},
		{name: "registered again", kind: "hybrid", fault: func(f *facts.Facts) {
			registrationUnknown(f)
			f.Credentials.Runtime.Value.InstanceID = "mi-0ffffffffffffffff"
		}, want: want{status: Fail, effect: Blocks, cause: "registration-orphaned", says: "still uses mi-0ffffffffffffffff"}},
		{name: "log unread", kind: "hybrid", fault: unreadLogOf, want: want{status: Unknown, says: "permission denied"}},
	}
	judge(t, RegistrationKnown, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, RegistrationKnown, table) })
}
