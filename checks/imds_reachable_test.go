package checks

import (
	"testing"
	"time"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// imdsEnds makes the metadata requests with and without a token end so.
func imdsEnds(token, bare facts.Exchange) func(*facts.Facts) {
	return func(f *facts.Facts) {
		neverAccepted(f)
		f.IMDS = facts.IMDS{ViaProxy: f.IMDS.ViaProxy, IPv6: facts.Unknown[facts.Exchange]("no answer", ""),
			Token: facts.Known(token, "imds:PUT /latest/api/token"), Bare: facts.Known(bare, "imds:GET /latest/meta-data/ without token")}
	}
}

// imdsSilent is a metadata service to which no connection can be made.
var imdsSilent = imdsEnds(facts.Exchange{Outcome: facts.ConnectTimeout, Error: "i/o timeout"}, facts.Exchange{Outcome: facts.ConnectTimeout, Error: "i/o timeout"})

// imdsProxied sends the agent's metadata requests to a proxy that answers so.
func imdsProxied(answer facts.Exchange) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.IMDS.ViaProxy = facts.Known(answer, "imds:PUT /latest/api/token via proxy")
		f.Agent.ServiceProxy = facts.Known(facts.Proxy{HTTP: "http://10.0.0.5:3128", No: ".corp.example", From: "process environment"}, "process environment")
	}
}

// imdsRegistered is a hybrid registration, which the agent takes first.
func imdsRegistered(f *facts.Facts) {
	f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0a1b2c3d4e5f60718", Region: "eu-central-1", HasPrivate: true}, "file:/var/lib/amazon/ssm/Vault/Store/RegistrationKey")
}

func imdsAll(faults ...func(*facts.Facts)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		for _, fault := range faults {
			fault(f)
		}
	}
}

func imdsFirewall(r facts.FirewallRule) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Host.Firewall = facts.Known(facts.Firewall{Tool: "nft", Rules: []facts.FirewallRule{r}}, "nft")
	}
}

var imdsDropRule = facts.FirewallRule{Table: "inet filter", Chain: "output", Text: "ip daddr 169.254.169.254 drop", Action: "drop", IMDS: true}

func imdsRoute(r facts.Route) func(*facts.Facts) {
	return func(f *facts.Facts) { f.Host.IMDSRoute = facts.Known(r, "rtnetlink:169.254.169.254") }
}

// imdsNotTold is a host that nothing says is an EC2 instance.
func imdsNotTold(f *facts.Facts) {
	f.Host.DMI, f.IMDS.InstanceID, f.Credentials.Runtime, f.Registration.EC2 = facts.DMI{}, facts.Seen[string]{}, facts.Absent[facts.Runtime]("no such file", ""), facts.Absent[facts.Key]("no such file", "")
}

