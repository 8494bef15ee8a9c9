package checks

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// StateDirAccess is state-dir-access.
var StateDirAccess = register(Check{
	ID: "state-dir-access", Group: "host", Title: "The agent owns its state directory and can write to it",
	Station: AtHost,
	Needs:   []*Check{FilesystemWritable},
	Causes:  []string{"state-dir-permissions"},
	Doc: "Owner of the agent's state directories, on Windows their access lists, the user its service runs as, and refusals in its log. The agent must run as root: it changes owner and mode of its " +
		"vault at every start and gives up when it may not. The vault's own odd mode (a directory with 0600) is normal. From 3.3.4177.0 on it makes root the owner of its whole workspace, unless its configuration says otherwise.",
	Eval: func(n *node.Node) Finding {
		refused, u, foreign := n.Log.Current(facts.SigVaultPermission), n.Agent.Unit, foreignPaths(n)
		dir := n.Layout().Data
		if outlived(n, refused) {
			refused = node.Entry{Found: node.No}
		}
		if fd, ok := blameObstacle(n); ok {
			return fd
		}
		locked, shut := lockedPaths(n)
		why := text.New("the agent is refused access to %s, which must belong to %s", dir, n.Layout().Account)
		otherUser := u != nil && !mayOwnState(n, u.User) && n.Ending().Class != node.EndSetup // that user does not exist
		switch {
		case otherUser:
			why = text.New("the agent's service runs as user %s, but %s needs %s", text.Quote(u.User), dir, n.Layout().Account)
		case len(foreign) > 0:
			why = text.New("%s belongs to uid %d, not to root; the agent runs as root and owns %s", foreign[0].Path, foreign[0].Owner.Value, dir)
		case len(locked) > 0:
			why = text.New("the access list of %s keeps the agent's account %s out", locked[0].Path, n.Layout().Account)
		case !refused.Yes() && len(shut) > 0:
			return sawAccess(n, unknown("the access list of %s keeps %s from %s; whether the agent gives itself the right again is not known", shut[0].Path, n.Layout().Account, shut[0].Access.Value.Lacks).failing(Breaks), shut)
		case !refused.Yes():
			return passStateDir(n, refused)
		}
		fd := stops(n, "state-dir-permissions", Likely, "%s", why)
		if otherUser {
			fd = fd.saw(n.ShowUnit(u.Name), "User="+u.User, n.ServiceManager(u.Name)).with("unit", u.Name).sure(Proven)
		}
		for _, p := range foreign {
			fd = fd.saw("owner of "+p.Path, fmt.Sprintf("uid %d, %s", p.Owner.Value, p.Mode), "file:"+p.Path).with("path", p.Path)
		}
		fd = sawAccess(n, fd, append(locked, shut...))
		if len(locked) > 0 && (n.Acceptance.Now == node.No || refused.Yes()) {
			fd = fd.sure(Proven)
		}
		if otherUser || refused.Yes() || len(locked) > 0 {
			if fd.Values["path"] == "" {
				fd = fd.with("path", dir)
			}
			if o, ok := overrideBy(n, func(o facts.Override) bool {
				return o.Key == "DynamicUser" && slices.Contains(yes, strings.ToLower(o.Value))
			}); ok && otherUser && len(takeOut(o)) > 0 {
				return fd.saw(o.File, o.Key+"="+o.Value, "file:"+o.File).fix(takeOut(o)...)
			}
			return withOwnershipSwitch(n, fd.logged(refused), refused.Yes() || len(locked)+len(shut) > 0)
		}
		if n.EnforcesOwnership() == node.No && n.Facts.Agent.Config.Value.OwnershipOff {
			return pass("%s, which Agent.EnforceWorkspaceRootOwnership in %s allows", why, n.Facts.Agent.ConfigPath)
		}
		// An unusual owner alone has not stopped anything.
		inDir := strings.HasPrefix(foreign[0].Path, dir)
		switch {
		case inDir && n.EnforcesOwnership() == node.Unknown:
			return unread("whether the configuration allows another owner", n.Facts.Agent.Config).add("; %s", why)
		case inDir && n.Acceptance.Now == node.No:
			return withOwnershipSwitch(n, fd, true)
		case refused.Unread():
			return unreadLog(n)
		case !inDir && n.Facts.Host.GOOS == "":
			return unknown("%s; where the agent of this system keeps its state is not known", why)
		case inDir && n.Acceptance.Now == node.Unknown:
			return unknown("%s; whether that stops the agent is not known", why)
		}
		return pass("%s", why)
	},
})

