package checks

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
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
		for _, sig := range []string{facts.SigNoSpace, facts.SigCredsWrite} {
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

// isOfEarlierStart reports whether something that kept the agent's program from being executed
// happened before one that ran: as the manager says how its last start ended, and when. A
// masked unit is not started at all, nor is one whose dependency failed since.
func isOfEarlierStart(n *node.Node, at time.Time) bool {
	u := n.Agent.Unit
	if u == nil || at.IsZero() {
		return false
	}
	switch n.Ending().Class {
	case node.EndCode, node.EndSignal, node.EndCrash, node.EndMemory, node.EndTimeout:
		return !u.StoppedSince.IsZero() && at.Before(u.StoppedSince)
	case node.EndClean, "":
		d, ok := n.LatestNote(facts.NoteDependency)
		return u.Enabled == "masked" || ok && u.Active == "inactive" && at.Before(d.At)
	}
	return false
}

// refusedBy is the entry that says who refused the agent's program while it does not run, or
// that of its worker while only that does not. Logs of Windows hold a week: there it must
// be of the last start, by how that ended, or by its time where Windows does not say.
func refusedBy(n *node.Node) (facts.SystemNote, bool) {
	list := n.Facts.Agent.Notes.Some()
	for i := len(list) - 1; i >= 0; i-- {
		m, u := list[i], n.Agent.Unit
		if m.Kind != facts.NoteRefused || isPast(n, m.At) || m.By == "" && isOfEarlierStart(n, m.At) {
			continue
		}
		switch class := n.Ending().Class; {
		case m.By == "":
			if n.Agent.Core == node.No {
				return m, true
			}
		case m.Process == "amazon-ssm-agent" && n.Agent.Core == node.No:
			if class == node.EndExec || class == node.EndMissing || class == "" && u != nil && !u.StoppedSince.IsZero() {
				return m, true
			}
		case m.Process == "ssm-agent-worker" && n.Agent.Core == node.Yes && n.Agent.Worker == node.No && n.Agent.Separate == node.Yes:
			if !n.Agent.Since.IsZero() && m.At.After(n.Agent.Since) {
				return m, true
			}
		}
	}
	return facts.SystemNote{}, false
}

// outlived reports whether an entry tells of an earlier start, and of what may have been mended
// since: the agent that runs began after it, some minutes ago; or the last start came after it
// and ended before the agent could say anything, which another fault tells.
func outlived(n *node.Node, e node.Entry) bool {
	const while = 5 * time.Minute
	u := n.Agent.Unit
	switch {
	case !e.Yes() || u == nil || !e.Last.Before(u.StartedAt):
		return false
	case n.Agent.Core == node.Yes:
		return u.Active == "active" && n.Age(u.StartedAt) >= while
	case n.Agent.Core == node.Unknown:
		return false
	}
	switch n.Ending().Class {
	case node.EndExec, node.EndMissing, node.EndSetup, node.EndMemory, node.EndTimeout:
		return true
	}
	return false
}

// inUse reports whether an entry says that the address of the agent's message bus is taken.
func inUse(e node.Entry) bool { return e.Yes() && strings.Contains(e.Text, "address in use") }

// withPackaging adds how this agent is packaged, for the remedy.
func withPackaging(n *node.Node, fd Finding) Finding {
	for _, in := range n.Facts.Agent.Installations.Some() {
		fd = fd.saw("installed as", in.Kind+" "+in.Version.Value, in.Version.From).with("package", in.Kind)
	}
	return fd
}

// stepsOf are the steps of an end as those of a remedy.
func stepsOf(list []node.Step) []causes.Step {
	out := make([]causes.Step, 0, len(list))
	for _, s := range list {
		out = append(out, causes.Step{Text: s.Text, Command: s.Command, Where: causes.OnHost, Root: !s.Reads})
	}
	return out
}

// endSteps are the steps of an end, for this unit: the one line of a drop-in that can be
// what is wrong is taken out of it, and nothing else of the unit is changed.
func endSteps(u *facts.Unit, e node.Ending) []causes.Step {
	steps := stepsOf(e.Do)
	take := withoutSetting(u, e.Meaning)
	for i, s := range steps {
		if s.Command == node.EditUnit.Command && take != "" {
			steps[i].Text = "Take the setting out of its drop-in, and start the agent; the file as it was stays beside it, with .off at the end"
			steps[i].Command = take + "\nsystemctl daemon-reload\nsystemctl restart {unit}"
		}
	}
	return steps
}

// withoutSetting is the command that takes the setting which an end is about out of its
// drop-in; empty: none is, or one of several, or not in a line of its own.
func withoutSetting(u *facts.Unit, meaning string) string {
	var found []facts.Override
	for _, o := range u.Overrides {
		if isAbout(meaning, o.Key) {
			found = append(found, o)
		}
	}
	if len(found) != 1 || !found[0].Single || !causes.Safe(found[0].File) || !reSetting.MatchString(found[0].Key) {
		return ""
	}
	return "sed -i.off -e '/^[[:space:]]*" + found[0].Key + "[[:space:]]*=/d' " + found[0].File
}

// isAbout reports whether the meaning of an end names a setting of units, such as User=.
func isAbout(meaning, key string) bool {
	words := strings.FieldsFunc(meaning, func(r rune) bool { return r != '=' && !unicode.IsLetter(r) })
	return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, key+"=") })
}

