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
	// Files are the files of systemd that set a proxy, in the order in which they are read.
	Files []facts.ProxyFile
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
		e.setsProxy(file, facts.ProxyManager, b)
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
			e.setsProxy(file, kindOfUnitFile(file), b)
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
						e.setsProxy(name, facts.ProxyEnvironment, b)
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

// kindOfUnitFile tells a drop-in of a unit from its file.
func kindOfUnitFile(name string) string {
	if strings.HasSuffix(path.Dir(name), ".d") {
		return facts.ProxyDropIn
	}
	return facts.ProxyUnit
}

// setsProxy notes a file that sets a proxy, and what else its lines do.
func (e *Environment) setsProxy(name, kind string, b []byte) {
	f := facts.ProxyFile{Path: "/" + gather.OneLine(name, 300), Kind: kind, Alone: true, Lines: true}
	sets, continued := false, false
	gather.Lines(b, func(l []byte) bool {
		s := strings.TrimSpace(string(l))
		if s == "" || s[0] == '#' || s[0] == ';' || s[0] == '[' {
			return true
		}
		proxies, others := proxiesOf(s, kind)
		sets = sets || proxies > 0
		f.Alone = f.Alone && others == 0
		f.Lines = f.Lines && (proxies == 0 || others == 0)
		continued = continued || strings.HasSuffix(s, `\`)
		return true
	})
	if !sets || len(e.Files) >= maxEnvironmentFiles {
		return
	}
	f.Alone, f.Lines = f.Alone && !continued, f.Lines && !continued
	e.Files = append(e.Files, f)
}

// proxiesOf counts the proxies that a line sets, no_proxy among them only beside another
// one, and what else it sets.
func proxiesOf(line, kind string) (proxies, others int) {
	words := []string{strings.TrimPrefix(line, "export ")}
	if kind != facts.ProxyEnvironment {
		key, value, _ := strings.Cut(line, "=")
		if key = strings.TrimSpace(key); key != "Environment" && key != "DefaultEnvironment" {
			return 0, 1
		}
		words = unquoteUnit(value)
	}
	for _, w := range words {
		name, _, _ := strings.Cut(w, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "http_proxy", "https_proxy":
			proxies++
		case "no_proxy", "all_proxy", "ftp_proxy": // without a proxy these do nothing to the agent
		default:
			others++
		}
	}
	return proxies, others
}
