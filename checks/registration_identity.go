package checks

import (
	"ssm-doctor/checks/node"
)

// RegistrationIdentity is registration-identity.
var RegistrationIdentity = register(Check{
	ID: "registration-identity", Group: "identity", Title: "An EC2 instance uses its EC2 identity",
	Station: AtAgent,
	Causes:  []string{"hybrid-registration-on-ec2"},
	Doc: "A complete hybrid registration wins over the EC2 identity: the node appears as mi-… and its i-… id looks lost. This is seldom intended; most often the registration came with an image " +
		"or a script that registers every machine.",
	Eval: func(n *node.Node) Finding {
		switch {
		case n.Identity.OnEC2 == node.Unknown:
			return unreadFirmware(n)
		case n.Identity.OnEC2 == node.No:
			return skip("not an EC2 instance")
		case !n.Facts.Registration.Hybrid.LookedAt(), n.Identity.Hybrid == node.Unknown && n.Facts.Registration.Hybrid.Unknown():
			return unread("registration", n.Facts.Registration.Hybrid)
		case n.Identity.Hybrid == node.Unknown:
			return unread("configuration", n.Facts.Agent.Config)
		case n.Identity.Hybrid == node.No:
			return pass("no hybrid registration is in use")
		}
		id, seen, from := n.Identity.ID, "RegistrationKey", n.Facts.Registration.Hybrid.From
		if !n.Facts.Registration.Hybrid.Known() {
			seen, from = "identity in use", n.Facts.Credentials.Runtime.From
		}
		fd := breaks("hybrid-registration-on-ec2", Proven, "this EC2 instance carries the hybrid registration %s, which wins over its EC2 identity", id).
			saw(seen, id, from)
		if i, ok := n.Facts.IMDS.InstanceID.Get(); ok {
			fd = fd.saw("imds GET instance-id", i, n.Facts.IMDS.InstanceID.From)
		}
		return fd
	},
})
