// Package mend carries out steps of a remedy on this host: the few that can be undone, and
// nothing else. A step is done by what it changes, never by its text: programs are run
// with arguments that are made here, without a shell, and of what the host told only what
// has the form of a name or an address becomes an argument.
package mend

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
)

// Kind is what an action does.
type Kind string

// Kinds of actions; there are no others.
const (
	Unmask  Kind = "unmask-service"
	Enable  Kind = "enable-service"
	Start   Kind = "start-service"
	Restart Kind = "restart-service"
	Reload  Kind = "read-units"
	DropIn  Kind = "move-drop-in"
	Hosts   Kind = "edit-hosts-file"
	Route   Kind = "remove-route"
)

// Action is one thing to do.
type Action struct {
	Step int // of the remedy, as it is numbered, from 1 on
	Kind Kind
	// Unit is the agent's service; File the drop-in; Names those to take out of the hosts
	// file; To the destination of the route.
	Unit, File string
	Names      []string
	To         netip.Prefix
}

// Says is what would be done, in words.
func (a Action) Says() string {
	switch a.Kind {
	case Unmask:
		return "take the mask off the service " + a.Unit
	case Enable:
		return "let the service " + a.Unit + " start at boot"
	case Start:
		return "start the service " + a.Unit
	case Restart:
		return "restart the service " + a.Unit
	case Reload:
		return "let systemd read its units again"
	case DropIn:
		return "move " + a.File + " away, to " + a.File + asideEnding
	case Hosts:
		return "take " + strings.Join(a.Names, " and ") + " out of " + hostsFile
	}
	return "remove the route to " + a.To.String() + " from the main routing table, until the next start of the network"
}

// Costs is what it interrupts.
func (a Action) Costs() string {
	switch a.Kind {
	case Restart:
		return "commands and sessions that run now are interrupted"
	case Route:
		return "what this host reaches by that route, it reaches by another, or not"
	case Hosts:
		return "other programs of this host resolve these names by DNS too"
	case DropIn:
		return "all settings of this file, from the next start of the service on"
	}
	return "nothing"
}

// Undoing is how it is undone, before it is known what was there.
func (a Action) Undoing() string {
	switch a.Kind {
	case Unmask:
		return command("systemctl", "mask", a.Unit)
	case Enable:
		return command("systemctl", "disable", a.Unit)
	case Start:
		return command("systemctl", "stop", a.Unit)
	case DropIn:
		return command("mv", a.File+asideEnding, a.File)
	case Hosts:
		return "the file as it was is kept, and copied back"
	case Route:
		return "the route as it was is kept, and added again"
	}
	return "nothing is left of it to undo"
}

const (
	hostsFile = "/etc/hosts"
	// asideEnding is what a drop-in is called that systemd shall not read.
	asideEnding = ".off-by-ssm-doctor"
)

// Work is what can be done of a remedy.
type Work struct {
	Do []Action
	// Left is the first step, as it is numbered, that changes something and is not done
	// here; 0: none is left. Why says why.
	Left int
	Why  string
}

var (
	// units are the names of the agent's service under systemd.
	units    = []string{"amazon-ssm-agent.service", "snap.amazon-ssm-agent.amazon-ssm-agent.service"}
	reDropIn = pattern.New(`^/etc/systemd/system/([A-Za-z0-9.-]+)\.d/[A-Za-z0-9][A-Za-z0-9_.-]{0,100}\.conf$`)
	reName   = pattern.New(`^[a-z0-9][a-z0-9-]{0,62}(\.[a-z0-9][a-z0-9-]{0,62}){1,8}$`)
)

// Of is what can be done of the remedy of a report's root cause: the steps up to the first
// that must be done elsewhere or by hand. Alternatives are not done.
func Of(f *facts.Facts, r *report.Report) Work {
	var w Work
	switch {
	case r.RootCause == nil:
		return w
	case r.State == report.Unknown || r.RootCause.Confidence == "possible":
		return Work{Left: 1, Why: "it is not certain that this is what is wrong"}
	}
	number := 0
	for _, s := range r.RootCause.Fix {
		if s.Alternative {
			continue
		}
		number++
		changes, known := causes.ChangesOf(s.Command.String(), s.Where)
		switch {
		case known && len(changes) == 0:
			continue // it only looks
		case s.Where != causes.OnHost:
			w.Left, w.Why = number, "it is not done on this host"
			return w
		case !known:
			w.Left, w.Why = number, "it is not known what it changes"
			return w
		}
		list, why := actions(f, changes, number)
		if why != "" {
			w.Left, w.Why = number, why
			return w
		}
		w.Do = append(w.Do, list...)
	}
	return w
}

