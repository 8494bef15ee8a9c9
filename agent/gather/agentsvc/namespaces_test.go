package agentsvc

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// process is one of a host that has an agent of its own as process 810.
type process struct{ exe, group, mount, pids, uid string }

// hostWith is a host with a second process that bears the agent's name.
func hostWith(t *testing.T, p process, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := func(name, to string) {
		t.Helper()
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, full); err != nil {
			t.Skip("no links here")
		}
	}
	run := func(pid string, p process) {
		if p.exe != "" {
			link("proc/"+pid+"/exe", p.exe)
		}
		if p.mount != "" {
			link("proc/"+pid+"/ns/mnt", p.mount)
		}
		put("proc/"+pid+"/status", "Name:\tx\nUid:\t"+p.uid+"\t"+p.uid+"\t0\t0\nNSpid:\t"+p.pids+"\n")
		put("proc/"+pid+"/cgroup", "0::"+p.group+"\n")
	}
	run("1", process{mount: "mnt:[1]", pids: "1", group: "/init.scope", uid: "0"})
	run("self", process{mount: "mnt:[1]", pids: "4000", group: "/user.slice", uid: "0"})
	run("810", process{exe: "/usr/bin/amazon-ssm-agent", mount: "mnt:[1]", pids: "810", group: "/system.slice/amazon-ssm-agent.service", uid: "0"})
	run("2200", p)
	put("usr/bin/amazon-ssm-agent", "x")
	put("home/eve/amazon-ssm-agent", "x")
	for name, text := range files {
		put(name, text)
	}
	return dir
}

func TestOtherAgents(t *testing.T) {
	t.Parallel()
	const exe = "/usr/bin/amazon-ssm-agent"
	bottlerocket := map[string]string{"etc/os-release": "ID=bottlerocket\n"}
	for _, c := range []struct {
		name          string
		p             process
		files         map[string]string
		reason, where string // empty: the agent of this host
	}{
		{"of this host", process{exe, "/system.slice/amazon-ssm-agent.service", "mnt:[1]", "2200", "0"}, nil, "", ""},
		{"started by hand", process{exe, "/user.slice/session-1.scope", "mnt:[1]", "2200", "0"}, nil, "", ""},
		{"in a sandbox of its unit", process{exe, "/system.slice/amazon-ssm-agent.service", "mnt:[9]", "2200", "0"}, nil, "", ""},
		{"its unit, as another user", process{exe, "/system.slice/amazon-ssm-agent.service", "mnt:[1]", "2200", "990"}, nil, "", ""},
		{"in docker", process{exe, "/system.slice/docker-0a1b.scope", "mnt:[9]", "2200 7", "0"}, nil, facts.OtherNamespace, "docker"},
		{"in docker with systemd", process{exe, "/docker/0a1b/system.slice/amazon-ssm-agent.service", "mnt:[9]", "2200 7", "0"}, nil, facts.OtherNamespace, "docker"},
		{"in docker, unprivileged look", process{exe, "/docker/0a1b", "", "2200 7", "0"}, nil, facts.OtherNamespace, "docker"},
		{"in docker with the host's processes", process{exe, "/docker/0a1b", "mnt:[9]", "2200", "0"}, nil, facts.OtherNamespace, "docker"},
		{"in an ECS task", process{"/managed-agents/execute-command/amazon-ssm-agent", "/ecs/task/0a1b", "mnt:[9]", "2200 7", "0"}, nil, facts.OtherNamespace, "ecs"},
		{"in a task with systemd's groups", process{exe, "/ecstasks.slice/ecstasks-0a1b.slice/docker-1.scope", "mnt:[9]", "2200 7", "0"}, nil, facts.OtherNamespace, "ecs"},
		{"in a pod", process{exe, "/kubepods.slice/kubepods-pod1.slice/cri-containerd-1.scope", "mnt:[9]", "2200 7", "0"}, nil, facts.OtherNamespace, "kubernetes"},
		{"in podman", process{exe, "/machine.slice/libpod-1.scope", "mnt:[9]", "2200 7", "0"}, nil, facts.OtherNamespace, "podman"},
		{"in an unnamed namespace", process{exe, "/", "mnt:[9]", "2200 7", "0"}, nil, facts.OtherNamespace, ""},
		{"of a user", process{exe, "/user.slice", "mnt:[1]", "2200", "1000"}, nil, facts.OtherUser, ""},
		{"on Bottlerocket", process{exe, "/default/control", "mnt:[9]", "2200 7", "0"}, bottlerocket, "", ""},
		{"on Bottlerocket, in a pod", process{exe, "/kubepods/pod1", "mnt:[9]", "2200 7", "0"}, bottlerocket, facts.OtherNamespace, "kubernetes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			env := gathertest.Plain(t, hostWith(t, c.p, c.files))
			ps := Processes(t.Context(), env).Value
			mine := false
			for _, p := range ps.Core {
				mine = mine || p.PID == 2200
			}
			if mine != (c.reason == "") || mine && len(ps.Others) > 0 {
				t.Fatalf("%+v", ps)
			}
			if !mine && (len(ps.Others) != 1 || ps.Others[0].Reason != c.reason || ps.Others[0].Where != c.where) {
				t.Errorf("%+v, want %s %q", ps.Others, c.reason, c.where)
			}
			if got := len(coreProcesses(env)); got != len(ps.Core) {
				t.Errorf("%d processes are asked for their environment, want %d", got, len(ps.Core))
			}
		})
	}
}

// TestReplaceableProgram: a program that others than root can write is no agent.
func TestReplaceableProgram(t *testing.T) {
	t.Parallel()
	p := process{"/home/eve/amazon-ssm-agent", "/user.slice", "mnt:[1]", "2200", "0"}
	for owner, want := range map[int]bool{0: false, 1000: true} {
		env := gathertest.Plain(t, hostWith(t, p, nil))
		env.Owner = func(fi fs.FileInfo) (int, bool) { return owner, true }
		ps := Processes(t.Context(), env).Value
		if got := len(ps.Others) == 2 || len(ps.Others) == 1 && ps.Others[0].Reason == facts.OtherProgram; got != want {
			t.Errorf("owner %d: %+v", owner, ps)
		}
	}
}
