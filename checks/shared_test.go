package checks

import (
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// TestSettingTakenOut: a line of a drop-in is taken out only where no other can be meant,
// and where nothing of it is left behind.
func TestSettingTakenOut(t *testing.T) {
	t.Parallel()
	const file = "/etc/systemd/system/amazon-ssm-agent.service.d/50-local.conf"
	line := func(key string) facts.Override {
		return facts.Override{Key: key, Value: "x", File: file, Single: true}
	}
	continued := line("CapabilityBoundingSet")
	continued.Single = false
	elsewhere := line("User")
	elsewhere.File = "/run/systemd/system/amazon-ssm-agent.service.d/60.conf"
	unsafe := line("User")
	unsafe.File = "/etc/systemd/system/amazon-ssm-agent.service.d/$(x).conf"
	for _, c := range []struct {
		name      string
		status    int
		overrides []facts.Override
		takes     string // empty: edited by hand
	}{
		{"a user", 217, []facts.Override{line("User"), line("MemoryMax")}, "User"},
		{"a user, beside another kind of user", 217, []facts.Override{line("DynamicUser"), line("User")}, "User"},
		{"only another kind of user", 217, []facts.Override{line("DynamicUser")}, ""},
		{"a user in two files", 217, []facts.Override{line("User"), elsewhere}, ""},
		{"one path", 226, []facts.Override{line("BindPaths")}, "BindPaths"},
		{"a path, or the directory of its own", 226, []facts.Override{line("PrivateTmp"), line("BindPaths")}, ""},
		{"a line that is continued", 218, []facts.Override{continued}, ""},
		{"a file with a name for a shell", 217, []facts.Override{unsafe}, ""},
		{"none", 217, nil, ""},
		{"a type that is named with its value", -1, []facts.Override{line("Type")}, "Type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := factstest.Healthy(t, "profile")
			u := &f.Agent.Units.Value[0]
			u.Active, u.Sub, u.Result, u.Ended, u.ExitStatus, u.Overrides = "failed", "failed", "exit-code", "exited", c.status, c.overrides
			if c.status < 0 {
				u.Result, u.Ended, u.ExitStatus = "timeout", "killed", 15
			}
			n := node.Of(f)
			commands := []string{}
			for _, s := range endSteps(n.Agent.Unit, n.Ending()) {
				commands = append(commands, s.Command)
			}
			want := node.EditUnit.Command
			if c.takes != "" {
				want = "sed -i.off -e '/^[[:space:]]*" + c.takes + "[[:space:]]*=/d' " + file + "\nsystemctl daemon-reload\nsystemctl restart {unit}"
			}
			if got := strings.Join(commands, "\n"); got != "systemctl cat {unit}\n"+want {
				t.Errorf("steps:\n%s\nwant the last: %s", got, want)
			}
		})
	}
}
