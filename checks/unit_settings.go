package checks

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// overrideBy is the setting of a drop-in of the agent's unit that has one of some keys and
// is of a kind; false: there is none.
func overrideBy(n *node.Node, is func(facts.Override) bool) (facts.Override, bool) {
	for _, u := range n.Facts.Agent.Units.Some() {
		if i := slices.IndexFunc(u.Overrides, is); i >= 0 {
			return u.Overrides[i], true
		}
	}
	return facts.Override{}, false
}

// takeOut are the steps that take a setting out of its drop-in, where it stands in a line of
// its own; nil: it does not.
func takeOut(o facts.Override) []causes.Step {
	if !o.Single || !causes.Safe(o.File) || !reSetting.MatchString(o.Key) {
		return nil
	}
	return append([]causes.Step{
		linuxStep(true, "Take "+o.Key+"= out of its drop-in; the file as it was stays beside it, with .off at the end", "sed -i.off -e '/^[[:space:]]*"+o.Key+"[[:space:]]*=/d' "+o.File),
	}, causes.Reload...)
}

// yes are the words by which systemd switches a setting on.
// Source: systemd.syntax(7).
var yes = []string{"yes", "true", "on", "1", "y", "t"}

// isolates reports whether a setting of a unit keeps its service from all network beyond
// this host. Source: systemd.exec(5) and systemd.resource-control(5).
func isolates(o facts.Override) bool {
	words := strings.Fields(o.Value)
	switch o.Key {
	case "PrivateNetwork":
		return slices.Contains(yes, strings.ToLower(o.Value))
	case "IPAddressDeny":
		return slices.Contains(words, "any") || slices.Contains(words, "0.0.0.0/0")
	case "RestrictAddressFamilies":
		if len(words) == 0 {
			return false
		}
		if rest, not := strings.CutPrefix(words[0], "~"); not {
			return rest == "AF_INET" || slices.Contains(words, "AF_INET")
		}
		return !slices.Contains(words, "AF_INET")
	}
	return false
}

// onlySetting is the setting of a kind that drop-ins of a unit have; false: none, or several,
// of which it is not told here which it is.
func onlySetting(u *facts.Unit, is func(facts.Override) bool) (only facts.Override, ok bool) {
	for _, o := range u.Overrides {
		if !is(o) || o.Value == "" {
			continue
		}
		if ok {
			return facts.Override{}, false
		}
		only, ok = o, true
	}
	return only, ok
}

// isCondition reports whether a setting is a condition or an assertion of a unit.
func isCondition(o facts.Override) bool {
	return strings.HasPrefix(o.Key, "Condition") || strings.HasPrefix(o.Key, "Assert")
}

// isNeed reports whether a setting has a unit need others.
func isNeed(o facts.Override) bool {
	return slices.Contains([]string{"Requires", "Requisite", "BindsTo", "RequiresMountsFor"}, o.Key)
}

// keepsFromExec reports whether a setting of a unit can keep its service from executing the
// programs of the agent. Source: systemd.exec(5).
func keepsFromExec(n *node.Node, o facts.Override) bool {
	switch o.Key {
	case "NoExecPaths":
		return o.Value != ""
	case "RootDirectory":
		return o.Value != "" && path.Clean(o.Value) != "/"
	case "InaccessiblePaths":
		const programs = "/usr/bin"
		return slices.ContainsFunc(strings.Fields(o.Value), func(p string) bool {
			p = path.Clean("/" + strings.TrimLeft(p, "-+"))
			agent := p == programs+"/amazon-ssm-agent" || strings.HasPrefix(p, programs+"/ssm-")
			return agent || p == programs || p == "/usr" || n.Agent.Unit != nil && p == n.Agent.Unit.Exec
		})
	}
	return false
}

// blameIsolation finds a drop-in that keeps the agent's service, and nothing else of this
// host, from the network; false: there is none, or nothing shows it. An agent that does not
// run shows nothing, and where a setting stands more than once, or addresses are allowed
// beside it, what systemd makes of them is not judged here.
func blameIsolation(n *node.Node) (Finding, bool) {
	o, ok := overrideBy(n, isolates)
	channel := n.Facts.Agent.Channel
	if !ok || n.Agent.Core != node.Yes || !channel.LookedAt() || channel.Unknown() || len(channel.Some()) > 0 {
		return Finding{}, false
	}
	same := 0
	for _, u := range n.Facts.Agent.Units.Some() {
		for _, x := range u.Overrides {
			if x.Key == o.Key {
				same++
			}
			if x.Key == "IPAddressAllow" && o.Key == "IPAddressDeny" {
				return Finding{}, false
			}
		}
	}
	out := takeOut(o)
	if same > 1 || out == nil {
		return Finding{}, false
	}
	return stops(n, "agent-exec-blocked", Likely, "%s in %s keeps the agent's service, and nothing else of this host, from the network", o.Key+"="+o.Value, o.File).
		saw(o.File, o.Key+"="+o.Value, "file:"+o.File).
		saw("connections of the agent to port 443", "none", text.Or(channel.From, n.Facts.Agent.Processes.From)).fix(out...).standing(), true
}

// tight are the values below which a limit of a unit ends an agent that starts: bytes,
// processes or files.
var tight = map[string]uint64{"LimitAS": 512 << 20, "LimitFSIZE": 16 << 20, "LimitNPROC": 32, "TasksMax": 32, "LimitNOFILE": 64}

