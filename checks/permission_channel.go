package checks

import (
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// channelAction is the first call of the message channel, and the one that a
// refusal without a name is about.
const channelAction = "ssmmessages:CreateControlChannel"

// openAction is the call that opens the channel's websocket.
const openAction = "ssmmessages:OpenControlChannel"

// dataAction is the first call of a session, and the one that a refusal of its data
// channel without a name is about.
const dataAction = "ssmmessages:CreateDataChannel"

// PermissionChannel is permission-channel.
var PermissionChannel = register(Check{
	ID: "permission-channel", Group: "permissions", Title: "The message channel is allowed",
	Station: AtChannel,
	Needs:   []*Check{ProfileVsDhmc},
	Causes:  []string{"iam-missing-channel-action", "iam-explicit-deny", "vpce-policy-deny"},
	Doc: "Commands and sessions reach a node over ssmmessages; agents fall back to ec2messages for commands when it is refused. Opening a channel could displace the agent's own, so it is never tried: " +
		"refusals come from the agent's log.",
	Eval: func(n *node.Node) Finding {
		switch n.Identity.InECS {
		case node.Yes:
			return skip("see ecs-task-role")
		case node.Unknown:
			return unsureOfSigner(n, unknown("whether this is an ECS task is not known"))
		}
		if n.Credentials.Source == "" {
			return unsureOfSigner(n, unknown("what the agent signs with is not known"))
		}
		if n.Credentials.Held.Replaced == node.Yes {
			return unknown("the agent signs with the credentials of an earlier instance profile; what the present one may do shows once it has renewed them")
		}
		up := n.Log.Last(facts.SigChannelUp)
		opened := n.Log.Latest(facts.SigSessionOpened, facts.SigPortOpened)
		if entry, r := n.ChannelRefused(); entry.Yes() && n.Refusals.Outdated(r.At) {
			return unknown("%s was refused %s, but the policy has changed since: whether it still is shows at the agent's next attempt", text.Or(r.Action, channelAction), n.Ago(r.At))
		} else if entry.Yes() {
			r.Action = text.Or(r.Action, channelAction)
			if r.ByUser() {
				return unknown("an IAM user was refused %s, not the role of this node: see shared-credentials", r.Action)
			}
			return channelFinding(n, r, n.MessagesWork(entry.Match))
		}
		var ofSessions *node.Refusal
		for _, r := range n.Refusals.Logged {
			if r.Match == facts.SigDataChannel && r.Denied {
				r.Action = text.Or(r.Action, dataAction)
			}
			switch {
			case !strings.HasPrefix(r.Action, "ssmmessages:") || !r.Denied || r.ByUser():
			case strings.HasSuffix(r.Action, "DataChannel"):
				if ofSessions == nil && n.Age(r.At) < node.RecentWindow && !opened.Last.After(r.At) {
					ofSessions = &r
				}
			case !n.OpenedSince(r.At):
				return channelFinding(n, r, n.MessagesWork(facts.Match{First: r.At}))
			}
		}
		// Each session opens a channel of its own, whatever the control channel does; one
		// that was refused since is the greater loss, and another fault.
		var sessions []Finding
		if ofSessions != nil {
			sessions = append(sessions, denial(n, *ofSessions, "iam-missing-channel-action").as(Breaks).add("; sessions to this node do not open").halts("session-manager"))
		}
		switch m := n.Channel.Refused; {
		case m.Yes() && n.Endpoints.Tried == node.Yes && !channelCut(n):
			return fellBack(n, m).and(sessions...)
		case m.Yes() && len(sessions) > 0:
			return sessions[0]
		case m.Yes() && n.Endpoints.Tried != node.Yes:
			return unreadEndpoints(n).logged(m)
		case m.Yes():
			return unknown("whether the node may call %s is not known: its channel cannot be opened as long as the endpoint of ssmmessages cannot be used", channelAction).logged(m)
		}
		if fd, ok := upgradeRefused(n); ok {
			return fd.and(sessions...)
		}
		if fd, ok := onlyHeartbeats(n); ok && fd.Cause != "" {
			return fd.and(sessions...)
		} else if ok && len(sessions) == 0 {
			return fd
		}
		switch {
		case len(sessions) > 0:
			return sessions[0]
		case n.Refusals.Read != node.Yes:
			return unreadRefusals(n)
		case up.Yes():
			return pass("channel opened %s", n.Ago(up.Last))
		}
		return unknown("no attempt to open a channel is on record")
	},
})

// fellBack is the finding of an agent whose channel went over to ec2messages with nothing
// beside or on the way that says why: CreateControlChannel was refused.
func fellBack(n *node.Node, m node.Entry) Finding {
	r := node.Refusal{At: m.Last, From: "file:" + m.File, Match: m.ID}
	r.Action, r.Text, r.Denied, r.Layer = channelAction, m.Text, true, iam.LayerUnknown
	if answered, all := n.ReadsDenied(); answered > 0 && all && len(n.Refusals.Live) > 0 { // what refuses all else refuses this
		r = n.Refusals.Live[0]
		r.Action = channelAction
	}
	fd := channelFinding(n, r, n.MessagesWork(m.Match)).sure(Likely).logged(m)
	fd.Answered = r.Live
	return fd
}

// upgradeRefused is the finding of an agent whose websocket request AWS answered with 403,
// which is its verdict on OpenControlChannel: such an answer has no text that names an action.
func upgradeRefused(n *node.Node) (Finding, bool) {
	m, sure := answeredUpgrade(n)
	switch sure {
	case node.No:
		return Finding{}, false
	case node.Unknown:
		return unknown("the agent's websocket request got 403, and who answered so is not known: see websocket").failing(Breaks).logged(m), true
	}
	r := node.Refusal{At: m.Last, From: "file:" + m.File, Match: m.ID}
	r.Action, r.Text, r.Denied, r.Layer = openAction, m.Text, true, iam.LayerUnknown
	return channelFinding(n, r, n.MessagesWork(m.Match)).sure(Likely).logged(m).
		add("; AWS answered its websocket request with 403, and that of this run as it should"), true
}

// onlyHeartbeats is the finding of a role that may register the node and nothing else:
// ec2messages refuses it, which is asked while no channel over ssmmessages is open.
func onlyHeartbeats(n *node.Node) (Finding, bool) {
	m := n.Log.Current(facts.SigMDSFailed)
	if !m.Yes() {
		m = n.Log.Recent(facts.SigMDSFailed)
	}
	if !m.Yes() || !node.SaysRefused(m.Text) || n.QuotesAnother(m.Match) || n.Log.StartedAfter(m.Match) || n.Channel.Opened.Last.After(m.Last) || n.Channel.Connected == node.Yes {
		return Finding{}, false
	}
	answered, all := n.ReadsDenied()
	switch {
	case answered == 0, n.Log.Read() != node.Yes, n.Channel.Opened.Yes() && n.Channel.Connected != node.No:
		return unknown("ec2messages refused the agent %s, and whether its channel over ssmmessages is open is not known", n.Ago(m.Last)).logged(m).failing(Breaks), true
	case !all:
		return Finding{}, false
	}
	r := node.Refusal{At: m.Last, From: "file:" + m.File, Match: m.ID}
	r.Action, r.Text, r.Denied, r.Layer = "ec2messages:GetMessages", m.Text, true, iam.LayerUnknown
	for _, x := range n.Refusals.Logged {
		if x.Match == m.ID {
			r = x
			break
		}
	}
	fd := denial(n, r, "iam-missing-channel-action").add(", and no channel over ssmmessages is open: heartbeats (%s) may be accepted, but neither sessions nor commands reach this node", node.Heartbeat).with("action", channelAction)
	return ends(n, time.Time{}, fd), true
}

// unsureOfSigner adds to an unknown that a channel was refused, where it is not known
// whether that was to what the agent signs with now.
func unsureOfSigner(n *node.Node, fd Finding) Finding {
	entry, r := n.ChannelRefused()
	if !entry.Yes() {
		i := slices.IndexFunc(n.Refusals.Logged, func(r node.Refusal) bool {
			return strings.HasPrefix(r.Action, "ssmmessages:") && r.Denied && n.Age(r.At) < node.RecentWindow
		})
		if m := n.Log.Recent(facts.SigMDSFailed); i < 0 && m.Yes() && node.SaysRefused(m.Text) && !n.Channel.Opened.Last.After(m.Last) && n.Channel.Connected != node.Yes {
			return fd.add("; ec2messages refused the agent %s", n.Ago(m.Last)).failing(Breaks)
		}
		if i < 0 {
			return fd
		}
		r = n.Refusals.Logged[i]
	}
	return fd.add("; the agent was refused %s %s", text.Or(r.Action, channelAction), n.Ago(r.At)).failing(Breaks)
}

// channelFinding is the finding of a refused channel; commands tells whether those
// come over ec2messages instead.
func channelFinding(n *node.Node, r node.Refusal, commands node.Answer) Finding {
	fd := denial(n, r, "iam-missing-channel-action")
	switch commands {
	case node.Yes:
		return fd.say("%s may not call %s: Run Command works over ec2messages, Session Manager does not", principalName(n, r), r.Action).as(Breaks)
	case node.No:
		return ends(n, time.Time{}, fd.add("; neither Session Manager nor Run Command can reach this node"))
	}
	if n.Log.Read() != node.Yes {
		return fd.add("; Session Manager does not work, and whether Run Command works over ec2messages was not read").as(Breaks)
	}
	return ends(n, time.Time{}, fd.add("; neither Session Manager nor, as far as the log shows, Run Command can reach this node"))
}
