package checks

import (
	"fmt"

	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "inotify", Group: "host", Title: "inotify watches are available",
	Causes: []string{"inotify-exhausted"},
	Doc: "Watches and instances of inotify in use against the kernel's limits. The document worker watches its channel folder with inotify; when none is left, " +
		"commands and sessions fail with \"no space left on device\" while the disk is half empty. Watches of processes that cannot be read are not counted.",
	Eval: func(f *facts.Facts) Finding {
		in, known := f.Host.Inotify.Get()
		m, logged := recently(f, facts.SigInotify)
		if !known && !logged {
			return unknown("inotify: %s", f.Host.Inotify.Reason())
		}
		watches := known && in.MaxWatches > 0 && in.UsedWatches >= in.MaxWatches-max(8, in.MaxWatches/200)
		instances := known && in.MaxInstances > 0 && in.UsedInstances >= in.MaxInstances-1
		if !watches && !instances && !logged {
			return pass("%d of %d watches, %d of %d instances in use", in.UsedWatches, in.MaxWatches, in.UsedInstances, in.MaxInstances)
		}
		seen := fmt.Sprintf("%d of %d watches, %d of %d instances in use", in.UsedWatches, in.MaxWatches, in.UsedInstances, in.MaxInstances)
		confidence := Proven
		if !watches && !instances {
			confidence = Likely
		}
		fd := warn("inotify-exhausted", confidence, "inotify is exhausted: the agent cannot add a watch, though the disk has space")
		if known {
			fd = fd.saw("/proc/sys/fs/inotify and open watches", seen, f.Host.Inotify.From)
		}
		if logged {
			fd = fd.logged(m)
		}
		return fd
	},
})
