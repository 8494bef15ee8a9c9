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
	shell, from, err := shellProxies(env)
	if err != nil {
		a.ShellProxy = gather.Unknown[facts.Proxy](err, from)
	} else if shell.HTTPS != "" || shell.HTTP != "" {
		a.ShellProxy = facts.Known(shell.Fact(from), from)
	} else {
		a.ShellProxy = facts.Absent[facts.Proxy]("no proxy variable is set", "environment")
	}
	var service, unit gather.ProxyVars
	a.PendingProxy = facts.Absent[facts.Proxy]("the service has what its unit gives it", "")
	e := ReadEnvironment(ctx, env)
	a.Metadata = metadataOf(e)
	if env.GOOS == "linux" {
		t := gather.TrustFrom(e.Vars)
		t.Err = e.Err
		run.SetTrust(t)
	}
	a.ProxyFiles = facts.Absent[[]facts.ProxyFile]("no file of systemd sets a proxy of the service", "unit files")
	if e.Err != nil {
		a.ServiceProxy = gather.Unknown[facts.Proxy](e.Err, e.From)
	} else {
		service = gather.ProxyFrom(e.Vars)
		if was, yes := startedWithout(env); yes && service.HTTPS != "" {
			unit, a.PendingProxy = service, facts.Known(service.Fact(e.From), e.From)
			service, e.From, e.By = was, "log of the agent at its start", nil
		}
		if service.HTTPS != "" || service.HTTP != "" {
			a.ServiceProxy = facts.Known(service.Fact(e.From), e.From)
			a.ServiceProxy.Value.TakesMetadata = service.ForPlain("http://"+gather.IMDSIP.String()+"/") != nil
			if files, err := proxyFiles(env, e); err != nil {
				a.ProxyFiles = gather.Unknown[[]facts.ProxyFile](err, "unit files")
			} else if len(files) > 0 {
				a.ProxyFiles = facts.Known(files, "unit files")
			}
			for _, name := range []string{"http_proxy", "https_proxy"} {
				if o := e.By[name]; o.By != "" {
					a.ServiceProxy.Value.By = o.By
				}
			}
			if o := e.By["no_proxy"]; o.From != e.From {
				a.ServiceProxy.Value.NoFrom = o.From
			}
			if err := e.unread("https_proxy", "http_proxy", "no_proxy"); err != nil { // what was read is a part of it
				part := gather.Unknown[facts.Proxy](err, e.From)
				part.Value = a.ServiceProxy.Value
				a.ServiceProxy = part
			}
			if e.Denied != nil {
				a.PendingProxy = gather.Unknown[facts.Proxy](e.Denied, fromProcess)
			}
		} else if err := e.unread("https_proxy", "http_proxy"); err != nil {
			a.ServiceProxy = gather.Unknown[facts.Proxy](err, e.From)
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

// ForgetEnvironment says what the environment of an agent is that does not run and has no
// unit, as in a container: not known. No file of systemd tells what starts it.
func ForgetEnvironment(env *gather.Env, a *facts.Agent) {
	if env.GOOS != "linux" || !env.Live || len(a.Installations.Some()) == 0 || len(a.Units.Some()) > 0 || len(a.Processes.Value.Core) > 0 {
		return
	}
	const why = "the agent does not run, and no unit says what it is started with"
	if a.ServiceProxy.Absent() {
		a.ServiceProxy = facts.Unknown[facts.Proxy](why, a.ServiceProxy.From)
	}
	if a.Metadata.Absent() {
		a.Metadata = facts.Unknown[facts.MetadataEnv](why, a.Metadata.From)
	}
}

// proxyFiles are the files that set the proxies of an environment.
func proxyFiles(env *gather.Env, e Environment) ([]facts.ProxyFile, error) {
	if e.From == fromProcess {
		e = unitEnvironment(env.FS)
	}
	return e.Files, e.Err
}

// metadataOf takes the variables about the metadata service out of an environment.
func metadataOf(e Environment) facts.Seen[facts.MetadataEnv] {
	if e.Err != nil {
		return gather.Unknown[facts.MetadataEnv](e.Err, e.From)
	}
	m := facts.MetadataEnv{From: e.From}
	is := func(name string) bool {
		yes := strings.EqualFold(e.Vars[name], "true")
		if o, ok := e.By[name]; ok && yes {
			m.By, m.From = o.By, o.From
		}
		return yes
	}
	if v := e.Vars["AWS_EC2_METADATA_SERVICE_ENDPOINT"]; v != "" {
		m.Endpoint, _ = gather.RedactProxy(v)
		if o, ok := e.By["AWS_EC2_METADATA_SERVICE_ENDPOINT"]; ok {
			m.By, m.From = o.By, o.From
		}
	}
	m.Disabled = is("AWS_EC2_METADATA_DISABLED")
	if err := e.unread("AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT"); err != nil && !m.Disabled {
		return gather.Unknown[facts.MetadataEnv](err, e.From)
	}
	if !m.Disabled && m.Endpoint == "" {
		if e.Denied != nil {
			return gather.Unknown[facts.MetadataEnv](e.Denied, fromProcess)
		}
		return facts.Absent[facts.MetadataEnv]("no variable about it is set", e.From)
	}
	return facts.Known(m, m.From)
}

// shellProxies finds a proxy that users of this host have: our environment,
// /etc/environment, profile scripts; on Windows the internet options.
func shellProxies(env *gather.Env) (gather.ProxyVars, string, error) {
	if env.GOOS == "windows" {
		return windowsUser(env)
	}
	if env.Live && env.Getenv != nil {
		vars := map[string]string{}
		for _, n := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
			vars[n] = env.Getenv(n)
		}
		if p := gather.ProxyFrom(vars); p.HTTPS != "" || p.HTTP != "" {
			return p, "environment", nil
		}
	}
	files := []string{"etc/profile", "etc/zshenv", "etc/zprofile"} // of macOS
	if env.GOOS != "darwin" {
		files = append([]string{"etc/environment", "etc/profile"}, hostfile.FilesIn(env.FS, "etc/profile.d", ".sh")...)
	}
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
	return gather.ProxyFrom(vars), from, nil
}

// windowsUser finds the proxy of the user that runs this program.
func windowsUser(env *gather.Env) (gather.ProxyVars, string, error) {
	if !env.Live {
		return gather.ProxyVars{}, "", nil
	}
	if env.Getenv != nil {
		vars := map[string]string{}
		for _, n := range []string{"https_proxy", "http_proxy", "no_proxy"} { // names have no case
			vars[n] = env.Getenv(n)
		}
		if p := gather.ProxyFrom(vars); p.HTTPS != "" || p.HTTP != "" {
			return p, "environment", nil
		}
	}
	if env.Windows != nil {
		r, from := &reader{w: env.Windows}, gather.RegistryURL(`HKCU\`+internet)
		if p, ok := internetOptions(r, `HKCU\`+internet); ok {
			return userProxy(p), from, nil
		}
		if r.err != nil {
			return gather.ProxyVars{}, from, r.err
		}
	}
	return gather.ProxyVars{}, "", nil
}
