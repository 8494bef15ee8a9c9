package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// updates changes what may keep newer releases from a host with an agent of a version.
func updates(version string, change func(*facts.Update)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Agent.Installed, f.Agent.Running = facts.Known(version, "rpm -q"), facts.Known(version, "audit")
		change(&f.Agent.Update)
	}
}

func keyThatEnded(id string, end time.Time) func(*facts.Update) {
	return func(u *facts.Update) {
		u.Keys = facts.Known([]facts.SigningKey{{ID: id, Expires: end, From: "rpm -q gpg-pubkey"}}, "rpm -q gpg-pubkey")
	}
}

func heldBy(h facts.Hold) func(*facts.Update) {
	return func(u *facts.Update) { u.Holds = facts.Known([]facts.Hold{h}, "") }
}

func TestUpdatePath(t *testing.T) {
	t.Parallel()
	const cause = "agent-update-blocked"
	end := time.Date(2025, 2, 17, 0, 0, 0, 0, time.UTC)
	dpkg := facts.Hold{Tool: "dpkg", Text: "Status: hold ok installed", From: "file:/var/lib/dpkg/status"}
	lock := func(alive bool, before time.Duration) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Agent.Update.Lock = facts.Known(facts.UpdateLock{PID: 4711, Alive: facts.Known(alive, "file:/proc"), At: f.CollectedAt.Add(-before)}, "file:/var/lib/amazon/ssm/update.lock")
		}
	}
	refused := func(kind string, before time.Duration) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Agent.Update.Failures = facts.Known([]facts.UpdateFailure{{Kind: kind, Text: "Error: GPG check FAILED amazon-ssm-agent", From: "file:/var/log/dnf.log", At: f.CollectedAt.Add(-before)}}, "")
		}
	}
	both := func(faults ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for _, fault := range faults {
				fault(f)
			}
		}
	}
	judge(t, UpdatePath, []row{
		{name: "healthy", want: want{status: Pass, says: "nothing on this host holds"}},
		{name: "hybrid", kind: "hybrid", want: want{status: Pass}},
		{name: "not Linux", kind: "windows", want: want{status: Skip}},
		{name: "a task", kind: "task", want: want{status: Skip}},

		{name: "only the old key", fault: updates("3.3.1142.0", keyThatEnded("BC1F495C97DD04ED", end)), want: want{status: Warn, effect: Breaks, cause: cause,
			says: "have expired, the last (BC1F495C97DD04ED) on 2025-02-17", saw: "key BC1F495C97DD04ED: ended on 2025-02-17"}},
		{name: "only the old key, updated all the same", fault: updates("3.3.2958.0", keyThatEnded("BC1F495C97DD04ED", end)), want: want{status: Warn, effect: Notes, cause: cause, says: "came here all the same"}},
		{name: "a key that has not ended", fault: updates("3.3.1142.0", keyThatEnded("2784DBF388D19D46", time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))), want: want{status: Pass}},
		{name: "old keys, not all read", fault: both(updates("3.3.1142.0", keyThatEnded("BC1F495C97DD04ED", end)), func(f *facts.Facts) {
			f.Agent.Update.Keys = facts.Partly(f.Agent.Update.Keys.Value, "permission denied", "")
		}), want: want{status: Unknown, says: "keys of packages: permission denied"}},

		{name: "held", fault: updates("3.3.3572.0", heldBy(dpkg)), want: want{status: Warn, effect: Notes, cause: cause, says: "dpkg holds the agent at 3.3.3572.0", saw: "rule of dpkg: Status: hold ok installed"}},
		{name: "held, old", fault: updates("3.3.131.0", heldBy(dpkg)), want: want{status: Warn, effect: Breaks, cause: cause, says: "more than a year old"}},
		{name: "held, and meant to update itself", fault: both(updates("3.3.3572.0", heldBy(dpkg)), func(f *facts.Facts) { f.Agent.Config = facts.Known(facts.Config{SelfUpdate: true}, "") }),
			want: want{status: Warn, effect: Breaks, cause: cause, says: "although Agent.SelfUpdate is on"}},

		{name: "a lock left behind", fault: lock(false, 26*time.Hour), want: want{status: Warn, effect: Notes, cause: cause, says: "left /var/lib/amazon/ssm/update.lock behind"}},
		{name: "a lock left behind that keeps updates away", fault: both(lock(false, 26*time.Hour), func(f *facts.Facts) {
			log(f, facts.SigUpdateBusy, time.Hour, "WARN Failed to lock update lockfile, another update is in progress")
		}), want: want{status: Warn, effect: Breaks, cause: cause, says: "another update is in progress"}},
		{name: "an update runs", fault: lock(true, time.Minute), want: want{status: Pass}},

		{name: "package refused", fault: refused("signature", 2*time.Hour), want: want{status: Warn, effect: Breaks, cause: cause, says: "its signature could not be verified", saw: "log of the package manager: Error: GPG check FAILED"}},
		{name: "package refused long ago", fault: refused("signature", 60*24*time.Hour), want: want{status: Pass}},
		{name: "package manager at work", fault: refused("locked", time.Hour), want: want{status: Warn, effect: Notes, cause: cause, says: "another package manager was at work"}},

		{name: "an old tool to register with", fault: func(f *facts.Facts) {
			f.Agent.Update.SetupCLI = facts.Known([]facts.Dated{{Path: "/opt/ssm/ssm-setup-cli", At: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)}}, "")
		}, want: want{status: Warn, effect: Notes, cause: cause, says: "/opt/ssm/ssm-setup-cli is of 2025-03-01"}},

		{name: "no agent", fault: func(f *facts.Facts) {
			f.Agent.Installations, f.Agent.Processes = facts.Known([]facts.Installation{}, ""), facts.Known(facts.Processes{}, "")
		}, want: want{status: Skip}},
		{name: "nothing read", fault: func(f *facts.Facts) { f.Agent.Update = facts.Update{} }, want: want{status: Unknown, says: "not looked at"}},
	})
}
