package gather

import (
	"encoding/binary"
	"net/netip"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
)

// fakeWindows answers from maps; registry keys are KEY|VALUE.
type fakeWindows struct {
	service  facts.Seen[WindowsService]
	registry map[string][]string
	denied   string // key that may not be read
	ps       []facts.Process
	routes   facts.Seen[[]WindowsRoute]
}

func (w *fakeWindows) ask() *Windows {
	return &Windows{
		Service: func(string) facts.Seen[WindowsService] { return w.service },
		Strings: func(key, value string) facts.Seen[[]string] {
			if key == w.denied {
				return facts.Unknown[[]string]("Access is denied.", registryURL(key))
			}
			if v, ok := w.registry[key+"|"+value]; ok {
				return facts.Known(v, registryURL(key))
			}
			return facts.Absent[[]string]("no such value", registryURL(key))
		},
		Processes: func([]string) facts.Seen[[]facts.Process] { return facts.Known(w.ps, "toolhelp snapshot") },
		Routes:    func() facts.Seen[[]WindowsRoute] { return w.routes },
		Servers:   func() facts.Seen[[]string] { return facts.Known([]string{"10.0.0.2"}, "adapters") },
		Elevated:  func() facts.Seen[bool] { return facts.Known(false, "process token") },
	}
}

func windowsEnv(t *testing.T, w *fakeWindows, files map[string]string, vars map[string]string) *Env {
	t.Helper()
	env := testEnv(t, tree(t, files))
	env.GOOS, env.Windows, env.UID = "windows", w.ask(), -1
	env.Getenv = func(k string) string { return vars[k] }
	return env
}

func TestWindowsUnit(t *testing.T) {
	t.Parallel()
	const path = `"C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe" -x`
	base := facts.Unit{Name: "AmazonSSMAgent", Load: "loaded", Active: "active", Sub: "running", Enabled: "enabled", Result: "success", User: "SYSTEM", MainPID: 42, Exec: `C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe`}
	with := func(do func(u *facts.Unit)) facts.Unit { u := base; do(&u); return u }
	for _, c := range []struct {
		name string
		in   facts.Seen[WindowsService]
		want facts.Unit
	}{
		{"running", facts.Known(WindowsService{State: 4, StartType: 2, PID: 42, Path: path, Account: "LocalSystem"}, ""), base},
		{"stopped and disabled", facts.Known(WindowsService{State: 1, StartType: 4, Path: path, Account: "LocalSystem", ExitCode: 1067}, ""), with(func(u *facts.Unit) {
			u.Active, u.Sub, u.Enabled, u.MainPID, u.Result, u.ExitStatus = "stopped", "stopped", "disabled", 0, "exit-code", 1067
		})},
		{"never started", facts.Known(WindowsService{State: 1, StartType: 3, Path: `C:\x\agent.exe -k y`, ExitCode: 1077, Account: `NT AUTHORITY\SYSTEM`}, ""), with(func(u *facts.Unit) {
			u.Active, u.Sub, u.Enabled, u.MainPID, u.Exec = "stopped", "stopped", "manual", 0, `C:\x\agent.exe`
		})},
		{"waits for sysprep", facts.Known(WindowsService{State: 2, StartType: 2, PID: 42, Path: path, Account: "localsystem"}, ""), with(func(u *facts.Unit) { u.Active, u.Sub = "start-pending", "start-pending" })},
		{"own code, other account", facts.Known(WindowsService{State: 1, StartType: 2, PID: 42, Path: path, ExitCode: 1066, Specific: 7, Account: `CORP\svc`}, ""), with(func(u *facts.Unit) {
			u.Active, u.Sub, u.Result, u.ExitStatus, u.User = "stopped", "stopped", "exit-code", 7, `CORP\svc`
		})},
		{"not there", facts.Absent[WindowsService]("no such service", ""), facts.Unit{Name: "AmazonSSMAgent", Load: "not-found", User: "SYSTEM"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var a facts.Agent
			gatherService((&fakeWindows{service: c.in}).ask(), &a)
			if d := cmp.Diff([]facts.Unit{c.want}, a.Units); d != "" || a.Manager.Value != "scm" {
				t.Errorf("%+v\n%s", a.Manager, d)
			}
		})
	}
	var a facts.Agent
	gatherService((&fakeWindows{service: facts.Unknown[WindowsService]("Access is denied.", "")}).ask(), &a)
	if !a.Manager.Unknown() || len(a.Units) > 0 {
		t.Errorf("%+v %+v", a.Manager, a.Units)
	}
}

