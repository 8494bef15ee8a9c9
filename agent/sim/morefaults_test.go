package sim_test

import (
	"time"

	"ssm-doctor/agent/sim"
)

// moreFaults are other forms of faults that occur elsewhere.
var moreFaults = []fault{
	{"imds-variable", "imds-disabled", "critical", "profile", func(s *sim.Scenario) {
		s.Agent.Environment = map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}
		sim.NoIdentity(s, "EC2MetadataError: access disabled to EC2 IMDS via client option, or \"AWS_EC2_METADATA_DISABLED\" environment variable")
	}, nil},
	{"metadata-credentials-ended", "instance-profile-trust-broken", "critical", "profile", func(s *sim.Scenario) {
		s.Principals["profile"].Life = sim.Duration(-2 * time.Hour)
		sim.Refused(s, sim.Skipped+"ExpiredTokenException: The security token included in the request is expired"+sim.RequestID)
	}, nil},
	{"imds-nft", "imds-blocked-by-host", "critical", "profile", func(s *sim.Scenario) {
		s.IMDS.Mode = "absent"
		s.Host.Firewall, s.Host.Rules = "nft", "table inet filter {\n\tchain output {\n\t\ttype filter hook output priority 0; policy accept;\n\t\tip daddr 169.254.169.254 drop\n\t}\n}\n"
		sim.NoIdentity(s, noToken+"dial tcp 169.254.169.254:80: i/o timeout")
	}, nil},
	{"imds-owner-rule", "imds-blocked-by-host", "critical", "profile", func(s *sim.Scenario) {
		s.IMDS.Mode = "not-permitted"
		s.Host.Firewall, s.Host.Rules = "iptables", "*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 169.254.169.254/32 -p tcp -m owner ! --uid-owner 990 -j REJECT --reject-with icmp-admin-prohibited\nCOMMIT\n"
		sim.NoIdentity(s, noToken+"dial tcp 169.254.169.254:80: connect: operation not permitted")
	}, nil},
	{"firewall-policy", "host-firewall-egress", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{TCP: "timeout"})
		s.Host.Firewall, s.Host.Rules = "iptables", "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT DROP [120:7200]\n-A OUTPUT -o lo -j ACCEPT\n-A OUTPUT -p udp --dport 53 -j ACCEPT\n-A OUTPUT -d 169.254.169.254/32 -j ACCEPT\nCOMMIT\n"
		broken(s, timeout)
	}, nil},
	{"firewall-resets", "host-firewall-egress", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{TCP: "refuse"})
		s.Host.Firewall, s.Host.Rules = "iptables", "*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p tcp -m tcp --dport 443 -j REJECT --reject-with tcp-reset\nCOMMIT\n"
		broken(s, "dial tcp 52.119.180.20:443: connect: connection refused")
	}, nil},
	{"all-refuse", "network-no-egress", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{TCP: "refuse"})
		broken(s, "dial tcp 52.119.180.20:443: connect: connection refused")
	}, nil},
	{"no-route", "host-network-down", "critical", "profile", func(s *sim.Scenario) {
		s.NoIPv4 = true
		broken(s, "dial tcp 52.119.180.20:443: connect: network is unreachable")
	}, nil},
	{"silent-after-connect", "network-no-egress", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{TCP: "hang"})
		broken(s, "net/http: TLS handshake timeout")
	}, nil},
	{"silent-after-tls", "network-no-egress", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{HTTP: "hang"})
		broken(s, "net/http: request canceled (Client.Timeout exceeded while awaiting headers)")
	}, nil},
	{"reset-after-tls", "network-no-egress", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{HTTP: "reset"})
		broken(s, "read tcp 10.0.12.34:50312->52.119.180.20:443: read: connection reset by peer")
	}, nil},
	{"page-of-filter", "network-no-egress", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{HTTP: "page"})
		sim.Refused(s, sim.Skipped+"SerializationError: failed to unmarshal response error\n\tstatus code: 403, request id: ")
	}, nil},
	{"expired-certificate", "tls-untrusted-ca", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{TLS: "expired"})
		broken(s, "tls: failed to verify certificate: x509: certificate has expired or is not yet valid")
	}, nil},
	{"foreign-certificate", "tls-untrusted-ca", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{TLS: "wrong-name"})
		broken(s, "tls: failed to verify certificate: x509: certificate is valid for proxy.corp.example, not ssm.{region}.{domain}")
	}, nil},
	{"proxy-in-capitals", "proxy-refuses", "critical", "profile", func(s *sim.Scenario) {
		throughProxy(s, "", sim.Proxy{Address: "10.0.4.8", Connect: 403})
		s.Agent.Environment = map[string]string{"HTTPS_PROXY": "http://proxy.corp.example:3128", "NO_PROXY": "169.254.169.254"}
		broken(s, "Forbidden")
	}, nil},
	{"no-s3-endpoint", "optional-endpoint-unreachable", "warning", "profile", func(s *sim.Scenario) {
		s.Endpoints = map[string]sim.Endpoint{"s3": {TCP: "timeout"}}
		stays(s, "ERROR [ssm-document-worker] [pluginName=aws:configurePackage] failed to download: RequestError: send request failed\ncaused by: Get \"https://s3.{region}.{domain}/x\": dial tcp 52.119.184.24:443: i/o timeout")
	}, nil},
	{"stale-hybrid", "credentials-stale", "critical", "hybrid", func(s *sim.Scenario) {
		s.Agent.Age = sim.Duration(72 * time.Hour)
		s.Log = append(sim.Began(80*time.Hour), sim.At(3*time.Minute, "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - ExpiredTokenException: The security token included in the request is expired"+sim.RequestID)...)
	}, nil},
	{"session-policy", "iam-explicit-deny", "critical", "profile", func(s *sim.Scenario) {
		s.Principals["profile"].Session = sim.Allow("s3:*")
		sim.Refused(s, sim.ProfileFailed+"AccessDeniedException: "+appRole+"ssm:UpdateInstanceInformation on resource: arn:{partition}:ec2:{region}:{account}:instance/{instance} because no session policy allows the ssm:UpdateInstanceInformation action"+sim.RequestID,
			sim.DHMCOff, sim.NoneValid)
	}, nil},
	{"account-refused", "account-not-enabled", "critical", "profile", func(s *sim.Scenario) {
		s.AccountCode = "OptInRequired"
		sim.Refused(s, sim.Skipped+"OptInRequired: The AWS Access Key Id needs a subscription for the service"+sim.RequestID)
	}, nil},
	{"profile-without-role", "instance-profile-trust-broken", "critical", "profile", func(s *sim.Scenario) {
		s.IMDS.NoRole = true
		sim.Refused(s, sim.Skipped+"EmptyEC2RoleList: empty EC2 Role list")
	}, nil},
	{"role-list-empty-without-profile", "no-credential-source", "critical", "profile", func(s *sim.Scenario) {
		s.IMDS.Profile, s.IMDS.NoRole = "", true
		sim.Refused(s, sim.Skipped+"EmptyEC2RoleList: empty EC2 Role list")
	}, nil},
}
