package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestWindowsImageState(t *testing.T) {
	t.Parallel()
	state := func(f *facts.Facts) {
		f.Host.ImageState = facts.Known("IMAGE_STATE_UNDEPLOYABLE", `registry:HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State`)
	}
	mounted := func(f *facts.Facts) { f.Root = "/mnt/image" }
	waiting := func(f *facts.Facts) {
		neverAccepted(f)
		state(f)
		log(f, facts.SigSysprep, time.Minute, "Waiting for system state to be IMAGE_STATE_COMPLETE")
	}
	named := want{status: Fail, effect: Blocks, cause: "sysprep-incomplete", confidence: Proven, says: "IMAGE_STATE_UNDEPLOYABLE, not IMAGE_STATE_COMPLETE", saw: `registry Setup\State ImageState: IMAGE_STATE_UNDEPLOYABLE`}
	table := []row{
		{name: "complete", kind: "windows", want: want{status: Pass, says: "IMAGE_STATE_COMPLETE"}},
		{name: "not Windows", want: want{status: Skip, says: "only on windows"}},
		{name: "waiting", kind: "windows", fault: waiting, want: named},
		{name: "the log says so", kind: "windows", fault: waiting, want: want{status: Fail, effect: Blocks, cause: "sysprep-incomplete", saw: "agent log: Waiting for system state"}},
		{name: "log unread", kind: "windows", fault: func(f *facts.Facts) { waiting(f); unreadLogOf(f) }, want: named},
		{name: "accepted all the same", kind: "windows", fault: state, want: want{status: Warn, effect: Breaks, cause: "sysprep-incomplete"}},
		{name: "unread", kind: "windows", fault: func(f *facts.Facts) { f.Host.ImageState = facts.Unknown[string]("access is denied", "registry") },
			want: want{status: Unknown, says: "image state: access is denied"}},
		{name: "sealed image", kind: "windows", fault: func(f *facts.Facts) { mounted(f); f.Host.ImageState.Value = "IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE" }, want: want{status: Pass, says: "setup goes on"}},
		{name: "image whose setup failed", kind: "windows", fault: func(f *facts.Facts) { mounted(f); state(f) }, want: want{status: Fail, effect: Blocks, cause: "sysprep-incomplete", confidence: Proven, says: "machines made from the image"}},
		{name: "host unread", kind: "windows", fault: func(f *facts.Facts) { f.Host = facts.Host{} }, want: want{status: Unknown, says: "operating system is not known"}},
	}
	judge(t, WindowsImageState, table)
	judgeUnread(t, WindowsImageState, table)
}
