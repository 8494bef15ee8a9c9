package diagnose

import (
	"sort"
	"testing"
	"time"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
)

func judge(f *facts.Facts) Answer {
	n := node.Of(f)
	return Diagnose(n, findings(n, checks.ProfileHost))
}

func findings(n *node.Node, p checks.Profile) Findings {
	found := Findings{}
	for _, c := range checks.All() {
		if c.IsFor(p) {
			found[c.ID] = c.Judge(n)
		}
	}
	return found
}

// unaccepted takes every proof away that the service accepts the node, and
// every trace of what it was granted.
func unaccepted(f *facts.Facts) {
	var kept []facts.Match
	for _, m := range f.Log.Matches.Value {
		if k := kindOf(m.ID); k == facts.KindNode || k == facts.KindFailure || k == facts.KindFeature {
			kept = append(kept, m)
		}
	}
	f.Log.Matches.Value = kept
	f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
	f.Agent.Channel = facts.Known([]facts.Socket{}, "")
	var denied []facts.Permission
	for _, p := range f.Permissions.Actions.Value {
		if p.Verdict == facts.DeniedProven || p.Code != "" {
			denied = append(denied, p)
		}
	}
	f.Permissions.Actions.Value = denied
}

func kindOf(sig string) string {
	for _, s := range facts.Signatures {
		if s.ID == sig {
			return s.Kind
		}
	}
	return ""
}

// logged adds a log entry that was written some time before the run.
func logged(f *facts.Facts, id string, before time.Duration, text string) {
	at := f.CollectedAt.Add(-before)
	f.Log.Matches.Value = append(f.Log.Matches.Value, facts.Match{ID: id, Count: 1, First: at, Last: at, Text: text, File: "/var/log/amazon/ssm/amazon-ssm-agent.log"})
	sort.SliceStable(f.Log.Matches.Value, func(i, j int) bool { return f.Log.Matches.Value[i].Last.Before(f.Log.Matches.Value[j].Last) })
}

// refused adds an access-denied answer that the agent met, and what it logs of it.
func refused(f *facts.Facts, action, sig, message string) {
	at := f.CollectedAt.Add(-2 * time.Minute)
	r := facts.Refusal{Refusal: iam.ParseRefusal("AccessDeniedException", message), At: at, Match: sig, File: "/var/log/amazon/ssm/amazon-ssm-agent.log"}
	r.Action = action
	f.Log.Refusals.Value = append(f.Log.Refusals.Value, r)
	logged(f, sig, 2*time.Minute, "ERROR AccessDeniedException: "+message)
}

func stopped(f *facts.Facts, active, sub string) {
	u := unit(f)
	u.Active, u.Sub, u.MainPID = active, sub, 0
	u.StoppedSince = f.CollectedAt.Add(-10 * time.Minute)
	f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
}

// unit is the agent's service; a throw-away where it was taken away.
func unit(f *facts.Facts) *facts.Unit {
	if len(f.Agent.Units.Value) == 0 {
		return &facts.Unit{}
	}
	return &f.Agent.Units.Value[0]
}

func reinstalled(f *facts.Facts) {
	if len(f.Agent.Installations.Value) > 0 {
		f.Agent.Installations.Value[0].Version = f.Agent.Installed
	}
}

