package checks

import (
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

// leastNoFile is the first agent whose workers do not read root's shared file on EC2.
const leastNoFile = "3.2.1377.0"

var _ = register(Check{
	ID: "shared-credentials", Group: "credentials", Title: "No shared credentials file takes the place of the node's role",
	Causes: []string{"shared-credentials-shadow"},
	Doc: "A default profile in root's shared credentials file. Agents before 3.2.1377 let their workers use it in place of the instance profile, and so does every AWS tool that a command runs as root. " +
		"On hybrid nodes the agent owns that file, which is normal.",
	Eval: func(f *facts.Facts) Finding {
		if hybridActive(f) {
			return skip("on a hybrid node the agent writes this file itself")
		}
		file, ok := f.Credentials.RootFile.Get()
		if !ok {
			if f.Credentials.RootFile.Absent() {
				return pass("no shared credentials file of root")
			}
			return unknown("root's shared credentials file: %s", f.Credentials.RootFile.Reason())
		}
		var keys *facts.Keys
		for i := range file.Profiles {
			if file.Profiles[i].Profile == "default" {
				keys = &file.Profiles[i]
			}
		}
		if keys == nil {
			return pass("%s has no default profile", file.Path)
		}
		if r, ok := f.Credentials.Runtime.Get(); ok && r.ShareFile == file.Path {
			return pass("%s is the agent's own", file.Path)
		}
		role := orWord(RoleName(f), "of the instance profile")
		fd := warn("shared-credentials-shadow", Likely, "%s holds a default profile that takes the place of the role %s", file.Path, role).severity(causes.Info).
			sawAt(file.Path, "profile default, key "+keys.KeyPrefix+"…", f.Credentials.RootFile.From, file.ModifiedAt).with("path", file.Path, "role", RoleName(f))
		old := AgentVersion(f) != "" && olderThan(AgentVersion(f), leastNoFile)
		if old {
			fd = fd.severity(causes.Warning).saw("agent version", AgentVersion(f)+", before "+leastNoFile+" its workers use this file", f.Agent.Installed.From)
		} else {
			fd.Summary = file.Path + " holds a default profile; commands that call AWS as root use it and not the role " + role
		}
		for _, r := range f.Log.Refusals {
			if strings.Contains(r.Message, ":user/") {
				fd = fd.severity(causes.Warning).sawAt("agent log", cut(r.Message, 200), "file:agent log", r.At)
				break
			}
		}
		if id := identity(f, facts.SourceShared); id != nil && id.ARN != "" {
			fd = fd.sawAt("sts:GetCallerIdentity with "+file.Path, id.ARN, id.From, id.At)
		}
		return fd
	},
})
