package checks

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

const configPath = "/etc/amazon/ssm/amazon-ssm-agent.json"

// configIs gives the host a configuration file.
func configIs(c facts.Config) func(*facts.Facts) {
	c.HealthMinutes = 5
	return func(f *facts.Facts) {
		f.Agent.Config = facts.Known(c, "file:"+configPath)
	}
}

// configOverride is a configuration that overrides the endpoint of ssm.
func configOverride(host string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		configIs(facts.Config{SSMEndpoint: host})(f)
		e := f.Network.Endpoint("ssm")
		e.Host, e.Configured = host, "Ssm.Endpoint"
	}
}

// configOrder is a configuration with an order of identities.
func configOrder(names ...string) func(*facts.Facts) {
	return configIs(facts.Config{ConsumptionOrder: names})
}

func configAll(faults ...func(*facts.Facts)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		for _, fault := range faults {
			fault(f)
		}
	}
}

func TestAgentConfig(t *testing.T) {
	t.Parallel()
	unusable := func(before time.Duration) func(*facts.Facts) {
		return func(f *facts.Facts) {
			log(f, facts.SigConfigUnusable, before, "app config could not be loaded - invalid character")
		}
	}
	parseError := configIs(facts.Config{ParseError: "invalid character '}' (line 12)"})
	nxdomain := func(f *facts.Facts) {
		f.Network.Endpoint("ssm").DNS = facts.DNS{Outcome: facts.NXDomain, Server: "10.0.0.2:53"}
	}
	wrongName := func(f *facts.Facts) {
		f.Network.Endpoint("ssm").TLS = facts.Known(facts.TLS{Kind: facts.WrongName}, "")
	}
	image := func(f *facts.Facts) {
		f.Root = "/mnt/image"
		f.Network, f.IMDS = facts.Network{}, facts.IMDS{}
	}
	noHybrid := func(f *facts.Facts) {
		f.Registration.Hybrid = facts.Unknown[facts.Key]("permission denied", "").Because(facts.NeedsRoot)
		f.Credentials.Runtime = facts.Unknown[facts.Runtime]("permission denied", "").Because(facts.NeedsRoot)
	}
	key := func(f *facts.Facts) {
		f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0123456789abcdef0", Region: "eu-central-1", HasPrivate: true}, "file:/var/lib/amazon/ssm/Vault/Store/RegistrationKey")
	}
	nowhere := func(f *facts.Facts) {
		f.Host.DMI, f.IMDS, f.Registration.EC2 = facts.DMI{}, facts.IMDS{}, facts.Seen[facts.Key]{}
	}
	const cause = "agent-config-invalid"
	named := func(says, saw string) want {
		return want{status: Warn, effect: Breaks, cause: cause, confidence: Proven, says: says, saw: saw, value: "config=" + configPath}
	}
	blocked := func(w want) want { w.status, w.effect = Fail, Blocks; return w }
	ending := func(w want) want { w.status, w.effect = Fail, Ends; return w }
	is := func(s Status, says string) want { return want{status: s, says: says} }
	table := []row{
		{name: "profile", want: is(Pass, "no file, built-in defaults")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "")},
		{name: "hybrid", kind: "hybrid", want: is(Pass, "")},
		{name: "windows", kind: "windows", want: is(Pass, "")},
		{name: "task", kind: "task", want: is(Pass, "")},
		{name: "a file", fault: configIs(facts.Config{}), want: is(Pass, configPath+" parses")},
		{name: "in an image", fault: configAll(configOverride("ssm.example.com"), configOrder("OnPrem"), image), want: is(Pass, "parses")},

		{name: "no file, and refused", fault: configAll(neverAccepted, unusable(time.Minute)), want: want{status: Fail, effect: Blocks, cause: cause, confidence: Likely,
			says: "the agent could not load amazon-ssm-agent.json", saw: "agent log: app config could not be loaded", value: "path=" + configPath}},
		{name: "no file, refused long ago", fault: unusable(time.Hour), want: is(Pass, "no file")},
		{name: "no file, log unread", fault: unreadLogOf, want: is(Unknown, "agent log: ")},
		{name: "file unread", fault: func(f *facts.Facts) {
			f.Agent.Config = facts.Unknown[facts.Config]("permission denied", "").Because(facts.NeedsRoot)
		}, want: is(Unknown, configPath+": permission denied")},
		{name: "nobody looked", fault: func(f *facts.Facts) { f.Agent = facts.Agent{} }, want: is(Unknown, configPath+": not looked at")},
		{name: "nobody looked on Windows", kind: "windows", fault: func(f *facts.Facts) { f.Agent = facts.Agent{} }, want: is(Unknown, "/Program Files/Amazon/SSM/amazon-ssm-agent.json: not looked at")},

		{name: "not JSON", fault: configAll(neverAccepted, parseError, unusable(time.Minute)), want: blocked(named(configPath+" cannot be parsed: invalid character '}' (line 12)", "parse "+configPath+": invalid character '}' (line 12) (file:"+configPath+")"))},
		{name: "not JSON, and the log says so", fault: configAll(neverAccepted, parseError, unusable(time.Minute)), want: blocked(named("cannot be parsed", "agent log: app config could not be loaded"))},
		{name: "not JSON since the start", fault: parseError, want: named("cannot be parsed", "")},
		{name: "not JSON, log unread", fault: configAll(parseError, unreadLogOf), want: blocked(named("cannot be parsed", ""))},

		{name: "a folder", fault: configAll(neverAccepted, configIs(facts.Config{ParseError: "it is a folder, not a file", Folder: true}), unusable(time.Minute)), want: blocked(named(configPath+" cannot be parsed: it is a folder, not a file", "agent log: app config could not be loaded"))},

		{name: "a Region that is none", fault: configIs(facts.Config{Region: "Frankfurt"}), want: named(configPath+` sets Agent.Region to "Frankfurt", which is not a Region`, "Agent.Region in "+configPath+`: "Frankfurt"`)},
		{name: "a Region of the channel that is none", fault: configIs(facts.Config{MgsRegion: "eu central 1"}), want: named(`sets Mgs.Region to "eu central 1"`, "")},
		{name: "a Region", fault: configIs(facts.Config{Region: "eu-central-1"}), want: is(Pass, "parses")},

		{name: "an endpoint of another Region", fault: configOverride("ssm.us-east-1.amazonaws.com"), want: named(configPath+" overrides Ssm.Endpoint with ssm.us-east-1.amazonaws.com, which belongs to another Region than eu-central-1", "Ssm.Endpoint in "+configPath+": ssm.us-east-1.amazonaws.com")},
		{name: "the Region's own name, which the resolver does not know", fault: configAll(configOverride("ssm.eu-central-1.amazonaws.com"), nxdomain), want: is(Pass, "")},
		{name: "a name of AWS, and the resolver knows none", fault: configAll(configOverride("ssm-fips.eu-central-1.amazonaws.com"), nxdomain, func(f *facts.Facts) {
			for i := range f.Network.Endpoints.Value {
				f.Network.Endpoints.Value[i].DNS = facts.DNS{Outcome: facts.NXDomain, Server: "10.0.0.2:53"}
			}
		}), want: is(Pass, "")},
		{name: "a name of AWS that is none", fault: configAll(neverAccepted, configOverride("ssm-x.eu-central-1.amazonaws.com"), nxdomain), want: blocked(named("overrides Ssm.Endpoint with ssm-x.eu-central-1.amazonaws.com, which does not exist", ""))},
		{name: "an endpoint without a name", fault: configAll(configOverride("vpce-1.ssm.example"), nxdomain), want: ending(named("overrides Ssm.Endpoint with vpce-1.ssm.example, which does not exist; its channel still stands", ""))},
		{name: "an endpoint without a name, and not accepted", fault: configAll(neverAccepted, configOverride("vpce-1.ssm.example"), nxdomain), want: blocked(named("overrides Ssm.Endpoint with vpce-1.ssm.example, which does not exist", ""))},
		{name: "an endpoint of the channel without a name", fault: configAll(configIs(facts.Config{MgsEndpoint: "ssmmessages.example"}), func(f *facts.Facts) {
			e := f.Network.Endpoint("ssmmessages")
			e.Host, e.Configured, e.DNS = "ssmmessages.example", "Mgs.Endpoint", facts.DNS{Outcome: facts.NXDomain}
		}), want: ending(named("overrides Mgs.Endpoint with ssmmessages.example, which does not exist; the node is still accepted, but neither sessions nor commands reach it", ""))},
		{name: "an endpoint with the certificate of another", fault: configAll(configOverride("ssm.example.com"), wrongName), want: ending(named("which shows a certificate for another name; its channel still stands", ""))},
		{name: "an endpoint that works", fault: configOverride("vpce-1.ssm.eu-central-1.vpce.amazonaws.com"), want: is(Pass, "parses")},
		{name: "the other channel without a name", fault: func(f *facts.Facts) {
			configIs(facts.Config{MdsEndpoint: "ec2messages.example"})(f)
			e := f.Network.Endpoint("ec2messages")
			e.Host, e.Configured, e.DNS = "ec2messages.example", "Mds.Endpoint", facts.DNS{Outcome: facts.NXDomain}
		}, want: is(Warn, "overrides Mds.Endpoint with ec2messages.example, which does not exist; only an agent that is refused ssmmessages asks there")},
		{name: "an override of a feature", fault: func(f *facts.Facts) {
			configIs(facts.Config{S3Endpoint: "s3.us-east-1.amazonaws.com"})(f)
			e := f.Network.Endpoint("s3")
			e.Host, e.Configured = "s3.us-east-1.amazonaws.com", "S3.Endpoint"
		}, want: is(Pass, "parses")},
		{name: "an endpoint, network unread", fault: configAll(configOverride("vpce-1.ssm.example"), func(f *facts.Facts) {
			f.Network.Endpoints = facts.Unknown[[]facts.Endpoint]("offline", "").Because(facts.NotAskable)
		}), want: is(Unknown, "endpoints that "+configPath+" overrides: offline")},
		{name: "an endpoint of the channel, network unread", fault: configAll(configIs(facts.Config{MgsEndpoint: "channel.example"}), func(f *facts.Facts) { f.Network = facts.Network{} }), want: is(Unknown, "overrides: ")},
		{name: "a domain, network unread", fault: configAll(configIs(facts.Config{ServiceDomain: "example.com"}), func(f *facts.Facts) { f.Network = facts.Network{} }), want: is(Unknown, "overrides: ")},
		{name: "an endpoint that nobody asked for", fault: configAll(configOverride("vpce-1.ssm.example"), func(f *facts.Facts) {
			e := f.Network.Endpoint("ssm")
			e.DNS, e.TCP = facts.DNS{}, nil
		}), want: is(Unknown, "its name was not asked for")},
		{name: "an endpoint, and the Region in a vault that is unread", fault: configAll(configOverride("ssm.us-east-1.amazonaws.com"), noHybrid), want: is(Unknown, "the Region of this node is not known")},
		{name: "no override, network unread", fault: configAll(configIs(facts.Config{}), func(f *facts.Facts) { f.Network = facts.Network{} }), want: is(Pass, "parses")},

		{name: "an order without EC2", fault: configAll(neverAccepted, configOrder("OnPrem")), want: blocked(named("Identity.ConsumptionOrder in "+configPath+" lets the agent be only OnPrem, but what this host has is the identity of an EC2 instance (EC2)", "Identity.ConsumptionOrder in "+configPath+": OnPrem"))},
		{name: "an order without OnPrem", kind: "hybrid", fault: configAll(neverAccepted, configOrder("EC2", "CustomIdentity")), want: blocked(named("lets the agent be only EC2, CustomIdentity, but what this host has is the hybrid registration mi-", ""))},
		{name: "an order with what the host has", fault: configOrder("OnPrem", "EC2"), want: is(Pass, "parses")},
		{name: "an order with ECS", fault: configOrder("ECS"), want: is(Pass, "parses")},
		{name: "an order with an identity of its own", fault: configIs(facts.Config{ConsumptionOrder: []string{"CustomIdentity"}, CustomIdentity: true}), want: is(Pass, "parses")},
		{name: "an order with an identity that is not set", fault: configOrder("CustomIdentity"), want: named("what this host has is the identity of an EC2 instance", "")},
		{name: "an order on a host with nothing", kind: "hybrid", fault: configAll(configOrder("EC2"), func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "")
		}), want: is(Pass, "parses")},
		{name: "an order without OnPrem on a host whose registration failed", kind: "hybrid", fault: configAll(configOrder("EC2"), func(f *facts.Facts) { f.Registration.Hybrid.Value.HasPrivate = false }), want: is(Pass, "parses")},
		{name: "an order in a task", kind: "task", fault: configOrder("OnPrem"), want: is(Pass, "parses")},
		{name: "an order, vault unread", fault: configAll(configOrder("OnPrem"), noHybrid), want: is(Unknown, "hybrid registration: permission denied; Identity.ConsumptionOrder in "+configPath+" lets the agent be only OnPrem")},
		{name: "an order, EC2 or not", kind: "hybrid", fault: configAll(configOrder("EC2"), nowhere), want: is(Unknown, "whether this is an EC2 instance is not known; Identity.ConsumptionOrder")},
		{name: "an order, a task or not", fault: configAll(configOrder("OnPrem"), func(f *facts.Facts) { f.ECS = facts.ECS{} }), want: is(Unknown, "whether this is a task of Amazon ECS: not looked at")},
		{name: "an order without OnPrem on EC2 with a registration", fault: configAll(configOrder("CustomIdentity"), key), want: named("the hybrid registration mi-0123456789abcdef0 (OnPrem)", "")},

		{name: "newer keys", fault: configIs(facts.Config{Keys: []string{"Agent.EnforceWorkspaceRootOwnership", "Ssm.Endpoint"}}), want: is(Warn, "ignored by this release, agent 3.3.3050.0: Agent.EnforceWorkspaceRootOwnership (from 3.3.4177.0 on)")},
		{name: "keys that it knows", fault: configIs(facts.Config{Keys: []string{"Ssm.CredentialRetryMaxSleepSeconds"}}), want: is(Pass, "")},
		{name: "unknown keys", fault: configIs(facts.Config{UnknownKeys: []string{"Agent.Regoin", "Mgs.Endpiont"}}), want: is(Warn, "keys that the agent ignores: Agent.Regoin, Mgs.Endpiont")},
	}
	judge(t, AgentConfig, table)
	judgeUnread(t, AgentConfig, table)
}

