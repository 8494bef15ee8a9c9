package checks

import (
	"slices"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// notWritten are directories in which the agent itself writes nothing.
var notWritten = []string{"/", "/tmp", "/usr/bin"}

// FilesystemWritable is filesystem-writable.
var FilesystemWritable = register(Check{
	ID: "filesystem-writable", Group: "host", Title: "State and log directories are mounted writable",
	Station: AtHost,
	Causes:  []string{"filesystem-readonly"},
	Doc: "Mount flags of the file systems that hold the agent's state and log. A file system that the kernel remounted read-only after an error, or an image with " +
		"a read-only root, leaves the agent unable to save its registration, credentials and commands.",
	Eval: func(n *node.Node) Finding {
		if n.Identity.InECS == node.Yes {
			return skip("see ecs-rootfs")
		}
		list := n.Facts.Host.FileSystems
		looked, unseen := 0, facts.Unseen(list)
		for _, fs := range list.Some() {
			if slices.Contains(notWritten, fs.Dir) {
				continue
			}
			switch ro, ok := fs.ReadOnly.Get(); {
			case !ok:
				unseen = fs.ReadOnly
			case ro && n.Identity.InECS == node.No:
				return stops(n, "filesystem-readonly", Proven, "%s, which holds %s, is mounted read-only", fs.Mount, fs.Dir).
					saw("mount flags of "+fs.Mount, fs.Type+" ro", fs.ReadOnly.From).with("mount", fs.Mount, "path", fs.Dir).
					logged(n.Log.Recent(facts.SigReadOnly))
			default:
				looked++
			}
		}
		switch {
		case n.Identity.InECS == node.Unknown:
			return unread("whether this is a task of Amazon ECS", n.Facts.ECS.Task)
		case unseen.Unknown():
			return unread("mount flags", unseen)
		case looked == 0:
			return unknown("mount flags: none of the agent's directories was looked at")
		}
		return pass("%d file systems writable", looked)
	},
})
