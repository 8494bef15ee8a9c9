package gather

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
)

// Windows is how a running Windows is asked. The functions return plain data;
// what it means is decided here, where it is tested on every system.
type Windows struct {
	// Service describes a service of the service manager; absent: no such service.
	Service func(name string) facts.Seen[WindowsService]
	// Strings reads values of a registry key under HKEY_LOCAL_MACHINE, or under
	// HKEY_USERS for a key that begins with .DEFAULT: a text as one string, a
	// multi-text as several, a number in decimal, bytes as they are.
	Strings func(key, value string) facts.Seen[[]string]
	// Processes lists running programs by the base name of their file.
	Processes func(names []string) facts.Seen[[]facts.Process]
	// Routes are the routes of IPv4 and IPv6.
	Routes func() facts.Seen[[]WindowsRoute]
	// Servers are the DNS servers of the interfaces, in order.
	Servers  func() facts.Seen[[]string]
	Elevated func() facts.Seen[bool]
}

// WindowsService is the configuration and state of a service.
type WindowsService struct {
	State     uint32 // SERVICE_STOPPED and so on
	StartType uint32 // SERVICE_AUTO_START and so on
	ExitCode  uint32 // Win32 code; 1066: SpecificCode tells
	Specific  uint32
	PID       uint32
	Path      string // command line
	Account   string
}

// WindowsRoute is a row of the forwarding table.
type WindowsRoute struct {
	Prefix    netip.Prefix
	Gateway   netip.Addr // unspecified: on link
	Interface string
	Metric    uint32
}

const (
	windowsService  = "AmazonSSMAgent"
	serviceKey      = `SYSTEM\CurrentControlSet\Services\` + windowsService
	internetKey     = `.DEFAULT\Software\Microsoft\Windows\CurrentVersion\Internet Settings`
	winHTTPKey      = `SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\Connections`
	windowsNTKey    = `SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	biosKey         = `HARDWARE\DESCRIPTION\System\BIOS`
	errNeverStarted = 1077
	errSpecific     = 1066
)

