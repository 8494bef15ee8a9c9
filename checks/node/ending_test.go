package node

import (
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
)

// endingOf is how a unit of a service manager ended.
func endingOf(manager string, u facts.Unit) Ending {
	f := &facts.Facts{}
	f.Agent.Manager = facts.Known(manager, "")
	return Of(f).EndingOf(&u)
}

func TestEndings(t *testing.T) {
	t.Parallel()
	unit := func(active, how string, status int, restart, result string) facts.Unit {
		return facts.Unit{Active: active, Ended: how, ExitStatus: status, Restart: restart, Result: result, NoRestart: []int{194}}
	}
	for _, c := range []struct {
		name, manager string
		unit          facts.Unit
		class         EndClass
		how           string
		again         Answer
		notAgain, do  string
	}{
		{"hung up", "systemd", unit("inactive", "killed", 1, "on-failure", "success"), EndSignal, "killed by signal 1 (HUP)", No, "takes this signal for a clean end", "Restart=always"},
		{"hung up, always", "systemd", unit("activating", "killed", 1, "always", "success"), EndSignal, "killed by signal 1 (HUP)", Yes, "", ""},
		{"terminated", "systemd", unit("inactive", "killed", 15, "on-failure", "success"), EndSignal, "(TERM)", No, "clean end", "Restart=always"},
		{"killed", "systemd", unit("failed", "killed", 9, "no", "signal"), EndSignal, "killed by signal 9 (KILL)", No, "Restart=no", "Restart=always"},
		{"killed, on-failure", "systemd", unit("failed", "killed", 9, "on-failure", "signal"), EndSignal, "", Unknown, "", ""},
		{"killed, on-watchdog", "systemd", unit("failed", "killed", 9, "on-watchdog", "signal"), EndSignal, "", No, "Restart=on-watchdog", "Restart=always"},
		{"a fault", "systemd", unit("failed", "dumped", 11, "no", "core-dump"), EndCrash, "killed by signal 11 (SEGV) with a core file, and systemd says core-dump", No, "", "coredumpctl"},
		{"a fault without a core file", "systemd", unit("failed", "killed", 7, "no", "signal"), EndCrash, "(BUS)", No, "", ""},
		{"aborted", "systemd", unit("failed", "dumped", 6, "on-abort", "core-dump"), EndCrash, "(ABRT)", Unknown, "", "coredumpctl"},
		{"a forbidden call", "systemd", unit("failed", "killed", 31, "no", "signal"), EndCrash, "(SYS)", No, "", "systemctl edit"},
		{"no memory", "systemd", unit("activating", "killed", 9, "always", "oom-kill"), EndMemory, "killed by signal 9 (KILL), and systemd says oom-kill", Yes, "", ""},
		{"too often", "systemd", unit("failed", "exited", 1, "always", "start-limit-hit"), EndLimit, "exit status 1, and systemd says start-limit-hit", No, "too many starts", "reset-failed"},
		{"a time-out", "systemd", unit("failed", "killed", 15, "always", "timeout"), EndTimeout, "systemd says timeout", Unknown, "", "systemctl cat"},
		{"the watchdog", "systemd", unit("failed", "dumped", 6, "on-watchdog", "watchdog"), EndTimeout, "systemd says watchdog", Yes, "", "WatchdogSec"},
		{"a protocol", "systemd", unit("failed", "", 0, "always", "protocol"), EndSetup, "systemd says protocol", Unknown, "", "systemctl edit"},
		{"resources", "systemd", unit("failed", "", 0, "no", "resources"), EndSetup, "systemd says resources", No, "", "systemctl edit"},
		{"a condition", "systemd", unit("inactive", "", 0, "always", "exec-condition"), EndCondition, "systemd says exec-condition", No, "", "systemctl edit"},
		{"an unmet condition", "systemd", facts.Unit{Active: "inactive", Restart: "always", Unmet: true}, EndCondition, "a condition of the unit did not hold", No, "", "systemctl status"},
		{"203", "systemd", unit("failed", "exited", 203, "always", "exit-code"), EndExec, "exit status 203/EXEC", Unknown, "", ""},
		{"200", "systemd", unit("failed", "exited", 200, "always", "exit-code"), EndSetup, "exit status 200/CHDIR", Unknown, "", "systemctl edit"},
		{"217", "systemd", unit("activating", "exited", 217, "always", "exit-code"), EndSetup, "exit status 217/USER", Yes, "", "systemctl edit"},
		{"226", "systemd", unit("failed", "exited", 226, "no", "exit-code"), EndSetup, "exit status 226/NAMESPACE", No, "", "systemctl edit"},
		{"204", "systemd", unit("failed", "exited", 204, "always", "exit-code"), EndMemory, "exit status 204/MEMORY", Unknown, "", ""},
		{"127", "systemd", unit("failed", "exited", 127, "always", "exit-code"), EndMissing, "exit status 127/not found", Unknown, "", "ldd"},
		{"126", "systemd", unit("failed", "exited", 126, "always", "exit-code"), EndExec, "exit status 126/not executable", Unknown, "", ""},
		{"reboot", "systemd", unit("inactive", "exited", 194, "always", "exit-code"), EndClean, "exit status 194/reboot", No, "RestartPreventExitStatus of the unit names 194", ""},
		{"of a shell", "systemd", unit("failed", "exited", 137, "always", "exit-code"), EndCode, "exit status 137", Unknown, "", ""},
		{"stopped", "systemd", unit("inactive", "exited", 0, "always", "success"), EndClean, "ended by itself without an error", No, "told systemd to stop it", ""},
		{"ended by itself", "systemd", unit("inactive", "exited", 0, "on-failure", "success"), EndClean, "", No, "Restart=on-failure does not cover it", "Restart=always"},
		{"an older systemd", "systemd", unit("failed", "", 9, "", "signal"), EndSignal, "killed by signal 9", Unknown, "", ""},
		{"nothing known", "systemd", unit("inactive", "", 0, "", ""), "", "", Unknown, "", ""},
		{"an unnamed signal", "systemd", unit("failed", "killed", 64, "no", "signal"), EndSignal, "killed by signal 64 (unnamed)", No, "", ""},

		{"Windows, no program", "scm", unit("stopped", "scm", 2, "", "exit-code"), EndMissing, "exit code 2 (FILE_NOT_FOUND)", Unknown, "", "{reinstall}"},
		{"Windows, access", "scm", unit("stopped", "scm", 5, "", "exit-code"), EndExec, "exit code 5 (ACCESS_DENIED)", Unknown, "", "icacls"},
		{"Windows, wrong processor", "scm", unit("stopped", "scm", 193, "", "exit-code"), EndMissing, "BAD_EXE_FORMAT", Unknown, "", "{reinstall}"},
		{"Windows, virus", "scm", unit("stopped", "scm", 225, "", "exit-code"), EndExec, "VIRUS_INFECTED", Unknown, "", "ExclusionPath"},
		{"Windows, in time", "scm", unit("stopped", "scm", 1053, "", "exit-code"), EndTimeout, "exit code 1053 (SERVICE_REQUEST_TIMEOUT)", Unknown, "", "ServicesPipeTimeout"},
		{"Windows, aborted", "scm", unit("stopped", "scm", 1067, "", "exit-code"), EndCrash, "exit code 1067 (PROCESS_ABORTED)", Unknown, "", "Get-WinEvent"},
		{"Windows, dependency", "scm", unit("stopped", "scm", 1068, "", "exit-code"), EndCondition, "SERVICE_DEPENDENCY_FAIL", Unknown, "", "RequiredServices"},
		{"Windows, log-on", "scm", unit("stopped", "scm", 1069, "", "exit-code"), EndSetup, "SERVICE_LOGON_FAILED", Unknown, "", "LocalSystem"},
		{"Windows, signature", "scm", unit("stopped", "scm", 577, "", "exit-code"), EndExec, "INVALID_IMAGE_HASH", Unknown, "", "CodeIntegrity"},
		{"Windows, AppLocker", "scm", unit("stopped", "scm", 1260, "", "exit-code"), EndExec, "ACCESS_DISABLED_BY_POLICY", Unknown, "", "AppLocker"},
		{"Windows, WDAC", "scm", unit("stopped", "scm", 4551, "", "exit-code"), EndExec, "SYSTEM_INTEGRITY_POLICY_VIOLATION", Unknown, "", "CodeIntegrity"},
		{"Windows, removed by an antivirus", "scm", unit("stopped", "scm", 226, "", "exit-code"), EndExec, "VIRUS_DELETED", Unknown, "", "ExclusionPath"},
		{"Windows, disabled", "scm", unit("stopped", "scm", 1058, "", "exit-code"), EndCondition, "SERVICE_DISABLED", Unknown, "", ""},
		{"Windows, being deleted", "scm", unit("stopped", "scm", 1072, "", "exit-code"), EndCondition, "SERVICE_MARKED_FOR_DELETE", Unknown, "", "Restart-Computer"},
		{"Windows, memory", "scm", unit("stopped", "scm", 1455, "", "exit-code"), EndMemory, "COMMITMENT_LIMIT", Unknown, "", "WorkingSet64"},
		{"Windows, a code of its own", "scm", unit("stopped", "exited", 2, "", "exit-code"), EndCode, "exit code 2", Unknown, "", "Get-WinEvent"},
		{"Windows, an exception", "scm", unit("stopped", "scm", 0xC0000005, "", "exit-code"), EndCrash, "exit code 0xC0000005 (STATUS_ACCESS_VIOLATION)", Unknown, "", "Get-WinEvent"},
		{"Windows, unheard of", "scm", unit("stopped", "scm", 99999, "", "exit-code"), EndCode, "exit code 99999", Unknown, "", "Get-WinEvent"},
		{"Windows, runs", "scm", unit("active", "", 0, "", "success"), "", "", Unknown, "", ""},

		{"macOS, configuration", "launchd", unit("inactive", "exited", 78, "", "exit-code"), EndMissing, "exit code 78 (EX_CONFIG)", Unknown, "", "{reinstall}"},
		{"macOS, killed", "launchd", unit("inactive", "killed", 9, "", "signal"), EndSignal, "killed by signal 9 (KILL)", Unknown, "", "log show"},
		{"macOS, its own number of BUS", "launchd", unit("inactive", "killed", 10, "", "signal"), EndCrash, "killed by signal 10 (BUS)", Unknown, "", ""},
		{"macOS, quarantined", "launchd", unit("inactive", "exited", 155, "", "exit-code"), EndExec, "quarantined", Unknown, "", ""},
		{"macOS, a code", "launchd", unit("inactive", "exited", 1, "", "exit-code"), EndCode, "exit code 1", Unknown, "", "log show"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := endingOf(c.manager, c.unit)
			if e.Class != c.class || e.Again != c.again {
				t.Errorf("%q again %s, want %q again %s", e.Class, e.Again, c.class, c.again)
			}
			if !strings.Contains(e.How.String(), c.how) {
				t.Errorf("%q lacks %q", e.How, c.how)
			}
			if !strings.Contains(e.NotAgain.String(), c.notAgain) {
				t.Errorf("%q lacks %q", e.NotAgain, c.notAgain)
			}
			var do strings.Builder
			for _, s := range e.Do {
				if s.Text == "" || s.Command == "" {
					t.Errorf("a step without words or command: %+v", s)
				}
				do.WriteString(s.Text + " " + s.Command + "\n")
			}
			if !strings.Contains(do.String(), c.do) {
				t.Errorf("no %q in:\n%s", c.do, do.String())
			}
		})
	}
}

