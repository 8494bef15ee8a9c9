package checks

import (
	"strings"

	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "image-node-folders", Group: "identity", Title: "The image carries no folders of a node", Profile: ProfileImage,
	Causes: []string{"registration-cloned-image"},
	Doc:    "Folders named after a node id in the agent's data directory: command documents, session logs and inventory of the machine the image was made from.",
	Eval: func(f *facts.Facts) Finding {
		ids, ok := f.Registration.NodeFolders.Get()
		if !ok && f.Registration.NodeFolders.Unknown() {
			return unknown("data directory: %s", f.Registration.NodeFolders.Reason())
		}
		if len(ids) == 0 {
			return pass("none")
		}
		return fail("registration-cloned-image", Proven, "the image carries the folders of %s", strings.Join(ids, ", ")).
			saw("/var/lib/amazon/ssm", strings.Join(ids, ", "), f.Registration.NodeFolders.From).fix(cleanImage(f)...)
	},
})
