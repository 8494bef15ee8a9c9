package checks

import "ssm-doctor/checks/facts"

var _ = register(Check{
	ID: "image-registration", Group: "identity", Title: "The image carries no registration", Profile: ProfileImage,
	Causes: []string{"registration-cloned-image"},
	Doc: "Keys, fingerprint or registration file of the machine the image was made from. Every machine started from the image would claim the same identity, or be refused for its fingerprint. " +
		"Reading the vault needs root.",
	Eval: func(f *facts.Facts) Finding {
		fd := fail("registration-cloned-image", Proven, "")
		r := &f.Registration
		if k, ok := r.Hybrid.Get(); ok && (k.InstanceID != "" || k.HasPrivate) {
			fd = fd.saw("Vault/Store/RegistrationKey", orWord(k.InstanceID, "a private key"), r.Hybrid.From)
		}
		if k, ok := r.EC2.Get(); ok && (k.InstanceID != "" || k.HasPrivate) {
			fd = fd.saw("Vault/Store/EC2RegistrationKey", orWord(k.InstanceID, "a private key"), r.EC2.From)
		}
		if r.Fingerprint.Known() {
			fd = fd.saw("Vault/Store/InstanceFingerprint", "exists", r.Fingerprint.From)
		}
		if i, ok := r.Informational.Get(); ok {
			fd = fd.saw("registration", i.InstanceID, r.Informational.From)
		}
		if len(fd.Evidence) > 0 {
			fd.Summary = "the image carries the registration of another machine: " + fd.Evidence[0].What + " (" + fd.Evidence[0].Seen + ")"
			return fd.fix(cleanImage(f)...)
		}
		for _, s := range []facts.Seen[facts.Key]{r.Hybrid, r.EC2} {
			if s.Unknown() {
				return unknown("vault: %s", s.Reason())
			}
		}
		return pass("none")
	},
})
