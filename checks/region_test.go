package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// regionConfigured is a host whose configuration names Regions.
func regionConfigured(agent, mgs string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Agent.Config = facts.Known(facts.Config{Region: agent, MgsRegion: mgs}, "file:"+f.Agent.ConfigPath)
	}
}

// regionNotRegistered is a host outside EC2 that failed to register, as this says.
func regionNotRegistered(signature, text string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "")
		f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
		log(f, signature, 5*time.Minute, text)
	}
}

// regionUnread takes away what names a Region besides a registration.
func regionUnread(f *facts.Facts) { f.Network.Region, f.IMDS.Region = "", facts.Seen[string]{} }

func TestRegion(t *testing.T) {
	t.Parallel()
	is := func(s Status, says string) want { return want{status: s, says: says} }
	blocked := func(c Confidence, says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: "region-mismatch", confidence: c, says: says, saw: saw}
	}
	overrides := func(says, saw, value string) want {
		return want{status: Warn, effect: Breaks, cause: "region-mismatch", confidence: Proven, says: says, saw: saw, value: value}
	}
	holds := func(region string) func(*facts.Facts) {
		return func(f *facts.Facts) { f.Registration.Hybrid.Value.Region = region }
	}
	dials := func(host string) func(*facts.Facts) {
		return regionNotRegistered(facts.SigRegisterFailed, `ERROR Registration failed due to error. Post "https://`+host+`/": dial tcp: no such host`)
	}
	table := []row{
		{name: "profile", want: is(Pass, "eu-central-1")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "eu-central-1")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "eu-central-1")},
		{name: "windows", kind: "windows", want: is(Pass, "eu-central-1")},
		{name: "registered with quotes", kind: "hybrid", fault: func(f *facts.Facts) { neverAccepted(f); holds("“eu-central-1”")(f) }, want: blocked(Proven, "the hybrid registration holds", "region of RegistrationKey: ")},
		{name: "registered with a zone", kind: "hybrid", fault: func(f *facts.Facts) { neverAccepted(f); holds("eu-central-1a")(f) }, want: blocked(Proven, "the hybrid registration holds \"eu-central-1a\" as its Region, which is not a Region", "\"eu-central-1a\" (file:/var/lib/amazon/ssm/Vault/Store/RegistrationKey)")},
		{name: "registered with quotes, accepted all the same", kind: "hybrid", fault: holds("“eu-central-1”"), want: overrides("which is not a Region", "", "")},
		{name: "dialled with quotes", kind: "hybrid", fault: dials("ssm.%E2%80%9Ceu-central-1%E2%80%9D.amazonaws.com"), want: blocked(Likely, "which is not a Region: typographic quotes were pasted with it", "agent log: ERROR Registration failed")},
		{name: "dialled with quotes, as a name", kind: "hybrid", fault: dials("ssm.xn--eu-central-1-jv7ea.amazonaws.com"), want: blocked(Likely, "typographic quotes were pasted with it", "")},
		{name: "dialled with a zone", kind: "windows", fault: dials("ssm.eu-central-1a.amazonaws.com"), want: blocked(Likely, "was told to register in the Region", "ssm.eu-central-1a.amazonaws.com")},
		{name: "dialled in China", kind: "hybrid", fault: dials("ssm.beijing.amazonaws.com.cn"), want: blocked(Likely, "beijing", "")},
		{name: "dialled in Europe", kind: "hybrid", fault: dials("ssm.brandenburg.amazonaws.eu"), want: blocked(Likely, "brandenburg", "")},
		{name: "dialled in a Region", kind: "hybrid", fault: dials("ssm.eu-central-1.amazonaws.com"), want: is(Pass, "eu-central-1")},
		{name: "dialled in a Region, in capitals", kind: "hybrid", fault: dials("SSM.EU-CENTRAL-1.amazonaws.com"), want: is(Pass, "eu-central-1")},
		{name: "registered since", kind: "hybrid", fault: func(f *facts.Facts) {
			log(f, facts.SigRegisterFailed, time.Minute, "ERROR Registration failed due to error. dial ssm.eu-central-1a.amazonaws.com")
		}, want: is(Pass, "eu-central-1")},
		{name: "malformed", kind: "hybrid", fault: regionNotRegistered(facts.SigRegionInvalid, "ERROR region has invalid characters"), want: blocked(Likely, "the Region text the agent was given is malformed", "agent log: ERROR region has invalid characters")},
		{name: "malformed on an instance", fault: func(f *facts.Facts) {
			neverAccepted(f)
			log(f, facts.SigRegionInvalid, time.Minute, "ERROR registration due to unspecified region")
		}, want: blocked(Likely, "malformed", "agent log: ERROR registration due to unspecified region")},
		{name: "malformed, and accepted since", fault: func(f *facts.Facts) {
			log(f, facts.SigRegionInvalid, time.Hour, "ERROR region has invalid characters")
		}, want: is(Pass, "eu-central-1")},
		{name: "overridden", fault: regionConfigured("us-east-1", ""), want: overrides("the configuration sets Agent.Region to us-east-1, but this node belongs to the Region eu-central-1", "Agent.Region: us-east-1 (file:/etc/amazon/ssm/amazon-ssm-agent.json)", "config=/etc/amazon/ssm/amazon-ssm-agent.json")},
		{name: "overridden for the channel", kind: "dhmc", fault: regionConfigured("", "us-east-1"), want: overrides("the configuration sets Mgs.Region to us-east-1", "Mgs.Region: us-east-1", "config=/etc/amazon/ssm/amazon-ssm-agent.json")},
		{name: "the Region of an instance", fault: regionConfigured("us-east-1", ""), want: overrides("", "Region of the node: eu-central-1 (imds:", "")},
		{name: "the Region of a hybrid node", kind: "hybrid", fault: regionConfigured("us-east-1", ""), want: overrides("", "Region of the node: eu-central-1 (file:/var/lib/amazon/ssm/Vault/Store/RegistrationKey)", "")},
		{name: "overridden, not accepted", kind: "hybrid", fault: func(f *facts.Facts) { neverAccepted(f); regionConfigured("us-east-1", "")(f) }, want: blocked(Proven, "only some of the agent's clients follow it", "Agent.Region: us-east-1")},
		{name: "overridden by the same", fault: regionConfigured("eu-central-1", "eu-central-1"), want: is(Pass, "eu-central-1")},
		{name: "overridden by no Region", fault: regionConfigured("Frankfurt", ""), want: is(Pass, "eu-central-1")},
		{name: "no Region", kind: "task", fault: regionUnread, want: is(Unknown, "no Region is known")},
		{name: "Region unread", fault: regionUnread, want: is(Unknown, "no Region is known")},
		{name: "configuration unread", fault: func(f *facts.Facts) {
			f.Agent.Config = facts.Unknown[facts.Config]("amazon-ssm-agent.json: permission denied", "")
		}, want: is(Unknown, "configuration: amazon-ssm-agent.json: permission denied")},
		{name: "vault unread", kind: "hybrid", fault: func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Unknown[facts.Key]("vault: permission denied", "").Because(facts.NeedsRoot)
		}, want: is(Unknown, "registration: vault: permission denied")},
		{name: "vault of an instance unread", fault: func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Unknown[facts.Key]("vault: permission denied", "").Because(facts.NeedsRoot)
		}, want: is(Pass, "eu-central-1")},
		{name: "runtime configuration unread", kind: "hybrid", fault: func(f *facts.Facts) {
			dials("ssm.eu-central-1a.amazonaws.com")(f)
			f.Credentials.Runtime = facts.Unknown[facts.Runtime]("identity_config.json: permission denied", "")
		}, want: is(Unknown, "agent log: identity_config.json: permission denied")},
		{name: "log unread", fault: unreadLogOf, want: is(Unknown, "agent log: /var/log/amazon/ssm/amazon-ssm-agent.log: permission denied")},
	}
	judge(t, Region, table)
	judgeUnread(t, Region, table)
}

func TestRegionIn(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"%E2%80%9Cus-east-1%E2%80%9D": "us-east-1", "eu-central-1a": "eu-central-1", "'us-gov-west-1'": "us-gov-west-1",
		"frankfurt": "", "us-east-1 eu-west-1": "", "": "",
	} {
		if got := regionIn(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
