package node

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// at shifts the times of the runtime file.
func runtimeAt(retrieved, expires time.Duration) fault {
	return func(f *facts.Facts) {
		f.Credentials.Runtime.Value.RetrievedAt, f.Credentials.Runtime.Value.ExpiresAt = f.CollectedAt.Add(-retrieved), f.CollectedAt.Add(expires)
	}
}

func noSocket(f *facts.Facts) { f.Agent.Channel = facts.Known([]facts.Socket{}, "") }

func TestAccepted(t *testing.T) {
	t.Parallel()
	started := entry(facts.SigStart, 3*time.Hour, "")
	beat := func(before time.Duration) fault { return entry(facts.SigHealthOK, before, "heartbeat") }
	second := func(last, one time.Duration) fault { // two heartbeats
		return func(f *facts.Facts) {
			beat(last)(f)
			f.Log.Matches.Value[len(f.Log.Matches.Value)-1].Before = f.CollectedAt.Add(-one)
		}
	}
	failed := func(before time.Duration) fault { return entry(facts.SigHealthFailed, before, "AccessDeniedException") }
	for _, c := range []struct {
		name  string
		fault fault
		now   Answer
		proof string // in what proves it
	}{
		{"healthy", nil, Yes, "HealthCheck reporting agent health"},
		{"heartbeat", all(onlyLog(beat(4*time.Minute)), noRuntime), Yes, "heartbeat"},
		{"within two heartbeats", all(onlyLog(beat(20*time.Minute)), noRuntime), Yes, "heartbeat"},
		{"heartbeat too old", all(onlyLog(beat(21*time.Minute)), noRuntime), No, ""},
		{"longer between two heartbeats", all(onlyLog(beat(100*time.Minute)), noRuntime, func(f *facts.Facts) { f.Agent.Config = facts.Known(facts.Config{HealthMinutes: 60}, "") }), Yes, "heartbeat"},
		{"heartbeat without an answer yet", all(onlyLog(beat(5*time.Second)), noRuntime), No, ""},
		{"heartbeat without an answer yet, one before it", all(onlyLog(second(5*time.Second, 5*time.Minute)), noRuntime), Yes, "heartbeat"},
		{"heartbeat refused", all(onlyLog(beat(4*time.Minute), failed(4*time.Minute)), noRuntime), No, ""},
		{"refused before it", all(onlyLog(failed(9*time.Minute), beat(4*time.Minute)), noRuntime), Yes, "heartbeat"},
		{"refused after it", all(onlyLog(beat(4*time.Minute), failed(time.Minute)), noRuntime), No, ""},
		{"refused by a clock that is ahead", all(onlyLog(beat(4*time.Minute), failed(-time.Hour)), noRuntime), Yes, "heartbeat"},
		{"heartbeat of a clock that is ahead", all(onlyLog(beat(-time.Hour)), noRuntime), No, ""},
		{"somebody tried to register an EC2 instance", all(onlyLog(beat(4*time.Minute), entry(facts.SigRegisterFailed, time.Minute, "")), noRuntime), Yes, "heartbeat"},
		{"channel", all(onlyLog(entry(facts.SigChannelUp, 15*time.Minute, "channel")), noRuntime), Yes, "channel"},
		{"channel too old", all(onlyLog(entry(facts.SigChannelUp, 21*time.Minute, "channel")), noRuntime, noSocket), No, ""},
		{"channel that still stands", all(onlyLog(entry(facts.SigChannelUp, 21*time.Minute, "channel")), noRuntime), Yes, "channel"},
		{"channel of an earlier process", all(onlyLog(entry(facts.SigChannelUp, 61*time.Minute, "channel")), noRuntime), No, ""},
		{"channel lost since", all(onlyLog(entry(facts.SigChannelUp, 15*time.Minute, "channel"), entry(facts.SigChannelLost, 5*time.Minute, "lost")), noRuntime), No, ""},
		{"channel refused since", all(onlyLog(entry(facts.SigChannelUp, 15*time.Minute, "channel"), entry(facts.SigChannelMDS, 5*time.Minute, "ec2messages")), noRuntime), No, ""},
		{"the status ssmmessages alone", all(onlyLog(started, entry(facts.SigChannelMGS, 5*time.Minute, "ssmmessages")), noRuntime), No, ""},
		{"credentials", all(onlyLog(started, entry(facts.SigRotation, time.Hour, "rotation")), noRuntime), Yes, "rotation"},
		{"credentials too old", all(onlyLog(started, entry(facts.SigRotation, 66*time.Minute, "rotation")), noRuntime), No, ""},
		{"credentials refused since", all(onlyLog(started, entry(facts.SigRotation, time.Hour, ""), entry(facts.SigCredsFailed, time.Minute, "")), noRuntime), No, ""},
		{"runtime file", all(onlyLog(started), runtimeAt(10*time.Minute, 50*time.Minute)), Yes, "credentials valid until 2026-11-22T10:20:00Z"},
		{"runtime file expired", all(onlyLog(started), runtimeAt(10*time.Minute, -time.Minute)), No, ""},
		{"runtime file of another clock", all(onlyLog(started), runtimeAt(-10*time.Minute, 50*time.Minute)), No, ""},
		{"runtime file, refused since", all(onlyLog(started, entry(facts.SigHealthFailed, time.Minute, "")), runtimeAt(10*time.Minute, 50*time.Minute)), No, ""},
		{"a renewal failed since", all(onlyLog(started, entry(facts.SigCredsFailed, time.Minute, "")), runtimeAt(40*time.Minute, 20*time.Minute)), Yes, "credentials valid until 2026-11-22T09:50:00Z"},
		{"a renewal failed, and they ended", all(onlyLog(started, entry(facts.SigCredsFailed, time.Minute, "")), runtimeAt(62*time.Minute, -2*time.Minute)), No, ""},
		{"runtime file without a source", all(onlyLog(started), runtimeAt(10*time.Minute, 50*time.Minute), func(f *facts.Facts) { f.Credentials.Runtime.Value.Source = "" }), No, ""},
		{"nothing", all(onlyLog(started), noRuntime), No, ""},
		{"nothing, and no log", all(logAbsent, noRuntime, noAgentRuns), No, ""},
		{"nothing, and the log is gone", all(logAbsent, noRuntime), Unknown, ""},
		{"valid credentials, and the log is gone", logAbsent, Unknown, ""},

		{"silent, with valid credentials", all(onlyLog(started, beat(30*time.Minute)), runtimeAt(10*time.Minute, 50*time.Minute)), No, ""},
		{"silent before its latest start only", all(onlyLog(beat(30*time.Minute), entry(facts.SigStart, 12*time.Minute, "")), runtimeAt(10*time.Minute, 50*time.Minute)), Yes, "credentials valid"},

		{"agent stopped", processes(0, 0), No, ""},
		{"worker gone", processes(1, 0), No, ""},
		{"an agent that has no worker", all(processes(1, 0), runs("2.3.1319.0")), Yes, "HealthCheck"},
		{"an agent that may have no worker", all(processes(1, 0), versionUnread), Unknown, ""},
		{"an agent that may have no worker, and nothing speaks for it", all(processes(1, 0), versionUnread, onlyLog(), noRuntime), No, ""},
		{"processes and units unread", all(processesUnread, unitsUnread), Unknown, ""},
		{"processes unread, unit active", processesUnread, Unknown, ""}, // the worker,
		{"log unread", logUnread, Unknown, ""},
		{"log unread, no runtime file", all(logUnread, noRuntime), Unknown, ""},
		{"log partly read", logPartly, Unknown, ""},
		{"runtime file unread, nothing in the log", all(onlyLog(started), runtimeUnread), Unknown, ""},
		{"runtime file unread, heartbeat", runtimeUnread, Yes, "HealthCheck"},
		{"runtime file unread, agent stopped", all(runtimeUnread, processes(0, 0)), No, ""},
	} {
		a := nodeOf(t, "profile", nonNil(c.fault)).Acceptance
		if a.Now != c.now || !strings.Contains(a.Proof.What, c.proof) || a.Proof.At.IsZero() != (c.now != Yes) || (a.Proof.From == "") != (c.now != Yes) {
			t.Errorf("%s: %s by %q, want %s by %q", c.name, a.Now, a.Proof.What, c.now, c.proof)
		}
	}
	for _, kind := range []string{"dhmc", "hybrid", "windows", "task"} {
		if a := nodeOf(t, kind).Acceptance; a.Now != Yes {
			t.Errorf("healthy %s: %s", kind, a.Now)
		}
	}
}