func TestImdsReachable(t *testing.T) {
	t.Parallel()
	page := facts.Exchange{Status: 200, Server: "nginx", ContentType: "text/html", TCP: true, Body: "<html>"}
	ends := func(o facts.Outcome, err string) func(*facts.Facts) {
		return imdsEnds(facts.Exchange{Outcome: o, Error: err}, facts.Exchange{Outcome: o, Error: err})
	}
	lost := imdsEnds(facts.Exchange{TCP: true, Outcome: facts.Timeout, Error: "no answer in time"}, facts.Exchange{Status: 401, Server: "EC2ws", TCP: true})
	refused := facts.Exchange{Status: 403, Server: "EC2ws", TCP: true}
	gateway := facts.Route{Destination: "169.254.169.254/32", Gateway: "10.4.0.1", Interface: "eth0", Kind: "unicast"}
	named := func(cause string, c Confidence, says, saw string) want {
		return want{status: Fail, effect: Blocks, cause: cause, confidence: c, says: says, saw: saw}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	// later is a fault that the credentials outlive which the agent holds.
	later := func(cause string, c Confidence, says, saw string) want {
		return want{status: Fail, effect: Ends, cause: cause, confidence: c, says: text.Or(says, "the node is still accepted, until 10:20:00 UTC (in 50 min)"), saw: saw}
	}
	variable := func(m facts.MetadataEnv) func(*facts.Facts) {
		return func(f *facts.Facts) { neverAccepted(f); f.Agent.Metadata = facts.Known(m, m.From) }
	}
	six := func(f *facts.Facts) { f.IMDS.IPv6 = facts.Known(facts.Exchange{Status: 200, Token: true}, "imds") }
	table := []row{
		{name: "switched off by a variable", fault: variable(facts.MetadataEnv{Disabled: true, From: "unit files"}), want: named("imds-disabled", Proven, "AWS_EC2_METADATA_DISABLED=true in the environment of the agent's service", "AWS_EC2_METADATA_DISABLED of the service: true (unit files)")},
		{name: "switched off by a variable since its start", fault: func(f *facts.Facts) {
			f.Agent.Metadata = facts.Known(facts.MetadataEnv{Disabled: true, By: facts.ByMachine}, "")
		}, want: want{status: Warn, effect: Breaks, cause: "imds-disabled", confidence: Proven, says: "will not come up again with it"}},
		{name: "another address by a variable", fault: variable(facts.MetadataEnv{Endpoint: "http://10.0.0.9/"}), want: named("imds-unreachable", Likely, "makes the agent ask http://10.0.0.9/", "")},
		{name: "its own address by a variable", fault: variable(facts.MetadataEnv{Endpoint: "http://[fd00:ec2::254]"}), want: is(Pass, "IMDSv2 answers")},
		{name: "forbidden by a rule of Windows", fault: netAll(ends(facts.NotPermitted, "forbidden (WSAEACCES, 10013)"), func(f *facts.Facts) {
			f.Host.Firewall = facts.Known(facts.Firewall{Tool: "Windows firewall", Rules: []facts.FirewallRule{{Table: "Windows firewall", Chain: "{1AB}", Text: "no metadata", Action: "block", IMDS: true}}}, "registry")
		}), want: named("imds-blocked-by-host", Proven, "no metadata", "Windows firewall rule in Windows firewall {1AB}: no metadata (registry)")},
		{name: "a rule of Windows that lets only the agent out", fault: netAll(ends(facts.NotPermitted, "forbidden"), func(f *facts.Facts) {
			f.Host.Firewall = facts.Known(facts.Firewall{Tool: "Windows firewall", ForAgent: []facts.FirewallRule{{Text: "SSM out", Action: "allow", IMDS: true, Program: "amazon-ssm-agent.exe"}}}, "registry")
		}), want: is(Unknown, "this program may not connect to 169.254.169.254")},
		{name: "a rule of Windows that does not stop it", fault: netAll(ends(facts.Timeout, "no answer in time"), func(f *facts.Facts) {
			f.Host.Firewall = facts.Known(facts.Firewall{Tool: "Windows firewall", Rules: []facts.FirewallRule{{Chain: "{1AB}", Text: "no metadata", Action: "block", IMDS: true}}}, "registry")
		}), want: named("imds-unreachable", Proven, "does not answer", "")},
		{name: "profile", want: is(Pass, "IMDSv2 answers in 1 ms")},
		{name: "dhmc", kind: "dhmc", want: is(Pass, "IMDSv2 answers")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "not an EC2 instance")},
		{name: "windows", kind: "windows", want: is(Skip, "not an EC2 instance")},
		{name: "task", kind: "task", want: is(Skip, "an ECS task does not need it")},
		{name: "IPv6 only", fault: imdsAll(imdsSilent, six), want: is(Unknown, "at its IPv6 address only, and whether the agent asks there is not known")},
		{name: "IPv6 only, of a node that is accepted", fault: six, want: is(Pass, "IMDSv2 answers in")},
		{name: "IPv6 only, and the agent asked by IPv4 in vain, into a null route", fault: imdsAll(imdsSilent, six, neverAccepted, imdsRoute(facts.Route{Destination: "169.254.169.254/32", Kind: "blackhole", OnLink: true}), func(f *facts.Facts) {
			log(f, facts.SigIMDSFailed, 2*time.Minute, `Put "http://169.254.169.254/latest/api/token": no route to host`)
		}), want: named("imds-blocked-by-host", Proven, "a blackhole route on this host stops packets", "")},

		{name: "disabled", fault: imdsEnds(refused, refused), want: named("imds-disabled", Proven, "answers 403: its endpoint is disabled", "imds PUT /latest/api/token: HTTP 403 from EC2ws (imds:PUT /latest/api/token)")},
		{name: "disabled, without a token", fault: imdsEnds(refused, refused), want: named("imds-disabled", Proven, "", "imds GET /latest/meta-data/ without token: HTTP 403 from EC2ws")},
		{name: "something else answers", fault: imdsEnds(page, page), want: named("imds-impostor", Proven, "is not the EC2 metadata service: HTTP 200 from nginx", `imds PUT /latest/api/token: HTTP 200 from nginx, "<html>"`)},
		{name: "a web page that refuses", fault: imdsEnds(facts.Exchange{Status: 404, Body: "<!DOCTYPE html>"}, page), want: named("imds-impostor", Proven, "HTTP 404", "")},
		{name: "another status", fault: imdsEnds(facts.Exchange{Status: 500, TCP: true}, refused), want: named("imds-unreachable", Proven, "answers a token request with HTTP 500", "")},
		{name: "container", fault: imdsAll(lost, func(f *facts.Facts) {
			f.Host.Container = facts.Known(facts.Container{Runtime: "docker", Evidence: "/.dockerenv"}, "file:/.dockerenv")
		}), want: named("imds-hop-limit", Proven, "does not reach this container (docker): the hop limit is too low", "container: container: docker, /.dockerenv (file:/.dockerenv)")},
		{name: "a hop in between", fault: lost, want: named("imds-hop-limit", Likely, "the hop limit is too low, and a container or another network hop is in between", "container: not seen to be a container")},
		{name: "connected, then nothing", fault: lost, want: named("imds-hop-limit", Likely, "", "imds PUT /latest/api/token: connected, then no answer in time")},
		{name: "firewall", fault: imdsAll(imdsSilent, imdsFirewall(imdsDropRule)), want: named("imds-blocked-by-host", Proven, "a firewall rule on this host drops packets to 169.254.169.254: ip daddr 169.254.169.254 drop", "nft rule in inet filter output: ip daddr 169.254.169.254 drop (nft)")},
		{name: "firewall for another interface", fault: imdsAll(imdsSilent, imdsFirewall(facts.FirewallRule{Table: "t", Chain: "c", Text: "oifname docker0 drop", IMDS: true, Out: []string{"docker0"}})), want: named("imds-unreachable", Proven, "does not answer: i/o timeout", "")},
		{name: "its answers are dropped", fault: imdsAll(imdsSilent, imdsFirewall(facts.FirewallRule{Table: "filter", Chain: "INPUT", Text: "-s 169.254.169.254/32 -j DROP", Action: "drop", Hook: "input", IMDS: true, To: []string{"169.254.169.254/32"}})), want: named("imds-blocked-by-host", Proven, "drops the answers of 169.254.169.254", "")},
		{name: "answers were forgotten", fault: imdsAll(imdsSilent, imdsFirewall(facts.FirewallRule{Table: "filter", Chain: "INPUT", Text: "policy drop", Action: "drop", Hook: "input", IMDS: true, Policy: true})), want: named("imds-blocked-by-host", Proven, "drops the answers of 169.254.169.254", "")},
		{name: "answers are dropped, and it refuses", fault: imdsAll(ends(facts.Refused, "connection refused"), imdsFirewall(facts.FirewallRule{Table: "filter", Chain: "INPUT", Text: "policy drop", Action: "drop", Hook: "input", IMDS: true, Policy: true})), want: named("imds-blocked-by-host", Likely, "refuses connections", "")},
		{name: "default of the chain", fault: imdsAll(imdsSilent, imdsFirewall(facts.FirewallRule{Table: "t", Chain: "c", Text: "policy drop", IMDS: true, Policy: true})), want: named("imds-unreachable", Proven, "", "")},
		{name: "null route", fault: imdsAll(ends(facts.Timeout, "i/o timeout"), imdsRoute(facts.Route{Destination: "169.254.169.254/32", Kind: "blackhole", OnLink: true})),
			want: named("imds-blocked-by-host", Proven, "a blackhole route on this host stops packets", "route to 169.254.169.254: blackhole 169.254.169.254/32 (rtnetlink:169.254.169.254)")},
		{name: "not permitted", fault: ends(facts.NotPermitted, "connect: operation not permitted"), want: named("imds-blocked-by-host", Proven, "this host itself refuses packets to 169.254.169.254 (connect: operation not permitted)", "")},
		{name: "no route", fault: ends(facts.NoRoute, "connect: network is unreachable"), want: named("imds-route-wrong", Likely, "no usable route to 169.254.169.254: connect: network is unreachable", "")},
		{name: "invalid", fault: ends(facts.Invalid, "connect: invalid argument"), want: named("imds-blocked-by-host", Likely, "no usable route", "")},
		{name: "gateway elsewhere", fault: imdsAll(imdsSilent, imdsRoute(gateway)), want: want{status: Fail, effect: Blocks, cause: "imds-route-wrong", confidence: Proven,
			says: "points to the gateway 10.4.0.1, which is in no network of this host", saw: "route to 169.254.169.254: 169.254.169.254/32 via 10.4.0.1 eth0 (rtnetlink:169.254.169.254)", value: "gateway=10.4.0.1"}},
		{name: "kept route", fault: imdsAll(imdsSilent, func(f *facts.Facts) {
			f.Host.PersistentRoutes = facts.Known([]facts.Route{{Destination: "169.254.169.254/32", Gateway: "10.4.0.1", From: "registry:PersistentRoutes"}}, "registry")
		}), want: named("imds-route-wrong", Proven, "10.4.0.1", "(registry:PersistentRoutes)")},
		{name: "silent", fault: imdsSilent, want: named("imds-unreachable", Proven, "the metadata service at 169.254.169.254 does not answer: i/o timeout", "")},
		{name: "silent, and the agent says so", fault: imdsAll(imdsSilent, func(f *facts.Facts) {
			log(f, facts.SigIMDSFailed, 60e9, "ERROR [EC2Identity] Failed to get instance info from IMDS")
		}), want: named("imds-unreachable", Proven, "", "agent log: ERROR [EC2Identity] Failed to get instance info from IMDS")},
		{name: "refused by this host", fault: ends(facts.Refused, "connect: connection refused"), want: named("imds-blocked-by-host", Likely, "this host itself refuses connections to 169.254.169.254: connect: connection refused", "")},
		{name: "not asked, and the agent had no answer", fault: imdsAll(neverAccepted, func(f *facts.Facts) {
			f.IMDS.Token = facts.Seen[facts.Exchange]{}
			log(f, facts.SigIMDSFailed, 60e9, "ERROR [EC2Identity] Failed to get instance info from IMDS")
		}), want: want{status: Unknown, effect: Blocks, says: "metadata service: not looked at; the agent had no answer"}},
		{name: "no local port", fault: ends(facts.NoLocalAddress, "connect: cannot assign requested address"), want: is(Unknown, "no local port or address left")},
		{name: "firewall needs root", fault: imdsAll(imdsSilent, func(f *facts.Facts) {
			f.Host.Firewall = facts.Unknown[facts.Firewall]("listing rules needs root", "").Because(facts.NeedsRoot)
		}), want: want{status: Unknown, effect: Blocks, says: "was not read: listing rules needs root", saw: "i/o timeout"}},
		{name: "routes unread", fault: imdsAll(imdsSilent, func(f *facts.Facts) {
			f.Host.IMDSRoute, f.Host.PersistentRoutes = facts.Unknown[facts.Route]("netlink: no buffer", ""), facts.Seen[[]facts.Route]{}
		}), want: want{status: Unknown, effect: Blocks, says: "was not read: netlink: no buffer"}},
		{name: "no way to ask for rules", fault: imdsAll(imdsSilent, func(f *facts.Facts) {
			f.Host.Firewall = facts.Unknown[facts.Firewall]("not supported on this system", "").Because(facts.NotAskable)
		}), want: named("imds-unreachable", Proven, "", "")},

		{name: "via the proxy", fault: imdsProxied(facts.Exchange{Status: 403, Server: "squid", TCP: true}), want: want{status: Fail, effect: Ends, cause: "imds-via-proxy", confidence: Proven,
			says: "its no_proxy lacks 169.254.169.254", saw: "imds PUT /latest/api/token via proxy: HTTP 403 from squid", value: "proxy=http://10.0.0.5:3128"}},
		{name: "via the proxy, direct answers", fault: imdsProxied(facts.Exchange{Status: 403}), want: later("imds-via-proxy", Proven, "", "imds PUT /latest/api/token direct: HTTP 200 from EC2ws")},
		{name: "no_proxy", fault: imdsProxied(facts.Exchange{Outcome: facts.Timeout, Error: "no answer in time"}), want: later("imds-via-proxy", Proven, "", `no_proxy of the service: ".corp.example" (process environment)`)},
		{name: "the proxy is silent", fault: imdsProxied(facts.Exchange{Outcome: facts.Timeout, Error: "no answer in time"}), want: later("imds-via-proxy", Proven, "", "via proxy: timeout no answer in time")},
		{name: "the proxy passes it on", fault: imdsProxied(facts.Exchange{Status: 200, Token: true}), want: is(Pass, "IMDSv2 answers")},
		{name: "proxy, and the agent may not be on EC2", fault: imdsAll(imdsProxied(facts.Exchange{Status: 403}), func(f *facts.Facts) {
			f.Agent.Config = facts.Known(facts.Config{ConsumptionOrder: []string{"OnPrem"}}, "file:/etc/amazon/ssm/amazon-ssm-agent.json")
		}), want: is(Pass, "IMDSv2 answers")},
		{name: "proxy, configuration unread", fault: imdsAll(imdsProxied(facts.Exchange{Status: 403}), func(f *facts.Facts) {
			f.Agent.Config = facts.Unknown[facts.Config]("permission denied", "")
		}), want: want{status: Unknown, effect: Breaks, says: "configuration of the agent: permission denied"}},
		{name: "proxy not tried", fault: func(f *facts.Facts) { f.IMDS.ViaProxy = facts.Unknown[facts.Exchange]("offline", "") }, want: is(Unknown, "whether the agent's http_proxy takes metadata requests: offline")},

		{name: "hybrid on EC2", fault: imdsAll(imdsRegistered, imdsEnds(refused, refused)), want: want{status: Warn, effect: Notes, cause: "imds-disabled"}},
		{name: "hybrid on EC2, proxy", fault: imdsAll(imdsRegistered, imdsProxied(facts.Exchange{Status: 403})), want: want{status: Warn, effect: Notes, cause: "imds-via-proxy"}},
		{name: "elsewhere, registered", kind: "hybrid", fault: imdsEnds(page, page), want: want{status: Warn, effect: Notes, cause: "imds-impostor", says: "this is not an EC2 instance, but something answers"}},
		{name: "another cloud, registered", kind: "hybrid", fault: imdsAll(imdsEnds(page, page), func(f *facts.Facts) { f.Host.DMI.Vendor = facts.Known("Google", "dmi") }),
			want: is(Skip, "the metadata service of Google Cloud answers, as it should there")},
		{name: "another cloud by its reply", kind: "hybrid", fault: imdsEnds(facts.Exchange{Status: 400, TCP: true, Body: "Bad request. Required metadata header not specified"}, page), want: is(Skip, "Microsoft Azure")},
		{name: "elsewhere, not registered", kind: "hybrid", fault: imdsAll(imdsEnds(page, page), func(f *facts.Facts) {
			f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "")
		}), want: named("imds-impostor", Proven, "something answers at 169.254.169.254: HTTP 200 from nginx", "imds PUT /latest/api/token: HTTP 200 from nginx")},
		{name: "elsewhere, registration unread", kind: "hybrid", fault: imdsAll(imdsEnds(page, page), func(f *facts.Facts) {
			f.Registration.Hybrid, f.Credentials.Runtime = facts.Unknown[facts.Key]("permission denied", ""), facts.Unknown[facts.Runtime]("permission denied", "")
		}), want: want{status: Warn, effect: Notes, cause: "imds-impostor"}},

		{name: "not asked", fault: func(f *facts.Facts) { f.IMDS.Token = facts.Unknown[facts.Exchange]("not a running host", "") }, want: is(Unknown, "metadata service: not a running host")},
		{name: "elsewhere, not asked", kind: "hybrid", fault: func(f *facts.Facts) { f.IMDS = facts.IMDS{} }, want: is(Unknown, "whether something answers for the metadata service: not looked at")},
		{name: "EC2 or not", fault: imdsAll(imdsSilent, imdsNotTold), want: want{status: Unknown, effect: Blocks, says: "whether this is an EC2 instance is not known, and no token was given: i/o timeout"}},
		{name: "EC2 or not, not asked", fault: imdsAll(imdsNotTold, func(f *facts.Facts) { f.IMDS.Token = facts.Seen[facts.Exchange]{} }), want: is(Unknown, "no token was given: not looked at")},
		{name: "EC2 by its route", fault: imdsAll(imdsSilent, imdsNotTold, imdsRoute(gateway)), want: named("imds-route-wrong", Proven, "10.4.0.1", "")},
		{name: "task or not", kind: "task", fault: func(f *facts.Facts) { f.ECS = facts.ECS{} }, want: is(Unknown, "whether this is a task of Amazon ECS: not looked at")},
	}
	judge(t, ImdsReachable, table)
	judgeUnread(t, ImdsReachable, table)
}

// TestImdsReachableWithoutRoot: packets of this user may be dropped where those of the
// agent pass.
func TestImdsReachableWithoutRoot(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "profile")
	worker := f.Agent.Processes.Value.Worker
	imdsEnds(facts.Exchange{Outcome: facts.NotPermitted, Error: "connect: operation not permitted"}, facts.Exchange{Outcome: facts.NotPermitted})(f)
	f.Host.Privileged, f.Agent.Processes.Value.Worker = facts.Known(false, ""), worker
	fd := ImdsReachable.Judge(node.Of(f))
	if fd.Status != Unknown || fd.Cause != "" || fd.Obstacle != facts.NeedsRoot {
		t.Errorf("%s %q %q: %s", fd.Status, fd.Cause, fd.Obstacle, fd.Summary)
	}
}
