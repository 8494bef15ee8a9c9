package checks

import "ssm-doctor/checks/facts"

var _ = register(Check{
	ID: "image-runtime", Group: "identity", Title: "The image carries no runtime configuration", Profile: ProfileImage,
	Causes: []string{"registration-cloned-image"},
	Doc:    "identity_config.json of the machine the image was made from. While its recorded expiry lies ahead, an agent started from the image believes that it has credentials and does not ask for its own.",
	Eval: func(f *facts.Facts) Finding {
		r, ok := f.Credentials.Runtime.Get()
		if ok {
			return fail("registration-cloned-image", Proven, "the image carries the runtime configuration of %s", orWord(r.InstanceID, "another machine")).
				saw("identity_config.json", orWord(r.InstanceID, "exists"), f.Credentials.Runtime.From).fix(cleanImage(f)...)
		}
		if f.Credentials.Runtime.Unknown() {
			return unknown("runtime configuration: %s", f.Credentials.Runtime.Reason())
		}
		return pass("none")
	},
})
