package checks

import (
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
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
		"a read-only root, leaves the agent unable to save its registration, credentials and commands. " +
		"A unit may give the service read-only folders of its own (ProtectSystem=strict, ReadOnlyPaths=): the mounts of the agent as it runs decide. Where they were not read and a drop-in has such a setting, this is unknown.",
	Eval: func(n *node.Node) Finding {
		if n.Identity.InECS == node.Yes {
			return skip("see ecs-rootfs")
		}
		list := n.Facts.Host.FileSystems
		looked, unseen := 0, facts.Unseen(list)
		var sealed facts.Override
		at := "" // what it holds
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
				if m := sealedAt(n, fs.Dir); m != "" && n.Identity.InECS == node.No {
					fd := stops(n, "filesystem-readonly", Proven, "%s is mounted writable, but not for the agent: its service has a read-only mount of its own at %s", fs.Dir, m).
						saw("mounts of the agent", m+" ro", n.Facts.Agent.Sealed.From).with("mount", m, "path", fs.Dir).fix(unsealSteps...)
					if o, ok := sealedBy(n, fs.Dir); ok {
						fd = withUnit(n, fd.saw(o.File, o.Key+"="+o.Value, ""))
						if steps := unseal(n, o); len(steps) > 0 {
							fd.Fix = steps
						}
					}
					return fd
				}
				if o, ok := sealedBy(n, fs.Dir); ok && sealed.Key == "" && !n.Facts.Agent.Sealed.Known() {
					sealed, at = o, fs.Dir
				}
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
		if units := n.Facts.Agent.Units; !n.Facts.Agent.Sealed.Known() && units.Unknown() && units.Obstacle() != facts.NotAskable {
			return unread("units of the agent", units)
		}
		if start := n.Log.Current(facts.SigBusStart); sealed.Key != "" && n.Agent.Core == node.No && start.Yes() && strings.Contains(start.Text, "read-only file system") {
			return withUnit(n, stops(n, "filesystem-readonly", Likely, "%s is mounted writable, but not for the agent: %s in %s", at, sealed.Key+"="+sealed.Value, sealed.File).
				saw(sealed.File, sealed.Key+"="+sealed.Value, "").logged(start).fix(unseal(n, sealed)...))
		}
		if sealed.Key != "" {
			return unknown("%s is mounted writable, but %s in %s gives the agent mounts of its own, which were not read", at, sealed.Key+"="+sealed.Value, sealed.File)
		}
		return pass("%d file systems writable", looked)
	},
})

// unsealSteps are for a service that may not write where others may.
var unsealSteps = []causes.Step{
	linuxStep(false, "See which settings of the service make it so, and which files hold them", "systemctl show amazon-ssm-agent snap.amazon-ssm-agent.amazon-ssm-agent -p ProtectSystem -p ReadOnlyPaths -p InaccessiblePaths -p ReadWritePaths -p DropInPaths"),
	linuxStep(false, "Take them out there, or add ReadWritePaths= with the folders of the agent's state and log; these are", "echo {data} {log}"),
	linuxStep(true, "Restart the agent", "systemctl daemon-reload\n{restart}"),
	causes.Again,
}

// sealedAt is the first mount of the running agent's own that keeps it from writing into a
// directory; empty: none was seen.
func sealedAt(n *node.Node, dir string) string {
	for _, s := range n.Facts.Agent.Sealed.Some() {
		if s.Dir == dir && !s.NoExec {
			return s.Mount
		}
	}
	return ""
}

// sealedBy is the setting of a drop-in by which the agent may not write into a directory
// that others may write into. Of several the one for the closest folder holds.
// Source: systemd.exec(5), ProtectSystem= and ReadWritePaths=.
func sealedBy(n *node.Node, dir string) (by facts.Override, ok bool) {
	for _, u := range n.Facts.Agent.Units.Some() {
		closest := -1
		for _, o := range u.Overrides {
			paths := strings.Fields(o.Value)
			switch o.Key {
			case "ProtectSystem":
				if paths = nil; o.Value == "strict" {
					paths = []string{"/"}
				}
			case "ReadOnlyPaths", "InaccessiblePaths", "ReadWritePaths":
			default:
				continue
			}
			for _, p := range paths {
				p = strings.TrimSuffix(strings.TrimLeft(p, "-+"), "/") + "/"
				below := o.Key != "ReadWritePaths" && strings.HasPrefix(p, dir+"/")
				if (below || strings.HasPrefix(dir+"/", p)) && len(p) >= closest {
					closest, by, ok = len(p), o, o.Key != "ReadWritePaths"
				}
			}
		}
		if ok {
			return by, true
		}
	}
	return facts.Override{}, false
}
