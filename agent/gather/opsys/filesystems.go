package opsys

import (
	"path"
	"slices"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
)

// agentPlaces are directories whose file system matters to the agent.
var agentPlaces = []string{"/", "/var/lib/amazon/ssm", "/var/log/amazon/ssm", "/etc/amazon/ssm", "/usr/bin", "/snap/amazon-ssm-agent", "/tmp"}

// placesOf are those of the examined system.
func placesOf(env *gather.Env) []string {
	if env.GOOS == "linux" {
		return agentPlaces
	}
	d := gather.AgentDirs(env)
	list := []string{"/", "/" + d.Data, "/" + d.Log, "/" + path.Dir(d.Config)}
	if env.GOOS == "darwin" {
		return append(list, "/"+gather.ProgramFolder(env))
	}
	return list
}

// mounts are the mounts as the agent sees them, which are those of the init process where
// both have the same root: this program may have been given others, read-only ones among
// them, as the service of a sandboxed unit or in a container. Elsewhere, as in a chroot of
// a rescue system, the init process is another system's. own tells that they are only
// this program's own; missing says why there are none.
func mounts(env *gather.Env) (list []hostfile.Mount, own bool, missing facts.Seen[bool]) {
	const self, init = "proc/self/mountinfo", "proc/1/mountinfo"
	switch {
	case !env.Live:
		return nil, true, gather.NotAskable[bool](gather.NotLive, gather.FileURL(self))
	case env.GOOS != "linux":
		return nil, true, gather.NotAskable[bool](gather.ErrUnsupported.Error(), gather.FileURL(self))
	}
	b, err := gather.ReadFile(env.FS, self, 8<<20)
	if err != nil {
		return nil, true, gather.Unknown[bool](err, gather.FileURL(self))
	}
	list = hostfile.ParseMounts(b)
	if b, err := gather.ReadFile(env.FS, init, 8<<20); err == nil {
		inits := hostfile.ParseMounts(b)
		mine, _ := hostfile.MountOf(list, "/")
		if its, ok := hostfile.MountOf(inits, "/"); ok && its.Device == mine.Device && its.Root == mine.Root {
			return inits, false, facts.Unknown[bool]("no mount holds it", gather.FileURL(init))
		}
	}
	return list, true, facts.Unknown[bool]("no mount holds it", gather.FileURL(self))
}

// mounted tells whether a mount has an option. One of the file system holds for everybody;
// one of a mount of this program's own may hold for it alone.
func mounted(m hostfile.Mount, own bool, option, from string) facts.Seen[bool] {
	switch {
	case slices.Contains(m.Supers, option):
		return facts.Known(true, from)
	case own && slices.Contains(m.Opts, option):
		return facts.Unknown[bool]("it is mounted "+option+" for this program; how the agent has it could not be read", from)
	}
	return facts.Known(slices.Contains(m.Opts, option), from)
}

// fileSystems describes those that hold the agent's directories.
func fileSystems(env *gather.Env) []facts.FileSystem {
	out := []facts.FileSystem{}
	list, own, missing := mounts(env)
	for _, dir := range placesOf(env) {
		at := dir
		for at != "/" && !gather.Exists(env.FS, at) {
			at = path.Dir(at)
		}
		if at != dir && strings.HasPrefix(dir, "/snap/") {
			continue
		}
		x := facts.FileSystem{Dir: dir, ReadOnly: missing, NoExec: missing, Usage: usage(env, at)}
		switch {
		case !env.Live:
		case env.GOOS == "windows" && env.Windows != nil:
			onVolume(env.Windows.Volume, gather.OnWindows(env, at), "GetVolumeInformation", &x)
		case env.Volume != nil && at == "/" && dir != "/":
			// The system volume of macOS is read-only, and says nothing of where the folder
			// would be made.
			x.ReadOnly, x.NoExec = noSuchFolder(dir), noSuchFolder(dir)
		case env.Volume != nil:
			onVolume(env.Volume, at, "statfs "+at, &x)
		}
		if m, ok := hostfile.MountOf(list, at); ok {
			x.Mount, x.Type = gather.OneLine(m.Point, 300), gather.OneLine(m.Kind, 50)
			x.ReadOnly, x.NoExec = mounted(m, own, "ro", missing.From), mounted(m, own, "noexec", missing.From)
		}
		out = append(out, x)
	}
	return out
}

// onVolume adds what the system says of the volume that holds a path.
func onVolume(ask func(string) (gather.Volume, error), at, from string, x *facts.FileSystem) {
	v, err := ask(at)
	if err != nil {
		x.ReadOnly, x.NoExec = gather.Unknown[bool](err, from), gather.Unknown[bool](err, from)
		return
	}
	x.Mount, x.Type = gather.OneLine(v.Mount, 300), gather.OneLine(v.Type, 50)
	x.ReadOnly, x.NoExec = facts.Known(v.ReadOnly, from), facts.Known(v.NoExec, from)
}

func noSuchFolder(dir string) facts.Seen[bool] {
	return gather.NotAskable[bool]("there is no such folder", gather.FileURL(dir))
}

func usage(env *gather.Env, at string) facts.Seen[facts.Usage] {
	if !env.Live || env.StatFS == nil {
		return gather.NotAskable[facts.Usage](gather.NotLive, "")
	}
	u, err := env.StatFS(at)
	if err != nil {
		return gather.Unknown[facts.Usage](err, "statfs "+at)
	}
	return facts.Known(u, "statfs "+at)
}
