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
	Hosts   Kind = "edit-hosts-file"
	Route   Kind = "remove-route"
)

// Action is one thing to do.
type Action struct {
	Step int // of the remedy, as it is numbered, from 1 on
	Kind Kind
	// Unit is the agent's service; Names those to take out of the hosts file.
	Unit  string
	Names []string
	// To is the destination of the route, and Type, Via and Dev what else it must be: a
	// type such as blackhole, its gateway, its device. Without a type or a gateway the route
	// has none; any device will do where none is given.
	To             netip.Prefix
	Type, Via, Dev string
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
	case Hosts:
		return "take " + strings.Join(a.Names, " and ") + " out of " + hostsFile
	}
	way := ""
	if a.Type != "" {
		way = " (" + a.Type + ")"
	}
	if a.Via != "" {
		way += " by the gateway " + a.Via
	}
	if a.Dev != "" {
		way += " by the device " + a.Dev
	}
	return "remove the route to " + a.To.String() + way + " from the main routing table, until the next start of the network"
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
	case Hosts:
		return "the file as it was is kept, and copied back"
	case Route:
		return "the route as it was is kept, and added again"
	}
	return "nothing is left of it to undo"
}

const hostsFile = "/etc/hosts"

// Work is what can be done of a remedy.
type Work struct {
	Do []Action
	// Left is the first step, as it is numbered, that does more than look and is not done
	// here; 0: none is left. Why says why.
	Left int
	Why  string
}

var (
	// units are the names of the agent's service under systemd.
	units  = []string{"amazon-ssm-agent.service", "snap.amazon-ssm-agent.amazon-ssm-agent.service"}
	reName = pattern.New(`^[a-z0-9][a-z0-9-]{0,62}(\.[a-z0-9][a-z0-9-]{0,62}){1,8}$`)
)

// Of is what can be done of the remedy of a report's root cause: the steps up to the first
// that must be done elsewhere or by hand. Alternatives are not done.
func Of(f *facts.Facts, r *report.Report) Work {
	var w Work
	switch {
	case r.RootCause == nil:
		return w
	case r.State == report.Unknown || r.RootCause.Confidence != "proven":
		return Work{Left: 1, Why: "it is not certain that this is what is wrong"}
	}
	number := 0
	for _, s := range r.RootCause.Fix {
		if s.Alternative {
			continue
		}
		number++
		list, why := step(f, s, number)
		if why != "" {
			w.Left, w.Why = number, why
			return w
		}
		w.Do = append(w.Do, list...)
	}
	return w
}

// step is what does one step, nothing for one that only looks; why says why this program
// does not do it.
func step(f *facts.Facts, s report.Step, number int) (list []Action, why string) {
	says, command := s.Text.String(), s.Command.String()
	changes, known := causes.ChangesOf(command, s.Where)
	switch {
	case causes.Looks(says, command, s.Where):
		return nil, ""
	case s.Where != causes.OnHost:
		return nil, "it is not done on this host"
	case causes.Conditional(says):
		return nil, "whether it has to be done is for you to judge"
	case !known:
		return nil, "it is not known what it changes"
	case len(changes) == 0:
		return nil, "it is done by hand"
	}
	return actions(f, changes, number)
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
		switch c.Kind {
		case causes.ServiceEnabled, causes.ServiceStarted, causes.ServiceRestarted, causes.UnitLoaded:
			if manager != "systemd" || unit == nil || !slices.Contains(units, unit.Name) {
				return nil, "the agent's service is not one of systemd"
			}
			a.Unit = unit.Name
		}
		switch c.Kind {
		case causes.ServiceEnabled:
			a.Kind = Enable
			switch unit.Enabled {
			case "enabled":
				continue
			case "masked":
				m := a
				m.Kind = Unmask
				out = append(out, m)
			case "disabled":
			default: // static, masked-runtime: enabling and disabling does not bring back what was
				return nil, "the service cannot simply be enabled"
			}
		case causes.ServiceStarted:
			switch {
			case n.Agent.Core == node.Yes:
				continue
			case n.Agent.Core != node.No:
				return nil, "it is not known whether the agent runs"
			}
			a.Kind = Start
		case causes.ServiceRestarted:
			stands := unit.Active == "inactive" || unit.Active == "failed"
			switch {
			case n.Agent.Core == node.No && stands:
				a.Kind = Start // and its undoing stops it
			case n.Agent.Core == node.Unknown || stands:
				return nil, "it is not known whether the agent runs"
			default:
				a.Kind = Restart
			}
		case causes.UnitLoaded:
			a.Kind = Reload
		case causes.HostsLine:
			if a.Kind, a.Names = Hosts, pinned(f, c.On); len(a.Names) == 0 {
				return nil, "the names in the hosts file are not known"
			}
		case causes.RouteRemoved:
			to, bad := destination(c.On)
			if bad || to.Bits() == 0 {
				return nil, "only a route to given addresses is removed"
			}
			a.Kind, a.To = Route, to
			if !a.judged(c.To) {
				return nil, "it is not known which route to " + to.String() + " is meant"
			}
		default:
			return nil, "it is not among the steps that this program does"
		}
		out = append(out, a)
	}
	return out, ""
}

