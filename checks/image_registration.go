package checks

import (
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// ImageRegistration is image-registration.
var ImageRegistration = register(Check{
	ID: "image-registration", Group: "identity", Title: "The image carries no registration",
	Profiles: []Profile{ProfileImage},
	Causes:   []string{"registration-cloned-image"},
	Doc: "Keys, fingerprint or registration file of the machine the image was made from. Every machine started from the image would claim the same identity, or be refused for its fingerprint. " +
		"Reading the vault needs root.",
	Eval: func(n *node.Node) Finding {
		r := &n.Facts.Registration
		var fd Finding
		if k, ok := r.Hybrid.Get(); ok && (k.InstanceID != "" || k.HasPrivate) {
			fd = fd.saw("Vault/Store/RegistrationKey", text.Or(k.InstanceID, "a private key"), r.Hybrid.From)
		}
		if k, ok := r.EC2.Get(); ok && (k.InstanceID != "" || k.HasPrivate) {
			fd = fd.saw("Vault/Store/EC2RegistrationKey", text.Or(k.InstanceID, "a private key"), r.EC2.From)
		}
		if r.Fingerprint.Known() {
			fd = fd.saw("Vault/Store/InstanceFingerprint", "exists", r.Fingerprint.From)
		}
		if i, ok := r.Informational.Get(); ok {
			fd = fd.saw("registration", i.InstanceID, r.Informational.From)
		}
		if seen := fd.Evidence; len(seen) > 0 {
			fd = blocks("registration-cloned-image", Proven, "the image carries the registration of another machine: %s (%s)", seen[0].What, seen[0].Seen).fix(cleanImage(n)...)
			fd.Evidence = seen
			return fd
		}
		for _, s := range []facts.Unseen{r.Hybrid, r.EC2, r.Fingerprint, r.Informational} {
			if s.Unknown() {
				return unread("registration", s)
			}
		}
		return pass("no key, fingerprint or registration file")
	},
})
