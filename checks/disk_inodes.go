package checks

import (
	"fmt"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// DiskInodes is disk-inodes.
var DiskInodes = register(Check{
	ID: "disk-inodes", Group: "host", Title: "The agent's directories have free inodes",
	Station: AtHost,
	Systems: []string{"linux"},
	Causes:  []string{"inode-exhausted"},
	Doc: "Free inodes of the file systems that hold the agent's state and log. Without inodes every new file fails with \"no space left on device\" though " +
		"space is free. File systems without a fixed number of inodes (btrfs, some network file systems) pass.",
	Eval: func(n *node.Node) Finding {
		return eachFileSystem(n, "free inodes", func(fs facts.FileSystem, u facts.Usage) (Finding, bool) {
			if !lacksInodes(u) {
				return Finding{}, false
			}
			seen := fmt.Sprintf("%s (%s): %d of %d inodes free", fs.Mount, fs.Dir, u.FreeInodes, u.TotalInodes)
			fd := breaks("inode-exhausted", Proven, "no inodes left on %s, which holds %s; %s of space are free", fs.Mount, fs.Dir, text.Size(u.FreeBytes)).
				saw("statfs "+fs.Dir, seen, "statfs:"+fs.Dir).with("mount", fs.Mount, "path", fs.Dir).
				logged(n.Log.Recent(facts.SigNoSpace), n.Log.Recent(facts.SigCredsWrite))
			if n.Log.Current(facts.SigCredsWrite).Yes() || startLacksSpace(n) {
				fd = fd.as(Blocks)
			}
			return fd, true
		})
	},
})
