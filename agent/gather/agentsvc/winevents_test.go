package agentsvc

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/logline"
)

var eventTime = gathertest.Now.Add(-time.Hour)

// fromManager is an entry of the service manager about the agent.
func fromManager(id int, values ...string) string {
	return gathertest.Event(ofManager, id, eventTime, values...)
}

const (
	display  = "param1=Amazon SSM Agent"
	core     = `C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe`
	onDevice = `\Device\HarddiskVolume3\Program Files\Amazon\SSM\amazon-ssm-agent.exe`
)

func TestNoteOfEvent(t *testing.T) {
	t.Parallel()
	other := strings.ReplaceAll(core, `Amazon\SSM`, `Other`)
	refused := func(by, text string) facts.SystemNote {
		return facts.SystemNote{Kind: facts.NoteRefused, By: by, Process: "amazon-ssm-agent", Text: text}
	}
	note := func(kind, text string) facts.SystemNote { return facts.SystemNote{Kind: kind, Text: text} }
	for _, c := range []struct {
		name, xml string
		want      facts.SystemNote // without a kind: none
	}{
		{"not started", fromManager(7000, display, "param2=%%225"), note(facts.NoteNotStarted, "event 7000: service start failed, error 225")},
		{"dependency", fromManager(7001, display, "param2=Network Store Interface Service", "param3=%%1068"), note(facts.NoteNotStarted, "event 7001: service start failed, a dependency failed, error 1068")},
		{"dependency of another on it", fromManager(7001, "param1=Other", "param2=Amazon SSM Agent", "param3=%%1068"), facts.SystemNote{}},
		{"no answer in time", fromManager(7009, "param1=30000", "param2=Amazon SSM Agent"), note(facts.NoteTimeout, "event 7009: service start timed out")},
		{"hung", fromManager(7022, display), note(facts.NoteTimeout, "event 7022: service start is not complete in time")},
		{"ended with an error", fromManager(7023, display, "param2=%%577"), note(facts.NoteEnded, "event 7023: service ended with error 577")},
		{"with one of its own", fromManager(7024, display, "param2=%%1"), note(facts.NoteEnded, "event 7024: service ended with its own error 1")},
		{"an error in words", fromManager(7023, display, "param2=Zugriff verweigert"), note(facts.NoteEnded, "event 7023: service ended with error")},
		{"crash", fromManager(7034, display, "param2=3"), note(facts.NoteCrash, "event 7034: service process ended unexpectedly, attempt 3")},
		{"crash, started again", fromManager(7031, display, "param2=1", "param3=30000", "param4=1", "param5=Den Dienst neu starten"), note(facts.NoteCrash, "event 7031: service process ended unexpectedly, attempt 1, recovery action after it")},
		{"stopped", fromManager(7036, display, "param2=beendet", "Binary="+gathertest.ServiceState(WindowsService, 1)), note(facts.NoteStopped, "event 7036: service is stopped")},
		{"running", fromManager(7036, display, "param2=ausgeführt", "Binary="+gathertest.ServiceState(WindowsService, 4)), note(facts.NoteStarted, "event 7036: service is running")},
		{"a state without bytes", fromManager(7036, display, "param2=stopped"), facts.SystemNote{}},
		{"a state of another", fromManager(7036, display, "param2=stopped", "Binary="+gathertest.ServiceState("Other", 1)), facts.SystemNote{}},
		{"logon", fromManager(7038, display, `param2=.\svc`, "param3=%%1326"), note(facts.NoteNotStarted, "event 7038: service start failed, account not accepted, error 1326")},
		{"start type", fromManager(7040, display, "param2=auto start", "param3=disabled", "param4=AmazonSSMAgent"), note(facts.NoteChanged, "event 7040: start type of the service changed")},
		{"installed", fromManager(7045, "ServiceName=Amazon SSM Agent", "ImagePath=x", "AccountName=LocalSystem"), note(facts.NoteInstalled, "event 7045: service installed")},
		{"another service", fromManager(7034, "param1=Print Spooler", "param2=3"), facts.SystemNote{}},
		{"another event", fromManager(7099, display), facts.SystemNote{}},

		{"AppLocker", gathertest.Event(ofAppLocker, 8004, eventTime, "PolicyName=EXE", `FilePath=%PROGRAMFILES%\AMAZON\SSM\AMAZON-SSM-AGENT.EXE`, "FullFilePath="+core), refused(facts.ByAppLocker, "event 8004: amazon-ssm-agent.exe denied by a rule")},
		{"AppLocker of 2016", gathertest.Event(ofAppLocker, 8004, eventTime, `FilePath=%PROGRAMFILES%\AMAZON\SSM\AMAZON-SSM-AGENT.EXE`), refused(facts.ByAppLocker, "event 8004: amazon-ssm-agent.exe denied by a rule")},
		{"AppLocker, audit only", gathertest.Event(ofAppLocker, 8003, eventTime, "FullFilePath="+core), facts.SystemNote{}},
		{"AppLocker, elsewhere", gathertest.Event(ofAppLocker, 8004, eventTime, "FullFilePath="+other), facts.SystemNote{}},
		{"AppLocker, another program", gathertest.Event(ofAppLocker, 8004, eventTime, `FullFilePath=C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe.config`), facts.SystemNote{}},
		{"WDAC", gathertest.Event(ofIntegrity, 3077, eventTime, "File Name="+onDevice, `Process Name=\Device\HarddiskVolume3\Windows\System32\services.exe`), refused(facts.ByIntegrity, "event 3077: amazon-ssm-agent.exe denied by a rule")},
		{"WDAC, audit only", gathertest.Event(ofIntegrity, 3076, eventTime, "File Name="+onDevice), facts.SystemNote{}},
		{"WDAC, refused to the agent", gathertest.Event(ofIntegrity, 3077, eventTime, `File Name=\Device\HarddiskVolume3\tools\x.exe`, "Process Name="+onDevice), facts.SystemNote{}},
		{"signing level", gathertest.Event(ofIntegrity, 3033, eventTime, "FileNameLength=62", "FileNameBuffer="+onDevice, "ProcessNameBuffer=x"), refused(facts.ByIntegrity, "event 3033: amazon-ssm-agent.exe not signed as required")},
		{"Defender", gathertest.Event(ofDefender, 1116, eventTime, "Threat Name=Trojan:Win32/Wacatac", "Path=file:_"+core), refused(facts.ByDefender, "event 1116: amazon-ssm-agent.exe taken for malware")},
		{"Defender, of several", gathertest.Event(ofDefender, 1117, eventTime, "Action Name=Quarantäne", `Path=file:_C:\x.exe; file:_`+core+`; process:_pid:77`), refused(facts.ByDefender, "event 1117: amazon-ssm-agent.exe taken for malware, and an action taken")},
		{"attack surface reduction", gathertest.Event(ofDefender, 1121, eventTime, "ID=01443614-cd74-433a-b99e-2ecdc07bfc25", "Path="+core), refused(facts.ByDefender, "event 1121: amazon-ssm-agent.exe denied by a rule")},
		{"the same, audit only", gathertest.Event(ofDefender, 1122, eventTime, "Path="+core), facts.SystemNote{}},
		{"another provider", gathertest.Event("Mine", 8004, eventTime, "FullFilePath="+core), facts.SystemNote{}},
	} {
		e, ok := gather.ParseEvent([]byte(c.xml))
		if !ok {
			t.Fatalf("%s: not an event: %s", c.name, c.xml)
		}
		if c.want.Kind != "" {
			c.want.At = eventTime
		}
		got, ok := noteOfEvent(e)
		if d := cmp.Diff(c.want, got); ok != (c.want.Kind != "") || ok && d != "" {
			t.Errorf("%s: %v %s", c.name, ok, d)
		}
		if ok && logline.Shown(got.Text) != got.Text {
			t.Errorf("%s: shown as %q", c.name, logline.Shown(got.Text))
		}
		// What a recording keeps says the same, and nothing else.
		kept := KeptEvents([]gather.WindowsEvent{e})
		if len(kept) != 0 != ok {
			t.Errorf("%s: kept %+v", c.name, kept)
		} else if ok {
			if again, _ := noteOfEvent(kept[0]); again != got {
				t.Errorf("%s: kept as %+v", c.name, again)
			}
			b, _ := json.Marshal(kept)
			for _, name := range []string{"Store", "svc", "Wacatac", "starten", "Device", "System32", "x.exe"} {
				if strings.Contains(string(b), name) {
					t.Errorf("%s: %s is kept: %s", c.name, name, b)
				}
			}
		}
	}
}

