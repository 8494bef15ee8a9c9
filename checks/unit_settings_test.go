package checks

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

func TestKeepsFromExec(t *testing.T) {
	t.Parallel()
	n := node.Of(factstest.Healthy(t, "profile"))
	for _, tt := range []struct {
		key, value string
		want       bool
	}{
		{"NoExecPaths", "/", true},
		{"NoExecPaths", "", false},
		{"RootDirectory", "/srv/jail", true},
		{"RootDirectory", "/", false},
		{"InaccessiblePaths", "/home -/usr/bin/ssm-agent-worker", true},
		{"InaccessiblePaths", "/usr/bin/", true},
		{"InaccessiblePaths", "/usr/bin/python3 /var/lib", false},
		{"ProtectSystem", "strict", false},
	} {
		if got := keepsFromExec(n, facts.Override{Key: tt.key, Value: tt.value}); got != tt.want {
			t.Errorf("%s=%s: %v", tt.key, tt.value, got)
		}
	}
}

func TestOnlyCondition(t *testing.T) {
	t.Parallel()
	a, b := facts.Override{Key: "ConditionPathExists", Value: "/a"}, facts.Override{Key: "ConditionHost", Value: "b"}
	for name, tt := range map[string]struct {
		list []facts.Override
		want string
	}{
		"one":     {[]facts.Override{{Key: "User", Value: "root"}, a}, "/a"},
		"several": {[]facts.Override{a, b}, ""},
		"reset":   {[]facts.Override{{Key: "ConditionHost"}, b}, "b"},
		"none":    {nil, ""},
	} {
		if got, ok := onlySetting(&facts.Unit{Overrides: tt.list}, isCondition); got.Value != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %+v %v", name, got, ok)
		}
	}
}

// TestLacksDescriptors: the kernel says "too many open files" of both limits.
func TestLacksDescriptors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		used int
		want bool
	}{
		{"Error initializing the watcher: too many open files", 7, true},
		{"Error initializing the watcher: too many open files", 120, false},
		{"add watch: no space left on device", 7, false},
	} {
		f := factstest.Healthy(t, "profile")
		neverAccepted(f)
		log(f, facts.SigFiles, 0, "open identity_config.json: too many open files")
		n := node.Of(f)
		if got := lacksDescriptors(n, node.Entry{Match: facts.Match{Text: tt.text}}, facts.Inotify{UsedInstances: tt.used, MaxInstances: 128}); got != tt.want {
			t.Errorf("%s, %d: %v", tt.text, tt.used, got)
		}
	}
}

