package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Demo is a host worth showing.
type Demo struct {
	Name  string // kebab-case; stays
	Title string
	// whole is the host without its fault, fault spoils it; nil: nothing wrong.
	whole func() Scenario
	fault func(*Scenario)
}

// DefaultDemo is shown when none is named.
const DefaultDemo = "no-credential-source"

// Demos lists all demos in the order in which they are shown.
func Demos() []Demo { return slices.Clone(demos) }

// Names lists the names of all demos.
func Names() []string {
	out := make([]string, 0, len(demos))
	for _, d := range demos {
		out = append(out, d.Name)
	}
	return out
}

// find returns the demo of a name.
func find(name string) (Demo, error) {
	for _, d := range demos {
		if d.Name == name {
			return d, nil
		}
	}
	return Demo{}, fmt.Errorf("no demo %q", name)
}

// Play is the scenario of a demo, for those who want to change it before Start.
func Play(name string) (Scenario, error) {
	d, err := find(name)
	if err != nil {
		return Scenario{}, err
	}
	s := d.whole()
	if d.fault != nil {
		d.fault(&s)
	}
	return s, nil
}

// New brings up the host of a demo. The fault is there until Lift. Close ends it.
func New(name string) (*Host, error) {
	d, err := find(name)
	if err != nil {
		return nil, err
	}
	s, err := Play(name)
	if err != nil {
		return nil, err
	}
	h, err := Start(s)
	if err != nil {
		return nil, err
	}
	h.demo = d
	return h, nil
}

// Lift repairs the host of a demo: it becomes what it is without its fault, as
// if the agent had been restarted long ago. An environment that was handed out
// before sees the change. Hosts that did not come from New are left alone.
func (h *Host) Lift() error { return h.become(false) }

// Break puts the fault of a demo back.
func (h *Host) Break() error { return h.become(true) }

func (h *Host) become(broken bool) error {
	if h.demo.whole == nil {
		return nil
	}
	return h.Set(func(s *Scenario) {
		now, uid := s.Now, s.UID
		*s = h.demo.whole()
		if broken && h.demo.fault != nil {
			h.demo.fault(s)
		}
		s.Now, s.UID = now, uid
	})
}

