package checks

import (
	"slices"
	"strings"
	"testing"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// proxyEnds is a proxy of the service that answers so.
func proxyEnds(o facts.Outcome, status int, err string) func(*facts.Facts) {
	return func(f *facts.Facts) {
		netProxied(facts.Connect{Outcome: o, Status: status, Error: err})(f)
		f.Network.Proxy = facts.Known(facts.ProxyProbe{URL: "http://10.0.0.5:3128", Variable: "https_proxy", Host: "10.0.0.5", Port: 3128, Outcome: o, Status: status, Error: err, Of: facts.ProxyOfService}, "proxy:CONNECT ssm")
	}
}

// proxyShows is a proxy of the service whose certificate is not accepted.
func proxyShows(t facts.TLS, more func(*facts.Facts)) func(*facts.Facts) {
	return func(f *facts.Facts) {
		proxyEnds(facts.Untrusted, 0, t.Error)(f)
		f.Network.Skew = facts.Unknown[float64]("no answer", "")
		f.Network.Proxy.Value.TLS = facts.Known(t, "tls:10.0.0.5:3128")
		if more != nil {
			more(f)
		}
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	const channel = "ssmmessages.eu-central-1.amazonaws.com"
	ok := facts.Connect{Outcome: facts.OK, Status: 200}
	forbidden := facts.Connect{Outcome: facts.Forbidden, Status: 403, Error: "HTTP 403"}
	silent := facts.Connect{Outcome: facts.Silent, Error: "no answer in time"}
	named := func(cause string, c Confidence, says, saw, value string) want {
		return want{status: Fail, effect: Blocks, cause: cause, confidence: c, says: says, saw: saw, value: value}
	}
	is := func(s Status, says string) want { return want{status: s, says: says} }
	url := "proxy=http://10.0.0.5:3128"
	table := []row{
		{name: "profile", want: is(Skip, "the service uses no proxy")},
		{name: "dhmc", kind: "dhmc", want: is(Skip, "the service uses no proxy")},
		{name: "hybrid", kind: "hybrid", want: is(Skip, "the service uses no proxy")},
		{name: "windows", kind: "windows", want: is(Skip, "the service uses no proxy")},
		{name: "task", kind: "task", want: is(Unknown, "proxy: ")},
		{name: "timeout, set by WinHTTP", fault: netAll(proxyEnds(facts.Timeout, 0, ""), func(f *facts.Facts) { f.Agent.ServiceProxy.Value.By = facts.ByWinHTTP }),
			want: named("proxy-unreachable", Proven, "cannot be reached: timeout; it is set by WinHTTP", "", url)},
		{name: "works", fault: proxyEnds(facts.OK, 200, ""), want: is(Pass, "10.0.0.5:3128 answers CONNECT")},
		{name: "works for the channel, ssm goes past it", fault: netProxied(ok, "ssmmessages", "ec2messages"), want: is(Pass, "connects to the endpoints that are reached through it")},

		{name: "plain HTTP", fault: proxyEnds(facts.NotTLS, 0, "tls: first record does not look like a TLS handshake"), want: named("proxy-scheme-mismatch", Proven, "https_proxy says https:// but the proxy 10.0.0.5:3128 speaks plain HTTP; write http://10.0.0.5:3128", "proxy http://10.0.0.5:3128: not-tls tls: first record", url)},
		{name: "expects TLS", fault: proxyEnds(facts.WantsTLS, 0, ""), want: named("proxy-scheme-mismatch", Proven, "https_proxy says http:// but the proxy 10.0.0.5:3128 expects TLS; write https://10.0.0.5:3128", "https_proxy of the service: http://10.0.0.5:3128 (process environment)", "proxy=https://10.0.0.5:3128")},
		{name: "unknown authority", fault: proxyShows(facts.TLS{Subject: "proxy.corp", Issuer: "CN=Corp", Kind: facts.UnknownAuthority}, nil), want: named("proxy-certificate-untrusted", Proven, "was issued by \"CN=Corp\", which this host does not trust", "issuer of that certificate: CN=Corp (tls:10.0.0.5:3128)", "address=10.0.0.5:3128")},
		{name: "no authority at all", fault: proxyShows(facts.TLS{Kind: facts.NoRoots}, nil), want: named("proxy-certificate-untrusted", Proven, "has no trusted CA certificates at all", "", "")},
		{name: "certificate for another name", fault: proxyShows(facts.TLS{Subject: "other.corp", Issuer: "CN=Corp", Kind: facts.WrongName}, nil), want: named("proxy-certificate-untrusted", Proven, "is for another name (\"other.corp\")", "certificate of 10.0.0.5:3128: other.corp", "")},
		{name: "certificate is past its time", fault: proxyShows(facts.TLS{Subject: "proxy.corp", Kind: facts.Expired}, func(f *facts.Facts) { f.Host.NTPSynchronized = facts.Known(true, "adjtimex") }), want: named("proxy-certificate-untrusted", Proven, "is expired, by this host's clock", "", "")},
		{name: "certificate is past its time, and nobody keeps the clock", fault: proxyShows(facts.TLS{Subject: "proxy.corp", Kind: facts.NotYetValid}, func(f *facts.Facts) { f.Host.NTPSynchronized = facts.Known(false, "adjtimex") }), want: named("clock-skew", Likely, "is not valid yet: the clock is wrong", "time synchronisation", "")},
		{name: "certificate is past its time, and it is not known whether anybody keeps the clock", fault: proxyShows(facts.TLS{Subject: "proxy.corp", Kind: facts.Expired}, func(f *facts.Facts) { f.Host.NTPSynchronized = facts.Unknown[bool]("refused", "") }), want: is(Unknown, "certificate of the proxy is expired: refused")},
		{name: "certificate that cannot be used", fault: proxyShows(facts.TLS{Kind: facts.TLSOther, Error: "x509: too many"}, nil), want: named("proxy-certificate-untrusted", Likely, "is not accepted: x509: too many", "", "")},
		{name: "login", fault: proxyEnds(facts.WantsLogin, 407, "HTTP 407"), want: named("proxy-refuses", Proven, "the proxy 10.0.0.5:3128 asks for a login (407), and https_proxy holds none or a wrong one", "CONNECT answered HTTP 407", url)},
		{name: "login, in capitals", fault: netAll(proxyEnds(facts.WantsLogin, 407, ""), func(f *facts.Facts) { f.Network.Proxy.Value.Variable = "HTTPS_PROXY" }), want: named("proxy-refuses", Proven, "HTTPS_PROXY holds none", "HTTPS_PROXY of the service", url)},
		{name: "forbids", fault: proxyEnds(facts.Forbidden, 403, "HTTP 403"), want: named("proxy-refuses", Proven, "refuses to connect to the Systems Manager endpoint (HTTP 403)", "(proxy:CONNECT ssm)", url)},
		{name: "fails", fault: proxyEnds(facts.Other, 503, ""), want: named("proxy-refuses", Likely, "answers CONNECT with HTTP 503", "", url)},
		{name: "no such name", fault: proxyEnds(facts.NoName, 0, "no such host"), want: named("proxy-unreachable", Proven, "the name of the proxy 10.0.0.5:3128 cannot be resolved", "dns no such host", url)},
		{name: "refused", fault: proxyEnds(facts.Refused, 0, "connect: connection refused"), want: named("proxy-unreachable", Proven, "the proxy 10.0.0.5:3128 cannot be reached: connect: connection refused", "", url)},
		{name: "timeout", fault: proxyEnds(facts.Timeout, 0, ""), want: named("proxy-unreachable", Proven, "cannot be reached: timeout", "", url)},
		{name: "no route", fault: proxyEnds(facts.NoRoute, 0, "connect: network is unreachable"), want: named("proxy-unreachable", Proven, "network is unreachable", "", url)},
		{name: "as a user", fault: netAll(netUser, proxyEnds(facts.WantsLogin, 407, "")), want: named("proxy-refuses", Proven, "", "", url)},

		{name: "forbids the channel", fault: netAll(proxyEnds(facts.OK, 200, ""), netProxied(forbidden, "ssmmessages", "ec2messages")), want: named("proxy-refuses", Proven, "the agent's proxy does not connect to "+channel+": HTTP 403", "CONNECT "+channel+":443: HTTP 403 (proxy:CONNECT "+channel+":443)", "endpoint="+channel)},
		{name: "forbids the channel, commands by ec2messages", fault: netAll(netMessages, proxyEnds(facts.OK, 200, ""), netEach(func(e *facts.Endpoint) {
			e.HTTP = facts.Known(facts.HTTP{Status: 404, AWS: true, Outcome: facts.OK}, "https:GET")
		}, "ssm"), netProxied(forbidden, "ssmmessages")), want: want{status: Warn, effect: Breaks, cause: "proxy-refuses", confidence: Proven, says: "sessions do not work"}},
		{name: "does not answer for the channel", fault: netAll(proxyEnds(facts.OK, 200, ""), netProxied(silent, "ssmmessages")), want: want{status: Fail, effect: Ends, cause: "proxy-refuses", confidence: Likely, says: channel + ": silent no answer in time", saw: "proxy of the service: http://10.0.0.5:3128 (process environment)", value: url}},
		{name: "gone for the channel", fault: netProxied(facts.Connect{Outcome: facts.Timeout, Error: "i/o timeout"}, "ssmmessages", "ec2messages"), want: named("proxy-unreachable", Likely, "i/o timeout", "", url)},
		{name: "no such name for the channel", fault: netProxied(facts.Connect{Outcome: facts.NoName}, "ssmmessages", "ec2messages"), want: named("proxy-unreachable", Likely, "", "", url)},

		{name: "another end", fault: proxyEnds(facts.Other, 0, "x509: certificate signed by unknown authority"), want: want{status: Unknown, effect: Blocks, says: "proxy 10.0.0.5:3128: x509: certificate signed by unknown authority"}},
		{name: "silent", fault: proxyEnds(facts.Silent, 0, "no answer in time"), want: want{status: Warn, effect: Breaks, cause: "proxy-unreachable", confidence: Likely, says: "accepts connections, and does not answer a CONNECT in time", saw: "proxy http://10.0.0.5:3128: silent no answer in time", value: url}},
		{name: "silent, not accepted", fault: netAll(neverAccepted, proxyEnds(facts.Silent, 0, "no answer in time")), want: named("proxy-unreachable", Likely, "it hangs", "", url)},
		{name: "hangs up, not accepted", fault: netAll(neverAccepted, proxyEnds(facts.Reset, 0, "the connection was closed without an answer")), want: named("proxy-refuses", Likely, "closes connections without an answer to CONNECT", "", url)},
		{name: "service unread", fault: func(f *facts.Facts) {
			f.Agent.ServiceProxy = facts.Unknown[facts.Proxy]("permission denied", "").Because(facts.NeedsRoot)
		}, want: is(Unknown, "environment of the service: permission denied")},
		{name: "tunnels untried", fault: netAll(proxyEnds(facts.OK, 200, ""), netEach(func(e *facts.Endpoint) { e.Proxy = facts.Connect{} }, "ssmmessages")), want: is(Unknown, "endpoints: not looked at")},
		{name: "offline", fault: netOffline, want: is(Unknown, "proxy: offline")},
		{name: "dual stack", fault: netAll(netDual, proxyEnds(facts.WantsLogin, 407, "")), want: is(Unknown, "but the agent uses dual-stack endpoints")},
	}
	judge(t, Proxy, table)
	judgeUnread(t, Proxy, table)
}

// TestProxyRefusalSteps: the first step is a login where the proxy asks for one, and else
// the proxy's administrator; what the probe has seen is not asked again.
func TestProxyRefusalSteps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault func(*facts.Facts)
		login bool
	}{
		{"login", proxyEnds(facts.WantsLogin, 407, ""), true},
		{"login for the channel only", netAll(proxyEnds(facts.OK, 200, ""), netProxied(facts.Connect{Outcome: facts.WantsLogin, Status: 407}, "ssmmessages", "ec2messages")), true},
		{"forbidden", proxyEnds(facts.Forbidden, 403, ""), false},
		{"forbidden for the channel only", netAll(proxyEnds(facts.OK, 200, ""), netProxied(facts.Connect{Outcome: facts.Forbidden, Status: 403}, "ssmmessages", "ec2messages")), false},
		{"fails", proxyEnds(facts.Other, 503, ""), false},
		{"hangs up", netAll(neverAccepted, proxyEnds(facts.Reset, 0, "")), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := factstest.Healthy(t, "profile")
			tt.fault(f)
			fd := Proxy.Judge(node.Of(f))
			if fd.Cause != "proxy-refuses" || len(fd.Fix) == 0 {
				t.Fatalf("%s, %d steps", fd.Cause, len(fd.Fix))
			}
			asks := strings.Contains(fd.Fix[0].Text, "administrator allow") || strings.Contains(fd.Fix[0].Text, "administrator to allow")
			if login := strings.Contains(fd.Fix[0].Command, "PROXY_URL"); login != tt.login || asks == tt.login {
				t.Errorf("first step: %s", fd.Fix[0].Text)
			}
			for _, s := range fd.Fix {
				if strings.HasPrefix(s.Text, "If it") || strings.Contains(s.Text, "the proxy answers") {
					t.Errorf("asks what was seen: %s", s.Text)
				}
			}
		})
	}
}

