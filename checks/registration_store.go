package checks

import (
	"fmt"
	"slices"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// RegistrationStore is registration-store.
var RegistrationStore = register(Check{
	ID: "registration-store", Group: "identity", Title: "The agent's vault can be used",
	Station: AtAgent,
	Needs:   []*Check{StateDirAccess, DiskSpace, DiskInodes},
	Causes:  []string{"registration-store-damaged"},
	Doc: "The manifests and stores of the vault: present, parsable, with a usable key. On EC2 the stored key pair is needed only for Default Host Management; once the service has registered " +
		"an instance, a lost key cannot be made again from the host. Reading the vault needs root.",
	Eval: func(n *node.Node) Finding {
		vault := n.Layout().Vault
		for _, judgeVault := range []func(*node.Node, string) (Finding, bool){damagedVault, lostKey, vaultInLog, vanishedRegistration} {
			if fd, ok := judgeVault(n, vault); ok {
				return fd
			}
		}
		r := &n.Facts.Registration
		switch {
		case n.Identity.OnEC2 != node.Yes && r.Hybrid.Unknown():
			return unread("vault", r.Hybrid)
		case r.Damage.Unknown():
			return unread("vault", r.Damage)
		case n.Identity.OnEC2 == node.Unknown:
			return unreadFirmware(n)
		case n.Identity.OnEC2 == node.Yes && n.MayBeHybrid():
			return unreadHybrid(n)
		case n.Log.Read() != node.Yes, n.Log.Current(facts.SigVaultManifest, facts.SigVaultMissing, facts.SigAlreadyRegistered).Unread():
			return unreadLog(n)
		}
		return pass("no damage seen")
	},
})

// vaultFault is a finding about the vault with the effect that it has here: with an
// instance profile the EC2 key pair is not needed.
func vaultFault(n *node.Node, fd Finding, vault string) Finding {
	fd = fd.with("path", vault)
	if n.Acceptance.Now != node.Yes && n.Identity.OnEC2 == node.Yes && n.Identity.Hybrid != node.Yes && !n.Facts.IMDS.Profile.Absent() {
		return fd.as(Notes)
	}
	return fd
}

// damagedVault finds what the agent would stumble over in its vault.
func damagedVault(n *node.Node, vault string) (Finding, bool) {
	damage := n.Facts.Registration.Damage.Some()
	if len(damage) == 0 {
		return Finding{}, false
	}
	fd := stops(n, "registration-store-damaged", Proven, "%s cannot be used: %s", damage[0].Path, damage[0].What)
	for _, d := range damage {
		fd = fd.saw("read "+d.Path, d.Kind+": "+d.What, "file:"+d.Path)
	}
	if n.Identity.OnEC2 == node.Yes && n.Identity.Hybrid == node.No {
		fd = fd.fix(freshVault(n)...)
	}
	return vaultFault(n, fd.logged(n.Log.Current(facts.SigVaultManifest), n.Log.Current(facts.SigVaultMissing)), vault), true
}

// freshVault are the steps that let the agent of an instance make its vault again, for which
// it needs no activation.
func freshVault(n *node.Node) []causes.Step {
	steps := append(slices.Clone(causes.MoveVault), causes.Restart[0])
	if n.Facts.IMDS.Profile.Absent() {
		steps = append(steps, causes.Step{Text: "If the agent then logs InstanceAlreadyRegistered, its key is lost: attach an instance profile, which needs none", Command: causes.AttachProfile[0].Command, Where: causes.OperatorCLI})
	}
	return append(steps, causes.Again)
}

// lostKey finds an instance that the service knows while its key is gone.
func lostKey(n *node.Node, vault string) (Finding, bool) {
	m, ec2 := n.Log.Current(facts.SigAlreadyRegistered), n.Facts.Registration.EC2
	k, has := ec2.Get()
	if !m.Yes() || n.Identity.OnEC2 != node.Yes || n.Identity.Hybrid == node.Yes || n.MayBeHybrid() || ec2.Unknown() || has && k.Complete() {
		return Finding{}, false
	}
	state := ec2.Reason()
	if has {
		state = fmt.Sprintf("%s, private key %v", text.Or(k.InstanceID, "no instance id"), k.HasPrivate)
	}
	fd := stops(n, "registration-store-damaged", Likely, "the instance is already registered, but its key in %s is lost, so Default Host Management cannot be used", vault).
		logged(m).fix(causes.AttachProfile...).saw("EC2RegistrationKey", state, ec2.From)
	return vaultFault(n, fd, vault), true
}

// vaultInLog finds an agent that says that it cannot use its vault.
func vaultInLog(n *node.Node, vault string) (Finding, bool) {
	m := n.Log.Current(facts.SigVaultManifest, facts.SigVaultMissing)
	if !m.Yes() {
		return Finding{}, false
	}
	return vaultFault(n, stops(n, "registration-store-damaged", Likely, "the agent cannot use its vault: %s", text.Cut(m.Text, 160)).logged(m), vault), true
}

// vanishedRegistration finds a host that was registered and whose key is gone.
func vanishedRegistration(n *node.Node, vault string) (Finding, bool) {
	r := &n.Facts.Registration
	i, ok := r.Informational.Get()
	if !ok || i.InstanceID == "" || n.Identity.OnEC2 != node.No || !r.Hybrid.Absent() {
		return Finding{}, false
	}
	return stops(n, "registration-store-damaged", Likely, "this host was registered as %s, but the registration key in %s is gone", i.InstanceID, vault).
		saw("registration", i.InstanceID+" "+i.Region, r.Informational.From).
		saw("RegistrationKey", "does not exist", r.Hybrid.From).with("path", vault, "node", i.InstanceID), true
}