func winHTTP(flags uint32, server, bypass string) string {
	b := make([]byte, 12)
	b[0] = 0x28
	binary.LittleEndian.PutUint32(b[8:], flags)
	for _, s := range []string{server, bypass} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return string(b)
}

// TestWindowsProxy: the first of three places that names a proxy wins.
func TestWindowsProxy(t *testing.T) {
	t.Parallel()
	own := serviceKey + "|Environment"
	inet := func(enable, server, override string) map[string][]string {
		return map[string][]string{internetKey + "|ProxyEnable": {enable}, internetKey + "|ProxyServer": {server}, internetKey + "|ProxyOverride": {override}}
	}
	winhttp := map[string][]string{winHTTPKey + "|WinHttpSettings": {winHTTP(3, "winhttp:8080", "*.corp;<local>")}}
	for _, c := range []struct {
		name string
		reg  []map[string][]string
		want facts.Proxy
		err  string
	}{
		{"none", nil, facts.Proxy{}, ""},
		{"service", []map[string][]string{{own: {"https_proxy=http://u:hunter2hunter2@svc:1", "no_proxy=169.254.169.254", "AWS_CA_BUNDLE=x"}}, inet("1", "inet:1", ""), winhttp}, facts.Proxy{HTTPS: "http://svc:1", No: "169.254.169.254", HasAuth: true, From: registryURL(serviceKey)}, ""},
		{"system account", []map[string][]string{inet("1", "http=plain:1;https=tls:2;ftp=f:3", "169.254.169.254;<local>;*.corp"), winhttp}, facts.Proxy{HTTPS: "tls:2", HTTP: "plain:1", No: "169.254.169.254,.corp", From: registryURL(internetKey)}, ""},
		{"system account, one for all", []map[string][]string{inet("1", "all:3128", "")}, facts.Proxy{HTTPS: "all:3128", HTTP: "all:3128", From: registryURL(internetKey)}, ""},
		{"switched off", []map[string][]string{inet("0", "inet:1", ""), winhttp}, facts.Proxy{HTTPS: "winhttp:8080", HTTP: "winhttp:8080", No: ".corp", From: registryURL(winHTTPKey)}, ""},
		{"WinHTTP direct", []map[string][]string{{winHTTPKey + "|WinHttpSettings": {winHTTP(1, "winhttp:8080", "")}}}, facts.Proxy{}, ""},
		{"WinHTTP cut off", []map[string][]string{{winHTTPKey + "|WinHttpSettings": {winHTTP(3, "winhttp:8080", "")[:20]}}}, facts.Proxy{}, ""},
		{"denied", nil, facts.Proxy{}, "Access is denied."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &fakeWindows{registry: map[string][]string{}}
			for _, m := range c.reg {
				for k, v := range m {
					w.registry[k] = v
				}
			}
			if c.err != "" {
				w.denied = serviceKey
			}
			f := &facts.Facts{}
			gatherProxies(t.Context(), windowsEnv(t, w, nil, nil).Begin(), &f.Agent)
			p := f.Agent.ServiceProxy
			if d := cmp.Diff(c.want, p.Value); d != "" || p.Unknown() != (c.err != "") || p.Absent() != (c.err == "" && c.want == facts.Proxy{}) {
				t.Errorf("%s %s\n%s", p.State, p.Why, d)
			}
			noSecret(t, f, "hunter2")
		})
	}
}

