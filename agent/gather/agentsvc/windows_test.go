package agentsvc

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func TestWindowsUnit(t *testing.T) {
	t.Parallel()
	const path = `"C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe" -x`
	base := facts.Unit{Name: "AmazonSSMAgent", Load: "loaded", Active: "active", Sub: "running", Enabled: "enabled", Result: "success", User: "SYSTEM", MainPID: 42, Exec: `C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe`}
	with := func(do func(u *facts.Unit)) facts.Unit { u := base; do(&u); return u }
	for _, c := range []struct {
		name string
		in   facts.Seen[gather.WindowsService]
		want facts.Unit
	}{
		{"running", facts.Known(gather.WindowsService{State: 4, StartType: 2, PID: 42, Path: path, Account: "LocalSystem"}, ""), base},
		{"stopped and disabled", facts.Known(gather.WindowsService{State: 1, StartType: 4, Path: path, Account: "LocalSystem", ExitCode: 1067}, ""), with(func(u *facts.Unit) {
			u.Active, u.Sub, u.Enabled, u.MainPID, u.Result, u.Ended, u.ExitStatus = "stopped", "stopped", "disabled", 0, "exit-code", "scm", 1067
		})},
		{"never started", facts.Known(gather.WindowsService{State: 1, StartType: 3, Path: `C:\x\agent.exe -k y`, ExitCode: 1077, Account: `NT AUTHORITY\SYSTEM`}, ""), with(func(u *facts.Unit) {
			u.Active, u.Sub, u.Enabled, u.MainPID, u.Exec = "stopped", "stopped", "manual", 0, `C:\x\agent.exe`
		})},
		{"waits for sysprep", facts.Known(gather.WindowsService{State: 2, StartType: 2, PID: 42, Path: path, Account: "localsystem"}, ""), with(func(u *facts.Unit) { u.Active, u.Sub = "start-pending", "start-pending" })},
		{"own code, other account", facts.Known(gather.WindowsService{State: 1, StartType: 2, PID: 42, Path: path, ExitCode: 1066, Specific: 7, Account: `CORP\svc`}, ""), with(func(u *facts.Unit) {
			u.Active, u.Sub, u.Result, u.Ended, u.ExitStatus, u.User = "stopped", "stopped", "exit-code", "exited", 7, `CORP\svc`
		})},
		{"not there", facts.Absent[gather.WindowsService]("no such service", ""), facts.Unit{Name: "AmazonSSMAgent", Load: "not-found", User: "SYSTEM"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			manager, units := windowsUnits((&gathertest.Windows{Service: c.in}).Ask())
			if d := cmp.Diff([]facts.Unit{c.want}, units.Value); d != "" || manager.Value != "scm" {
				t.Errorf("%+v\n%s", manager, d)
			}
		})
	}
	manager, units := windowsUnits((&gathertest.Windows{Service: facts.Unknown[gather.WindowsService]("Access is denied.", "")}).Ask())
	if !manager.Unknown() || !units.Unknown() {
		t.Errorf("%+v %+v", manager, units)
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
	own := ServiceKey + "|Environment"
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
		{"service", []map[string][]string{{own: {"https_proxy=http://u:hunter2hunter2@svc:1", "no_proxy=169.254.169.254", "AWS_CA_BUNDLE=x"}}, inet("1", "inet:1", ""), winhttp}, facts.Proxy{HTTPS: "http://svc:1", No: "169.254.169.254", HasAuth: true, From: gather.RegistryURL(ServiceKey)}, ""},
		{"system account", []map[string][]string{inet("1", "http=plain:1;https=tls:2;ftp=f:3", "169.254.169.254;<local>;*.corp"), winhttp}, facts.Proxy{HTTPS: "tls:2", HTTP: "plain:1", No: "169.254.169.254,.corp", From: gather.RegistryURL(internetKey)}, ""},
		{"system account, one for all", []map[string][]string{inet("1", "all:3128", "")}, facts.Proxy{HTTPS: "all:3128", HTTP: "all:3128", From: gather.RegistryURL(internetKey)}, ""},
		{"switched off", []map[string][]string{inet("0", "inet:1", ""), winhttp}, facts.Proxy{HTTPS: "winhttp:8080", HTTP: "winhttp:8080", No: ".corp", From: gather.RegistryURL(winHTTPKey)}, ""},
		{"WinHTTP direct", []map[string][]string{{winHTTPKey + "|WinHttpSettings": {winHTTP(1, "winhttp:8080", "")}}}, facts.Proxy{}, ""},
		{"WinHTTP cut off", []map[string][]string{{winHTTPKey + "|WinHttpSettings": {winHTTP(3, "winhttp:8080", "")[:20]}}}, facts.Proxy{}, ""},
		{"denied", nil, facts.Proxy{}, "Access is denied."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &gathertest.Windows{Registry: map[string][]string{}}
			for _, m := range c.reg {
				for k, v := range m {
					w.Registry[k] = v
				}
			}
			if c.err != "" {
				w.Denied = ServiceKey
			}
			f := &facts.Facts{}
			GatherProxies(t.Context(), gathertest.WindowsEnv(t, w, nil, nil).Begin(), &f.Agent)
			p := f.Agent.ServiceProxy
			if d := cmp.Diff(c.want, p.Value); d != "" || p.Unknown() != (c.err != "") || p.Absent() != (c.err == "" && c.want == facts.Proxy{}) {
				t.Errorf("%s %s\n%s", p.State, p.Why, d)
			}
			gathertest.NoSecret(t, f, "hunter2")
		})
	}
}
