package sim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/sim"
)

// history is a host with a past, and the answer it should get. An empty cause
// is none. Where an entry says several, separated by |, any of them is right.
type history struct {
	name         string
	state, cause string
	base         string
	put          func(*sim.Scenario)
}

// Lines of the agent's worker.
const (
	noChannel    = "ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Error setting up control channel: CreateControlChannel failed with error: createControlChannel request failed: "
	onMessages   = "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ec2messages"
	health       = "INFO [ssm-agent-worker] [HealthCheck] HealthCheck reporting agent health."
	healthFailed = "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - "
	expiredToken = "ExpiredTokenException: The security token included in the request is expired" + sim.RequestID
	asleep       = "INFO [CredentialRefresher] Sleeping for 27m12s before retrying retrieve credentials"
	refusedNode  = "AccessDeniedException: User: arn:{partition}:sts::{account}:assumed-role/WebServerRole/{instance} is not authorized to perform: ssm:UpdateInstanceInformation on resource: " +
		"arn:{partition}:ec2:{region}:{account}:instance/{instance} because no identity-based policy allows the ssm:UpdateInstanceInformation action" + sim.RequestID
)

// also puts lines into a log, in the order of their times.
func also(s *sim.Scenario, lines ...string) {
	s.Log = append(s.Log, lines...)
	slices.SortStableFunc(s.Log, func(a, b string) int { return int(ago(b) - ago(a)) })
}

// before takes all lines of the last time out of a log.
func before(s *sim.Scenario, last time.Duration) {
	s.Log = slices.DeleteFunc(s.Log, func(l string) bool { return ago(l) < last })
}

// omit takes lines with a text out of a log.
func omit(s *sim.Scenario, text string) {
	s.Log = slices.DeleteFunc(s.Log, func(l string) bool { return strings.Contains(l, text) })
}

// every5 repeats lines every five minutes; each comes gap after the one before.
func every5(from, gap time.Duration, lines ...string) []string {
	var out []string
	for t := from; t > 0; t -= 5 * time.Minute {
		for i, l := range lines {
			out = append(out, sim.At(t-time.Duration(i)*gap, l)...)
		}
	}
	return out
}

// expires makes the node's credentials, so old, end so long ago.
func expires(s *sim.Scenario, age, end time.Duration) {
	s.Agent.Age = sim.Duration(age)
	s.Principals[s.Agent.Source].Life = sim.Duration(-end)
	before(s, age-time.Minute)
}

func TestHistories(t *testing.T) {
	t.Parallel()
	for _, x := range slices.Concat(timeHistories, channelHistories, refusalHistories, startHistories, registrationHistories) {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			s := bases[x.base]()
			s.Now = now
			x.put(&s)
			r, h := examine(t, s)
			cause := ""
			if r.RootCause != nil {
				cause = r.RootCause.ID
			}
			if !slices.Contains(strings.Split(x.state, "|"), r.State) || !slices.Contains(strings.Split(x.cause, "|"), cause) {
				t.Errorf("got %s %q, want %s %q: %s", r.State, cause, x.state, x.cause, r.Summary)
			}
			harmless(t, h)
		})
	}
}

