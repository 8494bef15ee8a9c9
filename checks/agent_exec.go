package checks

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

// AgentExec is agent-exec.
var AgentExec = register(Check{
	ID: "agent-exec", Group: "agent", Title: "Nothing stops the agent's programs from executing",
	Station: AtAgent,
	Needs:   []*Check{AgentPackaging}, // a package without its program ends in 203/EXEC too
	Causes:  []string{"agent-exec-blocked"},
	Doc: "Whether the service manager could execute the agent (status 203/EXEC of systemd, what Windows and launchd say), the mode of the program, SELinux denials, what AppArmor and fapolicyd refused, " +
		"noexec on file systems the agent executes from, and \"permission denied\" on exec in its log. Other security products are seen only through the service manager and the log. A program that is missing is judged by agent-packaging. " +
		"Also whether a drop-in of the unit keeps an agent that has no connection from the network (PrivateNetwork, RestrictAddressFamilies, IPAddressDeny), or can be what ends a service that does not stay up: a command before it, a file that it names, a limit, a filter, a folder that it may not write to.",
	Eval: func(n *node.Node) Finding {
		if n.Agent.Installed == node.No {
			return skip("no agent is installed")
		}
		// The summary stays empty as long as nothing explains why a program is not executed.
		fd := stops(n, "agent-exec-blocked", Proven, "")
		u, e := n.Agent.Unit, n.Ending()
		refused := u != nil && u.Active != "active" && e.Class == node.EndExec
		if refused {
			if fd, decided := decideProgram(n, u); decided {
				return fd
			}
			fd = refusedByManager(n, fd, u, e)
		}
		fd, undecided := addDenials(n, fd)
		fd = addRefusals(n, fd)
		log := n.Log.Current(facts.SigExecDenied)
		if outlived(n, log) {
			log = node.Entry{Found: node.No}
		}
		fd = addModes(n, fd)
		if e := workerDenied(n); e.Yes() && fd.Summary.IsZero() {
			fd = fd.say("an executable of the agent may not be executed: commands or sessions find no worker (%s)", often(n, e)).sure(Likely).as(Breaks).logged(e).halts("run-command", "session-manager")
		}
		if log.Yes() && fd.Summary.IsZero() {
			fd = fd.say("an executable of the agent may not be executed").sure(Likely)
		}
		fd, own := addOwnNoExec(n, addNoExec(n, fd.logged(log)))
		runnable := refused && u.Program.Value.Runnable
		if o, ok := overrideBy(n, func(o facts.Override) bool { return keepsFromExec(n, o) }); ok && !fd.Summary.IsZero() && (log.Yes() || runnable || own) {
			return withUnit(n, fd.add(": %s in %s", o.Key+"="+o.Value, o.File).saw(o.File, o.Key+"="+o.Value, "file:"+o.File)).fix(takeOut(o)...)
		}
		if fd.Summary.IsZero() {
			for _, blame := range []func(*node.Node) (Finding, bool){blameIsolation, blameSetting} {
				if by, ok := blame(n); ok {
					return withUnit(n, by)
				}
			}
		}
		switch {
		case own:
			return withUnit(n, fd).fix(linuxStep(false, "See which setting of the service makes it so, and which file holds it; take it out there", "systemctl show {unit} -p NoExecPaths -p ExecPaths -p TemporaryFileSystem -p DropInPaths")).fix(causes.Reload...)
		case fd.Summary.IsZero() && undecided.Status != "":
			return undecided
		case fd.Summary.IsZero():
			return passExec(n, log)
		}
		return withExecSteps(n, fd, e)
	},
})

// addModes adds programs beside the core that nobody may execute, which the core starts
// for each command and session.
func addModes(n *node.Node, fd Finding) Finding {
	in, ok := partsInUse(n)
	if !ok || n.Facts.Host.GOOS != "linux" {
		return fd
	}
	for _, x := range in.Parts {
		if p, known := x.Program.Get(); known && !p.Runnable && p.Size > 0 {
			fd = fd.say("%s may not be executed, its mode has no x: %s", x.Path, partWork[path.Base(x.Path)]).with("path", x.Path).
				saw("program "+x.Path, "not executable by its mode", x.Program.From)
		}
	}
	return fd
}

// deniedWords are how Linux and Windows say that a program may not be executed.
var deniedWords = []string{"permission denied", "access is denied", "blocked by group policy", "contains a virus", "cannot verify the digital signature", "application control policy"}

