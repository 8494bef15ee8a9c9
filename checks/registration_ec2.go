package checks

import (
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// RegistrationEC2 is registration-ec2.
var RegistrationEC2 = register(Check{
	ID: "registration-ec2", Group: "identity", Title: "The stored EC2 registration is this instance's own",
	Station: AtAgent,
	Causes:  []string{"registration-cloned-image"},
	Doc: "The agent registers an EC2 instance once, with a key pair that it keeps; Default Host Management needs it. A registration of another instance came with the machine image: the agent registers again, " +
		"with the key of the other one. A fault is named when that is refused. Whether the service would accept it is not tried.",
	Eval: func(n *node.Node) Finding {
		stored, here := n.Facts.Registration.EC2, n.Facts.IMDS.InstanceID
		k, ok := stored.Get()
		id, told := here.Get()
		switch {
		case n.Identity.OnEC2 == node.No, n.Identity.Hybrid == node.Yes:
			return skip("no EC2 registration is used")
		case n.Identity.OnEC2 == node.Unknown:
			return unknown("whether this is an EC2 instance is not known")
		case n.Identity.Hybrid == node.Unknown:
			return unreadHybrid(n)
		case stored.Unknown() && n.Log.Current(facts.SigNotRegistered).Yes():
			return unread("a registration is refused, and whether one came with the image", stored).failing(Blocks)
		case stored.Unknown():
			return unread("EC2 registration", stored)
		case !ok || k.InstanceID == "":
			return skip("no EC2 registration is stored")
		case !told && n.Log.Current(facts.SigNotRegistered).Yes():
			return unread("registration of "+k.InstanceID+" is refused, and whether that is this instance", here).failing(Blocks)
		case !told:
			return unread("instance id", here)
		case k.InstanceID == id:
			return pass("registered as %s", id)
		}
		m := n.Log.Current(facts.SigNotRegistered)
		switch {
		case m.Unread():
			return unreadLog(n)
		case !m.Yes():
			return pass("the agent replaces the registration of %s, which came with the image", k.InstanceID)
		}
		left := []string{"Vault"}
		for _, f := range n.Facts.Registration.NodeFolders.Some() {
			if f != id && causes.Safe(f) {
				left = append(left, f)
			}
		}
		remove, remove2 := "rm -rf", ""
		for _, name := range left {
			remove += " {root}{data}/" + name
			remove2 += "Remove-Item -Recurse -Force (Join-Path {data} " + name + "); "
		}
		const what = "Then remove what belongs to the other instance"
		return breaks("registration-cloned-image", Likely, "the stored EC2 registration is of %s, from which the machine image was made, not of this instance, %s; registering it again was refused", k.InstanceID, id).
			saw("EC2RegistrationKey", k.InstanceID, stored.From).saw("imds GET instance-id", id, here.From).logged(m).
			fix(causes.Step{Text: "Stop the agent, or it writes its state again", Command: "{stop}", Where: causes.OnHost, Root: true},
				causes.Step{Text: what, Command: remove, Where: causes.OnHost, Root: true, GOOS: "linux darwin"},
				causes.Step{Text: what, Command: remove2, Where: causes.OnHost, Root: true, GOOS: "windows"},
				causes.Step{Text: "Start it: it registers this instance with a key of its own. Clean the image too, before the next instance is made from it: ssm-doctor check --profile image says there what to remove", Command: "{restart}", Where: causes.OnHost, Root: true})
	},
})
