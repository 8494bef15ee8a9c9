package agentsvc

import (
	"encoding/binary"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

const (
	WindowsService  = "AmazonSSMAgent"
	ServiceKey      = `SYSTEM\CurrentControlSet\Services\` + WindowsService
	errNeverStarted = 1077
	errSpecific     = 1066
)

// States and start types of the service manager (winsvc.h).
var (
	serviceStates = map[uint32][2]string{
		1: {"stopped", "stopped"}, 2: {"start-pending", "start-pending"}, 3: {"stop-pending", "stop-pending"}, 4: {"active", "running"},
		5: {"active", "continue-pending"}, 6: {"paused", "pause-pending"}, 7: {"paused", "paused"},
	}
	serviceStarts = map[uint32]string{2: "enabled", 3: "manual", 4: "disabled"}
)

// windowsUnit describes the agent's service as a unit.
func windowsUnit(s facts.Seen[gather.WindowsService]) facts.Unit {
	u := facts.Unit{Name: WindowsService, Load: "not-found", User: "SYSTEM"}
	if !s.Known() {
		return u
	}
	w := s.Value
	u.Load = "loaded"
	st, ok := serviceStates[w.State]
	if !ok {
		st = [2]string{"unknown", "unknown"}
	}
	u.Active, u.Sub, u.Enabled = st[0], st[1], serviceStarts[w.StartType]
	u.MainPID = int(w.PID)
	u.Result = "success"
	switch {
	case w.ExitCode == errSpecific:
		u.ExitStatus, u.Result, u.Ended = int(w.Specific), "exit-code", "exited"
	case w.ExitCode != 0 && w.ExitCode != errNeverStarted:
		u.ExitStatus, u.Result, u.Ended = int(w.ExitCode), "exit-code", "scm"
	}
	if st[0] == "stopped" && u.ExitStatus != 0 { // it ended with an error: why is another question
		u.Active = "failed"
	}
	u.Exec = gather.OneLine(commandPath(w.Path), 300)
	if a := strings.TrimPrefix(w.Account, `NT AUTHORITY\`); !strings.EqualFold(a, "LocalSystem") && !strings.EqualFold(a, "SYSTEM") {
		u.User = gather.OneLine(strings.TrimPrefix(w.Account, `.\`), 100)
	}
	return u
}

// describeWindows adds what the registry and the files of a host say of its service.
func describeWindows(env *gather.Env, u *facts.Unit) {
	w := env.Windows
	number := func(name string) string {
		if s := w.Strings(ServiceKey, name); s.Known() && len(s.Value) > 0 {
			return s.Value[0]
		}
		return ""
	}
	u.Deleting, u.Delayed = number("DeleteFlag") == "1", number("DelayedAutostart") == "1"
	u.Restart = restartOf([]byte(number("FailureActions")), number("FailureActionsOnNonCrashFailures") == "1")
	if u.Exec == "" {
		return
	}
	at, ok := gather.OnRoot(env, u.Exec)
	if !ok {
		u.Program = facts.Unknown[facts.Program]("it is not on the system's drive", "file:"+u.Exec)
		return
	}
	u.Program = ProgramOf(env.FS, at)
	u.Program.From = "file:" + u.Exec
	if p := &u.Program.Value; u.Program.Known() { // Windows has no mode
		p.Runnable = true
	}
}

// machinesPE are the processors of PE files. Source: Microsoft, "PE Format".
var machinesPE = map[uint16]string{0x8664: "amd64", 0xaa64: "arm64", 0x14c: "386"}

// formatPE tells a program of Windows and its processor by its first bytes.
func formatPE(b []byte) (format, arch string) {
	if len(b) < 64 || b[0] != 'M' || b[1] != 'Z' {
		return "other", ""
	}
	at := int64(binary.LittleEndian.Uint32(b[60:]))
	if at+6 > int64(len(b)) || string(b[at:at+4]) != "PE\x00\x00" {
		return "other", ""
	}
	return "pe", machinesPE[binary.LittleEndian.Uint16(b[at+4:])]
}

// restartOf reads the recovery actions of a service: after which ends Windows starts it
// again. The value is a SERVICE_FAILURE_ACTIONS of 32 bits with its actions behind it.
// Source: Microsoft, winsvc.h; amazon-ssm-agent, packaging/windows/install.bat.
func restartOf(b []byte, errorsToo bool) string {
	const head, action, restart = 20, 8, 1
	if len(b) < head {
		return "no"
	}
	n := binary.LittleEndian.Uint32(b[12:])
	for b = b[head:]; n > 0 && len(b) >= action; n, b = n-1, b[action:] {
		switch {
		case binary.LittleEndian.Uint32(b) != restart:
		case errorsToo:
			return "on-failure"
		default:
			return "on-abnormal"
		}
	}
	return "no"
}

// commandPath is the executable of a command line, which may be quoted.
func commandPath(s string) string {
	s = strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(s, `"`); ok {
		p, _, _ := strings.Cut(rest, `"`)
		return p
	}
	if i := strings.Index(strings.ToLower(s), ".exe"); i >= 0 {
		return s[:i+len(".exe")]
	}
	return s
}

// windowsUnits asks the service manager of Windows.
func windowsUnits(env *gather.Env) (manager facts.Seen[string], units facts.Seen[[]facts.Unit]) {
	const from = "scm:" + WindowsService
	s := env.Windows.Service(WindowsService)
	if s.Unknown() {
		return gather.Likewise[string](s), gather.Likewise[[]facts.Unit](s)
	}
	u := windowsUnit(s)
	if s.Known() {
		describeWindows(env, &u)
	}
	return facts.Known("scm", from), facts.Known([]facts.Unit{u}, from)
}

// windowsChannel finds the agent's connections to port 443.
func windowsChannel(w *gather.Windows, ps facts.Seen[facts.Processes]) facts.Seen[[]facts.Socket] {
	if !ps.Known() {
		return gather.Likewise[[]facts.Socket](ps)
	}
	return w.Connections(pidsOf(ps.Value), 443)
}

// windowsProcesses sorts processes by the part they have.
func windowsProcesses(s facts.Seen[[]facts.Process]) facts.Seen[facts.Processes] {
	if !s.Known() {
		return gather.Likewise[facts.Processes](s)
	}
	out := facts.Processes{Core: []facts.Process{}, Worker: []facts.Process{}}
	for _, p := range s.Value {
		base := p.Exe[strings.LastIndexAny(p.Exe, `\/`)+1:]
		if l := processList(&out, strings.TrimSuffix(strings.ToLower(base), ".exe")); l != nil && len(*l) < maxProcesses {
			p.Exe, p.Owner = gather.OneLine(p.Exe, 300), facts.Absent[int]("Windows has no user ids", "")
			*l = append(*l, p)
		}
	}
	return facts.Known(out, s.From)
}

// processList is the list that a program of the agent belongs to; nil for others.
func processList(out *facts.Processes, name string) *[]facts.Process {
	return map[string]*[]facts.Process{ExeCore: &out.Core, exeWorker: &out.Worker}[name]
}
