package agentsvc

import (
	"encoding/binary"
	"strings"
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
			u.Active, u.Sub, u.Enabled, u.MainPID, u.Result, u.Ended, u.ExitStatus = "failed", "stopped", "disabled", 0, "exit-code", "scm", 1067
		})},
		{"never started", facts.Known(gather.WindowsService{State: 1, StartType: 3, Path: `C:\x\agent.exe -k y`, ExitCode: 1077, Account: `NT AUTHORITY\SYSTEM`}, ""), with(func(u *facts.Unit) {
			u.Active, u.Sub, u.Enabled, u.MainPID, u.Exec = "stopped", "stopped", "manual", 0, `C:\x\agent.exe`
		})},
		{"waits for sysprep", facts.Known(gather.WindowsService{State: 2, StartType: 2, PID: 42, Path: path, Account: "localsystem"}, ""), with(func(u *facts.Unit) { u.Active, u.Sub = "start-pending", "start-pending" })},
		{"own code, other account", facts.Known(gather.WindowsService{State: 1, StartType: 2, PID: 42, Path: path, ExitCode: 1066, Specific: 7, Account: `CORP\svc`}, ""), with(func(u *facts.Unit) {
			u.Active, u.Sub, u.Result, u.Ended, u.ExitStatus, u.User = "failed", "stopped", "exit-code", "exited", 7, `CORP\svc`
		})},
		{"not there", facts.Absent[gather.WindowsService]("no such service", ""), facts.Unit{Name: "AmazonSSMAgent", Load: "not-found", User: "SYSTEM"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			manager, units := windowsUnits(gathertest.WindowsEnv(t, &gathertest.Windows{Service: c.in}, nil, nil))
			if len(units.Value) == 1 && c.want.Load == "loaded" && !units.Value[0].Program.Absent() {
				t.Errorf("program %+v", units.Value[0].Program)
			}
			for i := range units.Value { // see TestWindowsService
				units.Value[i].Program, units.Value[i].Restart = facts.Seen[facts.Program]{}, ""
			}
			if d := cmp.Diff([]facts.Unit{c.want}, units.Value); d != "" || manager.Value != "scm" {
				t.Errorf("%+v\n%s", manager, d)
			}
		})
	}
	manager, units := windowsUnits(gathertest.WindowsEnv(t, &gathertest.Windows{Service: facts.Unknown[gather.WindowsService]("Access is denied.", "")}, nil, nil))
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

// TestWindowsService: what registry and files say of a service.
func TestWindowsService(t *testing.T) {
	t.Parallel()
	const exe = "Program Files/Amazon/SSM/amazon-ssm-agent.exe"
	actions := func(kinds ...uint32) string {
		b := make([]byte, 20)
		binary.LittleEndian.PutUint32(b[12:], uint32(len(kinds)))
		for _, k := range kinds {
			b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, k), 60000)
		}
		return string(b)
	}
	w := &gathertest.Windows{Service: facts.Known(gather.WindowsService{State: 1, StartType: 2, Path: `C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe`, Account: "LocalSystem"}, ""), Registry: map[string][]string{}}
	of := func(files map[string]string) facts.Unit {
		_, units := windowsUnits(gathertest.WindowsEnv(t, w, files, nil))
		return units.Value[0]
	}
	if u := of(nil); !u.Program.Absent() || u.Deleting || u.Delayed || u.Restart != "no" {
		t.Errorf("%+v", u)
	}
	w.Registry[ServiceKey+"|DeleteFlag"], w.Registry[ServiceKey+"|DelayedAutostart"] = []string{"1"}, []string{"1"}
	pe := "MZ" + strings.Repeat("\x00", 58) + "\x40\x00\x00\x00PE\x00\x00\x64\x86"
	if p := of(map[string]string{exe: pe}).Program; p.Value.Format != "pe" || p.Value.Arch != "amd64" || !p.Value.Runnable {
		t.Errorf("%+v", p)
	}
	if u := of(map[string]string{exe: "MZ"}); u.Program.Value.Format != "other" || !u.Program.Known() || u.Program.Value.Size != 2 || !u.Deleting || !u.Delayed {
		t.Errorf("%+v", u)
	}
	for _, c := range []struct {
		actions, flag, want string
	}{
		{actions(), "1", "no"}, {actions(0, 0), "1", "no"}, {actions(1, 1, 0), "0", "on-abnormal"}, {actions(0, 1), "1", "on-failure"}, {actions(1)[:24], "1", "no"}, {"x", "1", "no"},
	} {
		w.Registry[ServiceKey+"|FailureActions"], w.Registry[ServiceKey+"|FailureActionsOnNonCrashFailures"] = []string{c.actions}, []string{c.flag}
		if u := of(nil); u.Restart != c.want {
			t.Errorf("%x %s: %q", c.actions, c.flag, u.Restart)
		}
	}
}

