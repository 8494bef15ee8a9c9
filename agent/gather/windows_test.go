package gather_test

import (
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/agentsvc"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/agent/gather/opsys"
	"ssm-doctor/checks/facts"
)

func TestWindowsHost(t *testing.T) {
	t.Parallel()
	row := func(prefix, gw string, metric uint32) gather.WindowsRoute {
		g := netip.Addr{}
		if gw != "" {
			g = netip.MustParseAddr(gw)
		}
		return gather.WindowsRoute{Prefix: netip.MustParsePrefix(prefix), Gateway: g, Metric: metric, Interface: "if7"}
	}
	w := &gathertest.Windows{
		Registry: map[string][]string{
			`SOFTWARE\Microsoft\Windows NT\CurrentVersion` + "|ProductName": {"Windows Server 2022 Datacenter"}, `HARDWARE\DESCRIPTION\System\BIOS` + "|SystemManufacturer": {"Amazon EC2"},
			agentsvc.ServiceKey + "|Version": {"3.3.1142.0"}, `SYSTEM\CurrentControlSet\Services\W32Time\Parameters|Type`: {"NoSync"},
			`SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules|{1}`: {"v2.31|Action=Block|Active=TRUE|Dir=Out|Protocol=6|RPort=443|Name=x|"},
		},
		Service: facts.Known(gather.WindowsService{State: 4, StartType: 2, PID: 42, Path: `C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe`, Account: "LocalSystem"}, ""),
		Ps: []facts.Process{{PID: 42, Exe: `C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe`, Started: gathertest.Now.Add(-time.Hour)},
			{PID: 43, Exe: `SSM-Agent-Worker.exe`}, {PID: 44, Exe: `C:\Windows\explorer.exe`}},
		Sockets: []facts.Socket{{Local: "10.0.0.5:50000", Remote: "52.94.1.1:443"}},
		Routes:  facts.Known([]gather.WindowsRoute{row("0.0.0.0/0", "10.0.0.1", 10), row("169.254.169.254/32", "10.4.0.1", 50), row("169.254.169.254/32", "10.4.0.9", 99), row("10.0.0.0/24", "0.0.0.0", 1), row("fe80::/64", "", 1)}, "table"),
	}
	const data = "ProgramData/Amazon/SSM/"
	env := gathertest.WindowsEnv(t, w, map[string]string{
		"Program Files/Amazon/SSM/amazon-ssm-agent.exe": "x", "Program Files/Amazon/SSM/ssm-agent-worker.exe": "x", "Program Files/Amazon/SSM/amazon-ssm-agent.json": `{"Agent":{"Region":"eu-west-1"}}`,
		"Program Files/Amazon/SSM/configuration/amazon-ssm-agent.json": `{"Agent":{"Region":"eu-west-3"}}`, "Program Files/Amazon/SSM/credentials": "[default]\naws_access_key_id=ASIAIOSFODNN7EXAMPLE\naws_secret_access_key=hunter2hunter2\naws_session_token=hunter3hunter3\n",
		data + "InstanceData/Vault/Manifest":                     `{"RegistrationKey":"C:\\ProgramData\\Amazon\\SSM\\InstanceData\\Vault\\Store\\RegistrationKey"}`,
		data + "InstanceData/Vault/Store/RegistrationKey":        `{"instanceID":"mi-0123456789abcdef0","region":"eu-west-1","privateKey":"QUJD"}`,
		data + "InstanceData/i-0123456789abcdef0/x":              "",
		data + "runtimeconfig/identity_config.json":              `{"InstanceId":"mi-0123456789abcdef0","IdentityType":"OnPrem"}`,
		data + "Logs/amazon-ssm-agent.log":                       "2026-11-22 09:10:22 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.1142.0\n",
		data + "Logs/ssm-agent-worker.log":                       "2026-11-22 09:11:22 INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully\n",
		"Windows/System32/config/systemprofile/.aws/credentials": "[default]\naws_access_key_id=ASIAIOSFODNN7EXAMPLE\naws_secret_access_key=hunter2hunter2\n",
	}, map[string]string{"SystemDrive": "C:", "ProgramData": `C:\ProgramData`, "ProgramW6432": `C:\Program Files`})
	env.Kernel = func() gather.Kernel {
		return gather.Kernel{Hostname: "WIN-1", ImageState: facts.Known("IMAGE_STATE_COMPLETE", "registry"), WindowsRoutes: facts.Known([]string{"169.254.169.254,255.255.255.255,10.4.0.1,25"}, "registry"),
			Interfaces: facts.Known([]facts.Interface{{Name: "Ethernet", Addresses: []string{"10.0.0.5/24"}}}, "")}
	}
	f := gathertest.Gather(t, env, fileSources...)
	h, a := f.Host, f.Agent
	for _, s := range gathertest.Wrong(
		gathertest.Is(h.Distro, facts.Distro{ID: "windows", Name: "Windows Server 2022 Datacenter"}), gathertest.Is(h.Hostname, "WIN-1"), gathertest.Is(h.Privileged, false), gathertest.Is(h.DMI.Vendor, "Amazon EC2"),
		gathertest.Is(h.DefaultIPv4, true), gathertest.Is(h.DefaultIPv6, false), gathertest.Is(h.ImageState, "IMAGE_STATE_COMPLETE"), gathertest.Is(h.NTPSynchronized, false),
		gathertest.Is(h.IMDSRoute, facts.Route{Destination: "169.254.169.254/32", Gateway: "10.4.0.1", Interface: "if7", Kind: "unicast"}), gathertest.Holds("resolver", cmp.Equal(h.Resolver.Value.Servers, []string{"10.0.0.2"})),
		gathertest.Holds("persistent route", len(h.PersistentRoutes.Value) == 1 && !h.PersistentRoutes.Value[0].OnLink),
		gathertest.Is(a.Installed, "3.3.1142.0"), gathertest.Is(a.Manager, "scm"), gathertest.Holds("unit", len(a.Units.Value) == 1 && a.Units.Value[0].Active == "active"),
		gathertest.Holds("processes", len(a.Processes.Value.Core) == 1 && len(a.Processes.Value.Worker) == 1 && a.Processes.Value.Core[0].PID == 42),
		gathertest.Holds("installation", len(a.Installations.Value) == 1 && a.Installations.Value[0].Kind == "windows"),
		gathertest.Holds("configuration beside the programs", a.Config.Value.Region == "eu-west-3"), gathertest.Holds("hybrid", f.Registration.Hybrid.Value.InstanceID == "mi-0123456789abcdef0"),
		gathertest.Holds("folders", cmp.Equal(f.Registration.NodeFolders.Value, []string{"i-0123456789abcdef0"})), gathertest.Holds("runtime", f.Credentials.Runtime.Value.IdentityType == "OnPrem"),
		gathertest.Holds("DHMC file", len(f.Credentials.DHMCFile.Value.Profiles) == 1), gathertest.Holds("SYSTEM's file", f.Credentials.RootFile.Known()), gathertest.Holds("log", latest(f, facts.KindSuccess).ID == facts.SigChannelUp && len(f.Log.Files) == 2),
		gathertest.Holds("channel", a.Channel.Known() && len(a.Channel.Value) == 1), gathertest.Holds("disk", len(h.FileSystems.Value) == 4), gathertest.Holds("firewall", h.Firewall.Known() && len(h.Firewall.Value.Rules) == 1),
	) {
		t.Error(s)
	}
	gathertest.Sound(t, f)
	gathertest.NoSecret(t, f, "hunter2", "hunter3", "ASIAIOSFODNN7EXAMPLE")

	w.Routes = facts.Known([]gather.WindowsRoute{row("10.0.0.0/24", "", 1)}, "table")
	if h = gathertest.Gather(t, env, opsys.Source{}).Host; !h.IMDSRoute.Absent() || h.DefaultIPv4.Value {
		t.Errorf("%+v %+v", h.IMDSRoute, h.DefaultIPv4)
	}
	w.Routes = facts.Unknown[[]gather.WindowsRoute]("no", "table")
	if h = gathertest.Gather(t, env, opsys.Source{}).Host; !h.IMDSRoute.Unknown() || !h.DefaultIPv4.Unknown() {
		t.Errorf("%+v %+v", h.IMDSRoute, h.DefaultIPv4)
	}
}

