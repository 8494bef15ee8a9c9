package checks

import (
	"path"
	"slices"
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

// onlyCondition is the condition that drop-ins of a unit set; false: none, or several, of which
// it is not told here which did not hold.
func onlyCondition(u *facts.Unit) (only facts.Override, ok bool) {
	for _, o := range u.Overrides {
		if !strings.HasPrefix(o.Key, "Condition") || o.Value == "" {
			continue
		}
		if ok {
			return facts.Override{}, false
		}
		only, ok = o, true
	}
	return only, ok
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

// unseal are the steps for a setting that keeps the agent from writing to its folders: these
// are excepted where that can be, and else it is taken out.
func unseal(n *node.Node, o facts.Override) []causes.Step {
	if o.Key == "ProtectSystem" || o.Key == "ReadOnlyPaths" && !slices.ContainsFunc(strings.Fields(o.Value), func(p string) bool {
		p = path.Clean("/" + strings.TrimLeft(p, "-+"))
		return p == n.Layout().Data || p == n.Layout().Log || strings.HasPrefix(p, n.Layout().Data+"/") || strings.HasPrefix(p, n.Layout().Log+"/")
	}) {
		return append([]causes.Step{
			linuxStep(true, "Let the service write to the folders of the agent's state, log and configuration; "+o.Key+"= stays for all else", causes.DropIn(`[Service]\nReadWritePaths=-{data} -{log} -`+path.Dir(n.Layout().Config)+`\n`, "zz-write.conf")),
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
