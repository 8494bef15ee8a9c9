package sim_test

import (
	"time"

	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/facts"
)

// stuck is an agent that ends at its start since it cannot make its channels.
func stuck(s *sim.Scenario, why string, u sim.Unit) {
	u.Active, u.Exit, u.Restarts = "activating", 1, 9
	ends(s, u, sim.NoFolder+why)
	s.Agent.EC2 = false
}

// standing puts something where the agent needs a folder, or gives that a flag.
func standing(name, why string, f sim.File) func(*sim.Scenario) {
	return func(s *sim.Scenario) {
		stuck(s, why, sim.Unit{})
		s.Files = map[string]sim.File{name: f}
	}
}

// walled has a drop-in that keeps the agent from the network.
func walled(setting, why string) func(*sim.Scenario) {
	return func(s *sim.Scenario) {
		broken(s, "dial tcp: lookup ssm.{region}.{domain} on 10.0.0.2:53: "+why)
		s.Agent.Channel = []string{}
		unit(s, sim.Unit{DropIn: "[Service]\n" + setting + "\n"})
	}
}

// held40 has an agent that has not run on for 40 minutes.
func held40(by string) func(*sim.Scenario) {
	return func(s *sim.Scenario) {
		s.Agent.Held = by
		before(s, 40*time.Minute)
	}
}

// filtered has a firewall of its own that stops queries or answers.
func filtered(tool, rules, why string) func(*sim.Scenario) {
	return func(s *sim.Scenario) {
		s.Host.Firewall, s.Host.Rules = tool, rules
		broken(s, why)
	}
}

func table(name, rules string) string { return "*" + name + "\n" + rules + "COMMIT\n" }

// inputChain is a table of nft with a chain for what comes in.
func inputChain(rule string) string {
	return "table inet f {\n\tchain in {\n\t\ttype filter hook input priority 0; policy accept;\n\t\t" + rule + "\n\t}\n}\n"
}

// sessionError is how the worker of a session begins an entry.
const sessionError = "ERROR [ssm-session-worker] [ana-0a1b2c3d] [DataBackend] [pluginName=Standard_Stream] "

const (
	noFolder  = "stat /var/lib/amazon/ssm/ipc/: not a directory"
	lostQuery = "dial tcp: lookup ssm.{region}.{domain} on 10.0.0.2:53: read udp 10.0.12.34:40000->10.0.0.2:53: i/o timeout"
)