var reSetting = pattern.New(`^[A-Za-z]{1,64}$`)

// sawEnd adds how a service ended last, and what systemd has it do then.
func sawEnd(n *node.Node, fd Finding, u *facts.Unit, e node.Ending) Finding {
	from := n.ServiceManager(u.Name)
	if !e.How.IsZero() {
		fd = fd.sawAt("last end of "+u.Name, e.How.String(), from, u.ExitedAt)
	}
	if u.Restart != "" && e.Again == node.No {
		fd = fd.saw("Restart of "+u.Name, u.Restart, from)
	}
	if n.Facts.Agent.Manager.Value == "scm" {
		kinds := []string{facts.NoteNotStarted, facts.NoteEnded, facts.NoteCrash, facts.NoteTimeout, facts.NoteStopped}
		if u.Enabled == "disabled" || u.Enabled == "manual" {
			kinds = []string{facts.NoteChanged}
		}
		if m, ok := n.LatestNote(kinds...); ok {
			fd = fd.sawAt("log of the system", m.Text, m.From, m.At)
		}
	}
	return fd
}

// brokenProgram tells what keeps a program that is there from being executed by anybody,
// in words and as it was seen; empty: nothing that was seen.
func brokenProgram(n *node.Node, u *facts.Unit, p facts.Program) (what, seen string) {
	e := n.EndingOf(u)
	arch := n.Facts.Host.Arch
	switch {
	case p.Size == 0:
		return "it is empty, as a package or an update that was cut off leaves it", "0 bytes"
	case e.Class != node.EndExec && e.Class != node.EndMissing:
		return "", "" // nothing says that it could not be executed
	case p.Loader != "":
		return "the program that loads it is missing: " + p.Loader, "its loader " + p.Loader + " does not exist"
	case (p.Format == "elf" || p.Format == "pe") && p.Arch != "" && arch != "" && p.Arch != arch:
		return "it is made for " + p.Arch + ", and this host is " + arch, "an executable for " + p.Arch
	case p.Format == "other", p.Format == "pe" && n.Facts.Host.GOOS == "linux",
		p.Format == "macho" && n.Facts.Host.GOOS != "darwin" && n.Facts.Agent.Manager.Value != "launchd": // which only a Mac has
		if n.Facts.Host.GOOS == "windows" {
			return "it is not a program of Windows: damaged, or cut off", "does not begin as programs of Windows do"
		}
		return "it is not an executable", "neither an ELF file nor a script"
	}
	return "", ""
}