// tcp sets how connections to the services end; all services without names.
func tcp(f *facts.Facts, outcome facts.Outcome, services ...string) {
	for i := range f.Network.Endpoints.Value {
		e := &f.Network.Endpoints.Value[i]
		if len(services) > 0 && !contains(services, e.Service) {
			continue
		}
		for j := range e.TCP {
			e.TCP[j].Outcome, e.TCP[j].Error = outcome, string(outcome)
		}
		e.TLS = facts.Absent[facts.TLS]("not connected", "")
		e.HTTP = facts.Absent[facts.HTTP]("not connected", "")
		e.WebSocket = facts.Absent[facts.HTTP]("not connected", "")
	}
	f.Network.Skew = facts.Absent[float64]("no answer", "")
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func private(f *facts.Facts, services ...string) {
	for i := range f.Network.Endpoints.Value {
		if e := &f.Network.Endpoints.Value[i]; len(services) == 0 || contains(services, e.Service) {
			if e.DNS.Outcome != "ok" {
				continue
			}
			e.Scope, e.DNS.A = "private", []string{"10.0.3.7"}
			for j := range e.TCP {
				e.TCP[j].Address = "10.0.3.7"
			}
		}
	}
}

func metadata(f *facts.Facts, token, bare facts.Exchange) {
	f.IMDS = facts.IMDS{Token: facts.Known(token, "imds:PUT /latest/api/token"), Bare: facts.Known(bare, "imds:GET"),
		ViaProxy: facts.Absent[facts.Exchange]("no proxy", ""), IPv6: facts.Unknown[facts.Exchange]("no answer", "")}
	for _, s := range []*facts.Seen[string]{&f.IMDS.InstanceID, &f.IMDS.Region, &f.IMDS.Account, &f.IMDS.Partition} {
		*s = facts.Unknown[string]("no metadata", "")
	}
	f.IMDS.Profile = facts.Unknown[facts.Profile]("no metadata", "")
	f.IMDS.Role = facts.Unknown[facts.Role]("no metadata", "")
}

func fs(f *facts.Facts, dir string, change func(*facts.FileSystem)) {
	for i := range f.Host.FileSystems.Value {
		if f.Host.FileSystems.Value[i].Dir == dir {
			change(&f.Host.FileSystems.Value[i])
		}
	}
}

func task(f *facts.Facts) {
	unaccepted(f)
	f.ECS.Task = facts.Known(facts.ECSTask{Cluster: "web", TaskARN: "arn:aws:ecs:eu-central-1:111122223333:task/web/0a1b"}, "ecs")
	f.ECS.ManagedAgent = facts.Known(true, "file:/managed-agents/execute-command")
	f.ECS.ReadOnlyRoot = facts.Known(false, "file:/proc/self/mountinfo")
	f.ECS.ExecuteCommand = facts.Known(true, "ecs")
	f.Host.DMI = facts.DMI{}
	metadata(f, facts.Exchange{Outcome: "timeout"}, facts.Exchange{Outcome: "timeout"})
}

const arn = "User: arn:aws:sts::111122223333:assumed-role/WebServerRole/i-0a1b2c3d4e5f60718 is not authorized to perform: "

// causeCases holds one host per cause: facts of a healthy one with a single fault.
var causeCases = []struct {
	cause, kind string
	severity    causes.Severity
	also        bool // listed beside, since the node is managed and the fault only a note
	fault       func(f *facts.Facts)
}{
	{"disk-full", "profile", causes.Warning, false, func(f *facts.Facts) {
		fs(f, "/var/lib/amazon/ssm", func(s *facts.FileSystem) {
			s.Usage.Value.FreeBytes = 0
		})
	}},
	{"inode-exhausted", "profile", causes.Warning, false, func(f *facts.Facts) {
		fs(f, "/var/lib/amazon/ssm", func(s *facts.FileSystem) { s.Usage.Value.FreeInodes = 0 })
	}},
	{"inotify-exhausted", "profile", causes.Warning, false, func(f *facts.Facts) {
		f.Host.Inotify.Value.UsedInstances = f.Host.Inotify.Value.MaxInstances
	}},
	{"filesystem-readonly", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		fs(f, "/var/lib/amazon/ssm", func(s *facts.FileSystem) { s.ReadOnly = facts.Known(true, "") })
	}},
	{"state-dir-permissions", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		unit(f).User = "ssm"
	}},
	{"wmi-stopped", "windows", causes.Warning, false, func(f *facts.Facts) {
		f.Host.WMI = facts.Known(facts.Service{Active: "stopped", Enabled: "disabled"}, "scm:Winmgmt")
	}},
	{"sysprep-incomplete", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Host.GOOS = "windows"
		f.Host.ImageState = facts.Known("IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE", "registry")
	}},
	{"agent-not-installed", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Agent.Installations.Value, f.Agent.Units.Value = nil, nil
		f.Agent.Installed = facts.Absent[string]("no package", "")
		f.Agent.Running = facts.Absent[string]("no package", "")
		f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
	}},
	{"agent-service-stopped", "profile", causes.Critical, false, func(f *facts.Facts) { stopped(f, "inactive", "dead") }},
	{"out-of-memory", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		stopped(f, "activating", "auto-restart")
		unit(f).Restarts, unit(f).Result, unit(f).Ended, unit(f).ExitStatus = 9, "oom-kill", "killed", 9
	}},
	{"os-unsupported", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Host.Distro = facts.Known(facts.Distro{ID: "alpine", Name: "Alpine Linux v3.20"}, "file:/etc/os-release")
		f.Agent.Installations.Value, f.Agent.Units.Value = nil, nil
		f.Agent.Installed = facts.Absent[string]("no package", "")
		f.Agent.Running = facts.Absent[string]("no package", "")
		f.Agent.Processes = facts.Known(facts.Processes{}, "file:/proc")
	}},
	{"agent-crash-loop", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		stopped(f, "activating", "auto-restart")
		unit(f).Restarts = 14
	}},
	{"agent-version-too-old", "hybrid", causes.Warning, false, func(f *facts.Facts) {
		f.Agent.Installed, f.Agent.Running = facts.Known("2.3.50.0", "rpm"), facts.Known("2.3.50.0", "audit")
		reinstalled(f)
	}},
	{"no-credential-source", "dhmc", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Agent.Installed, f.Agent.Running = facts.Known("3.1.1732.0", "rpm"), facts.Known("3.1.1732.0", "audit")
		reinstalled(f)
		logged(f, facts.SigCredsFailed, 2*time.Minute, "ERROR EC2RoleRequestError: no EC2 instance role found")
	}},
	{"agent-version-regression", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Agent.Versions = facts.Known([]facts.VersionStart{{Version: "3.3.3270.0", At: f.CollectedAt.Add(-240 * time.Hour)}, {Version: "3.3.3572.0", At: f.CollectedAt.Add(-time.Hour)}}, "file:audits")
		logged(f, facts.SigHealthOK, 5*time.Hour, "INFO HealthCheck reporting agent health.")
		logged(f, facts.SigPanic, 2*time.Minute, "ERROR Core Agent crashed with message runtime error")
		stopped(f, "failed", "failed")
	}},
	{"agent-packaging-conflict", "profile", causes.Warning, false, func(f *facts.Facts) {
		f.Agent.Installations.Value = append(f.Agent.Installations.Value, facts.Installation{Kind: "snap", Dir: "/snap/amazon-ssm-agent/current", Version: f.Agent.Installed})
	}},
	{"agent-exec-blocked", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		stopped(f, "failed", "failed")
		unit(f).ExitStatus = 203
	}},
	{"agent-config-invalid", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		stopped(f, "inactive", "dead")
		f.Agent.Config = facts.Known(facts.Config{ParseError: "invalid character '}' at offset 88"}, "file:"+f.Agent.ConfigPath)
	}},
	{"agent-update-blocked", "profile", causes.Warning, false, func(f *facts.Facts) {
		f.Agent.Installed, f.Agent.Running = facts.Known("3.3.1142.0", "rpm -q"), facts.Known("3.3.1142.0", "audit")
		f.Agent.Update.Keys = facts.Known([]facts.SigningKey{{ID: "BC1F495C97DD04ED", Expires: time.Date(2025, 2, 17, 0, 0, 0, 0, time.UTC), From: "rpm -q gpg-pubkey"}}, "rpm -q gpg-pubkey")
	}},
	{"platform-unsupported", "profile", causes.Info, true, func(f *facts.Facts) {
		f.Host.Distro = facts.Known(facts.Distro{ID: "debian", Name: "Debian GNU/Linux 13 (trixie)", Version: "13"}, "file:/etc/os-release")
	}},
	{"agent-backoff-wait", "profile", causes.Info, false, func(f *facts.Facts) {
		reads := f.Permissions.Actions
		unaccepted(f)
		f.Permissions.Actions = reads
		logged(f, facts.SigDHMCOff, 2*time.Minute, "ERROR AccessDeniedException: Systems Manager's instance management role is not configured for account: 111122223333")
		f.Log.Backoff = facts.Known(facts.Backoff{Since: f.CollectedAt.Add(-2 * time.Minute), Seconds: 1632, Until: f.CollectedAt.Add(25 * time.Minute)}, "")
	}},
	{"account-not-enabled", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Permissions.Actions = facts.Known([]facts.Permission{{Action: "ssm:GetDocument", Identity: facts.SourceProfile, Verdict: facts.Inconclusive, Code: "OptInRequired",
			Message: "The AWS Access Key Id needs a subscription for the service", From: "ssm:GetDocument", At: f.CollectedAt}}, "")
	}},
	{"hybrid-not-registered", "hybrid", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "")
		f.Registration.Informational = facts.Absent[facts.Informational]("no such file", "")
	}},
	{"activation-rejected", "hybrid", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Registration.Hybrid = facts.Known(facts.Key{HasPrivate: true}, "")
		f.Registration.Informational = facts.Absent[facts.Informational]("no such file", "")
		logged(f, facts.SigRegisterFailed, time.Hour, "ERROR Registration failed due to error registering the instance: ActivationExpired")
	}},
	{"registration-orphaned", "hybrid", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		logged(f, facts.SigInvalidInstance, 2*time.Minute, "ERROR InvalidInstanceId: ManagedInstance not found")
	}},
	{"registration-cloned-image", "hybrid", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Registration.Fingerprint.Value.MachineIDMatches = facts.Known(false, "")
	}},
	{"registration-store-damaged", "hybrid", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Registration.Damage = facts.Known([]facts.Damage{{Path: "/var/lib/amazon/ssm/Vault/Store/RegistrationKey", Kind: "truncated", What: "ends in the middle of a value"}}, "")
	}},
	{"hybrid-registration-on-ec2", "profile", causes.Warning, false, func(f *facts.Facts) {
		f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0a1b2c3d4e5f60718", Region: "eu-central-1", HasPrivate: true}, "")
		f.Credentials.Runtime.Value.IdentityType, f.Credentials.Runtime.Value.Source = "OnPrem", "SSM"
	}},
	{"fingerprint-mismatch", "hybrid", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		logged(f, facts.SigHardwareDrift, 2*time.Minute, "ERROR machine fingerprint does not match: similarity below threshold 40")
	}},
	{"region-mismatch", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		if f.Agent.Config.Value.ParseError == "" {
			f.Agent.Config = facts.Known(facts.Config{Region: "us-west-2"}, "")
		}
	}},
	{"imds-disabled", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		metadata(f, facts.Exchange{Status: 403, Server: "EC2ws", TCP: true}, facts.Exchange{Status: 403, Server: "EC2ws", TCP: true})
	}},
	{"imds-hop-limit", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		metadata(f, facts.Exchange{TCP: true, Outcome: "timeout"}, facts.Exchange{Status: 401, Server: "EC2ws", TCP: true})
		f.Host.Container = facts.Known(facts.Container{Runtime: "docker", Evidence: "/.dockerenv"}, "")
	}},
	{"imds-blocked-by-host", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		metadata(f, facts.Exchange{Outcome: "connect-timeout"}, facts.Exchange{Outcome: "connect-timeout"})
		f.Host.Firewall = facts.Known(facts.Firewall{Tool: "nft", Rules: []facts.FirewallRule{{Table: "inet filter", Chain: "output", Text: "ip daddr 169.254.169.254 drop", Action: "drop", IMDS: true}}}, "")
	}},
	{"imds-route-wrong", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		metadata(f, facts.Exchange{Outcome: "connect-timeout"}, facts.Exchange{Outcome: "connect-timeout"})
		f.Host.IMDSRoute = facts.Known(facts.Route{Destination: "169.254.169.254/32", Gateway: "10.4.0.1", Interface: "eth0", Kind: "unicast"}, "")
	}},
	{"imds-via-proxy", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.IMDS.ViaProxy = facts.Known(facts.Exchange{Status: 403, Server: "squid", TCP: true}, "")
		f.Agent.ServiceProxy = facts.Known(facts.Proxy{HTTP: "http://10.0.0.5:3128", HTTPS: "http://10.0.0.5:3128", From: "process environment"}, "")
	}},
	{"imds-impostor", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		page := facts.Exchange{Status: 200, Server: "nginx", ContentType: "text/html", TCP: true, Body: "<html>welcome"}
		metadata(f, page, page)
	}},
	{"imds-not-ready-at-boot", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		stopped(f, "inactive", "dead")
		f.Host.BootTime = facts.Known(f.CollectedAt.Add(-20*time.Minute), "file:/proc/stat")
		unit(f).StoppedSince = f.CollectedAt.Add(-19 * time.Minute)
		logged(f, facts.SigIMDSFailed, 19*time.Minute, "ERROR failed to get identity: could not reach EC2 metadata")
	}},
	{"imdsv2-required-old-agent", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Agent.Installed, f.Agent.Running = facts.Known("2.3.612.0", "rpm"), facts.Known("2.3.612.0", "audit")
		reinstalled(f)
	}},
	{"imds-unreachable", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		metadata(f, facts.Exchange{Outcome: "connect-timeout", Error: "i/o timeout"}, facts.Exchange{Outcome: "connect-timeout"})
	}},
	{"tls-untrusted-ca", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		for i := range f.Network.Endpoints.Value {
			e := &f.Network.Endpoints.Value[i]
			e.TLS = facts.Known(facts.TLS{Issuer: "CN=Corp Inspection", Kind: "unknown-authority", Error: "certificate signed by unknown authority"}, "tls")
			e.HTTP = facts.Absent[facts.HTTP]("no TLS", "")
		}
	}},
	{"proxy-scheme-mismatch", "profile", causes.Critical, false, func(f *facts.Facts) { unaccepted(f); proxied(f, "not-tls", 0) }},
	{"proxy-certificate-untrusted", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		proxied(f, facts.Untrusted, 0)
		f.Network.Proxy.Value.URL = "https://10.0.0.5:3128"
		f.Network.Proxy.Value.TLS = facts.Known(facts.TLS{Subject: "proxy.corp", Issuer: "CN=Corp", Kind: facts.UnknownAuthority, Error: "certificate signed by unknown authority"}, "tls:10.0.0.5:3128")
	}},
	{"proxy-refuses", "profile", causes.Critical, false, func(f *facts.Facts) { unaccepted(f); proxied(f, "auth", 407) }},
	{"proxy-unreachable", "profile", causes.Critical, false, func(f *facts.Facts) { unaccepted(f); proxied(f, "timeout", 0) }},
	{"proxy-not-applied-to-agent", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		tcp(f, "timeout")
		f.Agent.ShellProxy = facts.Known(facts.Proxy{HTTPS: "http://10.0.0.5:3128", From: "file:/etc/environment"}, "")
		f.Network.ShellProxy = facts.Known(facts.ProxyProbe{URL: "http://10.0.0.5:3128", Variable: "https_proxy", Host: "10.0.0.5", Port: 3128, Outcome: "ok", Status: 200}, "")
	}},
	{"clock-late-at-boot", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Host.BootTime = facts.Known(f.CollectedAt.Add(-20*time.Minute), "file:/proc/stat")
		logged(f, facts.SigStart, 50*time.Minute, "INFO amazon-ssm-agent - v3.3.1142.0")
		logged(f, facts.SigClock, 49*time.Minute, "ERROR Signature expired: 20261122T081000Z is now earlier than 20261122T083500Z (20261122T084000Z - 5 min.)")
	}},
	{"credentials-file-damaged", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Credentials.Runtime = facts.Unknown[facts.Runtime]("damaged: the file ends in the middle, as after a power loss", "file:/var/lib/amazon/ssm/runtimeconfig/identity_config.json").Because(facts.Damaged)
	}},
	{"clock-skew", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Network.Skew = facts.Known(1800.0, "https:Date")
	}},
	{"network-no-egress", "profile", causes.Critical, false, func(f *facts.Facts) { unaccepted(f); tcp(f, "timeout") }},
	{"vpce-service-missing", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		private(f, "ssm")
		tcp(f, "timeout", "ssmmessages", "ec2messages")
	}},
	{"vpce-sg-blocked", "profile", causes.Critical, false, func(f *facts.Facts) { unaccepted(f); private(f); tcp(f, "timeout") }},
	{"vpce-private-dns-off", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		tcp(f, "timeout")
		for i := range f.Network.Endpoints.Value {
			f.Network.Endpoints.Value[i].DNS.Views = []facts.View{{Server: "169.254.169.253", A: []string{"10.0.3.7"}, Outcome: "ok", Scope: "private"}}
		}
	}},
	{"dns-resolution-failed", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		for i := range f.Network.Endpoints.Value {
			e := &f.Network.Endpoints.Value[i]
			e.DNS, e.TCP, e.Scope = facts.DNS{Server: "10.0.0.2", Outcome: "timeout", Error: "i/o timeout"}, nil, ""
			e.TLS, e.HTTP = facts.Absent[facts.TLS]("no address", ""), facts.Absent[facts.HTTP]("no address", "")
		}
		f.Network.Skew = facts.Absent[float64]("no answer", "")
	}},
	{"dns-override-stale", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		tcp(f, "timeout", "ssm")
		e := f.Network.Endpoint("ssm")
		e.DNS.Pinned = "10.9.9.9"
		e.DNS.A = []string{"10.9.9.9"}
		e.TCP = []facts.Attempt{{Address: "10.9.9.9", Outcome: "timeout", Error: "i/o timeout"}}
	}},
	{"dns-override-stale", "profile", causes.Critical, false, func(f *facts.Facts) { // a wildcard that the search list leads to
		unaccepted(f)
		for i := range f.Network.Endpoints.Value {
			e := &f.Network.Endpoints.Value[i]
			e.DNS.A, e.DNS.Searched = []string{"198.18.254.9"}, e.Host+".corp.example"
			e.TCP = []facts.Attempt{{Address: "198.18.254.9", Outcome: "timeout", Error: "i/o timeout"}}
		}
	}},
	{"host-firewall-egress", "profile", causes.Critical, false, func(f *facts.Facts) { unaccepted(f); tcp(f, "not-permitted") }},
	{"ipv6-no-endpoint", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		tcp(f, "unreachable")
		f.Host.DefaultIPv4, f.Host.DefaultIPv6 = facts.Known(false, ""), facts.Known(true, "")
		f.Host.Interfaces = facts.Known([]facts.Interface{{Name: "eth0", Addresses: []string{"2600:1f14::5/64"}}}, "")
	}},
	{"host-network-down", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		metadata(f, facts.Exchange{Outcome: facts.NoRoute, Error: "connect: network is unreachable"}, facts.Exchange{Outcome: facts.NoRoute})
		for i := range f.Network.Endpoints.Value {
			e := &f.Network.Endpoints.Value[i]
			e.DNS.A, e.DNS.AAAA, e.TCP, e.Scope = nil, nil, nil, ""
			e.DNS.Outcome, e.DNS.Error = facts.NoRoute, "network is unreachable"
		}
		tcp(f, facts.NoRoute)
		for i := range f.Host.Interfaces.Value {
			if f.Host.Interfaces.Value[i].Name != "lo" {
				f.Host.Interfaces.Value[i].Addresses = nil
			}
		}
		f.Host.IMDSRoute = facts.Absent[facts.Route]("no route", "rtnetlink:169.254.169.254")
		f.Host.DefaultIPv4, f.Host.Defaults = facts.Known(false, ""), facts.Known([]facts.Route{}, "")
	}},
	{"path-mtu-blackhole", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		for i := range f.Network.Endpoints.Value {
			e := &f.Network.Endpoints.Value[i]
			e.TLS = facts.Known(facts.TLS{Kind: facts.TLSTimeout, Error: "i/o timeout"}, "tls:"+e.Host+":443")
			e.Stall = facts.Known(facts.Stall{Segment: 1448, PathMTU: 1500, Unacked: 1, Retransmits: 4, Small: facts.OK}, "TCP_INFO")
			e.HTTP, e.WebSocket = facts.Unknown[facts.HTTP]("not connected", ""), facts.Unknown[facts.HTTP]("not connected", "")
		}
		f.Network.Skew = facts.Absent[float64]("no answer", "")
	}},
	{"route-wrong-interface", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		tcp(f, "timeout")
		a := "52.119.180.20"
		f.Network.Others = facts.Known([]facts.InterfaceProbe{{Interface: "eth1", Source: "10.0.44.9", Address: a, Outcome: "ok"}}, "connect")
	}},
	{"websocket-blocked", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.Network.Endpoint("ssmmessages").WebSocket = facts.Known(facts.HTTP{Outcome: "reset", Error: "connection reset by peer"}, "")
		logged(f, facts.SigWebSocketFailed, 2*time.Minute, "ERROR Failed to open websocket: websocket: bad handshake")
	}},
	{"session-failing", "profile", causes.Warning, false, func(f *facts.Facts) {
		logged(f, facts.SigRunAsMissing, 3*time.Minute, "ERROR [ssm-session-worker] [user-0a] [DataBackend] [pluginName=Standard_Stream] Unable to start command: failed to start pty since RunAs user deploy does not exist")
	}},
	{"session-failing", "hybrid", causes.Warning, false, func(f *facts.Facts) {
		logged(f, facts.SigTranscript, 3*time.Minute, `ERROR [ssm-session-worker] [user-0a] unable to generate log data: Failed to generate transcript with the following errors: exec: "script": executable file not found in $PATH`)
		f.Work.Script = facts.Absent[facts.FoundProgram]("no program script", "")
	}},
	{"command-failing", "profile", causes.Warning, false, func(f *facts.Facts) {
		logged(f, facts.SigDocWorker, 3*time.Minute, "ERROR [ssm-agent-worker] document process failed unexpectedly: document worker timed out , check [ssm-document-worker]/[ssm-session-worker] log for crash reason")
	}},
	{"descriptors-exhausted", "profile", causes.Warning, false, func(f *facts.Facts) {
		f.Work.Descriptors = facts.Known([]facts.Descriptors{{Program: "ssm-agent-worker", Open: 1024, Limit: 1024}}, "file:/proc")
		logged(f, facts.SigFiles, 3*time.Minute, "ERROR [ssm-agent-worker] start process: /usr/bin/ssm-document-worker error: fork/exec /usr/bin/ssm-document-worker: too many open files")
	}},
	{"channel-stale-connection", "profile", causes.Warning, false, func(f *facts.Facts) {
		f.Agent.Channel = facts.Known([]facts.Socket{{Local: "10.0.12.34:48000", Remote: "52.119.181.21:443", Retransmits: 7, Unacked: 310}}, "file:/proc/net/tcp")
	}},
	{"channel-down", "profile", causes.Warning, false, func(f *facts.Facts) {
		f.Agent.Channel = facts.Known([]facts.Socket{}, "file:/proc/net/tcp")
		logged(f, facts.SigChannelFailed, 2*time.Minute, "ERROR Error setting up control channel: unexpected response from the service 500 Internal Server Error")
	}},
	{"optional-endpoint-unreachable", "profile", causes.Warning, false, func(f *facts.Facts) {
		logged(f, facts.SigSessionLogs, 3*time.Minute, "ERROR failed to upload session logs: dial tcp logs.eu-central-1.amazonaws.com:443: i/o timeout")
		f.Network.Endpoints.Value = append(f.Network.Endpoints.Value, facts.Endpoint{Service: "logs", Host: "logs.eu-central-1.amazonaws.com", Need: "feature",
			DNS: facts.DNS{A: []string{"52.119.182.9"}, Outcome: "ok"}, TCP: []facts.Attempt{{Address: "52.119.182.9", Outcome: "timeout", Error: "i/o timeout"}}})
	}},
	{"no-credential-source", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.IMDS.Profile = facts.Absent[facts.Profile]("404", "imds")
		f.IMDS.Role = facts.Absent[facts.Role]("404", "imds")
		logged(f, facts.SigDHMCOff, 2*time.Minute, "ERROR AccessDeniedException: Systems Manager's instance management role is not configured for account: 111122223333")
	}},
	{"instance-profile-trust-broken", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		f.IMDS.Role.Value.Code = "AssumeRoleUnauthorizedAccess"
	}},
	{"profile-shadows-dhmc", "profile", causes.Critical, false, func(f *facts.Facts) {
		logged(f, facts.SigProfileOK, 10*time.Minute, "INFO EC2RoleProvider Successfully connected with instance profile role credentials")
		f.Log.Matches.Value = drop(f.Log.Matches.Value, facts.SigChannelUp, facts.SigChannelMGS, facts.SigHealthOK)
		logged(f, facts.SigChannelToken, 2*time.Minute, "ERROR CreateControlChannel: AccessDeniedException: "+arn+"ssmmessages:CreateControlChannel on resource: * because no identity-based policy allows it")
		for i := range f.Permissions.Actions.Value {
			f.Permissions.Actions.Value[i].Verdict, f.Permissions.Actions.Value[i].Code = facts.DeniedProven, "AccessDeniedException"
		}
	}},
	{"dhmc-shadows-profile", "dhmc", causes.Warning, false, func(f *facts.Facts) {
		f.IMDS.Profile = facts.Known(facts.Profile{Name: "BatchRole", ARN: "arn:aws:iam::111122223333:instance-profile/BatchRole", Code: "Success"}, "imds")
		f.IMDS.Role = facts.Known(facts.Role{Name: "BatchRole", Code: "Success", Expires: f.CollectedAt.Add(4 * time.Hour)}, "imds")
		r := facts.Refusal{At: f.CollectedAt.Add(-time.Hour), Refusal: iam.ParseRefusal("AccessDeniedException",
			"User: arn:aws:sts::111122223333:assumed-role/AWSSystemsManagerDefaultEC2InstanceManagementRole/i-0a1b2c3d4e5f60718 is not authorized to perform: ssm:GetParameter because no identity-based policy allows the ssm:GetParameter action")}
		f.Log.Refusals.Value = append(f.Log.Refusals.Value, r)
	}},
	{"dhmc-role-broken", "dhmc", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		logged(f, facts.SigDHMCFailed, 2*time.Minute, "ERROR AccessDeniedException: Systems Manager is unable to assume role arn:aws:iam::111122223333:role/service-role/Ops")
	}},
	{"shared-credentials-shadow", "profile", causes.Info, true, func(f *facts.Facts) {
		f.Credentials.RootFile = facts.Known(facts.SharedFile{Path: "/root/.aws/credentials", Profiles: []facts.Keys{{Profile: "default", KeyPrefix: "AKIA"}}}, "file:/root/.aws/credentials")
	}},
	{"credentials-stale", "profile", causes.Critical, false, func(f *facts.Facts) {
		r := f.Credentials.Runtime
		unaccepted(f)
		f.Credentials.Runtime = r
		f.Credentials.Runtime.Value.ExpiresAt = f.CollectedAt.Add(-3 * time.Hour)
		f.Credentials.Runtime.Value.RetrievedAt = f.CollectedAt.Add(-4 * time.Hour)
	}},
	{"hybrid-role-broken", "hybrid", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		logged(f, facts.SigCredsFailed, 2*time.Minute, "ERROR AccessDeniedException: Systems Manager is unable to assume role arn:aws:iam::111122223333:role/service-role/SSMServiceRole: ssm.amazonaws.com is not trusted")
	}},
	{"iam-missing-registration-action", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		refused(f, "ssm:UpdateInstanceInformation", facts.SigCredsFailed, arn+"ssm:UpdateInstanceInformation on resource: arn:aws:ec2:eu-central-1:111122223333:instance/i-0a1b2c3d4e5f60718 because no identity-based policy allows the ssm:UpdateInstanceInformation action")
	}},
	{"iam-missing-channel-action", "profile", causes.Critical, false, func(f *facts.Facts) {
		f.Log.Matches.Value = drop(f.Log.Matches.Value, facts.SigChannelUp, facts.SigChannelMGS)
		refused(f, "ssmmessages:CreateControlChannel", facts.SigChannelToken, arn+"ssmmessages:CreateControlChannel on resource: * because no identity-based policy allows the ssmmessages:CreateControlChannel action")
	}},
	{"iam-missing-feature-action", "profile", causes.Warning, false, func(f *facts.Facts) {
		refused(f, "ssm:PutInventory", facts.SigAssociations, arn+"ssm:PutInventory on resource: * because no identity-based policy allows the ssm:PutInventory action")
	}},
	{"iam-explicit-deny", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		refused(f, "ssm:UpdateInstanceInformation", facts.SigCredsFailed, arn+"ssm:UpdateInstanceInformation on resource: * with an explicit deny in a service control policy")
	}},
	{"vpce-policy-deny", "profile", causes.Critical, false, func(f *facts.Facts) {
		unaccepted(f)
		refused(f, "ssm:UpdateInstanceInformation", facts.SigCredsFailed, arn+"ssm:UpdateInstanceInformation on resource: * because no VPC endpoint policy allows the ssm:UpdateInstanceInformation action")
	}},
	{"kms-access-denied", "profile", causes.Warning, false, func(f *facts.Facts) {
		refused(f, "kms:Decrypt", facts.SigKMS, arn+"kms:Decrypt on resource: arn:aws:kms:eu-central-1:111122223333:key/0a1b because no identity-based policy allows the kms:Decrypt action")
	}},
	{"policy-deprecated", "profile", causes.Info, true, func(f *facts.Facts) {
		for a, v := range map[string]string{"ec2:DescribeInstanceStatus": facts.AllowedProven, "ssm:GetParameters": facts.AllowedProven, "ssm:GetParameter": facts.DeniedProven,
			"ec2:DescribeTags": facts.DeniedProven, "ec2:DescribeVolumes": facts.DeniedProven} {
			f.Permissions.Actions.Value = append(f.Permissions.Actions.Value, facts.Permission{Action: a, Identity: facts.SourceProfile, Verdict: v, From: a, At: f.CollectedAt})
		}
	}},
	{"ecs-exec-not-enabled", "profile", causes.Critical, false, func(f *facts.Facts) {
		task(f)
		f.ECS.ManagedAgent, f.ECS.ExecuteCommand = facts.Known(false, ""), facts.Known(false, "")
	}},
	{"ecs-task-role-missing", "profile", causes.Critical, false, func(f *facts.Facts) {
		task(f)
		refused(f, "ssmmessages:CreateControlChannel", facts.SigChannelToken, "User: arn:aws:sts::111122223333:assumed-role/web-task/0a1b is not authorized to perform: ssmmessages:CreateControlChannel on resource: *")
	}},
	{"ecs-readonly-rootfs", "profile", causes.Critical, false, func(f *facts.Facts) {
		task(f)
		f.ECS.ReadOnlyRoot = facts.Known(true, "")
		fs(f, "/var/lib/amazon/ssm", func(s *facts.FileSystem) { s.ReadOnly = facts.Known(true, "") })
	}},
}

