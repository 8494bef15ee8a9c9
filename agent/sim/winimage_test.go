package sim_test

import (
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
)

// winImage is a volume of Windows: the keys of its hives, and its files.
type winImage struct {
	system, software, users map[string]map[string]any // users: the hive DEFAULT
	files                   map[string]string
}

const (
	winService  = `ControlSet001\Services\AmazonSSMAgent`
	winProgram  = "Program Files/Amazon/SSM/"
	winState    = "ProgramData/Amazon/SSM/"
	setupState  = `Microsoft\Windows\CurrentVersion\Setup\State`
	pe64        = "MZ\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00PE\x00\x00\x64\x86"
	persistence = `ControlSet001\Services\Tcpip\Parameters\PersistentRoutes`
)

// healthyWinImage is ready to be started from.
func healthyWinImage() *winImage {
	return &winImage{
		system: map[string]map[string]any{
			"Select":   {"Current": 1, "Default": 1},
			winService: {"Start": 2, "ImagePath": `"C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe"`, "ObjectName": "LocalSystem", "DisplayName": "Amazon SSM Agent", "Version": "3.3.3050.0", "DelayedAutostart": 1},
			`ControlSet001\Control\Session Manager\Environment`: {"PROCESSOR_ARCHITECTURE": "AMD64", "Path": `C:\Windows`},
			persistence:                      {},
			`ControlSet001\Services\W32Time`: {"Start": 3},
		},
		software: map[string]map[string]any{
			setupState:                               {"ImageState": "IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE"},
			`Microsoft\Windows NT\CurrentVersion`:    {"ProductName": "Windows Server 2022 Datacenter", "CurrentBuild": "20348"},
			`Microsoft\Windows\CurrentVersion\Setup`: {},
		},
		users: map[string]map[string]any{"Environment": {"TEMP": `C:\Windows\Temp`}},
		files: map[string]string{
			winProgram + "amazon-ssm-agent.exe": pe64, winProgram + "ssm-agent-worker.exe": pe64, winProgram + "ssm-document-worker.exe": pe64, winProgram + "ssm-session-worker.exe": pe64,
			"Windows/System32/drivers/etc/hosts": "# nothing\r\n", "Users/Public/desktop.ini": "", "ProgramData/Amazon/SSM/Logs/old.txt": "",
		},
	}
}