// withOthers mentions processes that bear the agent's name and are not this host's agent.
func withOthers(n *node.Node, fd Finding) Finding {
	seen := map[string]bool{}
	for _, o := range n.Facts.Agent.Processes.Value.Others {
		what := otherAgent(o)
		if !n.Facts.Agent.Processes.Known() || seen[what] {
			continue
		}
		seen[what] = true
		fd = fd.add("; not counted: %s, which is not this host's", what).saw(fmt.Sprintf("process %d %s", o.PID, o.Exe), what, n.Facts.Agent.Processes.From)
	}
	return fd
}

// otherAgent says what an agent is that is not this host's.
func otherAgent(o facts.OtherProcess) string {
	switch {
	case o.Reason == facts.OtherNamespace && o.Where == "ecs":
		return "an agent in a task of Amazon ECS"
	case o.Reason == facts.OtherNamespace && o.Where != "":
		return "an agent in a container (" + o.Where + ")"
	case o.Reason == facts.OtherNamespace:
		return "an agent in a container"
	case o.Reason == facts.OtherUser:
		return "a process with the agent's name that is not root's"
	}
	return "a process with the agent's name whose program others than root can replace"
}

// overriding adds the drop-ins that set what an end is about, such as User= for a user
// that does not exist.
func overriding(fd Finding, u *facts.Unit, meaning string) Finding {
	for _, o := range u.Overrides {
		if isAbout(meaning, o.Key) {
			fd = fd.saw("drop-in of "+u.Name, o.Key+"="+o.Value, "file:"+o.File)
		}
	}
	return fd
}

// remedied is a finding with its own steps, or those of the catalogue in their place.
func remedied(fd Finding) Finding {
	if len(fd.Fix) == 0 {
		return fd.fix(causes.Get(fd.Cause).Fix...)
	}
	return fd
}

// withFlush adds the lighter way beside a restart that newer agents have. The name of
// the sub-command is left to the help of ssm-cli: only the release notes tell of it.
// Source: amazon-ssm-agent, RELEASENOTES.md at 3.3.4268.
func withFlush(n *node.Node, fd Finding) Finding {
	if n.CanFlush() != node.Yes || n.Facts.Host.GOOS != "linux" {
		return fd
	}
	fd = remedied(fd)
	for i, s := range fd.Fix {
		if s.Command == "{restart}" {
			flush := causes.Step{Text: "Or without a restart: this release can flush the agent's credentials with ssm-cli, whose help names the sub-command", Command: "ssm-cli help", Where: causes.OnHost, Root: true, Alternative: true, GOOS: "linux"}
			fd.Fix = slices.Insert(slices.Clone(fd.Fix), i+1, flush)
			return fd
		}
	}
	return fd
}

// withKnownBad adds what is publicly known to be wrong with the release that runs, and
// takes a guess for likely where that is so.
func withKnownBad(n *node.Node, fd Finding, version string) Finding {
	r, bad := n.KnownBad(version)
	if !bad {
		return fd
	}
	if fd.Confidence == Possible {
		fd.Confidence = Likely
	}
	return fd.saw("known of agent "+version+", as of "+node.ReleasesAsOf, "this release "+r.What, r.Source)
}

var managedID = pattern.New(`\bmi-[0-9a-f]{8,17}\b`)

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

// clearedOnEC2 is the remedy of a hybrid registration that is of no use on an EC2 instance,
// which has an identity without it; elsewhere the catalogue's.
func clearedOnEC2(n *node.Node, fd Finding) Finding {
	if n.Identity.OnEC2 != node.Yes {
		return fd
	}
	return fd.fix(causes.ClearRegistration...)
}