// timeHistories are about what the times of entries prove.
var timeHistories = []history{
	{"refused-in-the-same-second", "not-managed", "iam-missing-registration-action", "profile", func(s *sim.Scenario) {
		s.Agent.Version, s.Principals["profile"].Policies = "3.3.551.0", nil // whole seconds
		before(s, 55*time.Minute)
		s.Agent.Age = sim.Duration(62 * time.Minute)
		also(s, every5(50*time.Minute, 0, health, healthFailed+refusedNode)...)
	}},
	{"heartbeat-without-answer-yet", "not-managed", "iam-missing-registration-action", "profile", func(s *sim.Scenario) {
		s.Principals["profile"].Policies = nil
		before(s, 65*time.Minute)
		s.Agent.Age = sim.Duration(70 * time.Minute)
		also(s, every5(60*time.Minute, time.Second, health, healthFailed+refusedNode)...)
		also(s, sim.At(time.Second, health)...)
	}},
	{"heartbeat-without-answer-yet-healthy", "managed", "", "profile", func(s *sim.Scenario) {
		s.Agent.Age = sim.Duration(70 * time.Minute) // so that only heartbeats tell
		omit(s, "rotation")
		also(s, sim.At(time.Second, health)...)
	}},
	{"default-host-management-turned-off", "not-managed", "no-credential-source", "dhmc", func(s *sim.Scenario) {
		expires(s, 95*time.Minute, 35*time.Minute)
		also(s, sim.At(37*time.Minute, sim.DHMCOff, sim.NoneValid, asleep)...)
		also(s, sim.At(8*time.Minute, sim.DHMCOff, sim.NoneValid, asleep)...)
		also(s, every5(33*time.Minute, time.Second, health, healthFailed+expiredToken)...)
	}},
	{"default-host-management-turned-off-long-ago", "not-managed", "no-credential-source", "dhmc", func(s *sim.Scenario) {
		expires(s, 4*time.Hour, 3*time.Hour)
		unit(s, sim.Unit{Since: sim.Duration(4 * time.Hour)})
		also(s, sim.At(2*time.Hour, sim.DHMCOff, sim.NoneValid)...)
		also(s, every5(178*time.Minute, time.Second, health, healthFailed+expiredToken)...)
	}},
	{"hybrid-role-deleted-while-managed", "not-managed", "hybrid-role-broken", "hybrid", func(s *sim.Scenario) {
		expires(s, 95*time.Minute, 35*time.Minute)
		also(s, sim.At(8*time.Minute, retrieve+"ValidationException: Systems Manager was unable to assume role arn:aws:iam::{account}:role/service-role/SSMServiceRole"+sim.RequestID, asleep)...)
		also(s, every5(33*time.Minute, time.Second, health, healthFailed+expiredToken)...)
	}},
	{"fingerprint-refused-while-managed", "not-managed", "fingerprint-mismatch", "hybrid", func(s *sim.Scenario) {
		expires(s, 95*time.Minute, 35*time.Minute)
		also(s, sim.At(8*time.Minute, retrieve+"MachineFingerprintDoesNotMatch: Fingerprint doesn't match"+sim.RequestID, asleep)...)
		also(s, every5(33*time.Minute, time.Second, health, healthFailed+expiredToken)...)
	}},
	{"no-heartbeat-for-40-min", "unknown", "", "profile", func(s *sim.Scenario) {
		before(s, 41*time.Minute)
		s.Agent.Age = sim.Duration(45 * time.Minute)
	}},
	{"no-heartbeat-for-40-min-hybrid", "unknown", "", "hybrid", func(s *sim.Scenario) {
		before(s, 41*time.Minute)
		s.Agent.Age = sim.Duration(45 * time.Minute)
	}},
	{"no-heartbeat-yet-after-restart", "managed", "", "profile", func(s *sim.Scenario) {
		before(s, 41*time.Minute)
		s.Agent.Age = sim.Duration(45 * time.Minute)
		unit(s, sim.Unit{Since: sim.Duration(20 * time.Second)}) // it keeps credentials that are valid
		also(s, sim.Began(20*time.Second, "INFO [CredentialRefresher] Credentials ready")...)
	}},
	{"zone-west-refused", "not-managed", "iam-missing-registration-action", "profile", func(s *sim.Scenario) {
		s.Agent.Zone = sim.Duration(-5 * time.Hour)
		s.Principals["profile"].Policies = nil
		before(s, 32*time.Minute)
		s.Agent.Age = sim.Duration(33 * time.Minute)
		also(s, every5(30*time.Minute, time.Second, health, healthFailed+refusedNode)...)
	}},
	{"zone-west-orphaned", "not-managed", "registration-orphaned", "hybrid", func(s *sim.Scenario) {
		s.Agent.Zone = sim.Duration(-5 * time.Hour)
		before(s, 21*time.Minute)
		s.Agent.Age = sim.Duration(22 * time.Minute)
		also(s, every5(20*time.Minute, time.Second, health, healthFailed+"InvalidInstanceId: {node}"+sim.RequestID)...)
	}},
	{"zone-east-healthy", "managed", "", "profile", func(s *sim.Scenario) { s.Agent.Zone = sim.Duration(5*time.Hour + 45*time.Minute) }},
	{"zone-west-healthy", "managed", "", "profile", func(s *sim.Scenario) { s.Agent.Zone = sim.Duration(-8 * time.Hour) }},
	{"clock-was-fast-at-boot", "managed", "", "profile", func(s *sim.Scenario) {
		before(s, 3*time.Hour)
		s.Log = slices.Concat(s.Log, []string{"2h30m0s " + sim.Skipped + posted + timeout, "2h30m1s " + asleep}, every5(38*time.Minute, 0, health))
	}},
}