// workerDenied is the entry of a worker of the last day that the kernel refused to
// execute, and that has not run since.
func workerDenied(n *node.Node) node.Entry {
	for _, e := range []node.Entry{n.Log.Unmended(facts.SigDocStart, facts.SigDocRan, facts.SigScriptRan), n.Log.Unmended(facts.SigSessionWorker, facts.SigSessionOpened, facts.SigPortOpened)} {
		if e.Yes() && slices.ContainsFunc(deniedWords, func(w string) bool { return strings.Contains(strings.ToLower(e.Text), w) }) {
			return e
		}
	}
	return node.Entry{Found: node.No}
}

// decideProgram answers for a program that was not executed since it is not there: that
// is no refusal. False: it is there.
func decideProgram(n *node.Node, u *facts.Unit) (Finding, bool) {
	p, known := u.Program.Get()
	switch {
	case n.Facts.Agent.Manager.Value != "systemd", u.Exec == "":
		return Finding{}, false
	case u.Program.Absent():
		return unknown("%s does not exist, so nothing could be executed", u.Exec), true
	case !known:
		return unread("program "+u.Exec, u.Program).add("; the service manager could not execute it (%s)", n.Ending().How), true
	}
	if what, _ := brokenProgram(n, u, p); what != "" {
		return unknown("%s cannot be executed as it is: %s", u.Exec, what), true
	}
	return Finding{}, false
}

// refusedByManager is what the service manager says of a program that is there.
func refusedByManager(n *node.Node, fd Finding, u *facts.Unit, e node.Ending) Finding {
	fd = fd.say("the service manager could not execute %s (%s)", text.Or(u.Exec, "the agent"), e.How)
	if n.Facts.Agent.Manager.Value != "systemd" {
		fd = fd.add(": %s", e.Meaning)
	}
	fd = sawEnd(n, fd.with("path", u.Exec), u, e)
	if u.Program.Absent() { // or decideProgram would have said so
		fd = fd.add("; the program is gone").saw("program "+u.Exec, "no such file", u.Program.From)
	}
	if m, ok := n.LatestNote(facts.NoteExec); ok {
		fd = fd.sawAt("log of the system", m.Text, m.From, m.At)
	}
	if p, ok := u.Program.Get(); ok && !p.Runnable {
		fd = fd.say("%s may not be executed: its mode has no x (%s)", u.Exec, e.How).saw("program "+u.Exec, "not executable by its mode", u.Program.From)
	}
	return fd
}

// addRefusals adds what AppArmor, fapolicyd, and the policies and the scanner of Windows
// logged, while the agent does not run.
func addRefusals(n *node.Node, fd Finding) Finding {
	m, ok := refusedBy(n)
	if !ok {
		return fd
	}
	who := "fapolicyd"
	switch {
	case m.By != "":
		who = m.By
	case strings.Contains(m.Text, "apparmor="):
		who = "AppArmor"
	}
	if u := n.Agent.Unit; m.By != "" && !fd.Summary.IsZero() { // Windows says how it ended, and this is who did it
		fd = fd.add("; it was %s", who)
	} else {
		what := "agent"
		if m.Process == "ssm-agent-worker" {
			what = "agent's worker"
		}
		fd = fd.say("%s does not let the %s be executed", who, what)
		if u != nil && u.Program.Absent() {
			fd = fd.add("; the program is gone").saw("program "+u.Exec, "no such file", u.Program.From)
		}
	}
	return fd.sawAt("log of the system", m.Text, m.From, m.At)
}

