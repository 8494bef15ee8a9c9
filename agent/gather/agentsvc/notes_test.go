package agentsvc

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func TestParseNotes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name, line, kind, process, text string
		at                              time.Time
	}{
		{"a kill", "Jan  2 03:00:00 ip-10-0-0-1 kernel: [12.3] Out of memory: Killed process 3211 (amazon-ssm-agen) total-vm:1398768kB", facts.NoteOOM, "amazon-ssm-agen", "kernel: [12.3] Out of memory", now.Add(-245 * time.Second)},
		{"an older kernel", "Jan  2 03:00:00 h kernel: Out of memory: Kill process 3211 (ssm-agent-worke) score 12 or sacrifice child", facts.NoteOOM, "ssm-agent-worke", "", now.Add(-245 * time.Second)},
		{"of last year", "Dec 31 23:00:00 h kernel: Out of memory: Killed process 3211 (amazon-ssm-agen)", facts.NoteOOM, "amazon-ssm-agen", "", time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC)},
		{"a control group", "2026-01-02T03:00:00.123456+00:00 h kernel: Memory cgroup out of memory: Killed process 12 (amazon-ssm-agen) total-vm:1kB", facts.NoteOOMGroup, "amazon-ssm-agen", "kernel: Memory cgroup", time.Date(2026, 1, 2, 3, 0, 0, 123456000, time.UTC)},
		{"the journal", "2026-01-02T04:00:00+0100 h systemd[1]: amazon-ssm-agent.service: A process of this unit has been killed by the OOM killer.", facts.NoteOOMUnit, "", "systemd[1]: amazon-ssm-agent.service", time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)},
		{"a result", "Jan  2 03:00:00 h systemd[1]: amazon-ssm-agent.service: Failed with result 'oom-kill'.", facts.NoteOOMUnit, "", "", now.Add(-245 * time.Second)},
		{"systemd-oomd", "Jan  2 03:00:00 h systemd-oomd[1]: Killed /system.slice/amazon-ssm-agent.service due to memory pressure", facts.NoteOOM, "", "", now.Add(-245 * time.Second)},
		{"Go", "Jan  2 03:00:00 h amazon-ssm-agent[7]: fatal error: runtime: out of memory", facts.NoteNoMemory, "amazon-ssm-agent", "", now.Add(-245 * time.Second)},
		{"a library", "Jan  2 03:00:00 h amazon-ssm-agent[7]: /usr/bin/amazon-ssm-agent: error while loading shared libraries: libfoo.so.1: cannot open shared object file", facts.NoteLibrary, "", "libfoo.so.1", now.Add(-245 * time.Second)},
		{"execution", "Jan  2 03:00:00 h systemd[7]: amazon-ssm-agent.service: Failed at step EXEC spawning /usr/bin/amazon-ssm-agent: Exec format error", facts.NoteExec, "", "Exec format error", now.Add(-245 * time.Second)},
		{"a missing program", "Jan  2 03:00:00 h systemd[7]: amazon-ssm-agent.service: Unable to locate executable '/usr/bin/amazon-ssm-agent': No such file or directory", facts.NoteExec, "", "", now.Add(-245 * time.Second)},
		{"a step", "Jan  2 03:00:00 h systemd[7]: amazon-ssm-agent.service: Failed at step USER spawning /usr/bin/amazon-ssm-agent: No such process", facts.NoteStep, "", "USER", now.Add(-245 * time.Second)},
		{"a fault", "Jan  2 03:00:00 h kernel: [1.0] amazon-ssm-agen[12]: segfault at 0 ip 0 sp 0 error 4", facts.NoteCrash, "amazon-ssm-agen", "", now.Add(-245 * time.Second)},
		{"a core file", "Jan  2 03:00:00 h systemd-coredump[9]: Process 12 (amazon-ssm-agen) of user 0 dumped core.", facts.NoteCrash, "amazon-ssm-agen", "", now.Add(-245 * time.Second)},
		{"too often", "Jan  2 03:00:00 h systemd[1]: amazon-ssm-agent.service: Start request repeated too quickly.", facts.NoteStartLimit, "", "", now.Add(-245 * time.Second)},
		{"a dependency", "Jan  2 03:00:00 h systemd[1]: Dependency failed for amazon-ssm-agent.", facts.NoteDependency, "", "", now.Add(-245 * time.Second)},
		{"a time-out", "Jan  2 03:00:00 h systemd[1]: amazon-ssm-agent.service: start operation timed out. Terminating.", facts.NoteTimeout, "", "", now.Add(-245 * time.Second)},
		{"AppArmor", `type=AVC msg=audit(1767322800.123:45): apparmor="DENIED" operation="exec" profile="x" name="/usr/bin/amazon-ssm-agent" pid=1`, facts.NoteRefused, "", "", time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)},
		{"fapolicyd", "Jan  2 03:00:00 h fapolicyd[3]: rule=9 dec=deny_audit perm=execute auid=-1 pid=1 exe=/usr/lib/systemd/systemd : path=/usr/bin/amazon-ssm-agent", facts.NoteRefused, "", "", now.Add(-245 * time.Second)},
		{"Bottlerocket", `Jan  2 03:00:00 h host-ctr[1]: time="x" level=error msg="failed to pull image" error="failed to resolve reference"`, facts.NotePull, "", "", now.Add(-245 * time.Second)},

		{"a kill of another", "Jan  2 03:00:00 h kernel: Out of memory: Killed process 3211 (java) total-vm:1kB", "", "", "", time.Time{}},
		{"a session of the agent", "Jan  2 03:00:00 h systemd[1]: amazon-ssm-agent.service: Deactivated successfully.", "", "", "", time.Time{}},
		{"another unit", "Jan  2 03:00:00 h systemd[1]: nginx.service: Failed with result 'oom-kill'.", "", "", "", time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			list := parseNotes([]byte("Jan  2 02:00:00 h sshd[1]: x\n"+c.line+"\n"), "file:/var/log/messages", now, time.UTC)
			if c.kind == "" {
				if len(list) != 0 {
					t.Errorf("%+v", list)
				}
				return
			}
			if len(list) != 1 {
				t.Fatalf("%d notes", len(list))
			}
			n := list[0]
			if n.Kind != c.kind || n.Process != c.process || !n.At.Equal(c.at) || !strings.Contains(n.Text, c.text) {
				t.Errorf("%+v, want %s %q %s", n, c.kind, c.process, c.at)
			}
			if strings.Contains(n.Text, "ip-10-0-0-1") {
				t.Errorf("the host's name is kept: %s", n.Text)
			}
		})
	}
}