func proxied(f *facts.Facts, outcome facts.Outcome, status int) {
	f.Agent.ServiceProxy = facts.Known(facts.Proxy{HTTPS: "http://10.0.0.5:3128", No: "169.254.169.254", From: "process environment"}, "")
	f.Network.Proxy = facts.Known(facts.ProxyProbe{URL: "http://10.0.0.5:3128", Variable: "https_proxy", Host: "10.0.0.5", Port: 3128, Outcome: outcome, Status: status, Error: string(outcome)}, "")
	if outcome == "not-tls" {
		f.Network.Proxy.Value.URL = "https://10.0.0.5:3128"
	}
	for i := range f.Network.Endpoints.Value {
		e := &f.Network.Endpoints.Value[i]
		e.Proxy = facts.Connect{Used: true, Status: status, Outcome: outcome, Error: string(outcome)}
		e.TCP = nil
		e.TLS, e.HTTP, e.WebSocket = facts.Absent[facts.TLS]("no tunnel", ""), facts.Absent[facts.HTTP]("no tunnel", ""), facts.Absent[facts.HTTP]("no tunnel", "")
	}
	f.Network.Skew = facts.Absent[float64]("no answer", "")
}

func drop(list []facts.Match, ids ...string) []facts.Match {
	var out []facts.Match
	for _, m := range list {
		if !contains(ids, m.ID) {
			out = append(out, m)
		}
	}
	return out
}

