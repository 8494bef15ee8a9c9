package checks

import (
	"slices"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/node"
)

// timeSteps set the clock right by the time service that this host has, or by one that is
// installed for it; nil: the catalogue's. apt refuses lists that a wrong clock takes for
// those of the future, unless it is told not to look.
// Source: manuals of chronyc, timedatectl, ntpd and apt.conf (Acquire::Check-Date).
func timeSteps(n *node.Node) []causes.Step {
	list, ok := n.Facts.Host.TimeServices.Get()
	if !ok || n.Facts.Host.GOOS != "linux" {
		return nil
	}
	has := func(names ...string) string {
		for _, name := range names {
			if slices.Contains(list, name) {
				return name
			}
		}
		return ""
	}
	const step, look = "Step the clock, and keep it right, by the time service of this host", "Check that the clock stays right"
	var set, see causes.Step
	chrony, ntp := has("chronyd", "chrony"), has("ntpd", "ntp", "ntpsec", "openntpd")
	switch {
	case chrony != "":
		set, see = linuxStep(true, step, "systemctl enable --now "+chrony+"\nchronyc makestep"), linuxStep(false, look, "chronyc tracking")
	case has("systemd-timesyncd") != "":
		set, see = linuxStep(true, step, "timedatectl set-ntp true\nsystemctl restart systemd-timesyncd"), linuxStep(false, look, "timedatectl timesync-status")
	case ntp == "openntpd":
		set, see = linuxStep(true, step, "systemctl enable --now openntpd\nsystemctl restart openntpd"), linuxStep(false, look, "ntpctl -s status")
	case ntp != "":
		set, see = linuxStep(true, step, "systemctl stop "+ntp+"\nntpd -gq\nsystemctl enable --now "+ntp), linuxStep(false, look, "ntpq -pn")
	default:
		set, see = linuxStep(true, "This host has no time service: install chrony, which sets the clock when it starts and keeps it right", installChrony(n)), linuxStep(false, look, "chronyc tracking")
	}
	return []causes.Step{set, see, restartByClock, causes.Again}
}

var restartByClock = causes.Step{Text: "Restart the agent, because it uses this clock to time its retries", Command: "{restart}", Where: causes.OnHost, Root: true}

func installChrony(n *node.Node) string {
	switch family := n.Platform().Family; {
	case n.Facts.Host.Distro.Value.ID == "alpine":
		return "apk add chrony && rc-update add chronyd && rc-service chronyd start"
	case family == "deb", family == "ubuntu":
		return "apt-get -o Acquire::Check-Date=false update && apt-get install -y chrony"
	case family == "zypper":
		return "zypper --non-interactive install chrony && systemctl enable --now chronyd"
	}
	return "yum install -y chrony && systemctl enable --now chronyd"
}