func TestLastSuccess(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		fault fault
		ago   time.Duration // 0: none
		what  string
	}{
		{"latest in the log", all(onlyLog(entry(facts.SigRotation, time.Hour, "rotation"), entry(facts.SigDHMCOK, 2*time.Hour, "")), noRuntime), time.Hour, "rotation"},
		{"older than any window", all(onlyLog(entry(facts.SigChannelUp, 50*time.Hour, "channel")), noRuntime), 50 * time.Hour, "channel"},
		{"runtime file", all(onlyLog(entry(facts.SigRotation, time.Hour, "")), runtimeAt(10*time.Minute, time.Minute)), 10 * time.Minute, "credentials obtained, EC2"},
		{"runtime file, expired since", all(onlyLog(), runtimeAt(3*time.Hour, -2*time.Hour)), 3 * time.Hour, "credentials obtained, EC2"},
		{"runtime file of another clock", all(onlyLog(), runtimeAt(-2*time.Minute, time.Hour)), 0, ""},
		{"heartbeat refused", all(onlyLog(entry(facts.SigHealthOK, time.Minute, ""), entry(facts.SigHealthFailed, time.Minute, "")), noRuntime), 0, ""},
		{"ec2messages is no proof", all(onlyLog(entry(facts.SigChannelMDS, time.Minute, "")), noRuntime), 0, ""},
		{"none", all(onlyLog(), noRuntime), 0, ""},
	} {
		p := nodeOf(t, "profile", c.fault).Acceptance.Last
		if c.ago == 0 && !p.At.IsZero() || c.ago != 0 && !p.At.Equal(now.Add(-c.ago)) || p.What != c.what {
			t.Errorf("%s: %s %q, want %s ago %q", c.name, p.At, p.What, c.ago, c.what)
		}
	}
}

