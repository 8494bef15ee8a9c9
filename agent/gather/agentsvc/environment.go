package agentsvc

import (
	"context"
	"errors"
	"path"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
)

// Environment is the environment of the agent's service as it stands.
type Environment struct {
	Vars map[string]string
	From string
	Err  error
	// By tells of each variable what of Windows sets it; empty on other systems.
	By map[string]Origin
	// Unread are variables that may be set, or set otherwise, in a place that was not read.
	Unread map[string]error
	// Denied: an agent runs, and what it was started with could not be read.
	Denied error
}

// maxEnvironmentFiles bounds the files that units name; real ones name two.
const maxEnvironmentFiles = 50

// Origin is where a variable is set.
type Origin struct {
	By   facts.Setter
	From string
}

// fromProcess is where the environment of a running agent comes from.
const fromProcess = "process environment"

// ReadEnvironment reads the environment of the running core agent; where
// there is none, or it cannot be read, what the unit's files would give it.
func ReadEnvironment(ctx context.Context, env *gather.Env) Environment {
	switch {
	case env.GOOS == "windows" && env.Windows != nil:
		return windowsEnvironment(env)
	case env.GOOS == "windows":
		return Environment{Err: errors.New(gather.NotLive)}
	case env.GOOS == "darwin":
		return macEnvironment(ctx, env)
	}
	var denied error
	if env.Live {
		for _, p := range coreProcesses(env) {
			name := path.Join("proc", p, "environ")
			b, err := gather.ReadFile(env.FS, name, gather.MaxSmall)
			if err == nil && len(b) > 0 {
				return Environment{Vars: hostfile.ParseEnviron(b), From: fromProcess}
			}
			if err != nil && !gather.Missing(err) {
				denied = err
			}
		}
	}
	e := unitEnvironment(env.FS)
	if e.Vars == nil {
		e.Vars = map[string]string{}
	}
	e.Denied = denied
	if denied != nil && len(e.Vars) == 0 && e.Err == nil {
		// systemd may have been told more than its files say.
		e.From = "unit files; the process environment could not be read"
	}
	return e
}

// unitEnvironment collects Environment= and EnvironmentFile= of the agent's
// units and their drop-ins, the later ones over the earlier, without what
// UnsetEnvironment= takes away in the end.
func unitEnvironment(fsys gather.FileSystem) Environment {
	e := Environment{From: "unit files"}
	given := map[string][][2]string{} // by file, so that each is read once
	// The manager's defaults come first.
	for _, file := range append([]string{"etc/systemd/system.conf"}, hostfile.FilesIn(fsys, "etc/systemd/system.conf.d", ".conf")...) {
		b, err := gather.ReadFile(fsys, file, gather.MaxSmall)
		if err != nil {
			continue
		}
		for _, kv := range unitValues(b, "Manager") {
			if kv[0] == "DefaultEnvironment" {
				for _, a := range unquoteUnit(kv[1]) {
					if k, v, ok := strings.Cut(a, "="); ok {
						e.set(k, v, "/"+file)
					}
				}
			}
		}
	}
	for _, unit := range unitNames {
		var unset []string
		for _, file := range unitFiles(fsys, unit) {
			b, err := gather.ReadFile(fsys, file, gather.MaxSmall)
			if err != nil {
				if !gather.Missing(err) {
					e.Err = err
				}
				continue
			}
			for _, kv := range unitValues(b, "Service") {
				switch kv[0] {
				case "Environment":
					for _, a := range unquoteUnit(kv[1]) {
						if k, v, ok := strings.Cut(a, "="); ok {
							e.set(k, v, "/"+file)
						}
					}
				case "UnsetEnvironment":
					if unset = append(unset, unquoteUnit(kv[1])...); strings.TrimSpace(kv[1]) == "" || len(unset) > hostfile.MaxVars {
						unset = nil
					}
				case "EnvironmentFile":
					name := gather.Clean(strings.TrimPrefix(kv[1], "-"))
					if _, read := given[name]; !read && len(given) < maxEnvironmentFiles {
						b, err := gather.ReadFile(fsys, name, gather.MaxSmall)
						if err != nil {
							b = nil
						}
						given[name] = hostfile.ShellAssignments(b)
					}
					for _, kv := range given[name] {
						e.set(kv[0], kv[1], "/"+name)
					}
				}
			}
		}
		for _, name := range unset {
			name, value, only := strings.Cut(name, "=")
			if v, ok := e.Vars[name]; ok && (!only || v == value) {
				delete(e.Vars, name)
			}
		}
	}
	return e
}

func (e *Environment) set(k, v, from string) {
	if e.Vars == nil {
		e.Vars = map[string]string{}
	}
	if len(e.Vars) < hostfile.MaxVars {
		e.Vars[k] = v
		if strings.HasSuffix(strings.ToLower(k), "_proxy") {
			e.From = from
		}
	}
}
