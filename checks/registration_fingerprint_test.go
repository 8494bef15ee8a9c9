package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// fingerprintRefused is a hybrid node, not accepted, that logged this 5 minutes ago.
func fingerprintRefused(signature, text string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		log(f, signature, 5*time.Minute, text)
	}
}

// fingerprintOther is the fingerprint of another machine.
func fingerprintOther(f *facts.Facts) {
	f.Registration.Fingerprint.Value.MachineIDMatches = facts.Known(false, "file:/etc/machine-id")
}

func TestRegistrationFingerprint(t *testing.T) {
	t.Parallel()
	const (
		refusal  = "ERROR [CredentialRefresher] Retrieve credentials produced error: MachineFingerprintDoesNotMatch: Fingerprint doesn't match"
		hardware = "ERROR The hardware ID […] has changed" // the ID itself is not shown
		drift    = "WARN the machine configuration changed more than the allowed threshold"
		damage   = "WARN the saved machine configuration could not be loaded"
		next     = "mi-0aaaaaaaaaaaaaaaa"
		hashes   = "ERROR Error while fetching hardware hashes from instance: Failed to wait for WMI to get into Running status"
	)
	wmi := func(active, enabled string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Host.WMI = facts.Known(facts.Service{Active: active, Enabled: enabled}, "scm:Winmgmt")
		}
	}
	refused := fingerprintRefused(facts.SigFingerprint, refusal)
	after := func(changes ...func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) {
			refused(f)
			for _, change := range changes {
				change(f)
			}
		}
	}
	again := func(f *facts.Facts) { f.Registration.Hybrid.Value.InstanceID = next }
	is := func(s Status, says string) want { return want{status: s, says: says} }
	fails := func(cause string, c Confidence, says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: cause, confidence: c, says: says, saw: saw}
	}
	const cloned, mismatch = "registration-cloned-image", "fingerprint-mismatch"
	table := []row{
		{name: "profile", want: is(Skip, "no hybrid registration in use")},
		{name: "dhmc", kind: "dhmc", want: is(Skip, "no hybrid registration in use")},
		{name: "task", kind: "task", want: is(Skip, "no hybrid registration in use")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "no mismatch seen")},
		{name: "windows", kind: "windows", want: is(Pass, "no mismatch seen")},
		{name: "WMI runs", kind: "windows", fault: wmi("active", "enabled"), want: is(Pass, "")},
		{name: "WMI stopped, and is started by whoever asks", kind: "windows", fault: wmi("stopped", "manual"), want: is(Pass, "")},
		{name: "WMI disabled, and the agent started before", kind: "windows", fault: wmi("stopped", "disabled"), want: want{status: Warn, effect: Breaks, cause: "wmi-stopped", says: "of which the fingerprint", saw: "service Winmgmt: stopped, disabled"}},
		{name: "WMI disabled, and the agent gave up", kind: "windows", fault: func(f *facts.Facts) {
			fingerprintRefused(facts.SigHardwareUnread, hashes)(f)
			wmi("stopped", "disabled")(f)
		}, want: fails("wmi-stopped", Likely, "the agent cannot tell the hardware", "agent log: "+hashes)},
		{name: "WMI disabled, and another reason", kind: "windows", fault: func(f *facts.Facts) {
			neverAccepted(f)
			wmi("stopped", "disabled")(f)
		}, want: want{status: Warn, effect: Breaks, cause: "wmi-stopped"}},
		{name: "WMI unread", kind: "windows", fault: func(f *facts.Facts) {
			f.Host.WMI = facts.Unknown[facts.Service]("Access is denied.", "")
		}, want: is(Unknown, "service WMI: Access is denied.")},
		{name: "WMI disabled on an instance", fault: wmi("stopped", "disabled"), want: want{status: Warn, effect: Breaks, cause: "wmi-stopped", says: "inventory and patching"}},
		{name: "hardware not to be read", kind: "hybrid", fault: fingerprintRefused(facts.SigHardwareUnread, hashes), want: want{status: Unknown, effect: Breaks, says: "could not read this machine's hardware"}},
		{name: "refused", kind: "hybrid", fault: refused, want: fails(mismatch, Likely, "the service refuses this machine's fingerprint (MachineFingerprintDoesNotMatch)", "agent log: "+refusal)},
		{name: "refused on Windows", kind: "windows", fault: refused, want: fails(mismatch, Likely, "MachineFingerprintDoesNotMatch", "agent log: "+refusal)},
		{name: "the threshold", kind: "hybrid", fault: refused, want: fails(mismatch, Likely, "", "InstanceFingerprint: similarity threshold 40 (file:/var/lib/amazon/ssm/Vault/Store/InstanceFingerprint)")},
		{name: "written anew", kind: "hybrid", fault: after(func(f *facts.Facts) { f.Registration.Fingerprint.Value.Threshold = 0 }), want: fails(mismatch, Likely, "", "InstanceFingerprint: similarity threshold 0: it was rewritten after damage")},
		{name: "no fingerprint", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Registration.Fingerprint = facts.Absent[facts.Fingerprint]("no such file", "")
		}), want: fails(mismatch, Likely, "", "agent log: "+refusal)},
		{name: "refused after damage", kind: "hybrid", fault: after(func(f *facts.Facts) { log(f, facts.SigFingerprintBad, 6*time.Minute, damage) }), want: fails(mismatch, Likely, "or its fingerprint was made again", "agent log: "+damage)},
		{name: "drifted", kind: "hybrid", fault: fingerprintRefused(facts.SigHardwareDrift, drift), want: fails(mismatch, Likely, "the machine's fingerprint changed past the similarity threshold, so the registration is no longer accepted", "agent log: "+drift)},
		{name: "drifted and refused", kind: "hybrid", fault: after(func(f *facts.Facts) { log(f, facts.SigHardwareDrift, 6*time.Minute, drift) }), want: fails(mismatch, Likely, "changed past the similarity threshold, so", "agent log: "+refusal)},
		{name: "another hardware id", kind: "hybrid", fault: fingerprintRefused(facts.SigHardwareID, hardware), want: fails(cloned, Likely, "was copied from another machine with a disk image, clone or template", "agent log: "+hardware)},
		{name: "another hardware id, and refused", kind: "hybrid", fault: after(func(f *facts.Facts) { log(f, facts.SigHardwareID, 6*time.Minute, hardware) }), want: fails(cloned, Likely, "the hardware ID differs from the registered one", "agent log: "+refusal)},
		{name: "another machine id", kind: "hybrid", fault: func(f *facts.Facts) { neverAccepted(f); fingerprintOther(f) }, want: fails(cloned, Proven, "the hardware ID (machine-id) is not the one registered", "machine-id in InstanceFingerprint: differs from this machine's (file:/var/lib/amazon/ssm/Vault/Store/InstanceFingerprint)")},
		{name: "another machine id, and refused", kind: "hybrid", fault: after(fingerprintOther), want: fails(cloned, Proven, "is not the one registered", "agent log: "+refusal)},
		{name: "another machine id, still accepted", kind: "hybrid", fault: fingerprintOther, want: want{status: Warn, effect: Breaks, cause: cloned, confidence: Proven, says: "; the agent will be refused at its next start", saw: "differs from this machine's"}},
		{name: "another machine id of an instance", fault: fingerprintOther, want: is(Skip, "no hybrid registration in use")},
		{name: "registered again, not restarted", kind: "hybrid", fault: after(again, func(f *facts.Facts) { log(f, facts.SigStart, time.Hour, "INFO amazon-ssm-agent - v3.3.3050.0") }), want: fails(mismatch, Likely, "the agent still uses mi-0f1e2d3c4b5a69788, which the service refuses; this host was registered again as "+next, "registration in the vault: "+next+" eu-central-1")},
		{name: "registered again, refused before", kind: "hybrid", fault: after(func(f *facts.Facts) { f.Registration.Hybrid.Value.CreatedAt = f.CollectedAt.Add(-2 * time.Minute) }), want: fails(mismatch, Likely, "the agent still uses an earlier registration", "agent log: "+refusal)},
		{name: "registered again and restarted", kind: "hybrid", fault: after(again, func(f *facts.Facts) { log(f, facts.SigStart, time.Minute, "INFO amazon-ssm-agent - v3.3.3050.0") }), want: is(Unknown, "registered again and started since the fingerprint was refused")},
		{name: "damaged", kind: "hybrid", fault: fingerprintRefused(facts.SigFingerprintBad, damage), want: is(Warn, "the stored fingerprint was damaged and made again")},
		{name: "accepted since", kind: "hybrid", fault: func(f *facts.Facts) { log(f, facts.SigFingerprint, time.Hour, refusal) }, want: is(Pass, "no mismatch seen")},
		{name: "fingerprint unread", kind: "hybrid", fault: func(f *facts.Facts) {
			f.Registration.Fingerprint = facts.Unknown[facts.Fingerprint]("InstanceFingerprint: permission denied", "").Because(facts.NeedsRoot)
		}, want: is(Unknown, "fingerprint: InstanceFingerprint: permission denied")},
		{name: "fingerprint unread, and refused", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Registration.Fingerprint = facts.Unknown[facts.Fingerprint]("InstanceFingerprint: permission denied", "").Because(facts.NeedsRoot)
		}), want: want{status: Unknown, effect: Blocks, says: "the fingerprint is refused; the stored one: InstanceFingerprint: permission denied"}},
		{name: "log unread", kind: "hybrid", fault: after(unreadLogOf), want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "runtime configuration unread", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("identity_config.json: permission denied", "")
		}), want: is(Unknown, "agent log: identity_config.json: permission denied")},
		{name: "damaged, runtime configuration unread", kind: "hybrid", fault: func(f *facts.Facts) {
			fingerprintRefused(facts.SigFingerprintBad, damage)(f)
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("identity_config.json: permission denied", "")
		}, want: is(Unknown, "agent log: identity_config.json: permission denied")},
		{name: "hardware id, runtime configuration unread", kind: "hybrid", fault: func(f *facts.Facts) {
			fingerprintRefused(facts.SigHardwareID, hardware)(f)
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("identity_config.json: permission denied", "")
		}, want: is(Unknown, "agent log: identity_config.json: permission denied")},
		{name: "vault unread", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Unknown[facts.Key]("vault: permission denied", "").Because(facts.NeedsRoot)
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}), want: is(Unknown, "registration: vault: permission denied")},
		{name: "configuration unread", kind: "hybrid", fault: after(func(f *facts.Facts) {
			f.Agent.Config = facts.Unknown[facts.Config]("amazon-ssm-agent.json: permission denied", "")
			f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		}), want: is(Unknown, "whether the agent may use its registration: amazon-ssm-agent.json: permission denied")},
	}
	judge(t, RegistrationFingerprint, table)
	judge(t, RegistrationFingerprint, []row{ // where the worse one is not known, the other is true all the same
		{name: "WMI disabled, and the fingerprint refused", kind: "windows", fault: func(f *facts.Facts) {
			fingerprintRefused(facts.SigFingerprint, refusal)(f)
			wmi("stopped", "disabled")(f)
		}, want: fails("fingerprint-mismatch", Likely, "MachineFingerprintDoesNotMatch", "")},
		{name: "WMI disabled, and the hardware drifted", kind: "windows", fault: func(f *facts.Facts) {
			fingerprintRefused(facts.SigHardwareDrift, hashes)(f)
			wmi("stopped", "disabled")(f)
		}, want: fails("fingerprint-mismatch", Likely, "past the similarity threshold", "")},
		{name: "WMI disabled, and copied from another machine", kind: "windows", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.Registration.Fingerprint.Value.MachineIDMatches = facts.Known(false, "")
			wmi("stopped", "disabled")(f)
		}, want: fails("registration-cloned-image", Proven, "copied from another machine", "")},
		{name: "WMI stopped on an instance, and the hardware not to be read", fault: func(f *facts.Facts) {
			log(f, facts.SigHardwareUnread, time.Minute, hashes)
			wmi("stopped", "manual")(f)
		}, want: want{status: Warn, effect: Breaks, cause: "wmi-stopped", confidence: Likely}},
		{name: "WMI disabled, acceptance not known", kind: "windows", fault: func(f *facts.Facts) {
			neverAccepted(f)
			f.Credentials = facts.Credentials{}
			f.Log = facts.Log{}
			wmi("stopped", "disabled")(f)
		}, want: want{status: Warn, effect: Breaks, cause: "wmi-stopped"}},
	})
	judgeUnread(t, RegistrationFingerprint, table)
}