func registryURL(key string) string {
	if strings.HasPrefix(key, ".DEFAULT") {
		return `registry:HKU\` + key
	}
	return `registry:HKLM\` + key
}

// States and start types of the service manager (winsvc.h).
var (
	serviceStates = map[uint32][2]string{
		1: {"stopped", "stopped"}, 2: {"start-pending", "start-pending"}, 3: {"stop-pending", "stop-pending"}, 4: {"active", "running"},
		5: {"active", "continue-pending"}, 6: {"paused", "pause-pending"}, 7: {"paused", "paused"},
	}
	serviceStarts = map[uint32]string{2: "enabled", 3: "manual", 4: "disabled"}
)

// windowsUnit describes the agent's service as a unit.
func windowsUnit(s facts.Seen[WindowsService]) facts.Unit {
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
		u.ExitStatus, u.Result = int(w.Specific), "exit-code"
	case w.ExitCode != 0 && w.ExitCode != errNeverStarted:
		u.ExitStatus, u.Result = int(w.ExitCode), "exit-code"
	}
	u.Exec = oneLine(commandPath(w.Path), 300)
	if a := strings.TrimPrefix(w.Account, `NT AUTHORITY\`); !strings.EqualFold(a, "LocalSystem") && !strings.EqualFold(a, "SYSTEM") {
		u.User = oneLine(w.Account, 100)
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

// gatherService fills manager and unit from the service manager.
func gatherService(w *Windows, a *facts.Agent) {
	const from = "scm:" + windowsService
	s := w.Service(windowsService)
	if s.Unknown() {
		a.Manager = facts.Unknown[string](s.Reason(), from)
		return
	}
	a.Manager = facts.Known("scm", from)
	a.Units = append(a.Units, windowsUnit(s))
}

// registryVersion is the version that the installer left at the service.
func registryVersion(w *Windows) facts.Seen[string] {
	v := w.Strings(serviceKey, "Version")
	if v.Known() && len(v.Value) == 1 {
		if s := agentVersion(v.Value[0]); s != "" {
			return facts.Known(s, v.From)
		}
		return facts.Unknown[string]("the value is no version", v.From)
	}
	return facts.Seen[string]{State: v.State, Why: v.Why, From: v.From}
}

// windowsEnvironment is the environment that matters to the service: its own
// registry value, else the proxy of the system account, else that of WinHTTP.
func windowsEnvironment(w *Windows) serviceEnv {
	own := w.Strings(serviceKey, "Environment")
	e := serviceEnv{vars: map[string]string{}, from: registryURL(serviceKey)}
	if own.Unknown() {
		e.err = unknownError(own.Reason())
		return e
	}
	for _, kv := range own.Value {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" && len(e.vars) < maxVars {
			e.vars[k] = v
		}
	}
	if p := proxyFrom(e.vars); p.https != "" || p.http != "" {
		return e
	}
	first := func(key, value string) string {
		if s := w.Strings(key, value); s.Known() && len(s.Value) > 0 {
			return s.Value[0]
		}
		return ""
	}
	var p proxyVars
	from := internetKey
	if first(internetKey, "ProxyEnable") == "1" {
		p = proxyOf(first(internetKey, "ProxyServer"), first(internetKey, "ProxyOverride"))
	}
	if p.https == "" && p.http == "" {
		from = winHTTPKey
		server, bypass := parseWinHTTP([]byte(first(winHTTPKey, "WinHttpSettings")))
		p = proxyOf(server, bypass)
	}
	if p.https != "" || p.http != "" {
		e.from = registryURL(from)
		e.vars["https_proxy"], e.vars["http_proxy"], e.vars["no_proxy"] = p.https, p.http, p.no
	}
	return e
}

type unknownError string

func (e unknownError) Error() string { return string(e) }

// proxyOf reads the server and bypass texts of Windows: one server for all, or
// scheme=server parts; a bypass of <local> is skipped, as the agent does.
func proxyOf(server, bypass string) proxyVars {
	var p proxyVars
	for part := range strings.FieldsFuncSeq(server, func(r rune) bool { return r == ';' || r == ' ' }) {
		scheme, v, ok := strings.Cut(part, "=")
		switch {
		case !ok:
			p.https, p.http = cmp.Or(p.https, part), cmp.Or(p.http, part)
		case strings.EqualFold(scheme, "https"):
			p.https = v
		case strings.EqualFold(scheme, "http"):
			p.http = v
		}
	}
	var no []string
	for part := range strings.FieldsFuncSeq(bypass, func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
		if part != "<local>" && len(no) < 200 {
			no = append(no, strings.TrimPrefix(part, "*"))
		}
	}
	p.no = strings.Join(no, ",")
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
		return facts.Seen[facts.Processes]{State: s.State, Why: s.Why, From: s.From}
	}
	out := facts.Processes{Core: []facts.Process{}, Worker: []facts.Process{}, Document: []facts.Process{}, Session: []facts.Process{}}
	for _, p := range s.Value {
		base := p.Exe[strings.LastIndexAny(p.Exe, `\/`)+1:]
		if l := processList(&out, strings.TrimSuffix(strings.ToLower(base), ".exe")); l != nil && len(*l) < maxProcesses {
			p.Exe = oneLine(p.Exe, 300)
			*l = append(*l, p)
		}
	}
	return facts.Known(out, s.From)
}

// processList is the list that a program of the agent belongs to; nil for others.
func processList(out *facts.Processes, name string) *[]facts.Process {
	return map[string]*[]facts.Process{exeCore: &out.Core, exeWorker: &out.Worker, exeDocument: &out.Document, exeSession: &out.Session}[name]
}

// bestRoute is the route of the longest prefix, then the lowest metric.
func bestRoute(rows []WindowsRoute, to netip.Addr) (WindowsRoute, bool) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r WindowsRoute) bool { return !r.Prefix.IsValid() || !r.Prefix.Contains(to) })
	if len(rows) == 0 {
		return WindowsRoute{}, false
	}
	return slices.MinFunc(rows, func(a, b WindowsRoute) int {
		return cmp.Or(cmp.Compare(b.Prefix.Bits(), a.Prefix.Bits()), cmp.Compare(a.Metric, b.Metric))
	}), true
}

// windowsHost fills the facts of the host that only Windows itself can tell.
func windowsHost(w *Windows, h *facts.Host) {
	h.Privileged = w.Elevated()
	first := func(key, value string) facts.Seen[string] {
		s := w.Strings(key, value)
		if s.Known() && len(s.Value) > 0 && s.Value[0] != "" {
			return facts.Known(oneLine(s.Value[0], 100), s.From)
		}
		if s.Known() {
			return facts.Absent[string]("empty", s.From)
		}
		return facts.Seen[string]{State: s.State, Why: s.Why, From: s.From}
	}
	product, build := first(windowsNTKey, "ProductName"), first(windowsNTKey, "CurrentBuild")
	if product.Known() {
		h.Distro = facts.Known(facts.Distro{ID: "windows", Name: product.Value, Version: build.Value}, product.From)
	} else {
		h.Distro = facts.Seen[facts.Distro]{State: product.State, Why: product.Why, From: product.From}
	}
	h.DMI.Vendor, h.DMI.Product, h.DMI.AssetTag = first(biosKey, "SystemManufacturer"), first(biosKey, "SystemProductName"), facts.Unknown[string](errUnsupported.Error(), "")
	h.DMI.EC2UUID = facts.Unknown[bool](errUnsupported.Error(), "")
	if zone := first(`SYSTEM\CurrentControlSet\Control\TimeZoneInformation`, "TimeZoneKeyName"); zone.Known() {
		h.TimeZone = zone
	}
	if s := w.Servers(); s.Known() {
		h.Resolver = facts.Known(facts.Resolver{Servers: s.Value, Search: []string{}, Options: []string{}}, s.From)
	} else {
		h.Resolver = facts.Seen[facts.Resolver]{State: s.State, Why: s.Why, From: s.From}
	}
	rows := w.Routes()
	if !rows.Known() {
		h.IMDSRoute = facts.Unknown[facts.Route](rows.Reason(), rows.From)
		h.DefaultIPv4, h.DefaultIPv6 = facts.Unknown[bool](rows.Reason(), rows.From), facts.Unknown[bool](rows.Reason(), rows.From)
		return
	}
	// An address of neither network stands for everything that is not local.
	_, v4 := bestRoute(onlyDefault(rows.Value), netip.IPv4Unspecified())
	_, v6 := bestRoute(onlyDefault(rows.Value), netip.IPv6Unspecified())
	h.DefaultIPv4, h.DefaultIPv6 = facts.Known(v4, rows.From), facts.Known(v6, rows.From)
	r, ok := bestRoute(rows.Value, imdsIP)
	if !ok {
		h.IMDSRoute = facts.Absent[facts.Route]("no route", rows.From)
		return
	}
	route := facts.Route{Destination: "default", Interface: oneLine(r.Interface, 100), Kind: "unicast"}
	if r.Prefix.Bits() > 0 {
		route.Destination = r.Prefix.Masked().String()
	}
	if r.Gateway.IsValid() && !r.Gateway.IsUnspecified() {
		route.Gateway = r.Gateway.String()
	}
	h.IMDSRoute = facts.Known(route, rows.From)
}

func onlyDefault(rows []WindowsRoute) []WindowsRoute {
	return slices.DeleteFunc(slices.Clone(rows), func(r WindowsRoute) bool { return !r.Prefix.IsValid() || r.Prefix.Bits() != 0 })
}
