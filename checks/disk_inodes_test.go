package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestDiskInodes(t *testing.T) {
	t.Parallel()
	usage := func(free, total uint64) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Host.FileSystems.Value[0].Usage = facts.Known(facts.Usage{TotalBytes: 1 << 33, FreeBytes: 1 << 32, FreeInodes: free, TotalInodes: total}, "statfs:/var/lib/amazon/ssm")
		}
	}
	judge(t, DiskInodes, []row{
		{name: "healthy", want: want{status: Pass}},
		{name: "none left", fault: usage(3, 65536), want: want{status: Warn, effect: Breaks, cause: "inode-exhausted", says: "no inodes left on"}},
		{name: "no fixed number", fault: usage(0, 0), want: want{status: Pass}},
		{name: "credentials cannot be written", fault: func(f *facts.Facts) {
			usage(3, 65536)(f)
			log(f, facts.SigCredsWrite, time.Minute, "Failed to write credentials to disk: no space left on device")
		}, want: want{status: Fail, effect: Blocks, cause: "inode-exhausted"}},
		{name: "the agent cannot start for it", fault: func(f *facts.Facts) {
			neverAccepted(f)
			usage(0, 3000)(f)
			log(f, facts.SigBusStart, time.Minute, "failed to start message bus, mkdir /var/lib/amazon/ssm/i-1/channels: no space left on device")
		}, want: want{status: Fail, effect: Blocks, cause: "inode-exhausted"}},
		{name: "it cannot start for something else", fault: func(f *facts.Facts) {
			neverAccepted(f)
			usage(0, 3000)(f)
			log(f, facts.SigBusStart, time.Minute, "failed to start message bus, address in use")
		}, want: want{status: Warn, effect: Breaks, cause: "inode-exhausted"}},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Host.FileSystems = facts.Seen[[]facts.FileSystem]{} }, want: want{status: Unknown, says: "not looked at"}},
	})
}
