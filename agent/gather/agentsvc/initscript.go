package agentsvc

import (
	"path"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// initScript is the agent's script on hosts with OpenRC or System V init. AWS ships
// none; distributions that build the agent themselves do.
const initScript = "etc/init.d/amazon-ssm-agent"

// scriptUnit describes the agent's service by the files in which OpenRC keeps the state
// of its services, or, for System V init, by the links of its run levels; false where
// there is no such script.
// Source: OpenRC, src/librc (rc_service_state) and openrc-run(8); init-d-script(5).
func scriptUnit(fsys gather.FileSystem) (manager string, u facts.Unit, ok bool) {
	if !gather.Exists(fsys, initScript) {
		return "", u, false
	}
	name := path.Base(initScript)
	u = facts.Unit{Name: name, Load: "loaded", File: "/" + initScript, Enabled: "disabled"}
	if gather.Exists(fsys, "run/openrc/softlevel") || gather.Exists(fsys, "etc/runlevels") {
		for _, level := range []string{"boot", "default", "sysinit"} {
			if _, err := fsys.Lstat("etc/runlevels/" + level + "/" + name); err == nil {
				u.Enabled = "enabled"
			}
		}
		u.Active, u.Sub = "inactive", "stopped"
		for _, s := range [][2]string{{"started", "active"}, {"starting", "activating"}, {"stopping", "deactivating"}, {"failed", "failed"}} {
			if _, err := fsys.Lstat("run/openrc/" + s[0] + "/" + name); err == nil {
				u.Active, u.Sub = s[1], s[0]
			}
		}
		return "openrc", u, true
	}
	for _, level := range []string{"2", "3", "5"} {
		es, err := fsys.ReadDir("etc/rc" + level + ".d")
		if err != nil {
			continue
		}
		for _, e := range es {
			if n := e.Name(); strings.HasPrefix(n, "S") && strings.HasSuffix(n, name) {
				u.Enabled = "enabled"
			}
		}
	}
	return "sysv", u, true // whether it runs, only the process table tells
}