// directly makes the endpoints fare so without the proxy of the service.
func directly(list ...facts.Outcome) func(*facts.Facts) {
	return func(f *facts.Facts) {
		f.Network.Direct = facts.Known([]facts.DirectProbe{}, "connect")
		for i, o := range list {
			f.Network.Direct.Value = append(f.Network.Direct.Value, facts.DirectProbe{Host: []string{"ssm.eu-central-1.amazonaws.com", "ssmmessages.eu-central-1.amazonaws.com"}[i], Outcome: o})
		}
	}
}

// TestPastProxySteps: what a proxy refuses and the host reaches without it is taken from the
// proxy, and nothing else; where one of that is not reached, nothing but the proxy is named,
// with the names that it refuses.
func TestPastProxySteps(t *testing.T) {
	t.Parallel()
	const ssm, channel = "ssm.eu-central-1.amazonaws.com", "ssmmessages.eu-central-1.amazonaws.com"
	forbids := func(service string) func(*facts.Facts) {
		return netProxied(facts.Connect{Outcome: facts.Forbidden, Status: 403}, service)
	}
	channelOnly := func(o facts.Outcome) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Network.Direct = facts.Known([]facts.DirectProbe{{Host: channel, Outcome: o}}, "connect")
		}
	}
	for _, tt := range []struct {
		name   string
		fault  func(*facts.Facts)
		beside string // names that pass the proxy by
		ask    string // and those that its administrator is told
	}{
		{"all are reached", netAll(proxyEnds(facts.Forbidden, 403, ""), directly(facts.OK, facts.OK)), ssm + "," + channel, ssm + " " + channel},
		{"one is not", netAll(proxyEnds(facts.Forbidden, 403, ""), directly(facts.OK, facts.Timeout)), "", ssm + " " + channel},
		{"none was tried", netAll(proxyEnds(facts.Forbidden, 403, ""), directly()), "", ssm + " " + channel},
		{"the channel alone is refused, and reached", netAll(proxyEnds(facts.OK, 200, ""), forbids("ssmmessages"), channelOnly(facts.OK)), channel, channel},
		{"the channel alone is refused, and not reached", netAll(proxyEnds(facts.OK, 200, ""), forbids("ssmmessages"), channelOnly(facts.Timeout)), "", channel},
		{"the channel alone is refused, and was not tried", netAll(proxyEnds(facts.OK, 200, ""), forbids("ssmmessages")), "", channel},
		{"ssm alone is refused, and reached", netAll(proxyEnds(facts.Forbidden, 403, ""), netProxied(facts.Connect{Outcome: facts.OK, Status: 200}, "ssmmessages"), directly(facts.OK, facts.Timeout)), ssm, ssm},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := factstest.Healthy(t, "profile")
			tt.fault(f)
			fd := Proxy.Judge(node.Of(f))
			past := slices.ContainsFunc(fd.Fix, func(s causes.Step) bool { return strings.Contains(s.Command, "no_proxy={noproxy},{beside}") })
			asks := slices.ContainsFunc(fd.Fix, func(s causes.Step) bool { return s.Command == "echo "+tt.ask })
			if fd.Cause != "proxy-refuses" || past != (tt.beside != "") || fd.Values["beside"] != tt.beside || !asks {
				t.Errorf("%s, past the proxy %v, beside %q, steps %+v", fd.Cause, past, fd.Values["beside"], fd.Fix)
			}
		})
	}
}