// elf is the head of an ELF file for a processor, with a loader.
func elf(machine uint16, loader string) []byte {
	b := make([]byte, 64+56, 256)
	copy(b, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[18:], machine)
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[54:], 56)
	if loader != "" {
		le.PutUint16(b[56:], 1)
		le.PutUint32(b[64:], 3)
		le.PutUint64(b[64+8:], uint64(len(b)))
		le.PutUint64(b[64+32:], uint64(len(loader)+1))
		b = append(b, loader+"\x00"...)
	}
	return b
}

func TestParseProgram(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                 string
		b                    []byte
		format, arch, loader string
	}{
		{"empty", nil, "empty", "", ""},
		{"a script", []byte("#! /bin/bash -e\n"), "script", "", "/bin/bash"},
		{"text", []byte("<html>"), "other", "", ""},
		{"cut off", []byte("\x7fELF"), "elf", "", ""},
		{"static", elf(62, ""), "elf", "amd64", ""},
		{"for another processor", elf(183, ""), "elf", "arm64", ""},
		{"with a loader", elf(62, "/lib64/ld-linux-x86-64.so.2"), "elf", "amd64", "/lib64/ld-linux-x86-64.so.2"},
		{"an unheard processor", elf(999, ""), "elf", "", ""},
	} {
		format, arch, loader := parseProgram(c.b)
		if format != c.format || arch != c.arch || loader != c.loader {
			t.Errorf("%s: %q %q %q", c.name, format, arch, loader)
		}
	}
}

// TestNotesOnlyAfterAnEnd: a healthy host is not asked for logs and no program is run.
func TestNotesOnlyAfterAnEnd(t *testing.T) {
	t.Parallel()
	unit := func(change func(*facts.Unit)) facts.Seen[[]facts.Unit] {
		u := facts.Unit{Name: unitNames[0], Load: "loaded", Active: "active", Result: "success"}
		change(&u)
		return facts.Known([]facts.Unit{u, {Name: unitNames[1], Load: "not-found", Active: "inactive", Result: "success"}}, "systemctl show")
	}
	runs := facts.Known(facts.Processes{Core: []facts.Process{{PID: 7}}}, "file:/proc")
	for _, c := range []struct {
		name  string
		units facts.Seen[[]facts.Unit]
		ps    facts.Seen[facts.Processes]
		asked bool
	}{
		{"healthy", unit(func(*facts.Unit) {}), runs, false},
		{"started again", unit(func(u *facts.Unit) { u.Restarts = 2 }), runs, true},
		{"failed", unit(func(u *facts.Unit) { u.Active, u.Result = "failed", "signal" }), facts.Known(facts.Processes{}, ""), true},
		{"stopped", unit(func(u *facts.Unit) { u.Active = "inactive" }), facts.Known(facts.Processes{}, ""), true},
		{"a kill in its control group", unit(func(u *facts.Unit) { u.OOMKills = facts.Known(1, "") }), runs, true},
		{"processes unread", unit(func(*facts.Unit) {}), facts.Seen[facts.Processes]{}, false},
	} {
		asked := 0
		env := gathertest.InMemory(nil)
		env.Exec = func(_ context.Context, name string, args ...string) ([]byte, error) {
			asked++
			if name != "journalctl" {
				t.Errorf("%s: runs %s", c.name, name)
			}
			return []byte("2026-11-22T09:00:00+0000 h kernel: Out of memory: Killed process 1 (amazon-ssm-agen)\n"), nil
		}
		notes := Notes(t.Context(), env, c.units, c.ps)
		if (asked > 0) != c.asked || notes.Known() != c.asked {
			t.Errorf("%s: %d programs, %+v", c.name, asked, notes)
		}
	}
	// A log of the system that says it makes the journal needless.
	kill := []byte("Nov 22 09:00:00 h kernel: Out of memory: Killed process 1 (amazon-ssm-agen)\nNov 22 09:00:00 h kernel: oom_reaper: reaped process 1 (amazon-ssm-agen)\n")
	env := gathertest.InMemory(map[string][]byte{"var/log/messages": kill, "var/log/kern.log": kill})
	env.Exec = func(context.Context, string, ...string) ([]byte, error) {
		t.Error("a program is run")
		return nil, gather.ErrNoProgram
	}
	if notes := Notes(t.Context(), env, unit(func(u *facts.Unit) { u.Restarts = 1 }), runs); len(notes.Value) != 1 || !notes.Known() {
		t.Errorf("%+v", notes)
	}
}
