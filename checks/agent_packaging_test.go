package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// packagingStopped is an agent that does not run.
func packagingStopped(f *facts.Facts) {
	neverAccepted(f)
	f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
	f.Agent.Units.Value[0].Active, f.Agent.Units.Value[0].Sub = "failed", "failed"
}

// workerMissing is a core that does not find its worker.
func workerMissing(f *facts.Facts) {
	neverAccepted(f)
	f.Agent.Processes.Value.Worker = nil
	log(f, facts.SigWorkerStart, time.Minute, "ERROR failed to start worker ssm-agent-worker, fork/exec /usr/bin/ssm-agent-worker: no such file or directory")
}

// packagingParts is a whole package of whose programs some are changed, by name.
func packagingParts(change func(map[string]*facts.Seen[facts.Program]), version ...string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		for _, v := range version {
			f.Agent.Running, f.Agent.Installed = facts.Known(v, "file:/var/log/amazon/ssm/audits"), facts.Known(v, "rpm -q")
		}
		f.Host.Arch = "amd64"
		f.Agent.Installations.Value = f.Agent.Installations.Value[:1]
		in := &f.Agent.Installations.Value[0]
		in.Parts = nil
		by := map[string]*facts.Seen[facts.Program]{}
		for _, name := range []string{"ssm-agent-worker", "ssm-document-worker", "ssm-session-worker", "ssm-session-logger"} {
			in.Parts = append(in.Parts, facts.Part{Path: "/usr/bin/" + name, Program: facts.Known(facts.Program{Size: 1 << 24, Runnable: true, Format: "elf", Arch: "amd64"}, "file:/usr/bin/"+name)})
		}
		for i, name := range []string{"ssm-agent-worker", "ssm-document-worker", "ssm-session-worker", "ssm-session-logger"} {
			by[name] = &in.Parts[i].Program
		}
		change(by)
	}
}

