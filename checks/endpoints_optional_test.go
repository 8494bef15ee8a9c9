package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// optionalFailed is a feature that failed at an endpoint so long ago.
func optionalFailed(signature, text string, before time.Duration) func(*facts.Facts) {
	return func(f *facts.Facts) { log(f, signature, before, text) }
}

// optionalVersion is an agent of another version.
func optionalVersion(v string) func(*facts.Facts) {
	return func(f *facts.Facts) { f.Agent.Running, f.Agent.Installed = facts.Known(v, ""), facts.Known(v, "") }
}

func TestEndpointsOptional(t *testing.T) {
	t.Parallel()
	logs := optionalFailed(facts.SigSessionLogs, "ERROR Error Calling DescribeLogGroups: dial tcp 52.119.186.26:443: i/o timeout", 3*time.Minute)
	messages := optionalFailed(facts.SigMDSFailed, "ERROR GetMessages Error: Post https://ec2messages.eu-central-1.amazonaws.com/: connection refused", 3*time.Minute)
	named := func(service, saw string) want {
		return want{status: Warn, effect: Breaks, cause: "optional-endpoint-unreachable", confidence: Proven,
			says: service + ".eu-central-1.amazonaws.com cannot be reached (", saw: saw, value: "service=" + service}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	unused := is(Skip, "not reachable, and no sign of use: logs")
	table := []row{
		{name: "profile", want: is(Pass, "5 endpoints")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "5 endpoints")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "5 endpoints")},
		{name: "windows", kind: "windows", want: is(Pass, "5 endpoints")},
		{name: "task", kind: "task", want: is(Unknown, "endpoints: no Region is known")},
		{name: "closed for the node itself", fault: netTimeout("ssm", "ssmmessages", "sts"), want: is(Pass, "5 endpoints")},

		{name: "session logs", fault: netAll(netTimeout("logs"), logs), want: named("logs", "agent log: ERROR Error Calling DescribeLogGroups")},
		{name: "session logs, the attempt", fault: netAll(netTimeout("logs"), logs), want: named("logs", "connect to logs.eu-central-1.amazonaws.com:443: 52.119.186.26 timed out (connect)")},
		{name: "through the proxy", fault: netAll(netProxied(facts.Connect{Outcome: facts.Forbidden, Error: "HTTP 403", Status: 403}, "logs"), logs), want: named("logs", "through the proxy: forbidden HTTP 403")},
		{name: "download", fault: netAll(netTimeout("s3"), optionalFailed(facts.SigDownload, "failed to download: dial tcp: lookup: no such host", time.Hour)), want: named("s3", "no such host")},
		{name: "kms", fault: netAll(netTimeout("kms"), optionalFailed(facts.SigKMS, "kms: Post https://kms.eu-central-1.amazonaws.com/: refused", time.Hour)), want: named("kms", "refused")},
		{name: "ec2messages, older agent", fault: netAll(netTimeout("ec2messages"), messages, optionalVersion("3.2.582.0")), want: named("ec2messages", "GetMessages Error")},
		{name: "ec2messages stopped, older agent", fault: netAll(netTimeout("ec2messages"), optionalFailed(facts.SigMDSStopped, "MDSInteractor stopped temporarily: i/o timeout", time.Hour), optionalVersion("3.2.582.0")), want: named("ec2messages", "stopped temporarily")},
		{name: "the second of two", fault: netAll(netTimeout("s3", "logs"), logs), want: named("logs", "")},

		{name: "no sign of use", fault: netTimeout("logs"), want: unused},
		{name: "the key of sessions", fault: netAll(netTimeout("kms"), optionalFailed(facts.SigSessionKey, "Error when decrypting data key RequestError: dial tcp: i/o timeout", time.Hour)), want: named("kms", "i/o timeout")},
		{name: "session logs", fault: netAll(netTimeout("s3"), optionalFailed(facts.SigSessionUpload, "Failed to upload: dial tcp: i/o timeout", time.Hour)), want: named("s3", "i/o timeout")},
		{name: "used long ago", fault: netAll(netTimeout("logs"), optionalFailed(facts.SigSessionLogs, "i/o timeout", 25*time.Hour)), want: unused},
		{name: "failed otherwise", fault: netAll(netTimeout("logs"), optionalFailed(facts.SigSessionLogs, "Error Calling DescribeLogGroups: AccessDeniedException", time.Minute)), want: unused},
		{name: "several", fault: netTimeout("s3", "monitoring"), want: is(Skip, "no sign of use: s3, monitoring")},
		{name: "ec2messages, newer agent", fault: netAll(netTimeout("ec2messages"), messages), want: is(Skip, "no sign of use: ec2messages")},

		{name: "ec2messages, agent not known", fault: netAll(netTimeout("ec2messages"), messages, func(f *facts.Facts) {
			f.Agent.Running, f.Agent.Installed = facts.Seen[string]{}, facts.Unknown[string]("no package database", "")
		}), want: is(Unknown, "version of the agent: no package database")},
		{name: "log unread", fault: netAll(netTimeout("logs"), unreadLogOf), want: is(Unknown, "not reachable: logs; whether a feature uses them was not read: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
		{name: "log unread, for no feature", fault: netAll(netTimeout("monitoring"), unreadLogOf), want: is(Skip, "no sign of use: monitoring")},
		{name: "log unread, all open", fault: unreadLogOf, want: is(Pass, "5 endpoints")},
		{name: "offline", fault: netOffline, want: is(Unknown, "endpoints: offline")},
		{name: "offline, and a feature did not get there", fault: netAll(netOffline, optionalFailed(facts.SigSessionLogs, "Error Calling DescribeLogGroups: dial tcp 52.119.182.9:443: i/o timeout", time.Hour)),
			want: want{status: Unknown, effect: Breaks, says: "endpoints: offline; the log says that a feature could not reach one"}},
		{name: "offline, and a feature was refused", fault: netAll(netOffline, optionalFailed(facts.SigSessionLogs, "Error Calling DescribeLogGroups: AccessDenied", time.Hour)), want: is(Unknown, "endpoints: offline")},
		{name: "one untried", fault: netEach(func(e *facts.Endpoint) { e.DNS, e.TCP = facts.DNS{}, nil }, "kms"), want: is(Unknown, "endpoints: not looked at")},
		{name: "partly", fault: netPartly, want: is(Unknown, "the run was interrupted")},
	}
	judge(t, EndpointsOptional, table)
	judgeUnread(t, EndpointsOptional, table)
}
