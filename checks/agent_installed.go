package checks

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "agent-installed", Group: "agent", Title: "The SSM Agent is installed",
	Causes: []string{"agent-not-installed"},
	Doc: "Looks for the agent as deb, rpm, snap or bare executable, in the package databases and at the known places, and for its unit. " +
		"An agent at an unusual place is found only while it runs.",
	Eval: func(f *facts.Facts) Finding {
		if Kind(f) == KindECS {
			return skip("in an ECS task the agent comes with execute-command")
		}
		yes, known := agentInstalled(f)
		if !known {
			return unknown("installations: %s", f.Agent.InstallationsRead.Reason())
		}
		if !yes {
			fd := fail("agent-not-installed", Proven, "no SSM Agent is installed: no package, no snap, no executable, no service").
				saw("package databases, /usr/bin, /snap", "no amazon-ssm-agent", f.Agent.InstallationsRead.From)
			for _, u := range f.Agent.Units {
				fd = fd.saw("systemctl show "+u.Name, u.Load, "systemctl:"+u.Name)
			}
			if d, ok := f.Host.Distro.Get(); ok {
				fd = fd.with("package", d.ID)
			}
			return fd
		}
		var list []string
		for _, in := range f.Agent.Installations {
			v := in.Version.Value
			if v == "" {
				v = "version unknown"
			}
			list = append(list, fmt.Sprintf("%s %s in %s", in.Kind, v, in.Dir))
		}
		if len(list) == 0 {
			return pass("running, installed at an unusual place")
		}
		return pass("%s", strings.Join(list, "; "))
	},
})
