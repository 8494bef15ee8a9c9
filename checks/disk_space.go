package checks

import (
	"fmt"
	"slices"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// DiskSpace is disk-space.
var DiskSpace = register(Check{
	ID: "disk-space", Group: "host", Title: "The agent's directories have free space",
	Station: AtHost,
	Causes:  []string{"disk-full"},
	Doc: "Free space of the file systems that hold the agent's state, log and temporary files. Without space the agent keeps its heartbeat " +
		"but cannot store commands, session state or credentials, and reports misleading errors such as an unknown plug-in. Quotas of single users are not seen.",
	Eval: func(n *node.Node) Finding {
		const what = "free space"
		full := eachFileSystem(n, what, func(fs facts.FileSystem, u facts.Usage) (Finding, bool) {
			return diskFull(n, fs, u), u.FreeBytes < fullBytes
		})
		if full.Cause != "" {
			return full
		}
		return eachFileSystem(n, what, func(fs facts.FileSystem, u facts.Usage) (Finding, bool) {
			return warns("little space left on %s", freeSpace(fs, u)), u.FreeBytes < 100<<20 && u.FreeBytes*100 < u.TotalBytes
		})
	},
})

func diskFull(n *node.Node, fs facts.FileSystem, u facts.Usage) Finding {
	fd := breaks("disk-full", Proven, "disk full: no space left %s", placeOf(n, fs)).
		saw("statfs "+fs.Dir, freeSpace(fs, u).String(), "statfs:"+fs.Dir).with("mount", text.Or(fs.Mount, fs.Dir), "path", fs.Dir).
		logged(n.Log.Recent(facts.SigNoSpace), n.Log.Recent(facts.SigCredsWrite), n.Log.Recent(facts.SigStream))
	record := n.Facts.Credentials.Runtime
	cut := record.Obstacle() == facts.Damaged && holderOf(n, record.From).Dir == fs.Dir && n.Acceptance.Now != node.Yes
	if cut || n.Log.Current(facts.SigCredsWrite).Yes() || startLacksSpace(n) {
		return fd.as(Blocks)
	}
	if n.Acceptance.Now == node.Yes { // it writes again by itself
		usual := causes.Get(fd.Cause).Fix
		fd = fd.fix(slices.DeleteFunc(slices.Clone(usual), func(s causes.Step) bool { return s.Command == "{restart}" })...)
	}
	return fd
}

func freeSpace(fs facts.FileSystem, u facts.Usage) text.Text {
	free := fmt.Sprintf("%s free of %s", text.Size(u.FreeBytes), text.Size(u.TotalBytes))
	if fs.Mount == "" {
		return text.New("%s: %s", fs.Dir, free)
	}
	return text.New("%s (%s): %s", fs.Mount, fs.Dir, free)
}

// placeOf says where a file system is: its mount, and the directory of the agent that
// it holds. The mount is not known on every system.
func placeOf(n *node.Node, fs facts.FileSystem) text.Text {
	if fs.Mount == "" {
		return text.New("for %s", fs.Dir)
	}
	for _, o := range append([]facts.FileSystem{fs}, n.Facts.Host.FileSystems.Some()...) {
		if o.Mount == fs.Mount && o.Dir != o.Mount {
			return text.New("on %s, which holds the agent's %s", fs.Mount, o.Dir)
		}
	}
	return text.New("on %s", fs.Mount)
}
