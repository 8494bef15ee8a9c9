package checks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/sorting"
	"ssm-doctor/checks/text"
)

// lockLasts is how long the agent's updater keeps others away; a fortnight is how long
// a refused package is news.
// Source: amazon-ssm-agent, agent/updateutil, UpdateLockFileMinutes.
const (
	lockLasts = time.Hour
	fortnight = 14 * 24 * time.Hour
)

// UpdatePath is update-path.
var UpdatePath = register(Check{
	ID: "update-path", Group: "agent", Title: "New releases of the agent can reach this host",
	Systems: []string{"linux"},
	Causes:  []string{"agent-update-blocked"},
	Doc: "What may keep newer releases away: signing keys of the agent's packages that have all expired, holds and version locks of dpkg, apt, yum, dnf, zypper and snap, refusals in the logs of package managers, " +
		"a lock that the agent's updater left behind. Whether a newer release exists is not asked here, nor whether the bucket of the Region can be reached.",
	Eval: func(n *node.Node) Finding {
		u := &n.Facts.Agent.Update
		switch {
		case n.Identity.InECS == node.Yes, n.Agent.Installed == node.No:
			return skip("there is no package of the agent to update")
		case n.Identity.InECS == node.Unknown:
			return unread("whether this is a task of Amazon ECS", n.Facts.ECS.Task)
		case n.Agent.Installed == node.Unknown:
			return unread("installations", n.Facts.Agent.Installations)
		}
		var found []Finding
		for _, judgeUpdate := range []func(*node.Node) (Finding, bool){refusedPackage, endedKeys, heldPackage, leftLock, oldSetupTool} {
			if fd, ok := judgeUpdate(n); ok {
				found = append(found, fd)
			}
		}
		if len(found) > 0 {
			return oneUpdateFinding(found)
		}
		for _, s := range []struct {
			what string
			seen facts.Unseen
		}{{"keys of packages", u.Keys}, {"holds of packages", u.Holds}, {"lock of the updater", u.Lock}, {"logs of package managers", u.Failures}} {
			if s.seen.Unknown() {
				return unread(s.what, s.seen)
			}
		}
		return pass("nothing on this host holds the agent at its release")
	},
})

// oneUpdateFinding is the gravest of several findings of one cause, with the evidence
// and the steps of all.
func oneUpdateFinding(found []Finding) Finding {
	sorting.By(found, func(a, b Finding) int { return int(b.Effect) - int(a.Effect) })
	fd := found[0]
	for _, more := range found[1:] {
		fd.Evidence = append(fd.Evidence, more.Evidence...)
		fd.Fix = append(fd.Fix, more.Fix...)
	}
	return fd.fix(causes.Step{Text: "If it is to be updated now, update the agent", Command: "{reinstall}", Where: causes.OnHost, Root: true},
		causes.Step{Text: "Check again", Command: "ssm-doctor check update-path", Where: causes.OnHost})
}

func stepAsRoot(text, command string) causes.Step {
	return causes.Step{Text: text, Command: command, Where: causes.OnHost, Root: true, GOOS: "linux"}
}

// importKey takes the key of today into the keys that packages are verified with.
func importKey(from string) causes.Step {
	const page = "Save the current key from AWS's page on verifying the agent's signature as amazon-ssm-agent.gpg, compare its fingerprint with the page, and "
	switch path := safePath(from); {
	case path != "" && strings.Contains(path, "ssm-agent"):
		return stepAsRoot(page+"put it in the place of the old one", "cp amazon-ssm-agent.gpg "+path)
	case path != "":
		return stepAsRoot(page+"add it to "+path+", which holds the old one", "gpg --show-keys "+path)
	}
	return stepAsRoot(page+"import it", "rpm --import amazon-ssm-agent.gpg")
}

// safePath is the path of a file: URL; empty for another place, and for one that does
// not fit into a command.
func safePath(from string) string {
	if path, ok := strings.CutPrefix(from, "file:"); ok && causes.Safe(path) {
		return path
	}
	return ""
}

// refusedPackage finds a package of the agent that a package manager did not take.
func refusedPackage(n *node.Node) (Finding, bool) {
	var last facts.UpdateFailure
	for _, f := range n.Facts.Agent.Update.Failures.Some() {
		if age := n.Age(f.At); age >= 0 && age < fortnight && !f.At.Before(last.At) && (last.Kind == "" || f.Kind != "locked") {
			last = f
		}
	}
	if last.Kind == "" || updatedSince(n, last.At) {
		return Finding{}, false
	}
	why := map[string]string{"signature": "its signature could not be verified", "locked": "another package manager was at work", "excluded": "a rule excludes it"}[last.Kind]
	fd := breaks("agent-update-blocked", Likely, "the package manager did not take a package of the agent %s: %s", n.Ago(last.At), why).
		sawAt("log of the package manager", last.Text, last.From, last.At)
	switch last.Kind {
	case "signature":
		return fd.fix(importKey("")), true
	case "locked":
		return fd.as(Notes).fix(stepAsRoot("Check which package manager runs, and let it end", "ps -eo pid,etime,args | grep -E 'apt|dpkg|dnf|yum|rpm|zypper' | grep -v grep")), true
	}
	return fd.fix(stepAsRoot("Look at the rule, and take the agent out of it", "grep -rn amazon-ssm-agent /etc/yum.conf /etc/dnf /etc/yum /etc/zypp")), true
}

// updatedSince reports whether another release of the agent started after a time.
func updatedSince(n *node.Node, at time.Time) bool {
	starts := n.Facts.Agent.Versions.Some()
	for i, s := range starts {
		if i > 0 && s.At.After(at) && s.Version != starts[i-1].Version {
			return true
		}
	}
	return false
}

