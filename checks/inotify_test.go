package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestInotify(t *testing.T) {
	t.Parallel()
	used := func(watches, instances int) facts.Inotify {
		return facts.Inotify{MaxWatches: 65536, UsedWatches: watches, MaxInstances: 128, UsedInstances: instances}
	}
	counts := func(watches, instances int) func(*facts.Facts) {
		return func(f *facts.Facts) { f.Host.Inotify = facts.Known(used(watches, instances), "file:/proc") }
	}
	part := func(watches int) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Host.Inotify = facts.Partly(used(watches, 3), "/proc/1/fd: permission denied", "file:/proc").Because(facts.NeedsRoot)
		}
	}
	refused := func(before time.Duration) func(*facts.Facts) {
		return func(f *facts.Facts) {
			log(f, facts.SigInotify, before, "failed to add watch: no space left on device")
		}
	}
	exhausted := want{status: Warn, effect: Breaks, cause: "inotify-exhausted", confidence: Proven, says: "inotify is exhausted: the agent cannot add a watch"}
	seen := func(w want, saw string) want { w.saw = saw; return w }
	onlyLog := seen(exhausted, "agent log: failed to add watch: no space left on device")
	onlyLog.confidence = Likely
	table := []row{
		{name: "profile", want: want{status: Pass, says: "0 of 65536 watches, 0 of 128 instances in use"}},
		{name: "dhmc", kind: "dhmc", want: want{status: Pass}},
		{name: "hybrid", kind: "hybrid", want: want{status: Pass}},
		{name: "windows", kind: "windows", want: want{status: Skip, says: "only on linux"}},
		{name: "task", kind: "task", want: want{status: Pass}},
		{name: "watches", fault: counts(65300, 3), want: seen(exhausted, "/proc/sys/fs/inotify and open watches: 65300 of 65536 watches, 3 of 128 instances in use (file:/proc)")},
		{name: "within a 200th of the limit", fault: counts(65536-327, 3), want: seen(exhausted, "65209 of 65536 watches")},
		{name: "almost all watches", fault: counts(65536-328, 3), want: want{status: Pass}},
		{name: "instances", fault: counts(10, 127), want: seen(exhausted, "10 of 65536 watches, 127 of 128 instances in use")},
		{name: "almost all instances", fault: counts(10, 126), want: want{status: Pass}},
		{name: "the log says so", fault: refused(time.Hour), want: onlyLog},
		{name: "both", fault: func(f *facts.Facts) {
			counts(65536, 3)(f)
			refused(time.Hour)(f)
		}, want: seen(exhausted, "agent log: failed to add watch")},
		{name: "long ago", fault: refused(25 * time.Hour), want: want{status: Pass}},
		{name: "counted in part, and exhausted", fault: part(65536), want: seen(exhausted, "65536 of 65536 watches")},
		{name: "counted in part", fault: part(10), want: want{status: Unknown, says: "inotify: /proc/1/fd: permission denied"}},
		{name: "not counted, the log says so", fault: func(f *facts.Facts) {
			f.Host.Inotify = facts.Seen[facts.Inotify]{}
			refused(time.Hour)(f)
		}, want: onlyLog},
		{name: "not counted", fault: func(f *facts.Facts) { f.Host.Inotify = facts.Seen[facts.Inotify]{} }, want: want{status: Unknown, says: "inotify: not looked at"}},
		{name: "log unread", fault: unreadLogOf, want: want{status: Unknown, says: "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied"}},
		{name: "system not known", fault: func(f *facts.Facts) { f.Host.GOOS = "" }, want: want{status: Unknown, says: "the operating system is not known"}},
	}
	judge(t, Inotify, table)
	judgeUnread(t, Inotify, table)
}