func TestWindowsNotes(t *testing.T) {
	t.Parallel()
	stopped := func(code uint32) facts.Seen[gather.WindowsService] {
		return facts.Known(gather.WindowsService{State: 1, StartType: 2, ExitCode: code, Path: core, Account: "LocalSystem"}, "")
	}
	w := &gathertest.Windows{Service: stopped(225), Events: map[string][]string{
		"System": {fromManager(7000, display, "param2=%%225"), gathertest.Event(ofManager, 7036, eventTime.Add(-time.Hour), display, "Binary="+gathertest.ServiceState(WindowsService, 4))},
		"Microsoft-Windows-Windows Defender/Operational": {gathertest.Event(ofDefender, 1117, eventTime.Add(-time.Minute), "Path=file:_"+core)},
	}}
	ask := func() (facts.Seen[[]facts.SystemNote], facts.Unit) {
		env := gathertest.WindowsEnv(t, w, nil, map[string]string{"SystemDrive": "C:"})
		env.Live = true
		_, units := Units(t.Context(), env.Begin())
		notes := Notes(t.Context(), env, units, Processes(t.Context(), env))
		return notes, WithTimes(units, notes).Value[0]
	}
	notes, u := ask()
	kinds := []string{}
	for _, n := range notes.Value {
		kinds = append(kinds, n.Kind)
	}
	if d := cmp.Diff([]string{facts.NoteStarted, facts.NoteRefused, facts.NoteNotStarted}, kinds); !notes.Known() || d != "" || !u.StoppedSince.Equal(eventTime) || !u.StartedAt.Equal(eventTime.Add(-time.Hour)) {
		t.Errorf("%+v %+v %s", notes, u, d)
	}

	w.Denied = "Microsoft-Windows-Windows Defender/Operational"
	if notes, u = ask(); !notes.Unknown() || len(notes.Some()) != 2 || u.StoppedSince.IsZero() {
		t.Errorf("one log denied: %+v", notes)
	}
	w.Denied = ""
	w.Ps = []facts.Process{{PID: 1, Exe: core}, {PID: 2, Exe: strings.ReplaceAll(core, "amazon-ssm-agent", "ssm-agent-worker")}}
	w.Service = facts.Known(gather.WindowsService{State: 4, StartType: 2, PID: 1, Path: core}, "")
	if notes, u = ask(); !notes.Unknown() || len(notes.Some()) != 0 || !u.StoppedSince.IsZero() {
		t.Errorf("a healthy host is asked: %+v", notes)
	}
	w.Ps = w.Ps[:1]
	if notes, u = ask(); !notes.Known() || len(notes.Some()) != 3 || !u.StoppedSince.IsZero() {
		t.Errorf("a core without its worker: %+v", notes)
	}
	if s := windowsNotes(nil); !s.Unknown() {
		t.Errorf("no Windows: %+v", s)
	}
}

