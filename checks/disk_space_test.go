package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestDiskSpace(t *testing.T) {
	t.Parallel()
	// The places of a healthy host: /, state, log, configuration, programs, /tmp.
	usage := func(place int, free uint64) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Host.FileSystems.Value[place].Usage = facts.Known(facts.Usage{TotalBytes: 64 << 30, FreeBytes: free, FreeInodes: 1000, TotalInodes: 4096}, "statfs")
		}
	}
	full := func(f *facts.Facts) { usage(1, 12<<10)(f) }
	table := []row{
		{name: "profile", want: want{status: Pass, says: "enough free space on 6 file systems"}},
		{name: "dhmc", kind: "dhmc", want: want{status: Pass}},
		{name: "hybrid", kind: "hybrid", want: want{status: Pass}},
		{name: "windows", kind: "windows", want: want{status: Pass, says: "on 4 file systems"}},
		{name: "task", kind: "task", want: want{status: Pass}},
		{name: "full", fault: full, want: want{status: Warn, effect: Breaks, cause: "disk-full", confidence: Proven, says: "disk full: no space left on /, which holds the agent's /var/lib/amazon/ssm",
			saw: "statfs /var/lib/amazon/ssm: / (/var/lib/amazon/ssm): 12 KiB free of 64 GiB (statfs:/var/lib/amazon/ssm)", value: "mount=/"}},
		{name: "the root is full", fault: usage(0, 12<<10), want: want{status: Warn, effect: Breaks, cause: "disk-full", says: "on /, which holds the agent's /var/lib/amazon/ssm", value: "path=/"}},
		{name: "a mount of its own", fault: func(f *facts.Facts) {
			full(f)
			f.Host.FileSystems.Value[1].Mount = "/var/lib/amazon/ssm"
		}, want: want{status: Warn, effect: Breaks, cause: "disk-full", says: "disk full: no space left on /var/lib/amazon/ssm", value: "mount=/var/lib/amazon/ssm"}},
		{name: "on Windows", kind: "windows", fault: full, want: want{status: Warn, effect: Breaks, cause: "disk-full", says: `disk full: no space left on C:\, which holds the agent's /ProgramData/Amazon/SSM/InstanceData`,
			saw: `statfs /ProgramData/Amazon/SSM/InstanceData: C:\ (/ProgramData/Amazon/SSM/InstanceData): 12 KiB free of 64 GiB`, value: `mount=C:\`}},
		{name: "on macOS", kind: "mac", fault: full, want: want{status: Warn, effect: Breaks, cause: "disk-full", says: "disk full: no space left on /System/Volumes/Data, which holds the agent's /opt/aws/ssm/data"}},
		{name: "without a mount", kind: "mac", fault: func(f *facts.Facts) {
			full(f)
			for i := range f.Host.FileSystems.Value {
				f.Host.FileSystems.Value[i].Mount = ""
			}
		}, want: want{status: Warn, effect: Breaks, cause: "disk-full", says: "disk full: no space left for /opt/aws/ssm/data"}},
		{name: "one byte too little", fault: usage(2, 1<<20-1), want: want{status: Warn, effect: Breaks, cause: "disk-full"}},
		{name: "just enough", fault: usage(2, 1<<20), want: want{status: Warn, says: "little space left on / (/var/log/amazon/ssm): 1024 KiB free of 64 GiB"}},
		{name: "little of a small disk", fault: func(f *facts.Facts) {
			usage(1, 50<<20)(f)
			f.Host.FileSystems.Value[1].Usage.Value.TotalBytes = 1 << 30
		}, want: want{status: Pass}},
		{name: "little on the first, none on the second", fault: func(f *facts.Facts) {
			usage(0, 50<<20)(f)
			full(f)
		}, want: want{status: Warn, effect: Breaks, cause: "disk-full", says: "/var/lib/amazon/ssm"}},
		{name: "the log says so", fault: func(f *facts.Facts) {
			full(f)
			log(f, facts.SigNoSpace, time.Hour, "write /var/lib/amazon/ssm/x: no space left on device")
		}, want: want{status: Warn, effect: Breaks, cause: "disk-full", saw: "agent log: write /var/lib/amazon/ssm/x: no space left on device"}},
		{name: "a plug-in is not found", fault: func(f *facts.Facts) {
			full(f)
			log(f, facts.SigStream, time.Hour, "Plugin with name Standard_Stream is not found")
		}, want: want{status: Warn, effect: Breaks, cause: "disk-full", saw: "agent log: Plugin with name Standard_Stream is not found"}},
		{name: "credentials cannot be written", fault: func(f *facts.Facts) {
			full(f)
			log(f, facts.SigCredsWrite, time.Minute, "Failed to write credentials to disk: no space left on device")
		}, want: want{status: Fail, effect: Blocks, cause: "disk-full", saw: "agent log: Failed to write credentials"}},
		{name: "credentials were written since", fault: func(f *facts.Facts) {
			full(f)
			log(f, facts.SigCredsWrite, 2*time.Hour, "Failed to write credentials to disk: no space left on device")
		}, want: want{status: Warn, effect: Breaks, cause: "disk-full"}},
		{name: "without the log", fault: func(f *facts.Facts) {
			full(f)
			unreadLogOf(f)
		}, want: want{status: Warn, effect: Breaks, cause: "disk-full"}},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Host.FileSystems = facts.Seen[[]facts.FileSystem]{} }, want: want{status: Unknown, says: "free space: not looked at"}},
		{name: "no usage", fault: func(f *facts.Facts) {
			for i := range f.Host.FileSystems.Value {
				f.Host.FileSystems.Value[i].Usage = facts.Unknown[facts.Usage]("permission denied", "statfs")
			}
		}, want: want{status: Unknown, says: "free space: permission denied"}},
		{name: "known in part, and full", fault: func(f *facts.Facts) {
			full(f)
			f.Host.FileSystems = facts.Partly(f.Host.FileSystems.Value, "time was up", "statfs")
		}, want: want{status: Warn, effect: Breaks, cause: "disk-full"}},
		{name: "known in part", fault: func(f *facts.Facts) {
			f.Host.FileSystems = facts.Partly(f.Host.FileSystems.Value, "time was up", "statfs")
		}, want: want{status: Unknown, says: "free space: time was up"}},
		{name: "nobody looked, and nothing could be written", fault: func(f *facts.Facts) {
			f.Host.FileSystems = facts.Seen[[]facts.FileSystem]{}
			log(f, facts.SigNoSpace, time.Hour, "ERROR write /var/lib/amazon/ssm/x: no space left on device")
		}, want: want{status: Unknown, effect: Breaks, says: "free space: not looked at; by its log the agent could not write"}},
	}
	judge(t, DiskSpace, table)
	judgeUnread(t, DiskSpace, table)
}