// TestAgentProxy is the table of what the agent's own reader gives.
func TestAgentProxy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ server, https, http string }{
		{"proxy:8080", "", "http://proxy:8080"},
		{"https=s:1;other:2", "http://s:1", "http://other:2"},
		{"http=h:1;other:2", "http://other:2", "http://h:1"},
		{"http=h:1;https=s:2", "http://s:2", "http://h:1"},
		{"ftp=f:1;proxy:8080", "", "http://proxy:8080"},
		{"https=https://s:1 http=//h:2", "https://s:1", "http://h:2"},
		{"HTTPS=s:1", "", ""}, {"socks=x:1", "", ""}, {"<local>", "", ""}, {"", "", ""}, {"a:1 b:2", "", "http://b:2"},
	} {
		if p := agentProxy(c.server); p.HTTPS != c.https || p.HTTP != c.http {
			t.Errorf("%q: https %q http %q", c.server, p.HTTPS, p.HTTP)
		}
	}
	got := agentBypass("169.254.169.254;<local>;*.corp <-loopback>;10.0.0.0/8;https://x.y:8443/z;;a,b")
	if d := cmp.Diff([]string{"169.254.169.254", "*.corp", "10.0.0.0", "x.y:8443", "a,b"}, got); d != "" {
		t.Error(d)
	}
	if p := userProxy(windowsProxy{server: "all:1", bypass: "x;y"}); p.HTTPS != "http://all:1" || p.HTTP != "http://all:1" || p.No != "x,y" {
		t.Errorf("https %q http %q no %q", p.HTTPS, p.HTTP, p.No)
	}
}

