package gather

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/checks/facts"
)

const launchdPlist = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>Label</key><string>com.amazon.aws.ssm</string>
<key>Program</key><string>/opt/aws/ssm/bin/amazon-ssm-agent</string>
<key>ProgramArguments</key><array><string>/opt/aws/ssm/bin/amazon-ssm-agent</string><dict><key>x</key><string>no</string></dict></array>
<key>EnvironmentVariables</key><dict><key>https_proxy</key><string>http://plist:1</string><key>AWS_CA_BUNDLE</key><string>/x</string></dict>
<key>KeepAlive</key><true/><key>RunAtLoad</key><true/>
</dict></plist>`

const launchctlPrint = `system/com.amazon.aws.ssm = {
	active count = 1
	path = /Library/LaunchDaemons/com.amazon.aws.ssm.plist
	state = running

	program = /opt/aws/ssm/bin/amazon-ssm-agent
	arguments = {
		state = broken
	}
	runs = 4
	pid = 77
	last exit code = 1
}
`

const scutilProxy = `<dictionary> {
  ExceptionsList : <array> {
    0 : *.local
    1 : 169.254/16
  }
  FTPPassive : 1
  HTTPEnable : 0
  HTTPProxy : off.corp
  HTTPSEnable : 1
  HTTPSPort : 3128
  HTTPSProxy : proxy.corp
}
`

const psTable = `    1     0     0 Sun Nov 22 08:00:01 2026 /sbin/launchd
   77     1     0 Sun Nov 22 09:10:22 2026 /opt/aws/ssm/bin/amazon-ssm-agent
   78    77     0 Sun Nov  1 09:10:24 2026 /opt/aws/ssm/bin/ssm-agent-worker
   80     1   501 Sun Nov 22 09:10:24 2026 /Applications/My App.app/x y