func TestWindowsHost(t *testing.T) {
	t.Parallel()
	row := func(prefix, gw string, metric uint32) WindowsRoute {
		g := netip.Addr{}
		if gw != "" {
			g = netip.MustParseAddr(gw)
		}
		return WindowsRoute{Prefix: netip.MustParsePrefix(prefix), Gateway: g, Metric: metric, Interface: "if7"}
	}
	w := &fakeWindows{
		registry: map[string][]string{
			windowsNTKey + "|ProductName": {"Windows Server 2022 Datacenter"}, windowsNTKey + "|CurrentBuild": {"20348"}, biosKey + "|SystemManufacturer": {"Amazon EC2"}, biosKey + "|SystemProductName": {"t3.micro"},
			`SYSTEM\CurrentControlSet\Control\TimeZoneInformation|TimeZoneKeyName`: {"W. Europe Standard Time"}, serviceKey + "|Version": {"3.3.1142.0"},
		},
		service: facts.Known(WindowsService{State: 4, StartType: 2, PID: 42, Path: `C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe`, Account: "LocalSystem"}, ""),
		ps: []facts.Process{{PID: 42, Exe: `C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe`, Started: testNow.Add(-time.Hour), UID: -1},
			{PID: 43, Exe: `SSM-Agent-Worker.exe`, Parent: 42, UID: -1}, {PID: 44, Exe: `C:\Windows\explorer.exe`}},
		routes: facts.Known([]WindowsRoute{row("0.0.0.0/0", "10.0.0.1", 10), row("169.254.169.254/32", "10.4.0.1", 50), row("169.254.169.254/32", "10.4.0.9", 99), row("10.0.0.0/24", "0.0.0.0", 1), row("fe80::/64", "", 1)}, "table"),
	}
	const data = "ProgramData/Amazon/SSM/"
	env := windowsEnv(t, w, map[string]string{
		"Program Files/Amazon/SSM/amazon-ssm-agent.exe": "x", "Program Files/Amazon/SSM/ssm-agent-worker.exe": "x", "Program Files/Amazon/SSM/amazon-ssm-agent.json": `{"Agent":{"Region":"eu-west-1"}}`,
		"Program Files/Amazon/SSM/configuration/amazon-ssm-agent.json": `{"Agent":{"Region":"eu-west-3"}}`, "Program Files/Amazon/SSM/credentials": "[default]\naws_access_key_id=ASIAIOSFODNN7EXAMPLE\naws_secret_access_key=hunter2hunter2\naws_session_token=hunter3hunter3\n",
		data + "InstanceData/Vault/Manifest":                     `{"RegistrationKey":"C:\\ProgramData\\Amazon\\SSM\\InstanceData\\Vault\\Store\\RegistrationKey"}`,
		data + "InstanceData/Vault/Store/RegistrationKey":        `{"instanceID":"mi-0123456789abcdef0","region":"eu-west-1","privateKey":"QUJD"}`,
		data + "InstanceData/i-0123456789abcdef0/x":              "",
		data + "runtimeconfig/identity_config.json":              `{"InstanceId":"mi-0123456789abcdef0","IdentityType":"OnPrem"}`,
		data + "Logs/amazon-ssm-agent.log":                       "2026-11-22 09:10:22 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.1142.0\n",
		data + "Logs/ssm-agent-worker.log":                       "2026-11-22 09:11:22 INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully\n",
		"Windows/System32/config/systemprofile/.aws/credentials": "[default]\naws_access_key_id=ASIAIOSFODNN7EXAMPLE\naws_secret_access_key=hunter2hunter2\n",
		"Windows/System32/drivers/etc/hosts":                     "10.9.9.9 ssm.eu-west-1.amazonaws.com\n",
	}, map[string]string{"SystemDrive": "C:", "ProgramData": `C:\ProgramData`, "ProgramW6432": `C:\Program Files`})
	env.Kernel = func() Kernel {
		return Kernel{Hostname: "WIN-1", ImageState: facts.Known("IMAGE_STATE_COMPLETE", "registry"), WindowsRoutes: facts.Known([]string{"169.254.169.254,255.255.255.255,10.4.0.1,25"}, "registry"),
			Interfaces: facts.Known([]facts.Interface{{Name: "Ethernet", Addresses: []string{"10.0.0.5/24"}}}, "")}
	}
	f := gatherEnv(t, env, FileSources()...)
	h, a := f.Host, f.Agent
	for _, s := range wrong(
		is(h.Distro, facts.Distro{ID: "windows", Name: "Windows Server 2022 Datacenter", Version: "20348"}), is(h.Hostname, "WIN-1"), is(h.Privileged, false), is(h.DMI.Vendor, "Amazon EC2"), is(h.DMI.Product, "t3.micro"),
		is(h.TimeZone, "W. Europe Standard Time"), is(h.DefaultIPv4, true), is(h.DefaultIPv6, false), is(h.ImageState, "IMAGE_STATE_COMPLETE"),
		is(h.IMDSRoute, facts.Route{Destination: "169.254.169.254/32", Gateway: "10.4.0.1", Interface: "if7", Kind: "unicast"}), holds("resolver", cmp.Equal(h.Resolver.Value.Servers, []string{"10.0.0.2"})),
		holds("persistent route", len(h.PersistentRoutes.Value) == 1 && !h.PersistentRoutes.Value[0].OnLink),
		is(a.Installed, "3.3.1142.0"), is(a.Manager, "scm"), holds("unit", len(a.Units) == 1 && a.Units[0].Active == "active"),
		holds("processes", len(a.Processes.Value.Core) == 1 && len(a.Processes.Value.Worker) == 1 && a.Processes.Value.Core[0].PID == 42),
		holds("installation", len(a.Installations) == 1 && a.Installations[0].Kind == "windows" && a.Installations[0].Worker.Value && a.Installations[0].Core.Value),
		holds("configuration beside the programs", a.Config.Value.Region == "eu-west-3"), holds("hybrid", f.Registration.Hybrid.Value.InstanceID == "mi-0123456789abcdef0"),
		holds("folders", cmp.Equal(f.Registration.NodeFolders.Value, []string{"i-0123456789abcdef0"})), holds("runtime", f.Credentials.Runtime.Value.IdentityType == "OnPrem"),
		holds("DHMC file", f.Credentials.DHMCFile.Value.Profiles[0].HasToken), holds("SYSTEM's file", f.Credentials.RootFile.Known()), holds("log", f.Log.LastSuccess.Value.ID == facts.SigChannelUp && len(f.Log.Files) == 2),
		holds("pin", len(pinned(env, "ssm.eu-west-1.amazonaws.com")) == 1), holds("channel", a.Channel.Unknown()), holds("disk", len(h.FileSystems) == 4), holds("firewall", h.Firewall.Unknown()),
	) {
		t.Error(s)
	}
	sound(t, f)
	noSecret(t, f, "hunter2", "hunter3", "ASIAIOSFODNN7EXAMPLE")

	w.routes = facts.Known([]WindowsRoute{row("10.0.0.0/24", "", 1)}, "table")
	if windowsHost(w.ask(), &h); !h.IMDSRoute.Absent() || h.DefaultIPv4.Value {
		t.Errorf("%+v %+v", h.IMDSRoute, h.DefaultIPv4)
	}
	w.routes = facts.Unknown[[]WindowsRoute]("no", "table")
	if windowsHost(w.ask(), &h); !h.IMDSRoute.Unknown() || !h.DefaultIPv4.Unknown() {
		t.Errorf("%+v %+v", h.IMDSRoute, h.DefaultIPv4)
	}
}

