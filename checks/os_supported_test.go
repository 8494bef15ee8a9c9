package checks

import (
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// withoutAgent takes the agent off a host with a distribution.
func withoutAgent(d facts.Distro) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		f.Host.Distro = facts.Known(d, "file:/etc/os-release")
		f.Agent.Installations, f.Agent.Units = facts.Known([]facts.Installation{}, "package databases"), facts.Known([]facts.Unit{}, "systemctl show")
		f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
	}
}

func TestOSSupported(t *testing.T) {
	t.Parallel()
	alpine := facts.Distro{ID: "alpine", Name: "Alpine Linux v3.20"}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Pass, "an agent is installed")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "")},
		{name: "windows", kind: "windows", want: is(Pass, "")},
		{name: "task", kind: "task", want: is(Skip, "in an ECS task")},
		{name: "Amazon Linux", fault: withoutAgent(facts.Distro{ID: "amzn", Name: "Amazon Linux 2023"}), want: is(Pass, "Amazon Linux 2023")},
		{name: "Alpine", fault: withoutAgent(alpine), want: want{status: Fail, effect: Blocks, cause: "os-unsupported", confidence: Proven,
			says: "AWS has no SSM Agent for Alpine Linux v3.20 and does not support it: its C library is musl", saw: "operating system: Alpine Linux v3.20 (file:/etc/os-release)"}},
		{name: "Alpine, with an agent", fault: func(f *facts.Facts) { f.Host.Distro = facts.Known(alpine, "") }, want: is(Pass, "an agent is installed")},
		{name: "another processor", fault: func(f *facts.Facts) {
			withoutAgent(facts.Distro{ID: "debian", Name: "Debian GNU/Linux 13"})(f)
			f.Host.Arch = "riscv64"
		}, want: want{status: Fail, effect: Blocks, cause: "os-unsupported", says: "riscv64"}},
		{name: "nothing known of it", fault: func(f *facts.Facts) {
			withoutAgent(alpine)(f)
			f.Host.Distro = facts.Unknown[facts.Distro]("permission denied", "")
		}, want: is(Unknown, "operating system: permission denied")},
		{name: "processes unread", fault: func(f *facts.Facts) {
			withoutAgent(alpine)(f)
			f.Agent.Processes = facts.Unknown[facts.Processes]("permission denied", "")
			f.Agent.Units = facts.Unknown[[]facts.Unit]("no answer in time", "")
		}, want: is(Unknown, "processes: permission denied")},
	}
	judge(t, OSSupported, table)
	judgeUnread(t, OSSupported, table)
}

// TestOSSupportedOffers: what the makers of a system offer is among the steps.
func TestOSSupportedOffers(t *testing.T) {
	t.Parallel()
	for id, command := range map[string]string{"alpine": "apk search", "nixos": "nixos-rebuild", "flatcar": "systemd-sysext", "arch": "make build-linux"} {
		f := factstest.Healthy(t, "profile")
		withoutAgent(facts.Distro{ID: id})(f)
		n := node.Of(f)
		fix := OSSupported.Judge(n).Fix
		if id == "arch" { // nothing but what the catalogue has
			if len(fix) != 0 {
				t.Errorf("%s: %+v", id, fix)
			}
			continue
		}
		found := false
		for _, s := range fix {
			found = found || s.Alternative && strings.Contains(s.Command, command)
		}
		if !found {
			t.Errorf("%s: no %q in %+v", id, command, fix)
		}
	}
}