// channelHistories are about the message channel of nodes whose heartbeats are accepted.
var channelHistories = []history{
	{"channel-500", "degraded", "channel-down", "profile", func(s *sim.Scenario) {
		s.Agent.Channel = []string{}
		also(s, every5(40*time.Minute, 0, noChannel+"unexpected response from the service 500 Internal Server Error")...)
	}},
	{"channel-handshake-refused", "degraded", "channel-down", "profile", func(s *sim.Scenario) {
		s.Agent.Channel = []string{}
		also(s, every5(40*time.Minute, 0, "ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Failed to dial websocket, failed to connect controlchannel: websocket: bad handshake")...)
	}},
	{"channel-never-opened", "degraded", "channel-down", "profile", func(s *sim.Scenario) {
		s.Agent.Channel = []string{}
		omit(s, "[MGSInteractor]")
		also(s, every5(170*time.Minute, 0, noChannel+"failed to make http client call: Post \"https://ssmmessages.{region}.{domain}/v1/control-channel/{instance}\": "+timeout)...)
	}},
	{"channel-fails-beside-ec2messages", "degraded", "channel-down", "profile", func(s *sim.Scenario) {
		omit(s, "[MGSInteractor]")
		also(s, sim.At(170*time.Minute, onMessages)...)
		also(s, every5(165*time.Minute, 0, noChannel+"unexpected response from the service 500 Internal Server Error")...)
	}},
	{"channel-reopened", "managed", "", "profile", func(s *sim.Scenario) {
		also(s, sim.At(50*time.Minute, noChannel+"unexpected response from the service 500 Internal Server Error")...)
		also(s, sim.At(49*time.Minute, "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Set up control channel successfully")...)
	}},
	{"no-connection-but-ec2messages", "degraded", "vpce-sg-blocked", "profile", func(s *sim.Scenario) {
		s.Endpoints = map[string]sim.Endpoint{"ssm": {Private: true}, "ec2messages": {Private: true}, "ssmmessages": {Private: true, TCP: "refuse"}}
		omit(s, "[MGSInteractor]")
		also(s, sim.At(170*time.Minute, onMessages)...)
	}},
	{"untrusted-but-ec2messages", "degraded", "tls-untrusted-ca", "profile", func(s *sim.Scenario) {
		s.Endpoints = map[string]sim.Endpoint{"ssmmessages": {TLS: "untrusted", Issuer: "CN=Corp CA,O=Corp"}}
		omit(s, "[MGSInteractor]")
		also(s, sim.At(170*time.Minute, onMessages)...)
	}},
	{"no-websocket-but-ec2messages", "degraded", "websocket-blocked", "profile", func(s *sim.Scenario) {
		s.Endpoints = map[string]sim.Endpoint{"ssmmessages": {WebSocket: "forbidden"}}
		omit(s, "[MGSInteractor]")
		also(s, sim.At(170*time.Minute, onMessages)...)
	}},
	{"no-connection-and-no-ec2messages", "degraded", "vpce-sg-blocked", "profile", func(s *sim.Scenario) {
		s.Endpoints = map[string]sim.Endpoint{"ssm": {Private: true}, "ec2messages": {Private: true}, "ssmmessages": {Private: true, TCP: "refuse"}}
		omit(s, "[MGSInteractor]")
	}},
}

