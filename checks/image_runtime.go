package checks

import (
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// ImageRuntime is image-runtime.
var ImageRuntime = register(Check{
	ID: "image-runtime", Group: "identity", Title: "The image carries no runtime configuration",
	Profiles: []Profile{ProfileImage},
	Causes:   []string{"registration-cloned-image"},
	Doc:      "identity_config.json of the machine the image was made from. While its recorded expiry lies ahead, an agent started from the image believes that it has credentials and does not ask for its own.",
	Eval: func(n *node.Node) Finding {
		runtime := n.Facts.Credentials.Runtime
		r, ok := runtime.Get()
		switch {
		case ok:
			return blocks("registration-cloned-image", Proven, "the image carries the runtime configuration of %s", text.Or(r.InstanceID, "another machine")).
				saw("identity_config.json", text.Or(r.InstanceID, "exists"), runtime.From).fix(cleanImage(n)...)
		case runtime.Unknown():
			return unread("runtime configuration", runtime)
		}
		return pass("identity_config.json does not exist")
	},
})