func TestLastFailure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind string
		fault      fault
		want       string
	}{
		{"latest", "profile", onlyLog(entry(facts.SigCredsFailed, time.Hour, ""), entry(facts.SigHealthFailed, 2*time.Hour, "")), facts.SigCredsFailed},
		{"of one part", "profile", onlyLog(entry(facts.SigChannelFailed, time.Minute, ""), entry(facts.SigCredsFailed, time.Hour, "")), facts.SigCredsFailed},
		{"of another clock", "profile", onlyLog(entry(facts.SigCredsFailed, -time.Hour, "")), ""},
		{"registration of an EC2 instance", "profile", onlyLog(entry(facts.SigRegisterFailed, time.Hour, "")), ""},
		{"registration elsewhere", "hybrid", onlyLog(entry(facts.SigRegisterFailed, time.Hour, "")), facts.SigRegisterFailed},
		{"registration of a host that is not known", "profile", all(nowhere, onlyLog(entry(facts.SigRegisterFailed, time.Hour, ""))), facts.SigRegisterFailed},
	} {
		if got := nodeOf(t, c.kind, c.fault).Acceptance.Failed.ID; got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestSilent(t *testing.T) {
	t.Parallel()
	noProcessStart := processes(1, 1)
	for name, c := range map[string]struct {
		fault fault
		want  bool
	}{
		"heartbeats":                      {nil, false},
		"none for long":                   {all(noProcessStart, onlyLog(entry(facts.SigStart, 3*time.Hour, ""), entry(facts.SigHealthOK, 21*time.Minute, ""))), true},
		"none since its start in the log": {all(noProcessStart, onlyLog(entry(facts.SigStart, 15*time.Minute, ""), entry(facts.SigHealthOK, 21*time.Minute, ""))), false},
		"none since its process started":  {onlyLog(entry(facts.SigHealthOK, 70*time.Minute, "")), false}, // 60 min ago
		"none since its unit started": {all(noProcessStart, onlyLog(entry(facts.SigHealthOK, 70*time.Minute, "")), func(f *facts.Facts) {
			f.Agent.Units = facts.Known([]facts.Unit{{Load: "loaded", Active: "active", ActiveSince: f.CollectedAt.Add(-time.Hour)}}, "")
		}), false},
		"a start by a clock that is ahead": {all(noProcessStart, onlyLog(entry(facts.SigStart, -time.Hour, ""), entry(facts.SigHealthOK, 21*time.Minute, ""))), true},
		"never one":                        {onlyLog(), false},
		"unread":                           {logUnread, false},
	} {
		if got := nodeOf(t, "profile", nonNil(c.fault)).Acceptance.Silent; got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
