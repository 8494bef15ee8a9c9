package sim

import (
	"fmt"
	"strings"
	"time"
)

// Names of principals in the demos.
const (
	profile = "profile"
	dhmc    = "dhmc"
	hybrid  = "hybrid"
)

// agentVersion is the agent of the demos.
const agentVersion = "3.3.3050.0"

// healthyProfile is an instance that is managed with its instance profile.
func healthyProfile() Scenario {
	return Scenario{
		Agent: Agent{Version: agentVersion, Core: true, Worker: true, Identity: "EC2", Source: profile, EC2: true},
		IMDS:  IMDS{Profile: profile, Identity: true},
		Principals: map[string]*Principal{
			profile: {Kind: KindProfile, Name: "WebServerRole", Policies: []Policy{"AmazonSSMManagedInstanceCore"}},
		},
		Log: accepted(3*time.Hour, "INFO EC2RoleProvider Successfully connected with instance profile role credentials"),
	}
}

// healthyDHMC is an instance without profile that is managed by Default Host
// Management.
func healthyDHMC() Scenario {
	s := healthyProfile()
	s.IMDS.Profile, s.Agent.Source = "", dhmc
	s.Principals = map[string]*Principal{
		dhmc: {Kind: KindDHMC, Name: "AWSSystemsManagerDefaultEC2InstanceManagementRole", Path: "/service-role/", Policies: []Policy{"AmazonSSMManagedEC2InstanceDefaultPolicy"}},
	}
	s.Log = accepted(3*time.Hour, "WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credentials. Err: retrieved credentials failed to report to ssm. Error: EC2RoleRequestError: no EC2 instance role found",
		"INFO EC2RoleProvider Successfully connected with Systems Manager role credentials")
	return s
}

// healthyHybrid is a machine in another place that is managed by an activation.
func healthyHybrid() Scenario {
	return Scenario{
		Kind:  Hybrid,
		Agent: Agent{Version: agentVersion, Core: true, Worker: true, Identity: "OnPrem", Source: hybrid, Hybrid: true},
		Principals: map[string]*Principal{
			hybrid: {Kind: KindHybrid, Name: "SSMServiceRole", Path: "/service-role/", Policies: []Policy{"AmazonSSMManagedInstanceCore"}},
		},
		Host:      Machine{Distro: "rhel"},
		Resolvers: []string{"192.168.40.2"},
		Address:   "192.168.40.17",
		Log:       accepted(3 * time.Hour),
	}
}

// began is how the log of a core agent begins, so long ago.
func began(ago time.Duration, s ...string) []string {
	return append(at(ago, "INFO Proxy environment variables:", "INFO https_proxy: ", "INFO http_proxy: ", "INFO no_proxy: ",
		"INFO Checking if agent identity type OnPrem can be assumed", "INFO [amazon-ssm-agent] amazon-ssm-agent - v{version}",
		"INFO [amazon-ssm-agent] OS: linux, Arch: amd64", "INFO [amazon-ssm-agent] Starting Core Agent",
		"INFO [CredentialRefresher] credentialRefresher has started", "INFO [CredentialRefresher] Starting credentials refresher loop"), at(ago-time.Second, s...)...)
}

// at makes log lines of one moment, so long before now.
func at(ago time.Duration, lines ...string) []string {
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		out = append(out, fmt.Sprintf("-%s %s", ago, l))
	}
	return out
}