// obstacleFaults are what stands in the agent's way on the host itself: in its folders, in
// its unit, and in the firewall. No rule says what another fault gets beside them.
var obstacleFaults = []fault{
	{"file-for-state", "state-dir-permissions", "critical", "profile", standing(stateDir, noFolder, sim.File{Content: "x"}), nil},
	{"file-above-state", "state-dir-permissions", "critical", "profile", standing("/var/lib/amazon", noFolder, sim.File{Content: "x"}), nil},
	{"file-for-channels", "state-dir-permissions", "critical", "profile", standing(stateDir+"/ipc", noFolder, sim.File{Content: "x"}), nil},
	{"link-to-nothing", "state-dir-permissions", "critical", "profile", standing(stateDir, "mkdir "+stateDir+": file exists", sim.File{Link: "/mnt/gone/ssm"}), nil},
	{"state-immutable", "state-dir-permissions", "critical", "profile", standing(stateDir, "mkdir "+stateDir+"/ipc/: operation not permitted", sim.File{Dir: true, Mode: 0o755, Flag: facts.Immutable}), nil},
	{"pinned-and-immutable", "dns-override-stale", "critical", "profile", func(s *sim.Scenario) {
		s.Files = map[string]sim.File{"/etc/hosts": {Content: "127.0.0.1 localhost\n10.99.0.4 ssm.eu-central-1.amazonaws.com\n", Flag: facts.Immutable}}
		broken(s, "dial tcp 10.99.0.4:443: i/o timeout")
	}, nil},

	{"unit-without-network", "agent-exec-blocked", "critical", "hybrid", walled("PrivateNetwork=yes", "dial udp 10.0.0.2:53: connect: network is unreachable"), nil},
	{"unit-denied-addresses", "agent-exec-blocked", "critical", "hybrid", walled("IPAddressDeny=any", "write udp 10.0.12.34:41212->10.0.0.2:53: write: operation not permitted"), nil},
	{"unit-of-local-sockets", "agent-exec-blocked", "critical", "hybrid", walled("RestrictAddressFamilies=AF_UNIX", "dial udp 10.0.0.2:53: socket: address family not supported by protocol"), nil},
	{"unit-writes-nothing", "filesystem-readonly", "critical", "profile", func(s *sim.Scenario) {
		stuck(s, "mkdir "+stateDir+"/ipc/: read-only file system", sim.Unit{DropIn: "[Service]\nProtectSystem=strict\n"})
	}, nil},
	{"unit-with-command-before", "agent-exec-blocked", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "activating", Sub: "auto-restart", Result: "exit-code", Restarts: 2, DropIn: "[Service]\nExecStartPre=/bin/false\n"})
		s.Log = nil
	}, nil},
	{"unit-without-files", "agent-exec-blocked", "critical", "profile", func(s *sim.Scenario) { // nor a line of the log
		ends(s, sim.Unit{Active: "activating", Sub: "auto-restart", Result: "success", Ended: "exited", Restarts: 2, DropIn: "[Service]\nLimitFSIZE=0\n"})
		s.Log = nil
	}, nil},
	{"unit-executes-nothing", "agent-exec-blocked", "warning", "profile", func(s *sim.Scenario) {
		unit(s, sim.Unit{DropIn: "[Service]\nNoExecPaths=/var/lib\n"})
	}, nil},
	{"own-store-of-service", "tls-untrusted-ca", "critical", "profile", func(s *sim.Scenario) {
		broken(s, "tls: failed to verify certificate: x509: certificate signed by unknown authority")
		s.Agent.Environment = map[string]string{"SSL_CERT_FILE": "/etc/pki/corp.pem", "SSL_CERT_DIR": "/opt/certs:/opt/gone"}
	}, nil},

	{"held-by-signal", "agent-service-stopped", "critical", "profile", held40(facts.HeldBySignal), nil},
	{"held-by-freezer", "agent-service-stopped", "critical", "hybrid", held40(facts.HeldByFreezer), nil},

	{"key-disabled", "session-failing", "warning", "hybrid", func(s *sim.Scenario) {
		stays(s, sessionError+"Encountered error while initiating handshake. Fetching data key failed: Unable to retrieve data key, Error when decrypting data key DisabledException: arn:{partition}:kms:{region}:{account}:key/0a1b2c3d is disabled.")
	}, nil},
	{"log-group-unencrypted", "session-failing", "warning", "profile", func(s *sim.Scenario) {
		stays(s, sessionError+"Validation failed, err: We couldn't start the session because encryption is not set up on the selected CloudWatch Logs log group. Either encrypt the log group or choose an option to enable logging without encryption.")
	}, nil},
	{"bucket-unencrypted", "session-failing", "warning", "profile", func(s *sim.Scenario) {
		stays(s, sessionError+"Validation failed, err: We couldn't start the session because encryption is not set up on the selected Amazon S3 bucket. Either encrypt the bucket or choose an option to enable logging without encryption.")
	}, nil},

	{"answers-dropped", "host-firewall-egress", "critical", "profile", filtered("iptables", table("filter", ":INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --sport 443 -j DROP\n"), timeout), nil},
	{"answers-dropped-early", "host-firewall-egress", "critical", "profile", filtered("iptables", table("raw", ":PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --sport 443 -j DROP\n"), timeout), nil},
	{"answers-dropped-by-mangle", "host-firewall-egress", "critical", "profile", filtered("iptables", table("mangle", ":PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --sport 443 -j DROP\n"), timeout), nil},
	{"answers-dropped-by-nft", "host-firewall-egress", "critical", "hybrid", filtered("nft", inputChain("tcp sport 443 drop"), timeout), nil},
	{"queries-dropped", "host-firewall-egress", "critical", "profile", filtered("iptables", table("filter", ":INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp -m udp --dport 53 -j DROP\n"), "dial tcp: lookup ssm.{region}.{domain} on 10.0.0.2:53: write udp 10.0.12.34:40000->10.0.0.2:53: write: operation not permitted"), nil},
	{"answers-of-resolver-dropped", "host-firewall-egress", "critical", "profile", filtered("nft", inputChain("udp sport 53 drop"), lostQuery), nil},
	{"answers-of-metadata-dropped", "imds-blocked-by-host", "critical", "profile", func(s *sim.Scenario) {
		s.Host.Firewall, s.Host.Rules = "iptables", table("filter", ":INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -s 169.254.169.254/32 -j DROP\n")
		sim.NoIdentity(s, noToken+"dial tcp 169.254.169.254:80: i/o timeout")
	}, nil},
}