// goAround is another way for an instance whose way to the public addresses of the endpoints
// leads through a device of somebody else: endpoints in its own VPC. None where it is not
// known to have no such endpoints, or goes through a proxy all the same.
func goAround(n *node.Node, e facts.Endpoint) []causes.Step {
	if vpc, ok := n.Facts.IMDS.VPC.Get(); !ok || vpc.ID == "" || e.Scope != "public" || e.Proxy.Used {
		return nil
	}
	return causes.GoAround
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

// withoutVariable takes a variable out of the environment of the agent's service.
func withoutVariable(n *node.Node, m facts.MetadataEnv, name string) []causes.Step {
	says := "Take the variable away"
	step := func(goos, command string) causes.Step {
		return causes.Step{Text: says + ": " + name, Command: command, Where: causes.OnHost, Root: true, GOOS: goos}
	}
	windows := step("windows", `$k = 'HKLM:\SYSTEM\CurrentControlSet\Services\AmazonSSMAgent'; Set-ItemProperty $k -Name Environment -Type MultiString -Value @((Get-ItemProperty $k).Environment -notmatch '^`+name+`=')`)
	switch m.By {
	case facts.ByMachine:
		windows = step("windows", "[Environment]::SetEnvironmentVariable('"+name+"', $null, 'Machine')")
	case facts.BySystemAccount:
		windows = step("windows", "Remove-ItemProperty 'Registry::HKEY_USERS\\.DEFAULT\\Environment' -Name "+name)
	}
	again := causes.Step{Text: "Restart the agent, which reads its environment at its start only", Command: "{restart}", Where: causes.OnHost, Root: true}
	if m.By == facts.ByMachine {
		again.Text += "; a service may keep the machine's variables until the next boot"
	}
	return []causes.Step{
		step("linux", causes.DropIn(`[Service]\nUnsetEnvironment=`+name+`\n`, "zz-metadata.conf")+"\nsystemctl daemon-reload"),
		{Text: "Or, before systemd 235, empty it; where an EnvironmentFile sets it, take it out there", Command: causes.DropIn(`[Service]\nEnvironment="`+name+`="\n`, "zz-metadata.conf") + "\nsystemctl daemon-reload", Where: causes.OnHost, Root: true, GOOS: "linux", Alternative: true},
		step("darwin", "launchctl unsetenv "+name),
		windows, again, causes.Again,
	}
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

// reRuleName is a name of a firewall rule of Windows that can stand in quotes.
var reRuleName = pattern.New(`^[A-Za-z0-9{}. _-]{1,100}$`)

// onlyAgentMay is the answer where this program may not connect, and a rule lets the
// agent's programs do so: what they reach cannot be tried.
func onlyAgentMay(rules []facts.FirewallRule, where, why string) Finding {
	return unknown("this program may not connect to %s: %s; the firewall of this host lets out only what a rule allows, and one allows %s: %s", where, why, rules[0].Program, text.Cut(rules[0].Text, 160))
}

// disableRule switches a rule of the Windows firewall off; false: it cannot be named.
func disableRule(r facts.FirewallRule) (causes.Step, bool) {
	step := causes.Step{Where: causes.OnHost, Root: true, GOOS: "windows"}
	switch {
	case r.Action != "block":
		return step, false
	case r.Policy:
		return causes.AllowAgentOut, true
	case reRuleName.MatchString(r.Chain):
		step.Text, step.Command = "Switch the rule off; one of a group policy has to be changed there", "Disable-NetFirewallRule -Name '"+r.Chain+"'"
		return step, true
	}
	return step, false
}

// startLacksSpace reports whether the last start of the agent ended for want of space or
// inodes.
func startLacksSpace(n *node.Node) bool {
	for _, id := range []string{facts.SigBusStart, facts.SigStartFailed} {
		if e := n.Log.Current(id); e.Yes() && n.Acceptance.Now != node.Yes && strings.Contains(strings.ToLower(e.Text), "no space left on device") {
			return true
		}
	}
	return false
}

// holderOf is the file system of the innermost directory that was asked for and holds
// a file. That of identity_config.json is asked for itself on Linux only.
func holderOf(n *node.Node, file string) (out facts.FileSystem) {
	for _, fs := range n.Facts.Host.FileSystems.Some() {
		if strings.HasPrefix(file, "file:"+strings.TrimSuffix(fs.Dir, "/")+"/") && len(fs.Dir) > len(out.Dir) {
			out = fs
		}
	}
	return out
}