// withExecSteps chooses the remedy by what refused the execution; that of the catalogue
// where nothing tells.
func withExecSteps(n *node.Node, fd Finding, e node.Ending) Finding {
	if s, ok := n.Facts.Host.FApolicyd.Get(); ok && s == "running" {
		fd = fd.saw("fapolicyd", s, n.Facts.Host.FApolicyd.From)
	}
	step := func(text, command string) causes.Step {
		return causes.Step{Text: text, Command: command, Where: causes.OnHost, Root: true, GOOS: "linux"}
	}
	var steps []causes.Step
	for _, ev := range fd.Evidence {
		switch {
		case ev.What == "SELinux audit" && strings.HasSuffix(ev.Seen, "mode enforcing") && len(steps) == 0:
			steps = append(steps, step("Restore the SELinux labels that the policy sets", "restorecon -Rv {agent} {data}"),
				step("Check what is still denied; a local policy module can be made from it", "ausearch -m AVC,USER_AVC -ts recent"))
		case strings.HasSuffix(ev.Seen, "by its mode"):
			program, _ := strings.CutPrefix(ev.What, "program ")
			if !causes.Safe(program) {
				program = "{path}"
			}
			steps = append(steps, step("Give the program back the mode of its package", "chmod 0755 "+program))
		case strings.HasPrefix(ev.What, "mount flags of "):
			steps = append(steps, step("Allow execution on {mount}, now and in /etc/fstab, or move the agent's directory", "mount -o remount,exec {mount}; grep -n noexec /etc/fstab"))
		case strings.Contains(ev.Seen, "apparmor="):
			steps = append(steps, step("Look at the profile that refuses it, and allow the agent in it or take the profile out of force", "aa-status; aa-complain {agent}"))
		case ev.What == "fapolicyd":
			steps = append(steps, step("Let fapolicyd trust the agent's programs", "fapolicyd-cli --file add {agent} --trust-file amazon-ssm-agent && fapolicyd-cli --update"))
		}
	}
	m, ok := refusedBy(n)
	refused := ok && m.By != ""
	if refused {
		steps = append(steps, stepsOf(node.StepsAgainst(m.By))...)
	}
	if refused || e.Class == node.EndExec {
		steps = withNew(steps, e.Do...)
	}
	if u := n.Agent.Unit; u != nil && u.Program.Absent() {
		steps = withNew(steps, node.Reinstall)
	}
	if len(steps) == 0 {
		steps = logExecSteps(n, fd)
	}
	if len(steps) == 0 {
		return fd
	}
	if n.Agent.Core == node.Yes && n.Acceptance.Now == node.Yes { // what it starts is executed anew each time
		return fd.fix(steps...).fix(causes.Again)
	}
	return fd.fix(steps...).fix(causes.Step{Text: "Start the agent", Command: "{restart}", Where: causes.OnHost, Root: true}).fix(causes.Again)
}

// refusedProgram finds the program that an entry of the log says was not executed.
var refusedProgram = pattern.New(`fork/exec /usr/bin/(amazon-ssm-agent|ssm-(?:agent|document|session)-worker|ssm-session-logger): permission denied`)

// logExecSteps are the steps where only the log tells, on a Linux whose SELinux refuses
// nothing: what is left that a host does by itself is the mode of the program.
func logExecSteps(n *node.Node, fd Finding) []causes.Step {
	se := n.Facts.Host.SELinux
	if n.Facts.Host.GOOS != "linux" || se.Unknown() || se.Value.Mode == "enforcing" {
		return nil
	}
	for _, ev := range fd.Evidence {
		if m := refusedProgram.FindStringSubmatch(ev.Seen); m != nil {
			return []causes.Step{{Text: "Give the program back the mode of its package", Command: "chmod 0755 /usr/bin/" + m[1], Where: causes.OnHost, Root: true, GOOS: "linux"}}
		}
	}
	return nil
}

// withNew adds the steps of an end that are not among those of a remedy yet.
func withNew(steps []causes.Step, more ...node.Step) []causes.Step {
	for _, s := range stepsOf(more) {
		if !slices.ContainsFunc(steps, func(have causes.Step) bool { return have.Command == s.Command }) {
			steps = append(steps, s)
		}
	}
	return steps
}

// addDenials adds what SELinux denied. While the agent runs, a denial is about
// something else; without knowing whether it runs, the denial decides nothing.
func addDenials(n *node.Node, fd Finding) (_, undecided Finding) {
	se, _ := n.Facts.Host.SELinux.Get()
	for _, d := range se.Denials.Some() {
		if d.Permission != "execute" && d.Permission != "execute_no_trans" && d.Permission != "entrypoint" || isPast(n, d.At) || isOfEarlierStart(n, d.At) {
			continue
		}
		what := text.New("SELinux denied execute on %s (label %s)", d.Path, d.Target)
		switch {
		case se.Mode != "enforcing":
		case !fd.Summary.IsZero(), n.Agent.Core == node.No:
			fd = fd.say("%s", what).with("path", d.Path)
			if e := n.Ending(); e.Class == node.EndExec {
				fd = fd.add(" (%s)", e.How)
			}
		case n.Agent.Core == node.Unknown:
			undecided = unread("processes", n.Facts.Agent.Processes).add("; %s", what)
		}
		fd = fd.sawAt("SELinux audit", fmt.Sprintf("avc: denied { %s } path=%s tcontext=%s, mode %s", d.Permission, d.Path, d.Target, se.Mode), se.Denials.From, d.At)
	}
	return fd, undecided
}

