package gather

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
)

// proxyVars are proxy variables as they stand, with user and password.
type proxyVars struct {
	https, http, no string
	name            string // of the variable that https is from
}

// Format keeps passwords of proxies out of logs and messages, in every form of fmt.
func (p proxyVars) Format(s fmt.State, _ rune) { fmt.Fprint(s, "proxy settings") }

// proxyFrom takes the proxy variables out of an environment. As in the agent's
// HTTP library the upper-case name wins where both are set.
func proxyFrom(vars map[string]string) proxyVars {
	first := func(names ...string) string {
		for _, n := range names {
			if v := vars[n]; v != "" {
				return v
			}
		}
		return ""
	}
	name := "https_proxy"
	if vars["HTTPS_PROXY"] != "" {
		name = "HTTPS_PROXY"
	}
	return proxyVars{
		name:  name,
		https: first("HTTPS_PROXY", "https_proxy"),
		http:  first("HTTP_PROXY", "http_proxy"),
		no:    first("NO_PROXY", "no_proxy"),
	}
}

// fact is the proxy without user and password.
func (p proxyVars) fact(from string) facts.Proxy {
	https, a := redactProxy(p.https)
	http, b := redactProxy(p.http)
	return facts.Proxy{HTTPS: https, HTTP: http, No: oneLine(p.no, 1000), HasAuth: a || b, From: from}
}

// redactProxy removes user and password from a proxy's value, which may lack a scheme.
func redactProxy(v string) (string, bool) {
	scheme, rest, ok := strings.Cut(v, "://")
	if !ok || strings.ContainsAny(scheme, ":@/") {
		scheme, rest = "", v
	} else {
		scheme += "://"
	}
	auth, tail := rest, ""
	// A password may hold any character, so the last @ before the path decides.
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		auth = rest[i+1:]
		if j := strings.IndexAny(auth, "/?#"); j >= 0 {
			auth, tail = auth[:j], auth[j:]
		}
		if q := strings.IndexByte(tail, '?'); q >= 0 {
			tail = tail[:q]
		}
		return oneLine(scheme+auth+tail, 300), true
	}
	if u, err := url.Parse(v); err == nil && u.RawQuery != "" {
		u.RawQuery = ""
		return oneLine(u.String(), 300), false
	}
	return oneLine(v, 300), false
}

// serviceEnv is the environment of the agent's service as it stands.
type serviceEnv struct {
	vars map[string]string
	from string
	err  error
}

// fromProcess is where the environment of a running agent comes from.
const fromProcess = "process environment"

// serviceEnvironment reads the environment of the running core agent; where
// there is none, or it cannot be read, what the unit's files would give it.
func serviceEnvironment(ctx context.Context, env *Env) serviceEnv {
	switch {
	case env.GOOS == "windows" && env.Windows != nil:
		return windowsEnvironment(env.Windows)
	case env.GOOS == "windows":
		return serviceEnv{err: errors.New(notLive)}
	case env.GOOS == "darwin":
		return macEnvironment(ctx, env)
	}
	var denied error
	if env.Live {
		for _, p := range coreProcesses(env) {
			name := path.Join("proc", p, "environ")
			b, err := readFile(env.FS, name, maxSmall)
			if err == nil && len(b) > 0 {
				return serviceEnv{vars: parseEnviron(b), from: fromProcess}
			}
			if err != nil && !missing(err) {
				denied = err
			}
		}
	}
	e := unitEnvironment(env.FS)
	if e.vars == nil {
		e.vars = map[string]string{}
	}
	if denied != nil && len(e.vars) == 0 && e.err == nil {
		// systemd may have been told more than its files say.
		e.from = "unit files; the process environment could not be read"
	}
	return e
}

const maxVars = 500

// parseEnviron reads /proc/PID/environ.
func parseEnviron(b []byte) map[string]string {
	vars := map[string]string{}
	for kv := range strings.SplitSeq(string(b), "\x00") {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" && len(vars) < maxVars {
			vars[k] = v
		}
	}
	return vars
}

