package opsys

import (
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func TestParseLaunchLog(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 8, 1, 4, 27, 29, 0, time.UTC)
	for _, c := range []struct {
		name, log string
		want      facts.LaunchRun
	}{
		{"routes set", "2024-08-01 04:27:28 Info: Adding routes.\n2024-08-01 04:27:29 Info: Running 'DELETE' route command with destination '169.254.169.254/32'\n", facts.LaunchRun{At: at, Routes: true}},
		{"no network", "2024-08-01 04:27:29 Error: Failed to find primary network interface...retrying...\r\n", facts.LaunchRun{At: at, Failure: "an error about the network interface"}},
		{"routes failed", "2024-08-01 04:27:28 Info: Adding routes.\n2024-08-01 04:27:29 Error: route.exe exited with 1\n", facts.LaunchRun{At: at, Failure: "an error about its routes"}},
		{"routes failed, then set", "2024-08-01 04:27:27 Error: route.exe exited with 1\n2024-08-01 04:27:29 Info: Adding routes.\n", facts.LaunchRun{At: at, Routes: true}},
		{"settings", "2024-08-01 04:27:29 Error: Error initializing C:\\ProgramData\\Amazon\\EC2Launch\\config\\agent-config.yml: hunter2\n", facts.LaunchRun{At: at, Failure: "an error about its settings"}},
		{"something else", "2024-08-01 04:27:29 Error: hunter2\n", facts.LaunchRun{At: at, Failure: "an error"}},
		{"an error of the run before", "2024-07-30 04:27:29 Error: Failed to add routes\n2024-08-01 04:27:29 Info: Stage: boot\n", facts.LaunchRun{At: at}},
		{"version 1", "2024/08/01 04:27:28Z: Adding metadata routes\n2024/08/01 04:27:29Z: Failed to add routes.. attempting it again\n", facts.LaunchRun{At: at, Failure: "an error about its routes"}},
		{"no entry", "x\n\x00\n", facts.LaunchRun{}},
	} {
		if got := parseLaunchLog([]byte(c.log), time.UTC); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		// A recording of the log says the same.
		kept := ""
		for l := range strings.Lines(c.log) {
			if k := KeptLaunchLine(strings.TrimRight(l, "\r\n")); k != "" {
				kept += k + "\n"
			}
		}
		if got := parseLaunchLog([]byte(kept), time.UTC); got != c.want || strings.Contains(kept, "hunter2") {
			t.Errorf("%s, kept as %q: %+v, want %+v", c.name, kept, got, c.want)
		}
	}
}

func FuzzLaunchLog(f *testing.F) {
	gathertest.AddSeeds(f, "2024-08-01 04:27:28 Info: Adding routes.\n", "2019/03/12 10:00:00Z: Failed to find it\n", "9999-12-31 23:59:59 Error: nic)\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		gathertest.Sound(t, parseLaunchLog(b, time.UTC))
		for l := range strings.Lines(string(b)) {
			if k := KeptLaunchLine(l); len(k) > 100 || strings.ContainsAny(k, "\x00\x1b") {
				t.Errorf("%q", k)
			}
		}
		TaskEnabled(b)
	})
}