func TestHealthyHosts(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"profile", "dhmc", "hybrid"} {
		a := judge(factstest.Healthy(t, kind))
		if a.State != Managed || a.Root != nil || len(a.Also) != 0 || a.LastPing.IsZero() {
			t.Errorf("%s: %s, root %+v, also %+v", kind, a.State, a.Root, a.Also)
		}
	}
}

func TestEveryCauseIsNamed(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, c := range causeCases {
		covered[c.cause] = true
		t.Run(c.cause, func(t *testing.T) {
			t.Parallel()
			f := factstest.Healthy(t, c.kind)
			c.fault(f)
			a := judge(f)
			got := a.Root
			if c.also {
				if a.Root != nil || a.State != Managed || len(a.Also) != 1 {
					t.Fatalf("state %s, root %+v, also %d", a.State, a.Root, len(a.Also))
				}
				got = &a.Also[0]
			}
			if got == nil {
				t.Fatalf("no cause; state %s, also %v", a.State, ids(a.Also))
			}
			if got.Cause.ID != c.cause || got.Severity != c.severity {
				t.Errorf("got %s (%s, by %s: %s), also %v", got.Cause.ID, got.Severity, got.Check, got.Summary, ids(a.Also))
			}
			for _, n := range a.Also {
				if n.Severity == causes.Critical {
					t.Errorf("a single fault has a second critical cause: %s (%s)", n.Cause.ID, n.Summary)
				}
			}
			if len(got.Evidence) == 0 || len(got.Fix) == 0 || got.Summary.IsZero() {
				t.Errorf("evidence %d, steps %d, summary %q", len(got.Evidence), len(got.Fix), got.Summary)
			}
			want := map[causes.Severity]State{causes.Critical: NotManaged, causes.Warning: Degraded, causes.Info: NotManaged}[c.severity]
			if got.Effect == checks.Ends {
				want = Degraded // until it ends
			}
			if !c.also && a.State != want {
				t.Errorf("state %s, want %s", a.State, want)
			}
		})
	}
	for _, c := range causes.All() {
		if !covered[c.ID] && c.Unseen == "" {
			t.Errorf("no host shows %s", c.ID)
		}
	}
}

func ids(list []Named) []string {
	var out []string
	for _, n := range list {
		out = append(out, n.Cause.ID+"/"+string(n.Severity))
	}
	return out
}
