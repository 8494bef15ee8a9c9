package checks

import (
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// launchSays is what keeps a launch agent of EC2 from its work, or how it did it; empty:
// nothing is known.
func launchSays(n *node.Node, a facts.LaunchAgent) string {
	var says []string
	if s, ok := a.Service.Get(); ok && s.Enabled != "" {
		says = append(says, "its service is "+s.Enabled)
	}
	if on, ok := a.Scheduled.Get(); ok {
		says = append(says, map[bool]string{true: "a scheduled task runs it at the next start", false: "no scheduled task runs it at the next start"}[on])
	}
	run, ok := a.Run.Get()
	boot, booted := n.Facts.Host.BootTime.Get()
	switch {
	case a.Run.Absent():
		says = append(says, "it has not run on this machine")
	case !ok:
	case booted && a.Kind == facts.LaunchV2 && run.At.Before(boot.Add(-launchSlack)):
		says = append(says, "it has not run since the boot "+n.Ago(boot))
	case run.Failure != "":
		says = append(says, "its last run, "+n.Ago(run.At)+", logged "+run.Failure)
	case run.Routes:
		says = append(says, "it set the routes "+n.Ago(run.At))
	}
	return strings.Join(says, "; ")
}

// launchSlack is by how much the clock of a booting Windows may be set later.
const launchSlack = 5 * 60 * 1e9

// sawLaunch adds what the launch agents of EC2 on this Windows did: they set the routes to
// the metadata service, and start the SSM Agent after setup.
func sawLaunch(n *node.Node, fd Finding) Finding {
	list := n.Facts.Host.LaunchAgents
	if all, ok := list.Get(); ok && len(all) == 0 {
		if n.Identity.OnEC2 == node.No { // where none belongs
			return fd
		}
		return fd.saw("launch agent of EC2", "none is installed", list.From)
	}
	for _, a := range list.Some() {
		if says := launchSays(n, a); says != "" {
			fd = fd.saw(a.Kind, says, text.Or(a.Run.From, a.Service.From))
		}
	}
	return fd
}

// withLaunch is sawLaunch for a wrong route to the metadata service, with the step that
// lets a launch agent that is switched off set the routes again.
func withLaunch(n *node.Node, fd Finding) Finding {
	fd = sawLaunch(n, fd)
	for _, a := range n.Facts.Host.LaunchAgents.Some() {
		if s, ok := a.Service.Get(); ok && s.Disabled() && a.Kind == facts.LaunchV2 {
			fd = fd.add("; EC2Launch v2, which sets the routes at each start, is disabled")
			steps := fd.Fix
			if len(steps) == 0 {
				steps = causes.Get(fd.Cause).Fix
			}
			fd.Fix = append([]causes.Step{{Text: "Let EC2Launch v2 start with Windows again, which sets the routes at each start", Command: "Set-Service -Name 'Amazon EC2Launch' -StartupType Automatic",
				Where: causes.OnHost, Root: true, GOOS: "windows"}}, steps...)
		}
	}
	return fd
}

// routesAgain is the launch agent that sets the routes again at the next start of a Windows,
// whatever its files keep; empty: none is known to.
// Source: Amazon EC2 User Guide, "EC2Launch v2 tasks", "Updating metadata/KMS routes".
func routesAgain(n *node.Node) string {
	for _, a := range n.Facts.Host.LaunchAgents.Some() {
		s, ok := a.Service.Get()
		on, known := a.Scheduled.Get()
		if a.Kind == facts.LaunchV2 && ok && s.Enabled == "enabled" || a.Kind == facts.LaunchV1 && known && on {
			return a.Kind
		}
	}
	return ""
}

// startedByLaunch is the launch agent that starts the SSM Agent once setup of an image that
// sysprep has sealed is done; empty: none is known to.
// Source: Amazon EC2 User Guide, "EC2Launch v2 settings", Start SSM Service.
func startedByLaunch(n *node.Node) string {
	if !isSealed(n) {
		return ""
	}
	for _, a := range n.Facts.Host.LaunchAgents.Some() {
		s, ok := a.Service.Get()
		if on, known := a.StartsAgent.Get(); a.Kind == facts.LaunchV2 && ok && s.Enabled == "enabled" && known && on {
			return a.Kind
		}
	}
	return ""
}

// isSealed reports whether sysprep left an image for the first start of another machine.
// Source: Microsoft, "Windows Setup States".
func isSealed(n *node.Node) bool {
	s, ok := n.Facts.Host.ImageState.Get()
	return ok && (s == "IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE" || s == "IMAGE_STATE_SPECIALIZE_RESEAL_TO_OOBE")
}