// TestAgentConfigOrderFix: an order that leaves out what the host has is mended in the
// file, not by moving the file aside.
func TestAgentConfigOrderFix(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "profile")
	configOrder("OnPrem")(f)
	fix := AgentConfig.Judge(node.Of(f)).Fix
	if len(fix) != 2+len(causes.Restart) {
		t.Fatalf("%d steps: %+v", len(fix), fix)
	}
	for i, system := range []string{"linux darwin", "windows"} {
		s := fix[i]
		if s.GOOS != system || !s.Root || s.Where != causes.OnHost || !strings.Contains(strings.ToLower(s.Command), "onsumptionorder") && !strings.Contains(s.Command, causes.AnyCase("ConsumptionOrder")) || !strings.HasPrefix(s.Text, "Remove Identity.ConsumptionOrder from {config}") {
			t.Errorf("step %+v", s)
		}
	}
}

// TestConfigIsFolder: there is nothing to correct in a folder.
func TestConfigIsFolder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault func(*facts.Facts)
		first string // command of the first step
	}{
		{"folder", configIs(facts.Config{ParseError: "it is a folder, not a file", Folder: true}), "mv {config} {config}.moved"},
		{"not JSON", configIs(facts.Config{ParseError: "invalid character"}), ""},
		{"folder in an image", configAll(configIs(facts.Config{ParseError: "it is a folder, not a file", Folder: true}), func(f *facts.Facts) { f.Root = "/mnt/image" }), ""},
	} {
		f := factstest.Healthy(t, "profile")
		neverAccepted(f)
		tt.fault(f)
		fd := AgentConfig.Eval(node.Of(f))
		switch {
		case fd.Cause != "agent-config-invalid":
			t.Errorf("%s: %+v", tt.name, fd)
		case tt.first == "" && len(fd.Fix) > 0, tt.first != "" && (len(fd.Fix) == 0 || fd.Fix[0].Command != tt.first):
			t.Errorf("%s: %+v", tt.name, fd.Fix)
		}
	}
}
