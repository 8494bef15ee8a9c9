package checks

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "agent-packaging", Group: "agent", Title: "One whole packaging of the agent",
	Causes: []string{"agent-packaging-conflict"},
	Needs:  []string{"agent-installed"},
	Doc: "Two packagings (snap and deb), a half-configured package, a snap whose current link is broken, a unit that starts the wrong executable or whose link dangles. " +
		"Two agents on one host share the state directory and fight over it.",
	Eval: func(f *facts.Facts) Finding {
		if len(f.Agent.Installations) == 0 {
			return skip("no installation found")
		}
		var seen []Evidence
		var what []string
		kinds := map[string]facts.Installation{}
		for _, in := range f.Agent.Installations {
			if in.Kind == "binary" || in.Kind == "managed" {
				continue
			}
			kinds[in.Kind] = in
			if in.Broken != "" {
				what = append(what, fmt.Sprintf("the %s package is broken: %s", in.Kind, in.Broken))
				seen = append(seen, Evidence{What: in.Kind + " package", Seen: strings.TrimSpace(in.Package + " " + in.Broken), From: in.Version.From})
			}
		}
		if len(kinds) > 1 {
			var names []string
			for _, k := range []string{"snap", "deb", "rpm"} {
				if in, ok := kinds[k]; ok {
					names = append(names, k)
					seen = append(seen, Evidence{What: k + " package", Seen: strings.TrimSpace(in.Version.Value + " " + in.Package), From: in.Version.From})
				}
			}
			what = append([]string{"the agent is installed twice, as " + strings.Join(names, " and ")}, what...)
		}
		for _, u := range f.Agent.Units {
			if u.DanglingLink {
				what = append(what, "the link that starts "+u.Name+" at boot points nowhere")
				seen = append(seen, Evidence{What: "wants link of " + u.Name, Seen: "dangling", From: "file:" + u.File})
			}
			if u.Exec != "" && u.Load == "loaded" && !strings.HasSuffix(strings.TrimSuffix(u.Exec, ".exe"), "amazon-ssm-agent") {
				what = append(what, fmt.Sprintf("%s starts %s instead of amazon-ssm-agent", u.Name, u.Exec))
				seen = append(seen, Evidence{What: "ExecStart of " + u.Name, Seen: u.Exec, From: "systemctl:" + u.Name})
			}
		}
		if len(what) == 0 {
			return pass("%d installation, whole", len(f.Agent.Installations))
		}
		fd := fail("agent-packaging-conflict", Proven, "%s", strings.Join(what, "; "))
		fd.Evidence = seen
		for _, u := range f.Agent.Units {
			if u.Load == "loaded" {
				fd = fd.saw("systemctl show "+u.Name, u.Active+" ("+u.Sub+")", "systemctl:"+u.Name)
			}
		}
		if running, _ := coreRunning(f); running {
			fd.Status = Warn
			fd = fd.severity(causes.Warning)
		}
		return fd
	},
})