// blameObstacle finds what stands in the place of a folder that the agent needs, or a flag that
// keeps it from making what it needs in one; false: there is neither.
func blameObstacle(n *node.Node) (Finding, bool) {
	again := []causes.Step{restartLinux, causes.Again}
	if n.Facts.Host.GOOS != "linux" {
		return Finding{}, false
	}
	var at facts.PathInfo
	for _, p := range n.Facts.Registration.Paths.Some() {
		if is := obstacle(n, p); is != "" && (at.Path == "" || len(p.Path) < len(at.Path)) {
			at = p
		}
	}
	if at.Path != "" && causes.Safe(at.Path) {
		fd := stops(n, "state-dir-permissions", Proven, "%s is %s, where the agent needs a folder", at.Path, obstacle(n, at))
		if isLogFolder(n, at.Path) { // it runs without a log
			fd = breaks("state-dir-permissions", Proven, "%s is %s, where the agent needs a folder: it runs without a log, so that nothing tells how it fares", at.Path, obstacle(n, at))
		}
		return fd.saw(at.Path, text.Or(at.Mode, at.Error), "file:"+at.Path).with("path", at.Path).
			fix(linuxStep(true, "Move it away; the agent makes the folder at its start", "mv "+at.Path+" "+at.Path+".moved")).fix(again...).standing(), true
	}
	fd := stops(n, "state-dir-permissions", Proven, "")
	var flagged []string
	for _, e := range []node.Entry{n.Log.Current(facts.SigBusStart), n.Log.Current(facts.SigStartFailed), n.Log.Current(facts.SigVaultPermission)} {
		if !e.Yes() || outlived(n, e) || !strings.Contains(e.Text, "operation not permitted") {
			continue
		}
		for _, p := range n.Facts.Registration.Paths.Some() {
			if p.Flag == "" || !causes.Safe(p.Path) || !strings.Contains(e.Text, p.Path) || slices.Contains(flagged, p.Path) {
				continue
			}
			if len(flagged) == 0 {
				fd = fd.say("%s is %s: not even root may change it, and the agent cannot make what it needs there", p.Path, p.Flag).with("path", p.Path).logged(e)
			}
			flagged = append(flagged, p.Path)
			fd = fd.saw("flag of "+p.Path, p.Flag, "file:"+p.Path)
		}
	}
	if len(flagged) == 0 {
		return Finding{}, false
	}
	for _, p := range n.Facts.Registration.Paths.Some() { // which would come next
		if p.Flag != "" && causes.Safe(p.Path) && !slices.Contains(flagged, p.Path) && strings.HasPrefix(p.Path, n.Layout().Data) {
			flagged = append(flagged, p.Path)
		}
	}
	return fd.fix(linuxStep(true, "Take the flags away that keep files from being changed", "chattr -i -a "+strings.Join(flagged, " "))).fix(again...).standing(), true
}

// obstacle is what stands in the place of a folder that this agent needs; empty: nothing else.
func obstacle(n *node.Node, p facts.PathInfo) string {
	data, base := n.Layout().Data, path.Base(p.Path)
	switch {
	case !p.Folder, strings.HasPrefix(p.Path, data+"/Vault"): // registration-store judges that
		return ""
	case strings.HasPrefix(p.Path, data+"/") && (strings.HasPrefix(base, "i-") || strings.HasPrefix(base, "mi-")) && base != n.Identity.ID:
		return "" // of another node
	case p.Exists && !strings.HasPrefix(p.Mode, "d"):
		return "a file"
	case p.Error == "dangling link":
		return "a link that leads to nothing"
	}
	return ""
}

// isLogFolder reports whether a folder is for the agent's log only.
func isLogFolder(n *node.Node, name string) bool {
	return strings.HasPrefix(n.Layout().Log+"/", name+"/") && !strings.HasPrefix(n.Layout().Data+"/", name+"/")
}

// withOwnershipSwitch adds what newer agents do about the owner of their workspace: they
// make it root's at every start. A container that may not change owners can say that
// this is not wanted. kept: the agent is kept from files, not only run as somebody else.
// Source: amazon-ssm-agent, README.md on EnforceWorkspaceRootOwnership.
func withOwnershipSwitch(n *node.Node, fd Finding, kept bool) Finding {
	steps, own := stateSteps(n, fd, kept)
	switch n.EnforcesOwnership() {
	case node.Unknown:
		return fd.fix(own...)
	case node.No:
		if n.Facts.Agent.Config.Value.OwnershipOff {
			fd = fd.saw("Agent.EnforceWorkspaceRootOwnership", "false", "file:"+n.Facts.Agent.ConfigPath)
		}
		return fd.fix(own...)
	}
	fd = fd.saw("agent "+n.Agent.Version, "makes root the owner of its workspace at every start, and ends where it may not", n.Facts.Agent.Running.From)
	c, ok := n.Facts.Host.Container.Get()
	if !ok {
		return fd.fix(own...)
	}
	const off = "Or, where the container (%s) sets the owner itself and may not change it, switch that off: set Agent.EnforceWorkspaceRootOwnership to false in {config}"
	return fd.fix(steps[:len(steps)-1]...).fix(causes.Step{Text: fmt.Sprintf(off, c.Runtime), Command: "cp -n {config}.template {config}; grep -n EnforceWorkspaceRootOwnership {config}",
		Where: causes.OnHost, Root: true, Alternative: true, GOOS: "linux"}, steps[len(steps)-1])
}

