package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// HybridRegistration is hybrid-registration.
var HybridRegistration = register(Check{
	ID: "hybrid-registration", Group: "identity", Title: "A host outside EC2 holds a hybrid registration",
	Station: AtAgent, Behind: AtCredentials,
	Needs:  []*Check{AgentInstalled, Activation, Region, RegistrationStore},
	Causes: []string{"hybrid-not-registered"},
	Doc: "Outside EC2 the agent's only identity is the hybrid registration in its vault. The firmware and the metadata service tell whether this is an EC2 instance. " +
		"The file named registration proves nothing: the agent never reads it and leaves it behind.",
	Eval: func(n *node.Node) Finding {
		r := n.Facts.Registration.Hybrid
		switch {
		case n.Identity.InECS == node.Yes:
			return skip("an ECS task needs no registration")
		case n.Identity.OnEC2 == node.Yes:
			return skip("an EC2 instance needs no registration")
		case n.Identity.OnEC2 == node.Unknown:
			return unreadFirmware(n)
		case !r.LookedAt():
			return unread("registration", r)
		case n.Identity.Hybrid == node.Yes && len(n.Dependents(facts.AroundEKS)) > 0 && len(n.Dependents(facts.AroundAnywhere)) > 0:
			// Source: Amazon EKS user guide, "Prepare credentials for hybrid nodes".
			return warns("registered as %s, and IAM Roles Anywhere is set up too: a node of EKS takes its credentials from one of them, never from both", n.Identity.ID).
				saw("IAM Roles Anywhere", "set up", n.Dependents(facts.AroundAnywhere)[0].From)
		case n.Identity.Hybrid == node.Yes:
			return pass("registered as %s", n.Identity.ID)
		case n.Identity.InECS == node.Unknown:
			return unknown("whether this is an ECS task is not known")
		case r.Unknown():
			return unread("registration", r)
		case n.Identity.Hybrid == node.No && r.Value.Complete():
			return pass("registered as %s, which the configuration keeps the agent from using", r.Value.InstanceID) // agent-config judges that
		case n.Identity.Hybrid == node.Unknown:
			return unread("whether the agent may use its registration", n.Facts.Agent.Config)
		}
		said := n.Log.Current(facts.SigNoIdentity)
		fd := stops(n, "hybrid-not-registered", Proven, "this host is not an EC2 instance and holds no hybrid registration, so the agent has no identity; it needs an activation")
		if said.Unread() { // it would name the attempt that failed, and why
			fd.Confidence = Likely
			fd = fd.add("; whether an attempt to register failed, and why, is in the agent's log, which was not read")
		}
		if vendor, ok := n.Facts.Host.DMI.Vendor.Get(); ok {
			fd = fd.saw("firmware vendor", vendor, n.Facts.Host.DMI.Vendor.From)
		}
		if cloud, seen := n.Cloud(); cloud != "" {
			fd = fd.saw("cloud of this machine", cloud+", by "+text.Quote(seen), n.Facts.Host.DMI.Vendor.From)
		}
		switch k, ok := r.Get(); {
		case ok && k.InstanceID != "":
			fd = fd.saw("RegistrationKey", k.InstanceID+", incomplete: it lacks its Region or its private key", r.From)
		case ok && k.HasPrivate:
			fd = fd.saw("RegistrationKey", "a key without instance id: an attempt to register failed", r.From)
		case ok:
			fd = fd.saw("RegistrationKey", "blank: the registration was cleared", r.From)
		default:
			fd = fd.saw("RegistrationKey", "does not exist", r.From)
		}
		fd = fd.logged(said)
		if n.MayBe("OnPrem") == node.No {
			fd = fd.saw("Identity.ConsumptionOrder", "leaves out OnPrem", "file:"+n.Facts.Agent.ConfigPath)
		}
		return withCloudConnector(n, fd)
	},
})

// withCloudConnector adds the other way in which a machine of a cloud that Systems
// Manager can be connected to becomes a managed node.
// Source: AWS Systems Manager user guide, "Cloud Connectors".
func withCloudConnector(n *node.Node, fd Finding) Finding {
	cloud, _ := n.Cloud()
	if cloud != node.Azure && cloud != node.GoogleCloud {
		return fd
	}
	connect := "Or let a Cloud Connector of Systems Manager register the machines of " + cloud + " instead of an activation: see which the account has"
	if can, since := n.ForOtherClouds(); can == node.No {
		connect += ". It needs agent " + since + " or later, and this host has " + n.Agent.Version
	}
	steps := causes.Get(fd.Cause).Fix
	fd = fd.fix(steps[:len(steps)-1]...)
	return fd.fix(causes.Step{Text: connect, Command: "aws ssm list-cloud-connectors --region {region}", Where: causes.OperatorCLI, Alternative: true}, steps[len(steps)-1])
}
