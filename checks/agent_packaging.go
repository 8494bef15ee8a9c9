package checks

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

// AgentPackaging is agent-packaging.
var AgentPackaging = register(Check{
	ID: "agent-packaging", Group: "agent", Title: "The agent is installed once, and its package is whole",
	Station:  AtAgent,
	Profiles: []Profile{ProfileHost, ProfileImage},
	Causes:   []string{"agent-packaging-conflict"},
	Doc: "Two packagings (snap and deb), a half-configured package, a snap whose current link is broken, a unit that starts the wrong executable or whose link dangles, " +
		"a program that is missing, empty, for another processor, or lacks its loader or a library, also one that the core starts only for commands or sessions. " +
		"Two agents on one host share the state directory and fight over it.",
	Eval: func(n *node.Node) Finding {
		list, units := n.Facts.Agent.Installations, n.Facts.Agent.Units
		if len(list.Some()) == 0 && len(goneFaults(n, nil)) == 0 {
			switch {
			case list.Unknown():
				return unread("installations", list)
			case n.Facts.Live() && n.Agent.Core != node.No && n.Facts.Agent.Processes.Unknown():
				return unread("processes", n.Facts.Agent.Processes)
			}
			return skip("no installation found")
		}
		var kinds []string
		for _, in := range list.Some() {
			kinds = append(kinds, in.Kind)
		}
		if u := n.Agent.Unit; u != nil && u.Active != "active" && n.Facts.Agent.Manager.Value == "scm" {
			if m, ok := refusedBy(n); ok && m.By != "" {
				return unknown("%s did not let the program be executed: see agent-exec", m.By)
			}
			if n.Ending().Class == node.EndExec {
				return unknown("Windows did not let the program be executed (%s): see agent-exec", n.Ending().How)
			}
		}
		faults := append(append(packageFaults(list.Some()), unitFaults(n, units.Some())...), append(partFaults(n), workerFaults(n)...)...)
		faults = append(faults, goneFaults(n, faults)...)
		if len(faults) == 0 {
			switch {
			case list.Unknown():
				return unread("installations", list)
			case units.Unknown():
				return unread("service units", units)
			case n.Facts.Host.Arch == "" && hasParts(n):
				return unknown("the processor of this host is not known, which the agent's programs must be made for")
			case lacksWorker(n) && n.Log.Current(facts.SigWorkerStart).Unread():
				return unreadLog(n)
			case n.Facts.Live() && n.Agent.Core != node.No && n.Facts.Agent.Processes.Unknown():
				return unread("processes", n.Facts.Agent.Processes)
			}
			return pass("installed as %s, and nothing of it is broken", strings.Join(kinds, " and "))
		}
		var what []text.Text
		for _, x := range faults {
			what = append(what, x.what)
		}
		fd := stops(n, "agent-packaging-conflict", Proven, "%s", text.Join(what, "; "))
		for _, x := range faults {
			fd.Evidence = append(fd.Evidence, x.seen...)
		}
		for _, u := range units.Some() {
			if u.Load == "loaded" && n.Facts.Live() {
				fd = fd.saw(n.ShowUnit(u.Name), u.Active+" ("+u.Sub+")", n.ServiceManager(u.Name))
			}
		}
		if m, ok := n.LatestNote(facts.NoteLibrary, facts.NoteExec); ok && n.Agent.Core != node.Yes {
			fd = fd.sawAt("log of the system", m.Text, m.From, m.At)
		}
		fd = withPackagingSteps(n, fd, faults)
		if n.Agent.Core == node.Yes {
			return fd.as(Breaks)
		}
		return fd
	},
})

// packagingFault is one thing that is wrong with how the agent is installed.
type packagingFault struct {
	kind string // twice, half, program, mount, snap, unit, link
	what text.Text
	seen []Evidence
}

// withPackagingSteps chooses the remedy by the faults. Two installations alone are what
// the catalogue's is for.
func withPackagingSteps(n *node.Node, fd Finding, faults []packagingFault) Finding {
	is := map[string]bool{}
	for _, x := range faults {
		is[x.kind] = true
	}
	if is["twice"] || !n.Facts.Live() && !is["program"] && !is["half"] || n.Facts.Host.GOOS != "linux" && !is["program"] {
		return fd
	}
	step := func(text, command string) causes.Step {
		return causes.Step{Text: text, Command: command, Where: causes.OnHost, Root: true, GOOS: "linux"}
	}
	var steps []causes.Step
	if is["half"] {
		steps = append(steps, causes.ConfigureDpkg)
	}
	if is["snap"] {
		steps = append(steps, step("Check which revisions are here; {repair} below makes one of them current, or installs the snap again", "snap list --all amazon-ssm-agent; snap changes amazon-ssm-agent"))
	}
	if is["mount"] {
		steps = append(steps, step("Mount it again, or take away what is mounted over it", "mount -a; findmnt"))
	}
	if is["program"] || is["half"] || is["snap"] {
		steps = append(steps, causes.RepairAgent)
	}
	if is["unit"] {
		steps = append(steps, causes.Step{Text: "Check which file says so", Command: "systemctl cat {unit}", Where: causes.OnHost, GOOS: "linux"},
			step("Let the unit start the agent again: a drop-in that is read last takes back what another file says", causes.DropIn(`[Service]\nExecStart=\nExecStart={agent}\n`, "zz-agent.conf")+"\nsystemctl daemon-reload"))
	}
	if is["link"] {
		steps = append(steps, step("Make the link that starts the service at boot again", "systemctl reenable {unit}"))
	}
	if n.Agent.Core == node.Yes && n.Acceptance.Now == node.Yes { // what is missing is missed at the next start only, or each time anew
		return fd.fix(steps...).fix(causes.Again)
	}
	return fd.fix(steps...).fix(causes.Step{Text: "Start the agent", Command: "{restart}", Where: causes.OnHost, Root: true}).fix(causes.Again)
}

