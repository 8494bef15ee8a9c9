package checks

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// credentialsFreshExpired is an agent that runs with credentials that it obtained 80
// minutes ago and that ended 20 minutes ago, and whose calls were not accepted since.
func credentialsFreshExpired(f *facts.Facts) {
	source := f.Credentials.Runtime.Value.Source
	neverAccepted(f)
	r := &f.Credentials.Runtime.Value
	r.Source, r.RetrievedAt, r.ExpiresAt = source, f.CollectedAt.Add(-80*time.Minute), f.CollectedAt.Add(-20*time.Minute)
}

// credentialsFreshFull leaves no room on the agent's file systems.
func credentialsFreshFull(f *facts.Facts) {
	for i := range f.Host.FileSystems.Value {
		f.Host.FileSystems.Value[i].Usage.Value.FreeBytes = 4096
	}
}

func TestCredentialsFresh(t *testing.T) {
	t.Parallel()
	stale := func(changes ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			credentialsFreshExpired(f)
			for _, change := range changes {
				change(f)
			}
		}
	}
	says := func(signature string, before time.Duration, entry string) func(*facts.Facts) {
		return func(f *facts.Facts) { log(f, signature, before, entry) }
	}
	const expired = "ERROR [HealthCheck] error when calling AWS APIs. ExpiredTokenException: The security token included in the request is expired"
	is := func(s Status, says string) want { return want{status: s, says: says} }
	named := func(says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: "credentials-stale", confidence: Likely, says: says, saw: saw}
	}
	notKnown := is(Unknown, "expired, and whether fresh ones can be had is not known")
	damaged := func(f *facts.Facts) {
		f.Credentials.Runtime = facts.Unknown[facts.Runtime]("damaged: the file ends in the middle", "file:/var/lib/amazon/ssm/runtimeconfig/identity_config.json").Because(facts.Damaged)
	}
	table := []row{
		{name: "damaged record", fault: func(f *facts.Facts) { neverAccepted(f); damaged(f) }, want: want{status: Fail, effect: Blocks, cause: "credentials-file-damaged", confidence: Likely,
			says: "identity_config.json cannot be read (the file ends in the middle)", saw: "read /var/lib/amazon/ssm/runtimeconfig/identity_config.json: damaged", value: "path=/var/lib/amazon/ssm/runtimeconfig/identity_config.json"}},
		{name: "damaged record, accepted", fault: damaged, want: want{status: Warn, effect: Breaks, cause: "credentials-file-damaged"}},
		{name: "damaged file of a hybrid node", kind: "hybrid", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.Credentials.RootFile = facts.Known(facts.SharedFile{Path: "/root/.aws/credentials", ParseError: "line 1 is no assignment"}, "file:/root/.aws/credentials")
		}, want: want{status: Fail, effect: Blocks, cause: "credentials-file-damaged", says: "/root/.aws/credentials cannot be read"}},
		{name: "profile", want: is(Pass, "valid until 10:20:00 UTC, obtained 10 min ago")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "valid until 10:20:00 UTC")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "valid until 10:20:00 UTC")},
		{name: "windows", kind: "windows", want: is(Pass, "valid until 10:20:00 UTC")},
		{name: "task", kind: "task", want: is(Skip, "has not stored a state of credentials")},

		{name: "stale", fault: stale(), want: named("expired 20 min ago, although it runs and fresh ones of the role WebServerRole are there", "identity_config.json: source EC2, obtained 2026-11-22T08:10:00Z, expired 2026-11-22T09:10:00Z (file:/var/lib/amazon/ssm/runtimeconfig/identity_config.json)")},
		{name: "stale, the metadata", fault: stale(), want: named("", "imds GET iam/security-credentials/WebServerRole: Success, valid until 2026-11-22T14:30:00Z")},
		{name: "stale without a source", fault: stale(func(f *facts.Facts) { f.Credentials.Runtime.Value.Source = "" }), want: named("", "source none, obtained")},
		{name: "stale, dhmc", kind: "dhmc", fault: stale(), want: named("fresh ones could be had", "source SSM")},
		{name: "stale, hybrid", kind: "hybrid", fault: stale(), want: named("fresh ones could be had", "source SSM")},
		{name: "stale, windows", kind: "windows", fault: stale(), want: named("fresh ones could be had", "source SSM")},
		{name: "the file is expired", fault: stale(says(facts.SigCredsExpired, 5*time.Minute, "shared credentials are already expired, they were retrieved at")), want: named("", "agent log: shared credentials are already expired")},
		{name: "refused as expired", fault: stale(says(facts.SigHealthFailed, 5*time.Minute, expired)), want: named("expired 20 min ago", "")},
		{name: "failed long ago", fault: stale(says(facts.SigHealthFailed, 70*time.Minute, "RequestCanceled")), want: named("expired 20 min ago", "")},
		{name: "failed before they were obtained", fault: stale(func(f *facts.Facts) { f.Credentials.Runtime.Value.RetrievedAt = f.CollectedAt.Add(-30 * time.Minute) }, says(facts.SigHealthFailed, 50*time.Minute, "RequestCanceled")), want: named("expired 20 min ago", "")},
		{name: "still accepted", fault: func(f *facts.Facts) {
			f.Credentials.Runtime.Value.RetrievedAt, f.Credentials.Runtime.Value.ExpiresAt = f.CollectedAt.Add(-time.Hour), f.CollectedAt.Add(-2*time.Minute)
		}, want: want{status: Warn, effect: Breaks, cause: "credentials-stale", confidence: Likely, says: "expired 2 min ago"}},
		{name: "full, and refused as expired", fault: stale(credentialsFreshFull, says(facts.SigHealthFailed, 5*time.Minute, expired)), want: want{status: Fail, effect: Blocks, cause: "credentials-stale", confidence: Likely, value: "mount=/"}},

		{name: "full", fault: stale(credentialsFreshFull), want: is(Unknown, "no file can be written on /: the agent may have renewed them since")},
		{name: "full, windows", kind: "windows", fault: stale(credentialsFreshFull), want: is(Unknown, "the agent may have renewed them since")},
		{name: "no inodes", fault: stale(func(f *facts.Facts) {
			for i := range f.Host.FileSystems.Value {
				f.Host.FileSystems.Value[i].Usage.Value.FreeInodes = 0
			}
		}), want: is(Unknown, "no file can be written on /")},
		{name: "full, and refused before the end", fault: stale(credentialsFreshFull, says(facts.SigHealthFailed, 25*time.Minute, expired)), want: is(Unknown, "no file can be written on /")},
		{name: "another disk is full", fault: stale(func(f *facts.Facts) {
			for i := range f.Host.FileSystems.Value {
				if fs := &f.Host.FileSystems.Value[i]; fs.Dir == "/tmp" {
					fs.Usage.Value.FreeBytes = 0
				}
			}
		}), want: named("expired 20 min ago", "")},
		{name: "only / is full", fault: stale(func(f *facts.Facts) { f.Host.FileSystems.Value[0].Usage.Value.FreeBytes = 0 }), want: named("expired 20 min ago", "")},
		{name: "usage unread", fault: stale(func(f *facts.Facts) {
			for i := range f.Host.FileSystems.Value {
				f.Host.FileSystems.Value[i].Usage = facts.Unknown[facts.Usage]("input/output error", "")
			}
		}), want: is(Unknown, "whether the agent can store renewed credentials: input/output error")},
		{name: "file systems unread", fault: stale(func(f *facts.Facts) {
			f.Host.FileSystems = facts.Unknown[[]facts.FileSystem]("permission denied", "")
		}), want: is(Unknown, "whether the agent can store renewed credentials: permission denied")},
		{name: "role broken", fault: stale(func(f *facts.Facts) { f.IMDS.Role.Value.Code = "AssumeRoleUnauthorizedAccess" }), want: notKnown},
		{name: "role expired", fault: stale(func(f *facts.Facts) { f.IMDS.Role.Value.Expires = f.CollectedAt.Add(-time.Minute) }), want: notKnown},
		{name: "role unread", fault: stale(func(f *facts.Facts) { f.IMDS.Role = facts.Unknown[facts.Role]("no answer in time", "") }), want: notKnown},
		{name: "source not known", fault: stale(func(f *facts.Facts) { f.IMDS.Profile = facts.Unknown[facts.Profile]("no answer in time", "") }), want: notKnown},
		{name: "dhmc, endpoint down", kind: "dhmc", fault: stale(func(f *facts.Facts) { f.Network.Endpoint("ssm").HTTP = facts.Unknown[facts.HTTP]("no connection", "") }), want: notKnown},
		{name: "dhmc, network unread", kind: "dhmc", fault: stale(func(f *facts.Facts) { f.Network = facts.Network{} }), want: notKnown},

		{name: "asleep", fault: stale(func(f *facts.Facts) {
			f.Log.Backoff = facts.Known(facts.Backoff{Since: f.CollectedAt.Add(-5 * time.Minute), Seconds: 1500, Until: f.CollectedAt.Add(20 * time.Minute)}, "")
		}), want: is(Skip, "expired; the agent waits to retry until 09:50:00 UTC")},
		{name: "renewal failed", fault: stale(says(facts.SigHealthFailed, 5*time.Minute, "RequestCanceled")), want: is(Skip, "the agent failed to renew them 5 min ago and will retry")},
		{name: "nothing runs", fault: stale(func(f *facts.Facts) { f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc") }), want: is(Skip, "the agent does not run")},
		{name: "no expiry", fault: func(f *facts.Facts) { f.Credentials.Runtime.Value.ExpiresAt = time.Time{} }, want: is(Skip, "no expiry is recorded")},
		{name: "an expiry of year 1", fault: func(f *facts.Facts) {
			f.Credentials.Runtime.Value.ExpiresAt = time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)
		}, want: is(Skip, "no expiry is recorded")},
		{name: "nothing stored", fault: func(f *facts.Facts) { f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "") }, want: is(Skip, "has not stored a state of credentials")},
		{name: "renewed since", fault: func(f *facts.Facts) { f.Credentials.Runtime.Value.ExpiresAt = f.CollectedAt.Add(-20 * time.Minute) }, want: is(Pass, "renewed since the recorded end")},
		{name: "runtime configuration unread", fault: func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "")
		}, want: is(Unknown, "runtime configuration: permission denied")},
		{name: "agent unread", fault: stale(func(f *facts.Facts) { f.Agent = facts.Agent{} }), want: is(Unknown, "processes: not looked at")},
		{name: "log unread", fault: stale(unreadLogOf), want: is(Unknown, "agent log:")},
	}
	judge(t, CredentialsFresh, table)
	judgeUnread(t, CredentialsFresh, table)
}

