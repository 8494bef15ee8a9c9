package agentsvc

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// surroundings are the namespaces and control groups in which this program runs, to
// which those of an agent are compared.
type surroundings struct {
	fsys         gather.FileSystem
	owner        func(fs.FileInfo) (int, bool)
	self         namespaces
	first        namespaces // of process 1
	bottlerocket bool
}

// namespaces are those of one process, as far as they could be read; empty fields
// could not.
type namespaces struct {
	mount, pid string
	depth      int // how many nested process namespaces see it; 0: not told
	groups     []string
}

func surroundingsOf(env *gather.Env) surroundings {
	s := surroundings{fsys: env.FS, owner: env.Owner, self: namespacesOf(env.FS, "self"), first: namespacesOf(env.FS, "1")}
	s.bottlerocket = gather.IsBottlerocket(env.FS)
	return s
}

// namespacesOf reads the namespaces of a process.
func namespacesOf(fsys gather.FileSystem, pid string) namespaces {
	var n namespaces
	dir := "proc/" + pid + "/"
	if l, err := fsys.Readlink(dir + "ns/mnt"); err == nil {
		n.mount = l
	}
	if l, err := fsys.Readlink(dir + "ns/pid"); err == nil {
		n.pid = l
	}
	if b, err := gather.ReadFile(fsys, dir+"status", gather.MaxSmall); err == nil {
		n.depth = nestedPIDs(b)
	}
	if b, err := gather.ReadFile(fsys, dir+"cgroup", gather.MaxSmall); err == nil {
		n.groups = parseGroups(b)
	}
	return n
}

// nestedPIDs counts the process ids of the line NSpid of /proc/PID/status: one for each
// process namespace from that of /proc on.
func nestedPIDs(b []byte) int {
	n := 0
	gather.Lines(b, func(l []byte) bool {
		v, ok := strings.CutPrefix(string(l), "NSpid:")
		if ok {
			n = len(strings.Fields(v))
		}
		return !ok
	})
	return n
}

// parseGroups reads the paths of /proc/PID/cgroup.
func parseGroups(b []byte) []string {
	var out []string
	gather.Lines(b, func(l []byte) bool {
		if f := strings.SplitN(string(l), ":", 3); len(f) == 3 && len(out) < 50 && !slices.Contains(out, f[2]) {
			out = append(out, f[2])
		}
		return true
	})
	return out
}

// runtimes are what the control groups of containers are called by.
var runtimes = []struct {
	name string
	re   *pattern.Pattern
}{
	{"kubernetes", pattern.New(`kubepods`)},
	{"ecs", pattern.New(`^/ecs/|/ecstasks`)},
	{"docker", pattern.New(`/docker[/-]|/docker\.service/`)},
	{"podman", pattern.New(`libpod`)},
	{"containerd", pattern.New(`cri-containerd|nerdctl|/containerd\.service/`)},
	{"cri-o", pattern.New(`crio-`)},
	{"lxc", pattern.New(`/lxc/|lxc\.payload`)},
	{"systemd-nspawn", pattern.New(`^/machine\.slice/`)},
}

// containerOf tells which runtime a control group belongs to; empty: none that is known.
func containerOf(groups []string) string {
	for _, r := range runtimes {
		if slices.ContainsFunc(groups, r.re.MatchString) {
			return r.name
		}
	}
	return ""
}

// inUnit reports whether a process is in the control group of the agent's unit, of
// this host's systemd.
func inUnit(groups []string) bool {
	return slices.ContainsFunc(groups, func(g string) bool {
		return slices.ContainsFunc(unitNames, func(u string) bool {
			return g == "/system.slice/"+u || strings.HasPrefix(g, "/system.slice/"+u+"/")
		})
	})
}

// foreign tells whether a process that bears the name of an agent's program is not the
// agent of this host, and why. What could not be read speaks for the process.
func (s surroundings) foreign(pid, exe string, owner facts.Seen[int]) (o facts.OtherProcess, yes bool) {
	n := namespacesOf(s.fsys, pid)
	if inUnit(n.groups) {
		return o, false
	}
	where := containerOf(n.groups)
	if where != "" && containerOf(s.self.groups) == where && sameGroup(n.groups, s.self.groups) {
		where = "" // this program is in that container too
	}
	differ := func(a, b, c string) bool { return a != "" && b != "" && a != b && a != c }
	apart := where != "" || n.depth > max(s.self.depth, 1) && s.self.depth > 0 ||
		differ(n.pid, s.self.pid, "") || differ(n.mount, s.self.mount, s.first.mount) && s.first.mount != ""
	if s.bottlerocket && where != "kubernetes" && where != "ecs" && where != "docker" {
		apart = false // the host container control is where Bottlerocket has its agent
	}
	uid, known := owner.Get()
	switch {
	case apart:
		return facts.OtherProcess{Reason: facts.OtherNamespace, Where: where}, true
	case known && uid != 0:
		return facts.OtherProcess{Reason: facts.OtherUser}, true
	case s.replaceable(exe):
		return facts.OtherProcess{Reason: facts.OtherProgram}, true
	}
	return o, false
}

// gone reports whether a process runs from a program that is at its place no more. The
// program of one in a mount namespace of its own need not be at that place here, unless
// the kernel says that it was deleted.
func (s surroundings) gone(pid, exe string, deleted bool) bool {
	if s.bottlerocket || !path.IsAbs(exe) {
		return false
	}
	if mount := namespacesOf(s.fsys, pid).mount; !deleted && (mount == "" || mount != s.self.mount && mount != s.first.mount) {
		return false
	}
	_, err := s.fsys.Stat(gather.Clean(exe))
	return gather.Missing(err)
}

// sameGroup reports whether two processes have a control group in common, or one that
// holds the other.
func sameGroup(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool {
		return slices.ContainsFunc(b, func(y string) bool {
			return x == y || y != "/" && strings.HasPrefix(x, y+"/") || x != "/" && strings.HasPrefix(y, x+"/")
		})
	})
}

// replaceable reports whether somebody but root could have put a program at an unusual
// place. No package installs an agent that others can write.
func (s surroundings) replaceable(exe string) bool {
	if s.owner == nil || !path.IsAbs(exe) {
		return false
	}
	fi, err := s.fsys.Stat(gather.Clean(exe))
	if err != nil {
		return false
	}
	uid, ok := s.owner(fi)
	return ok && uid != 0 || fi.Mode()&0o002 != 0
}