func TestAgentPackaging(t *testing.T) {
	t.Parallel()
	stopped := func(fault func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			fault(f)
			packagingStopped(f)
		}
	}
	add := func(in facts.Installation) func(*facts.Facts) {
		return func(f *facts.Facts) { f.Agent.Installations.Value = append(f.Agent.Installations.Value, in) }
	}
	deb := facts.Installation{Kind: "deb", Dir: "/usr/bin", Version: facts.Known("3.3.987.0", "file:/var/lib/dpkg/status"), Package: "install ok installed"}
	snap := facts.Installation{Kind: "snap", Dir: "/snap/amazon-ssm-agent/current", Version: facts.Known("3.3.1957.0", "file:/snap/amazon-ssm-agent/current/meta/snap.yaml")}
	twice := func(f *facts.Facts) { f.Agent.Installations.Value = []facts.Installation{deb, snap} }
	broken := func(f *facts.Facts) {
		f.Agent.Installations.Value[0].Package, f.Agent.Installations.Value[0].Broken = "install ok half-configured", "dpkg: install ok half-configured"
	}
	dangling := func(f *facts.Facts) { f.Agent.Units.Value[0].DanglingLink = true }
	other := func(f *facts.Facts) { f.Agent.Units.Value[0].Exec = "/opt/wrapper.sh" }
	const cause = "agent-packaging-conflict"
	named := func(s Status, e Effect, says, saw string) want {
		return want{status: s, effect: e, cause: cause, confidence: Proven, says: says, saw: saw}
	}
	table := []row{
		{name: "profile", want: want{status: Pass, says: "installed as rpm, and nothing of it is broken"}},
		{name: "dhmc", kind: "dhmc", want: want{status: Pass}},
		{name: "hybrid", kind: "hybrid", want: want{status: Pass}},
		{name: "windows", kind: "windows", want: want{status: Pass, says: "installed as windows"}},
		{name: "task", kind: "task", want: want{status: Skip, says: "no installation found"}},
		{name: "a copied executable beside the package", fault: add(facts.Installation{Kind: "binary", Dir: "/usr/local/bin"}), want: want{status: Pass, says: "installed as rpm and binary"}},

		{name: "whole, with its parts", fault: packagingParts(func(map[string]*facts.Seen[facts.Program]) {}), want: want{status: Pass}},
		{name: "no program for commands", fault: packagingParts(func(p map[string]*facts.Seen[facts.Program]) {
			*p["ssm-document-worker"] = facts.Absent[facts.Program]("no such file", "file:/usr/bin/ssm-document-worker")
		}), want: named(Warn, Breaks, "the agent's program /usr/bin/ssm-document-worker does not exist: commands and associations do not run", "program /usr/bin/ssm-document-worker: does not exist (file:/usr/bin/ssm-document-worker)")},
		{name: "no program for sessions, before there were any", fault: packagingParts(func(p map[string]*facts.Seen[facts.Program]) {
			*p["ssm-session-worker"] = facts.Absent[facts.Program]("no such file", "file:/usr/bin/ssm-session-worker")
		}, "2.3.50.0"), want: want{status: Pass}},
		{name: "no program for sessions", fault: packagingParts(func(p map[string]*facts.Seen[facts.Program]) {
			*p["ssm-session-worker"] = facts.Absent[facts.Program]("no such file", "file:/usr/bin/ssm-session-worker")
		}), want: named(Warn, Breaks, "the agent's program /usr/bin/ssm-session-worker does not exist: sessions do not open", "")},
		{name: "an empty program for sessions", fault: packagingParts(func(p map[string]*facts.Seen[facts.Program]) { p["ssm-session-worker"].Value.Size = 0 }),
			want: named(Warn, Breaks, "/usr/bin/ssm-session-worker is empty, as a package or an update that was cut off leaves it: sessions do not open", "")},
		{name: "a worker for another processor", fault: packagingParts(func(p map[string]*facts.Seen[facts.Program]) { p["ssm-agent-worker"].Value.Arch = "arm64" }),
			want: named(Warn, Breaks, "/usr/bin/ssm-agent-worker is made for arm64, and this host is amd64", "")},
		{name: "a worker for the 32-bit kin", fault: packagingParts(func(p map[string]*facts.Seen[facts.Program]) { p["ssm-agent-worker"].Value.Arch = "386" }), want: want{status: Pass}},
		{name: "a damaged program", fault: packagingParts(func(p map[string]*facts.Seen[facts.Program]) { p["ssm-session-worker"].Value.Format = "other" }),
			want: named(Warn, Breaks, "ssm-session-worker is damaged: it is not an executable: sessions do not open", "")},
		{name: "a program that was not read", fault: packagingParts(func(p map[string]*facts.Seen[facts.Program]) {
			*p["ssm-session-worker"] = facts.Unknown[facts.Program]("permission denied", "")
		}), want: want{status: Pass}},
		{name: "a release without a program for logs", fault: packagingParts(func(p map[string]*facts.Seen[facts.Program]) {
			*p["ssm-session-logger"] = facts.Absent[facts.Program]("no such file", "")
		}), want: want{status: Pass}},
		{name: "deleted while it runs, with its package", fault: func(f *facts.Facts) {
			f.Agent.Installations = facts.Known([]facts.Installation{}, "")
			f.Agent.Units = facts.Known([]facts.Unit{}, "systemctl show")
			core := &f.Agent.Processes.Value.Core[0]
			core.Exe, core.Deleted, core.Gone = "/usr/bin/amazon-ssm-agent", true, true
		}, want: named(Warn, Breaks, "the agent runs and cannot be started again: /usr/bin/amazon-ssm-agent, deleted", "where there is no file (file:/proc)")},
		{name: "the worker's program deleted while it runs", fault: func(f *facts.Facts) {
			w := &f.Agent.Processes.Value.Worker[0]
			w.Exe, w.Deleted, w.Gone = "/usr/bin/ssm-agent-worker", true, true
		}, want: named(Warn, Breaks, "cannot be started again: /usr/bin/ssm-agent-worker, deleted", "")},
		{name: "unmounted while it runs", fault: func(f *facts.Facts) { f.Agent.Processes.Value.Core[0].Gone = true }, want: named(Warn, Breaks, "no longer there: a file system was unmounted, or another is mounted over it", "")},
		{name: "replaced while it runs, as an update does", fault: func(f *facts.Facts) { f.Agent.Processes.Value.Core[0].Deleted = true }, want: want{status: Pass}},
		{name: "no program for messages", fault: packagingParts(func(p map[string]*facts.Seen[facts.Program]) {
			*p["ssm-agent-worker"] = facts.Absent[facts.Program]("no such file", "file:/usr/bin/ssm-agent-worker")
		}), want: named(Warn, Breaks, "/usr/bin/ssm-agent-worker does not exist: neither commands nor sessions reach this node once the agent starts again", "")},
		{name: "no program for messages, before there was one", fault: packagingParts(func(p map[string]*facts.Seen[facts.Program]) {
			*p["ssm-agent-worker"] = facts.Absent[facts.Program]("no such file", "file:/usr/bin/ssm-agent-worker")
		}, "2.3.1644.0"), want: want{status: Pass}},
		{name: "a script in the place of the worker, and none runs", fault: func(f *facts.Facts) {
			packagingParts(func(p map[string]*facts.Seen[facts.Program]) { p["ssm-agent-worker"].Value.Format = "script" })(f)
			f.Agent.Processes.Value.Worker = nil
		}, want: named(Warn, Breaks, "/usr/bin/ssm-agent-worker is a script and not the agent's, and no worker runs", "")},
		{name: "a script that starts the worker", fault: packagingParts(func(p map[string]*facts.Seen[facts.Program]) { p["ssm-agent-worker"].Value.Format = "script" }), want: want{status: Pass}},
		{name: "no worker", fault: workerMissing, want: named(Warn, Breaks, "the agent's worker /usr/bin/ssm-agent-worker does not exist", "agent log: ERROR failed to start worker ssm-agent-worker, fork/exec /usr/bin/ssm-agent-worker: no such file or directory")},
		{name: "no worker, but it runs since", fault: func(f *facts.Facts) {
			had := f.Agent.Processes.Value.Worker
			workerMissing(f)
			f.Agent.Processes.Value.Worker = had
		}, want: want{status: Pass}},
		{name: "twice, running", fault: twice, want: named(Warn, Breaks, "the agent is installed twice, as snap and deb", "deb package: 3.3.987.0 install ok installed (file:/var/lib/dpkg/status)")},
		{name: "twice, stopped", fault: stopped(twice), want: named(Fail, Blocks, "the agent is installed twice, as snap and deb", "systemctl show amazon-ssm-agent.service: failed (failed) (systemd:amazon-ssm-agent.service)")},
		{name: "broken", fault: stopped(broken), want: named(Fail, Blocks, "the rpm package is broken: dpkg: install ok half-configured", "rpm package: install ok half-configured dpkg: install ok half-configured (rpm -q)")},
		{name: "a link that dangles", fault: stopped(dangling), want: named(Fail, Blocks, "the link that starts amazon-ssm-agent.service at boot points nowhere", "wants link of amazon-ssm-agent.service: dangling")},
		{name: "another executable", fault: stopped(other), want: named(Fail, Blocks, "amazon-ssm-agent.service starts /opt/wrapper.sh instead of amazon-ssm-agent", "executable of amazon-ssm-agent.service: /opt/wrapper.sh (systemd:amazon-ssm-agent.service)")},
		{name: "a program that is elsewhere", fault: stopped(func(f *facts.Facts) {
			f.Agent.Units.Value[0].Exec, f.Agent.Units.Value[0].Program = "/opt/aws/amazon-ssm-agent", facts.Absent[facts.Program]("no such file", "")
		}), want: named(Fail, Blocks, "amazon-ssm-agent.service starts /opt/aws/amazon-ssm-agent, which does not exist; the agent is /usr/bin/amazon-ssm-agent", "program /opt/aws/amazon-ssm-agent: no such file")},
		{name: "another executable of a unit that is not loaded", fault: func(f *facts.Facts) {
			other(f)
			f.Agent.Units.Value[0].Load = "masked"
		}, want: want{status: Pass}},
		{name: "Windows: the program is gone", kind: "windows", fault: stopped(func(f *facts.Facts) {
			f.Agent.Installations.Value[0].Broken = "its service is registered, but its program C:\\x does not exist"
		}), want: named(Fail, Blocks, "the installation is not whole: its service is registered", "")},
		{name: "Windows: the program is gone, by an antivirus product", kind: "windows", fault: func(f *facts.Facts) {
			execWindows(225)(f)
			f.Agent.Installations.Value[0].Broken = "its service is registered, but its program C:\\x does not exist"
		}, want: want{status: Unknown, says: "exit code 225"}},
		{name: "Windows: the program is gone, and a log says who took it", kind: "windows", fault: func(f *facts.Facts) {
			execWindows(2)(f)
			execRefused(facts.ByDefender, "amazon-ssm-agent", 0)(f)
			f.Agent.Installations.Value[0].Broken = "its service is registered, but its program C:\\x does not exist"
		}, want: want{status: Unknown, says: "Defender did not let the program be executed: see agent-exec"}},
		{name: "several", fault: func(f *facts.Facts) {
			twice(f)
			broken(f)
			dangling(f)
		}, want: named(Warn, Breaks, "installed twice, as snap and deb; the deb package is broken: dpkg: install ok half-configured; the link that starts", "")},
		{name: "in an image", fault: func(f *facts.Facts) {
			f.Root = "/mnt/image"
			stopped(twice)(f)
			f.Agent.Units.Value[0].Active = ""
		}, want: named(Fail, Blocks, "installed twice", "snap package: 3.3.1957.0")},

		{name: "nothing installed", fault: func(f *facts.Facts) { f.Agent.Installations = facts.Known([]facts.Installation{}, "") }, want: want{status: Skip, says: "no installation found"}},
		{name: "installations unread", fault: func(f *facts.Facts) {
			f.Agent.Installations = facts.Unknown[[]facts.Installation]("permission denied", "")
		}, want: want{status: Unknown, says: "installations: permission denied"}},
		{name: "one found, others unread", fault: func(f *facts.Facts) {
			f.Agent.Installations = facts.Partly(f.Agent.Installations.Value, "permission denied", "")
		}, want: want{status: Unknown, says: "installations: permission denied"}},
		{name: "two found, others unread", fault: func(f *facts.Facts) {
			f.Agent.Installations = facts.Partly([]facts.Installation{deb, snap}, "permission denied", "")
		}, want: named(Warn, Breaks, "installed twice", "")},
		{name: "units unread", fault: func(f *facts.Facts) { f.Agent.Units = facts.Unknown[[]facts.Unit]("no answer in time", "") }, want: want{status: Unknown, says: "service units: no answer in time"}},
		{name: "broken, units unread", fault: func(f *facts.Facts) {
			broken(f)
			f.Agent.Units = facts.Unknown[[]facts.Unit]("no answer in time", "")
		}, want: named(Warn, Breaks, "the rpm package is broken", "")},
		{name: "no service manager", fault: func(f *facts.Facts) { f.Agent.Units = facts.Absent[[]facts.Unit]("no systemctl on this host", "") }, want: want{status: Pass}},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Agent = facts.Agent{} }, want: want{status: Unknown, says: "installations: not looked at"}},
	}
	judge(t, AgentPackaging, table)
	judgeUnread(t, AgentPackaging, table)
}
