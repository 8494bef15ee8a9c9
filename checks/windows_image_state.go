package checks

import "ssm-doctor/checks/facts"

var _ = register(Check{
	ID: "windows-image-state", Group: "host", Title: "Windows setup has completed",
	Causes: []string{"sysprep-incomplete"},
	Doc: "The ImageState value of Windows setup. The agent waits, in state start-pending and without limit, until it is IMAGE_STATE_COMPLETE; " +
		"an image whose sysprep did not finish never becomes a managed node.",
	Eval: func(f *facts.Facts) Finding {
		if f.Host.GOOS != "windows" {
			return skip("not Windows")
		}
		s, ok := f.Host.ImageState.Get()
		if !ok {
			return unknown("image state: %s", f.Host.ImageState.Reason())
		}
		if s == "IMAGE_STATE_COMPLETE" {
			return pass("%s", s)
		}
		fd := fail("sysprep-incomplete", Proven, "Windows image state is %s, not IMAGE_STATE_COMPLETE; the agent waits for setup to finish", s).
			saw(`registry Setup\State ImageState`, s, f.Host.ImageState.From)
		if m, ok := f.Log.Last(facts.SigSysprep); ok {
			fd = fd.logged(m)
		}
		return fd
	},
})
