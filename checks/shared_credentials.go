package checks

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// leastNoFile is the first agent whose workers do not read root's shared file on EC2.
// Source: RELEASENOTES.md of amazon-ssm-agent, 3.2.1377.0.
const leastNoFile = "3.2.1377.0"

// SharedCredentials is shared-credentials.
var SharedCredentials = register(Check{
	ID: "shared-credentials", Group: "credentials", Title: "No shared credentials file takes the place of the node's role",
	Station: AtCredentials,
	Causes:  []string{"shared-credentials-shadow"},
	Doc: "A default profile in root's shared credentials file. Agents before 3.2.1377 let their workers use it in place of the instance profile, and so does every AWS tool that a command runs as root. " +
		"On hybrid nodes the agent owns that file, which is normal.",
	Eval: func(n *node.Node) Finding {
		file, ok := n.Facts.Credentials.RootFile.Get()
		switch {
		case n.Identity.Hybrid == node.Yes:
			return skip("on a hybrid node the agent writes this file itself")
		case n.MayBeHybrid():
			return unlessTaken(n, unknown("whether this is a hybrid node, whose agent writes this file itself, is not known"))
		case n.Facts.Credentials.RootFile.Unknown():
			return unlessTaken(n, unread("root's shared credentials file", n.Facts.Credentials.RootFile))
		case !ok:
			return pass("no shared credentials file of %s: %s", n.Layout().Account, n.Layout().Shared)
		}
		var keys *facts.Keys
		for i := range file.Profiles {
			if file.Profiles[i].Profile == "default" {
				keys = &file.Profiles[i]
			}
		}
		rt, _ := n.Facts.Credentials.Runtime.Get()
		switch {
		case keys == nil && file.ParseError != "":
			return unknown("%s cannot be parsed: %s", file.Path, file.ParseError)
		case keys == nil:
			return pass("%s has no default profile", file.Path)
		case rt.ShareFile == file.Path:
			return pass("%s is the agent's own", file.Path)
		case n.Facts.Credentials.Runtime.Unknown():
			return unlessTaken(n, unknown("%s holds a default profile, and whether the agent wrote it is not known", file.Path))
		}
		role := text.Or(n.Identity.Role, "of the instance profile")
		fd := notes("shared-credentials-shadow", Likely, "%s holds a default profile; commands that call AWS as root use it and not the role %s", file.Path, role).
			standing().sawAt(file.Path, "profile default, key "+keys.KeyPrefix+"…", n.Facts.Credentials.RootFile.From, file.ModifiedAt).with("path", file.Path, "role", n.Identity.Role)
		if n.Agent.OlderThan(leastNoFile) == node.Yes {
			fd = fd.say("%s holds a default profile that takes the place of the role %s", file.Path, role).as(Breaks).
				saw("agent version", n.Agent.Version+", before "+leastNoFile+" its workers use this file", n.Facts.Agent.Installed.From)
		}
		if r := refusedUser(n); r != nil {
			fd = fd.as(Breaks).sawAt("agent log", text.Cut(r.Text, 200), "file:"+r.File, r.At)
		}
		if id := n.Called(facts.SourceShared); id != nil && id.ARN != "" {
			fd = fd.sawAt("sts:GetCallerIdentity with "+file.Path, id.ARN, id.From, id.At)
		}
		return fd
	},
})

// unlessTaken adds to an unknown what speaks for a file that takes the role's place: a
// release that does so with any file it finds, and a refusal of an IAM user.
func unlessTaken(n *node.Node, fd Finding) Finding {
	if r := refusedUser(n); r != nil {
		return fd.add("; the agent was refused %s as an IAM user", text.Or(r.Action, "an action")).failing(Breaks)
	}
	if n.Agent.OlderThan(leastNoFile) == node.Yes && !n.Facts.Credentials.RootFile.Absent() {
		return fd.add("; workers of agent %s take such a file in place of the node's role", n.Agent.Version).failing(Breaks)
	}
	return fd
}

// refusedUser is a refusal of the agent's log that names an IAM user; nil: there is none.
func refusedUser(n *node.Node) *facts.Refusal {
	for _, r := range n.Facts.Log.Refusals.Some() {
		if (node.Refusal{Refusal: r.Refusal}).ByUser() {
			return &r
		}
	}
	return nil
}
