// Package install looks at how the agent is installed and configured, which
// versions ran and what they were used for.
package install

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/agentsvc"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/sorting"
)

// Source looks at the agent: installations, service, processes, configuration, proxy.
type Source struct{}

func (Source) Name() string { return "agent" }

func (Source) Reset(f *facts.Facts) {
	// The uses source fills the other two.
	f.Agent = facts.Agent{Uses: f.Agent.Uses, Output: f.Agent.Output}
}

// Begin asks the service manager, which answers slowest of all, before any source begins.
func (Source) Begin(ctx context.Context, run *gather.Run) { agentsvc.AskUnits(ctx, run) }

func (Source) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	env := run.Env
	a := &f.Agent

	// Other programs answer slowly: they are asked beside the files.
	var manager facts.Seen[string]
	var units facts.Seen[[]facts.Unit]
	var installed facts.Seen[[]facts.Installation]
	var update facts.Update
	var channel facts.Seen[[]facts.Socket]
	var wg gather.Workers
	wg.Go(func() { manager, units = agentsvc.Units(ctx, run) })
	wg.Go(func() {
		var keys facts.Seen[[]facts.SigningKey]
		installed, keys = installations(ctx, env)
		update = updates(env, installed.Value, keys)
	})

	config := ConfigFile(env)
	a.ConfigPath = "/" + config
	a.Config = readConfig(env.FS, config)

	agentsvc.GatherProxies(ctx, run, a)
	run.SetConfig(a.Config)
	a.Folders = folders(env)
	a.Processes = agentsvc.Processes(ctx, env)
	processes := a.Processes // a source that panics is reset while this goes on
	wg.Go(func() { channel = agentsvc.Channel(ctx, env, processes) })
	a.Sealed = agentsvc.Sealed(env, a.Processes)
	gatherStarts(ctx, env, a)
	a.Around = around(env)
	wg.Wait()
	a.Manager, a.Units, a.Update, a.Channel = manager, units, update, channel
	a.Installations = withParts(env, withUnits(env.Windows, installed, units))
	a.Notes = agentsvc.Notes(ctx, env, a.Units, a.Processes)
	a.Units = agentsvc.WithTimes(a.Units, a.Notes)
	agentsvc.ForgetEnvironment(env, a)
	a.Installed = installedVersion(a)
	if a.Installations.Unknown() {
		return errors.New(a.Installations.Reason())
	}
	return nil
}

// folders are where the agent of a running Windows keeps its things, where variables
// move them.
func folders(env *gather.Env) facts.Layout {
	usual, own := facts.LayoutOf(env.GOOS), gather.Folders(env)
	if env.GOOS != "windows" || own == usual {
		return facts.Layout{}
	}
	return own
}

var versionInPath = pattern.New(`amazon-ssm-agent-(\d+\.\d+\.\d+\.\d+)`)

// parts are the programs that the core starts.
var parts = []string{"ssm-agent-worker", "ssm-document-worker", "ssm-session-worker", "ssm-session-logger"}

// withParts looks at the programs beside the core of each installation.
func withParts(env *gather.Env, list facts.Seen[[]facts.Installation]) facts.Seen[[]facts.Installation] {
	suffix := ""
	if env.GOOS == "windows" {
		suffix = ".exe"
	}
	for i := range list.Value {
		in := &list.Value[i]
		if in.Dir == "" || in.Kind == "managed" || in.Kind == "bottlerocket" {
			continue
		}
		some := false
		var found []facts.Part
		for _, name := range parts {
			p := facts.Part{Path: path.Join(in.Dir, name+suffix)}
			p.Program = agentsvc.ProgramOf(env.FS, p.Path)
			some = some || p.Program.Known()
			found = append(found, p)
		}
		if some {
			in.Parts = found
		}
	}
	return list
}

// withUnits adds the programs that the agent's units start at places where no package
// has them, such as /nix/store.
func withUnits(w *gather.Windows, list facts.Seen[[]facts.Installation], units facts.Seen[[]facts.Unit]) facts.Seen[[]facts.Installation] {
	for _, u := range units.Some() {
		exec := strings.ReplaceAll(u.Exec, `\`, "/")
		dir := path.Dir(exec)
		if len(exec) > 2 && exec[1] == ':' { // facts name the system's drive by its root
			if dir = strings.TrimPrefix(dir, "C:"); !strings.HasPrefix(dir, "/") {
				dir = "/" + dir
			}
		}
		switch {
		case u.Load != "loaded":
			continue
		case u.Name == gather.BottlerocketUnit && u.Active == "inactive" && !strings.HasPrefix(u.Enabled, "enabled"):
			continue // the template is part of every Bottlerocket: this host container is off
		case u.Name == gather.BottlerocketUnit:
			list.Value = append(list.Value, facts.Installation{Kind: "bottlerocket", Version: facts.Unknown[string]("the agent is in the host container control", "")})
			continue
		case strings.TrimSuffix(path.Base(exec), ".exe") != agentsvc.ExeCore:
			continue
		case u.Program.Absent() && (u.Name == agentsvc.WindowsService || u.Name == agentsvc.MacLabel):
			// The installer made the service: that its program is gone is another matter.
			if len(list.Value) == 0 {
				version := facts.Unknown[string]("its program does not exist", "")
				if w != nil {
					version = versionInRegistry(w)
				}
				list.Value = append(list.Value, facts.Installation{Kind: kindOfUnit(u), Dir: dir, Version: version,
					Broken: "its service is registered, but its program " + u.Exec + " does not exist"})
			}
			continue
		case !u.Program.Known():
			continue
		}
		if slices.ContainsFunc(list.Value, func(in facts.Installation) bool {
			return in.Dir == dir || in.Kind == "snap" && strings.HasPrefix(dir, "/snap/")
		}) {
			continue
		}
		in := facts.Installation{Kind: kindOfUnit(u), Dir: dir, Version: facts.Unknown[string]("no package database names it", "")}
		if m := versionInPath.FindStringSubmatch(u.Exec); m != nil {
			in.Version = facts.Known(m[1], "file:"+u.Exec)
		}
		list.Value = append(list.Value, in)
	}
	return list
}

// kindOfUnit is the packaging of a program that only a unit names.
func kindOfUnit(u facts.Unit) string {
	switch u.Name {
	case agentsvc.WindowsService:
		return "windows"
	case agentsvc.MacLabel:
		return "macos"
	}
	return "binary"
}

// ConfigFile is the configuration in force. On Windows one beside the
// executables wins; elsewhere the agent demands owners and modes for that which
// packages never have.
func ConfigFile(env *gather.Env) string {
	config := gather.AgentDirs(env).Config
	if beside := path.Join(path.Dir(config), "configuration", path.Base(config)); env.GOOS == "windows" && gather.Exists(env.FS, beside) {
		return beside
	}
	return config
}

// installedVersion is that of the installation whose unit is active, else of
// the first with a version.
func installedVersion(a *facts.Agent) facts.Seen[string] {
	rank := func(in facts.Installation) int {
		for _, u := range a.Units.Some() {
			if u.Active == "active" && strings.HasPrefix(u.Name, "snap.") == (in.Kind == "snap") {
				return 0
			}
		}
		return 1
	}
	list := slices.Clone(a.Installations.Some())
	sorting.By(list, func(x, y facts.Installation) int { return cmp.Compare(rank(x), rank(y)) })
	for _, in := range list {
		if in.Version.Known() {
			return in.Version
		}
	}
	if len(list) > 0 {
		return list[0].Version
	}
	if a.Installations.Known() {
		return facts.Absent[string]("no installation was found", "")
	}
	return gather.Likewise[string](a.Installations)
}
