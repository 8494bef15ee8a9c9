package agentsvc

import (
	"slices"
	"testing"

	"ssm-doctor/agent/gather/gathertest"
)

// TestOwnQuestionIsNoAgent: an executable of the agent that this program itself runs, to ask
// for its version, is not taken for an agent that runs.
func TestOwnQuestionIsNoAgent(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"proc/self": "-> 70", "proc/stat": "btime 1700000000\n",
		"proc/71/exe": "-> /usr/bin/amazon-ssm-agent", "proc/71/stat": "71 (amazon (x) S) S 70 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 500 0 0",
		"proc/12/exe": "-> /usr/bin/amazon-ssm-agent", "proc/12/stat": "12 (amazon-ssm-agen) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 400 0 0",
		"proc/13/exe": "-> /usr/bin/ssm-agent-worker", "proc/13/stat": "13 (ssm-agent-worke) S 12 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 401 0 0",
		"proc/14/exe": "-> /usr/bin/amazon-ssm-agent",
	}
	env := gathertest.New(t, files)
	var pids []int
	ps := Processes(t.Context(), env).Value
	for _, p := range slices.Concat(ps.Core, ps.Worker) {
		pids = append(pids, p.PID)
	}
	if want := []int{12, 14, 13}; !slices.Equal(pids, want) {
		t.Errorf("the agent's processes are %v, want %v", pids, want)
	}
	core := coreProcesses(env)
	slices.Sort(core)
	if want := []string{"12", "14"}; !slices.Equal(core, want) {
		t.Errorf("the core's processes are %v, want %v", core, want)
	}
	delete(files, "proc/self") // as in a recording
	env = gathertest.New(t, files)
	if n := len(Processes(t.Context(), env).Value.Core); n != 3 {
		t.Errorf("%d processes of the core, want 3", n)
	}
}

// TestGone: a program that runs is gone where no file is at its place; one that was replaced
// is not, and one in a mount namespace of its own only if the kernel says it was deleted.
func TestGone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		exe, mount, file string
		want             bool
	}{
		"deleted":                            {"/usr/bin/amazon-ssm-agent (deleted)", "mnt:[1]", "", true},
		"replaced":                           {"/usr/bin/amazon-ssm-agent (deleted)", "mnt:[1]", "usr/bin/amazon-ssm-agent", false},
		"there":                              {"/usr/bin/amazon-ssm-agent", "mnt:[1]", "usr/bin/amazon-ssm-agent", false},
		"unmounted lazily":                   {"/bin/amazon-ssm-agent", "mnt:[1]", "", true},
		"in a namespace of its own":          {"/usr/bin/amazon-ssm-agent", "mnt:[9]", "", false},
		"deleted, in a namespace":            {"/usr/bin/amazon-ssm-agent (deleted)", "mnt:[9]", "", true},
		"whose namespace cannot be read":     {"/usr/bin/amazon-ssm-agent", "", "", false},
		"of which only the name is readable": {"amazon-ssm-agent", "mnt:[1]", "", false},
	} {
		files := map[string]string{"proc/self/ns/mnt": "-> mnt:[1]", "proc/1/ns/mnt": "-> mnt:[1]", "proc/12/exe": "-> " + c.exe, "proc/12/cgroup": "0::/system.slice/amazon-ssm-agent.service\n"}
		if c.mount != "" {
			files["proc/12/ns/mnt"] = "-> " + c.mount
		}
		if c.file != "" {
			files[c.file] = "x"
		}
		ps := Processes(t.Context(), gathertest.New(t, files)).Value
		if len(ps.Core) != 1 || ps.Core[0].Gone != c.want {
			t.Errorf("%s: %+v", name, ps.Core)
		}
	}
}
