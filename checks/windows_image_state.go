package checks

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// WindowsImageState is windows-image-state.
var WindowsImageState = register(Check{
	ID: "windows-image-state", Group: "host", Title: "Windows setup has completed",
	Station:  AtHost,
	Systems:  []string{"windows"},
	Profiles: []Profile{ProfileHost, ProfileImage},
	Causes:   []string{"sysprep-incomplete"},
	Doc: "The ImageState value of Windows setup. The agent waits, in state start-pending and without limit, until it is IMAGE_STATE_COMPLETE; " +
		"an image whose sysprep did not finish never becomes a managed node. An image may also be sealed by sysprep for the first start of another machine.",
	Eval: func(n *node.Node) Finding {
		s, ok := n.Facts.Host.ImageState.Get()
		switch {
		case !ok:
			return unread("image state", n.Facts.Host.ImageState)
		case s == "IMAGE_STATE_COMPLETE":
			return pass("%s", s)
		case !n.Facts.Live() && isSealed(n):
			return pass("%s: setup goes on when a machine is started from the image", s)
		case !n.Facts.Live():
			return blocks("sysprep-incomplete", Proven, "Windows image state is %s: setup does not finish on machines made from the image, and the agent waits for that", s).
				saw(`registry Setup\State ImageState`, s, n.Facts.Host.ImageState.From)
		}
		return sawLaunch(n, stops(n, "sysprep-incomplete", Proven, "Windows image state is %s, not IMAGE_STATE_COMPLETE; the agent waits for setup to finish", s).
			saw(`registry Setup\State ImageState`, s, n.Facts.Host.ImageState.From).logged(n.Log.Latest(facts.SigSysprep, facts.SigSystemWait)))
	},
})
