package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestRegion(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "healthy", want: want{status: Pass, says: "eu-central-1"}},
		{name: "hybrid", kind: "hybrid", want: want{status: Pass, says: "eu-central-1"}},
		{name: "registration with quotes", kind: "hybrid", fault: func(f *facts.Facts) { neverAccepted(f); f.Registration.Hybrid.Value.Region = "“eu-west-1”" }, want: want{status: Fail, effect: Blocks, cause: "region-mismatch", confidence: Proven, says: "which is not a Region", saw: "region of RegistrationKey"}},
		{name: "told to register elsewhere", kind: "hybrid", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "")
			log(f, facts.SigRegisterFailed, time.Minute, "Registration failed due to Post https://ssm.%E2%80%9Ceu-west-1%E2%80%9D.amazonaws.com/: no such host")
		}, want: want{status: Fail, effect: Blocks, cause: "region-mismatch", confidence: Likely, says: "typographic quotes were pasted"}},
		{name: "malformed", fault: func(f *facts.Facts) {
			neverAccepted(f)
			log(f, facts.SigRegionInvalid, time.Minute, "region has invalid characters")
		}, want: want{status: Fail, effect: Blocks, cause: "region-mismatch", says: "malformed"}},
		{name: "override", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.Agent.Config = facts.Known(facts.Config{Region: "us-west-2"}, "file:config")
		}, want: want{status: Fail, effect: Blocks, cause: "region-mismatch", confidence: Proven, says: "sets Agent.Region to us-west-2", saw: "Region of the node: eu-central-1"}},
		{name: "override of a node that is accepted", fault: func(f *facts.Facts) {
			f.Agent.Config = facts.Known(facts.Config{MgsRegion: "us-west-2"}, "file:config")
		}, want: want{status: Warn, effect: Breaks, cause: "region-mismatch", says: "Mgs.Region"}},
		{name: "none known", fault: func(f *facts.Facts) { f.IMDS.Region = facts.Unknown[string]("no metadata", ""); f.Network.Region = "" }, want: want{status: Unknown, says: "no Region is known"}},
		{name: "configuration unread", fault: func(f *facts.Facts) { f.Agent.Config = facts.Unknown[facts.Config]("permission denied", "") }, want: want{status: Unknown, says: "permission denied"}},
		{name: "log unread", fault: unreadLogOf, want: want{status: Unknown, says: "permission denied"}},
	}
	judge(t, Region, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, Region, table) })
}
