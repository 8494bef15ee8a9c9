package gather_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/agentsvc"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

const macPlist = "Library/LaunchDaemons/com.amazon.aws.ssm.plist"

func TestMacHost(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		macPlist: gathertest.LaunchdPlist, "System/Library/CoreServices/SystemVersion.plist": `<plist><dict><key>ProductName</key><string>macOS</string><key>ProductVersion</key><string>14.6.1</string></dict></plist>`,
		"opt/aws/ssm/bin/amazon-ssm-agent": "x", "opt/aws/ssm/amazon-ssm-agent.json": `{"Agent":{"Region":"eu-west-1"}}`, "opt/aws/ssm/data/credentials": "[default]\naws_access_key_id=ASIAIOSFODNN7EXAMPLE\naws_secret_access_key=hunter2hunter2\n",
		"opt/aws/ssm/data/Vault/Store/EC2RegistrationKey": `{"instanceID":"i-0123456789abcdef0","region":"eu-west-1","privateKey":"QUJD"}`, "opt/aws/ssm/runtimeconfig/identity_config.json": `{"IdentityType":"EC2","CredentialSource":"SSM"}`,
		"var/log/amazon/ssm/amazon-ssm-agent.log": "2026-11-22 09:10:22 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.1142.0\n", "etc/resolv.conf": "nameserver 10.0.0.2\n",
	}
	env := gathertest.MacEnv(t, files, gathertest.MacPrograms())
	env.Kernel = func() gather.Kernel {
		return gather.Kernel{Hostname: "mac-1", Boot: gathertest.Now.Add(-time.Hour)}
	}
	f := gathertest.Gather(t, env, fileSources...)
	h, a := f.Host, f.Agent
	for _, s := range gathertest.Wrong(
		gathertest.Is(h.Distro, facts.Distro{ID: "macos", Name: "macOS 14.6.1"}), gathertest.Is(h.Hostname, "mac-1"), gathertest.Is(h.BootTime, gathertest.Now.Add(-time.Hour)), gathertest.Is(h.DefaultIPv4, true), gathertest.Is(h.DefaultIPv6, false),
		gathertest.Is(h.IMDSRoute, facts.Route{Destination: "169.254.169.254/32", Gateway: "10.0.0.1", Interface: "en0", Kind: "unicast"}), gathertest.Is(a.Installed, "3.3.1142.0"), gathertest.Is(a.Manager, "launchd"),
		gathertest.Holds("processes", len(a.Processes.Value.Core) == 1 && a.Processes.Value.Core[0].PID == 77 && a.Processes.Value.Worker[0].Started.Day() == 1),
		gathertest.Holds("proxy", a.ServiceProxy.Value == facts.Proxy{HTTPS: "http://proxy.corp:3128", No: ".local,169.254/16", From: "scutil --proxy"}),
		gathertest.Holds("DHMC file", f.Credentials.DHMCFile.Known()), gathertest.Holds("EC2 key", f.Registration.EC2.Value.InstanceID == "i-0123456789abcdef0"), gathertest.Holds("runtime", f.Credentials.Runtime.Value.Source == "SSM"),
		gathertest.Holds("log", latest(f, facts.KindStart).ID != ""), gathertest.Holds("resolver", len(h.Resolver.Value.Servers) == 1), gathertest.Holds("configuration", a.Config.Value.Region == "eu-west-1"),
	) {
		t.Error(s)
	}
	want := []facts.Unit{{Name: agentsvc.MacLabel, Load: "loaded", Active: "active", Sub: "running", Enabled: "enabled", Result: "exit-code", ExitStatus: 1, Ended: "exited", Restarts: 3, MainPID: 77, Exec: "/opt/aws/ssm/bin/amazon-ssm-agent", File: "/" + macPlist,
		Program: facts.Known(facts.Program{Size: 1, Format: "other"}, "file:/opt/aws/ssm/bin/amazon-ssm-agent")}}
	if d := cmp.Diff(want, a.Units.Value); d != "" {
		t.Error(d)
	}
	gathertest.Sound(t, f)
	gathertest.NoSecret(t, f, "hunter2", "ASIAIOSFODNN7EXAMPLE")
}

// TestMacAsksForItsOwn: what only Linux has is not looked for on a Mac, in files or by its
// programs.
func TestMacAsksForItsOwn(t *testing.T) {
	t.Parallel()
	env := gathertest.MacEnv(t, map[string]string{
		macPlist: gathertest.LaunchdPlist, ".dockerenv": "", "etc/profile.d/x.sh": "export https_proxy=http://x:1\n", "etc/zshenv": "export https_proxy=http://z:1\n", "proc/stat": "btime 1\n", "proc/1/environ": "container=x\x00",
	}, gathertest.MacPrograms())
	env.Kernel = func() gather.Kernel {
		return gather.Kernel{Hostname: "mac-1", Boot: gathertest.Now.Add(-time.Hour)}
	}
	w := watched{env.FS, &sync.Mutex{}, map[string]bool{}}
	env.FS = w
	f := gathertest.Gather(t, env, fileSources...)
	for name := range w.names {
		for _, of := range []string{"proc", "sys", ".dockerenv", "run", "etc/profile.d", "etc/environment", "etc/systemd", "etc/os-release", "etc/init", "var/lib/dpkg", "snap", "var/lib/snapd"} {
			if name == of || strings.HasPrefix(name, of+"/") {
				t.Errorf("%s is asked for", name)
			}
		}
	}
	if h := f.Host; !h.Container.Absent() || h.Hostname.Value != "mac-1" || !h.BootTime.Value.Equal(gathertest.Now.Add(-time.Hour)) || f.Agent.ShellProxy.Value.HTTPS != "http://z:1" || h.Inotify.Known() {
		t.Errorf("%+v %+v", h, f.Agent.ShellProxy)
	}
}