// On a full disk the agent would not start again: room comes first.
func TestCredentialsFreshFullDisk(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "profile")
	credentialsFreshExpired(f)
	if fix := CredentialsFresh.Judge(node.Of(f)).Fix; len(fix) != 0 {
		t.Errorf("with room on the disk: steps %+v", fix)
	}
	credentialsFreshFull(f)
	log(f, facts.SigHealthFailed, 5*time.Minute, "ExpiredTokenException: expired")
	fix := CredentialsFresh.Judge(node.Of(f)).Fix
	if len(fix) < 2 || !strings.Contains(fix[0].Command, "df -h {mount}") || !strings.Contains(fix[1].Command, "{restart}") {
		t.Errorf("steps %+v", fix)
	}
}

// What is cut off on a full disk is written anew once there is space: that is the cause.
func TestDamagedOnFullDisk(t *testing.T) {
	t.Parallel()
	for _, full := range []bool{false, true} {
		f := factstest.Healthy(t, "profile")
		const from = "file:/var/lib/amazon/ssm/runtimeconfig/identity_config.json"
		f.Credentials.Runtime = facts.Unknown[facts.Runtime]("damaged: the file is empty", from).Because(facts.Damaged)
		if full {
			credentialsFreshFull(f)
		}
		n := node.Of(f)
		fd, disk := CredentialsFresh.Judge(n), DiskSpace.Judge(n)
		if full && (fd.Cause != "" || disk.Cause != "disk-full") || !full && (fd.Cause != "credentials-file-damaged" || disk.Cause != "") {
			t.Errorf("full %v: %q %s, %q", full, fd.Cause, fd.Summary, disk.Cause)
		}
	}
}
