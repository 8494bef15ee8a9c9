package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "image-routes", Group: "imds", Title: "The image carries no route to the metadata service", Profile: ProfileImage,
	Causes: []string{"imds-route-wrong"},
	Doc:    "Persistent routes to 169.254.169.254 in network configuration. They name the gateway of the subnet the image was made in, and in any other subnet the metadata service is lost.",
	Eval: func(f *facts.Facts) Finding {
		rs, ok := f.Host.PersistentRoutes.Get()
		if !ok && f.Host.PersistentRoutes.Unknown() {
			return unknown("network configuration: %s", f.Host.PersistentRoutes.Reason())
		}
		for _, r := range rs {
			if r.Gateway != "" {
				return fail("imds-route-wrong", Proven, "the image keeps a route to %s via %s", imdsAddress, r.Gateway).
					saw(r.From, r.Destination+" via "+r.Gateway, "file:"+r.From).with("gateway", r.Gateway, "path", r.From).
					fix(imageFix(
						causes.Step{Text: "Remove the route from {root}{path} with an editor", Command: "grep -n " + imdsAddress + " {root}{path}", GOOS: "linux darwin"},
						causes.Step{Text: "Remove the persistent route", Command: "route delete " + imdsAddress, GOOS: "windows"})...)
			}
		}
		return pass("none")
	},
})
