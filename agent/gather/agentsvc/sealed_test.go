package agentsvc

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func TestSealed(t *testing.T) {
	t.Parallel()
	const root = "30 1 259:1 / / rw,relatime shared:1 - xfs /dev/nvme0n1p1 rw\n"
	for _, c := range []struct {
		name, mounts string
		want         []facts.SealedMount
	}{
		{"none", root, []facts.SealedMount{}},
		{"strict, and the state is let", "30 1 259:1 / / ro,relatime shared:1 - xfs /dev/nvme0n1p1 rw\n31 30 259:1 /var/lib/amazon /var/lib/amazon rw,relatime - xfs /dev/nvme0n1p1 rw\n",
			[]facts.SealedMount{{Dir: "/var/log/amazon/ssm", Mount: "/"}, {Dir: "/etc/amazon/ssm", Mount: "/"}}},
		{"a folder", root + "31 30 259:1 /var/log /var/log ro,relatime - xfs /dev/nvme0n1p1 rw\n", []facts.SealedMount{{Dir: "/var/log/amazon/ssm", Mount: "/var/log"}}},
		{"a folder within is hidden", root + "31 30 0:24 /systemd/inaccessible/dir /var/lib/amazon/ssm/Vault ro,nosuid,nodev,noexec - tmpfs tmpfs rw\n", []facts.SealedMount{{Dir: "/var/lib/amazon/ssm", Mount: "/var/lib/amazon/ssm/Vault"}}},
		{"nothing is executed", root + "31 30 259:1 /var/lib /var/lib rw,noexec,relatime - xfs /dev/nvme0n1p1 rw\n", []facts.SealedMount{{Dir: "/var/lib/amazon/ssm", Mount: "/var/lib", NoExec: true}}},
		{"elsewhere", root + "31 30 259:1 /usr /usr ro,relatime - xfs /dev/nvme0n1p1 rw\n32 30 259:1 /home /var/lib/amazon/ssm-other ro - xfs /dev/nvme0n1p1 rw\n", []facts.SealedMount{}},
		{"of the file system", "30 1 259:1 / / rw,relatime shared:1 - xfs /dev/nvme0n1p1 ro\n31 30 0:30 / /var rw - tmpfs tmpfs rw\n", []facts.SealedMount{{Dir: "/etc/amazon/ssm", Mount: "/"}}},
	} {
		env := gathertest.InMemory(map[string][]byte{"proc/77/mountinfo": []byte(c.mounts)})
		runs := facts.Known(facts.Processes{Core: []facts.Process{{PID: 77}}}, "file:/proc")
		if d := cmp.Diff(facts.Known(c.want, "file:/proc/77/mountinfo"), Sealed(env, runs)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
		if s := Sealed(env, facts.Known(facts.Processes{}, "file:/proc")); !s.Absent() {
			t.Errorf("%s: no agent runs: %+v", c.name, s)
		}
		if s := Sealed(env, facts.Known(facts.Processes{Core: []facts.Process{{PID: 78}}}, "file:/proc")); !s.Unknown() {
			t.Errorf("%s: not read: %+v", c.name, s)
		}
		env.GOOS = "darwin"
		if s := Sealed(env, runs); !s.Unknown() || s.Obstacle() != facts.NotAskable {
			t.Errorf("%s: not Linux: %+v", c.name, s)
		}
	}
}
