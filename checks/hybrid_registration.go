package checks

import "ssm-doctor/checks/facts"

var _ = register(Check{
	ID: "hybrid-registration", Group: "identity", Title: "A host outside EC2 holds a hybrid registration",
	Causes: []string{"hybrid-not-registered"},
	Needs:  []string{"agent-installed", "state-dir-access", "activation", "region", "registration-store", "agent-config"},
	Doc: "Outside EC2 the agent has no identity but a hybrid registration in its vault. Whether this is an EC2 instance is told by the firmware and the metadata service. " +
		"The file named registration proves nothing: the agent never reads it and leaves it behind.",
	Eval: func(f *facts.Facts) Finding {
		if Kind(f) == KindECS {
			return skip("an ECS task needs no registration")
		}
		if ec2, known := OnEC2(f); ec2 {
			return skip("an EC2 instance needs no registration")
		} else if !known {
			return unknown("whether this is an EC2 instance: %s", f.Host.DMI.Vendor.Reason())
		}
		if hybridActive(f) {
			return pass("registered as %s", NodeID(f))
		}
		k, ok := f.Registration.Hybrid.Get()
		if !ok && f.Registration.Hybrid.Unknown() {
			return unknown("registration: %s", f.Registration.Hybrid.Reason())
		}
		fd := fail("hybrid-not-registered", Proven, "this host is not an EC2 instance and holds no hybrid registration, so the agent has no identity; it needs an activation")
		if vendor, ok := f.Host.DMI.Vendor.Get(); ok {
			fd = fd.saw("firmware vendor", vendor, f.Host.DMI.Vendor.From)
		}
		switch {
		case ok && k.HasPrivate:
			fd = fd.saw("RegistrationKey", "a key without instance id: an attempt to register failed", f.Registration.Hybrid.From)
		case ok:
			fd = fd.saw("RegistrationKey", "blank: the registration was cleared", f.Registration.Hybrid.From)
		default:
			fd = fd.saw("RegistrationKey", "does not exist", f.Registration.Hybrid.From)
		}
		if m, ok := current(f, facts.SigNoIdentity); ok {
			fd = fd.logged(m)
		}
		if !hybridAllowed(f) {
			fd = fd.saw("Identity.ConsumptionOrder", "leaves out OnPrem", "file:"+f.Agent.ConfigPath)
		}
		return fd
	},
})
