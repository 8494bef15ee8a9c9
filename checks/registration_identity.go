package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "registration-identity", Group: "identity", Title: "An EC2 instance uses its EC2 identity",
	Causes: []string{"hybrid-registration-on-ec2"},
	Doc: "A complete hybrid registration wins over the EC2 identity: the node appears as mi-… and its i-… id looks lost. On purpose this is rare; most often it came with an image " +
		"or a script that registers every machine.",
	Eval: func(f *facts.Facts) Finding {
		ec2, known := OnEC2(f)
		switch {
		case !known:
			return unknown("whether this is an EC2 instance: %s", f.Host.DMI.Vendor.Reason())
		case !ec2:
			return skip("not an EC2 instance")
		case f.Registration.Hybrid.Unknown() && !hybridActive(f):
			return unknown("registration: %s", f.Registration.Hybrid.Reason())
		case !hybridActive(f):
			return pass("no hybrid registration")
		}
		id := NodeID(f)
		fd := warn("hybrid-registration-on-ec2", Proven, "this EC2 instance carries the hybrid registration %s, which wins over its EC2 identity", id).
			saw("RegistrationKey", id, f.Registration.Hybrid.From).severity(causes.Warning)
		if i, ok := f.IMDS.InstanceID.Get(); ok {
			fd = fd.saw("imds GET instance-id", i, f.IMDS.InstanceID.From)
		}
		return fd
	},
})
