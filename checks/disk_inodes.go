package checks

import (
	"fmt"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "disk-inodes", Group: "host", Title: "The agent's directories have free inodes",
	Causes: []string{"inode-exhausted"},
	Doc: "Free inodes of the file systems that hold the agent's state and log. Without inodes every new file fails with \"no space left on device\" though " +
		"space is free. File systems without a fixed number of inodes (btrfs, some network file systems) pass.",
	Eval: func(f *facts.Facts) Finding {
		return eachFS(f, "free inodes", func(fs facts.FileSystem, u facts.Usage) (Finding, bool) {
			if !noInodes(u) {
				return Finding{}, false
			}
			seen := fmt.Sprintf("%s (%s): %d of %d inodes free", fs.Mount, fs.Dir, u.FreeInodes, u.TotalInodes)
			fd := warn("inode-exhausted", Proven, "no inodes left on %s, which holds %s; %s of space are free", fs.Mount, fs.Dir, size(u.FreeBytes)).
				saw("statfs "+fs.Dir, seen, "statfs:"+fs.Dir).with("mount", fs.Mount, "path", fs.Dir)
			for _, id := range []string{facts.SigNoSpace, facts.SigCredsWrite} {
				if m, ok := recently(f, id); ok {
					fd = fd.logged(m)
				}
			}
			if _, ok := current(f, facts.SigCredsWrite); ok {
				fd = fd.severity(causes.Critical)
			}
			return fd, true
		})
	},
})

func noInodes(u facts.Usage) bool { return u.TotalInodes != 0 && u.FreeInodes <= 16 }
