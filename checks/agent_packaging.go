package checks

import (
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// AgentPackaging is agent-packaging.
var AgentPackaging = register(Check{
	ID: "agent-packaging", Group: "agent", Title: "The agent is installed once, and its package is whole",
	Station:  AtAgent,
	Profiles: []Profile{ProfileHost, ProfileImage},
	Causes:   []string{"agent-packaging-conflict"},
	Doc: "Two packagings (snap and deb), a half-configured package, a snap whose current link is broken, a unit that starts the wrong executable or whose link dangles. " +
		"Two agents on one host share the state directory and fight over it.",
	Eval: func(n *node.Node) Finding {
		list, units := n.Facts.Agent.Installations, n.Facts.Agent.Units
		if len(list.Some()) == 0 {
			if list.Unknown() {
				return unread("installations", list)
			}
			return skip("no installation found")
		}
		var kinds []string
		for _, in := range list.Some() {
			kinds = append(kinds, in.Kind)
		}
		what, seen := packageFaults(list.Some())
		more, seenMore := unitFaults(n, units.Some())
		if what = append(what, more...); len(what) == 0 {
			switch {
			case list.Unknown():
				return unread("installations", list)
			case units.Unknown():
				return unread("service units", units)
			}
			return pass("installed as %s, and nothing of it is broken", strings.Join(kinds, " and "))
		}
		fd := stops(n, "agent-packaging-conflict", Proven, "%s", text.Join(what, "; "))
		fd.Evidence = append(seen, seenMore...)
		for _, u := range units.Some() {
			if u.Load == "loaded" && n.Facts.Live() {
				fd = fd.saw(n.ShowUnit(u.Name), u.Active+" ("+u.Sub+")", n.ServiceManager(u.Name))
			}
		}
		if n.Agent.Core == node.Yes {
			return fd.as(Breaks)
		}
		return fd
	},
})

// packageFaults are the faults of the packages themselves. A bare executable and the
// agent of Amazon ECS are in no package.
func packageFaults(list []facts.Installation) (what []text.Text, seen []Evidence) {
	packages := map[string]facts.Installation{}
	for _, in := range list {
		if in.Kind == "binary" || in.Kind == "managed" {
			continue
		}
		packages[in.Kind] = in
		if in.Broken != "" {
			what = append(what, text.New("the %s package is broken: %s", in.Kind, in.Broken))
			seen = append(seen, Evidence{What: in.Kind + " package", Seen: strings.TrimSpace(in.Package + " " + in.Broken), From: in.Version.From})
		}
	}
	if len(packages) < 2 {
		return what, seen
	}
	var names []string
	for _, k := range []string{"snap", "deb", "rpm"} {
		if in, ok := packages[k]; ok {
			names = append(names, k)
			seen = append(seen, Evidence{What: k + " package", Seen: strings.TrimSpace(in.Version.Value + " " + in.Package), From: in.Version.From})
		}
	}
	return append([]text.Text{text.New("the agent is installed twice, as %s", strings.Join(names, " and "))}, what...), seen
}

// unitFaults are the faults of the services that start the agent.
func unitFaults(n *node.Node, units []facts.Unit) (what []text.Text, seen []Evidence) {
	for _, u := range units {
		if u.DanglingLink {
			what = append(what, text.New("the link that starts %s at boot points nowhere", u.Name))
			seen = append(seen, Evidence{What: "wants link of " + u.Name, Seen: "dangling", From: "file:" + u.File})
		}
		if u.Exec != "" && u.Load == "loaded" && !strings.HasSuffix(strings.TrimSuffix(u.Exec, ".exe"), "amazon-ssm-agent") {
			what = append(what, text.New("%s starts %s instead of amazon-ssm-agent", u.Name, u.Exec))
			seen = append(seen, Evidence{What: "executable of " + u.Name, Seen: u.Exec, From: n.ServiceManager(u.Name)})
		}
	}
	return what, seen
}
