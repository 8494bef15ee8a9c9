package sim_test

import (
	"testing"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

var hostFaults = []fault{
	{"inodes", "inode-exhausted", "critical", "profile", func(s *sim.Scenario) {
		s.Host.InodesUsed = 100
		sim.Refused(s, "ERROR [CredentialRefresher] Failed to write credentials to disk: open /var/lib/amazon/ssm/runtimeconfig/identity_config.json: no space left on device")
	}, nil},
	{"disk-while-managed", "disk-full", "warning", "profile", func(s *sim.Scenario) { s.Host.DiskUsed = 100 }, nil},
	{"inotify", "inotify-exhausted", "warning", "profile", func(s *sim.Scenario) {
		s.Host.MaxWatches, s.Host.Watches = 8192, 8190
		stays(s, "ERROR [ssm-document-worker] filewatcher listener encountered error when add watch: no space left on device")
	}, nil},
	{"runas-user", "session-failing", "warning", "hybrid", func(s *sim.Scenario) {
		s.Host.NoUsers = true
		stays(s, "ERROR [ssm-session-worker] [ana-0a1b2c3d] [DataBackend] [pluginName=Standard_Stream] Unable to start command: failed to start pty since RunAs user ssm-user does not exist")
	}, nil},
	{"no-script", "session-failing", "warning", "hybrid", func(s *sim.Scenario) {
		s.Host.NoScript = true
		stays(s, "ERROR [ssm-session-worker] [ana-0a1b2c3d] [DataBackend] [pluginName=Standard_Stream] unable to generate log data: Failed to generate transcript with the following errors:\nexec: \"script\": executable file not found in $PATH: \nexec: \"script\": executable file not found in $PATH:")
	}, nil},
	{"key-gone", "session-failing", "warning", "hybrid", func(s *sim.Scenario) {
		stays(s, "ERROR [ssm-session-worker] [ana-0a1b2c3d] [DataBackend] [pluginName=Standard_Stream] Encountered error while initiating handshake. Fetching data key failed: Unable to retrieve data key, Error when decrypting data key NotFoundException: Key 'arn:{partition}:kms:{region}:{account}:key/0a1b2c3d' does not exist")
	}, nil},
	{"worker-late", "command-failing", "warning", "profile", func(s *sim.Scenario) {
		stays(s, "ERROR [ssm-agent-worker] [MessageService] [EngineProcessor] [OutOfProcExecuter] [0d6c5b1] messaging worker encountered error: ipc messaging received timeout signal",
			"ERROR [ssm-agent-worker] [MessageService] [EngineProcessor] [OutOfProcExecuter] [0d6c5b1] document process failed unexpectedly: ipc messaging received timeout signal , check [ssm-document-worker]/[ssm-session-worker] log for crash reason")
	}, nil},
	{"worker-gone", "command-failing", "warning", "hybrid", func(s *sim.Scenario) {
		stays(s, "ERROR [ssm-agent-worker] [MessageService] [EngineProcessor] [OutOfProcExecuter] [0d6c5b1] start process: /usr/bin/ssm-document-worker error: fork/exec /usr/bin/ssm-document-worker: no such file or directory",
			"ERROR [ssm-agent-worker] [MessageService] [EngineProcessor] [OutOfProcExecuter] [0d6c5b1] failed to prepare outofproc executer, falling back to InProc Executer")
	}, nil},
	{"descriptors", "descriptors-exhausted", "warning", "profile", func(s *sim.Scenario) {
		s.Host.OpenFiles, s.Host.MaxFiles = 1020, 1024
		stays(s, "ERROR [ssm-agent-worker] [MessageService] [EngineProcessor] [OutOfProcExecuter] [0d6c5b1] start process: /usr/bin/ssm-document-worker error: fork/exec /usr/bin/ssm-document-worker: too many open files")
	}, nil},
	{"read-only", "filesystem-readonly", "critical", "profile", func(s *sim.Scenario) {
		s.Host.Mounts = []string{"/ xfs ro,relatime"}
		sim.Refused(s, "ERROR [CredentialRefresher] Failed to write credentials to disk: open /var/lib/amazon/ssm/runtimeconfig/identity_config.json: read-only file system")
	}, nil},
	{"unprivileged", "state-dir-permissions", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "failed", Exit: 1, User: "ssm"}, "WARN Failed to load instance info from vault. Failed to set permission for vault folder or its content. chown /var/lib/amazon/ssm/Vault: operation not permitted")
		s.Files = map[string]sim.File{"/var/lib/amazon/ssm": {Dir: true, Mode: 0o600}}
	}, nil},
	{"sysprep", "sysprep-incomplete", "critical", "windows", func(s *sim.Scenario) {
		s.Host.ImageState, s.Agent.Core, s.Agent.Worker, s.Agent.Source, s.Agent.Identity = "IMAGE_STATE_UNDEPLOYABLE", true, false, "", ""
		s.Log = sim.At(2*time.Minute, "INFO [amazon-ssm-agent] Waiting for system state to be IMAGE_STATE_COMPLETE, current: IMAGE_STATE_UNDEPLOYABLE")
	}, nil},
	{"hung-up", "agent-service-stopped", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "inactive", Result: "success", Ended: "killed", Exit: 1, Restart: "on-failure"})
		s.Log = nil
	}, nil},
	{"killed-by-somebody", "agent-service-stopped", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "failed", Result: "signal", Ended: "killed", Exit: 9, Restart: "no"})
		s.Host.Syslog = []string{"{now} systemd[1]: amazon-ssm-agent.service: Main process exited, code=killed, status=9/KILL"}
		s.Log = nil
	}, nil},
	{"dependency", "agent-service-stopped", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "inactive", Result: "success"})
		s.Host.Syslog = []string{"{now} systemd[1]: Dependency failed for amazon-ssm-agent.", "{now} systemd[1]: amazon-ssm-agent.service: Job amazon-ssm-agent.service/start failed with result 'dependency'."}
		s.Agent.Units["rpm"] = sim.Unit{Active: "inactive", Since: sim.Duration(5 * time.Minute)}
		s.Log = nil
	}, nil},
	{"oom-kill", "out-of-memory", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "activating", Result: "oom-kill", Ended: "killed", Exit: 9, Restarts: 9})
		s.Host.Syslog = []string{"{now} kernel: [12.3] Out of memory: Killed process 3211 (amazon-ssm-agen) total-vm:1398768kB, anon-rss:214552kB"}
	}, nil},
	{"oom-kill-that-only-the-kernel-tells", "out-of-memory", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "failed", Result: "signal", Ended: "killed", Exit: 9, Restart: "no", Since: sim.Duration(time.Minute)})
		s.Host.Syslog = []string{"{now} kernel: Memory cgroup out of memory: Killed process 3211 (amazon-ssm-agen) total-vm:1398768kB"}
	}, nil},
	{"segfault", "agent-crash-loop", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "failed", Result: "core-dump", Ended: "dumped", Exit: 11, Restart: "no"})
		s.Log = nil
	}, nil},
	{"no-such-user", "agent-crash-loop", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "activating", Result: "exit-code", Ended: "exited", Exit: 217, User: "ssm", Restarts: 20, DropIn: "[Service]\nUser=ssm\n"})
		s.Log = nil
	}, nil},
	{"start-timeout", "agent-service-stopped", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "failed", Result: "timeout", Ended: "killed", Exit: 15, DropIn: "[Service]\nType=notify\n"})
		s.Log = nil
	}, nil},
	{"program-gone", "agent-packaging-conflict", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "failed", Exit: 203})
		s.Files = map[string]sim.File{"/usr/bin/amazon-ssm-agent": {Absent: true}}
		s.Log = nil
	}, nil},
	{"program-empty", "agent-packaging-conflict", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "failed", Exit: 203})
		s.Files = map[string]sim.File{"/usr/bin/amazon-ssm-agent": {Mode: 0o755}}
		s.Log = nil
	}, nil},
	{"program-without-x", "agent-exec-blocked", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "failed", Exit: 203})
		s.Files = map[string]sim.File{"/usr/bin/amazon-ssm-agent": {Content: "\x7fELF", Mode: 0o644}}
		s.Log = nil
	}, nil},
	{"apparmor", "agent-exec-blocked", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "failed", Exit: 203, Since: sim.Duration(time.Minute)})
		s.Host.Syslog = []string{`{now} kernel: audit: type=1400 audit(1.1:1): apparmor="DENIED" operation="exec" profile="x" name="/usr/bin/amazon-ssm-agent"`}
		s.Log = nil
	}, nil},
	{"library-gone", "agent-packaging-conflict", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "activating", Exit: 127, Restarts: 7})
		s.Host.Syslog = []string{"{now} amazon-ssm-agent[7]: /usr/bin/amazon-ssm-agent: error while loading shared libraries: libc.so.6: cannot open shared object file"}
		s.Log = nil
	}, nil},
	{"agent-in-a-container-only", "agent-not-installed", "critical", "profile", func(s *sim.Scenario) {
		none(s)
		s.Agent.Others = []sim.Other{{Group: "/docker/0a1b2c", Depth: 1}}
	}, nil},
	{"alpine", "os-unsupported", "critical", "profile", func(s *sim.Scenario) {
		none(s)
		s.Host.Distro, s.Agent.NoManager = "alpine", true
	}, nil},
	{"masked", "agent-service-stopped", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "inactive", Enabled: "masked", Since: sim.Duration(30 * time.Hour)})
		s.Log = nil
	}, nil},
	{"reboot-code", "agent-service-stopped", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "failed", Exit: 194, Since: sim.Duration(30 * time.Hour)}, "INFO [ssm-document-worker] requested reboot")
	}, nil},
	{"bus", "agent-crash-loop", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "activating", Restarts: 20}, "ERROR Error occurred when starting amazon-ssm-agent: failed to start message bus, failed to start health channel: failed to listen on the channel: ipc:///var/lib/amazon/ssm/ipc/health, address in use")
		for i := range 20 {
			s.Agent.Starts = append([]sim.Duration{sim.Duration(time.Duration(i+2) * 91 * time.Second)}, s.Agent.Starts...)
		}
	}, nil},
	{"too-old-for-sessions", "agent-version-too-old", "warning", "profile", func(s *sim.Scenario) {
		s.Agent.Version, s.IMDS.Mode = "2.3.50.0", "optional"
	}, nil},
	{"too-old-for-dhmc", "no-credential-source", "critical", "dhmc", func(s *sim.Scenario) {
		sim.Refused(s, "INFO Entering SSM Agent hibernate - EC2RoleRequestError: no EC2 instance role found")
		s.Agent.Version, s.Agent.EC2 = "3.1.1732.0", false
		delete(s.Principals, "dhmc")
	}, nil},
	{"update-broke", "agent-version-regression", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "activating", Restarts: 5}, "ERROR [amazon-ssm-agent] Core Agent crashed with message: runtime error: invalid memory address or nil pointer dereference")
		s.Agent.Previous = "3.3.2299.0"
		s.Log = append(sim.At(27*time.Hour, "INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.2299.0", "INFO EC2RoleProvider Successfully connected with instance profile role credentials",
			"INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ssmmessages"), s.Log...)
	}, nil},
	{"two-packages", "agent-packaging-conflict", "warning", "profile", func(s *sim.Scenario) {
		s.Host.Distro = "ubuntu"
		s.Agent.Packaging, s.Agent.Package = []string{"deb", "snap"}, "install ok half-configured"
		s.Agent.Units = map[string]sim.Unit{"deb": {Active: "failed", Exit: 1}, "snap": {Active: "active"}}
	}, nil},
	{"wrong-binary", "agent-packaging-conflict", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "activating", Restarts: 30, Exec: "/usr/bin/ssm-document-worker"})
		s.Log = nil
	}, nil},
	{"snap-refresh", "agent-version-regression", "critical", "profile", func(s *sim.Scenario) {
		s.Host.Distro, s.Agent.Packaging, s.Agent.Previous = "ubuntu", []string{"snap"}, "3.3.2299.0"
		ends(s, sim.Unit{Active: "failed", Exit: 2, Restarts: 5}, "ERROR [amazon-ssm-agent] Core Agent crashed with message: runtime error: invalid memory address or nil pointer dereference")
		s.Agent.Units = map[string]sim.Unit{"snap": {Active: "failed", Exit: 2, Restarts: 5, Since: sim.Duration(time.Minute)}}
		s.Log = append(sim.At(27*time.Hour, "INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.2299.0", "INFO [ssm-agent-worker] [MessageService] [MGSInteractor] SSM Connection channel status is set to ssmmessages"), s.Log...)
	}, nil},
	{"selinux", "agent-exec-blocked", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "failed", Exit: 203})
		s.Log = nil
		s.Host.SELinux = true
		s.Host.Audit = []string{`type=AVC msg=audit({now}.123:456): avc:  denied  { execute } for  pid=811 comm="(ssm-agent)" path="/usr/bin/amazon-ssm-agent" dev="nvme0n1p1" ino=42 scontext=system_u:system_r:init_t:s0 tcontext=unconfined_u:object_r:user_tmp_t:s0 tclass=file permissive=0`}
	}, nil},
	{"noexec", "agent-exec-blocked", "warning", "profile", func(s *sim.Scenario) {
		s.Host.Mounts = []string{"/var xfs rw,noexec,relatime"}
		stays(s, "ERROR [ssm-document-worker] [pluginName=aws:runShellScript] failed to run commands: fork/exec /var/lib/amazon/ssm/i-0a1b2c3d4e5f60718/document/orchestration/1/awsrunShellScript/0.awsrunShellScript/_script.sh: permission denied")
	}, nil},
	{"config", "agent-config-invalid", "critical", "profile", func(s *sim.Scenario) {
		s.Agent.Config = "{\n  \"Ssm\": {\n    \"HealthFrequencyMinutes\": 5,\n  }\n}\n"
		ends(s, sim.Unit{Active: "activating", Restarts: 9}, "ERROR Error occurred when starting amazon-ssm-agent: app config could not be loaded - invalid character '}' looking for beginning of object key string")
	}, nil},
	{"region-override", "region-mismatch", "critical", "profile", func(s *sim.Scenario) {
		s.Agent.Config = `{"Agent": {"Region": "us-west-2"}}`
		sim.Refused(s, sim.Skipped+"InvalidSignatureException: Credential should be scoped to a valid Region, not 'us-west-2'."+sim.RequestID)
	}, nil},
}

