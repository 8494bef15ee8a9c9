package checks

import (
	"fmt"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// exitExec is systemd's status for a program that could not be executed.
// Source: systemd.exec(5), "Process Exit Codes".
const exitExec = 203

// AgentExec is agent-exec.
var AgentExec = register(Check{
	ID: "agent-exec", Group: "agent", Title: "Nothing stops the agent's programs from executing",
	Station: AtAgent,
	Needs:   []*Check{AgentPackaging}, // a package without its program ends in 203/EXEC too
	Causes:  []string{"agent-exec-blocked"},
	Doc: "Service status 203/EXEC, SELinux denials and labels, noexec on file systems the agent executes from, fapolicyd, and \"permission denied\" on exec in its log. " +
		"AppArmor and third-party agents are seen only through the log.",
	Eval: func(n *node.Node) Finding {
		if n.Agent.Installed == node.No {
			return skip("no agent is installed")
		}
		// The summary stays empty as long as nothing explains why a program is not executed.
		fd := stops(n, "agent-exec-blocked", Proven, "")
		if u := n.Agent.Unit; u != nil && u.ExitStatus == exitExec && u.Active != "active" {
			fd = fd.say("the service manager could not execute the agent (status 203/EXEC)").
				saw(n.ShowUnit(u.Name), "ExecMainStatus=203/EXEC", n.ServiceManager(u.Name)).with("path", u.Exec)
		}
		fd, undecided := addDenials(n, fd)
		log := n.Log.Current(facts.SigExecDenied)
		if e := workerDenied(n); e.Yes() && fd.Summary.IsZero() {
			fd = fd.say("an executable of the agent may not be executed: commands or sessions find no worker (%s)", often(n, e)).sure(Likely).as(Breaks).logged(e).halts("run-command", "session-manager")
		}
		if log.Yes() && fd.Summary.IsZero() {
			fd = fd.say("an executable of the agent may not be executed").sure(Likely)
		}
		fd = addNoExec(n, fd.logged(log))
		switch {
		case fd.Summary.IsZero() && undecided.Status != "":
			return undecided
		case fd.Summary.IsZero():
			return passExec(n, log)
		}
		if s, ok := n.Facts.Host.FApolicyd.Get(); ok && s == "active" {
			fd = fd.saw("fapolicyd", s, n.Facts.Host.FApolicyd.From)
		}
		return fd
	},
})

// workerDenied is the entry of a worker of the last day that the kernel refused to
// execute, and that has not run since.
func workerDenied(n *node.Node) node.Entry {
	for _, e := range []node.Entry{n.Log.Unmended(facts.SigDocStart, facts.SigDocRan, facts.SigScriptRan), n.Log.Unmended(facts.SigSessionWorker, facts.SigSessionOpened, facts.SigPortOpened)} {
		if e.Yes() && (strings.Contains(e.Text, "permission denied") || strings.Contains(strings.ToLower(e.Text), "access is denied")) {
			return e
		}
	}
	return node.Entry{Found: node.No}
}

// addDenials adds what SELinux denied. While the agent runs, a denial is about
// something else; without knowing whether it runs, the denial decides nothing.
func addDenials(n *node.Node, fd Finding) (_, undecided Finding) {
	se, _ := n.Facts.Host.SELinux.Get()
	for _, d := range se.Denials.Some() {
		if d.Permission != "execute" && d.Permission != "execute_no_trans" && d.Permission != "entrypoint" || isPast(n, d.At) {
			continue
		}
		what := text.New("SELinux denied execute on %s (label %s)", d.Path, d.Target)
		switch {
		case se.Mode != "enforcing":
		case !fd.Summary.IsZero(), n.Agent.Core == node.No:
			fd = fd.say("%s", what).with("path", d.Path)
		case n.Agent.Core == node.Unknown:
			undecided = unread("processes", n.Facts.Agent.Processes).add("; %s", what)
		}
		fd = fd.sawAt("SELinux audit", fmt.Sprintf("avc: denied { %s } path=%s tcontext=%s, mode %s", d.Permission, d.Path, d.Target, se.Mode), se.Denials.From, d.At)
	}
	return fd, undecided
}

// isPast reports whether something happened before the agent stopped, or before this
// host started, and so cannot be why the agent does not run.
func isPast(n *node.Node, at time.Time) bool {
	if at.IsZero() {
		return false
	}
	if u := n.Agent.Unit; u != nil && !u.StoppedSince.IsZero() {
		return at.Before(u.StoppedSince.Add(-10 * time.Minute))
	}
	boot, ok := n.Facts.Host.BootTime.Get()
	return ok && at.Before(boot)
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

// passExec is the answer where nothing speaks for a fault: pass, if all that could was
// read. An agent that runs was executed, whatever its service and SELinux say.
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
	return pass("no refusal seen")
}
