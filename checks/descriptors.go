package checks

import (
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Descriptors is descriptors.
var Descriptors = register(Check{
	ID: "descriptors", Group: "agent", Title: "The agent has file descriptors left",
	Causes: []string{"descriptors-exhausted"},
	Doc: "Open files of the agent's processes against their limit, those of the whole system against the kernel's, and \"too many open files\" in the agent's log of the last day. " +
		"A process that has none left starts no worker. Which files they are, and who leaves them open, is not looked at.",
	Eval: func(n *node.Node) Finding {
		used, sys := n.Facts.Work.Descriptors, n.Facts.Work.SystemFiles
		most := fullest(used.Some())
		logged := n.Log.Unmended(facts.SigFiles, facts.SigStart, facts.SigDocRan, facts.SigScriptRan, facts.SigSessionOpened)
		ofSystem := n.Log.Unmended(facts.SigFilesSystem, facts.SigStart, facts.SigDocRan, facts.SigScriptRan, facts.SigSessionOpened)
		full := most.Limit > 0 && most.Open >= most.Limit-max(8, most.Limit/200)
		sysFull := sys.Known() && sys.Value.Limit > 0 && sys.Value.Open >= sys.Value.Limit-max(64, sys.Value.Limit/200)
		fd := breaks("descriptors-exhausted", Likely, "").halts("session-manager", "run-command")
		if most.Program != "" {
			fd = fd.saw("open files of "+most.Program, text.New("%d of %d", most.Open, most.Limit).String(), used.From)
		}
		switch {
		case sysFull:
			return fd.sure(Proven).say("this host has no open files left for any process: the agent can start no command and no session").logged(ofSystem).fix(causes.DescriptorsOfSystem...).
				saw("/proc/sys/fs/file-nr", text.New("%d of %d", sys.Value.Open, sys.Value.Limit).String(), sys.From)
		case ofSystem.Yes() && sys.Known() && (sys.Value.Limit == 0 || sys.Value.Open*2 < sys.Value.Limit) && n.Age(ofSystem.Last) > time.Hour:
			return fd.as(Notes).say("this host ran out of open files %s; %d are open now", n.Ago(ofSystem.Last), sys.Value.Open).logged(ofSystem).none()
		case ofSystem.Yes():
			return fd.say("this host has no open files left for any process (%s): the agent can start no command and no session", often(n, ofSystem)).logged(ofSystem).fix(causes.DescriptorsOfSystem...)
		case full:
			return fd.sure(Proven).say("the agent has used up its file descriptors: %s holds %d of %d open files, and can start no command and no session", most.Program, most.Open, most.Limit).logged(logged)
		case logged.Yes() && most.Limit > 0 && used.Known() && most.Open*2 < most.Limit && n.Age(logged.Last) > time.Hour:
			return fd.as(Notes).say("the agent ran out of file descriptors %s; it holds %d of %d open files now", n.Ago(logged.Last), most.Open, most.Limit).logged(logged).none()
		case logged.Yes():
			return fd.say("the agent ran out of file descriptors: it could not open files or start workers (%s)", often(n, logged)).logged(logged)
		case logged.Unread() || ofSystem.Unread():
			return unreadLog(n)
		case n.Facts.Host.GOOS == "":
			return unknown("the operating system is not known")
		case n.Facts.Host.GOOS != "linux":
			return pass("no sign of it in the agent's log")
		case n.Agent.Core == node.No:
			return skip("the agent does not run")
		case n.Agent.Core == node.Unknown:
			return unread("processes", n.Facts.Agent.Processes)
		case !used.Known():
			return unread("open files of the agent", used)
		case most.Program == "":
			return unread("open files of the agent", n.Facts.Agent.Processes)
		}
		return pass("%s holds %d of %d open files", most.Program, most.Open, most.Limit)
	},
})

// fullest is the process that has the smallest part of its descriptors left.
func fullest(list []facts.Descriptors) facts.Descriptors {
	var out facts.Descriptors
	for _, d := range list {
		if out.Program == "" || d.Limit > 0 && (out.Limit == 0 || share(d) > share(out)) {
			out = d
		}
	}
	return out
}

func share(d facts.Descriptors) float64 { return float64(d.Open) / float64(d.Limit) }
