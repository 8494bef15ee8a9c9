package checks

import (
	"regexp"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// This file holds what several checks of one subject share: file systems, the
// agent's packaging, registrations, roles, images.

// fullBytes is the free space below which the agent can no longer write a
// command's state: one document with its output is below 1 MiB.
const fullBytes = 1 << 20

// eachFileSystem asks judge about every file system whose usage is known and
// returns its first answer.
func eachFileSystem(n *node.Node, what string, judge func(facts.FileSystem, facts.Usage) (Finding, bool)) Finding {
	list := n.Facts.Host.FileSystems
	looked, why := 0, facts.Unseen(list)
	blind := list.Unknown()
	for _, fs := range list.Some() {
		u, ok := fs.Usage.Get()
		if !ok {
			why, blind = fs.Usage, blind || fs.Usage.Unknown() && fs.Usage.Obstacle() != facts.NotAskable
			continue
		}
		looked++
		if fd, ok := judge(fs, u); ok {
			return fd
		}
	}
	if looked == 0 || blind {
		fd := unread(what, why)
		for _, sig := range []string{facts.SigNoSpace, facts.SigCredsWrite, facts.SigStream} {
			if m := n.Log.Recent(sig); m.Yes() {
				return fd.add("; by its log the agent could not write %s", n.Ago(m.Last)).logged(m).failing(Breaks)
			}
		}
		return fd
	}
	return pass("enough %s on %d file systems", what, looked)
}

// lacksInodes reports whether no new file can be made. File systems without a fixed
// number of inodes give 0 of 0.
func lacksInodes(u facts.Usage) bool { return u.TotalInodes != 0 && u.FreeInodes <= 16 }

// withPackaging adds how this agent is packaged, for the remedy.
func withPackaging(n *node.Node, fd Finding) Finding {
	for _, in := range n.Facts.Agent.Installations.Some() {
		fd = fd.saw("installed as", in.Kind+" "+in.Version.Value, in.Version.From).with("package", in.Kind)
	}
	return fd
}

var managedID = regexp.MustCompile(`\bmi-[0-9a-f]{8,17}\b`)

// unreadHybrid is unread for whether a hybrid registration is in use: the vault tells,
// and the configuration whether the agent may use what it holds.
func unreadHybrid(n *node.Node) Finding {
	if r := n.Facts.Registration.Hybrid; r.Unknown() {
		return unread("registration", r)
	}
	return unread("whether the agent may use its registration", n.Facts.Agent.Config)
}

// registeredAgain reports whether a refusal is about an earlier registration than
// the stored one, which the running agent does not know yet.
func registeredAgain(n *node.Node, m facts.Match) bool {
	k, ok := n.Facts.Registration.Hybrid.Get()
	if !ok || !k.Complete() {
		return false
	}
	if id := managedID.FindString(m.Text); id != "" && id != k.InstanceID {
		return true
	}
	r := n.Facts.Credentials.Runtime.Value.InstanceID
	return strings.HasPrefix(r, "mi-") && r != k.InstanceID || k.CreatedAt.After(m.Last)
}

// notRestarted is the finding of an agent that was not restarted after a new registration.
func notRestarted(n *node.Node, e node.Entry, cause string) Finding {
	old := "an earlier registration"
	if r := n.Facts.Credentials.Runtime.Value.InstanceID; strings.HasPrefix(r, "mi-") && r != n.Identity.ID {
		old = r
	}
	return stops(n, cause, Likely, "the agent still uses %s, which the service refuses; this host was registered again as %s, and a restart makes the agent use that", old, nameOf(n)).
		logged(e).saw("registration in the vault", nameOf(n)+" "+n.Identity.Region, n.Facts.Registration.Hybrid.From).fix(causes.RestartRegistered...)
}

// nameOf is the node's id, or words for one that is not known.
func nameOf(n *node.Node) string { return text.Or(n.Identity.ID, "this node's id") }

// roleNotAssumed reports whether an entry of the log says that the service could not
// assume a role.
func roleNotAssumed(entry string) bool {
	low := strings.ToLower(entry)
	for _, s := range []string{"unable to assume role", "unable to assume the role", "cannot assume role", "sts:assumerole"} {
		if strings.Contains(low, s) {
			return true
		}
	}
	return false
}

// leastDHMC is the first agent that can use Default Host Management.
// Source: AWS Systems Manager User Guide, on Default Host Management Configuration.
const leastDHMC = "3.2.582.0"

// imdsAddress is the IPv4 address of the metadata service.
const imdsAddress = "169.254.169.254"

// imageFix is a remedy for an image: steps with root rights, one per system or
// for all, then the gate once more.
func imageFix(steps ...causes.Step) []causes.Step {
	for i := range steps {
		steps[i].Where, steps[i].Root = causes.OnHost, true
	}
	return append(steps, causes.ImageAgain)
}

// cleanImage removes all that the machine an image was made from left of its
// own. The checks that find parts of it name one cause, and so one remedy.
func cleanImage(n *node.Node) []causes.Step {
	var left []string // in the agent's data directory
	f := n.Facts
	r := &f.Registration
	if r.Hybrid.Known() || r.EC2.Known() || r.Fingerprint.Known() {
		left = append(left, "Vault")
	}
	if r.Informational.Known() {
		left = append(left, "registration")
	}
	for _, id := range r.NodeFolders.Value {
		if causes.Safe(id) {
			left = append(left, id)
		}
	}
	unix, windows := "rm -rf", "Remove-Item -Recurse -Force "
	for i, name := range left {
		unix += " {root}{data}/" + name
		if i > 0 {
			windows += ","
		}
		windows += "(Join-Path {data} " + name + ")"
	}
	if f.Credentials.Runtime.Known() {
		unix += " {root}{runtime}"
		if len(left) > 0 {
			windows += ","
		}
		windows += "{runtime}"
	}
	var steps []causes.Step
	if f.Live() {
		steps = append(steps, causes.Step{Text: "Stop the agent, or it writes its state again", Command: "{stop}"})
	}
	const what = "Remove what belongs to the machine that the image was made from"
	return imageFix(append(steps,
		causes.Step{Text: what, Command: unix, GOOS: "linux darwin"},
		causes.Step{Text: what, Command: windows, GOOS: "windows"})...)
}

// notInTask is the answer of a check that is for tasks of Amazon ECS only; false: this
// is one.
func notInTask(n *node.Node) (Finding, bool) {
	switch n.Identity.InECS {
	case node.Yes:
		return Finding{}, false
	case node.No:
		return skip("not an ECS task"), true
	}
	return unread("whether this is a task of Amazon ECS", n.Facts.ECS.Task), true
}

// textFrom is the text from a fragment on, so that a summary starts where the news is.
func textFrom(s, fragment string) string {
	if i := strings.Index(strings.ToLower(s), strings.ToLower(fragment)); i >= 0 {
		return s[i:]
	}
	return s
}
