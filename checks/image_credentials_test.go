package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestImageCredentials(t *testing.T) {
	t.Parallel()
	left := facts.Known(facts.SharedFile{Path: "/root/.aws/credentials", Profiles: []facts.Keys{{Profile: "default", KeyPrefix: "AKIA"}}}, "file:/root/.aws/credentials")
	table := []row{
		{name: "clean", want: want{status: Pass, says: "no credentials"}},
		{name: "of root", fault: func(f *facts.Facts) { f.Credentials.RootFile = left }, want: want{status: Fail, effect: Blocks, cause: "shared-credentials-shadow", confidence: Proven,
			says: "the image carries credentials in /root/.aws/credentials", saw: "/root/.aws/credentials: profile default, key AKIA… (file:/root/.aws/credentials)", value: "path=/root/.aws/credentials"}},
		{name: "of the agent", fault: func(f *facts.Facts) { f.Credentials.DHMCFile = left }, want: want{status: Fail, effect: Blocks, cause: "shared-credentials-shadow"}},
		{name: "one unread, one left", fault: func(f *facts.Facts) {
			f.Credentials.DHMCFile, f.Credentials.RootFile = facts.Unknown[facts.SharedFile]("permission denied", ""), left
		}, want: want{status: Fail, effect: Blocks, cause: "shared-credentials-shadow"}},
		{name: "without a profile", fault: func(f *facts.Facts) {
			f.Credentials.RootFile = facts.Known(facts.SharedFile{Path: "/root/.aws/credentials"}, "file:/root/.aws/credentials")
		}, want: want{status: Pass}},
		{name: "unread", fault: func(f *facts.Facts) {
			f.Credentials.RootFile = facts.Unknown[facts.SharedFile]("permission denied", "").Because(facts.NeedsRoot)
		}, want: want{status: Unknown, says: "credential files: permission denied"}},
	}
	judge(t, ImageCredentials, table)
	judgeUnread(t, ImageCredentials, table)
	judgeImageFix(t, ImageCredentials, table[1].fault, "rm {root}{path}", "Remove-Item {path}")
}
