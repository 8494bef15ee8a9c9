package agentsvc

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
)

// maxSealed bounds the mounts that are told.
const maxSealed = 20

// Sealed are the read-only mounts that the agent as it runs has at its directories.
func Sealed(env *gather.Env, processes facts.Seen[facts.Processes]) facts.Seen[[]facts.SealedMount] {
	switch {
	case !env.Live:
		return gather.NotAskable[[]facts.SealedMount](gather.NotLive, "")
	case env.GOOS != "linux":
		return gather.NotAskable[[]facts.SealedMount](gather.ErrUnsupported.Error(), "")
	case !processes.Known():
		return gather.Likewise[[]facts.SealedMount](processes)
	case len(processes.Value.Core) == 0:
		return facts.Absent[[]facts.SealedMount]("the agent does not run", processes.From)
	}
	name := "proc/" + strconv.Itoa(processes.Value.Core[0].PID) + "/mountinfo"
	b, err := gather.ReadFile(env.FS, name, 8<<20)
	if err != nil {
		return gather.Unknown[[]facts.SealedMount](err, gather.FileURL(name))
	}
	d := gather.AgentDirs(env)
	return facts.Known(sealed(hostfile.ParseMounts(b), "/"+d.Data, "/"+d.Log, "/"+path.Dir(d.Config)), gather.FileURL(name))
}

// sealed are the mounts of a list that hold a directory or lie in it and are read-only, and
// those that hold one and are noexec.
func sealed(list []hostfile.Mount, dirs ...string) []facts.SealedMount {
	out := []facts.SealedMount{}
	for _, dir := range dirs {
		within := slices.DeleteFunc(slices.Clone(list), func(m hostfile.Mount) bool { return !strings.HasPrefix(m.Point, dir+"/") })
		m, ok := hostfile.MountOf(list, dir)
		if ok {
			within = append([]hostfile.Mount{m}, within...)
		}
		for _, m := range within {
			if (slices.Contains(m.Opts, "ro") || slices.Contains(m.Supers, "ro")) && len(out) < maxSealed {
				out = append(out, facts.SealedMount{Dir: dir, Mount: gather.OneLine(m.Point, 300)})
			}
		}
		if ok && slices.Contains(m.Opts, "noexec") && len(out) < maxSealed {
			out = append(out, facts.SealedMount{Dir: dir, Mount: gather.OneLine(m.Point, 300), NoExec: true})
		}
	}
	return out
}