func TestBlameSetting(t *testing.T) {
	t.Parallel()
	set := func(key, value string) facts.Override {
		return facts.Override{Key: key, Value: value, File: "/etc/systemd/system/amazon-ssm-agent.service.d/site.conf", Single: true}
	}
	before := facts.Unit{Result: "exit-code"}                              // ended before its program ran
	ran := facts.Unit{Result: "exit-code", Ended: "exited", ExitStatus: 2} // its program ended
	itself := facts.Unit{Result: "success", Ended: "exited"}               // the agent gave up its start
	late := facts.Unit{Result: "timeout", Ended: "killed", ExitStatus: 15} // it was ended
	nobody := facts.Unit{Result: "exit-code", Ended: "exited", ExitStatus: 217}
	resources := facts.Unit{Result: "resources"}
	for name, tt := range map[string]struct {
		unit facts.Unit
		list []facts.Override
		want string // the key that is blamed
	}{
		"a command before":           {before, []facts.Override{set("ExecStartPre", "/bin/false"), set("LimitFSIZE", "0")}, "ExecStartPre"},
		"a file that is not there":   {resources, []facts.Override{set("EnvironmentFile", "/etc/site.env")}, "EnvironmentFile"},
		"a file that may be missing": {resources, []facts.Override{set("EnvironmentFile", "-/etc/site.env")}, ""},
		"no size of files":           {itself, []facts.Override{set("LimitFSIZE", "0"), set("Restart", "always")}, "LimitFSIZE"},
		"a size that is enough":      {itself, []facts.Override{set("LimitFSIZE", "1G")}, ""},
		"no limit":                   {ran, []facts.Override{set("LimitAS", "infinity")}, ""},
		"memory":                     {ran, []facts.Override{set("LimitAS", "64M")}, "LimitAS"},
		"time":                       {late, []facts.Override{set("RuntimeMaxSec", "3s")}, "RuntimeMaxSec"},
		"a protocol":                 {late, []facts.Override{set("Type", "notify"), set("TimeoutStartSec", "5")}, "Type"},
		"time that is not over":      {ran, []facts.Override{set("RuntimeMaxSec", "86400")}, ""},
		"time of the processor":      {facts.Unit{Result: "signal", Ended: "killed", ExitStatus: 24}, []facts.Override{set("LimitCPU", "5")}, "LimitCPU"},
		"processor, and another end": {ran, []facts.Override{set("LimitCPU", "5")}, ""},
		"calls":                      {itself, []facts.Override{set("SystemCallFilter", "~@network-io")}, "SystemCallFilter"},
		"folders":                    {itself, []facts.Override{set("ProtectSystem", "strict")}, "ProtectSystem"},
		"folders excepted":           {itself, []facts.Override{set("ProtectSystem", "strict"), set("ReadWritePaths", "/var/lib/amazon/ssm /var/log/amazon/ssm")}, ""},
		"other folders":              {itself, []facts.Override{set("ReadOnlyPaths", "/home")}, ""},
		"the network":                {itself, []facts.Override{set("PrivateNetwork", "yes")}, "PrivateNetwork"},
		"addresses excepted":         {itself, []facts.Override{set("IPAddressDeny", "any"), set("IPAddressAllow", "169.254.169.254")}, ""},
		"two that can be it":         {itself, []facts.Override{set("PrivateNetwork", "yes"), set("LimitFSIZE", "0")}, ""},
		"the end says what it was":   {nobody, []facts.Override{set("SystemCallFilter", "@system-service")}, ""},
		"nothing set":                {ran, nil, ""},
	} {
		for _, core := range []bool{false, true} {
			f := factstest.Healthy(t, "profile")
			u := tt.unit
			u.Name, u.Active, u.Sub, u.Enabled, u.Load, u.Overrides = f.Agent.Units.Value[0].Name, "activating", "auto-restart", "enabled", "loaded", tt.list
			f.Agent.Units = facts.Known([]facts.Unit{u}, "systemctl show")
			if !core {
				f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
			}
			got, ok := blameSetting(node.Of(f))
			switch {
			case ok != (tt.want != "" && !core):
				t.Errorf("%s: %v %s", name, ok, got.Summary)
			case ok && (!strings.Contains(got.Summary.String(), tt.want+"=") || len(got.Fix) == 0):
				t.Errorf("%s: %s", name, got.Summary)
			}
		}
	}
}

// TestBlameSettingHears: what the agent itself says of its end counts for more.
func TestBlameSettingHears(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"app config could not be loaded - invalid character '}'":                    false,
		"failed to start message bus, address in use":                               false,
		"failed to create IPC folder, mkdir /var/lib/amazon: read-only file system": true,
		"failed to get identity: failed to find agent identity":                     true,
	} {
		f := factstest.Healthy(t, "profile")
		f.Agent.Units = facts.Known([]facts.Unit{{Name: f.Agent.Units.Value[0].Name, Active: "activating", Sub: "auto-restart", Enabled: "enabled", Load: "loaded", Result: "exit-code", Ended: "exited", ExitStatus: 1,
			Overrides: []facts.Override{{Key: "SystemCallFilter", Value: "~@network-io", File: "/etc/systemd/system/a.service.d/site.conf", Single: true}}}}, "systemctl show")
		f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
		log(f, facts.SigStartFailed, time.Minute, "Error occurred when starting amazon-ssm-agent: "+text)
		if got, ok := blameSetting(node.Of(f)); ok != want {
			t.Errorf("%s: %v %s", text, ok, got.Summary)
		}
	}
}

func TestOnlyNeeds(t *testing.T) {
	t.Parallel()
	a, b := facts.Override{Key: "Requires", Value: "site.service"}, facts.Override{Key: "RequiresMountsFor", Value: "/data"}
	if got, ok := onlySetting(&facts.Unit{Overrides: []facts.Override{{Key: "User", Value: "root"}, a}}, isNeed); !ok || got != a {
		t.Errorf("%+v", got)
	}
	if got, ok := onlySetting(&facts.Unit{Overrides: []facts.Override{a, b}}, isNeed); ok {
		t.Errorf("%+v", got)
	}
}
