package sim

import (
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

// ofFile are the changes of a file that its flag keeps from being made.
var ofFile = []causes.Kind{causes.FileMoved, causes.FileRemoved, causes.FileEdited, causes.FileWritten, causes.OwnerSet, causes.ModeSet, causes.HostsLine, causes.ResolverSet}

// flagged reports whether a flag keeps a change of a file from being made.
func (a *aftermath) flagged(c causes.Change) bool {
	name := c.On
	if c.Kind == causes.HostsLine {
		name = "/etc/hosts"
	}
	return a.Files[name].Flag != "" && slices.Contains(ofFile, c.Kind)
}

// stands reports whether it is in the place of a folder.
func (f File) stands() bool { return f.Link != "" || !f.Dir && !f.Absent && f.Content != "" }

// noFolder is how the agent ends that cannot make the folder of its channels.
// Source: amazon-ssm-agent, core/app/bootstrap/bootstrap.go and core/agent.go.
const noFolder = "ERROR Error occurred when starting amazon-ssm-agent: failed to create IPC folder, "

// obstacle is what the kernel says of that folder; empty: it can be made.
func (a *aftermath) obstacle() string {
	data := "/" + (&world{Scenario: a.Scenario}).dirs().data
	for name, f := range a.Files {
		switch {
		case !strings.HasPrefix(data+"/ipc/", name+"/"):
		case f.Link != "" && a.Files[f.Link].Dir:
		case f.Link != "":
			return "mkdir " + name + ": file exists"
		case f.stands():
			return "stat " + data + "/ipc/: not a directory"
		case f.Flag == facts.Immutable && name == data:
			return "mkdir " + data + "/ipc/: operation not permitted"
		}
	}
	return ""
}

// read are the drop-ins of the units as systemd reads them now.
func (a *aftermath) read() {
	a.inForce = map[string]string{}
	for kind, u := range a.Agent.Units {
		a.inForce[kind] = u.DropIn
	}
}

// setting reports whether a drop-in that begins a line so is in force.
func (a *aftermath) setting(line string) bool {
	for _, text := range a.inForce {
		if strings.Contains("\n"+text, "\n"+line) {
			return true
		}
	}
	return false
}

// writesTo reports whether the settings that systemd has read let the service write to a
// folder, whatever else they seal.
func (a *aftermath) writesTo(dir string) bool {
	lines := slices.Clone(a.loaded)
	for _, text := range a.inForce {
		lines = append(lines, strings.Split(text, "\n")...)
	}
	return slices.ContainsFunc(lines, func(l string) bool {
		list, ok := strings.CutPrefix(l, "ReadWritePaths=")
		return ok && slices.ContainsFunc(strings.Fields(list), func(p string) bool { return strings.TrimLeft(p, "-+") == dir })
	})
}

// isolated is how a packet of the agent ends whose unit has no network; empty: it has one.
// Source: systemd.exec(5) and systemd.resource-control(5).
func (a *aftermath) isolated() string {
	for _, x := range isolations {
		if a.setting(x.setting) {
			return x.says
		}
	}
	return ""
}

var isolations = []struct{ setting, says string }{
	{"PrivateNetwork=yes", "connect: network is unreachable"},
	{"RestrictAddressFamilies=AF_UNIX", "socket: address family not supported by protocol"},
	{"IPAddressDeny=any", "write: operation not permitted"},
}

// resume lets the processes of the agent run on, if this is what holds them: it opens its
// channel again, and reports that it is there.
func (a *aftermath) resume(from string) {
	if a.Agent.Held == "" || a.Agent.Held != from {
		return
	}
	a.Agent.Held = ""
	a.Log = append(earlier(a.Log, since), at(since-time.Second, "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully")...)
	for t := since - 2*time.Minute; t > 0; t -= 5 * time.Minute {
		a.Log = append(a.Log, at(t, "INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.")...)
	}
}

// NoFolder is how the agent ends that cannot make the folder of its channels.
const NoFolder = noFolder
