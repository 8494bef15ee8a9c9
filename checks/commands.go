package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Commands is commands.
var Commands = register(Check{
	ID: "commands", Group: "agent", Title: "Commands to this node are run",
	Causes: []string{"command-failing"},
	Doc: "What the agent and its document worker logged in the last day about commands and associations that failed before their steps ran: a worker that does not start or does not answer in time, " +
		"a document that this agent or system cannot run, an interpreter or plug-in that is missing, a folder that cannot be written, output that is not taken. A command that runs later clears it. " +
		"A step that ran and failed by itself is not judged.",
	Eval: func(n *node.Node) Finding {
		if n.Agent.Installed == node.No {
			return skip("no agent is installed")
		}
		fd, found, blind := troubles(n, "command-failing", commandTroubles(n))
		switch {
		case found:
			return withNames(n, fd)
		case blind:
			return unreadLog(n)
		}
		if n.Agent.Installed == node.Unknown {
			return unread("installations", n.Facts.Agent.Installations)
		}
		if m := n.Log.Latest(facts.SigDocRan, facts.SigScriptRan); m.Yes() {
			return lately(n, m, "a command ran %s")
		}
		return skip("no command is on record, neither one that ran nor one that failed")
	},
})

// commandTroubles are the ways in which a command fails, the more telling first.
func commandTroubles(n *node.Node) []trouble {
	var (
		ran        = []string{facts.SigDocRan, facts.SigScriptRan}
		noCommands = []string{"run-command"}
		denied     = []string{"permission denied", "access is denied", "read-only file system", "no space left on device", "too many open files"}
	)
	list := []trouble{
		{sig: facts.SigDocStart, holds: noMemory, mended: ran, says: "commands do not run: there is no memory or no process left for the document worker", fix: causes.WorkerNoMemory, stops: noCommands, room: true},
		{sig: facts.SigDocStart, holds: []string{"no such file", "cannot find"}, mended: ran, says: "commands do not run: the agent's document worker is missing on this host", fix: causes.DocumentWorkerMissing, stops: noCommands, room: true},
		{sig: facts.SigDocStart, without: denied, mended: ran, says: "commands do not run: the agent's document worker does not start", fix: causes.DocumentWorkerMissing, stops: noCommands, room: true},
		{sig: facts.SigDocSchema, mended: ran, says: "a command does not run: its document (schema %s) needs a newer agent", value: quotedBy(schemaRE, "or plug-in"), fix: causes.DocumentSchema},
		{sig: facts.SigDocPlatform, mended: ran, says: "a command does not run: its step %s is not for this system", value: quotedBy(pluginRE, "plug-in"), fix: causes.DocumentPlatform},
		{sig: facts.SigPluginMissing, mended: ran, says: "a command does not run: the agent has no plug-in %s", value: quotedBy(pluginRE, "of that name"), fix: causes.DocumentPlugin},
		{sig: facts.SigInterpreter, holds: noMemory, mended: []string{facts.SigScriptRan}, says: "commands do not run: there is no memory or no process left for them", fix: causes.WorkerNoMemory, stops: noCommands},
		{sig: facts.SigInterpreter, without: denied, mended: []string{facts.SigScriptRan}, says: "commands do not run: their interpreter %s cannot be started", value: quotedBy(programRE, "(shell or PowerShell)"), fix: causes.ScriptInterpreter, stops: noCommands},
		{sig: facts.SigCommandFolder, mended: []string{facts.SigScriptRan}, says: "commands do not run: the folder in which the agent keeps them cannot be written, or was deleted under them", fix: causes.CommandFolder, stops: noCommands, room: true},
	}
	if e := n.Log.Last(facts.SigDocWorker); !e.Yes() || !recentlyOutOf(n, e) {
		list = append(list, trouble{sig: facts.SigDocWorker, mended: ran, says: "commands fail: the document worker (ssm-document-worker) did not start or did not answer in time" + short(n), fix: causes.WorkerSlow, stops: noCommands, room: true})
	}
	return append(list,
		trouble{sig: facts.SigDownload, mended: ran, says: "a command does not run: what its document downloads cannot be had", fix: causes.DocumentContent},
		trouble{sig: facts.SigCommandUpload, mended: []string{facts.SigOutputSent}, says: "commands lose their output: the bucket that it goes to does not take it", fix: causes.CommandOutput, stops: []string{"run-command-output-s3"}},
		trouble{sig: facts.SigCommandLogs, mended: []string{facts.SigOutputLogged}, says: "commands lose their output: CloudWatch Logs does not take it", fix: causes.CommandOutput, stops: []string{"run-command-output-logs"}})
}

// short names what the host lacks now, of what workers need.
func short(n *node.Node) string {
	l, ok := n.Facts.Work.Load.Get()
	switch {
	case ok && l.Available < shortBytes:
		return ", and only " + text.Size(l.Available) + " of " + text.Size(l.Total) + " of memory is available"
	case ok && l.Average > busyPerCPU*float64(l.CPUs):
		return ", and the host is under heavy load"
	}
	return ""
}