// endedKeys finds a host that keeps keys of the agent's packages, all of which ended.
// A host without any does not verify them, or has its distribution's own package.
func endedKeys(n *node.Node) (Finding, bool) {
	keys := n.Facts.Agent.Update.Keys
	var last facts.SigningKey
	for _, k := range keys.Some() {
		if k.Expires.IsZero() || k.Expires.After(n.Now()) {
			return Finding{}, false
		}
		if k.Expires.After(last.Expires) {
			last = k
		}
	}
	if last.ID == "" || keys.Unknown() || n.Agent.Packaging == "snap" { // a snap is verified by snapd
		return Finding{}, false
	}
	fd := breaks("agent-update-blocked", Likely, "the keys with which this host verifies packages of the agent have expired, the last (%s) on %s: newer packages are refused where signatures are checked", last.ID, last.Expires.Format(time.DateOnly)).
		fix(importKey(last.From))
	for _, k := range keys.Some() {
		fd = fd.saw("key "+k.ID, "ended on "+k.Expires.Format(time.DateOnly), k.From)
	}
	if n.NewerThanKeys(last.Expires) != node.No {
		return fd.as(Notes).add("; agent %s came here all the same", n.Agent.Version), true
	}
	return fd, true
}

// unhold are the commands that end a hold.
var unhold = map[string]string{
	"dpkg": "apt-mark unhold amazon-ssm-agent", "yum": "yum versionlock delete amazon-ssm-agent", "zypper": "zypper removelock amazon-ssm-agent", "snap": "snap refresh --unhold amazon-ssm-agent",
}

// heldPackage finds a rule that keeps the agent at its release. That is somebody's
// will; it matters where updates are wanted, or the release has grown old.
func heldPackage(n *node.Node) (Finding, bool) {
	list := n.Facts.Agent.Update.Holds.Some()
	if len(list) == 0 {
		return Finding{}, false
	}
	h := list[0]
	fd := notes("agent-update-blocked", Proven, "%s holds the agent at %s, so that it gets no fixes", h.Tool, text.Or(n.Facts.Agent.Installed.Value, text.Or(n.Agent.Version, "its release")))
	if !h.Until.IsZero() {
		fd = fd.add(" until %s", text.Stamp(h.Until))
	}
	c, _ := n.Facts.Agent.Config.Get()
	switch {
	case c.SelfUpdate:
		fd = fd.as(Breaks).add(", although Agent.SelfUpdate is on")
	case n.IsAYearOld() == node.Yes:
		fd = fd.as(Breaks).add("; that release is more than a year old")
	}
	for _, h := range list {
		fd = fd.saw("rule of "+h.Tool, h.Text, h.From)
		see := stepAsRoot("If updates are wanted, end the hold", "grep -n amazon-ssm-agent "+text.Or(safePath(h.From), "PATH"))
		if command := unhold[h.Tool]; command != "" && !strings.Contains(h.Text, "exclude") {
			see.Command = command
		}
		if !slices.Contains(fd.Fix, see) {
			fd = fd.fix(see)
		}
	}
	return fd, true
}

// leftLock finds a lock of the agent's updater that nobody holds any more. The updater
// takes such a lock over, unless its log says that it does not.
func leftLock(n *node.Node) (Finding, bool) {
	seen := n.Facts.Agent.Update.Lock
	l, ok := seen.Get()
	alive, known := l.Alive.Get()
	if !ok || n.Age(l.At) < lockLasts || !known && l.PID > 0 {
		return Finding{}, false
	}
	path := text.Or(safePath(seen.From), "update.lock")
	fd := notes("agent-update-blocked", Likely, "the agent's updater left %s behind %s", path, n.Ago(l.At)).
		sawAt(path, fmt.Sprintf("process %d, which runs: %v", l.PID, alive), seen.From, l.At).
		fix(stepAsRoot("Check that no update runs, then remove the lock", fmt.Sprintf("pgrep -af amazon-ssm-agent/.*updater || rm %s", path)))
	if busy := n.Log.Recent(facts.SigUpdateBusy); busy.Yes() && busy.Last.After(l.At.Add(lockLasts)) {
		return fd.as(Breaks).say("updates of the agent end with \"another update is in progress\": its updater left %s behind %s", path, n.Ago(l.At)).logged(busy), true
	}
	return fd, true
}

// newKeyBuilt is when the tool that registers a host learned the key of today.
// Source: amazon-ssm-agent, notes of 3.3.4793.
var newKeyBuilt = time.Date(2026, 6, 24, 0, 0, 0, 0, time.UTC)

// oldSetupTool finds a copy of ssm-setup-cli that verifies packages with a key that ended.
func oldSetupTool(n *node.Node) (Finding, bool) {
	for _, f := range n.Facts.Agent.Update.SetupCLI.Some() {
		if f.At.IsZero() || !f.At.Before(newKeyBuilt) {
			continue
		}
		return notes("agent-update-blocked", Likely, "%s is of %s, before the key that signs the agent today: it cannot verify what it installs", f.Path, f.At.Format(time.DateOnly)).
			sawAt(f.Path, "last changed "+f.At.Format(time.DateOnly), "file:"+f.Path, f.At).
			fix(causes.Step{Text: "Download ssm-setup-cli again before this host is registered again", Command: "curl -fsSLo " + f.Path + " https://amazon-ssm-{region}.s3.{region}.{domain}/latest/linux_{arch}/ssm-setup-cli", Where: causes.OnHost, Root: true, GOOS: "linux"}), true
	}
	return Finding{}, false
}
