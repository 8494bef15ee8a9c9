package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "filesystem-writable", Group: "host", Title: "State and log directories are mounted writable",
	Causes: []string{"filesystem-readonly"},
	Doc: "Mount flags of the file systems that hold the agent's state and log. A file system that the kernel remounted read-only after an error, or an image with " +
		"a read-only root, leaves the agent unable to save its registration, credentials and commands.",
	Eval: func(f *facts.Facts) Finding {
		if Kind(f) == KindECS {
			return skip("see ecs-rootfs")
		}
		looked, why := 0, "not looked at"
		for _, fs := range f.Host.FileSystems {
			if fs.Dir == "/" || fs.Dir == "/tmp" || fs.Dir == "/usr/bin" {
				continue
			}
			ro, ok := fs.ReadOnly.Get()
			if !ok {
				why = fs.ReadOnly.Reason()
				continue
			}
			looked++
			if !ro {
				continue
			}
			fd := fail("filesystem-readonly", Proven, "%s, which holds %s, is mounted read-only", fs.Mount, fs.Dir).
				saw("mount flags of "+fs.Mount, fs.Type+" ro", "file:/proc/self/mountinfo").with("mount", fs.Mount, "path", fs.Dir)
			if m, ok := recently(f, facts.SigReadOnly); ok {
				fd = fd.logged(m)
			}
			if _, ok := Managed(f); ok {
				fd = fd.severity(causes.Warning)
				fd.Status = Warn
			}
			return fd
		}
		if looked == 0 {
			return unknown("mount flags: %s", why)
		}
		return pass("%d file systems writable", looked)
	},
})
