package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func hybridRoleFails(message string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		log(f, facts.SigCredsFailed, time.Minute, "ERROR AccessDeniedException: "+message)
	}
}

func TestHybridRole(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "an EC2 instance", want: want{status: Skip, says: "no hybrid registration in use"}},
		{name: "healthy", kind: "hybrid", want: want{status: Pass, says: "no refusal on record"}},
		{name: "deleted", kind: "hybrid", fault: hybridRoleFails("Systems Manager is unable to assume role: arn:aws:iam::111122223333:role/service-role/Ops"), want: want{status: Fail, effect: Blocks, cause: "hybrid-role-broken", confidence: Likely, says: "the service role service-role/Ops", saw: "unable to assume role", value: "role=service-role/Ops"}},
		{name: "no name", kind: "hybrid", fault: hybridRoleFails("the call sts:AssumeRole failed"), want: want{status: Fail, effect: Blocks, cause: "hybrid-role-broken", says: "the service role of this hybrid node"}},
		{name: "another failure", kind: "hybrid", fault: hybridRoleFails("dial tcp: i/o timeout"), want: want{status: Pass}},
		{name: "log unread", kind: "hybrid", fault: unreadLogOf, want: want{status: Unknown, says: "permission denied"}},
		{name: "registration unread", kind: "hybrid", fault: func(f *facts.Facts) { f.Registration, f.Credentials = facts.Registration{}, facts.Credentials{} }, want: want{status: Unknown, says: "registration"}},
	}
	judge(t, HybridRole, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, HybridRole, table) })
}
