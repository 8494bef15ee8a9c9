package checks

import "ssm-doctor/checks/facts"

var _ = register(Check{
	ID: "ecs-rootfs", Group: "ecs", Title: "The managed agent can write in the container",
	Causes: []string{"ecs-readonly-rootfs"},
	Doc:    "The agent of ECS Exec writes below /var/lib/amazon and /var/log/amazon. With readonlyRootFilesystem it needs volumes there.",
	Eval: func(f *facts.Facts) Finding {
		if Kind(f) != KindECS {
			return skip("not an ECS task")
		}
		ro, ok := f.ECS.ReadOnlyRoot.Get()
		if !ok {
			return unknown("root file system: %s", f.ECS.ReadOnlyRoot.Reason())
		}
		if !ro {
			return pass("the root file system is writable")
		}
		for _, fs := range f.Host.FileSystems {
			if r, ok := fs.ReadOnly.Get(); fs.Dir == "/var/lib/amazon/ssm" && ok && !r {
				return pass("the root file system is read-only, %s is writable", fs.Dir)
			}
		}
		fd := fail("ecs-readonly-rootfs", Proven, "the container's root file system is read-only and the managed agent has no writable path").
			saw("mount flags of /", "read-only", f.ECS.ReadOnlyRoot.From)
		if m, ok := current(f, facts.SigReadOnly); ok {
			fd = fd.logged(m)
		}
		return fd
	},
})
