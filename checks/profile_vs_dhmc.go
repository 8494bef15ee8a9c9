package checks

import (
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// ProfileVsDhmc is profile-vs-dhmc.
var ProfileVsDhmc = register(Check{
	ID: "profile-vs-dhmc", Group: "credentials", Title: "Default Host Management can take effect",
	Station: AtCredentials, Behind: AtChannel,
	Needs:  []*Check{Websocket},
	Causes: []string{"profile-shadows-dhmc"},
	Doc: "The agent uses a profile that may call ssm:UpdateInstanceInformation, whatever else it lacks, and then never tries Default Host Management. A fault is named when the heartbeat with the profile was accepted " +
		"while the message channel is refused to it. Whether Default Host Management is on is not visible here.",
	Eval: func(n *node.Node) Finding {
		switch n.Credentials.OnProfile {
		case node.No:
			return skip("the instance profile is not in use")
		case node.Unknown:
			return unknown("whether the instance profile is in use is not known")
		}
		entry, r := n.ChannelRefused()
		switch {
		case entry.Unread():
			return unreadLog(n)
		case entry.Yes() && n.Refusals.Outdated(r.At):
			return unknown("the profile was refused the channel %s, but its policy has changed since", n.Ago(r.At))
		case !entry.Yes():
			return pass("the profile is not refused the channel")
		case n.MessagesWork(entry.Match) == node.Yes:
			return pass("the profile works over ec2messages")
		case n.Log.Last(facts.SigChannelMDS).Yes() && n.Log.Last(facts.SigMDSFailed).Unread():
			return unknown("the agent has gone over to ec2messages; whether that works is not on record")
		case n.Log.Read() != node.Yes:
			return unreadLog(n)
		}
		accepted := n.Log.Last(facts.SigProfileOK)
		if rt, ok := n.Facts.Credentials.Runtime.Get(); !accepted.Yes() && (!ok || rt.Source != "EC2") {
			return unknown("whether the heartbeat was accepted with the profile is not on record")
		}
		switch answered, all := n.ReadsDenied(); {
		case answered == 0:
			return unknown("whether the profile has other Systems Manager permissions, and so is meant to be used, was not asked")
		case !all:
			return pass("the profile has other Systems Manager permissions: it is meant to be used")
		}
		fd := blocks("profile-shadows-dhmc", Likely, "the role %s may call ssm:UpdateInstanceInformation but not open the message channel, so it is used and Default Host Management is never tried", text.Or(n.Identity.Role, "of the instance profile")).
			with("role", n.Identity.Role, "profile", n.Facts.IMDS.Profile.Value.Name).
			logged(accepted).sawAt("agent log", entry.Text, "file:"+entry.File, r.At)
		for _, p := range n.Facts.Permissions.Actions.Some() {
			if p.Identity == facts.SourceProfile && p.Verdict == facts.DeniedProven {
				fd = fd.sawAt(p.Action, "denied: "+text.Cut(p.Message, 160), p.From, p.At)
			}
		}
		return ends(n, time.Time{}, fd)
	},
})
