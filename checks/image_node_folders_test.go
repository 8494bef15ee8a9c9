package checks

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestImageNodeFolders(t *testing.T) {
	t.Parallel()
	left := []string{"i-0a1b2c3d4e5f60718", "mi-0f1e2d3c4b5a69788"}
	table := []row{
		{name: "clean", fault: func(f *facts.Facts) { f.Registration.NodeFolders = facts.Known([]string{}, "file:/var/lib/amazon/ssm") }, want: want{status: Pass, says: "no folder"}},
		{name: "no data directory", fault: func(f *facts.Facts) {
			f.Registration.NodeFolders = facts.Absent[[]string]("no such file", "file:/var/lib/amazon/ssm")
		}, want: want{status: Pass}},
		{name: "folders", fault: func(f *facts.Facts) { f.Registration.NodeFolders = facts.Known(left, "file:/var/lib/amazon/ssm") }, want: want{status: Fail, effect: Blocks,
			cause: "registration-cloned-image", confidence: Proven, says: "the folders of i-0a1b2c3d4e5f60718, mi-0f1e2d3c4b5a69788", saw: "/var/lib/amazon/ssm: i-0a1b2c3d4e5f60718, mi-0f1e2d3c4b5a69788 (file:/var/lib/amazon/ssm)"}},
		{name: "Windows", kind: "windows", fault: func(f *facts.Facts) {
			f.Registration.NodeFolders = facts.Known(left, "file:/ProgramData/Amazon/SSM/InstanceData")
		},
			want: want{status: Fail, effect: Blocks, cause: "registration-cloned-image", saw: "/ProgramData/Amazon/SSM/InstanceData: i-0a1b2c3d4e5f60718"}},
		{name: "partly read", fault: func(f *facts.Facts) { f.Registration.NodeFolders = facts.Partly(left[:1], "too many", "") }, want: want{status: Fail, effect: Blocks, cause: "registration-cloned-image"}},
		{name: "unread", fault: func(f *facts.Facts) { f.Registration.NodeFolders = facts.Unknown[[]string]("permission denied", "") }, want: want{status: Unknown, says: "data directory: permission denied"}},
	}
	judge(t, ImageNodeFolders, table)
	judgeUnread(t, ImageNodeFolders, table)
	judgeImageFix(t, ImageNodeFolders, table[2].fault, "{root}{data}/i-0a1b2c3d4e5f60718 {root}{data}/mi-0f1e2d3c4b5a69788", "(Join-Path {data} i-0a1b2c3d4e5f60718)")
}