// none takes the agent away.
func none(s *sim.Scenario) {
	s.Agent = sim.Agent{}
	s.Log = nil
}

// A service that runs and will not start at the next boot breaks no more than that.
func TestRunsButDisabled(t *testing.T) {
	t.Parallel()
	s := bases["profile"]()
	s.Now = now
	unit(&s, sim.Unit{Enabled: "disabled"})
	r, _ := examine(t, s)
	if id, severity := answer(r); r.State != report.Degraded || id != "agent-service-stopped" || severity != "warning" {
		t.Errorf("%s, %s %s: %s", r.State, severity, id, r.Summary)
	}
}

// Ends that are none of the agent's, and agents that are not this host's, leave a healthy
// host healthy.
func TestEndsOfOthers(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(*sim.Scenario){
		"a container beside it": func(s *sim.Scenario) {
			s.Agent.Others = []sim.Other{{Group: "/ecs/task/0a1b", Depth: 1}, {Group: "/user.slice", UID: 1000}}
		},
		"a child of a session was killed": func(s *sim.Scenario) {
			unit(s, sim.Unit{Restarts: 1})
			s.Host.Syslog = []string{"{now} kernel: Out of memory: Killed process 9 (python3) total-vm:1kB", "{now} systemd[1]: amazon-ssm-agent.service: A process of this unit has been killed by the OOM killer."}
		},
		"started again once by an update": func(s *sim.Scenario) { unit(s, sim.Unit{Restarts: 1, Since: sim.Duration(time.Hour)}) },
		"disabled, and another unit starts it": func(s *sim.Scenario) {
			unit(s, sim.Unit{Enabled: "disabled", Wanted: "cloud-final.service"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := bases["profile"]()
			s.Now = now
			put(&s)
			r, _ := examine(t, s)
			if id, severity := answer(r); r.State != report.Managed || id != "healthy" {
				t.Errorf("%s, %s %s: %s", r.State, severity, id, r.Summary)
			}
		})
	}
}

// An agent that could write neither log nor state for hours may work all the
// same, and one that is stopped may not start again.
func TestFullForHours(t *testing.T) {
	t.Parallel()
	for cause, put := range map[string]func(*sim.Scenario){
		"disk-full":       func(s *sim.Scenario) { s.Host.DiskUsed = 100 },
		"inode-exhausted": func(s *sim.Scenario) { s.Host.InodesUsed = 100 },
	} {
		s := bases["profile"]()
		s.Now, s.Agent.Age, s.Log = now, sim.Duration(3*time.Hour+10*time.Minute), earlier(s.Log, 3*time.Hour)
		put(&s)
		r, _ := examine(t, s)
		if id, severity := answer(r); r.State != report.Unknown || id != cause || severity != "warning" || len(r.Also) > 0 {
			t.Errorf("%s: got %s, %s %s, also %d: %s", cause, r.State, severity, id, len(r.Also), r.Summary)
		}
	}
}