// number reads the number of a limit, with the letter of systemd behind it, such as 64M;
// false: it is none, such as infinity.
func number(value string) (uint64, bool) {
	soft, _, _ := strings.Cut(value, ":")
	digits := strings.TrimRight(soft, "KMGTkmgtins")
	n, err := strconv.ParseUint(digits, 10, 40)
	if unit := strings.TrimPrefix(soft, digits); err == nil && unit != "" {
		n = min(n, 1<<20) << map[byte]uint{'K': 10, 'M': 20, 'G': 30, 'T': 40}[unit[0]]
	}
	return n, err == nil
}

// canEnd reports whether a setting of a drop-in can be why a service ended as it did:
// before its program ran, or in its start. Source: systemd.service(5), systemd.exec(5).
func canEnd(n *node.Node, o facts.Override, u *facts.Unit, e node.Ending) bool {
	if u.Ended == "" && u.ExitStatus == 0 { // no main process was there
		switch o.Key {
		case "ExecStartPre":
			return u.Result == "exit-code" || u.Result == "signal" || u.Result == "timeout"
		case "ExecCondition":
			return u.Result == "exec-condition" || u.Result == "exit-code"
		case "EnvironmentFile", "LoadCredential":
			return u.Result == "resources" && !strings.HasPrefix(o.Value, "-")
		}
		return false
	}
	if e.Class != node.EndCode && e.Class != node.EndClean && e.Class != node.EndSignal && e.Class != node.EndCrash && e.Class != node.EndTimeout {
		return false // the end itself says which setting it was
	}
	if limit, ok := tight[o.Key]; ok {
		v, ok := number(o.Value)
		return ok && v < limit
	}
	const overtime = 24 // SIGXCPU
	switch o.Key {
	case "RuntimeMaxSec":
		return u.Result == "timeout" && o.Value != "infinity"
	case "LimitCPU":
		return u.Ended == "killed" && u.ExitStatus == overtime
	case "SystemCallFilter", "CapabilityBoundingSet":
		return o.Value != ""
	case "ProtectSystem", "ReadOnlyPaths", "InaccessiblePaths":
		by, sealed := sealedBy(n, n.Layout().Data)
		return sealed && by == o
	case "Type":
		return u.Result == "timeout" || u.Result == "protocol"
	case "IPAddressDeny":
		if _, some := overrideBy(n, func(x facts.Override) bool { return x.Key == "IPAddressAllow" }); some {
			return false
		}
	}
	return isolates(o)
}

// mayNot reports whether a start ended since the kernel refused something.
func mayNot(e node.Entry) bool {
	lower := strings.ToLower(e.Text)
	return slices.ContainsFunc([]string{"read-only file system", "file too large", "permission denied", "not permitted", "too many open files", "resource temporarily unavailable", "cannot allocate memory"}, func(w string) bool { return strings.Contains(lower, w) })
}

// blameSetting finds the drop-in settings that can be why the service ends at each start,
// where its agent does not run; false: there is none, or none that is taken out in one way.
func blameSetting(n *node.Node) (Finding, bool) {
	u, e := n.Agent.Unit, n.Ending()
	if u == nil || n.Facts.Agent.Manager.Value != "systemd" || n.Agent.Core != node.No || u.Sub != "auto-restart" && u.Active != "failed" {
		return Finding{}, false
	}
	if start := endedAtStart(n); start.Yes() && !lacksWorld(start) && !mayNot(start) {
		return Finding{}, false // it says another reason itself
	}
	o, ok := onlySetting(u, func(o facts.Override) bool { return canEnd(n, o, u, e) })
	if !ok || u.Active == "failed" && withoutSetting(u, e.Meaning) != "" { // agent-service names it by its end
		return Finding{}, false
	}
	out := takeOut(o)
	if o.Key == "ProtectSystem" || o.Key == "ReadOnlyPaths" {
		out = unseal(n, o)
	}
	if out == nil {
		return Finding{}, false
	}
	fd := stops(n, "agent-exec-blocked", Likely, "the agent's service ends at its start, and %s in %s, which is not of its package, can be what ends it", o.Key+"="+o.Value, o.File).
		saw(o.File, o.Key+"="+o.Value, "file:"+o.File)
	return sawEnd(n, fd, u, e).fix(out...).standing(), true
}

// unseal are the steps for a setting that keeps the agent from writing to its folders: these
// are excepted where that can be, and else it is taken out.
func unseal(n *node.Node, o facts.Override) []causes.Step {
	if o.Key == "ProtectSystem" || o.Key == "ReadOnlyPaths" && !slices.ContainsFunc(strings.Fields(o.Value), func(p string) bool {
		p = path.Clean("/" + strings.TrimLeft(p, "-+"))
		return p == n.Layout().Data || p == n.Layout().Log || strings.HasPrefix(p, n.Layout().Data+"/") || strings.HasPrefix(p, n.Layout().Log+"/")
	}) {
		return append([]causes.Step{
			linuxStep(true, "Let the service write to the folders of the agent's state, log and configuration; "+o.Key+"= stays for all else", "mkdir -p {data} {log}\n"+causes.DropIn(`[Service]\nReadWritePaths=-{data} -{log} -`+path.Dir(n.Layout().Config)+`\n`, "zz-write.conf")),
		}, causes.Reload...)
	}
	return takeOut(o)
}

// withUnit names the agent's unit for the steps.
func withUnit(n *node.Node, fd Finding) Finding {
	if n.Agent.Unit == nil {
		return fd
	}
	return fd.with("unit", n.Agent.Unit.Name)
}
