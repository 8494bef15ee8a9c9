package checks

import (
	"fmt"
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "state-dir-access", Group: "host", Title: "The agent can own and write its state directory",
	Causes: []string{"state-dir-permissions"},
	Needs:  []string{"filesystem-writable"},
	Doc: "Owner of the agent's state directories, the user its service runs as, and refusals in its log. The agent must run as root: it changes owner and mode of its " +
		"vault at every start and gives up when it may not. The vault's own odd mode (a directory with 0600) is normal.",
	Eval: func(f *facts.Facts) Finding {
		m, logged := current(f, facts.SigVaultPermission)
		u := mainUnit(f)
		otherUser := u != nil && !slices.Contains([]string{"", "root", "0", "SYSTEM"}, u.User)
		var foreign []facts.PathInfo
		for _, p := range f.Registration.Paths {
			if p.Exists && p.UID != 0 && f.Host.GOOS != "windows" {
				foreign = append(foreign, p)
			}
		}
		if !otherUser && !logged && len(foreign) == 0 {
			for _, p := range f.Registration.Paths {
				if p.Exists {
					return pass("state directories belong to root")
				}
				if p.Error != "" {
					return unknown("%s: %s", p.Path, p.Error)
				}
			}
			return skip("the agent has no state directory yet")
		}
		dir := "/var/lib/amazon/ssm"
		why := "the agent is refused access to " + dir + ", which must belong to root"
		switch {
		case otherUser:
			why = fmt.Sprintf("the agent's service runs as user %s, but %s needs root", quote(u.User), dir)
		case len(foreign) > 0:
			why = fmt.Sprintf("%s belongs to uid %d, not to root; the agent runs as root and owns %s", foreign[0].Path, foreign[0].UID, dir)
		}
		fd := fail("state-dir-permissions", Likely, "%s", why)
		if otherUser {
			fd = fd.saw("systemctl show "+u.Name, "User="+u.User, "systemctl:"+u.Name).with("unit", u.Name)
			fd.Confidence = Proven
		}
		for _, p := range foreign {
			fd = fd.saw("owner of "+p.Path, fmt.Sprintf("uid %d, %s", p.UID, p.Mode), "file:"+p.Path).with("path", p.Path)
		}
		if logged {
			fd = fd.logged(m)
		}
		if !otherUser && !logged {
			// An unusual owner alone has not stopped anything.
			if _, ok := Managed(f); ok || !strings.HasPrefix(foreign[0].Path, dir) {
				return pass("%s", why)
			}
		}
		return fd
	},
})