func TestWindowsFolders(t *testing.T) {
	t.Parallel()
	env := gathertest.InMemory(nil)
	env.GOOS = "windows"
	vars := map[string]string{}
	env.Getenv = func(k string) string { return vars[k] }
	for _, c := range []struct{ data, drive, want string }{
		{"", "", "ProgramData"}, {`C:\ProgramData`, "C:", "ProgramData"}, {`c:\Data\Program`, "C:", "Data/Program"}, {`D:\ProgramData`, "C:", "D:/ProgramData"}, {`..\x`, "C:", "ProgramData"}, {`C:\..\..\x`, "C:", "x"},
	} {
		vars["ProgramData"], vars["SystemDrive"] = c.data, c.drive
		if got := gather.AgentDirs(env); got.SSM != path.Join(c.want, "Amazon/SSM") || !strings.HasPrefix(got.Log, got.SSM+"/") {
			t.Errorf("%q: %+v", c.data, got)
		}
	}
}

// watched notes every name that is asked for.
type watched struct {
	gather.FileSystem
	mu    *sync.Mutex
	names map[string]bool
}

func (w watched) note(name string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name] = true
	return name
}

func (w watched) Open(name string) (fs.File, error) { return w.FileSystem.Open(w.note(name)) }
func (w watched) ReadDir(name string) ([]fs.DirEntry, error) {
	return w.FileSystem.ReadDir(w.note(name))
}
func (w watched) Stat(name string) (fs.FileInfo, error)  { return w.FileSystem.Stat(w.note(name)) }
func (w watched) Lstat(name string) (fs.FileInfo, error) { return w.FileSystem.Lstat(w.note(name)) }
func (w watched) Readlink(name string) (string, error)   { return w.FileSystem.Readlink(w.note(name)) }

