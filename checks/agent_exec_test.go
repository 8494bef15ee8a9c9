package checks

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// execFailed is an agent that its service manager could not execute.
func execFailed(f *facts.Facts) {
	execStopped(f)
	f.Agent.Units.Value[0].ExitStatus = 203
}

// execStopped is an agent that ended five minutes ago.
func execStopped(f *facts.Facts) {
	neverAccepted(f)
	f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
	f.Agent.Notes = facts.Known([]facts.SystemNote{}, "logs of the system")
	u := &f.Agent.Units.Value[0]
	u.Active, u.Sub, u.StoppedSince = "failed", "failed", f.CollectedAt.Add(-5*time.Minute)
}

// execProgram changes what was seen of the program.
func execProgram(change func(*facts.Program)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		p := facts.Program{Size: 4 << 20, Runnable: true, Format: "elf", Arch: f.Host.Arch}
		change(&p)
		f.Agent.Units.Value[0].Program = facts.Known(p, "file:/usr/bin/amazon-ssm-agent")
	}
}

// execNote is a refusal in the log of the system, four minutes before the run.
func execNote(text string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Agent.Notes = facts.Known([]facts.SystemNote{{Kind: facts.NoteRefused, At: f.CollectedAt.Add(-4 * time.Minute), Text: text, From: "file:/var/log/messages"}}, "logs of the system")
	}
}

// execWindows is a service of Windows that ended with a code of the service manager.
func execWindows(code int) func(*facts.Facts) {
	return func(f *facts.Facts) {
		execStopped(f)
		u := &f.Agent.Units.Value[0]
		u.Active, u.Sub, u.Result, u.Ended, u.ExitStatus = "failed", "stopped", "exit-code", "scm", code
	}
}

// execDenied is a denial of SELinux, so long before the run.
func execDenied(mode, permission string, before time.Duration) func(*facts.Facts) {
	return func(f *facts.Facts) {
		d := facts.Denial{Permission: permission, Path: "/usr/bin/amazon-ssm-agent", Target: "system_u:object_r:user_home_t:s0"}
		if before > 0 {
			d.At = f.CollectedAt.Add(-before)
		}
		f.Host.SELinux = facts.Known(facts.SELinux{Mode: mode, Denials: facts.Known([]facts.Denial{d}, "file:/var/log/audit/audit.log")}, "file:/sys/fs/selinux/enforce")
	}
}

// execRefused is an entry of a log of Windows: who refused a program, and how long ago.
func execRefused(by, program string, before time.Duration) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Agent.Notes = facts.Known([]facts.SystemNote{{Kind: facts.NoteRefused, By: by, Process: program, At: f.CollectedAt.Add(-before), Text: "event 8004: " + program + ".exe denied by a rule", From: "event log:x"}}, "event logs")
	}
}

// execNoExec mounts a place of a healthy host noexec: 1 is the state directory, 4 is
// /usr/bin, 5 is /tmp.
func execNoExec(place int, mount string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		fs := &f.Host.FileSystems.Value[place]
		fs.Mount, fs.NoExec = mount, facts.Known(true, "file:/proc/self/mountinfo")
	}
}

// TestModesOfParts: each program without its mode gets its own back.
func TestModesOfParts(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "profile")
	packagingParts(func(p map[string]*facts.Seen[facts.Program]) {
		p["ssm-session-worker"].Value.Runnable, p["ssm-document-worker"].Value.Runnable = false, false
	})(f)
	fix := AgentExec.Judge(node.Of(f)).Fix
	if len(fix) != 3 || fix[0].Command != "chmod 0755 /usr/bin/ssm-document-worker" || fix[1].Command != "chmod 0755 /usr/bin/ssm-session-worker" {
		t.Errorf("%+v", fix)
	}
}

// ownMounts are mounts that the agent has as it runs.
func ownMounts(list ...facts.SealedMount) func(*facts.Facts) {
	return func(f *facts.Facts) { f.Agent.Sealed = facts.Known(list, "file:/proc/77/mountinfo") }
}

// noExecPaths is a drop-in that lets nothing be executed from a folder.
func noExecPaths(f *facts.Facts) {
	f.Agent.Units.Value[0].Overrides = []facts.Override{{Key: "NoExecPaths", Value: "/var/lib", File: "/etc/systemd/system/amazon-ssm-agent.service.d/50-local.conf", Single: true}}
}

