package sim_test

import (
	"time"

	"ssm-doctor/agent/sim"
)

// hostsFaults are faults of the host's own files and of the settings of the agent's unit, beside
// which no rule says what another fault gets.
var hostsFaults = []fault{
	{"programs-deleted-while-running", "agent-packaging-conflict", "warning", "profile", func(s *sim.Scenario) {
		s.Files = map[string]sim.File{"/usr/bin/amazon-ssm-agent": {Absent: true}, "/usr/bin/ssm-agent-worker": {Absent: true}}
	}, nil},
	{"worker-deleted-while-running", "agent-packaging-conflict", "warning", "hybrid", func(s *sim.Scenario) {
		s.Files = map[string]sim.File{"/usr/bin/ssm-agent-worker": {Absent: true}}
	}, nil},
	{"worker-ends-again-and-again", "agent-crash-loop", "critical", "profile", func(s *sim.Scenario) {
		s.Agent.Worker = false
		s.Log = sim.At(4*time.Minute, "INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.3050.0",
			"INFO [amazon-ssm-agent] [LongRunningWorkerContainer] [WorkerProvider] Worker ssm-agent-worker is not running, starting worker process",
			"INFO [amazon-ssm-agent] [LongRunningWorkerContainer] [WorkerProvider] Process ssm-agent-worker (pid:2210) has been terminated, remove from worker pool",
			"INFO [amazon-ssm-agent] [LongRunningWorkerContainer] [WorkerProvider] Worker ssm-agent-worker is not running, starting worker process")
	}, nil},
	{"script-in-place-of-worker", "agent-packaging-conflict", "warning", "profile", func(s *sim.Scenario) {
		s.Agent.Worker = false
		s.Files = map[string]sim.File{"/usr/bin/ssm-agent-worker": {Content: "#!/bin/sh\nexit 0\n", Mode: 0o755}}
	}, nil},
	{"ended-its-start", "agent-crash-loop", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "inactive"}, "ERROR Error occurred when starting amazon-ssm-agent: failed to create runtime config folder: not a directory")
	}, nil},
	{"names-in-files-only", "dns-resolution-failed", "critical", "profile", func(s *sim.Scenario) {
		s.Files = map[string]sim.File{"/etc/nsswitch.conf": {Content: "passwd: files\nhosts: files\n"}}
		broken(s, "dial tcp: lookup ssm.{region}.{domain}: no such host")
	}, nil},
	{"config-is-folder", "agent-config-invalid", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "activating", Restarts: 3}, "ERROR Error occurred when starting amazon-ssm-agent: app config could not be loaded - read /etc/amazon/ssm/amazon-ssm-agent.json: is a directory")
		s.Files = map[string]sim.File{"/etc/amazon/ssm/amazon-ssm-agent.json": {Dir: true}}
	}, nil},
	{"vault-is-file-on-ec2", "registration-store-damaged", "critical", "dhmc", func(s *sim.Scenario) {
		sim.Refused(s, "ERROR [Registrar] failed to register identity: unable to save registration information. failed to store instance info in vault. failed to create vault folder")
		s.Agent.EC2 = false
		s.Files = map[string]sim.File{"/var/lib/amazon/ssm/Vault": {Content: "x", Mode: 0o600}}
	}, nil},
}
