package agentsvc

import (
	"context"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
)

// GatherProxies fills the proxies of the service and of users, and leaves the
// values as they stand for the network source.
func GatherProxies(ctx context.Context, run *gather.Run, a *facts.Agent) {
	env := run.Env
	shell, from := shellProxies(env)
	if shell.HTTPS != "" || shell.HTTP != "" {
		a.ShellProxy = facts.Known(shell.Fact(from), from)
	} else {
		a.ShellProxy = facts.Absent[facts.Proxy]("no proxy variable is set", "environment")
	}
	var service, unit gather.ProxyVars
	a.PendingProxy = facts.Absent[facts.Proxy]("the service has what its unit gives it", "")
	e := ReadEnvironment(ctx, env)
	if e.Err != nil {
		a.ServiceProxy = gather.Unknown[facts.Proxy](e.Err, e.From)
	} else {
		service = gather.ProxyFrom(e.Vars)
		if service.HTTPS != "" || service.HTTP != "" {
			a.ServiceProxy = facts.Known(service.Fact(e.From), e.From)
			if e.Denied != nil {
				a.PendingProxy = gather.Unknown[facts.Proxy](e.Denied, fromProcess)
			}
		} else {
			a.ServiceProxy = facts.Absent[facts.Proxy]("no proxy variable is set", e.From)
		}
		if e.From == fromProcess {
			u := unitEnvironment(env.FS)
			if p := gather.ProxyFrom(u.Vars); p.HTTPS != "" && (p.HTTPS != service.HTTPS || p.No != service.No) {
				unit, a.PendingProxy = p, facts.Known(p.Fact(u.From), u.From)
			}
		}
	}
	run.SetProxies(service, unit, shell)
}

// shellProxies finds a proxy that users of this host have: our environment,
// /etc/environment, profile scripts.
func shellProxies(env *gather.Env) (gather.ProxyVars, string) {
	if env.Live && env.Getenv != nil {
		vars := map[string]string{}
		for _, n := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
			vars[n] = env.Getenv(n)
		}
		if p := gather.ProxyFrom(vars); p.HTTPS != "" || p.HTTP != "" {
			return p, "environment"
		}
	}
	files := []string{"etc/environment", "etc/profile"}
	files = append(files, hostfile.FilesIn(env.FS, "etc/profile.d", ".sh")...)
	vars, from := map[string]string{}, ""
	for _, name := range files {
		b, err := gather.ReadFile(env.FS, name, 256<<10)
		if err != nil {
			continue
		}
		for _, kv := range hostfile.ShellAssignments(b) {
			if l := strings.ToLower(kv[0]); l == "https_proxy" || l == "http_proxy" || l == "no_proxy" {
				vars[kv[0]] = kv[1]
				if l != "no_proxy" {
					from = "/" + name
				}
			}
		}
	}
	return gather.ProxyFrom(vars), from
}
