package sim

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/facts"
)

// hold keeps a process of the agent from running on, where something does. Source: proc(5),
// and cgroup-v2.rst of the kernel, cgroup.events.
func (w *world) hold(t *tree, pid int) {
	d := fmt.Sprintf("proc/%d/", pid)
	switch w.Agent.Held {
	case facts.HeldBySignal:
		n := t.dir(d, 0).kids["stat"]
		n.data = []byte(strings.Replace(string(n.data), ") S ", ") T ", 1))
	case facts.HeldByFreezer:
		t.file(d+"cgroup", "0::/system.slice/"+mainUnit+"\n", 0o444)
		t.file("sys/fs/cgroup/system.slice/"+mainUnit+"/cgroup.events", "populated 1\nfrozen 1\n", 0o444)
	}
}

// sealedMounts are the mounts of a service whose unit has a drop-in: all is read-only with
// ProtectSystem=strict but what ReadWritePaths= excepts, and from what NoExecPaths= names
// nothing is executed. Source: systemd.exec(5).
func sealedMounts(info, dropIn string) string {
	if strings.Contains(dropIn, "ProtectSystem=strict") {
		info = strings.ReplaceAll(info, " rw,relatime shared", " ro,relatime shared")
	}
	id := 60
	for l := range strings.Lines(dropIn) {
		key, list, _ := strings.Cut(l, "=")
		flags := map[string]string{"ReadWritePaths": "rw,relatime", "NoExecPaths": "rw,noexec,relatime"}[key]
		if flags == "" {
			continue
		}
		for p := range strings.FieldsSeq(list) {
			info += fmt.Sprintf("%d 30 259:1 %[2]s %[2]s %s shared:%[1]d - xfs /dev/nvme0n1p1 rw,relatime\n", id, strings.TrimLeft(p, "-+"), flags)
			id++
		}
	}
	return info
}
