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
	return []string{"/", "/" + d.Data, "/" + d.Log, "/" + path.Dir(d.Config)}
}

func fileSystems(env *gather.Env) []facts.FileSystem {
	out := []facts.FileSystem{}
	name := "proc/self/mountinfo"
	if env.Live && env.Getenv != nil && env.Getenv("INVOCATION_ID") != "" && gather.Exists(env.FS, "proc/1/mountinfo") {
		// Started by systemd, which gives a sandboxed service mounts of its own, read-only
		// ones among them. The agent has those of the init process.
		name = "proc/1/mountinfo"
	}
	var ms []hostfile.Mount
	w := gather.NotLive
	if env.Live && env.GOOS != "linux" {
		w = gather.ErrUnsupported.Error()
	} else if env.Live {
		b, err := gather.ReadFile(env.FS, name, 8<<20)
		if err != nil {
			w = gather.Why(err)
		}
		ms = hostfile.ParseMounts(b)
	}
	for _, dir := range placesOf(env) {
		at := dir
		for at != "/" && !gather.Exists(env.FS, at) {
			at = path.Dir(at)
		}
		if at != dir && strings.HasPrefix(dir, "/snap/") {
			continue
		}
		x := facts.FileSystem{Dir: dir, ReadOnly: facts.Unknown[bool](w, gather.FileURL(name)), NoExec: facts.Unknown[bool](w, gather.FileURL(name)), Usage: facts.Unknown[facts.Usage](w, "")}
		if m, ok := hostfile.MountOf(ms, at); ok {
			x.Mount, x.Type = gather.OneLine(m.Point, 300), gather.OneLine(m.Kind, 50)
			x.ReadOnly = facts.Known(slices.Contains(m.Opts, "ro") || slices.Contains(m.Supers, "ro"), gather.FileURL(name))
			x.NoExec = facts.Known(slices.Contains(m.Opts, "noexec"), gather.FileURL(name))
		}
		if env.Live && env.StatFS != nil {
			if u, err := env.StatFS(at); err != nil {
				x.Usage = facts.Unknown[facts.Usage](gather.Why(err), "statfs "+at)
			} else {
				x.Usage = facts.Known(u, "statfs "+at)
			}
		}
		out = append(out, x)
	}
	return out
}
