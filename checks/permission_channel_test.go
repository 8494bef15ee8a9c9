package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// permissionChannelSays is a refusal of an action to a principal, as AWS puts it.
func permissionChannelSays(principal, action, why string) string {
	return "User: " + principal + " is not authorized to perform: " + action + " on resource: arn:aws:ssmmessages:eu-central-1:111122223333:*" + why
}

// permissionChannelRefused is a refusal of the healthy instance's role an hour ago.
func permissionChannelRefused(signature, action, why string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		const role = "arn:aws:sts::111122223333:assumed-role/WebServerRole/i-0a1b2c3d4e5f60718"
		refuse(f, signature, time.Hour, "AccessDeniedException", permissionChannelSays(role, action, why))
	}
}

func TestPermissionChannel(t *testing.T) {
	t.Parallel()
	const (
		create = "ssmmessages:CreateControlChannel"
		none   = " because no identity-based policy allows the " + create + " action"
		user   = "arn:aws:iam::111122223333:user/deploy"
	)
	refused := permissionChannelRefused(facts.SigChannelToken, create, none)
	messages := func(before time.Duration) func(*facts.Facts) {
		return func(f *facts.Facts) {
			refused(f)
			log(f, facts.SigChannelMDS, before, "INFO SSM Connection channel status is set to ec2messages")
		}
	}
	after := func(change func(*facts.Facts)) func(*facts.Facts) {
		return func(f *facts.Facts) { refused(f); change(f) }
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	named := func(cause, says, value string) want {
		return want{status: Fail, effect: Ends, cause: cause, confidence: Likely, says: says, value: value}
	}
	missing := func(says, value string) want { return named("iam-missing-channel-action", says, value) }
	breaks := func(says string) want {
		return want{status: Warn, effect: Breaks, cause: "iam-missing-channel-action", confidence: Likely, says: says}
	}
	const neither = "; neither Session Manager nor, as far as the log shows, Run Command can reach this node"
	table := []row{
		{name: "profile", want: is(Pass, "channel opened 2 h ago")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "channel opened")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "channel opened")},
		{name: "windows", kind: "windows", want: is(Pass, "channel opened")},
		{name: "task", kind: "task", want: is(Skip, "see ecs-task-role")},
		{name: "opened", fault: func(f *facts.Facts) {
			log(f, facts.SigChannelUp, 10*time.Minute, "INFO Set up control channel successfully")
		}, want: is(Pass, "channel opened 10 min ago")},
		{name: "refused", fault: refused, want: missing("the role WebServerRole may not call "+create+": no identity-based policy allows it"+neither, "role=WebServerRole")},
		{name: "the grant", fault: refused, want: missing("", "resource=*")},
		{name: "the service", fault: refused, want: missing("", "service=ssmmessages")},
		{name: "what the log says", fault: refused, want: want{status: Fail, effect: Ends, cause: "iam-missing-channel-action", saw: create + ": denied: User: arn:aws:sts::111122223333:assumed-role/WebServerRole"}},
		{name: "refused, hybrid", kind: "hybrid", fault: func(f *facts.Facts) {
			refuse(f, facts.SigChannelToken, time.Hour, "AccessDeniedException", permissionChannelSays("arn:aws:sts::111122223333:assumed-role/SSMServiceRole/mi-0f1e2d3c4b5a69788", create, none))
		}, want: missing("the role SSMServiceRole may not call "+create, "role=SSMServiceRole")},
		{name: "explicit deny", fault: permissionChannelRefused(facts.SigChannelToken, create, " with an explicit deny in a service control policy"),
			want: named("iam-explicit-deny", "explicit deny in a service control policy (SCP)"+neither, "action="+create)},
		{name: "endpoint policy", fault: permissionChannelRefused(facts.SigChannelToken, create, " because no VPC endpoint policy allows the "+create+" action"),
			want: named("vpce-policy-deny", "no VPC endpoint policy allows it", "service=ssmmessages")},
		{name: "refused without a name", fault: func(f *facts.Facts) {
			log(f, facts.SigChannelFailed, time.Hour, "ERROR Error setting up control channel: unauthorized request")
		}, want: missing("may not call "+create+": which policy refuses is not told", "action="+create)},
		{name: "commands over ec2messages", fault: messages(59 * time.Minute), want: breaks("Run Command works over ec2messages, Session Manager does not")},
		{name: "ec2messages before", fault: messages(2 * time.Hour), want: missing(neither, "")},
		{name: "ec2messages fails too", fault: func(f *facts.Facts) {
			messages(59 * time.Minute)(f)
			log(f, facts.SigMDSFailed, 50*time.Minute, "ERROR GetMessages Error: AccessDeniedException")
		}, want: missing("; neither Session Manager nor Run Command can reach this node", "")},
		{name: "not accepted", fault: func(f *facts.Facts) { neverAccepted(f); refused(f) }, want: want{status: Fail, effect: Blocks, cause: "iam-missing-channel-action", says: neither}},
		{name: "asks ec2messages", fault: func(f *facts.Facts) {
			refused(f)
			log(f, facts.SigMDSPolls, 59*time.Minute, "INFO [MessageService] MDSInteractor initialization completed")
		}, want: breaks("Run Command works over ec2messages, Session Manager does not")},
		{name: "went over to ec2messages", fault: func(f *facts.Facts) {
			log(f, facts.SigChannelMDS, 10*time.Minute, "INFO SSM Connection channel status is set to ec2messages")
		}, want: want{status: Warn, effect: Breaks, cause: "iam-missing-channel-action", confidence: Likely, says: "Run Command works over ec2messages", saw: "agent log: INFO SSM Connection channel status is set to ec2messages"}},
		{name: "and back", fault: func(f *facts.Facts) {
			log(f, facts.SigChannelMDS, 10*time.Minute, "INFO SSM Connection channel status is set to ec2messages")
			log(f, facts.SigChannelMGS, 9*time.Minute, "INFO SSM Connection channel status is set to ssmmessages")
		}, want: is(Pass, "channel opened 2 h ago")},
		{name: "went over to ec2messages beside a failure of another kind", fault: func(f *facts.Facts) {
			f.Log.Matches.Value = nil
			log(f, facts.SigChannelToken, 10*time.Minute, "ERROR Failed to get controlchannel token, error: CreateControlChannel failed with error: dial tcp: lookup ssmmessages: no such host")
			log(f, facts.SigChannelMDS, 10*time.Minute, "INFO SSM Connection channel status is set to ec2messages")
		}, want: is(Unknown, "no attempt to open a channel is on record")},
		{name: "went over to ec2messages long after a failure of another kind", fault: func(f *facts.Facts) {
			log(f, facts.SigChannelToken, time.Hour, "ERROR Failed to get controlchannel token, error: CreateControlChannel failed with error: i/o timeout")
			log(f, facts.SigChannelMDS, 10*time.Minute, "INFO SSM Connection channel status is set to ec2messages")
		}, want: breaks("may not call " + create)},
		{name: "went over to ec2messages where no websocket gets through", fault: func(f *facts.Facts) {
			f.Network.Endpoint("ssmmessages").WebSocket = facts.Known(facts.HTTP{Status: 403, Server: "squid"}, "")
			log(f, facts.SigChannelMDS, 10*time.Minute, "INFO SSM Connection channel status is set to ec2messages")
		}, want: is(Unknown, "as long as the endpoint of ssmmessages cannot be used")},
		{name: "went over to ec2messages where only small packets get through", fault: func(f *facts.Facts) {
			e := f.Network.Endpoint("ssmmessages")
			e.TLS, e.HTTP = facts.Unknown[facts.TLS]("i/o timeout", ""), facts.Unknown[facts.HTTP]("i/o timeout", "")
			log(f, facts.SigChannelMDS, 10*time.Minute, "INFO SSM Connection channel status is set to ec2messages")
		}, want: is(Unknown, "as long as the endpoint of ssmmessages cannot be used")},
		{name: "AWS answers the agent's upgrade request with 403", fault: func(f *facts.Facts) {
			log(f, facts.SigWebSocketFailed, time.Minute, "WARN Failed to dial websocket, status: 403 Forbidden, err: websocket: bad handshake")
			log(f, facts.SigChannelMDS, time.Minute, "INFO SSM Connection channel status is set to ec2messages")
		}, want: breaks("may not call ssmmessages:OpenControlChannel")},
		{name: "403 behind a proxy", fault: func(f *facts.Facts) {
			f.Network.Endpoint("ssmmessages").Proxy.Used = true
			log(f, facts.SigWebSocketFailed, time.Minute, "WARN Failed to dial websocket, status: 403 Forbidden, err: websocket: bad handshake")
		}, want: is(Pass, "channel opened")},
		{name: "of an earlier profile", fault: after(func(f *facts.Facts) { f.IMDS.Profile = facts.Absent[facts.Profile]("404", "") }), want: is(Unknown, "credentials of an earlier instance profile")},
		{name: "refused under another entry", fault: permissionChannelRefused(facts.SigWebSocketFailed, "ssmmessages:OpenControlChannel", ""),
			want: missing("may not call ssmmessages:OpenControlChannel: which policy refuses is not told"+neither, "action=ssmmessages:OpenControlChannel")},
		{name: "opened since", fault: after(func(f *facts.Facts) {
			log(f, facts.SigChannelMGS, 10*time.Minute, "INFO SSM Connection channel status is set to ssmmessages")
		}), want: is(Pass, "channel opened 2 h ago")},
		{name: "only sessions", fault: permissionChannelRefused(facts.SigSessionLogs, "ssmmessages:OpenDataChannel", ""), want: breaks("may not call ssmmessages:OpenDataChannel: which policy refuses is not told; sessions to this node do not open")},
		{name: "sessions, without a name", fault: func(f *facts.Facts) {
			refuse(f, facts.SigDataChannel, time.Hour, "BadRequest", "Unauthorized request.")
			f.Log.Refusals.Value[0].Denied = true
		}, want: breaks("may not call ssmmessages:CreateDataChannel: which policy refuses is not told; sessions to this node do not open")},
		{name: "sessions, and then one opened", fault: func(f *facts.Facts) {
			permissionChannelRefused(facts.SigDataChannel, "ssmmessages:OpenDataChannel", "")(f)
			log(f, facts.SigPortOpened, 10*time.Minute, "INFO [ssm-session-worker] Plugin Port started")
		}, want: is(Pass, "channel opened")},
		{name: "sessions, and then the channel opened", fault: func(f *facts.Facts) {
			permissionChannelRefused(facts.SigSessionLogs, "ssmmessages:CreateDataChannel", "")(f)
			log(f, facts.SigChannelMGS, 10*time.Minute, "INFO SSM Connection channel status is set to ssmmessages")
		}, want: breaks("may not call ssmmessages:CreateDataChannel")},
		{name: "sessions and the channel", fault: func(f *facts.Facts) {
			permissionChannelRefused(facts.SigWebSocketFailed, "ssmmessages:OpenControlChannel", "")(f)
			permissionChannelRefused(facts.SigSessionLogs, "ssmmessages:OpenDataChannel", "")(f)
		}, want: missing(neither, "action=ssmmessages:OpenControlChannel")},
		{name: "sessions, and the channel fell back since", fault: func(f *facts.Facts) {
			permissionChannelRefused(facts.SigSessionLogs, "ssmmessages:CreateDataChannel", "")(f)
			log(f, facts.SigChannelMDS, 10*time.Minute, "INFO SSM Connection channel status is set to ec2messages")
		}, want: breaks("may not call ssmmessages:CreateControlChannel: Run Command works over ec2messages, Session Manager does not")},
		{name: "sessions long ago", fault: func(f *facts.Facts) {
			permissionChannelRefused(facts.SigSessionLogs, "ssmmessages:OpenDataChannel", "")(f)
			f.Log.Refusals.Value[0].At = f.CollectedAt.Add(-25 * time.Hour)
		}, want: is(Pass, "channel opened")},
		{name: "an IAM user", fault: func(f *facts.Facts) {
			refuse(f, facts.SigChannelToken, time.Hour, "AccessDeniedException", permissionChannelSays(user, create, none))
		}, want: is(Unknown, "an IAM user was refused "+create+", not the role of this node: see shared-credentials")},
		{name: "a role of another account", fault: func(f *facts.Facts) {
			refuse(f, facts.SigChannelToken, time.Hour, "AccessDeniedException", permissionChannelSays("arn:aws:sts::999900001111:assumed-role/Other/i-0fff", create, none))
		}, want: is(Pass, "channel opened")},
		{name: "failed, not refused", fault: func(f *facts.Facts) {
			log(f, facts.SigChannelFailed, time.Hour, "ERROR Error setting up control channel: i/o timeout")
		}, want: is(Pass, "channel opened")},
		{name: "never tried", fault: neverAccepted, want: is(Unknown, "no attempt to open a channel is on record")},
		{name: "ECS or not", fault: func(f *facts.Facts) { f.ECS = facts.ECS{} }, want: is(Unknown, "whether this is an ECS task is not known")},
		{name: "no source known", fault: after(func(f *facts.Facts) {
			f.IMDS.Profile = facts.Seen[facts.Profile]{}
			neverAccepted(f)
			f.Credentials.Runtime = facts.Seen[facts.Runtime]{}
		}), want: want{status: Unknown, effect: Breaks, says: "what the agent signs with is not known"}},
		{name: "log unread", fault: unreadLogOf, want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "log partly read", fault: func(f *facts.Facts) {
			f.Log.Matches = facts.Partly(f.Log.Matches.Value, "errors.log: permission denied", "")
		}, want: is(Unknown, "agent log: errors.log")},
		{name: "refusals unread", fault: func(f *facts.Facts) {
			f.Log.Refusals = facts.Unknown[[]facts.Refusal]("errors.log: permission denied", "")
		}, want: is(Unknown, "agent log: errors.log: permission denied")},
		{name: "refused, and the rest of the log unread", fault: after(func(f *facts.Facts) {
			f.Log.Matches = facts.Partly(f.Log.Matches.Value, "errors.log: permission denied", "")
		}), want: breaks("; Session Manager does not work, and whether Run Command works over ec2messages was not read")},
	}
	judge(t, PermissionChannel, table)
	judgeUnread(t, PermissionChannel, table)
}