// refusedTo is the refusal of an action to a role in an account, on an instance.
func refusedTo(account, role, instance, action string) string {
	return "AccessDeniedException: User: arn:{partition}:sts::" + account + ":assumed-role/" + role + "/" + instance + " is not authorized to perform: " + action +
		" on resource: arn:{partition}:ssm:{region}:" + account + ":* because no identity-based policy allows the " + action + " action" + sim.RequestID
}

// documentFailed is what a command's worker logs before the text of a refusal.
const documentFailed = "ERROR [ssm-document-worker] error when calling AWS APIs. error details - "

// refusalHistories are about refusals that say nothing of the node as it is now.
var refusalHistories = []history{
	{"role-replaced", "not-managed", "agent-backoff-wait", "profile", func(s *sim.Scenario) {
		s.Principals["profile"].Name = "NewRole"
		sim.Refused(s, sim.ProfileFailed+refusedTo("{account}", "OldRole", "{instance}", "ssm:UpdateInstanceInformation"), sim.DHMCOff, sim.NoneValid)
	}},
	{"feature-refused-to-a-former-role", "managed", "", "profile", func(s *sim.Scenario) {
		s.Principals["profile"].Name = "NewRole"
		also(s, sim.At(5*time.Hour, documentFailed+refusedTo("{account}", "OldRole", "{instance}", "ssm:PutInventory"))...)
	}},
	{"feature-refused-to-another-instance", "managed", "", "profile", func(s *sim.Scenario) {
		also(s, sim.At(5*time.Hour, documentFailed+refusedTo("{account}", "WebServerRole", "i-0fffffffffffffff0", "ssm:PutInventory"))...)
	}},
	{"feature-refused-in-another-account", "managed", "", "profile", func(s *sim.Scenario) {
		also(s, sim.At(5*time.Hour, documentFailed+refusedTo("999988887777", "WebServerRole", "{instance}", "ssm:PutInventory"))...)
	}},
	{"feature-refused-to-this-role", "degraded", "iam-missing-feature-action", "profile", func(s *sim.Scenario) {
		also(s, sim.At(5*time.Hour, documentFailed+refusedTo("{account}", "WebServerRole", "{instance}", "ssm:PutInventory"))...)
	}},
	{"feature-allowed-since", "managed", "", "profile", func(s *sim.Scenario) {
		also(s, sim.At(5*time.Hour, "ERROR [ssm-agent-worker] [MessageService] [Association] error when calling AWS APIs. error details - "+
			strings.ReplaceAll(refusedNode, "UpdateInstanceInformation", "ListInstanceAssociations"))...)
	}},
	{"heartbeat-allowed-since", "not-managed", "agent-backoff-wait", "profile", func(s *sim.Scenario) {
		sim.Refused(s, sim.ProfileFailed+refusedNode, sim.DHMCOff, sim.NoneValid)
	}},
	{"endpoint-policy-reset-since", "not-managed", "agent-backoff-wait", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{Private: true})
		sim.Refused(s, sim.ProfileFailed+strings.Replace(refusedNode, "no identity-based policy", "no VPC endpoint policy", 1), sim.DHMCOff, sim.NoneValid)
	}},
	{"unknown-instance", "unknown", "", "profile", func(s *sim.Scenario) { sim.Refused(s, sim.Skipped+"InvalidInstanceId: "+sim.RequestID) }},
	{"unknown-instance-by-host-management", "unknown", "", "dhmc", func(s *sim.Scenario) {
		const answer = "error calling RequestManagedInstanceRoleToken: InvalidInstanceId: Not existing InstanceId" + sim.RequestID
		sim.Refused(s, sim.ProfileFailed+"EC2RoleRequestError: no EC2 instance role found", "ERROR EC2RoleProvider Failed to connect to Systems Manager with SSM role credentials. "+answer,
			retrieve+"no valid credentials could be retrieved for ec2 identity. Default Host Management Err: "+answer)
	}},
	{"unknown-instance-while-managed", "unknown", "", "profile", func(s *sim.Scenario) {
		before(s, time.Hour)
		also(s, every5(50*time.Minute, time.Second, health, healthFailed+"InvalidInstanceId: {instance}"+sim.RequestID)...)
	}},
	{"call-refused-for-itself", "unknown", "", "profile", func(s *sim.Scenario) {
		sim.Refused(s, sim.Skipped+"ValidationException: 1 validation error detected"+sim.RequestID)
	}},
	{"busy-and-not-any-more", "not-managed", "agent-backoff-wait", "profile", func(s *sim.Scenario) {
		sim.Refused(s, sim.Skipped+"ThrottlingException: Rate exceeded"+sim.RequestID)
	}},
	{"account-accepted-again", "not-managed", "agent-backoff-wait", "profile", func(s *sim.Scenario) {
		sim.Refused(s, sim.Skipped+"OptInRequired: You are not subscribed to this service"+sim.RequestID)
	}},
	{"account-refused-while-managed", "degraded", "account-not-enabled", "profile", func(s *sim.Scenario) { s.AccountCode = "SubscriptionRequiredException" }},
	{"role-ended-by-aws", "not-managed", "instance-profile-trust-broken", "profile", func(s *sim.Scenario) {
		for _, a := range []string{"ssm:GetDocument", "ssm:DescribeDocument", "ssm:ListInstanceAssociations", "sts:GetCallerIdentity"} {
			s.Faults = append(s.Faults, sim.Fault{Action: a, Status: 400, Code: "ExpiredTokenException", Message: "The security token included in the request is expired"})
		}
		sim.Refused(s, sim.Skipped+expiredToken)
	}},
	{"heartbeat-refused-a-minute-ago", "not-managed", "iam-missing-registration-action", "profile", func(s *sim.Scenario) {
		before(s, 20*time.Minute)
		also(s, every5(16*time.Minute, time.Second, health, healthFailed+refusedNode)...)
	}},
}