func TestAgentExec(t *testing.T) {
	t.Parallel()
	all := func(faults ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for _, fault := range faults {
				fault(f)
			}
		}
	}
	logged := func(f *facts.Facts) {
		log(f, facts.SigExecDenied, time.Minute, "fork/exec /usr/bin/ssm-agent-worker: permission denied")
	}
	notesUnread := func(f *facts.Facts) {
		f.Agent.Notes = facts.Unknown[[]facts.SystemNote]("Access is denied.", "event logs")
	}
	noProcesses := func(f *facts.Facts) {
		f.Agent.Processes = facts.Unknown[facts.Processes]("permission denied", "file:/proc")
		f.Agent.Units = facts.Unknown[[]facts.Unit]("no answer in time", "systemctl show")
	}
	const cause = "agent-exec-blocked"
	named := func(c Confidence, says, saw, value string) want {
		return want{status: Fail, effect: Blocks, cause: cause, confidence: c, says: says, saw: saw, value: value}
	}
	part := func(says, saw, value string) want {
		return want{status: Warn, effect: Breaks, cause: cause, confidence: Proven, says: says, saw: saw, value: value}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	denied := "SELinux denied execute on /usr/bin/amazon-ssm-agent (label system_u:object_r:user_home_t:s0)"
	worker := func(f *facts.Facts) {
		log(f, facts.SigDocStart, time.Hour, "start process: /usr/bin/ssm-document-worker error: fork/exec /usr/bin/ssm-document-worker: permission denied")
	}
	table := []row{
		{name: "a worker for commands", fault: worker, want: want{status: Warn, effect: Breaks, cause: cause, confidence: Likely, says: "commands or sessions find no worker (once, 60 min ago)", saw: "agent log: start process"}},
		{name: "a worker that ran since", fault: all(worker, func(f *facts.Facts) { log(f, facts.SigDocRan, time.Minute, "INFO Running plugin") }), want: is(Pass, "the agent runs")},
		{name: "a program for sessions without its mode", fault: packagingParts(func(p map[string]*facts.Seen[facts.Program]) { p["ssm-session-worker"].Value.Runnable = false }),
			want: want{status: Warn, effect: Breaks, cause: cause, confidence: Proven, says: "/usr/bin/ssm-session-worker may not be executed, its mode has no x: sessions do not open", saw: "program /usr/bin/ssm-session-worker: not executable by its mode"}},
		{name: "nothing is executed from the state, of the agent's own", fault: all(ownMounts(facts.SealedMount{Dir: "/var/lib/amazon/ssm", Mount: "/var/lib", NoExec: true}), noExecPaths), want: part("/var/lib is mounted noexec for the agent's service alone", "mounts of the agent: /var/lib noexec", "")},
		{name: "the same of its log", fault: ownMounts(facts.SealedMount{Dir: "/var/log/amazon/ssm", Mount: "/var/log", NoExec: true}), want: is(Pass, "the agent runs")},
		{name: "its own mounts, not read", fault: all(func(f *facts.Facts) {
			f.Agent.Sealed = facts.Unknown[[]facts.SealedMount]("permission denied", "file:/proc")
		}, noExecPaths), want: is(Unknown, "mounts of the agent")},
		{name: "a worker that is missing", fault: func(f *facts.Facts) { log(f, facts.SigDocStart, time.Hour, "no such file or directory") }, want: is(Pass, "the agent runs")},
		{name: "profile", want: is(Pass, "the agent runs")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "")},
		{name: "windows", kind: "windows", want: is(Pass, "")},
		{name: "task", kind: "task", want: is(Pass, "")},
		{name: "stopped", fault: execStopped, want: is(Pass, "")},
		{name: "nothing installed", fault: all(execStopped, func(f *facts.Facts) {
			f.Agent.Installations = facts.Known([]facts.Installation{}, "package databases")
		}), want: is(Skip, "no agent is installed")},

		{name: "203, and the mode is why", fault: all(execFailed, execProgram(func(p *facts.Program) { p.Runnable = false })), want: named(Proven, "/usr/bin/amazon-ssm-agent may not be executed: its mode has no x (exit status 203/EXEC)", "program /usr/bin/amazon-ssm-agent: not executable by its mode", "")},
		{name: "203, and the program is missing", fault: all(execFailed, func(f *facts.Facts) {
			f.Agent.Units.Value[0].Program = facts.Absent[facts.Program]("no such file", "file:/usr/bin/amazon-ssm-agent")
		}), want: is(Unknown, "/usr/bin/amazon-ssm-agent does not exist")},
		{name: "203, and the program is one of a Mac", fault: all(execFailed, execProgram(func(p *facts.Program) { p.Format, p.Arch = "macho", "" })), want: is(Unknown, "it is not an executable")},
		{name: "203, and the program is empty", fault: all(execFailed, execProgram(func(p *facts.Program) { p.Size = 0 })), want: is(Unknown, "it is empty")},
		{name: "203, and the program was not looked at", fault: all(execFailed, func(f *facts.Facts) {
			f.Agent.Units.Value[0].Program = facts.Unknown[facts.Program]("permission denied", "")
		}), want: is(Unknown, "program /usr/bin/amazon-ssm-agent: permission denied; the service manager could not execute it (exit status 203/EXEC)")},
		{name: "AppArmor", fault: all(execFailed, execNote(`audit: apparmor="DENIED" operation="exec" name="/usr/bin/amazon-ssm-agent"`)), want: named(Proven, "AppArmor does not let the agent be executed", "log of the system: audit: apparmor", "")},
		{name: "fapolicyd", fault: all(execFailed, execNote(`fapolicyd: dec=deny_audit perm=execute path=/usr/bin/amazon-ssm-agent`)), want: named(Proven, "fapolicyd does not let the agent be executed", "", "")},
		{name: "AppArmor, and a start that ran since", fault: all(execStopped, execNote(`audit: apparmor="DENIED" operation="exec" name="/usr/bin/amazon-ssm-agent"`), func(f *facts.Facts) {
			u := &f.Agent.Units.Value[0]
			u.Result, u.Ended, u.ExitStatus, u.StoppedSince = "core-dump", "dumped", 11, f.CollectedAt.Add(-2*time.Minute)
		}), want: want{status: Pass}},
		{name: "SELinux, and masked since", fault: all(execStopped, execDenied("enforcing", "execute", 4*time.Minute), func(f *facts.Facts) {
			u := &f.Agent.Units.Value[0]
			u.Active, u.Result, u.Enabled = "inactive", "success", "masked"
		}), want: want{status: Pass}},
		{name: "AppArmor, long ago, and the agent runs", fault: execNote(`audit: apparmor="DENIED" operation="exec" name="/usr/bin/amazon-ssm-agent"`), want: is(Pass, "")},
		{name: "Windows: taken for a virus", kind: "windows", fault: execWindows(225), want: named(Proven, "exit code 225 (VIRUS_INFECTED)): an antivirus product takes the program for a virus", "last end of AmazonSSMAgent: exit code 225 (VIRUS_INFECTED)", "")},
		{name: "Windows: taken for a virus and removed", kind: "windows", fault: func(f *facts.Facts) {
			execWindows(225)(f)
			f.Agent.Units.Value[0].Program = facts.Absent[facts.Program]("no such file", `file:C:\x`)
		}, want: named(Proven, "an antivirus product takes the program for a virus; the program is gone", "", "")},
		{name: "Windows: a policy of Code Integrity", kind: "windows", fault: execWindows(4551), want: named(Proven, "exit code 4551 (SYSTEM_INTEGRITY_POLICY_VIOLATION)", "", "")},
		{name: "Windows: a policy", kind: "windows", fault: execWindows(1260), want: named(Proven, "a policy (AppLocker, software restriction) forbids the program", "", "")},
		{name: "Windows: a policy, and its log", kind: "windows", fault: all(execWindows(1260), execRefused(facts.ByAppLocker, "amazon-ssm-agent", time.Minute)),
			want: named(Proven, "a policy (AppLocker, software restriction) forbids the program; it was AppLocker", "log of the system: event 8004: amazon-ssm-agent.exe denied by a rule", "")},
		{name: "Windows: only its log says who removed it", kind: "windows", fault: all(execWindows(2), execRefused(facts.ByDefender, "amazon-ssm-agent", time.Minute), func(f *facts.Facts) {
			f.Agent.Units.Value[0].Program = facts.Absent[facts.Program]("no such file", `file:C:\x`)
		}), want: named(Proven, "Defender does not let the agent be executed; the program is gone", "log of the system: event 8004", "")},
		{name: "Windows: a clean stop, and a refusal days before it", kind: "windows", fault: all(execWindows(0), execRefused(facts.ByAppLocker, "amazon-ssm-agent", 72*time.Hour), func(f *facts.Facts) {
			f.Agent.Units.Value[0].StoppedSince = f.CollectedAt.Add(-time.Hour)
		}), want: is(Pass, "")},
		{name: "Windows: a crash, and a refusal", kind: "windows", fault: all(execWindows(1067), execRefused(facts.ByAppLocker, "amazon-ssm-agent", time.Minute)), want: is(Pass, "")},
		{name: "Windows: another of its programs refused", kind: "windows", fault: all(execWindows(2), execRefused(facts.ByAppLocker, "ssm-cli", time.Minute)), want: is(Pass, "")},
		{name: "Windows: the worker refused", kind: "windows", fault: all(execRefused(facts.ByIntegrity, "ssm-agent-worker", time.Minute), neverAccepted), want: named(Proven, "Code Integrity does not let the agent's worker be executed", "", "")},
		{name: "Windows: the worker refused, and runs", kind: "windows", fault: execRefused(facts.ByIntegrity, "ssm-agent-worker", time.Minute), want: is(Pass, "")},
		{name: "Windows: a crash", kind: "windows", fault: execWindows(1067), want: is(Pass, "")},

		{name: "203", fault: execFailed, want: named(Proven, "the service manager could not execute /usr/bin/amazon-ssm-agent (exit status 203/EXEC)", "last end of amazon-ssm-agent.service: exit status 203/EXEC (systemd:amazon-ssm-agent.service)", "path=/usr/bin/amazon-ssm-agent")},
		{name: "203 in the past", fault: func(f *facts.Facts) { f.Agent.Units.Value[0].ExitStatus = 203 }, want: is(Pass, "")},
		{name: "203 and SELinux", fault: all(execFailed, execDenied("enforcing", "execute", 6*time.Minute)), want: named(Proven, denied, "SELinux audit: avc: denied { execute } path=/usr/bin/amazon-ssm-agent tcontext=system_u:object_r:user_home_t:s0, mode enforcing (file:/var/log/audit/audit.log)", "path=/usr/bin/amazon-ssm-agent")},
		{name: "203 and a permissive SELinux", fault: all(execFailed, execDenied("permissive", "execute", 6*time.Minute)), want: named(Proven, "203/EXEC", "mode permissive", "")},
		{name: "203 and fapolicyd", fault: all(execFailed, func(f *facts.Facts) { f.Host.FApolicyd = facts.Known("running", "systemctl is-active fapolicyd") }), want: named(Proven, "203/EXEC", "fapolicyd: running", "")},
		{name: "203 and noexec", fault: all(execFailed, execNoExec(4, "/usr")), want: named(Proven, "(exit status 203/EXEC); /usr is mounted noexec", "mount flags of /usr: noexec", "mount=/usr")},

		{name: "SELinux", fault: all(execStopped, execDenied("enforcing", "entrypoint", 0)), want: named(Proven, denied, "avc: denied { entrypoint }", "")},
		{name: "SELinux, before the agent stopped", fault: all(execStopped, execDenied("enforcing", "execute", time.Hour)), want: is(Pass, "")},
		{name: "SELinux, before the host started", fault: all(execStopped, execDenied("enforcing", "execute", time.Hour), func(f *facts.Facts) {
			f.Agent.Units.Value[0].StoppedSince = time.Time{}
			f.Host.BootTime = facts.Known(f.CollectedAt.Add(-30*time.Minute), "file:/proc/stat")
		}), want: is(Pass, "")},
		{name: "SELinux, since the host started", fault: all(execStopped, execDenied("enforcing", "execute", time.Hour), func(f *facts.Facts) { f.Agent.Units.Value[0].StoppedSince = time.Time{} }), want: named(Proven, denied, "", "")},
		{name: "SELinux, something else", fault: all(execStopped, execDenied("enforcing", "read", 0)), want: is(Pass, "")},
		{name: "SELinux, and the agent runs", fault: execDenied("enforcing", "execute", 0), want: is(Pass, "")},
		{name: "SELinux, and whether the agent runs is not known", fault: all(noProcesses, execDenied("enforcing", "execute", 0)), want: is(Unknown, "processes: permission denied; SELinux denied execute")},
		{name: "SELinux unread", fault: all(execStopped, func(f *facts.Facts) { f.Host.SELinux = facts.Unknown[facts.SELinux]("permission denied", "") }), want: is(Unknown, "SELinux: permission denied")},
		{name: "audit log unread", fault: all(execStopped, func(f *facts.Facts) {
			f.Host.SELinux = facts.Known(facts.SELinux{Mode: "enforcing", Denials: facts.Unknown[[]facts.Denial]("permission denied", "file:/var/log/audit/audit.log").Because(facts.NeedsRoot)}, "")
		}), want: is(Unknown, "SELinux denials: permission denied")},
		{name: "logs of the system unread", fault: all(execStopped, notesUnread), want: is(Unknown, "logs of the system: Access is denied")},
		{name: "Windows: event logs unread", kind: "windows", fault: all(execWindows(0), notesUnread), want: is(Unknown, "logs of the system: Access is denied")},
		{name: "Windows: event logs unread, and the worker is missing", kind: "windows", fault: all(neverAccepted, notesUnread, func(f *facts.Facts) { f.Agent.Processes.Value.Worker = nil }), want: is(Unknown, "logs of the system: Access is denied")},
		{name: "Windows: event logs unread, and the agent runs", kind: "windows", fault: notesUnread, want: is(Pass, "the agent runs")},
		{name: "a system whose logs are not asked", fault: all(execStopped, func(f *facts.Facts) {
			f.Agent.Notes = facts.Unknown[[]facts.SystemNote]("only a running Linux or Windows is asked", "").Because(facts.NotAskable)
		}), want: is(Pass, "neither mount options nor a security module refuse it")},
		{name: "audit log unread, and the agent runs", fault: func(f *facts.Facts) {
			f.Host.SELinux = facts.Known(facts.SELinux{Mode: "enforcing", Denials: facts.Unknown[[]facts.Denial]("permission denied", "")}, "")
		}, want: is(Pass, "")},

		{name: "the log says so", fault: all(neverAccepted, logged), want: named(Likely, "an executable of the agent may not be executed", "agent log: fork/exec /usr/bin/ssm-agent-worker: permission denied", "")},
		{name: "the log says so, accepted since", fault: func(f *facts.Facts) {
			log(f, facts.SigExecDenied, time.Hour, "fork/exec /usr/bin/ssm-agent-worker: permission denied")
		}, want: is(Pass, "")},
		{name: "203, and the log says so", fault: all(execFailed, logged), want: named(Proven, "203/EXEC", "agent log: fork/exec", "")},

		{name: "state noexec", fault: execNoExec(1, "/var"), want: part("/var is mounted noexec: scripts and packages that the agent stores in /var/lib/amazon/ssm cannot run", "mount flags of /var: noexec (file:/proc/self/mountinfo)", "mount=/var")},
		{name: "state noexec, not accepted", fault: all(neverAccepted, execNoExec(1, "/var")), want: part("scripts and packages", "", "")},
		{name: "programs noexec", fault: all(execStopped, execNoExec(4, "/usr")), want: named(Proven, "/usr is mounted noexec", "", "mount=/usr")},
		{name: "state and programs noexec", fault: all(execStopped, execNoExec(1, "/var"), execNoExec(4, "/usr")), want: named(Proven, "/usr is mounted noexec", "mount flags of /var: noexec", "")},
		{name: "/tmp noexec", fault: execNoExec(5, "/tmp"), want: is(Pass, "")},
		{name: "mount flags unread", fault: func(f *facts.Facts) {
			f.Host.FileSystems.Value[1].NoExec = facts.Unknown[bool]("no mount holds it", "")
		}, want: is(Unknown, "mount flags of /var/lib/amazon/ssm: no mount holds it")},
		{name: "file systems unread", fault: func(f *facts.Facts) { f.Host.FileSystems = facts.Seen[[]facts.FileSystem]{} }, want: is(Unknown, "mount flags: not looked at")},

		{name: "log unread", fault: unreadLogOf, want: is(Unknown, "agent log: ")},
		{name: "installations unread", fault: all(execStopped, func(f *facts.Facts) {
			f.Agent.Installations = facts.Unknown[[]facts.Installation]("permission denied", "")
		}), want: is(Unknown, "installations: permission denied")},
		{name: "units unread", fault: all(execStopped, func(f *facts.Facts) { f.Agent.Units = facts.Unknown[[]facts.Unit]("no answer in time", "") }), want: is(Unknown, "service units: no answer in time")},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Agent = facts.Agent{} }, want: is(Unknown, "installations: not looked at")},
	}
	judge(t, AgentExec, table)
	judgeUnread(t, AgentExec, table)
}