// packageFaults are the faults of the packages themselves. A bare executable and the
// agent of Amazon ECS are in no package.
func packageFaults(list []facts.Installation) []packagingFault {
	var out []packagingFault
	packages := map[string]facts.Installation{}
	for _, in := range list {
		if in.Kind == "binary" || in.Kind == "managed" || in.Kind == "bottlerocket" {
			continue
		}
		packages[in.Kind] = in
		if in.Broken != "" {
			kind := "program"
			switch {
			case in.Kind == "snap":
				kind = "snap"
			case strings.HasPrefix(in.Broken, "dpkg: "):
				kind = "half"
			}
			what := text.New("the %s package is broken: %s", in.Kind, in.Broken)
			if in.Kind == "windows" {
				what = text.New("the installation is not whole: %s", in.Broken)
			}
			out = append(out, packagingFault{kind, what,
				[]Evidence{{What: in.Kind + " package", Seen: strings.TrimSpace(in.Package + " " + in.Broken), From: in.Version.From}}})
		}
	}
	if len(packages) < 2 {
		return out
	}
	var names []string
	var seen []Evidence
	for _, k := range []string{"snap", "deb", "rpm"} {
		if in, ok := packages[k]; ok {
			names = append(names, k)
			seen = append(seen, Evidence{What: k + " package", Seen: strings.TrimSpace(in.Version.Value + " " + in.Package), From: in.Version.From})
		}
	}
	return append([]packagingFault{{"twice", text.New("the agent is installed twice, as %s", strings.Join(names, " and ")), seen}}, out...)
}

// unitFaults are the faults of the services that start the agent.
func unitFaults(n *node.Node, units []facts.Unit) []packagingFault {
	var out []packagingFault
	add := func(kind string, what text.Text, about, seen, from string) {
		out = append(out, packagingFault{kind, what, []Evidence{{What: about, Seen: seen, From: from}}})
	}
	for i := range units {
		u := &units[i]
		if u.DanglingLink {
			add("link", text.New("the link that starts %s at boot points nowhere", u.Name), "wants link of "+u.Name, "dangling", "file:"+u.File)
		}
		if u.Load != "loaded" || u.Exec == "" || strings.HasPrefix(u.Name, "host-containers@") {
			continue
		}
		if !strings.HasSuffix(strings.TrimSuffix(u.Exec, ".exe"), "amazon-ssm-agent") {
			add("unit", text.New("%s starts %s instead of amazon-ssm-agent", u.Name, u.Exec), "executable of "+u.Name, u.Exec, n.ServiceManager(u.Name))
			continue
		}
		if u.Name != n.Agent.UnitName() {
			continue // what a unit that runs nothing would start is no fault
		}
		p, known := u.Program.Get()
		e := n.EndingOf(u)
		switch {
		case u.Program.Absent() && !slices.ContainsFunc(n.Facts.Agent.Installations.Some(), func(in facts.Installation) bool { return strings.Contains(in.Broken, u.Exec) }):
			if there := programElsewhere(n, u.Exec); there != "" {
				add("unit", text.New("%s starts %s, which does not exist; the agent is %s", u.Name, u.Exec, there), "program "+u.Exec, "no such file", u.Program.From)
				continue
			}
			add("program", text.New("%s starts %s, which does not exist", u.Name, u.Exec), "program "+u.Exec, "no such file", u.Program.From)
		case known && u.Active != "active":
			if what, seen := brokenProgram(n, u, p); what != "" {
				add("program", text.New("%s starts %s, but %s", u.Name, u.Exec, what), "program "+u.Exec, seen, u.Program.From)
			} else if e.Class == node.EndMissing {
				add("program", text.New("%s could not start %s: %s (%s)", u.Name, u.Exec, e.How, e.Meaning), "last end of "+u.Name, e.How.String(), n.ServiceManager(u.Name))
			}
		case e.Class == node.EndMissing && n.Facts.Host.GOOS != "linux" && u.Active != "active":
			add("program", text.New("%s could not start %s: %s (%s)", u.Name, u.Exec, e.How, e.Meaning), "last end of "+u.Name, e.How.String(), n.ServiceManager(u.Name))
		}
	}
	return out
}