// utf16le is a text as Windows writes it into files of its own.
func utf16le(s string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func TestLaunchAgents(t *testing.T) {
	t.Parallel()
	const (
		data = "ProgramData/Amazon/"
		task = "Windows/System32/Tasks/Amazon Ec2 Launch - Instance Initialization"
	)
	on := utf16le("<Task><Settings>\r\n<Hidden>false</Hidden></Settings></Task>")
	off := utf16le("<Task><Triggers><BootTrigger><Enabled>true</Enabled></BootTrigger></Triggers><Settings><Enabled>false</Enabled></Settings></Task>")
	v1 := data + "EC2-Windows/Launch/Module/Ec2Launch.psd1"
	for _, c := range []struct {
		name    string
		files   map[string]string
		service facts.Seen[gather.WindowsService]
		ok      func([]facts.LaunchAgent) bool
	}{
		{"none", map[string]string{data + "SSM/x": ""}, facts.Absent[gather.WindowsService]("no such service", ""), func(l []facts.LaunchAgent) bool { return len(l) == 0 }},
		{"version 2", map[string]string{"Program Files/Amazon/EC2Launch/EC2Launch.exe": "MZ", data + "EC2Launch/log/agent.log": "2024-08-01 04:27:28 Info: Adding routes.\n", data + "EC2Launch/config/agent-config.yml": "config:\n  - stage: postReady\n    tasks:\n      - task: startSsm\n"},
			facts.Known(gather.WindowsService{State: 1, StartType: 2}, "scm:Amazon EC2Launch"), func(l []facts.LaunchAgent) bool {
				return len(l) == 2 && l[0].Kind == facts.LaunchV2 && l[0].Service.Value == facts.Service{Active: "stopped", Enabled: "enabled"} && l[0].Run.Value.Routes && l[0].StartsAgent.Value && l[0].Scheduled.Absent()
			}},
		{"version 1, scheduled", map[string]string{v1: "x", task: on}, facts.Absent[gather.WindowsService]("no such service", ""), func(l []facts.LaunchAgent) bool {
			return len(l) == 1 && l[0].Kind == facts.LaunchV1 && l[0].Scheduled.Value && l[0].Run.Absent() && l[0].Service.Absent() && l[0].StartsAgent.Unknown()
		}},
		{"version 1, has run", map[string]string{v1: "x", task: off}, facts.Absent[gather.WindowsService]("no such service", ""), func(l []facts.LaunchAgent) bool {
			v, ok := l[0].Scheduled.Get()
			return len(l) == 1 && ok && !v
		}},
		{"version 1, no task", map[string]string{v1: "x"}, facts.Absent[gather.WindowsService]("no such service", ""), func(l []facts.LaunchAgent) bool {
			v, ok := l[0].Scheduled.Get()
			return len(l) == 1 && ok && !v
		}},
		{"a log without an entry that is known", map[string]string{v1: "x", data + "EC2-Windows/Launch/Log/Ec2Launch.log": "x\n"}, facts.Absent[gather.WindowsService]("no such service", ""), func(l []facts.LaunchAgent) bool {
			return len(l) == 1 && l[0].Run.Unknown()
		}},
		{"an empty log", map[string]string{v1: "x", data + "EC2-Windows/Launch/Log/Ec2Launch.log": ""}, facts.Absent[gather.WindowsService]("no such service", ""), func(l []facts.LaunchAgent) bool {
			return len(l) == 1 && l[0].Run.Absent()
		}},
		{"a task that is none", map[string]string{v1: "x", task: "x"}, facts.Absent[gather.WindowsService]("no such service", ""), func(l []facts.LaunchAgent) bool {
			return len(l) == 1 && l[0].Scheduled.Unknown()
		}},
		{"services that may not be asked", map[string]string{"Program Files/Amazon/EC2Launch/EC2Launch.exe": "MZ"}, facts.Unknown[gather.WindowsService]("Access is denied.", ""), func(l []facts.LaunchAgent) bool {
			return len(l) == 1 && l[0].Service.Unknown()
		}},
	} {
		env := gathertest.WindowsEnv(t, &gathertest.Windows{Service: c.service}, c.files, map[string]string{"SystemDrive": "C:"})
		if got := launchAgentsOf(env); !got.Known() || !c.ok(got.Value) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestTaskEnabled(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"<Task></Task>": true, "<Task><Settings/></Task>": true, "<Task><Settings /><Triggers><T><Enabled>false</Enabled></T></Triggers></Task>": true, "<Task><Settings><Enabled>true</Enabled></Settings></Task>": true,
		"<Task><Settings><Enabled>false</Enabled></Settings></Task>": false, "<Task><Settings>\r\n<Enabled> 0\r\n</Enabled></Settings></Task>": false,
	} {
		if got := TaskEnabled([]byte(utf16le(text))); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestWindowsFirmware(t *testing.T) {
	t.Parallel()
	known := func(f gather.Firmware) *gather.Windows {
		return &gather.Windows{Firmware: func() facts.Seen[gather.Firmware] { return facts.Known(f, "table") }}
	}
	var d facts.DMI
	windowsFirmware(known(gather.Firmware{AssetTag: "i-0123456789abcdef0", UUID: "EC2A1B2C-0000-0000-0000-000000000000"}), &d)
	if d.AssetTag.Value != "i-0123456789abcdef0" || !d.EC2UUID.Value || !d.Product.Absent() {
		t.Errorf("%+v", d)
	}
	d = facts.DMI{}
	if windowsFirmware(known(gather.Firmware{UUID: "4C4C4544-0031-0000-0000-000000000000"}), &d); !d.EC2UUID.Known() || d.EC2UUID.Value {
		t.Errorf("%+v", d.EC2UUID)
	}
	d = facts.DMI{}
	if windowsFirmware(known(gather.Firmware{}), &d); !d.EC2UUID.Absent() || !d.AssetTag.Absent() {
		t.Errorf("%+v", d)
	}
	d = facts.DMI{}
	if windowsFirmware(&gather.Windows{Firmware: func() facts.Seen[gather.Firmware] { return facts.Unknown[gather.Firmware]("no", "") }}, &d); !d.EC2UUID.Unknown() {
		t.Errorf("%+v", d)
	}
}