// restarted makes the agent one that began a moment ago.
func restarted(s *sim.Scenario, ago time.Duration) {
	unit(s, sim.Unit{Since: sim.Duration(ago)})
	also(s, sim.Began(ago)...)
}

// startHistories are about agents that do not sleep, or not for a fault that is gone.
var startHistories = []history{
	{"restarted-after-network-repair", "unknown", "", "profile", func(s *sim.Scenario) {
		broken(s, timeout)
		restarted(s, 5*time.Second)
	}},
	{"restarted-after-grant", "unknown", "", "profile", func(s *sim.Scenario) {
		sim.Refused(s, sim.ProfileFailed+refusedNode, sim.DHMCOff, sim.NoneValid)
		restarted(s, 5*time.Second)
	}},
	{"restarted-after-default-host-management", "unknown", "", "dhmc", func(s *sim.Scenario) {
		sim.Refused(s, sim.ProfileFailed+"EC2RoleRequestError: no EC2 instance role found", sim.DHMCOff, sim.NoneValid)
		restarted(s, 5*time.Second)
	}},
	{"image-with-failures-of-its-builder", "unknown", "", "profile", func(s *sim.Scenario) {
		s.Agent.Worker, s.Agent.Source = false, ""
		s.Uptime = sim.Duration(time.Minute)
		s.Log = sim.At(30*time.Minute, sim.Skipped+posted+timeout)
		restarted(s, 5*time.Second)
	}},
	{"image-with-refusals-of-its-builder", "unknown", "", "profile", func(s *sim.Scenario) {
		s.Agent.Worker, s.Agent.Source = false, ""
		s.Uptime = sim.Duration(40 * time.Second)
		s.Log = sim.At(30*time.Minute, sim.ProfileFailed+refusedTo("999988887777", "Builder", "i-0fffffffffffffff0", "ssm:UpdateInstanceInformation"), sim.DHMCOff, sim.NoneValid, asleep)
		restarted(s, 20*time.Second)
	}},
	{"asleep-with-expired-token", "not-managed", "agent-backoff-wait", "hybrid", func(s *sim.Scenario) {
		broken(s, timeout)
		s.Agent.Source = "hybrid" // it stored them before the network failed
		s.Agent.Age, s.Principals["hybrid"].Life = sim.Duration(3*time.Hour), sim.Duration(-2*time.Hour)
	}},
	{"keys-unknown-to-aws", "not-managed", "instance-profile-trust-broken", "profile", func(s *sim.Scenario) {
		s.Principals["profile"].Revoked = true
		sim.Refused(s, sim.Skipped+"UnrecognizedClientException: The security token included in the request is invalid."+sim.RequestID)
	}},
	{"expired-from-the-metadata-service", "not-managed", "instance-profile-trust-broken", "profile", func(s *sim.Scenario) {
		s.Principals["profile"].Life = sim.Duration(-10 * time.Minute)
		sim.Refused(s, sim.Skipped+expiredToken)
	}},
}