// programElsewhere is the agent's program of a whole installation, other than the one that
// a unit starts; empty: none is there.
func programElsewhere(n *node.Node, exec string) string {
	for _, in := range n.Facts.Agent.Installations.Some() {
		if program := in.Dir + "/amazon-ssm-agent"; slices.Contains([]string{"deb", "rpm", "binary"}, in.Kind) && in.Broken == "" && in.Dir != "" && in.Version.Known() && program != exec {
			return program
		}
	}
	return ""
}

// partFaults are programs beside the core that are missing, or cannot be executed for what
// they hold. That none of them is there shows nothing: see Installation.Parts.
func partFaults(n *node.Node) []packagingFault {
	in, ok := partsInUse(n)
	if !ok {
		return nil
	}
	var out []packagingFault
	for _, x := range in.Parts {
		p, known := x.Program.Get()
		work := partWork[strings.TrimSuffix(path.Base(x.Path), ".exe")]
		what := ""
		switch {
		case x.Program.Absent() && mustBeThere(n, x):
			what = "does not exist"
		case !known:
		case p.Size == 0:
			what = "is empty, as a package or an update that was cut off leaves it"
		case n.Facts.Host.GOOS == "linux" && p.Format == "elf" && otherProcessor(p.Arch, n.Facts.Host.Arch):
			what = "is made for " + p.Arch + ", and this host is " + n.Facts.Host.Arch
		case p.Format == "script" && work == partWork["ssm-agent-worker"] && lacksWorker(n):
			what = "is a script and not the agent's, and no worker runs"
		case p.Format == "other" && p.Runnable:
			what = "is damaged: it is not an executable"
		}
		if what != "" {
			out = append(out, packagingFault{"program", text.New("the agent's program %s %s: %s", x.Path, what, work),
				[]Evidence{{What: "program " + x.Path, Seen: what, From: x.Program.From}}})
		}
	}
	return out
}

// mustBeThere reports whether every agent of this version has a program.
func mustBeThere(n *node.Node, x facts.Part) bool {
	switch strings.TrimSuffix(path.Base(x.Path), ".exe") {
	case "ssm-agent-worker":
		return n.Agent.Separate == node.Yes
	case "ssm-document-worker":
		return true
	case "ssm-session-worker":
		return n.Agent.OlderThan(leastSession) != node.Yes
	}
	return false
}

func hasParts(n *node.Node) bool {
	in, ok := partsInUse(n)
	return ok && len(in.Parts) > 0
}

// otherProcessor reports whether programs for one processor do not run on another. A
// 64-bit kernel runs those of its 32-bit kin.
func otherProcessor(program, host string) bool {
	kin := map[string]string{"386": "amd64", "arm": "arm64"}
	return program != "" && host != "" && program != host && kin[program] != host
}

// goneFaults are programs that run and are at their place no more: the node works until the
// agent is started again, which the next boot or update does. Those that other faults name
// already are left out.
func goneFaults(n *node.Node, others []packagingFault) []packagingFault {
	var out []packagingFault
	p := n.Facts.Agent.Processes.Some()
	for _, way := range []struct {
		kind, says string
		deleted    bool
	}{{"program", "deleted", true}, {"mount", "no longer there: a file system was unmounted, or another is mounted over it", false}} {
		var paths []string
		var seen []Evidence
		for _, x := range slices.Concat(p.Core, p.Worker) {
			named := slices.ContainsFunc(others, func(f packagingFault) bool { return strings.Contains(f.what.String(), x.Exe) })
			if !x.Gone || x.Deleted != way.deleted || named {
				continue
			}
			paths = append(paths, x.Exe)
			seen = append(seen, Evidence{What: "process " + strconv.Itoa(x.PID), Seen: "runs " + x.Exe + ", where there is no file", From: n.Facts.Agent.Processes.From})
		}
		if len(paths) > 0 {
			out = append(out, packagingFault{way.kind, text.New("the agent runs and cannot be started again: %s, %s", strings.Join(paths, " and "), way.says), seen})
		}
	}
	return out
}

// missingWorker finds the worker that the core did not find.
var missingWorker = pattern.New(`failed to start worker .*fork/exec (/\S{1,200}/ssm-agent-worker): no such file or directory`)

// workerFaults are a worker that the core looked for and did not find, while none runs.
func workerFaults(n *node.Node) []packagingFault {
	e := n.Log.Current(facts.SigWorkerStart)
	m := missingWorker.FindStringSubmatch(e.Text)
	if !e.Yes() || m == nil || n.Log.StartedAfter(e.Match) || !lacksWorker(n) {
		return nil
	}
	return []packagingFault{{"program", text.New("the agent's worker %s does not exist: neither commands nor sessions reach this node", m[1]), Finding{}.logged(e).Evidence}}
}

func lacksWorker(n *node.Node) bool {
	return n.Agent.Core == node.Yes && n.Agent.Worker == node.No && n.Agent.Separate == node.Yes
}
