package agentsvc

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

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
		{"not installed", "! run launchctl: exit status 113: Could not find service", "x", "", facts.Unit{Name: MacLabel, Load: "not-found", Active: "inactive", Sub: "not loaded"}, false},
		{"not loaded", "! run launchctl: exit status 113", "\"com.amazon.aws.ssm\" => disabled\n", gathertest.LaunchdPlist, facts.Unit{Name: MacLabel, Load: "loaded", Active: "inactive", Sub: "not loaded", Enabled: "disabled", Exec: "/opt/aws/ssm/bin/amazon-ssm-agent", File: "/" + macPlist}, false},
		{"older form of disabled", "! run launchctl: exit status 113", "\t\"com.amazon.aws.ssm\" => true\n", gathertest.LaunchdPlist, facts.Unit{Name: MacLabel, Load: "loaded", Active: "inactive", Sub: "not loaded", Enabled: "disabled", Exec: "/opt/aws/ssm/bin/amazon-ssm-agent", File: "/" + macPlist}, false},
		{"waits to start again", "x = {\n\tstate = spawn scheduled\n\tlast exit code = 78: EX_CONFIG\n}\n", "", gathertest.LaunchdPlist, facts.Unit{Name: MacLabel, Load: "loaded", Active: "activating", Sub: "spawn scheduled", Enabled: "enabled", Result: "exit-code", ExitStatus: 78, Ended: "exited", Exec: "/opt/aws/ssm/bin/amazon-ssm-agent", File: "/" + macPlist}, false},
		{"killed", "x = {\n\tstate = not running\n\tlast terminating signal = Killed: 9\n\tlast exit code = (never exited)\n}\n", "", gathertest.LaunchdPlist, facts.Unit{Name: MacLabel, Load: "loaded", Active: "inactive", Sub: "not running", Enabled: "enabled", Result: "signal", ExitStatus: 9, Ended: "killed", Exec: "/opt/aws/ssm/bin/amazon-ssm-agent", File: "/" + macPlist}, false},
		{"could not be started", "x = {\n\tstate = spawn scheduled\n\tlast spawn error = 111: Invalid or missing Program/ProgramArguments\n}\n", "", gathertest.LaunchdPlist, facts.Unit{Name: MacLabel, Load: "loaded", Active: "activating", Sub: "spawn scheduled", Enabled: "enabled", Result: "exit-code", ExitStatus: 111, Ended: "exited", Exec: "/opt/aws/ssm/bin/amazon-ssm-agent", File: "/" + macPlist}, false},
		{"never exited", "x = {\n\tstate = not running\n\tlast exit code = (never exited)\n}\n", "", gathertest.LaunchdPlist, facts.Unit{Name: MacLabel, Load: "loaded", Active: "inactive", Sub: "not running", Enabled: "enabled", Exec: "/opt/aws/ssm/bin/amazon-ssm-agent", File: "/" + macPlist}, false},
		{"cannot be asked", "! run launchctl: context deadline exceeded", "", gathertest.LaunchdPlist, facts.Unit{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{}
			if c.plist != "" {
				files[macPlist] = c.plist
			}
			manager, units := launchdUnits(t.Context(), gathertest.MacEnv(t, files, map[string]string{"launchctl print system/" + MacLabel: c.print, "launchctl print-disabled system": c.list}))
			if c.failed {
				if !manager.Unknown() || !units.Unknown() {
					t.Errorf("%+v %+v", manager, units)
				}
				return
			}
			if c.want.Exec != "" {
				c.want.Program = facts.Absent[facts.Program]("no such file", "file:/opt/aws/ssm/bin/amazon-ssm-agent")
			}
			if d := cmp.Diff([]facts.Unit{c.want}, units.Value); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestMacProgram(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{"\xcf\xfa\xed\xfe\x0c\x00\x00\x01": "macho", "\xca\xfe\xba\xbe\x00\x00\x00\x02": "macho", "": "empty", "x": "other"} {
		_, units := launchdUnits(t.Context(), gathertest.MacEnv(t, map[string]string{macPlist: gathertest.LaunchdPlist, "opt/aws/ssm/bin/amazon-ssm-agent": content}, gathertest.MacPrograms()))
		if got := units.Value[0].Program; !got.Known() || got.Value.Format != want {
			t.Errorf("%q: %+v, want %s", content, got, want)
		}
	}
}