// stateSteps are the steps of a remedy for this host, and the same where they are not those
// of the catalogue: a service that has its account is not told to, nor are access lists
// changed that keep nobody from anything.
func stateSteps(n *node.Node, fd Finding, kept bool) (steps, own []causes.Step) {
	all := causes.Get(fd.Cause).Fix
	u := n.Agent.Unit
	fine := u != nil && mayOwnState(n, u.User)
	steps = slices.DeleteFunc(slices.Clone(all), func(s causes.Step) bool {
		return fine && (s.Command == causes.RunAsRoot.Command || s.Command == causes.RunAsSystem.Command) || !kept && s.Command == causes.OwnAgain.Command
	})
	if len(steps) < len(all) {
		own = steps
	}
	return steps, own
}

// mayOwnState reports whether an account is the one that the agent has to run as.
func mayOwnState(n *node.Node, account string) bool {
	if n.Facts.Host.GOOS == "" && account == facts.LayoutOf("windows").Account {
		return true // the system is not known
	}
	return slices.Contains([]string{"", "0", n.Layout().Account}, account)
}

// foreignPaths are the agent's files and directories that do not belong to root.
func foreignPaths(n *node.Node) []facts.PathInfo {
	var out []facts.PathInfo
	for _, p := range n.Facts.Registration.Paths.Some() {
		if uid, ok := p.Owner.Get(); ok && p.Exists && uid != 0 && n.Facts.Host.GOOS != "windows" {
			out = append(out, p)
		}
	}
	return out
}

// lockedPaths are the agent's files and directories on Windows that its account may not use:
// locked it may neither give itself the right to, shut it may.
func lockedPaths(n *node.Node) (locked, shut []facts.PathInfo) {
	for _, p := range n.Facts.Registration.Paths.Some() {
		a, ok := p.Access.Get()
		switch {
		case !ok || !p.Exists, a.System && a.Lacks == "":
		case a.Lacks == "writing" && path.Base(p.Path) == "amazon-ssm-agent.json": // which it only reads
		case a.System:
			shut = append(shut, p)
		default:
			locked = append(locked, p)
		}
	}
	return locked[:min(len(locked), 4)], shut[:min(len(shut), 4)]
}

// sawAccess shows what keeps the agent's account from some paths.
func sawAccess(n *node.Node, fd Finding, list []facts.PathInfo) Finding {
	for _, p := range list {
		a := p.Access.Value
		says := "of " + a.Owner + ", no right for " + n.Layout().Account
		if a.Denies != "" {
			says = "of " + a.Owner + ", " + a.Denies + " is denied it"
		}
		fd = fd.saw("access list of "+p.Path, says, p.Access.From)
		if fd.Values["path"] == "" { // what lies in it comes later
			fd = fd.with("path", p.Path)
		}
	}
	return fd
}

// passStateDir is the answer where nothing speaks for a fault: pass, if all that could
// was read.
func passStateDir(n *node.Node, refused node.Entry) Finding {
	paths := n.Facts.Registration.Paths
	exists, listed, damaged := false, true, facts.PathInfo{}
	for _, p := range paths.Some() {
		if p.Owner.Unknown() && (p.Exists || p.Error != "") {
			return unread("owner of "+p.Path, p.Owner)
		}
		if p.Exists && p.Access.LookedAt() && p.Access.Unknown() && p.Access.Obstacle() != facts.NotAskable {
			return unread("access list of "+p.Path, p.Access)
		}
		exists = exists || p.Exists
		listed = listed && (!p.Exists || p.Access.Known())
		if p.Error != "" && damaged.Error == "" {
			damaged = p
		}
	}
	switch {
	case paths.Unknown():
		return unread("state directories", paths)
	case refused.Unread():
		return unreadLog(n)
	case n.Agent.HasUnit == node.Unknown:
		return unread("user of the agent's service", n.Facts.Agent.Units)
	case exists:
		if n.Facts.Host.GOOS == "windows" && !listed {
			return pass("the log shows no refusal; access lists were not looked at")
		}
		if n.Facts.Host.GOOS == "windows" {
			return pass("nothing keeps %s from the state directories", n.Layout().Account)
		}
		return pass("state directories belong to root")
	case damaged.Error != "":
		return unknown("%s: %s", damaged.Path, damaged.Error)
	}
	return skip("the agent has no state directory yet")
}