// TestWindowsProxy: the first of the places that names a proxy wins, and the same for
// the exceptions, whatever place the proxy is from.
func TestWindowsProxy(t *testing.T) {
	t.Parallel()
	const ie = `.DEFAULT\` + internet
	own, winhttp := ServiceKey+"|Environment", winHTTPKey+"|WinHttpSettings"
	inet := func(key, enable, server, override string) map[string][]string {
		return map[string][]string{key + "|ProxyEnable": {enable}, key + "|ProxyServer": {server}, key + "|ProxyOverride": {override}}
	}
	both := map[string][]string{winhttp: {winHTTP(3, "http=w:1;https=w:2", "*.corp;<local>")}}
	service, machine, account := gather.RegistryURL(ServiceKey), gather.RegistryURL(machineKey), gather.RegistryURL(systemKey)
	fromWinHTTP := gather.RegistryURL(winHTTPKey) + `\WinHttpSettings`
	for _, c := range []struct {
		name string
		reg  []map[string][]string
		want facts.Proxy
	}{
		{"none", nil, facts.Proxy{}},
		{"service", []map[string][]string{{own: {"HTTPS_Proxy=http://u:hunter2hunter2@svc:1", "NO_PROXY=169.254.169.254", "AWS_CA_BUNDLE=x"}}, inet(ie, "1", "inet:1", ""), both},
			facts.Proxy{HTTPS: "http://svc:1", No: "169.254.169.254", HasAuth: true, From: service, By: facts.ByService}},
		{"exceptions of WinHTTP beside the service's proxy", []map[string][]string{{own: {"https_proxy=http://svc:1"}}, both},
			facts.Proxy{HTTPS: "http://svc:1", No: "*.corp", From: service, By: facts.ByService, NoFrom: fromWinHTTP}},
		{"no_proxy of the service beside WinHTTP", []map[string][]string{{own: {"no_proxy=169.254.169.254"}}, both},
			facts.Proxy{HTTPS: "http://w:2", HTTP: "http://w:1", No: "169.254.169.254", From: fromWinHTTP, By: facts.ByWinHTTP, NoFrom: service}},
		{"machine", []map[string][]string{{machineKey + "|https_proxy": {"http://m:1"}, systemKey + "|https_proxy": {"http://a:1"}, systemKey + "|no_proxy": {"x"}}, both},
			facts.Proxy{HTTPS: "http://m:1", No: "x", From: machine, By: facts.ByMachine, NoFrom: account}},
		{"system account", []map[string][]string{{systemKey + "|http_proxy": {"http://a:1"}}, both},
			facts.Proxy{HTTP: "http://a:1", No: "*.corp", From: account, By: facts.BySystemAccount, NoFrom: fromWinHTTP}},
		{"internet options", []map[string][]string{inet(ie, "1", "http=plain:1;https=tls:2;ftp=f:3", "169.254.169.254;<local>"), both},
			facts.Proxy{HTTPS: "http://tls:2", HTTP: "http://plain:1", No: "169.254.169.254", From: gather.RegistryURL(ie), By: facts.ByInternetOptions}},
		{"internet options, one for all", []map[string][]string{inet(ie, "1", "all:3128", ""), both},
			facts.Proxy{HTTP: "http://all:3128", From: gather.RegistryURL(ie), By: facts.ByInternetOptions}},
		{"internet options as bytes", []map[string][]string{{ie + `\Connections|DefaultConnectionSettings`: {winHTTP(3, "https=b:1", "")}}},
			facts.Proxy{HTTPS: "http://b:1", From: gather.RegistryURL(ie), By: facts.ByInternetOptions}},
		{"internet options of all users by policy", []map[string][]string{{internetRule + "|ProxySettingsPerUser": {"0"}}, inet(ie, "1", "https=user:1", ""), inet(internet, "1", "https=all:1", "")},
			facts.Proxy{HTTPS: "http://all:1", From: gather.RegistryURL(internet), By: facts.ByInternetOptions}},
		{"switched off", []map[string][]string{inet(ie, "0", "inet:1", ""), both}, facts.Proxy{HTTPS: "http://w:2", HTTP: "http://w:1", No: "*.corp", From: fromWinHTTP, By: facts.ByWinHTTP}},
		{"WinHTTP direct", []map[string][]string{{winhttp: {winHTTP(1, "w:1", "")}}}, facts.Proxy{}},
		{"WinHTTP cut off", []map[string][]string{{winhttp: {winHTTP(3, "w:1", "")[:18]}}}, facts.Proxy{}},
		{"of a user only", []map[string][]string{{`HKCU\` + internet + "|ProxyEnable": {"1"}, `HKCU\` + internet + "|ProxyServer": {"u:1"}}}, facts.Proxy{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &gathertest.Windows{Registry: map[string][]string{}}
			for _, m := range c.reg {
				for k, v := range m {
					w.Registry[k] = v
				}
			}
			f := &facts.Facts{}
			GatherProxies(t.Context(), gathertest.WindowsEnv(t, w, nil, nil).Begin(), &f.Agent)
			p := f.Agent.ServiceProxy
			p.Value.TakesMetadata = false // see TestTakesMetadata
			if d := cmp.Diff(c.want, p.Value); d != "" || p.Unknown() || p.Absent() != (c.want == facts.Proxy{}) {
				t.Errorf("%s %s\n%s", p.State, p.Why, d)
			}
			if of := f.Agent.ShellProxy; of.Known() != (c.name == "of a user only") {
				t.Errorf("users: %+v", of)
			}
			gathertest.NoSecret(t, f, "hunter2")
		})
	}
	for _, key := range []string{ServiceKey, machineKey, systemKey} {
		f := &facts.Facts{}
		GatherProxies(t.Context(), gathertest.WindowsEnv(t, &gathertest.Windows{Denied: key}, nil, nil).Begin(), &f.Agent)
		if !f.Agent.ServiceProxy.Unknown() || !f.Agent.Metadata.Unknown() {
			t.Errorf("%s: %+v", key, f.Agent.ServiceProxy)
		}
	}
}

// TestUnreadHidesNoMore: a place that cannot be read hides only what it may set.
func TestUnreadHidesNoMore(t *testing.T) {
	t.Parallel()
	const ie = `.DEFAULT\` + internet
	own := ServiceKey + "|Environment"
	for _, c := range []struct {
		denied, https string // what is read all the same
		reg           map[string][]string
		proxy, off    bool // the proxy is known; the metadata service is known to be off
		users         bool // whether users have one is known
	}{
		{ie, "http://svc:1", map[string][]string{own: {"https_proxy=http://svc:1", "AWS_EC2_METADATA_DISABLED=true"}}, false, true, true},
		{ie, "http://svc:1", map[string][]string{own: {"https_proxy=http://svc:1", "no_proxy=x"}}, true, false, true},
		{winHTTPKey, "", map[string][]string{own: {"AWS_EC2_METADATA_DISABLED=true"}}, false, true, true},
		{machineKey, "", map[string][]string{own: {"AWS_EC2_METADATA_DISABLED=true"}, systemKey + "|https_proxy": {"http://a:1"}}, false, true, true},
		{systemKey, "http://m:1", map[string][]string{machineKey + "|https_proxy": {"http://m:1"}, machineKey + "|http_proxy": {"http://m:1"}, machineKey + "|no_proxy": {"x"}}, true, false, true},
		{`HKCU\` + internet, "", nil, true, false, false},
	} {
		f := &facts.Facts{}
		w := &gathertest.Windows{Registry: c.reg, Denied: c.denied}
		GatherProxies(t.Context(), gathertest.WindowsEnv(t, w, nil, nil).Begin(), &f.Agent)
		a := f.Agent
		if a.ServiceProxy.Value.HTTPS != c.https || a.ServiceProxy.Unknown() == c.proxy {
			t.Errorf("%s: %+v", c.denied, a.ServiceProxy)
		}
		if a.Metadata.Value.Disabled != c.off || c.off != a.Metadata.Known() {
			t.Errorf("%s: %+v", c.denied, a.Metadata)
		}
		if a.ShellProxy.Unknown() == c.users {
			t.Errorf("%s: users: %+v", c.denied, a.ShellProxy)
		}
	}
}

// TestMetadataEnvironment: variables of the AWS SDK that switch the metadata off.
func TestMetadataEnvironment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reg  map[string][]string
		want facts.MetadataEnv
	}{
		{map[string][]string{machineKey + "|AWS_EC2_METADATA_DISABLED": {"True"}}, facts.MetadataEnv{Disabled: true, By: facts.ByMachine, From: gather.RegistryURL(machineKey)}},
		{map[string][]string{ServiceKey + "|Environment": {"aws_ec2_metadata_service_endpoint=http://u:hunter2@10.0.0.1/"}}, facts.MetadataEnv{Endpoint: "http://10.0.0.1", By: facts.ByService, From: gather.RegistryURL(ServiceKey)}},
		{map[string][]string{ServiceKey + "|Environment": {"AWS_EC2_METADATA_DISABLED=1"}}, facts.MetadataEnv{}},
	} {
		f := &facts.Facts{}
		GatherProxies(t.Context(), gathertest.WindowsEnv(t, &gathertest.Windows{Registry: c.reg}, nil, nil).Begin(), &f.Agent)
		if d := cmp.Diff(c.want, f.Agent.Metadata.Value); d != "" || f.Agent.Metadata.Known() != (c.want != facts.MetadataEnv{}) {
			t.Errorf("%v: %s", c.reg, d)
		}
	}
}
