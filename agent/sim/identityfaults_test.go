package sim_test

import (
	"time"

	"ssm-doctor/agent/sim"
)

const noToken = "failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: : \n\tstatus code: 0, request id: \ncaused by: RequestError: send request failed\ncaused by: Put \"http://169.254.169.254/latest/api/token\": "

var identityFaults = []fault{
	{"unregistered", "hybrid-not-registered", "critical", "hybrid", func(s *sim.Scenario) {
		s.Agent.Hybrid = false
		sim.NoIdentity(s, noToken+"dial tcp 169.254.169.254:80: connect: no route to host")
	}, nil},
	{"activation", "activation-rejected", "critical", "hybrid", func(s *sim.Scenario) {
		s.Agent.Hybrid = false
		sim.NoIdentity(s, noToken+"dial tcp 169.254.169.254:80: connect: no route to host")
		s.Log = append(s.Log, sim.At(30*time.Second, "ERROR Registration failed due to error registering the instance with AWS SSM. ActivationExpired: \n\tstatus code: 400")...)
	}, nil},
	{"deregistered", "registration-orphaned", "critical", "hybrid", func(s *sim.Scenario) {
		sim.Refused(s, retrieve+"InvalidInstanceId: Not existing InstanceId {node}"+sim.RequestID)
	}, nil},
	{"lost-key", "registration-store-damaged", "critical", "hybrid", func(s *sim.Scenario) {
		sim.NoIdentity(s, noToken+"dial tcp 169.254.169.254:80: connect: no route to host")
		s.Files = map[string]sim.File{"/var/lib/amazon/ssm/Vault/Store/RegistrationKey": {Absent: true}}
	}, nil},
	{"vault-is-a-file", "registration-store-damaged", "critical", "hybrid", func(s *sim.Scenario) {
		sim.NoIdentity(s, noToken+"dial tcp 169.254.169.254:80: connect: no route to host")
		s.Files = map[string]sim.File{"/var/lib/amazon/ssm/Vault": {Content: "x", Mode: 0o600}}
	}, nil},
	{"manifest-cut-off", "registration-store-damaged", "critical", "hybrid", func(s *sim.Scenario) {
		sim.NoIdentity(s, noToken+"dial tcp 169.254.169.254:80: connect: no route to host")
		s.Files = map[string]sim.File{"/var/lib/amazon/ssm/Vault/Manifest": {Content: "{\"RegistrationKey\":\"/var/lib/ama", Mode: 0o600}}
	}, nil},
	{"zone-as-region", "region-mismatch", "critical", "hybrid", func(s *sim.Scenario) {
		s.Agent.Hybrid = false
		sim.NoIdentity(s, noToken+"dial tcp 169.254.169.254:80: connect: no route to host")
		s.Log = append(s.Log, sim.At(20*time.Second, "ERROR Registration failed due to error registering the instance with AWS SSM. RequestError: send request failed\ncaused by: Post \"https://ssm.eu-central-1a.amazonaws.com/\": dial tcp: lookup ssm.eu-central-1a.amazonaws.com: no such host")...)
	}, nil},
	{"drifted", "fingerprint-mismatch", "critical", "hybrid", func(s *sim.Scenario) {
		sim.Refused(s, "ERROR [OnPremCredsProvider] Cannot connect to AWS Systems Manager.  Machine configuration has changed more than the allowed threshold.", retrieve+"MachineFingerprintDoesNotMatch: "+sim.RequestID)
	}, nil},
	{"registered-on-ec2", "hybrid-registration-on-ec2", "warning", "profile", func(s *sim.Scenario) {
		s.Agent.Hybrid, s.Agent.EC2, s.Agent.Identity, s.Agent.Source = true, false, "OnPrem", "hybrid"
		s.Principals["hybrid"] = &sim.Principal{Kind: sim.KindHybrid, Name: "SSMServiceRole", Policies: []sim.Policy{"AmazonSSMManagedInstanceCore"}}
	}, nil},
	{"impostor", "imds-impostor", "info", "hybrid", func(s *sim.Scenario) { // the registration is taken first
		s.IMDS = sim.IMDS{Mode: "impostor", Impostor: sim.Impostor{Status: 200, Server: "nginx", Type: "text/html", Body: "<html><body>Welcome to the portal</body></html>"}}
	}, nil},
	{"imds-rule", "imds-blocked-by-host", "critical", "profile", func(s *sim.Scenario) {
		s.IMDS.Mode = "absent"
		s.Host.Firewall, s.Host.Rules = "iptables", "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 169.254.169.254/32 -j DROP\nCOMMIT\n"
		sim.NoIdentity(s, noToken+"dial tcp 169.254.169.254:80: i/o timeout")
	}, nil},
	{"imds-blackhole", "imds-blocked-by-host", "critical", "profile", func(s *sim.Scenario) {
		s.IMDS.Mode = "invalid"
		sim.NoIdentity(s, noToken+"dial tcp 169.254.169.254:80: connect: invalid argument")
	}, nil},
	{"imds-silent", "imds-unreachable", "critical", "profile", func(s *sim.Scenario) {
		s.IMDS.Mode = "absent"
		sim.NoIdentity(s, noToken+"dial tcp 169.254.169.254:80: i/o timeout")
	}, nil},
	{"imds-route", "imds-route-wrong", "critical", "profile", func(s *sim.Scenario) {
		s.IMDS.Mode, s.IMDSGateway = "absent", "10.4.0.1"
		sim.NoIdentity(s, noToken+"dial tcp 169.254.169.254:80: i/o timeout")
	}, nil},
	{"imds-proxy", "imds-via-proxy", "critical", "profile", func(s *sim.Scenario) {
		s.Proxies = []sim.Proxy{{Name: "proxy.corp.example", Address: "10.0.4.8", Port: 3128}}
		s.Agent.Environment = map[string]string{"http_proxy": "http://proxy.corp.example:3128", "https_proxy": "http://proxy.corp.example:3128"}
		sim.NoIdentity(s, "failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\n\tstatus code: 403")
	}, nil},
	{"imds-at-boot", "imds-not-ready-at-boot", "critical", "profile", func(s *sim.Scenario) {
		s.Uptime = sim.Duration(3 * time.Hour)
		ends(s, sim.Unit{Active: "inactive", Since: sim.Duration(3*time.Hour - 12*time.Second)})
		s.Agent.Starts = []sim.Duration{sim.Duration(3*time.Hour - 9*time.Second)}
		s.Log = sim.At(3*time.Hour-10*time.Second, "ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. caused by: dial tcp 169.254.169.254:80: connect: network is unreachable",
			"ERROR Agent failed to assume any identity", "ERROR Error occurred when starting amazon-ssm-agent: failed to get identity: failed to find agent identity")
	}, nil},
	{"v1-only-agent", "imdsv2-required-old-agent", "critical", "profile", func(s *sim.Scenario) {
		s.Agent = sim.Agent{Version: "2.3.612.0", Core: true, Environment: s.Agent.Environment} // the proxy of another fault stays
		s.Log = sim.At(3*time.Minute, "ERROR Failed to fetch region. Data from vault is empty. EC2MetadataError: failed to make EC2Metadata request\n\tstatus code: 401")
	}, nil},
}