// judged takes what a command names of a route besides its destination: its type, or its
// gateway and device. False: that is nothing, or more.
func (a *Action) judged(named string) bool {
	w := strings.Fields(named)
	if len(w) > 0 && slices.Contains(types, w[0]) {
		a.Type, w = w[0], w[1:]
	}
	for ; len(w) > 1; w = w[2:] {
		switch _, err := netip.ParseAddr(w[1]); {
		case w[0] == "via" && err == nil:
			a.Via = w[1]
		case w[0] == "dev" && reWord.MatchString(w[1]):
			a.Dev = w[1]
		default:
			return false
		}
	}
	return len(w) == 0 && a.Type+a.Via+a.Dev != ""
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
		words := strings.FieldsFunc(entry, func(r rune) bool { return strings.ContainsRune(" \t\n\v\f\r", r) }) // as the resolver does
		// The first word is the address, and a line of a name alone says nothing.
		if len(words) < 2 || !slices.ContainsFunc(words[1:], func(w string) bool { return slices.Contains(names, strings.ToLower(w)) }) {
			out = append(out, line...)
			continue
		}
		kept, left := words[0], 0
		for _, w := range words[1:] {
			if !slices.Contains(names, strings.ToLower(w)) {
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

// unsaid are words in a route that ip prints and does not take back as they are: of several
// ways, of one kept elsewhere, and of one that a router announced for a time.
var unsaid = []string{"nexthop", "nhid", "expires"}

// types are those of routes that ip prints before the destination.
var types = []string{"blackhole", "unreachable", "prohibit", "throw"}

// routeWords are the words of the only route that ip printed; nil: there is none, several,
// one that has more to it, or another than that of the action.
func routeWords(out []byte, a Action) []string {
	s := strings.TrimSpace(string(out))
	if s == "" || strings.ContainsAny(s, "\n\\") {
		return nil
	}
	w := slices.DeleteFunc(strings.Fields(s), func(x string) bool { return slices.Contains(states, x) })
	if slices.ContainsFunc(w, func(x string) bool { return !reWord.MatchString(x) || slices.Contains(unsaid, x) }) || len(w) > 30 {
		return nil
	}
	is, rest := Action{}, w
	if len(w) > 1 && slices.Contains(types, w[0]) {
		is.Type, rest = w[0], w[1:]
	}
	if len(rest) == 0 {
		return nil
	}
	if p, bad := destination(rest[0]); bad || p != a.To {
		return nil
	}
	for i := 1; i+1 < len(rest); i++ {
		switch rest[i] {
		case "via":
			is.Via = rest[i+1]
		case "dev":
			is.Dev = rest[i+1]
		}
	}
	if is.Type != a.Type || is.Via != a.Via || a.Dev != "" && is.Dev != a.Dev {
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
