package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestImageRuntime(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "clean", fault: func(f *facts.Facts) { f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "") }, want: want{status: Pass, says: "does not exist"}},
		{name: "left", want: want{status: Fail, effect: Blocks, cause: "registration-cloned-image", confidence: Proven, says: "the runtime configuration of i-0a1b2c3d4e5f60718",
			saw: "identity_config.json: i-0a1b2c3d4e5f60718 (file:/var/lib/amazon/ssm/runtimeconfig/identity_config.json)"}},
		{name: "without an id", fault: func(f *facts.Facts) { f.Credentials.Runtime.Value.InstanceID = "" }, want: want{status: Fail, effect: Blocks, cause: "registration-cloned-image",
			says: "of another machine", saw: "identity_config.json: exists"}},
		{name: "unread", fault: func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "").Because(facts.NeedsRoot)
		}, want: want{status: Unknown, says: "runtime configuration: permission denied"}},
	}
	judge(t, ImageRuntime, table)
	judgeUnread(t, ImageRuntime, table)
	judgeImageFix(t, ImageRuntime, nil, "{root}{runtime}", "{runtime}")
}