// TestDeadProxySteps: a proxy that is gone is taken away where it is set, if the endpoints can
// be reached without it, and else it is the proxy that is mended.
func TestDeadProxySteps(t *testing.T) {
	t.Parallel()
	const dropIn = "/etc/systemd/system/amazon-ssm-agent.service.d/proxy.conf"
	from := func(files ...facts.ProxyFile) func(*facts.Facts) {
		return func(f *facts.Facts) { f.Agent.ProxyFiles = facts.Known(files, "unit files") }
	}
	gone := proxyEnds(facts.Refused, 0, "connect: connection refused")
	for _, tt := range []struct {
		name  string
		fault func(*facts.Facts)
		first string
		not   string
	}{
		{"a drop-in of its own", netAll(gone, directly(facts.OK, facts.OK), from(facts.ProxyFile{Path: dropIn, Kind: facts.ProxyDropIn, Alone: true, Lines: true})), "mv " + dropIn + " " + dropIn + ".off", "PROXY:PORT"},
		{"lines of a drop-in", netAll(gone, directly(facts.OK, facts.OK), from(facts.ProxyFile{Path: dropIn, Kind: facts.ProxyDropIn, Lines: true})), "sed -i.off -E '/^[[:space:]]*Environment", "mv "},
		{"a line with more", netAll(gone, directly(facts.OK, facts.OK), from(facts.ProxyFile{Path: dropIn, Kind: facts.ProxyDropIn})), "zz-proxy.conf", "sed"},
		{"a file of variables", netAll(gone, directly(facts.OK, facts.OK), from(facts.ProxyFile{Path: "/etc/sysconfig/amazon-ssm-agent", Kind: facts.ProxyEnvironment, Lines: true})), "sed -i.off -E '/^[[:space:]]*(export[[:space:]]+)?(http|https)_proxy[[:space:]]*=/Id' /etc/sysconfig/amazon-ssm-agent", "zz-proxy"},
		{"a file of variables of the whole host", netAll(gone, directly(facts.OK, facts.OK), from(facts.ProxyFile{Path: "/etc/environment", Kind: facts.ProxyEnvironment, Lines: true})), "UnsetEnvironment=http_proxy https_proxy", "/etc/environment"},
		{"a file of variables elsewhere", netAll(gone, directly(facts.OK, facts.OK), from(facts.ProxyFile{Path: "/opt/amazon-ssm.env", Kind: facts.ProxyEnvironment, Lines: true})), "UnsetEnvironment=http_proxy https_proxy", "sed"},
		{"the package's unit", netAll(gone, directly(facts.OK, facts.OK), from(facts.ProxyFile{Path: "/lib/systemd/system/amazon-ssm-agent.service", Kind: facts.ProxyUnit, Lines: true})), `"https_proxy="`, "/lib/"},
		{"all services", netAll(gone, directly(facts.OK, facts.OK), from(facts.ProxyFile{Path: "/etc/systemd/system.conf", Kind: facts.ProxyManager, Lines: true})), `"https_proxy="`, "system.conf"},
		{"a name that a shell would read", netAll(gone, directly(facts.OK, facts.OK), from(facts.ProxyFile{Path: "/etc/x;reboot", Kind: facts.ProxyDropIn, Alone: true, Lines: true})), `"https_proxy="`, "reboot"},
		{"no file", netAll(gone, directly(facts.OK, facts.OK)), `"https_proxy="`, "PROXY:PORT"},
		{"a name that is gone", netAll(proxyEnds(facts.NoName, 0, ""), directly(facts.OK, facts.OK)), `"https_proxy="`, "PROXY:PORT"},
		{"it hangs", netAll(neverAccepted, proxyEnds(facts.Silent, 0, ""), directly(facts.OK, facts.OK)), `"https_proxy="`, "PROXY:PORT"},
		{"one endpoint only", netAll(gone, directly(facts.OK, facts.Timeout)), "PROXY:PORT", `"https_proxy="`},
		{"no way without it", netAll(gone, directly(facts.Timeout, facts.Timeout)), "PROXY:PORT", `"https_proxy="`},
		{"who answers is not AWS", netAll(gone, directly(facts.Untrusted, facts.Untrusted)), "PROXY:PORT", `"https_proxy="`},
		{"not tried", gone, "PROXY:PORT", `"https_proxy="`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := factstest.Healthy(t, "profile")
			tt.fault(f)
			fd := remedied(Proxy.Judge(node.Of(f)))
			all := ""
			for _, s := range fd.Fix {
				all += s.Command + "\n"
			}
			if fd.Cause != "proxy-unreachable" || !strings.Contains(fd.Fix[0].Command, tt.first) || strings.Contains(all, tt.not) {
				t.Errorf("%s: %s", fd.Cause, all)
			}
		})
	}
}
