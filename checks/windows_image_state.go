package checks

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// WindowsImageState is windows-image-state.
var WindowsImageState = register(Check{
	ID: "windows-image-state", Group: "host", Title: "Windows setup has completed",
	Station: AtHost,
	Systems: []string{"windows"},
	Causes:  []string{"sysprep-incomplete"},
	Doc: "The ImageState value of Windows setup. The agent waits, in state start-pending and without limit, until it is IMAGE_STATE_COMPLETE; " +
		"an image whose sysprep did not finish never becomes a managed node.",
	Eval: func(n *node.Node) Finding {
		s, ok := n.Facts.Host.ImageState.Get()
		switch {
		case !ok:
			return unread("image state", n.Facts.Host.ImageState)
		case s == "IMAGE_STATE_COMPLETE":
			return pass("%s", s)
		}
		return stops(n, "sysprep-incomplete", Proven, "Windows image state is %s, not IMAGE_STATE_COMPLETE; the agent waits for setup to finish", s).
			saw(`registry Setup\State ImageState`, s, n.Facts.Host.ImageState.From).logged(n.Log.Latest(facts.SigSysprep, facts.SigSystemWait))
	},
})
