package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func dhmcBesideProfile(f *facts.Facts) {
	f.IMDS.Profile = facts.Known(facts.Profile{Name: "BatchRole", ARN: "arn:aws:iam::111122223333:instance-profile/BatchRole", Code: "Success"}, "imds")
	f.IMDS.Role = facts.Known(facts.Role{Name: "BatchRole", Code: "Success", Expires: f.CollectedAt.Add(4 * time.Hour)}, "imds")
}

func TestDhmcVsProfile(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "a profile alone", want: want{status: Skip, says: "not both"}},
		{name: "Default Host Management alone", kind: "dhmc", want: want{status: Skip, says: "not both"}},
		{name: "both", kind: "dhmc", fault: dhmcBesideProfile, want: want{status: Warn, effect: Notes, cause: "dhmc-shadows-profile", confidence: Likely, says: "the attached role BatchRole", saw: "CredentialSource: SSM", value: "role=BatchRole"}},
		{name: "both, and a feature refused", kind: "dhmc", fault: func(f *facts.Facts) {
			dhmcBesideProfile(f)
			refuse(f, facts.SigAssociations, time.Hour, "AccessDeniedException", "User: arn:aws:sts::"+f.IMDS.Account.Value+":assumed-role/AWSSystemsManagerDefaultEC2InstanceManagementRole/"+f.IMDS.InstanceID.Value+" is not authorized to perform: ssm:GetParameter because no identity-based policy allows the ssm:GetParameter action")
		}, want: want{status: Warn, effect: Breaks, cause: "dhmc-shadows-profile", saw: "ssm:GetParameter"}},
		{name: "profile unread", kind: "dhmc", fault: func(f *facts.Facts) { f.IMDS.Profile = facts.Unknown[facts.Profile]("no answer", "imds") }, want: want{status: Unknown, says: "instance profile: no answer"}},
		{name: "runtime and log unread", kind: "dhmc", fault: func(f *facts.Facts) { dhmcBesideProfile(f); unreadLogOf(f); f.Credentials = facts.Credentials{} }, want: want{status: Unknown, says: "whether the agent uses Default Host Management"}},
	}
	judge(t, DhmcVsProfile, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, DhmcVsProfile, table) })
}
