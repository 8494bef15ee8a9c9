package checks

import (
	"strings"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// lacksDescriptors reports whether it was the agent's own limit of open files that kept it from
// a watch: the kernel gives the same error for both.
func lacksDescriptors(n *node.Node, refused node.Entry, in facts.Inotify) bool {
	return strings.Contains(refused.Text, "too many open files") && n.Log.Recent(facts.SigFiles).Yes() &&
		in.MaxInstances > 0 && in.UsedInstances*2 < in.MaxInstances
}

// Inotify is inotify.
var Inotify = register(Check{
	ID: "inotify", Group: "host", Title: "inotify watches are available",
	Station: AtHost,
	Systems: []string{"linux"},
	Causes:  []string{"inotify-exhausted"},
	Doc: "Watches and instances of inotify in use against the kernel's limits. The document worker watches its channel folder with inotify; when none is left, " +
		"commands and sessions fail with \"no space left on device\" while the disk is half empty. Watches of processes that cannot be read are not counted.",
	Eval: func(n *node.Node) Finding {
		// Of a count that is known only in part the rest would add to it.
		in, refused := n.Facts.Host.Inotify.Some(), n.Log.Recent(facts.SigInotify)
		watches := in.MaxWatches > 0 && in.UsedWatches >= in.MaxWatches-max(8, in.MaxWatches/200)
		instances := in.MaxInstances > 0 && in.UsedInstances >= in.MaxInstances-1
		usage := text.New("%d of %d watches, %d of %d instances in use", in.UsedWatches, in.MaxWatches, in.UsedInstances, in.MaxInstances)
		switch {
		case watches, instances, refused.Yes() && !outlived(n, refused) && !lacksDescriptors(n, refused, in):
			fd := breaks("inotify-exhausted", Likely, "inotify is exhausted: the agent cannot add a watch, though the disk has space").halts("run-command", "session-manager")
			if watches || instances {
				fd = fd.sure(Proven)
			}
			if in.MaxWatches > 0 || in.MaxInstances > 0 {
				fd = fd.saw("/proc/sys/fs/inotify and open watches", usage.String(), n.Facts.Host.Inotify.From)
			}
			return fd.logged(refused)
		case !n.Facts.Host.Inotify.Known():
			return unread("inotify", n.Facts.Host.Inotify)
		case refused.Unread():
			return unreadLog(n)
		}
		return pass("%s", usage)
	},
})
