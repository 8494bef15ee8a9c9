package checks

import (
	"strings"

	"ssm-doctor/checks/node"
)

// ImageNodeFolders is image-node-folders.
var ImageNodeFolders = register(Check{
	ID: "image-node-folders", Group: "identity", Title: "The image carries no folders of a node",
	Profiles: []Profile{ProfileImage},
	Causes:   []string{"registration-cloned-image"},
	Doc:      "Folders named after a node id in the agent's data directory: command documents, session logs and inventory of the machine the image was made from.",
	Eval: func(n *node.Node) Finding {
		folders := n.Facts.Registration.NodeFolders
		if ids := strings.Join(folders.Some(), ", "); ids != "" {
			return blocks("registration-cloned-image", Proven, "the image carries the folders of %s", ids).
				saw(n.Layout().Data, ids, folders.From).fix(cleanImage(n)...)
		}
		if folders.Unknown() {
			return unread("data directory", folders)
		}
		return pass("no folder is named after a node")
	},
})