// TestWindowsAsksForItsOwn: any user may make folders on the drive of Windows, so that
// what only Linux has is not looked for there.
func TestWindowsAsksForItsOwn(t *testing.T) {
	t.Parallel()
	env := gathertest.WindowsEnv(t, &gathertest.Windows{Service: facts.Absent[gather.WindowsService]("no such service", "")}, map[string]string{
		".dockerenv": "", "etc/os-release": "ID=bottlerocket\n", "etc/hostname": "x\n", "proc/stat": "btime 1\n", "proc/sys/kernel/hostname": "x\n", "etc/profile.d/x.sh": "export https_proxy=http://x:1\n",
		"etc/machine-id": "x\n", "managed-agents/execute-command/x": "", "etc/resolv.conf": "nameserver 1.1.1.1\n", "sys/fs/selinux/enforce": "1", "sys/class/dmi/id/sys_vendor": "Amazon EC2\n",
	}, nil)
	w := watched{env.FS, &sync.Mutex{}, map[string]bool{}}
	env.FS = w
	env.Kernel = func() gather.Kernel { return gather.Kernel{Hostname: "WIN-1"} }
	f := gathertest.Gather(t, env, fileSources...)
	for name := range w.names {
		top, _, _ := strings.Cut(name, "/")
		if !slices.Contains([]string{".", "ProgramData", "Program Files", "Windows"}, top) {
			t.Errorf("%s is asked for", name)
		}
	}
	if h := f.Host; !h.Container.Absent() || h.Hostname.Value != "WIN-1" || h.BootTime.Known() || h.DMI.Vendor.Known() || f.Agent.ShellProxy.Known() || f.ECS.ManagedAgent.Value {
		t.Errorf("%+v", h)
	}
}

// TestWindowsElsewhere: state of an agent on another drive than the system's.
func TestWindowsElsewhere(t *testing.T) {
	t.Parallel()
	const data = "D:/ProgramData/Amazon/SSM/InstanceData/Vault/"
	env := gathertest.WindowsEnv(t, &gathertest.Windows{ReadOnly: "D:"}, map[string]string{
		data + "Manifest":              `{"RegistrationKey":"D:\\ProgramData\\Amazon\\SSM\\InstanceData\\Vault\\Store\\RegistrationKey"}`,
		data + "Store/RegistrationKey": `{"instanceID":"mi-0123456789abcdef0","region":"eu-west-1","privateKey":"QUJD"}`,
	}, map[string]string{"ProgramData": `D:\ProgramData`, "SystemDrive": "C:"})
	f := gathertest.Gather(t, env, fileSources...)
	if f.Registration.Hybrid.Value.InstanceID != "mi-0123456789abcdef0" || f.Agent.Folders.Data != "/D:/ProgramData/Amazon/SSM/InstanceData" {
		t.Errorf("%+v %+v", f.Registration.Hybrid, f.Agent.Folders)
	}
	for _, x := range f.Host.FileSystems.Value {
		if on := strings.HasPrefix(x.Dir, "/D:/"); x.ReadOnly.Value != on || (x.Mount == `D:\`) != on {
			t.Errorf("%+v", x)
		}
	}
}
