package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// freshExpired is a running agent whose stored credentials ended three hours ago.
func freshExpired(f *facts.Facts) {
	source := f.Credentials.Runtime.Value.Source
	worker := f.Agent.Processes.Value.Worker
	neverAccepted(f)
	f.Agent.Processes.Value.Worker = worker
	r := &f.Credentials.Runtime.Value
	r.Source, r.ExpiresAt, r.RetrievedAt = source, f.CollectedAt.Add(-3*time.Hour), f.CollectedAt.Add(-4*time.Hour)
}

func freshFullDisk(f *facts.Facts) {
	for i := range f.Host.FileSystems.Value {
		f.Host.FileSystems.Value[i].Usage.Value.FreeBytes = 0
	}
}

func TestCredentialsFresh(t *testing.T) {
	t.Parallel()
	table := []row{
		{name: "healthy", want: want{status: Pass, says: "valid until"}},
		{name: "no state stored", fault: func(f *facts.Facts) { f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "") }, want: want{status: Skip, says: "has not stored"}},
		{name: "no expiry", fault: func(f *facts.Facts) { f.Credentials.Runtime.Value.ExpiresAt = time.Time{} }, want: want{status: Skip, says: "no expiry is recorded"}},
		{name: "expired, fresh ones there", fault: freshExpired, want: want{status: Fail, effect: Blocks, cause: "credentials-stale", confidence: Likely, says: "fresh ones of the role WebServerRole are there", saw: "identity_config.json: source EC2"}},
		{name: "expired, on Default Host Management", kind: "dhmc", fault: freshExpired, want: want{status: Fail, effect: Blocks, cause: "credentials-stale", says: "fresh ones could be had"}},
		{name: "renewed since", fault: func(f *facts.Facts) {
			freshExpired(f)
			log(f, facts.SigHealthOK, time.Minute, "HealthCheck reporting agent health.")
		}, want: want{status: Pass, says: "renewed since"}},
		{name: "not running", fault: func(f *facts.Facts) {
			freshExpired(f)
			f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
		}, want: want{status: Skip, says: "does not run"}},
		{name: "asleep", fault: func(f *facts.Facts) {
			freshExpired(f)
			f.Log.Backoff = facts.Known(facts.Backoff{Since: f.CollectedAt.Add(-time.Minute), Seconds: 1600, Until: f.CollectedAt.Add(20 * time.Minute)}, "log")
		}, want: want{status: Skip, says: "waits to retry until"}},
		{name: "failed to renew", fault: func(f *facts.Facts) {
			freshExpired(f)
			log(f, facts.SigCredsFailed, time.Minute, "dial tcp: i/o timeout")
		}, want: want{status: Skip, says: "failed to renew"}},
		{name: "only says expired", fault: func(f *facts.Facts) {
			freshExpired(f)
			log(f, facts.SigHealthFailed, time.Minute, "ExpiredTokenException: The security token included in the request is expired")
		}, want: want{status: Fail, effect: Blocks, cause: "credentials-stale"}},
		{name: "full disk", fault: func(f *facts.Facts) { freshExpired(f); freshFullDisk(f) }, want: want{status: Unknown, says: "no file can be written"}},
		{name: "full disk, and used since", fault: func(f *facts.Facts) {
			freshExpired(f)
			freshFullDisk(f)
			log(f, facts.SigHealthFailed, time.Minute, "ExpiredTokenException: expired")
		}, want: want{status: Fail, effect: Blocks, cause: "credentials-stale", value: "mount=/"}},
		{name: "no fresh ones known", fault: func(f *facts.Facts) { freshExpired(f); f.IMDS.Role = facts.Unknown[facts.Role]("no metadata", "") }, want: want{status: Unknown, says: "whether fresh ones can be had"}},
		{name: "runtime unread", fault: func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "").Because(facts.NeedsRoot)
		}, want: want{status: Unknown, says: "runtime configuration: permission denied"}},
		{name: "processes unread", fault: func(f *facts.Facts) {
			freshExpired(f)
			f.Agent.Processes, f.Agent.Units = facts.Seen[facts.Processes]{}, facts.Seen[[]facts.Unit]{}
		}, want: want{status: Unknown, says: "processes"}},
		{name: "log unread", fault: func(f *facts.Facts) { freshExpired(f); unreadLogOf(f) }, want: want{status: Unknown, says: "permission denied"}},
	}
	judge(t, CredentialsFresh, table)
	t.Run("unread", func(t *testing.T) { judgeUnread(t, CredentialsFresh, table) })
}