// TestEndTables: every row has a name, a class and a meaning, and what a unit is to
// blame for has a step.
func TestEndTables(t *testing.T) {
	t.Parallel()
	check := func(table string, key any, r ended, named bool) {
		if named && r.name == "" || r.class == "" || r.meaning == "" {
			t.Errorf("%s %v: %+v", table, key, r)
		}
		if r.class == EndSetup && len(r.do) == 0 {
			t.Errorf("%s %v has no step", table, key)
		}
	}
	for k, r := range signals {
		check("signal", k, r, true)
	}
	for k, r := range codes {
		check("exit status", k, r, true)
	}
	for k, r := range results {
		check("result", k, r, false)
	}
	for k, r := range scmErrors {
		check("Windows", k, r, true)
	}
	for k, r := range macSignals {
		check("signal of macOS", k, r, true)
	}
	for k, r := range launchdErrors {
		check("launchd", k, r, true)
	}
	for status := 200; status <= 243; status++ { // 223 and 234 were never given
		if _, ok := codes[status]; !ok && status != 223 && status != 234 {
			t.Errorf("no row for exit status %d of systemd", status)
		}
	}
}

func TestMemoryNotes(t *testing.T) {
	t.Parallel()
	f := &facts.Facts{}
	f.Agent.Notes = facts.Known([]facts.SystemNote{
		{Kind: facts.NoteOOM, Process: "amazon-ssm-agen"}, {Kind: facts.NoteOOM, Process: "ssm-agent-worke"}, {Kind: facts.NoteNoMemory, Process: "amazon-ssm-agent"},
		{Kind: facts.NoteOOM, Process: "ssm-document-wo"}, {Kind: facts.NoteOOM, Process: "ssm-session-wor"}, {Kind: facts.NoteOOM, Process: "python3"}, {Kind: facts.NoteOOMUnit}, {Kind: facts.NoteCrash, Process: "amazon-ssm-agen"},
	}, "")
	n := Of(f)
	if got := len(n.MemoryNotes()); got != 3 {
		t.Errorf("%d notes, want 3", got)
	}
	if m, ok := n.LatestNote(facts.NoteOOM); !ok || m.Process != "python3" {
		t.Errorf("latest %+v", m)
	}
	if _, ok := n.LatestNote(facts.NotePull); ok {
		t.Error("a note that is not there")
	}
}
