package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestDescriptors(t *testing.T) {
	t.Parallel()
	holds := func(open, limit int) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Work.Descriptors = facts.Known([]facts.Descriptors{{Program: "amazon-ssm-agent", Open: 20, Limit: 1024}, {Program: "ssm-agent-worker", Open: open, Limit: limit}}, "file:/proc")
		}
	}
	system := func(open, limit int) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Work.SystemFiles = facts.Known(facts.SystemFiles{Open: open, Limit: limit}, "file:/proc/sys/fs/file-nr")
		}
	}
	says := func(sig string, before time.Duration) func(*facts.Facts) {
		return func(f *facts.Facts) { log(f, sig, before, "ERROR fork/exec x: too many open files") }
	}
	both := func(faults ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for _, x := range faults {
				x(f)
			}
		}
	}
	out := want{status: Warn, effect: Breaks, cause: "descriptors-exhausted", confidence: Proven, says: "the agent has used up its file descriptors: ssm-agent-worker holds"}
	fromLog := out
	fromLog.confidence, fromLog.says, fromLog.saw = Likely, "the agent ran out of file descriptors: it could not open files or start workers (once, ", "agent log: ERROR"
	past := fromLog
	past.effect, past.says = Notes, "the agent ran out of file descriptors 2 h ago; it holds 24 of 1024 open files now"
	ofSystem := out
	ofSystem.says = "this host has no open files left for any process"
	table := []row{
		{name: "profile", want: want{status: Pass}},
		{name: "hybrid", kind: "hybrid", want: want{status: Pass}},
		{name: "windows", kind: "windows", want: want{status: Pass, says: "no sign of it in the agent's log"}},
		{name: "used up", fault: holds(1024, 1024), want: out},
		{name: "almost", fault: holds(1010, 1024), want: want{status: Pass, says: "ssm-agent-worker holds 1010 of 1024 open files"}},
		{name: "no limit", fault: holds(100000, 0), want: want{status: Pass}},
		{name: "the log says so", fault: both(holds(24, 1024), says(facts.SigFiles, 4*time.Minute)), want: fromLog},
		{name: "the log says so, not counted", fault: both(func(f *facts.Facts) { f.Work = facts.Work{} }, says(facts.SigFiles, 4*time.Minute)), want: fromLog},
		{name: "no more", fault: both(holds(24, 1024), says(facts.SigFiles, 2*time.Hour)), want: past},
		{name: "a command ran since", fault: both(says(facts.SigFiles, 4*time.Minute), func(f *facts.Facts) { log(f, facts.SigDocRan, time.Minute, "INFO Running plugin") }), want: want{status: Pass}},
		{name: "the agent started since", fault: both(says(facts.SigFiles, 4*time.Minute), func(f *facts.Facts) { log(f, facts.SigStart, time.Minute, "INFO amazon-ssm-agent - v3") }), want: want{status: Pass}},
		{name: "long ago", fault: says(facts.SigFiles, 25*time.Hour), want: want{status: Pass}},
		{name: "of the system", fault: system(99990, 100000), want: ofSystem},
		{name: "of the system, by the log", fault: says(facts.SigFilesSystem, time.Minute), want: func() want { w := ofSystem; w.confidence = Likely; return w }()},
		{name: "not counted", fault: func(f *facts.Facts) { f.Work = facts.Work{} }, want: want{status: Unknown, says: "open files of the agent: not looked at"}},
		{name: "log unread", fault: unreadLogOf, want: want{status: Unknown, says: "agent log: "}},
	}
	judge(t, Descriptors, table)
	judgeUnread(t, Descriptors, table)
}
