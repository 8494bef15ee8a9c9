package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
)

var _ = register(Check{
	ID: "registration-fingerprint", Group: "identity", Title: "The hybrid registration was made on this machine",
	Causes: []string{"registration-cloned-image", "fingerprint-mismatch"},
	Needs:  []string{"agent-installed", "registration-known"},
	Doc: "A hybrid registration is tied to the machine by a fingerprint. A changed machine id means that the registration came with a cloned disk or template; enough changed hardware hashes mean " +
		"a drift past the similarity threshold. The agent overwrites its own evidence at the first mismatch, so afterwards only its log and the service's refusals tell.",
	Eval: func(f *facts.Facts) Finding {
		if !hybridActive(f) {
			return skip("no hybrid registration in use")
		}
		fp, known := f.Registration.Fingerprint.Get()
		refused, isRefused := current(f, facts.SigFingerprint)
		if isRefused && registeredAnew(f, refused) {
			if startedAfter(f, refused) {
				return unknown("the agent was registered anew and started since the fingerprint was refused; whether it still is shows once it has tried")
			}
			return stillOld(f, refused, "fingerprint-mismatch")
		}
		if m, ok := current(f, facts.SigHardwareID); ok {
			fd := fail("registration-cloned-image", Likely, "the hardware ID differs from the registered one: this registration was copied from another machine with a disk image, clone or template").logged(m)
			if isRefused {
				fd = fd.logged(refused)
			}
			return fd
		}
		if same, ok := fp.MachineIDMatches.Get(); known && ok && !same {
			fd := fail("registration-cloned-image", Proven, "the hardware ID (machine-id) is not the one registered: this registration was copied from another machine with a disk image, clone or template").
				saw("machine-id in InstanceFingerprint", "differs from this machine's", f.Registration.Fingerprint.From)
			if _, ok := Managed(f); ok && !isRefused {
				fd.Summary += "; the agent will be refused at its next start"
				fd = fd.severity(causes.Warning)
			}
			if isRefused {
				fd = fd.logged(refused)
			}
			return fd.standing()
		}
		m, drifted := current(f, facts.SigHardwareDrift)
		bad, damaged := current(f, facts.SigFingerprintBad)
		if !drifted && !isRefused && !damaged {
			if f.Registration.Fingerprint.Unknown() {
				return unknown("fingerprint: %s", f.Registration.Fingerprint.Reason())
			}
			return pass("no mismatch seen")
		}
		if damaged && !drifted && !isRefused {
			return Finding{Status: Warn, Summary: "the stored fingerprint was damaged and made anew"}
		}
		why := "the service refuses this machine's fingerprint (MachineFingerprintDoesNotMatch): its hardware changed past the similarity threshold, or its fingerprint was made anew"
		if drifted {
			why = "the machine's fingerprint changed past the similarity threshold, so the registration is no longer accepted"
		}
		fd := fail("fingerprint-mismatch", Likely, "%s", why)
		if drifted {
			fd = fd.logged(m)
		}
		if damaged {
			fd = fd.logged(bad)
		}
		if isRefused {
			fd = fd.logged(refused)
		}
		if known {
			switch {
			case fp.Threshold == 0:
				fd = fd.saw("InstanceFingerprint", "similarity threshold 0: it was rewritten after damage", f.Registration.Fingerprint.From)
			default:
				fd = fd.saw("InstanceFingerprint", quoteInt("similarity threshold", fp.Threshold), f.Registration.Fingerprint.From)
			}
		}
		return fd
	},
})
