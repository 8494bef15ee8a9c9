package agentsvc

import (
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// TestHeld: a process that exists and does not run on is told from one that waits for work.
func TestHeld(t *testing.T) {
	t.Parallel()
	const unit = "sys/fs/cgroup/system.slice/amazon-ssm-agent.service/cgroup.events"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"waits for work":         {map[string]string{"proc/7/stat": "7 (amazon-ssm-agen) S 1 7"}, ""},
		"stopped":                {map[string]string{"proc/7/stat": "7 (amazon-ssm-agen) T 1 7"}, facts.HeldBySignal},
		"in a debugger":          {map[string]string{"proc/7/stat": "7 (amazon-ssm-agen) t 1 7"}, facts.HeldByDebugger},
		"a name like a state":    {map[string]string{"proc/7/stat": "7 (x) T) S 1 7"}, ""},
		"cut off":                {map[string]string{"proc/7/stat": "7 (amazon-ssm-agen)"}, ""},
		"gone":                   {map[string]string{}, ""},
		"frozen":                 {map[string]string{"proc/7/stat": "7 (a) S 1 7", "proc/7/cgroup": "0::/system.slice/amazon-ssm-agent.service\n", unit: "populated 1\nfrozen 1\n"}, facts.HeldByFreezer},
		"thawed":                 {map[string]string{"proc/7/stat": "7 (a) S 1 7", "proc/7/cgroup": "0::/system.slice/amazon-ssm-agent.service\n", unit: "populated 1\nfrozen 0\n"}, ""},
		"frozen, both releases":  {map[string]string{"proc/7/stat": "7 (a) S 1 7", "proc/7/cgroup": "1:name=systemd:/x\n0::/system.slice/amazon-ssm-agent.service\n", unit: "frozen 1\n"}, facts.HeldByFreezer},
		"a path out of the tree": {map[string]string{"proc/7/stat": "7 (a) S 1 7", "proc/7/cgroup": "0::/../../etc\n", "etc/cgroup.events": "frozen 1\n"}, ""},
	} {
		fsys := gathertest.New(t, c.files).FS
		stat, _ := gather.ReadFile(fsys, "proc/7/stat", gather.MaxSmall)
		if got := held(fsys, "7", stat); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