func noSELinux(f *facts.Facts) { f.Host.SELinux = facts.Absent[facts.SELinux]("not enabled", "") }

// execLogged is a program that the log of the agent says may not be executed.
func execLogged(path string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		log(f, facts.SigExecDenied, time.Minute, "fork/exec "+path+": permission denied")
	}
}

// TestExecSteps: who refused the program does not take the place of what brings it back.
func TestExecSteps(t *testing.T) {
	t.Parallel()
	gone := func(f *facts.Facts) {
		f.Agent.Units.Value[0].Program = facts.Absent[facts.Program]("no such file", `file:C:\x`)
	}
	refused := func(by string) func(*facts.Facts) { return execRefused(by, "amazon-ssm-agent", time.Minute) }
	mac := func(code int) func(*facts.Facts) {
		return func(f *facts.Facts) {
			execStopped(f)
			u := &f.Agent.Units.Value[0]
			u.Active, u.Sub, u.Result, u.Ended, u.ExitStatus = "inactive", "exited", "exit-code", "exited", code
			f.Host.GOOS, f.Agent.Manager = "darwin", facts.Known("launchd", "")
		}
	}
	scan, policy := node.StepsAgainst(facts.ByDefender)[0].Command, node.StepsAgainst(facts.ByAppLocker)[0].Command
	const again, start = "{reinstall}", "{restart}"
	for _, c := range []struct {
		name, kind string
		faults     []func(*facts.Facts)
		want       []string // those before the look whether it is well
	}{
		{"a worker's mode, no SELinux", "profile", []func(*facts.Facts){neverAccepted, execLogged("/usr/bin/ssm-agent-worker"), noSELinux}, []string{"chmod 0755 /usr/bin/ssm-agent-worker", start}},
		{"a worker, SELinux unread", "profile", []func(*facts.Facts){neverAccepted, execLogged("/usr/bin/ssm-agent-worker"), func(f *facts.Facts) { f.Host.SELinux = facts.Seen[facts.SELinux]{} }}, []string{}},
		{"a program of somebody else", "profile", []func(*facts.Facts){neverAccepted, execLogged("/opt/x;reboot"), noSELinux}, []string{}},
		{"removed, and Defender tells", "windows", []func(*facts.Facts){execWindows(226), refused(facts.ByDefender)}, []string{scan, again, start}},
		{"gone, and Defender tells", "windows", []func(*facts.Facts){execWindows(2), refused(facts.ByDefender), gone}, []string{scan, again, start}},
		{"taken for a virus, and gone", "windows", []func(*facts.Facts){execWindows(225), gone}, []string{scan, again, start}},
		{"taken for a virus, and there", "windows", []func(*facts.Facts){execWindows(225), refused(facts.ByDefender)}, []string{scan, start}},
		{"no signature", "windows", []func(*facts.Facts){execWindows(577), refused(facts.ByIntegrity)}, []string{policy, again, start}},
		{"no signature, by its status", "windows", []func(*facts.Facts){execWindows(-1073740760)}, []string{policy, again, start}},
		{"a rule", "windows", []func(*facts.Facts){execWindows(1260), refused(facts.ByAppLocker)}, []string{policy, start}},
		{"macOS, quarantined", "profile", []func(*facts.Facts){mac(155)}, []string{again, start}},
		{"macOS, gone", "profile", []func(*facts.Facts){mac(126), gone}, []string{again, start}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := factstest.Healthy(t, c.kind)
			for _, fault := range c.faults {
				fault(f)
			}
			fd := AgentExec.Judge(node.Of(factstest.Clone(f)))
			got := []string{}
			for _, s := range fd.Fix {
				if s.Command != causes.Again.Command {
					got = append(got, s.Command)
				}
			}
			if fd.Cause != "agent-exec-blocked" || !slices.Equal(got, c.want) {
				t.Errorf("%s %s: steps %q, want %q", fd.Cause, fd.Summary, got, c.want)
			}
		})
	}
}

