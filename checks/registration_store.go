package checks

import (
	"fmt"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "registration-store", Group: "identity", Title: "The agent's vault can be used",
	Causes: []string{"registration-store-damaged"},
	Needs:  []string{"agent-installed", "state-dir-access", "filesystem-writable", "disk-space", "disk-inodes"},
	Doc: "The manifests and stores of the vault: present, parsable, with a usable key. On EC2 the stored key pair is needed only for Default Host Management; once the service has registered " +
		"an instance, a lost key cannot be made anew from the host. Reading the vault needs root.",
	Eval: func(f *facts.Facts) Finding {
		ec2, _ := OnEC2(f)
		hybrid := hybridActive(f) || !ec2
		_, managed := Managed(f)
		grade := func(fd Finding) Finding {
			fd = fd.with("path", "/var/lib/amazon/ssm/Vault")
			switch {
			case managed:
				return fd.severity(causes.Warning)
			case ec2 && !hybrid && !f.IMDS.Profile.Absent():
				// With an instance profile the EC2 key pair is not needed.
				return fd.severity(causes.Info)
			}
			return fd
		}
		var damaged []Finding
		for _, d := range f.Registration.Damage {
			fd := fail("registration-store-damaged", Proven, "%s cannot be used: %s", d.Path, d.What).saw("read "+d.Path, d.Kind+": "+d.What, "file:"+d.Path)
			for _, id := range []string{facts.SigVaultManifest, facts.SigVaultMissing} {
				if m, ok := current(f, id); ok {
					fd = fd.logged(m)
				}
			}
			damaged = append(damaged, fd)
		}
		if len(damaged) > 0 {
			first := damaged[0]
			for _, d := range damaged[1:] {
				first.Evidence = append(first.Evidence, d.Evidence...)
			}
			return grade(first)
		}
		if m, ok := current(f, facts.SigAlreadyRegistered); ok && ec2 && !hybrid {
			k, has := f.Registration.EC2.Get()
			if !has || !k.Complete() {
				fd := fail("registration-store-damaged", Likely,
					"the instance is already registered, but its key in /var/lib/amazon/ssm/Vault is lost, so Default Host Management cannot be used").logged(m).
					fix(causes.AttachProfile...)
				return grade(fd.saw("EC2RegistrationKey", storeState(f.Registration.EC2), f.Registration.EC2.From))
			}
		}
		for _, id := range []string{facts.SigVaultManifest, facts.SigVaultMissing} {
			if m, ok := current(f, id); ok {
				return grade(fail("registration-store-damaged", Likely, "the agent cannot use its vault: %s", cut(m.Text, 160)).logged(m))
			}
		}
		if i, ok := f.Registration.Informational.Get(); ok && !ec2 && f.Registration.Hybrid.Absent() && i.InstanceID != "" {
			return fail("registration-store-damaged", Likely, "this host was registered as %s, but the registration key in /var/lib/amazon/ssm/Vault is gone", i.InstanceID).
				saw("registration", i.InstanceID+" "+i.Region, f.Registration.Informational.From).
				saw("RegistrationKey", "does not exist", f.Registration.Hybrid.From).with("path", "/var/lib/amazon/ssm/Vault", "node", i.InstanceID)
		}
		if hybrid && f.Registration.Hybrid.Unknown() {
			return unknown("vault: %s", f.Registration.Hybrid.Reason())
		}
		return pass("no damage seen")
	},
})

func storeState(s facts.Seen[facts.Key]) string {
	k, ok := s.Get()
	switch {
	case !ok:
		return s.Reason()
	case k.InstanceID == "":
		return "no instance id"
	}
	return fmt.Sprintf("%s, private key %v", k.InstanceID, k.HasPrivate)
}

func quoteInt(what string, n int) string { return fmt.Sprintf("%s %d", what, n) }
