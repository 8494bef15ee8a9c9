package sim_test

import (
	"time"

	"ssm-doctor/agent/sim"
)

const appRole = "User: arn:{partition}:sts::{account}:assumed-role/WebServerRole/{instance} is not authorized to perform: "

var rightsFaults = []fault{
	{"untrusted-profile", "instance-profile-trust-broken", "critical", "profile", func(s *sim.Scenario) {
		s.Principals["profile"].Code, s.Principals["profile"].Message = "AssumeRoleUnauthorizedAccess", "EC2 cannot assume the role WebServerRole."
		sim.Refused(s, sim.ProfileFailed+"AssumeRoleUnauthorizedAccess: EC2 cannot assume the role WebServerRole.", sim.DHMCOff, sim.NoneValid)
	}, nil},
	{"dhmc-instead", "dhmc-shadows-profile", "info", "dhmc", func(s *sim.Scenario) {
		s.Principals["profile"] = &sim.Principal{Kind: sim.KindProfile, Name: "AppRole", Policies: []sim.Policy{sim.Allow("s3:GetObject")}}
		s.IMDS.Profile = "profile"
	}, nil},
	{"dhmc-instead-matters", "dhmc-shadows-profile", "warning", "dhmc", func(s *sim.Scenario) {
		s.Principals["profile"] = &sim.Principal{Kind: sim.KindProfile, Name: "AppRole", Policies: []sim.Policy{sim.Allow("s3:*")}}
		s.IMDS.Profile = "profile"
		stays(s, "ERROR [ssm-document-worker] [pluginName=aws:downloadContent] failed to download: AccessDenied: User: arn:{partition}:sts::{account}:assumed-role/AWSSystemsManagerDefaultEC2InstanceManagementRole/{instance} is not authorized to perform: s3:GetObject on resource: arn:{partition}:s3:::app-artifacts/x because no identity-based policy allows the s3:GetObject action")
	}, nil},
	{"dhmc-role-gone", "dhmc-role-broken", "critical", "dhmc", func(s *sim.Scenario) {
		delete(s.Principals, "dhmc")
		const no = "error calling RequestManagedInstanceRoleToken: AccessDeniedException: Unable to assume role service-role/AWSSystemsManagerDefaultEC2InstanceManagementRole" + sim.RequestID
		sim.Refused(s, sim.ProfileFailed+"EC2RoleRequestError: no EC2 instance role found", "ERROR EC2RoleProvider Failed to connect to Systems Manager with SSM role credentials. "+no,
			retrieve+"no valid credentials could be retrieved for ec2 identity. Default Host Management Err: "+no)
	}, nil},
	{"users-keys", "shared-credentials-shadow", "warning", "profile", func(s *sim.Scenario) {
		s.Agent.Version = "3.2.1297.0"
		s.Principals["user"] = &sim.Principal{Kind: sim.KindUser, Name: "legacy", Policies: []sim.Policy{sim.Allow("s3:*")}}
	}, nil},
	{"stale", "credentials-stale", "critical", "profile", func(s *sim.Scenario) {
		s.Agent.Age, s.Agent.Worker, s.Agent.Source = sim.Duration(9*time.Hour), true, "profile"
		unit(s, sim.Unit{Since: sim.Duration(10 * time.Hour)})
		s.Log = append(sim.Began(10*time.Hour, "INFO EC2RoleProvider Successfully connected with instance profile role credentials"),
			sim.At(7*time.Hour, "ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - ExpiredTokenException: The security token included in the request is expired"+sim.RequestID)...)
	}, nil},
	{"service-role", "hybrid-role-broken", "critical", "hybrid", func(s *sim.Scenario) {
		sim.Refused(s, retrieve+"AccessDeniedException: Unable to assume role SSMServiceRole"+sim.RequestID)
	}, nil},
	{"boundary", "iam-explicit-deny", "critical", "profile", func(s *sim.Scenario) {
		s.Principals["profile"].Boundary = sim.Allow("s3:*", "ec2:Describe*")
		sim.Refused(s, sim.ProfileFailed+"AccessDeniedException: "+appRole+"ssm:UpdateInstanceInformation on resource: arn:{partition}:ec2:{region}:{account}:instance/{instance} because no permissions boundary allows the ssm:UpdateInstanceInformation action"+sim.RequestID,
			sim.DHMCOff, sim.NoneValid)
	}, nil},
	{"no-associations", "iam-missing-feature-action", "warning", "profile", func(s *sim.Scenario) {
		without(s, "ssm:ListInstanceAssociations")
		stays(s, "ERROR [ssm-agent-worker] [MessageService] [Association] Unable to load instance associations, unable to retrieve associations AccessDeniedException: "+appRole+
			"ssm:ListInstanceAssociations on resource: arn:{partition}:ec2:{region}:{account}:instance/{instance} because no identity-based policy allows the ssm:ListInstanceAssociations action")
	}, nil},
	{"key", "kms-access-denied", "warning", "profile", func(s *sim.Scenario) {
		stays(s, "ERROR [ssm-session-worker] [DataBackend] [pluginName=Standard_Stream] Failed to process action KMSEncryption: Fetching data key failed: Unable to retrieve data key, Error when decrypting data key AccessDeniedException: "+appRole+
			"kms:Decrypt on resource: arn:{partition}:kms:{region}:{account}:key/0d5ea5e0-c0ff-ee00-badc-0de0deadbeef because no identity-based policy allows the kms:Decrypt action")
	}, nil},
	{"all-buckets", "policy-deprecated", "info", "profile", func(s *sim.Scenario) {
		s.Principals["profile"].Policies = []sim.Policy{"AmazonEC2RoleforSSM"}
	}, []string{"deprecated"}},
	{"task-role", "ecs-task-role-missing", "critical", "task", func(s *sim.Scenario) {
		s.Principals["task"].Policies = []sim.Policy{sim.Allow("s3:GetObject")}
		s.Agent.Channel = []string{}
		s.Log = append(sim.At(50*time.Minute, "INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.3050.0"), sim.At(3*time.Minute, "ERROR [MessageService] [MGSInteractor] CreateControlChannel failed with error: AccessDeniedException: User: arn:{partition}:sts::{account}:assumed-role/TaskRole/0123 is not authorized to perform: ssmmessages:CreateControlChannel")...)
	}, nil},
	{"task-without-exec", "ecs-exec-not-enabled", "critical", "task", func(s *sim.Scenario) { s.Agent, s.Log, s.Task = sim.Agent{}, nil, &sim.Task{} }, nil},
	{"task-read-only", "ecs-readonly-rootfs", "critical", "task", func(s *sim.Scenario) {
		s.Task.ReadOnly = true
		s.Host.Mounts = []string{"/ overlay ro,relatime"}
		s.Agent.Core, s.Agent.Worker, s.Agent.Channel, s.Log = true, false, []string{}, nil
	}, nil},
}

// without takes actions away from what a node's policy allows.
func without(s *sim.Scenario, actions ...string) {
	var left []string
	for _, a := range coreActions {
		keep := true
		for _, x := range actions {
			keep = keep && a != x
		}
		if keep {
			left = append(left, a)
		}
	}
	s.Principals["profile"].Policies = []sim.Policy{sim.Allow(left...)}
}