// unitEnvironment collects Environment= and EnvironmentFile= of the agent's
// units and their drop-ins, the later ones over the earlier.
func unitEnvironment(fsys FileSystem) serviceEnv {
	e := serviceEnv{from: "unit files"}
	// The manager's defaults come first.
	for _, file := range append([]string{"etc/systemd/system.conf"}, filesIn(fsys, "etc/systemd/system.conf.d", ".conf")...) {
		b, err := readFile(fsys, file, maxSmall)
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
		for _, file := range unitFiles(fsys, unit) {
			b, err := readFile(fsys, file, maxSmall)
			if err != nil {
				if !missing(err) {
					e.err = err
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
				case "EnvironmentFile":
					name := clean(strings.TrimPrefix(kv[1], "-"))
					if b, err := readFile(fsys, name, maxSmall); err == nil {
						for _, kv := range shellAssignments(b) {
							e.set(kv[0], kv[1], "/"+name)
						}
					}
				}
			}
		}
	}
	return e
}

func (e *serviceEnv) set(k, v, from string) {
	if e.vars == nil {
		e.vars = map[string]string{}
	}
	if len(e.vars) < maxVars {
		e.vars[k] = v
		if strings.HasSuffix(strings.ToLower(k), "_proxy") {
			e.from = from
		}
	}
}

// shellAssignments reads NAME=value lines, with or without export and quotes.
// Anything that would need a shell to evaluate is skipped.
func shellAssignments(b []byte) [][2]string {
	var out [][2]string
	lines(b, func(l []byte) bool {
		s := strings.TrimSpace(string(l))
		s = strings.TrimSpace(strings.TrimPrefix(s, "export "))
		s = strings.TrimSpace(strings.TrimPrefix(s, "declare -x "))
		k, v, ok := strings.Cut(s, "=")
		if !ok || k == "" || strings.ContainsAny(k, " \t#$()\"'`") {
			return true
		}
		if v != "" && (v[0] == '"' || v[0] == '\'') {
			q := v[0]
			if i := strings.IndexByte(v[1:], q); i >= 0 {
				v = v[1 : 1+i]
			} else {
				return true
			}
		} else {
			v, _, _ = strings.Cut(v, " #")
			v, _, _ = strings.Cut(v, ";")
			v = strings.TrimSpace(v)
		}
		if strings.ContainsAny(v, "$`") {
			return true
		}
		if len(out) < maxVars {
			out = append(out, [2]string{k, v})
		}
		return true
	})
	return out
}

// filesIn lists the files of a directory with a suffix, sorted, at most 100.
func filesIn(fsys FileSystem, dir, suffix string) []string {
	es, err := fsys.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range es {
		if strings.HasSuffix(e.Name(), suffix) && len(out) < 100 {
			out = append(out, path.Join(dir, e.Name()))
		}
	}
	slices.Sort(out)
	return out
}

// shellProxies finds a proxy that users of this host have: our environment,
// /etc/environment, profile scripts.
func shellProxies(env *Env) (proxyVars, string) {
	if env.Live && env.Getenv != nil {
		vars := map[string]string{}
		for _, n := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
			vars[n] = env.Getenv(n)
		}
		if p := proxyFrom(vars); p.https != "" || p.http != "" {
			return p, "environment"
		}
	}
	files := []string{"etc/environment", "etc/profile"}
	files = append(files, filesIn(env.FS, "etc/profile.d", ".sh")...)
	vars, from := map[string]string{}, ""
	for _, name := range files {
		b, err := readFile(env.FS, name, 256<<10)
		if err != nil {
			continue
		}
		for _, kv := range shellAssignments(b) {
			if l := strings.ToLower(kv[0]); l == "https_proxy" || l == "http_proxy" || l == "no_proxy" {
				vars[kv[0]] = kv[1]
				if l != "no_proxy" {
					from = "/" + name
				}
			}
		}
	}
	return proxyFrom(vars), from
}
