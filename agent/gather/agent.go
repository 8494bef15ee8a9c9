package gather

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
)

// agentSource looks at the agent: installations, service, processes, configuration, proxy.
type agentSource struct{}

func (agentSource) Name() string { return "agent" }

func (agentSource) Reset(f *facts.Facts) {
	// The uses source fills the other two.
	f.Agent = facts.Agent{Uses: f.Agent.Uses, Output: f.Agent.Output}
}

func (agentSource) Gather(ctx context.Context, run *Run, f *facts.Facts) error {
	env := run.Env
	a := &f.Agent
	d := agentDirs(env)

	// The service manager answers slowest: it is asked beside the files.
	var service facts.Agent
	var wg workers
	wg.Go(func() { gatherUnits(ctx, env, &service) })

	config := configFile(env)
	a.ConfigPath = "/" + config
	b, err := readFile(env.FS, config, maxSmall)
	if err != nil {
		a.Config = unseen[facts.Config](err, config)
	} else {
		a.Config = facts.Known(parseConfig(b), fileURL(config))
	}

	gatherProxies(ctx, run, a)
	a.Processes = gatherProcesses(ctx, env)
	a.Channel = gatherChannel(env, a.Processes)
	a.IPC = ipcEntries(env.FS, d.data+"/ipc")
	a.UpdateLock = updateLock(env, d.ssm+"/update.lock")
	a.LogConfig = logConfig(env, d)
	gatherStarts(ctx, env, a)
	gatherInstallations(ctx, env, a)
	wg.Wait()
	a.Manager, a.Units = service.Manager, service.Units
	a.Installed = installedVersion(a)
	if a.InstallationsRead.Unknown() {
		return errors.New(a.InstallationsRead.Reason())
	}
	return nil
}

// configFile is the configuration in force. On Windows one beside the
// executables wins; elsewhere the agent demands owners and modes for that which
// packages never have.
func configFile(env *Env) string {
	config := agentDirs(env).config
	if beside := path.Join(path.Dir(config), "configuration", path.Base(config)); env.GOOS == "windows" && exists(env.FS, beside) {
		return beside
	}
	return config
}

// installedVersion is that of the installation whose unit is active, else of
// the first with a version.
func installedVersion(a *facts.Agent) facts.Seen[string] {
	rank := func(in facts.Installation) int {
		for _, u := range a.Units {
			if u.Active == "active" && strings.HasPrefix(u.Name, "snap.") == (in.Kind == "snap") {
				return 0
			}
		}
		return 1
	}
	list := slices.Clone(a.Installations)
	slices.SortStableFunc(list, func(x, y facts.Installation) int { return cmp.Compare(rank(x), rank(y)) })
	for _, in := range list {
		if in.Version.Known() {
			return in.Version
		}
	}
	if len(list) > 0 {
		return list[0].Version
	}
	if a.InstallationsRead.Known() {
		return facts.Absent[string]("no installation was found", "")
	}
	return facts.Unknown[string](a.InstallationsRead.Reason(), "")
}

// gatherProxies fills the proxies of the service and of users, and leaves the
// values as they stand for the network source.
func gatherProxies(ctx context.Context, run *Run, a *facts.Agent) {
	env := run.Env
	shell, from := shellProxies(env)
	if shell.https != "" || shell.http != "" {
		a.ShellProxy = facts.Known(shell.fact(from), from)
	} else {
		a.ShellProxy = facts.Absent[facts.Proxy]("no proxy variable is set", "environment")
	}
	var service, unit proxyVars
	a.PendingProxy = facts.Absent[facts.Proxy]("the service has what its unit gives it", "")
	e := serviceEnvironment(ctx, env)
	if e.err != nil {
		a.ServiceProxy = facts.Unknown[facts.Proxy](why(e.err), e.from)
		a.ServiceEnv = facts.Unknown[[]string](why(e.err), e.from)
		a.Metadata = facts.Unknown[facts.MetadataSettings](why(e.err), e.from)
	} else {
		service = proxyFrom(e.vars)
		if service.https != "" || service.http != "" {
			a.ServiceProxy = facts.Known(service.fact(e.from), e.from)
		} else {
			a.ServiceProxy = facts.Absent[facts.Proxy]("no proxy variable is set", e.from)
		}
		if e.from == fromProcess {
			u := unitEnvironment(env.FS)
			if p := proxyFrom(u.vars); p.https != "" && (p.https != service.https || p.no != service.no) {
				unit, a.PendingProxy = p, facts.Known(p.fact(u.from), u.from)
			}
		}
		a.Metadata = metadataSettings(e)
		names := []string{}
		for k := range e.vars {
			if (strings.HasPrefix(k, "AWS_") || strings.HasPrefix(k, "SSL_")) && len(names) < 50 {
				names = append(names, oneLine(k, 100))
			}
		}
		slices.Sort(names)
		a.ServiceEnv = facts.Known(names, e.from)
	}
	run.setProxies(service, unit, shell)
}

// ipcEntries lists the agent's channel sockets.
func ipcEntries(fsys FileSystem, dir string) facts.Seen[[]string] {
	es, err := fsys.ReadDir(dir)
	if err != nil {
		return unseen[[]string](err, dir)
	}
	out := []string{}
	for _, e := range es {
		if len(out) < 50 {
			out = append(out, oneLine(e.Name(), 100))
		}
	}
	slices.Sort(out)
	return facts.Known(out, fileURL(dir))
}
