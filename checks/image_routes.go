package checks

import (
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/node"
)

// ImageRoutes is image-routes.
var ImageRoutes = register(Check{
	ID: "image-routes", Group: "imds", Title: "The image carries no route to the metadata service",
	Profiles: []Profile{ProfileImage},
	Causes:   []string{"imds-route-wrong"},
	Doc: "Persistent routes to 169.254.169.254 in network configuration. They name the gateway of the subnet the image was made in, so the metadata service cannot be reached from any other subnet. " +
		"On Windows a launch agent of EC2 that runs at the next start sets them again.",
	Eval: func(n *node.Node) Finding {
		kept := n.Facts.Host.PersistentRoutes
		for _, r := range kept.Some() {
			if r.Gateway == "" {
				continue
			}
			if by := routesAgain(n); by != "" {
				return warns("the image keeps a route to %s via %s; %s sets it again at the next start", imdsAddress, r.Gateway, by)
			}
			from, path := r.From, strings.TrimPrefix(r.From, "file:")
			if strings.HasPrefix(from, "/") {
				from = "file:" + from
			}
			return blocks("imds-route-wrong", Proven, "the image keeps a route to %s via %s", imdsAddress, r.Gateway).
				saw(path, r.Destination+" via "+r.Gateway, from).with("gateway", r.Gateway, "path", path).
				fix(imageFix(
					causes.Step{Text: "Remove the route from {root}{path} with an editor", Command: "grep -n " + imdsAddress + " {root}{path}", GOOS: "linux darwin"},
					causes.Step{Text: "Remove the persistent route", Command: "route delete " + imdsAddress, GOOS: "windows"})...)
		}
		if kept.Unknown() {
			return unread("network configuration", kept)
		}
		return pass("no such route is kept in network configuration")
	},
})
