package sim_test

import (
	"time"

	"ssm-doctor/agent/sim"
)

func all(e sim.Endpoint) map[string]sim.Endpoint { return map[string]sim.Endpoint{"*": e} }

// throughProxy makes the host one that needs its proxy, which behaves like p.
func throughProxy(s *sim.Scenario, url string, p sim.Proxy) {
	p.Name, p.Port = "proxy.corp.example", 3128
	s.Proxies = []sim.Proxy{p}
	s.Agent.Environment = map[string]string{"https_proxy": url, "no_proxy": "169.254.169.254,169.254.170.2"}
	s.Endpoints = all(sim.Endpoint{TCP: "timeout"})
}

var networkFaults = []fault{
	{"scheme", "proxy-scheme-mismatch", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "https://proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8"})
		broken(s, "proxyconnect tcp: tls: first record does not look like a TLS handshake")
	}, nil},
	{"proxy-certificate", "proxy-certificate-untrusted", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "https://svc:hunter2secret@proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8", TLS: "untrusted"})
		broken(s, "proxyconnect tcp: tls: failed to verify certificate: x509: certificate signed by unknown authority")
	}, nil},
	{"proxy-certificate-name", "proxy-certificate-untrusted", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "https://proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8", TLS: "wrong-name"})
		broken(s, "proxyconnect tcp: tls: failed to verify certificate: x509: certificate is valid for other.corp.example, not proxy.corp.example")
	}, nil},
	{"proxy-certificate-expired", "proxy-certificate-untrusted", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "https://proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8", TLS: "expired"})
		broken(s, "proxyconnect tcp: tls: failed to verify certificate: x509: certificate has expired or is not yet valid")
	}, nil},
	{"proxy-of-shell", "proxy-not-applied-to-agent", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "", sim.Proxy{Address: "10.0.4.8"})
		s.Agent.Environment, s.Env = nil, map[string]string{"https_proxy": "http://proxy.corp.example:3128"}
		broken(s, timeout)
	}, nil},
	{"no-proxy-covers", "proxy-not-applied-to-agent", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "http://proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8"})
		s.Agent.Environment["no_proxy"] += ",.amazonaws.com"
		broken(s, timeout)
	}, nil},
	{"proxy-since-start", "proxy-not-applied-to-agent", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "", sim.Proxy{Address: "10.0.4.8"})
		s.Agent.Environment = nil
		s.Files = map[string]sim.File{"/etc/systemd/system/amazon-ssm-agent.service.d/proxy.conf": {Content: "[Service]\nEnvironment=\"https_proxy=http://proxy.corp.example:3128\" \"no_proxy=169.254.169.254\"\n"}}
		broken(s, timeout)
	}, nil},
	{"proxy-forbids", "proxy-refuses", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "http://proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8", Connect: 403})
		broken(s, "Forbidden")
	}, nil},
	{"proxy-forbids-what-vpc-has", "proxy-refuses", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "http://proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8", Connect: 403})
		s.Endpoints = all(sim.Endpoint{Private: true})
		broken(s, "Forbidden")
	}, nil},
	{"proxy-forbids-channel-that-vpc-has", "proxy-refuses", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "http://proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8", Forbids: []string{"ssmmessages", "ec2messages"}})
		s.Endpoints["ssmmessages"] = sim.Endpoint{Private: true}
	}, nil},
	{"proxy-forbids-ssm-that-vpc-has", "proxy-refuses", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "http://proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8", Forbids: []string{"ssm"}})
		s.Endpoints["ssm"] = sim.Endpoint{Private: true}
		broken(s, "Forbidden")
	}, nil},
	{"proxy-forbids-channel", "proxy-refuses", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "http://proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8", Forbids: []string{"ssmmessages", "ec2messages"}})
	}, nil},
	{"proxy-forbids-sessions", "proxy-refuses", "warning", "profile", func(s *sim.Scenario) {
		throughProxy(s, "http://proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8", Forbids: []string{"ssmmessages"}})
		stays(s, "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ec2messages")
	}, nil},
	{"proxy-forbids-channel-alone", "proxy-refuses", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "http://proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8", Forbids: []string{"ssmmessages", "ec2messages"}})
		s.Agent.Environment["no_proxy"] += ",ssm.eu-central-1.amazonaws.com"
		s.Endpoints = map[string]sim.Endpoint{"ssm": {}, "*": {TCP: "timeout"}}
	}, nil},
	{"proxy-password", "proxy-refuses", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "http://svc:hunter2secret@proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8", Connect: 407})
		broken(s, "Proxy Authentication Required")
	}, nil},
	{"proxy-gone", "proxy-unreachable", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "http://proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8", TCP: "timeout"})
		broken(s, "proxyconnect tcp: dial tcp 10.0.4.8:3128: i/o timeout")
	}, nil},
	{"proxy-unknown", "proxy-unreachable", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "http://proxy.corp.example:3128", sim.Proxy{})
		broken(s, "proxyconnect tcp: dial tcp: lookup proxy.corp.example on 10.0.0.2:53: no such host")
	}, nil},
	{"late-clock", "clock-late-at-boot", "critical", "profile", func(s *sim.Scenario) {
		s.Uptime = sim.Duration(20 * time.Minute)
		sim.Refused(s, sim.Skipped+"InvalidSignatureException: Signature expired: {signed} is now earlier than {limit} ({server} - 5 min.)"+sim.RequestID)
		s.Log = earlier(s.Log, 30*time.Minute)
	}, nil},
	{"clock-fast", "clock-skew", "critical", "hybrid", func(s *sim.Scenario) {
		s.Skew = -40 * 60
		sim.Refused(s, retrieve+"InvalidSignatureException: Signature not yet current: {signed} is still later than {limit} ({server} + 5 min.)"+sim.RequestID)
	}, nil},
	{"no-such-name", "dns-resolution-failed", "critical", "profile", func(s *sim.Scenario) {
		s.Resolvers, s.Endpoints = []string{"10.0.8.53"}, all(sim.Endpoint{DNS: "nxdomain"})
		broken(s, "dial tcp: lookup ssm.{region}.{domain} on 10.0.8.53:53: no such host")
	}, nil},
	{"group", "vpce-sg-blocked", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{Private: true, TCP: "timeout"})
		broken(s, "dial tcp 10.0.12.200:443: i/o timeout")
	}, nil},
	{"public-answers", "vpce-private-dns-off", "critical", "profile", func(s *sim.Scenario) {
		s.Resolvers, s.Endpoints = []string{"10.10.0.2"}, map[string]sim.Endpoint{"*": {TCP: "timeout"}}
		for i, name := range []string{"ssm", "ssmmessages", "ec2messages"} {
			s.Endpoints[name] = sim.Endpoint{TCP: "timeout", Address: []string{"52.94.1." + string(rune('1'+i))}, Views: map[string][]string{"169.254.169.253": {"10.0.1.2" + string(rune('0'+i))}}}
		}
		broken(s, timeout)
	}, nil},
	{"pinned", "dns-override-stale", "critical", "profile", func(s *sim.Scenario) {
		s.Files = map[string]sim.File{"/etc/hosts": {Content: "127.0.0.1 localhost\n10.99.0.4 ssm.eu-central-1.amazonaws.com\n"}}
		broken(s, "dial tcp 10.99.0.4:443: i/o timeout")
	}, nil},
	{"own-firewall", "host-firewall-egress", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{TCP: "not-permitted"})
		s.Host.Firewall, s.Host.Rules = "nft", "table inet filter {\n\tchain output {\n\t\ttype filter hook output priority filter; policy accept;\n\t\ttcp dport 443 drop\n\t}\n}\n"
		broken(s, "dial tcp 52.119.180.20:443: connect: operation not permitted")
	}, nil},
	{"six-only", "ipv6-no-endpoint", "critical", "profile", func(s *sim.Scenario) {
		s.NoIPv4, s.IPv6 = true, true
		broken(s, "dial tcp 52.119.180.20:443: connect: network is unreachable")
	}, nil},
	{"other-interface", "route-wrong-interface", "critical", "profile", func(s *sim.Scenario) {
		s.Interfaces = map[string]string{"eth1": "10.7.0.9/24"}
		s.Endpoints = all(sim.Endpoint{TCP: "timeout"})
		for i, name := range []string{"ssm", "ssmmessages", "ec2messages"} {
			s.Endpoints[name] = sim.Endpoint{Private: true, TCP: "timeout", Address: []string{"10.7.0.1" + string(rune('7'+i))}}
		}
		broken(s, "dial tcp 10.7.0.17:443: i/o timeout")
	}, nil},
	{"no-ports", "network-no-egress", "critical", "profile", func(s *sim.Scenario) {
		s.Interfaces = map[string]string{"eth1": "10.7.0.9/24"}
		s.Endpoints = map[string]sim.Endpoint{"*": {TCP: "no-port"}}
		for i, name := range []string{"ssm", "ssmmessages", "ec2messages"} {
			s.Endpoints[name] = sim.Endpoint{Private: true, TCP: "no-port", Address: []string{"10.7.0.1" + string(rune('7'+i))}}
		}
		broken(s, "dial tcp 10.7.0.17:443: connect: cannot assign requested address")
	}, nil},
	{"upgrade", "websocket-blocked", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = map[string]sim.Endpoint{"ssmmessages": {WebSocket: "forbidden"}}
		s.Log = append(sim.Began(40*60*1e9, "INFO EC2RoleProvider Successfully connected with instance profile role credentials", "INFO [CredentialRefresher] Next credential rotation will be in 29.99 minutes"),
			sim.At(5*60*1e9, "ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Error setting up control channel: failed to connect controlchannel with error: websocket: bad handshake")...)
	}, nil},
	{"dead-flow", "channel-stale-connection", "warning", "profile", func(s *sim.Scenario) { s.Agent.Channel, s.Agent.Stuck = nil, true }, nil},
	{"no-channel", "channel-down", "warning", "profile", func(s *sim.Scenario) {
		s.Agent.Channel = []string{}
		stays(s, noChannel+"unexpected response from the service 500 Internal Server Error")
	}, nil},
	{"no-logs-endpoint", "optional-endpoint-unreachable", "warning", "profile", func(s *sim.Scenario) {
		s.Endpoints = map[string]sim.Endpoint{"logs": {TCP: "timeout"}}
		stays(s, "ERROR [ssm-session-worker] [DataBackend] [pluginName=Standard_Stream] Error Calling DescribeLogGroups:RequestError: send request failed\ncaused by: Post \"https://logs.{region}.{domain}/\": dial tcp 52.119.186.26:443: i/o timeout")
	}, nil},
}
