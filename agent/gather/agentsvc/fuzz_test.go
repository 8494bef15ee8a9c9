package agentsvc

import (
	"bytes"
	"testing"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
)

func FuzzSystemctlShow(f *testing.F) {
	gathertest.AddSeeds(f, "Id=amazon-ssm-agent.service\nLoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=3\nExecStart={ path=/usr/bin/amazon-ssm-agent ; argv[]=/usr/bin/amazon-ssm-agent ; ignore_errors=no }\nRestartPreventExitStatus=194 x\nActiveEnterTimestamp=Sun 2026-11-22 09:10:22 UTC\n\nId=x\n",
		"ActiveEnterTimestamp=@99999999999999999\nId=\x1b\n", "=\n\n=", "NRestarts=999999999999999999999\nId=a")
	f.Fuzz(func(t *testing.T, b []byte) {
		units := parseUnits(b)
		gathertest.Sound(t, units)
		if len(units) > 20 {
			t.Errorf("%d units", len(units))
		}
	})
}

func FuzzUnitFile(f *testing.F) {
	gathertest.AddSeeds(f, "[Unit]\nA=b\n[Service]\nExecStart=-/usr/bin/amazon-ssm-agent\nEnvironment=\"http_proxy=http://u:p@h:1\" 'x=y z'\nEnvironmentFile=-/etc/x\n", "[Service]\nEnvironment=a\\\n  b=c\\", "[Service]\n\\\n\n[", "[Manager]\nDefaultEnvironment=A=b")
	f.Fuzz(func(t *testing.T, b []byte) {
		env := gathertest.InMemory(map[string][]byte{"usr/lib/systemd/system/amazon-ssm-agent.service": b, "etc/systemd/system/amazon-ssm-agent.service.d/a.conf": b, "etc/systemd/system.conf": b, "etc/x": b, "etc/environment": b})
		u, _ := unitFromFiles(env.FS, unitNames[0])
		gathertest.Sound(t, u)
		e := unitEnvironment(env.FS)
		if len(e.Vars) > hostfile.MaxVars {
			t.Errorf("%d variables", len(e.Vars))
		}
		p, from, _ := shellProxies(env)
		gathertest.Sound(t, p.Fact(from))
		gathertest.Sound(t, gather.ProxyFrom(e.Vars).Fact(e.From))
		for _, w := range unquoteUnit(string(b)) {
			if len(w) > len(b) {
				t.Error("a word longer than the line")
			}
		}
		hostfile.ShellAssignments(b)
	})
}

// FuzzEnded feeds what is read of how a service ended: logs of the system, the head of
// its program, its control group.
func FuzzEnded(f *testing.F) {
	gathertest.AddSeeds(f, "Nov 22 09:10:22 host kernel: [1.2] Out of memory: Killed process 3211 (amazon-ssm-agen) total-vm:1kB\n2026-11-22T09:10:22+00:00 host systemd[1]: amazon-ssm-agent.service: Failed with result 'oom-kill'.\n",
		"type=AVC msg=audit(1763800000.1:2): apparmor=\"DENIED\" operation=\"exec\" name=\"/usr/bin/amazon-ssm-agent\"\n", "oom_kill 3\n", "#!/bin/sh\n", "\x7fELF\x02\x01\x01", string(elf(62, "/lib64/ld-linux-x86-64.so.2")), "0::/docker/1\n", "NSpid:\t1\t2\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		gathertest.Sound(t, parseNotes(b, "file:/var/log/messages", gathertest.Now, time.UTC))
		if n, _ := parseOOMKills(b); n < 0 {
			t.Errorf("%d kills", n)
		}
		format, arch, loader := parseProgram(b)
		if len(format)+len(arch) > 20 || len(loader) > len(b) {
			t.Errorf("%q %q %q", format, arch, loader)
		}
		if len(parseGroups(b)) > 50 || nestedPIDs(b) > len(b) {
			t.Error("more than there is")
		}
		env := gathertest.InMemory(map[string][]byte{"usr/lib/systemd/system/amazon-ssm-agent.service": []byte("[Service]\nExecStart=/usr/bin/amazon-ssm-agent\n"), "etc/systemd/system/amazon-ssm-agent.service.d/a.conf": b, "usr/bin/amazon-ssm-agent": b})
		u, _ := unitFromFiles(env.FS, unitNames[0])
		gathertest.Sound(t, u)
	})
}

// FuzzProcesses feeds what is read of a process and its connections.
func FuzzProcesses(f *testing.F) {
	gathertest.AddSeeds(f, gathertest.ProcFiles...)
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := tcpTable(bytes.NewReader(b), 443, nil)
		if err != nil || len(list) > maxSockets {
			t.Errorf("%d connections, %v", len(list), err)
		}
		for _, s := range list {
			if s.remote.Port() != 443 || s.txQueue < 0 || s.retransmits < 0 {
				t.Errorf("%+v", s)
			}
		}
		if d, ok := startTicks(b); ok && d < 0 {
			t.Errorf("started %v before boot", d)
		}
		env := gathertest.InMemory(map[string][]byte{"proc/stat": b, "proc/net/tcp": b, "proc/42/comm": []byte("amazon-ssm-agent"), "proc/42/status": b, "proc/42/stat": b})
		ps := Processes(t.Context(), env)
		gathertest.Sound(t, ps)
		gathertest.Sound(t, Channel(t.Context(), env, ps))
	})
}

// FuzzLaunchd feeds the programs that tell of the agent's service on macOS.
func FuzzLaunchd(f *testing.F) {
	gathertest.AddSeeds(f, gathertest.LaunchctlPrint, gathertest.ScutilProxy, gathertest.PsTable, "\"com.amazon.aws.ssm\" => true")
	f.Fuzz(func(t *testing.T, b []byte) {
		gathertest.Sound(t, parsePS(b))
		gathertest.Sound(t, ParseScutil(b).Fact("scutil"))
		var u facts.Unit
		parseLaunchd(b, &u)
		gathertest.Sound(t, u)
		launchdDisabled(b, MacLabel)
	})
}

func FuzzWindowsProxy(f *testing.F) {
	f.Add(winHTTP(3, "proxy:8080", "<local>;*.x"), "http=a:1;https=b:2")
	f.Add("\x28\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00\xff\xff\xff\xff", ";;==")
	f.Fuzz(func(t *testing.T, blob, server string) {
		s, b := parseConnection([]byte(blob))
		if len(s)+len(b) > len(blob) {
			t.Error("more text than bytes")
		}
		gathertest.Sound(t, agentProxy(server).Fact("registry"))
		gathertest.Sound(t, userProxy(windowsProxy{server: s, bypass: server}).Fact("registry"))
		restartOf([]byte(blob), false)
		gathertest.Sound(t, windowsUnit(facts.Known(gather.WindowsService{Path: blob, Account: server}, "")))
	})
}