// overridden gives the agent's unit a setting of a drop-in, and the agent these connections.
func overridden(key, value string, single bool, sockets ...facts.Socket) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Agent.Units.Value[0].Overrides = []facts.Override{{Key: key, Value: value, File: "/etc/systemd/system/amazon-ssm-agent.service.d/hard.conf", Single: single}}
		f.Agent.Channel = facts.Known(append([]facts.Socket{}, sockets...), "ss")
	}
}

func also(key, value string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		u := &f.Agent.Units.Value[0]
		u.Overrides = append(u.Overrides, facts.Override{Key: key, Value: value, File: "/etc/systemd/system/amazon-ssm-agent.service.d/z.conf", Single: true})
	}
}

// TestIsolation: settings of a drop-in that keep the agent alone from the network.
func TestIsolation(t *testing.T) {
	t.Parallel()
	open := facts.Socket{Local: "10.0.0.10:50000", Remote: "52.1.1.1:443"}
	for _, tt := range []struct {
		name  string
		fault func(*facts.Facts)
		step  string // none: it is not blamed
	}{
		{"private network", overridden("PrivateNetwork", "yes", true), "sed -i.off -e '/^[[:space:]]*PrivateNetwork"},
		{"not private", overridden("PrivateNetwork", "no", true), ""},
		{"all addresses denied", overridden("IPAddressDeny", "any", true), "sed -i.off -e '/^[[:space:]]*IPAddressDeny"},
		{"some addresses denied", overridden("IPAddressDeny", "10.0.0.0/8", true), ""},
		{"denied, and connected all the same", overridden("IPAddressDeny", "any", true, open), ""},
		{"sockets of the host only", overridden("RestrictAddressFamilies", "AF_UNIX AF_NETLINK", true), "sed"},
		{"with the internet's", overridden("RestrictAddressFamilies", "AF_UNIX AF_INET", true), ""},
		{"all but the internet's", overridden("RestrictAddressFamilies", "~AF_INET AF_INET6", true), "sed"},
		{"all but others", overridden("RestrictAddressFamilies", "~AF_PACKET", true), ""},
		{"emptied", overridden("RestrictAddressFamilies", "", true), ""},
		{"not in one line", overridden("PrivateNetwork", "yes", false), ""},
		{"set again in another file", netAll(overridden("PrivateNetwork", "yes", true), also("PrivateNetwork", "no")), ""},
		{"some are allowed", netAll(overridden("IPAddressDeny", "any", true), also("IPAddressAllow", "10.0.0.0/8 169.254.169.254")), ""},
		{"an agent that does not run", netAll(overridden("IPAddressDeny", "any", true), func(f *facts.Facts) { f.Agent.Processes = facts.Known(facts.Processes{}, "/proc") }), ""},
		{"connections not read", netAll(overridden("PrivateNetwork", "yes", true), func(f *facts.Facts) { f.Agent.Channel = facts.Unknown[[]facts.Socket]("permission denied", "") }), ""},
	} {
		f := factstest.Healthy(t, "profile")
		tt.fault(f)
		fd := AgentExec.Judge(node.Of(f))
		if (fd.Cause == "agent-exec-blocked") != (tt.step != "") {
			t.Errorf("%s: %q, %s", tt.name, fd.Cause, fd.Summary)
			continue
		}
		if tt.step != "" && !strings.Contains(remedied(fd).Fix[0].Command, tt.step) {
			t.Errorf("%s: %s", tt.name, remedied(fd).Fix[0].Command)
		}
	}
}
