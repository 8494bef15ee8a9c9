package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestEcsRootfs(t *testing.T) {
	t.Parallel()
	readOnly := func(data facts.Seen[bool]) func(*facts.Facts) {
		return func(f *facts.Facts) {
			neverAccepted(f)
			f.ECS.ReadOnlyRoot = facts.Known(true, "file:/proc/self/mountinfo")
			for i := range f.Host.FileSystems.Value {
				if fs := &f.Host.FileSystems.Value[i]; fs.Dir == "/var/lib/amazon/ssm" {
					fs.ReadOnly = data
				}
			}
		}
	}
	stuck := readOnly(facts.Known(true, "file:/proc/self/mountinfo"))
	named := func(saw string) want {
		return want{status: Fail, effect: Blocks, cause: "ecs-readonly-rootfs", confidence: Proven, says: "the managed agent has no writable path", saw: saw}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "task", kind: "task", want: is(Pass, "the root file system is writable")},
		{name: "profile", want: is(Skip, "not an ECS task")},
		{name: "read-only", kind: "task", fault: stuck, want: named("mount flags of /: read-only (file:/proc/self/mountinfo)")},
		{name: "no volume for the state", kind: "task", fault: stuck, want: named("mount flags of /var/lib/amazon/ssm: read-only")},
		{name: "the log says so", kind: "task", fault: func(f *facts.Facts) {
			stuck(f)
			log(f, facts.SigReadOnly, time.Minute, "ERROR mkdir /var/lib/amazon/ssm: read-only file system")
		}, want: named("agent log: ERROR mkdir /var/lib/amazon/ssm: read-only file system")},
		{name: "nothing about the state directory", kind: "task", fault: func(f *facts.Facts) {
			stuck(f)
			f.Host.FileSystems = facts.Known([]facts.FileSystem{}, "statfs")
		}, want: named("mount flags of /: read-only")},
		{name: "volume", kind: "task", fault: readOnly(facts.Known(false, "file:/proc/self/mountinfo")), want: is(Pass, "the root file system is read-only, /var/lib/amazon/ssm is writable")},
		{name: "accepted all the same", kind: "task", fault: func(f *facts.Facts) {
			f.ECS.ReadOnlyRoot, f.Host.FileSystems = facts.Known(true, "file:/proc/self/mountinfo"), facts.Known([]facts.FileSystem{}, "statfs")
		}, want: want{status: Warn, effect: Breaks, cause: "ecs-readonly-rootfs"}},
		{name: "state directory unread", kind: "task", fault: readOnly(facts.Unknown[bool]("no mount table", "")), want: is(Unknown, "mount flags of /var/lib/amazon/ssm: no mount table")},
		{name: "file systems unread", kind: "task", fault: func(f *facts.Facts) { stuck(f); f.Host = facts.Host{} }, want: is(Unknown, "file systems: not looked at")},
		{name: "root unread", kind: "task", fault: func(f *facts.Facts) { f.ECS.ReadOnlyRoot = facts.Unknown[bool]("no mount table", "") }, want: is(Unknown, "root file system: no mount table")},
		{name: "task or not", kind: "task", fault: func(f *facts.Facts) { f.ECS = facts.ECS{} }, want: is(Unknown, "whether this is a task of Amazon ECS")},
	}
	judge(t, EcsRootfs, table)
	judgeUnread(t, EcsRootfs, table)
}
