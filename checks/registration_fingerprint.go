package checks

import (
	"fmt"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// RegistrationFingerprint is registration-fingerprint.
var RegistrationFingerprint = register(Check{
	ID: "registration-fingerprint", Group: "identity", Title: "The hybrid registration was made on this machine",
	Station: AtAgent, Behind: AtCredentials,
	Needs:  []*Check{RegistrationKnown, RegistrationStore},
	Causes: []string{"registration-cloned-image", "fingerprint-mismatch", "wmi-stopped"},
	Doc: "A hybrid registration is tied to the machine by a fingerprint. A changed machine id means that the registration came with a cloned disk or template; enough changed hardware hashes mean " +
		"a drift past the similarity threshold. The agent overwrites its own evidence at the first mismatch, so afterwards only its log and the service's refusals tell. " +
		"On Windows also whether the service that tells the hardware (WMI) is disabled, which inventory and patching need as well.",
	Eval: func(n *node.Node) Finding {
		stopped, isStopped := judgeWMI(n)
		switch hybrid := n.Identity.Hybrid; {
		case hybrid != node.Yes && isStopped:
			return stopped
		case hybrid == node.No:
			if w := n.Facts.Host.WMI; wmiUnread(n) {
				return unread("no hybrid registration in use; the service WMI", w)
			}
			return skip("no hybrid registration in use")
		case hybrid == node.Unknown:
			return unreadHybrid(n)
		}
		refused := n.Log.Current(facts.SigFingerprint)
		if refused.Yes() && registeredAgain(n, refused.Match) {
			if n.Log.StartedAfter(refused.Match) && isStopped {
				return stopped
			}
			if n.Log.StartedAfter(refused.Match) {
				return unknown("the agent was registered again and started since the fingerprint was refused; whether it still is shows once it has tried")
			}
			return notRestarted(n, refused, "fingerprint-mismatch")
		}
		if fd, ok := copiedRegistration(n, refused); ok {
			return fd
		}
		drifted, damaged := n.Log.Current(facts.SigHardwareDrift), n.Log.Current(facts.SigFingerprintBad)
		switch {
		case n.Facts.Registration.Fingerprint.Unknown() && (drifted.Yes() || refused.Yes()):
			return unread("the fingerprint is refused; the stored one", n.Facts.Registration.Fingerprint).failing(stops(n, "", Likely, "").Effect)
		case drifted.Yes():
			return driftedFingerprint(n, "the machine's fingerprint changed past the similarity threshold, so the registration is no longer accepted", drifted, damaged, refused)
		case refused.Yes():
			return driftedFingerprint(n, "the service refuses this machine's fingerprint (MachineFingerprintDoesNotMatch): its hardware changed past the similarity threshold, or its fingerprint was made again", damaged, refused)
		case isStopped:
			return stopped
		case n.Facts.Registration.Fingerprint.Unknown():
			return unread("fingerprint", n.Facts.Registration.Fingerprint)
		case n.Log.Current(facts.SigHardwareUnread).Yes():
			return unknown("the agent could not read this machine's hardware, of which its fingerprint is made").failing(Breaks).logged(n.Log.Current(facts.SigHardwareUnread))
		case drifted.Unread(), refused.Unread(), damaged.Unread(), n.Log.Current(facts.SigHardwareUnread).Unread(), n.Log.Current(facts.SigHardwareID).Unread():
			return unreadLog(n)
		case damaged.Yes():
			return warns("the stored fingerprint was damaged and made again")
		}
		if fp, ok := n.Facts.Registration.Fingerprint.Get(); ok && fp.MachineIDMatches.Unknown() && fp.MachineIDMatches.Obstacle() != facts.NotAskable {
			return unread("whether the hardware ID is the one registered", fp.MachineIDMatches)
		}
		if wmiUnread(n) {
			return unread("service WMI", n.Facts.Host.WMI)
		}
		return pass("no mismatch seen")
	},
})

// wmiUnread reports whether this may be a Windows that was not asked for the service.
func wmiUnread(n *node.Node) bool {
	w, goos := n.Facts.Host.WMI, n.Facts.Host.GOOS
	return (goos == "windows" || goos == "") && n.Facts.Live() && w.Unknown() && w.Obstacle() != facts.NotAskable
}

// judgeWMI tells what it does to this Windows that its service WMI does not run; false: it
// runs, or nothing is known. One that is not disabled is started by whoever asks it, so that
// only a log that speaks of it makes it a fault.
func judgeWMI(n *node.Node) (Finding, bool) {
	seen := n.Facts.Host.WMI
	w, ok := seen.Get()
	unread := n.Log.Current(facts.SigHardwareUnread)
	if !ok || !n.Facts.Live() || w.Runs() || !w.Disabled() && !unread.Yes() {
		return Finding{}, false
	}
	sure := Proven
	if !w.Disabled() { // the log may mean something else
		sure = Likely
	}
	fd := breaks("wmi-stopped", sure, "the service WMI of Windows is %s (%s): inventory and patching, which ask it for the hardware and the programs of this machine, fail", text.Or(w.Active, "stopped"), w.Enabled)
	if n.Identity.Hybrid == node.Yes {
		fd = stops(n, "wmi-stopped", Likely, "the service WMI of Windows is %s (%s): the agent cannot tell the hardware of this machine, of which the fingerprint of a hybrid node is made", text.Or(w.Active, "stopped"), w.Enabled)
		if !unread.Yes() { // its log says nothing of it
			fd = fd.as(Breaks)
		}
	}
	return fd.saw("service Winmgmt", w.Active+", "+w.Enabled, seen.From).logged(unread), true
}

// copiedRegistration finds a registration that came from another machine.
func copiedRegistration(n *node.Node, refused node.Entry) (Finding, bool) {
	if m := n.Log.Current(facts.SigHardwareID); m.Yes() {
		return clearedOnEC2(n, stops(n, "registration-cloned-image", Likely, "the hardware ID differs from the registered one: this registration was copied from another machine with a disk image, clone or template").
			logged(m, refused)), true
	}
	seen := n.Facts.Registration.Fingerprint
	fp, known := seen.Get()
	if same, ok := fp.MachineIDMatches.Get(); !known || !ok || same {
		return Finding{}, false
	}
	fd := blocks("registration-cloned-image", Proven, "the hardware ID (machine-id) is not the one registered: this registration was copied from another machine with a disk image, clone or template").
		saw("machine-id in InstanceFingerprint", "differs from this machine's", seen.From).logged(refused)
	if n.Acceptance.Now == node.Yes && !refused.Yes() {
		fd = fd.add("; the agent will be refused at its next start").as(Breaks)
	}
	if len(n.Facts.Registration.Damage.Some()) > 0 { // a vault that cannot be used is not cleared either
		return clearedOnEC2(n, fd), true
	}
	return clearedOnEC2(n, fd.standing()), true
}

// driftedFingerprint is the finding of a fingerprint that is no longer accepted.
func driftedFingerprint(n *node.Node, why string, entries ...node.Entry) Finding {
	fd := clearedOnEC2(n, stops(n, "fingerprint-mismatch", Likely, "%s", why).logged(entries...))
	seen := n.Facts.Registration.Fingerprint
	switch fp, known := seen.Get(); {
	case !known:
	case fp.Threshold == 0:
		fd = fd.saw("InstanceFingerprint", "similarity threshold 0: it was rewritten after damage", seen.From)
	default:
		fd = fd.saw("InstanceFingerprint", fmt.Sprintf("similarity threshold %d", fp.Threshold), seen.From)
	}
	return fd
}