// oldIdentity is identity_config.json of an agent that runs with an earlier registration.
const oldIdentity = `{"SchemaVersion":"1.1","InstanceId":"mi-0aaaaaaaaaaaaaaaa","IdentityType":"OnPrem","ShareFile":"","ShareProfile":"",` +
	`"CredentialsExpiresAt":"0001-01-01T00:00:00Z","CredentialsRetrievedAt":"0001-01-01T00:00:00Z","CredentialSource":""}`

func runsOld(s *sim.Scenario) {
	s.Agent.Identity = "OnPrem"
	s.Files = map[string]sim.File{"/var/lib/amazon/ssm/runtimeconfig/identity_config.json": {Content: oldIdentity, Mode: 0o600}}
}

// registrationHistories are about hybrid registrations, and what only looks like one.
var registrationHistories = []history{
	{"registered-anew-and-restarted", "unknown", "", "hybrid", func(s *sim.Scenario) {
		sim.Refused(s, retrieve+"InvalidInstanceId: mi-0aaaaaaaaaaaaaaaa"+sim.RequestID)
		restarted(s, 5*time.Second)
	}},
	{"command-met-a-bad-instance-id", "managed", "", "profile", func(s *sim.Scenario) {
		also(s, sim.At(time.Minute, "ERROR [ssm-document-worker] [DocumentExecution] plugin failed: InvalidInstanceId: Instances [[i-0ffffffffffffffff]] not in a valid state for account {account}"+sim.RequestID)...)
	}},
	{"registering-failed-on-ec2", "managed", "", "profile", func(s *sim.Scenario) {
		also(s, sim.At(time.Minute, "ERROR Registration failed due to error registering the instance with AWS SSM. ActivationExpired: "+sim.RequestID)...)
	}},
}

// TestRegisteredAnew: an agent that runs on with a registration that was replaced
// only needs a restart.
func TestRegisteredAnew(t *testing.T) {
	t.Parallel()
	for cause, refusal := range map[string]string{
		"registration-orphaned": "InvalidInstanceId: mi-0aaaaaaaaaaaaaaaa",
		"fingerprint-mismatch":  "MachineFingerprintDoesNotMatch: Fingerprint doesn't match",
	} {
		s := sim.HealthyHybrid()
		s.Now = now
		sim.Refused(&s, retrieve+refusal+sim.RequestID)
		runsOld(&s)
		r, _ := examine(t, s)
		if r.RootCause == nil || r.RootCause.ID != cause || r.State != "not-managed" {
			t.Fatalf("%s: %s: %s", cause, r.State, r.Summary)
		}
		for _, x := range r.RootCause.Fix {
			if strings.Contains(x.Command.String(), "-register") || strings.Contains(x.Command.String(), "activation") {
				t.Errorf("%s: registers again: %s", cause, x.Command)
			}
		}
		if fix := r.RootCause.Fix[0].Command.String(); fix != "systemctl restart amazon-ssm-agent" {
			t.Errorf("%s: begins with %q", cause, fix)
		}
	}
}