`

// macEnv answers programs by their command line.
func macEnv(t *testing.T, files, programs map[string]string) *Env {
	t.Helper()
	env := testEnv(t, tree(t, files))
	env.GOOS = "darwin"
	env.Exec = func(_ context.Context, name string, args ...string) ([]byte, error) {
		line := strings.Join(append([]string{name}, args...), " ")
		if !prints(name, args) {
			t.Errorf("ran %q", line)
		}
		out, ok := programs[line]
		if msg, failed := strings.CutPrefix(out, "! "); failed {
			return nil, errors.New(msg)
		}
		if !ok {
			return nil, ErrNoProgram
		}
		return []byte(out), nil
	}
	return env
}

func macPrograms() map[string]string {
	return map[string]string{
		"launchctl print system/com.amazon.aws.ssm": launchctlPrint, "launchctl print-disabled system": "disabled services = {\n\t\t\"com.apple.ftpd\" => disabled\n\t\t\"com.amazon.aws.ssm\" => enabled\n}\n",
		"scutil --proxy": scutilProxy, "ps -axo pid=,ppid=,uid=,lstart=,comm=": psTable, "pkgutil --pkg-info com.amazon.aws.ssm": "package-id: com.amazon.aws.ssm\nversion: 3.3.1142.0\nvolume: /\n",
		"route -n get 169.254.169.254": "   route to: 169.254.169.254\ndestination: 169.254.169.254\n    gateway: 10.0.0.1\n  interface: en0\n      flags: <UP,GATEWAY,HOST,DONE,STATIC>\n",
		"route -n get default":         "   route to: default\ndestination: default\n       mask: default\n    gateway: 10.0.0.1\n  interface: en0\n", "route -n get -inet6 default": "! run route: exit status 1: route: writing to routing socket: not in table",
	}
}

func TestMacHost(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		macPlist: launchdPlist, "System/Library/CoreServices/SystemVersion.plist": `<plist><dict><key>ProductName</key><string>macOS</string><key>ProductVersion</key><string>14.6.1</string></dict></plist>`,
		"opt/aws/ssm/bin/amazon-ssm-agent": "x", "opt/aws/ssm/amazon-ssm-agent.json": `{"Agent":{"Region":"eu-west-1"}}`, "opt/aws/ssm/data/credentials": "[default]\naws_access_key_id=ASIAIOSFODNN7EXAMPLE\naws_secret_access_key=hunter2hunter2\n",
		"opt/aws/ssm/data/Vault/Store/EC2RegistrationKey": `{"instanceID":"i-0123456789abcdef0","region":"eu-west-1","privateKey":"QUJD"}`, "opt/aws/ssm/runtimeconfig/identity_config.json": `{"IdentityType":"EC2","CredentialSource":"SSM"}`,
		"var/log/amazon/ssm/amazon-ssm-agent.log": "2026-11-22 09:10:22 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.1142.0\n", "etc/resolv.conf": "nameserver 10.0.0.2\n",
	}
	env := macEnv(t, files, macPrograms())
	env.Kernel = func() Kernel { return Kernel{Release: "23.6.0", Hostname: "mac-1", Boot: testNow.Add(-time.Hour)} }
	f := gatherEnv(t, env, FileSources()...)
	h, a := f.Host, f.Agent
	for _, s := range wrong(
		is(h.Distro, facts.Distro{ID: "macos", Version: "14.6.1", Name: "macOS 14.6.1"}), is(h.Hostname, "mac-1"), is(h.BootTime, testNow.Add(-time.Hour)), is(h.DefaultIPv4, true), is(h.DefaultIPv6, false),
		is(h.IMDSRoute, facts.Route{Destination: "169.254.169.254/32", Gateway: "10.0.0.1", Interface: "en0", Kind: "unicast"}), is(a.Installed, "3.3.1142.0"), is(a.Manager, "launchd"),
		holds("processes", len(a.Processes.Value.Core) == 1 && a.Processes.Value.Core[0].PID == 77 && a.Processes.Value.Worker[0].Started.Day() == 1 && a.Processes.Value.Worker[0].Parent == 77),
		holds("proxy", a.ServiceProxy.Value == facts.Proxy{HTTPS: "http://proxy.corp:3128", No: ".local,169.254/16", From: "scutil --proxy"}), holds("environment", cmp.Equal(a.ServiceEnv.Value, []string{"AWS_CA_BUNDLE"})),
		holds("DHMC file", f.Credentials.DHMCFile.Known()), holds("EC2 key", f.Registration.EC2.Value.InstanceID == "i-0123456789abcdef0"), holds("runtime", f.Credentials.Runtime.Value.Source == "SSM"),
		holds("log", f.Log.LastStart.Known()), holds("resolver", len(h.Resolver.Value.Servers) == 1), holds("configuration", a.Config.Value.Region == "eu-west-1"),
	) {
		t.Error(s)
	}
	want := []facts.Unit{{Name: macLabel, Load: "loaded", Active: "active", Sub: "running", Enabled: "enabled", Result: "exit-code", ExitStatus: 1, Restarts: 3, MainPID: 77, Exec: "/opt/aws/ssm/bin/amazon-ssm-agent", File: "/" + macPlist}}
	if d := cmp.Diff(want, a.Units); d != "" {
		t.Error(d)
	}
	sound(t, f)
	noSecret(t, f, "hunter2", "ASIAIOSFODNN7EXAMPLE")
}

func TestLaunchdStates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		print  string
		list   string
		plist  string
		want   facts.Unit
		failed bool
	}{
		{"not installed", "! run launchctl: exit status 113: Could not find service", "x", "", facts.Unit{Name: macLabel, Load: "not-found", Active: "inactive", Sub: "not loaded"}, false},
		{"not loaded", "! run launchctl: exit status 113", "\"com.amazon.aws.ssm\" => disabled\n", launchdPlist, facts.Unit{Name: macLabel, Load: "loaded", Active: "inactive", Sub: "not loaded", Enabled: "disabled", Exec: "/opt/aws/ssm/bin/amazon-ssm-agent", File: "/" + macPlist}, false},
		{"older form of disabled", "! run launchctl: exit status 113", "\t\"com.amazon.aws.ssm\" => true\n", launchdPlist, facts.Unit{Name: macLabel, Load: "loaded", Active: "inactive", Sub: "not loaded", Enabled: "disabled", Exec: "/opt/aws/ssm/bin/amazon-ssm-agent", File: "/" + macPlist}, false},
		{"waits to start again", "x = {\n\tstate = spawn scheduled\n\tlast exit code = 78: EX_CONFIG\n}\n", "", launchdPlist, facts.Unit{Name: macLabel, Load: "loaded", Active: "activating", Sub: "spawn scheduled", Enabled: "enabled", Result: "exit-code", ExitStatus: 78, Exec: "/opt/aws/ssm/bin/amazon-ssm-agent", File: "/" + macPlist}, false},
		{"never exited", "x = {\n\tstate = not running\n\tlast exit code = (never exited)\n}\n", "", launchdPlist, facts.Unit{Name: macLabel, Load: "loaded", Active: "inactive", Sub: "not running", Enabled: "enabled", Exec: "/opt/aws/ssm/bin/amazon-ssm-agent", File: "/" + macPlist}, false},
		{"cannot be asked", "! run launchctl: context deadline exceeded", "", launchdPlist, facts.Unit{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{}
			if c.plist != "" {
				files[macPlist] = c.plist
			}
			var a facts.Agent
			gatherLaunchd(t.Context(), macEnv(t, files, map[string]string{"launchctl print system/" + macLabel: c.print, "launchctl print-disabled system": c.list}), &a)
			if c.failed {
				if !a.Manager.Unknown() || len(a.Units) > 0 {
					t.Errorf("%+v", a)
				}
				return
			}
			if d := cmp.Diff([]facts.Unit{c.want}, a.Units); d != "" {
				t.Error(d)
			}
		})
	}
}

func FuzzMacPrograms(f *testing.F) {
	add(f, launchdPlist, launchctlPrint, scutilProxy, psTable, "version: 3.3.1142.0\n", "destination: fe80::%lo0\ngateway: fe80::1%en0\nmask: 255.0.0.0\nflags: <REJECT>\n", "<plist><dict><key>a</key><dict><key>b</key><true/>", "<dict></dict></dict><string>x</string>", "\"com.amazon.aws.ssm\" => true")
	f.Fuzz(func(t *testing.T, b []byte) {
		if p := parsePlist(b); len(p) > 1000 {
			t.Errorf("%d texts", len(p))
		}
		sound(t, parsePS(b))
		sound(t, parseScutil(b).fact("scutil"))
		var u facts.Unit
		parseLaunchd(b, &u)
		sound(t, u)
		if r, ok := parseRouteGet(b); ok {
			sound(t, r)
		}
		launchdDisabled(b, macLabel)
		if v := parseReceipt(b); v != "" && !versionRE.MatchString(v) {
			t.Errorf("version %q", v)
		}
		sound(t, macDistro(memEnv(map[string][]byte{"System/Library/CoreServices/SystemVersion.plist": b}).FS))
	})
}