func (w *winImage) lay(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := maps.Clone(w.files)
	if w.system != nil {
		files["Windows/System32/config/SYSTEM"] = string(gathertest.Hive(w.system))
	}
	if w.software != nil {
		files["Windows/System32/config/SOFTWARE"] = string(gathertest.Hive(w.software))
	}
	if w.users != nil {
		files["Windows/System32/config/DEFAULT"] = string(gathertest.Hive(w.users))
	}
	for name, content := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// gate judges an image.
func gate(t *testing.T, dir string) *report.Report {
	t.Helper()
	env, err := gather.Host(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := engine.Run(t.Context(), env, engine.Options{Profile: checks.ProfileImage, Waves: engine.Waves{SkipNetwork: true}})
	return r
}

// serviceHas gives the agent's service variables.
func serviceHas(list ...string) func(*winImage) {
	return func(w *winImage) { w.system[winService]["Environment"] = list }
}

// machineHas gives every service a variable.
func machineHas(name, value string) func(*winImage) {
	return func(w *winImage) { w.system[`ControlSet001\Control\Session Manager\Environment`][name] = value }
}

// winHTTPHas is what netsh winhttp set proxy leaves.
func winHTTPHas(server, bypass string) func(*winImage) {
	return func(w *winImage) {
		b := binary.LittleEndian.AppendUint32(nil, 0x18)
		for _, n := range []uint32{0, 3} {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		for _, s := range []string{server, bypass} {
			b = append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
		}
		w.software[`Microsoft\Windows\CurrentVersion\Internet Settings\Connections`] = map[string]any{"WinHttpSettings": b}
	}
}

// withEC2Launch puts EC2Launch v2 onto a volume, with the start type of its service and one
// of its tasks.
func withEC2Launch(w *winImage, start int, task string) {
	w.system[`ControlSet001\Services\Amazon EC2Launch`] = map[string]any{"Start": start, "ImagePath": `"C:\Program Files\Amazon\EC2Launch\service\EC2LaunchService.exe"`, "ObjectName": "LocalSystem"}
	w.files["Program Files/Amazon/EC2Launch/EC2Launch.exe"] = pe64
	w.files["ProgramData/Amazon/EC2Launch/config/agent-config.yml"] = "version: \"1.0\"\nconfig:\n  - stage: postReady\n    tasks:\n      - task: " + task + "\n"
}

func TestWindowsImages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		change       func(*winImage)
		cause, state string
	}{
		{name: "ready", state: report.Managed},
		{name: "not sealed, but whole", change: func(w *winImage) { w.software[setupState]["ImageState"] = "IMAGE_STATE_COMPLETE" }, state: report.Managed},
		{name: "other case", change: func(w *winImage) {
			w.files["WINDOWS/System32/Drivers/etc/hosts"] = w.files["Windows/System32/drivers/etc/hosts"]
		}, state: report.Managed},
		{name: "disabled", change: func(w *winImage) { w.system[winService]["Start"] = 4 }, cause: "agent-service-stopped", state: report.NotManaged},
		{name: "by hand", change: func(w *winImage) { w.system[winService]["Start"] = 3 }, cause: "agent-service-stopped", state: report.NotManaged},
		{name: "no agent", change: func(w *winImage) {
			delete(w.system, winService)
			for n := range w.files {
				if filepath.Dir(n)+"/" == winProgram {
					delete(w.files, n)
				}
			}
		}, cause: "agent-not-installed", state: report.NotManaged},
		{name: "program gone", change: func(w *winImage) {
			for n := range w.files {
				if filepath.Dir(n)+"/" == winProgram {
					delete(w.files, n)
				}
			}
		}, cause: "agent-packaging-conflict", state: report.NotManaged},
		{name: "registration left behind", change: func(w *winImage) {
			w.files[winState+"InstanceData/Vault/Manifest"] = `{"RegistrationKey":"C:\\ProgramData\\Amazon\\SSM\\InstanceData\\Vault\\Store\\RegistrationKey"}`
			w.files[winState+"InstanceData/Vault/Store/RegistrationKey"] = `{"instanceID":"mi-0123456789abcdef0","region":"eu-west-1","privateKey":"QUJD"}`
		}, cause: "registration-cloned-image", state: report.NotManaged},
		{name: "runtime configuration left behind", change: func(w *winImage) {
			w.files[winState+"runtimeconfig/identity_config.json"] = `{"SchemaVersion":"1.1","InstanceId":"i-0123456789abcdef0","IdentityType":"EC2"}`
		}, cause: "registration-cloned-image", state: report.NotManaged},
		{name: "folder of an instance", change: func(w *winImage) { w.files[winState+"InstanceData/i-0123456789abcdef0/document/x"] = "x" }, cause: "registration-cloned-image", state: report.NotManaged},
		{name: "keys of SYSTEM", change: func(w *winImage) {
			w.files["Windows/System32/config/systemprofile/.aws/credentials"] = "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n"
		}, cause: "shared-credentials-shadow", state: report.NotManaged},
		{name: "route of another subnet", change: func(w *winImage) {
			w.system[persistence]["169.254.169.254,255.255.255.255,10.4.0.1,15"] = ""
		}, cause: "imds-route-wrong", state: report.NotManaged},
		{name: "setup that failed", change: func(w *winImage) { w.software[setupState]["ImageState"] = "IMAGE_STATE_UNDEPLOYABLE" }, cause: "sysprep-incomplete", state: report.NotManaged},
		{name: "sealed for the audit mode", change: func(w *winImage) { w.software[setupState]["ImageState"] = "IMAGE_STATE_SPECIALIZE_RESEAL_TO_AUDIT" }, cause: "sysprep-incomplete", state: report.NotManaged},
		{name: "configuration that is no JSON", change: func(w *winImage) { w.files[winProgram+"amazon-ssm-agent.json"] = `{"Agent": {"Region": "eu-west-1",}}` }, cause: "agent-config-invalid", state: report.NotManaged},
		{name: "proxy of the service takes metadata", change: serviceHas("http_proxy=http://proxy:3128", "https_proxy=http://proxy:3128"), cause: "imds-via-proxy", state: report.NotManaged},
		{name: "proxy of the service with its exception", change: serviceHas("http_proxy=http://proxy:3128", "https_proxy=http://proxy:3128", "no_proxy=169.254.169.254"), state: report.Managed},
		{name: "exception by prefix", change: serviceHas("http_proxy=http://proxy:3128", "NO_PROXY=169.254.0.0/16,10.0.0.0/8"), state: report.Managed},
		{name: "proxy for https only", change: serviceHas("https_proxy=http://proxy:3128"), state: report.Managed},
		{name: "proxy of the machine", change: machineHas("HTTP_PROXY", "http://proxy:3128"), cause: "imds-via-proxy", state: report.NotManaged},
		{name: "proxy of the machine, exception of the service", change: func(w *winImage) {
			machineHas("HTTP_PROXY", "http://proxy:3128")(w)
			serviceHas("no_proxy=169.254.169.254")(w)
		}, state: report.Managed},
		{name: "proxy of the system account", change: func(w *winImage) { w.users["Environment"]["http_proxy"] = "http://proxy:3128" }, cause: "imds-via-proxy", state: report.NotManaged},
		{name: "internet options of the system account", change: func(w *winImage) {
			w.users[`Software\Microsoft\Windows\CurrentVersion\Internet Settings`] = map[string]any{"ProxyEnable": 1, "ProxyServer": "proxy:3128"}
		}, cause: "imds-via-proxy", state: report.NotManaged},
		{name: "internet options that are switched off", change: func(w *winImage) {
			w.users[`Software\Microsoft\Windows\CurrentVersion\Internet Settings`] = map[string]any{"ProxyEnable": 0, "ProxyServer": "proxy:3128"}
		}, state: report.Managed},
		{name: "WinHTTP", change: winHTTPHas("proxy:3128", ""), cause: "imds-via-proxy", state: report.NotManaged},
		{name: "WinHTTP with its exception", change: winHTTPHas("proxy:3128", "<local>;169.254.169.254"), state: report.Managed},
		{name: "metadata switched off", change: machineHas("AWS_EC2_METADATA_DISABLED", "true"), cause: "imds-disabled", state: report.NotManaged},
		{name: "proxy of a user", change: func(w *winImage) { w.files["Users/ana/NTUSER.DAT"] = "regf" }, state: report.Managed},
		{name: "no hive of accounts", change: func(w *winImage) { w.users = nil }, state: report.Unknown},
		{name: "disabled, and started by EC2Launch", change: func(w *winImage) { w.system[winService]["Start"] = 4; withEC2Launch(w, 2, "startSsm") }, state: report.Managed},
		{name: "disabled, and EC2Launch does not start it", change: func(w *winImage) { w.system[winService]["Start"] = 4; withEC2Launch(w, 2, "setWallpaper") }, cause: "agent-service-stopped", state: report.NotManaged},
		{name: "disabled, and so is EC2Launch", change: func(w *winImage) { w.system[winService]["Start"] = 4; withEC2Launch(w, 4, "startSsm") }, cause: "agent-service-stopped", state: report.NotManaged},
		{name: "disabled, and not sealed", change: func(w *winImage) {
			w.system[winService]["Start"] = 4
			withEC2Launch(w, 2, "startSsm")
			w.software[setupState]["ImageState"] = "IMAGE_STATE_COMPLETE"
		}, cause: "agent-service-stopped", state: report.NotManaged},
		{name: "route of another subnet that EC2Launch sets again", change: func(w *winImage) {
			w.system[persistence]["169.254.169.254,255.255.255.255,10.4.0.1,15"] = ""
			withEC2Launch(w, 2, "startSsm")
		}, state: report.Managed},
		{name: "route of another subnet, and EC2Launch is disabled", change: func(w *winImage) {
			w.system[persistence]["169.254.169.254,255.255.255.255,10.4.0.1,15"] = ""
			withEC2Launch(w, 4, "startSsm")
		}, cause: "imds-route-wrong", state: report.NotManaged},
		{name: "no hive of services", change: func(w *winImage) { w.system = nil }, state: report.Unknown},
		{name: "no hive of software", change: func(w *winImage) { w.software = nil }, state: report.Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := healthyWinImage()
			if c.change != nil {
				c.change(w)
			}
			r := gate(t, w.lay(t))
			id := ""
			if r.RootCause != nil {
				id = r.RootCause.ID
			}
			if r.State != c.state || id != c.cause {
				t.Errorf("%s %s, want %s %s: %s", r.State, id, c.state, c.cause, r.Summary)
				for _, x := range r.Checks {
					if x.Status != "pass" && x.Status != "skip" {
						t.Logf("%s %s: %s", x.Status, x.ID, x.Summary)
					}
				}
			}
		})
	}
}

// A hive whose changes are in the logs beside it tells of yesterday.
func TestUnwrittenHive(t *testing.T) {
	t.Parallel()
	dir := healthyWinImage().lay(t)
	name := filepath.Join(dir, "Windows/System32/config/SYSTEM")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[4]++
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := gate(t, dir); r.State != report.Unknown {
		t.Errorf("%s: %s", r.State, r.Summary)
	}
}