func TestWindowsFolders(t *testing.T) {
	t.Parallel()
	env := memEnv(nil)
	env.GOOS = "windows"
	vars := map[string]string{}
	env.Getenv = func(k string) string { return vars[k] }
	for _, c := range []struct{ data, drive, want string }{
		{"", "", "ProgramData"}, {`C:\ProgramData`, "C:", "ProgramData"}, {`c:\Data\Program`, "C:", "Data/Program"}, {`D:\ProgramData`, "C:", "ProgramData"}, {`..\x`, "C:", "ProgramData"}, {`C:\..\..\x`, "C:", "x"},
	} {
		vars["ProgramData"], vars["SystemDrive"] = c.data, c.drive
		if got := agentDirs(env); got.ssm != path.Join(c.want, "Amazon/SSM") || !strings.HasPrefix(got.log, got.ssm+"/") {
			t.Errorf("%q: %+v", c.data, got)
		}
	}
}

func FuzzWindowsProxy(f *testing.F) {
	f.Add(winHTTP(3, "proxy:8080", "<local>;*.x"), "http=a:1;https=b:2")
	f.Add("\x28\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00\xff\xff\xff\xff", ";;==")
	f.Fuzz(func(t *testing.T, blob, server string) {
		s, b := parseWinHTTP([]byte(blob))
		if len(s)+len(b) > len(blob) {
			t.Error("more text than bytes")
		}
		sound(t, proxyOf(server, b).fact("registry"))
		sound(t, windowsUnit(facts.Known(WindowsService{Path: blob, Account: server}, "")))
	})
}
