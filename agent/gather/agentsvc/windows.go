package agentsvc

import (
	"cmp"
	"encoding/binary"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
)

const (
	windowsService  = "AmazonSSMAgent"
	ServiceKey      = `SYSTEM\CurrentControlSet\Services\` + windowsService
	internetKey     = `.DEFAULT\Software\Microsoft\Windows\CurrentVersion\Internet Settings`
	winHTTPKey      = `SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\Connections`
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
	u := facts.Unit{Name: windowsService, Load: "not-found", User: "SYSTEM"}
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
	u.Exec = gather.OneLine(commandPath(w.Path), 300)
	if a := strings.TrimPrefix(w.Account, `NT AUTHORITY\`); !strings.EqualFold(a, "LocalSystem") && !strings.EqualFold(a, "SYSTEM") {
		u.User = gather.OneLine(w.Account, 100)
	}
	return u
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
func windowsUnits(w *gather.Windows) (manager facts.Seen[string], units facts.Seen[[]facts.Unit]) {
	const from = "scm:" + windowsService
	s := w.Service(windowsService)
	if s.Unknown() {
		return gather.Likewise[string](s), gather.Likewise[[]facts.Unit](s)
	}
	return facts.Known("scm", from), facts.Known([]facts.Unit{windowsUnit(s)}, from)
}

// windowsEnvironment is the environment that matters to the service: its own
// registry value, else the proxy of the system account, else that of WinHTTP.
func windowsEnvironment(w *gather.Windows) Environment {
	own := w.Strings(ServiceKey, "Environment")
	e := Environment{Vars: map[string]string{}, From: gather.RegistryURL(ServiceKey)}
	if own.Unknown() {
		e.Err = unknownError(own.Reason())
		return e
	}
	for _, kv := range own.Value {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" && len(e.Vars) < hostfile.MaxVars {
			e.Vars[k] = v
		}
	}
	if p := gather.ProxyFrom(e.Vars); p.HTTPS != "" || p.HTTP != "" {
		return e
	}
	first := func(key, value string) string {
		if s := w.Strings(key, value); s.Known() && len(s.Value) > 0 {
			return s.Value[0]
		}
		return ""
	}
	var p gather.ProxyVars
	from := internetKey
	if first(internetKey, "ProxyEnable") == "1" {
		p = proxyOf(first(internetKey, "ProxyServer"), first(internetKey, "ProxyOverride"))
	}
	if p.HTTPS == "" && p.HTTP == "" {
		from = winHTTPKey
		server, bypass := parseWinHTTP([]byte(first(winHTTPKey, "WinHttpSettings")))
		p = proxyOf(server, bypass)
	}
	if p.HTTPS != "" || p.HTTP != "" {
		e.From = gather.RegistryURL(from)
		e.Vars["https_proxy"], e.Vars["http_proxy"], e.Vars["no_proxy"] = p.HTTPS, p.HTTP, p.No
	}
	return e
}

type unknownError string

func (e unknownError) Error() string { return string(e) }

// proxyOf reads the server and bypass texts of Windows: one server for all, or
// scheme=server parts; a bypass of <local> is skipped, as the agent does.
func proxyOf(server, bypass string) gather.ProxyVars {
	var p gather.ProxyVars
	for part := range strings.FieldsFuncSeq(server, func(r rune) bool { return r == ';' || r == ' ' }) {
		scheme, v, ok := strings.Cut(part, "=")
		switch {
		case !ok:
			p.HTTPS, p.HTTP = cmp.Or(p.HTTPS, part), cmp.Or(p.HTTP, part)
		case strings.EqualFold(scheme, "https"):
			p.HTTPS = v
		case strings.EqualFold(scheme, "http"):
			p.HTTP = v
		}
	}
	var no []string
	for part := range strings.FieldsFuncSeq(bypass, func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
		if part != "<local>" && len(no) < 200 {
			no = append(no, strings.TrimPrefix(part, "*"))
		}
	}
	p.No = strings.Join(no, ",")
	return p
}

// parseWinHTTP reads the value WinHttpSettings: three numbers, of which the
// third has bit 1 set when a proxy is named, then two texts with their length.
func parseWinHTTP(b []byte) (server, bypass string) {
	if len(b) < 16 || binary.LittleEndian.Uint32(b[8:])&2 == 0 {
		return "", ""
	}
	b = b[12:]
	text := func() string {
		if len(b) < 4 {
			return ""
		}
		n := int64(binary.LittleEndian.Uint32(b))
		b = b[4:]
		if n > int64(len(b)) || n > 4096 {
			b = nil
			return ""
		}
		s := string(b[:n])
		b = b[n:]
		return s
	}
	server = text()
	return server, text()
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