// accepted is the log of an agent that started so long ago and is accepted
// since. connected are the lines about its credentials.
func accepted(ago time.Duration, connected ...string) []string {
	out := began(ago, connected...)
	out = append(out, at(ago-2*time.Second, "INFO [CredentialRefresher] Credentials ready", "INFO [CredentialRefresher] Next credential rotation will be in 29.9999915605 minutes",
		"INFO [amazon-ssm-agent] [LongRunningWorkerContainer] [WorkerProvider] Worker ssm-agent-worker is not running, starting worker process",
		"INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Successfully opened websocket connection to: 52.119.181.21:443",
		"INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully",
		"INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ssmmessages")...)
	// A rotation every half hour, a heartbeat every five minutes.
	for t := ago - 5*time.Minute; t > 0; t -= 5 * time.Minute {
		if t%(30*time.Minute) == 0 {
			out = append(out, at(t, "INFO [CredentialRefresher] Next credential rotation will be in 29.9999915605 minutes")...)
		}
		out = append(out, at(t-2*time.Minute, "INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health.")...)
	}
	return out
}

// refused makes a healthy host one whose agent has been running for 20 minutes
// without getting credentials, and sleeps.
func refused(s *Scenario, lines ...string) {
	s.Agent.Source, s.Agent.Worker = "", false
	s.Agent.Units = map[string]Unit{"rpm": {Since: Duration(21 * time.Minute)}}
	s.Log = began(21*time.Minute, append(lines, "INFO [CredentialRefresher] Sleeping for 27m12s before retrying retrieve credentials")...)
}

// Texts of the agent around an error.
const (
	profileFailed = "WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credentials. Err: retrieved credentials failed to report to ssm. Error: "
	noProfile     = profileFailed + "EC2RoleRequestError: no EC2 instance role found"
	tokenRefused  = "error calling RequestManagedInstanceRoleToken: AccessDeniedException: Systems Manager's instance management role is not configured for account: {account}\n\tstatus code: 400, request id: 65557385-1e34-0ba9-f929-53c2ac9e24eb"
	dhmcOff       = "ERROR EC2RoleProvider Failed to connect to Systems Manager with SSM role credentials. " + tokenRefused
	noneValid     = "ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity. Default Host Management Err: " + tokenRefused
	skipped       = "ERROR [CredentialRefresher] Retrieve credentials produced error: unexpected error getting instance profile role credentials or calling UpdateInstanceInformation. Skipping default host management fallback: retrieved credentials failed to report to ssm. Error: "
)

// Parts of refusals that the agent quotes.
const (
	requestID      = "\n\tstatus code: 400, request id: 65557385-1e34-0ba9-f929-53c2ac9e24eb"
	denial         = "AccessDeniedException: User: arn:{partition}:sts::{account}:assumed-role/WebServerRole/{instance} is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:{partition}:ec2:{region}:{account}:instance/{instance}"
	endpointDenial = denial + " because no VPC endpoint policy allows the ssm:UpdateInstanceInformation action" + requestID
)

// noIdentity makes a healthy host one whose agent gives up at every start.
func noIdentity(s *Scenario, reason string) {
	s.Agent.Core, s.Agent.Worker, s.Agent.Identity, s.Agent.Source = false, false, "", ""
	s.Agent.Units = map[string]Unit{"rpm": {Active: "activating", Restarts: 14, Since: Duration(40 * time.Second)}}
	s.Agent.Starts = nil
	s.Log = nil
	for t := 14*time.Minute + 40*time.Second; t > 0; t -= 2 * time.Minute {
		s.Agent.Starts = append(s.Agent.Starts, Duration(t))
		s.Log = append(s.Log, at(t, "INFO Checking if agent identity type OnPrem can be assumed", "INFO Checking if agent identity type EC2 can be assumed",
			"ERROR [EC2Identity] Failed to get instance info from IMDS. Err: "+reason, "ERROR Agent failed to assume any identity", "ERROR failed to get identity: failed to find agent identity",
			"ERROR Error occurred when starting amazon-ssm-agent: failed to get identity: failed to find agent identity")...)
	}
}

// earlier moves log lines back in time.
func earlier(lines []string, by time.Duration) []string {
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		first, rest, _ := strings.Cut(l, " ")
		ago, err := time.ParseDuration(first)
		if err != nil {
			continue // began and at write no such line
		}
		out = append(out, fmt.Sprintf("%s %s", ago-by, rest))
	}
	return out
}
