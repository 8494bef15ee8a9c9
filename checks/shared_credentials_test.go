package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func sharedFile(profile string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Credentials.RootFile = facts.Known(facts.SharedFile{Path: "/root/.aws/credentials", Profiles: []facts.Keys{{Profile: profile, KeyPrefix: "AKIA"}}}, "file:/root/.aws/credentials")
	}
}

func TestSharedCredentials(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "healthy", want: want{status: Pass, says: "no shared credentials file of root"}},
		{name: "a hybrid node", kind: "hybrid", want: want{status: Skip, says: "writes this file itself"}},
		{name: "no default profile", fault: sharedFile("other"), want: want{status: Pass, says: "has no default profile"}},
		{name: "a default profile", fault: sharedFile("default"), want: want{status: Warn, effect: Notes, cause: "shared-credentials-shadow", confidence: Likely, says: "commands that call AWS as root use it", saw: "profile default, key AKIA", value: "path=/root/.aws/credentials"}},
		{name: "an old agent", fault: func(f *facts.Facts) {
			sharedFile("default")(f)
			f.Agent.Running, f.Agent.Installed = facts.Known("3.1.1732.0", "audit"), facts.Known("3.1.1732.0", "rpm")
		}, want: want{status: Warn, effect: Breaks, cause: "shared-credentials-shadow", says: "takes the place of the role", saw: "agent version: 3.1.1732.0"}},
		{name: "a user was refused", fault: func(f *facts.Facts) {
			sharedFile("default")(f)
			refuse(f, facts.SigAssociations, time.Minute, "AccessDeniedException", "User: arn:aws:iam::111122223333:user/ops is not authorized to perform: ssm:PutInventory on resource: *")
		}, want: want{status: Warn, effect: Breaks, cause: "shared-credentials-shadow", saw: ":user/ops"}},
		{name: "the agent's own", fault: func(f *facts.Facts) {
			sharedFile("default")(f)
			f.Credentials.Runtime.Value.ShareFile = "/root/.aws/credentials"
		}, want: want{status: Pass, says: "is the agent's own"}},
		{name: "unread", fault: func(f *facts.Facts) {
			f.Credentials.RootFile = facts.Unknown[facts.SharedFile]("permission denied", "").Because(facts.NeedsRoot)
		}, want: want{status: Unknown, says: "permission denied"}},
		{name: "whose it is is unread", fault: func(f *facts.Facts) {
			sharedFile("default")(f)
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "")
		}, want: want{status: Unknown, says: "whether the agent wrote it"}},
	}
	judge(t, SharedCredentials, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, SharedCredentials, table) })
}