// holdsPrograms reports whether the agent executes from a directory: its own programs,
// or, below its state directory, scripts and packages.
func holdsPrograms(n *node.Node, dir string) (programs, scripts bool) {
	return dir == "/usr/bin" || strings.HasPrefix(dir, "/snap"), dir == n.Layout().Data
}

// addNoExec adds mounts from which nothing can be executed.
func addNoExec(n *node.Node, fd Finding) Finding {
	var only facts.FileSystem // that holds the state directory
	for _, fs := range n.Facts.Host.FileSystems.Some() {
		programs, scripts := holdsPrograms(n, fs.Dir)
		if no, ok := fs.NoExec.Get(); !ok || !no || !programs && !scripts {
			continue
		}
		fd = fd.saw("mount flags of "+fs.Mount, "noexec", fs.NoExec.From).with("mount", fs.Mount)
		switch {
		case !fd.Summary.IsZero():
			fd = fd.add("; %s is mounted noexec", fs.Mount)
		case programs:
			fd = fd.say("%s is mounted noexec", fs.Mount)
		default:
			only = fs
		}
	}
	if fd.Summary.IsZero() && only.Dir != "" {
		return fd.as(Breaks).say("%s is mounted noexec: scripts and packages that the agent stores in %s cannot run", only.Mount, only.Dir)
	}
	return fd
}

// addOwnNoExec adds a mount that the agent's unit gives the agent alone, from which nothing is
// executed. Source: systemd.exec(5), NoExecPaths=.
func addOwnNoExec(n *node.Node, fd Finding) (_ Finding, own bool) {
	for _, s := range n.Facts.Agent.Sealed.Some() {
		if s.NoExec && s.Dir == n.Layout().Data && fd.Summary.IsZero() {
			return fd.as(Breaks).say("%s is mounted noexec for the agent's service alone: scripts and packages that the agent stores in %s cannot run", s.Mount, s.Dir).
				saw("mounts of the agent", s.Mount+" noexec", n.Facts.Agent.Sealed.From), true
		}
	}
	return fd, false
}

// passExec is the answer where nothing speaks for a fault: pass, if all that could was
// read. An agent that runs was executed, whatever its service and SELinux say; its worker
// was not where it is missing.
func passExec(n *node.Node, log node.Entry) Finding {
	se := n.Facts.Host.SELinux
	if n.Agent.Core != node.Yes {
		switch {
		case n.Agent.Installed == node.Unknown:
			return unread("installations", n.Facts.Agent.Installations)
		case n.Agent.HasUnit == node.Unknown:
			return unread("service units", n.Facts.Agent.Units)
		case se.Unknown():
			return unread("SELinux", se)
		case se.Value.Mode == "enforcing" && se.Value.Denials.Unknown():
			return unread("SELinux denials", se.Value.Denials)
		}
	}
	// Of a worker only the logs of Windows say more than the agent's own.
	if worker := n.Facts.Agent.Manager.Value == "scm" && n.Agent.Worker == node.No && n.Agent.Separate == node.Yes; n.Agent.Core != node.Yes || worker {
		if notes := n.Facts.Agent.Notes; notes.Unknown() && notes.Obstacle() != facts.NotAskable {
			return unread("logs of the system", notes)
		}
	}
	if log.Unread() {
		return unreadLog(n)
	}
	list := n.Facts.Host.FileSystems
	if list.Unknown() {
		return unread("mount flags", list)
	}
	for _, fs := range list.Some() {
		if programs, scripts := holdsPrograms(n, fs.Dir); (programs || scripts) && n.Facts.Host.GOOS == "linux" && fs.NoExec.Unknown() {
			return unread("mount flags of "+fs.Dir, fs.NoExec)
		}
	}
	units := n.Facts.Agent.Units
	if sealed := n.Facts.Agent.Sealed; n.Agent.Core == node.Yes && sealed.Unknown() && sealed.Obstacle() != facts.NotAskable {
		if _, ok := overrideBy(n, func(o facts.Override) bool { return o.Key == "NoExecPaths" && o.Value != "" }); ok || units.Unknown() && units.Obstacle() != facts.NotAskable {
			return unread("mounts of the agent", sealed)
		}
	}
	if n.Agent.Core == node.Yes {
		return pass("the agent runs")
	}
	return pass("neither mount options nor a security module refuse it")
}