// actions are what makes the changes of one step; why says why this program does not.
func actions(f *facts.Facts, changes []causes.Change, step int) (out []Action, why string) {
	n := node.Of(f)
	unit := n.Agent.Unit
	manager := f.Agent.Manager.Value
	switch {
	case f.Host.GOOS != "linux":
		return nil, "this program changes nothing on " + f.Host.GOOS
	case n.Identity.InECS == node.Yes, f.Host.Container.Known():
		return nil, "in a container nothing is changed"
	}
	for _, c := range changes {
		a := Action{Step: step}
		if unit != nil {
			a.Unit = unit.Name
		}
		ofService := true
		switch c.Kind {
		case causes.ServiceEnabled:
			if unit != nil && (unit.Enabled == "masked" || unit.Load == "masked") {
				m := a
				m.Kind = Unmask
				out = append(out, m)
			}
			if a.Kind = Enable; unit != nil && unit.Enabled == "enabled" {
				continue
			}
		case causes.ServiceStarted:
			if a.Kind = Start; n.Agent.Core == node.Yes {
				continue
			}
		case causes.ServiceRestarted:
			a.Kind = Restart
		case causes.UnitLoaded:
			a.Kind = Reload
		case causes.FileMoved, causes.FileRemoved:
			m := reDropIn.FindStringSubmatch(c.On)
			if m == nil || !slices.Contains(units, m[1]) {
				return nil, "of files only drop-ins of the agent's service are moved away"
			}
			a.Kind, a.File = DropIn, c.On
		case causes.HostsLine:
			a.Kind, a.Names, ofService = Hosts, pinned(f, c.On), false
			if len(a.Names) == 0 {
				return nil, "the names in the hosts file are not known"
			}
		case causes.RouteRemoved:
			to, err := destination(c.On)
			if err || to.Bits() == 0 {
				return nil, "only a route to given addresses is removed"
			}
			a.Kind, a.To, ofService = Route, to, false
		default:
			return nil, "it is not among the steps that this program does"
		}
		if ofService && (manager != "systemd" || !slices.Contains(units, a.Unit)) {
			return nil, "the agent's service is not one of systemd"
		}
		if !ofService {
			a.Unit = ""
		}
		out = append(out, a)
	}
	return out, ""
}

// pinned are the names of endpoints that the hosts file holds and a pattern is for.
func pinned(f *facts.Facts, pattern string) []string {
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	var out []string
	for _, e := range f.Network.Endpoints.Some() {
		name := strings.ToLower(e.Host)
		if err == nil && e.DNS.Pinned != "" && re.MatchString(e.Host) && reName.MatchString(name) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func destination(s string) (p netip.Prefix, bad bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), false
	}
	p, err := netip.ParsePrefix(s)
	return p, err != nil || p != p.Masked()
}

// withoutNames is a hosts file without some names: they are taken out of their lines, and
// a line that then has no name goes. All else stays as it is, byte for byte.
func withoutNames(file []byte, names []string) []byte {
	var out []byte
	for line := range strings.Lines(string(file)) {
		entry, comment, _ := strings.Cut(line, "#")
		if !slices.ContainsFunc(strings.Fields(entry), func(w string) bool { return slices.Contains(names, strings.ToLower(w)) }) {
			out = append(out, line...)
			continue
		}
		kept, left := "", 0
		for i, w := range strings.Fields(entry) {
			switch {
			case i == 0:
				kept = w
			case !slices.Contains(names, strings.ToLower(w)):
				kept += " " + w
				left++
			}
		}
		if left == 0 {
			continue
		}
		if i := strings.IndexByte(line, '#'); i >= 0 {
			kept += " #" + comment
		} else {
			kept += line[len(strings.TrimRight(line, "\r\n")):]
		}
		out = append(out, kept...)
	}
	return out
}

// reWord is a word of a route as ip prints it.
var reWord = pattern.New(`^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,63}$`)

// states are words in a route that say how it is, and are none of its settings.
var states = []string{"linkdown", "dead", "offload", "rt_offload", "trap", "rt_trap"}

// routeWords are the words of the only route that ip printed; nil: there is none, several,
// or one that has more to it.
func routeWords(out []byte, to netip.Prefix) []string {
	s := strings.TrimSpace(string(out))
	if s == "" || strings.ContainsAny(s, "\n\\") {
		return nil
	}
	w := slices.DeleteFunc(strings.Fields(s), func(x string) bool { return slices.Contains(states, x) })
	if slices.ContainsFunc(w, func(x string) bool { return !reWord.MatchString(x) }) || slices.Contains(w, "nexthop") || len(w) > 30 {
		return nil
	}
	first := 0
	if len(w) > 1 && slices.Contains([]string{"blackhole", "unreachable", "prohibit", "throw"}, w[0]) {
		first = 1
	}
	if len(w) <= first {
		return nil
	}
	if p, bad := destination(w[first]); bad || p != to {
		return nil
	}
	return w
}

var plainWord = pattern.New(`^[A-Za-z0-9_./:@=-]+$`)

// command is a command as it is pasted into a shell.
func command(words ...string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if out[i] = w; !plainWord.MatchString(w) {
			out[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(out, " ")
}
