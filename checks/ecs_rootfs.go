package checks

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// EcsRootfs is ecs-rootfs.
var EcsRootfs = register(Check{
	ID: "ecs-rootfs", Group: "ecs", Title: "The managed agent can write in the container",
	Station: AtHost,
	Causes:  []string{"ecs-readonly-rootfs"},
	Doc:     "The agent of ECS Exec writes below /var/lib/amazon and /var/log/amazon. With readonlyRootFilesystem it needs volumes there.",
	Eval: func(n *node.Node) Finding {
		if fd, ok := notInTask(n); ok {
			return fd
		}
		root, mounts, data := n.Facts.ECS.ReadOnlyRoot, n.Facts.Host.FileSystems, n.Layout().Data
		switch readOnly, ok := root.Get(); {
		case !ok:
			return unread("root file system", root)
		case !readOnly:
			return pass("the root file system is writable")
		case mounts.Unknown():
			return unread("file systems", mounts)
		}
		fd := stops(n, "ecs-readonly-rootfs", Proven, "the container's root file system is read-only and the managed agent has no writable path").
			saw("mount flags of /", "read-only", root.From)
		for _, fs := range mounts.Some() {
			if fs.Dir != data {
				continue
			}
			switch readOnly, ok := fs.ReadOnly.Get(); {
			case !ok:
				return unread("mount flags of "+data, fs.ReadOnly)
			case !readOnly:
				return pass("the root file system is read-only, %s is writable", data)
			}
			fd = fd.saw("mount flags of "+data, "read-only", fs.ReadOnly.From)
		}
		return fd.logged(n.Log.Current(facts.SigReadOnly))
	},
})
