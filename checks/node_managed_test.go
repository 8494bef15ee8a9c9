package checks

import (
	"slices"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestNodeManaged(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "profile", want: want{status: Pass, says: "accepted 3 min ago", saw: "last accepted call: INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health. (file:/var/log/amazon/ssm/amazon-ssm-agent.log)"}},
		{name: "dhmc", kind: "dhmc", want: want{status: Pass, says: "accepted"}},
		{name: "hybrid", kind: "hybrid", want: want{status: Pass, says: "accepted"}},
		{name: "windows", kind: "windows", want: want{status: Pass, says: "accepted"}},
		{name: "task", kind: "task", want: want{status: Pass, says: "accepted 2 min ago", saw: "last accepted call: INFO [ssm-agent-worker] [MessageService]"}},
		{name: "nothing on record", fault: neverAccepted, want: want{status: Unknown, says: "no accepted call is on record"}},
		{name: "refused since", fault: func(f *facts.Facts) {
			log(f, facts.SigHealthFailed, time.Minute, "ERROR [HealthCheck] error when calling AWS APIs")
		}, want: want{status: Unknown, says: "followed by a failure"}},
		{name: "throttled since, without a channel", fault: func(f *facts.Facts) {
			refuse(f, facts.SigHealthFailed, time.Minute, "ThrottlingException", "Rate exceeded")
			f.Agent.Channel = facts.Known([]facts.Socket{}, "")
		}, want: want{status: Unknown, says: "since then AWS answers ThrottlingException, which says that the service is busy"}},
		{name: "throttled since, and connected", fault: func(f *facts.Facts) {
			refuse(f, facts.SigHealthFailed, time.Minute, "ThrottlingException", "Rate exceeded")
		}, want: want{status: Warn, says: "accepted by its channel; its heartbeats are answered ThrottlingException, last 60 s ago"}},
		{name: "refused, then throttled, and connected", fault: func(f *facts.Facts) {
			refuse(f, facts.SigHealthFailed, 2*time.Minute, "AccessDeniedException", "not authorized")
			refuse(f, facts.SigHealthFailed, time.Minute, "ThrottlingException", "Rate exceeded")
			last := len(f.Log.Matches.Value) - 1 // of one entry the log keeps the latest
			f.Log.Matches.Value = slices.Delete(f.Log.Matches.Value, last-1, last)
		}, want: want{status: Unknown, says: "followed by a failure"}},
		{name: "only heartbeats, throttled, and connected", fault: func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no file", "")
			f.Log.Matches.Value = slices.DeleteFunc(f.Log.Matches.Value, func(m facts.Match) bool {
				return m.ID != facts.SigStart && m.ID != facts.SigHealthOK
			})
			refuse(f, facts.SigHealthFailed, time.Minute, "ThrottlingException", "Rate exceeded")
		}, want: want{status: Unknown, says: "no accepted call is on record"}},
		{name: "refused since, and connected", fault: func(f *facts.Facts) {
			refuse(f, facts.SigHealthFailed, time.Minute, "AccessDeniedException", "not authorized")
		}, want: want{status: Unknown, says: "followed by a failure"}},
		{name: "too long ago", fault: func(f *facts.Facts) {
			neverAccepted(f)
			log(f, facts.SigRotation, 7*time.Hour, "Next credential rotation will be in 29.9 minutes")
		}, want: want{status: Unknown, says: "last accepted 7 h ago"}},
		{name: "log unread", fault: unreadLogOf, want: want{status: Unknown, says: "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied"}},
		{name: "log partly read", fault: func(f *facts.Facts) {
			f.Log.Matches = facts.Partly(f.Log.Matches.Value, "errors.log: permission denied", "file:/var/log/amazon/ssm")
		}, want: want{status: Unknown, says: "errors.log"}},
		{name: "agent unread", fault: func(f *facts.Facts) { f.Agent = facts.Agent{} }, want: want{status: Unknown, says: "processes: not looked at"}},
		{name: "runtime configuration unread", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "")
		}, want: want{status: Unknown, says: "runtime configuration: permission denied"}},
	}
	judge(t, NodeManaged, table)
	judgeUnread(t, NodeManaged, table)
}