// TestWindowsRestarts: only crashes of the fault that the service ended with last count.
func TestWindowsRestarts(t *testing.T) {
	t.Parallel()
	crashes := func(from time.Duration, apart time.Duration) []string {
		var out []string
		for i := range 6 {
			out = append(out, gathertest.Event(ofManager, 7031, gathertest.Now.Add(-from+time.Duration(i)*apart), display, "param2=1"))
		}
		return out
	}
	state := func(ago time.Duration, to int) string {
		return gathertest.Event(ofManager, 7036, gathertest.Now.Add(-ago), display, "Binary="+gathertest.ServiceState(WindowsService, to))
	}
	failed := func(ago time.Duration) string {
		return gathertest.Event(ofManager, 7000, gathertest.Now.Add(-ago), display, "param2=%%1053")
	}
	const days = 72 * time.Hour
	for _, c := range []struct {
		name   string
		events []string
		code   uint32
		want   int
	}{
		{"six crashes in minutes", crashes(10*time.Minute, time.Minute), 1067, 6},
		{"six crashes three days ago, and down since", crashes(days, time.Minute), 1067, 6},
		{"six crashes three days ago, then a stop", append(crashes(days, time.Minute), state(days-time.Hour, 4), state(time.Hour, 1)), 0, 0},
		{"six crashes, and a stop at once", append(crashes(10*time.Minute, time.Minute), state(time.Minute, 1)), 0, 0},
		{"six crashes three days ago, then a stop that no entry tells of", crashes(days, time.Minute), 0, 0},
		{"six crashes three days ago, then a start that failed", append(crashes(days, time.Minute), failed(time.Minute)), 1053, 0},
		{"a crash a day", crashes(5*24*time.Hour, 24*time.Hour), 1067, 1},
		{"a stop, then a crash", append(crashes(days, time.Minute), state(time.Hour, 1), crashes(time.Minute, 0)[0]), 1067, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &gathertest.Windows{
				Service: facts.Known(gather.WindowsService{State: 1, StartType: 2, ExitCode: c.code, Path: core, Account: "LocalSystem"}, ""),
				Events:  map[string][]string{"System": c.events},
			}
			env := gathertest.WindowsEnv(t, w, nil, map[string]string{"SystemDrive": "C:"})
			env.Live = true
			_, units := Units(t.Context(), env.Begin())
			if u := WithTimes(units, Notes(t.Context(), env, units, Processes(t.Context(), env))).Value[0]; u.Restarts != c.want {
				t.Errorf("%s: %d restarts, want %d", u.Active, u.Restarts, c.want)
			}
		})
	}
}