// demos are the demos of the program: what is well first, then one fault each.
var demos = []Demo{
	{"healthy-profile", "managed with an instance profile", healthyProfile, nil},
	{"healthy-dhmc", "managed by Default Host Management", healthyDHMC, nil},
	{"healthy-hybrid", "managed by a hybrid activation", healthyHybrid, nil},
	{"no-credential-source", "no instance profile, and Default Host Management is off", healthyProfile, func(s *Scenario) {
		s.IMDS.Profile = ""
		delete(s.Principals, profile)
		refused(s, noProfile, dhmcOff, noneValid)
	}},
	{"agent-not-installed", "an image without SSM Agent", healthyProfile, func(s *Scenario) { s.Agent, s.Log = Agent{}, nil }},
	{"agent-stopped", "the service is disabled and stopped", healthyProfile, func(s *Scenario) {
		s.Agent.Units = map[string]Unit{"rpm": {Active: "inactive", Enabled: "disabled", Since: Duration(26 * time.Hour)}}
		s.Agent.Core, s.Agent.Worker, s.Agent.Age = false, false, Duration(26*time.Hour)
		s.Log = earlier(s.Log, 26*time.Hour)
	}},
	{"imds-disabled", "the metadata endpoint is turned off", healthyProfile, func(s *Scenario) {
		s.IMDS.Mode = "disabled"
		noIdentity(s, "failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: : \n\tstatus code: 403, request id: \ncaused by: EC2MetadataError: failed to make EC2Metadata request\n\tstatus code: 403, request id: ")
	}},
	{"imds-hop-limit", "a container that the token answer does not reach", healthyProfile, func(s *Scenario) {
		s.IMDS.Mode = "token-timeout"
		s.Host.Container, s.Agent.NoManager = "docker", true
		noIdentity(s, "failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: : \n\tstatus code: 0, request id: \ncaused by: RequestError: send request failed\ncaused by: Put \"http://169.254.169.254/latest/api/token\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
	}},
	{"clock-skew", "the clock is 17 minutes slow", healthyProfile, func(s *Scenario) {
		s.Skew, s.Unsynced = 17*60, true
		const refusal = "InvalidSignatureException: Signature expired: {signed} is now earlier than {limit} ({server} - 5 min.)\n\tstatus code: 400, request id: f09f5e60-c3e6-9249-f0d8-a18d1f26a32a"
		refused(s, "ERROR [Registrar] failed to register identity: error calling RegisterManagedInstance API: "+refusal, skipped+refusal)
	}},
	{"tls-interceptor", "a gateway inspects TLS with a CA that this host does not trust", healthyProfile, func(s *Scenario) {
		s.Endpoints = map[string]Endpoint{"*": {TLS: "untrusted", Issuer: "CN=Example Corp Inspection CA,O=Example Corp"}}
		const failed = "RequestError: send request failed\ncaused by: Post \"https://ssm.{region}.{domain}/\": tls: failed to verify certificate: x509: certificate signed by unknown authority"
		refused(s, "ERROR [Registrar] failed to register identity: error calling RegisterManagedInstance API: "+failed, skipped+failed)
	}},
	{"proxy-refuses", "the proxy wants a password for CONNECT", healthyProfile, func(s *Scenario) {
		s.Proxies = []Proxy{{Name: "proxy.corp.example", Address: "10.0.4.8", Port: 3128, Connect: 407}}
		s.Agent.Environment = map[string]string{"https_proxy": "http://proxy.corp.example:3128", "http_proxy": "http://proxy.corp.example:3128", "no_proxy": "169.254.169.254,169.254.170.2"}
		s.Endpoints = map[string]Endpoint{"*": {TCP: "timeout"}}
		refused(s, skipped+"RequestError: send request failed\ncaused by: Post \"https://ssm.{region}.{domain}/\": Proxy Authentication Required")
	}},
	{"dns-failure", "the resolver does not answer", healthyProfile, func(s *Scenario) {
		s.Resolvers = []string{"10.0.8.53"}
		s.Endpoints = map[string]Endpoint{"*": {DNS: "timeout"}}
		refused(s, skipped+"RequestError: send request failed\ncaused by: Post \"https://ssm.{region}.{domain}/\": dial tcp: lookup ssm.{region}.{domain} on 10.0.8.53:53: read udp 10.0.12.34:51544->10.0.8.53:53: i/o timeout")
	}},
	{"no-egress", "a private subnet without NAT and without VPC endpoints", healthyProfile, func(s *Scenario) {
		s.Endpoints = map[string]Endpoint{"*": {TCP: "timeout"}}
		refused(s, skipped+"RequestError: send request failed\ncaused by: Post \"https://ssm.{region}.{domain}/\": dial tcp 52.119.180.20:443: i/o timeout")
	}},
	{"endpoint-missing", "a VPC endpoint for ssm, none for ssmmessages, and no other way out", healthyProfile, func(s *Scenario) {
		s.Endpoints = map[string]Endpoint{"ssm": {Private: true}, "*": {TCP: "timeout"}}
		s.Log = append(earlier(began(3*time.Hour, "INFO EC2RoleProvider Successfully connected with instance profile role credentials"), 0),
			at(12*time.Minute, "ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Error setting up control channel: CreateControlChannel failed with error: createControlChannel request failed: failed to make http client call: Post \"https://ssmmessages.{region}.{domain}/v1/control-channel/{instance}\": dial tcp 52.119.181.21:443: i/o timeout")...)
	}},
	{"endpoint-policy", "the policy of the VPC endpoint lacks the message channel", healthyProfile, func(s *Scenario) {
		s.Endpoints = map[string]Endpoint{"*": {Private: true}, "ssm": {Private: true, Policy: ForAll("ec2:*", "logs:*")}}
		refused(s, profileFailed+endpointDenial, dhmcOff, noneValid)
	}},
	{"scp-deny", "a service control policy forbids the heartbeat", healthyProfile, func(s *Scenario) {
		s.SCP = []Policy{Deny("ssm:*", "ssmmessages:*")}
		refused(s, profileFailed+denial+" with an explicit deny in a service control policy"+requestID, dhmcOff, noneValid)
	}},
	{"role-without-policy", "the profile's role may do nothing", healthyProfile, func(s *Scenario) {
		s.Principals[profile].Policies = nil
		refused(s, profileFailed+denial+" because no identity-based policy allows the ssm:UpdateInstanceInformation action"+requestID, dhmcOff, noneValid)
	}},
	{"profile-shadows-dhmc", "a profile that may send heartbeats only keeps Default Host Management away", healthyDHMC, func(s *Scenario) {
		s.Principals[profile] = &Principal{Kind: KindProfile, Name: "AppRole", Policies: []Policy{Allow("ssm:UpdateInstanceInformation", "s3:GetObject")}}
		s.IMDS.Profile, s.Agent.Source = profile, profile
		const no = "User: arn:{partition}:sts::{account}:assumed-role/AppRole/{instance} is not authorized to perform: "
		s.Log = append(began(3*time.Hour, "INFO EC2RoleProvider Successfully connected with instance profile role credentials", "INFO [CredentialRefresher] Credentials ready"),
			at(9*time.Minute, "ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Failed to get controlchannel token, error: CreateControlChannel failed with error: createControlChannel request failed: unexpected response from the service <AccessDeniedException>\n  <Message>"+no+
				"ssmmessages:CreateControlChannel on resource: arn:{partition}:ssmmessages:{region}:{account}:* because no identity-based policy allows the ssmmessages:CreateControlChannel action</Message>\n</AccessDeniedException>",
				"ERROR [ssm-agent-worker] [MessageService] [MDSInteractor] error when calling AWS APIs. error details - GetMessages Error: AccessDeniedException: "+no+
					"ec2messages:GetMessages because no identity-based policy allows the ec2messages:GetMessages action\n\tstatus code: 400, request id: 074ff73a-2893-3a1b-ff3b-9477939c2dc4")...)
	}},
	{"cloned-image", "a hybrid registration that came with a VM template", healthyHybrid, func(s *Scenario) {
		s.Agent.Cloned = true
		refused(s, "ERROR [CredentialRefresher] Retrieve credentials produced error: MachineFingerprintDoesNotMatch: Fingerprint doesn't match\n\tstatus code: 400, request id: 8f724674-a142-81a4-ddbc-7a8aba9ddac9")
	}},
	{"session-manager-broken", "managed, but sessions cannot work: the role lacks ssmmessages", healthyProfile, func(s *Scenario) {
		s.Principals[profile].Policies = []Policy{Allow("ssm:UpdateInstanceInformation", "ssm:ListAssociations", "ssm:ListInstanceAssociations", "ssm:GetDocument", "ssm:DescribeDocument",
			"ssm:GetManifest", "ssm:PutInventory", "ssm:PutComplianceItems", "ssm:UpdateAssociationStatus", "ssm:UpdateInstanceAssociationStatus", "ssm:GetParameter", "ssm:GetParameters",
			"ssm:DescribeAssociation", "ssm:GetDeployablePatchSnapshotForInstance", "ssm:PutConfigurePackageResult", "ec2messages:*")}
		s.Agent.Channel = []string{}
		s.Log = slices.DeleteFunc(s.Log, func(l string) bool { return strings.Contains(l, "[MGSInteractor]") })
		s.Log = append(s.Log, at(4*time.Minute, "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ec2messages",
			"ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Failed to get controlchannel token, error: CreateControlChannel failed with error: createControlChannel request failed: unexpected response from the service <AccessDeniedException>\n"+
				"  <Message>User: arn:{partition}:sts::{account}:assumed-role/WebServerRole/{instance} is not authorized to perform: ssmmessages:CreateControlChannel on resource: arn:{partition}:ssmmessages:{region}:{account}:* because no identity-based policy allows the ssmmessages:CreateControlChannel action</Message>\n</AccessDeniedException>")...)
	}},
	{"agent-asleep", "the way out is open again, the agent sleeps on", healthyProfile, func(s *Scenario) {
		refused(s, skipped+"RequestError: send request failed\ncaused by: Post \"https://ssm.{region}.{domain}/\": dial tcp 52.119.180.20:443: i/o timeout")
	}},
	{"disk-full", "no space left where the agent writes", healthyProfile, func(s *Scenario) {
		s.Host.DiskUsed = 100
		refused(s, "ERROR [CredentialRefresher] Failed to write credentials to disk: write /var/lib/amazon/ssm/runtimeconfig/identity_config.json: no space left on device")
	}},
}
