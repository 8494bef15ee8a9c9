package sim_test

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

// loneFaults are faults that others hide, so that no rule says what a host with
// two of them gets.
var loneFaults = append([]fault{
	{"stopped-long-after-denial", "agent-service-stopped", "critical", "profile", func(s *sim.Scenario) {
		ends(s, sim.Unit{Active: "inactive", Since: sim.Duration(3 * time.Hour)})
		s.Log = nil
		s.Host.SELinux = true
		s.Host.Audit = []string{`type=AVC msg=audit(1700000000.123:456): avc:  denied  { execute } for  pid=811 comm="(ssm-agent)" path="/usr/bin/amazon-ssm-agent" dev="nvme0n1p1" ino=42 scontext=system_u:system_r:init_t:s0 tcontext=unconfined_u:object_r:user_tmp_t:s0 tclass=file permissive=0`}
	}, nil},
	{"service-domain", "agent-config-invalid", "critical", "profile", func(s *sim.Scenario) {
		s.Agent.Config = `{"Agent": {"ServiceDomain": "internal.example"}}`
		broken(s, "dial tcp: lookup ssm.{region}.internal.example: no such host")
	}, nil},
	{"order-without-hybrid", "agent-config-invalid", "critical", "hybrid", func(s *sim.Scenario) {
		sim.NoIdentity(s, "failed to get identity instance id. Error: RequestError: send request failed")
		s.Agent.Config = `{"Identity": {"ConsumptionOrder": ["EC2"]}}`
	}, nil},
	{"order-without-ec2", "agent-config-invalid", "critical", "profile", func(s *sim.Scenario) {
		sim.NoIdentity(s, "")
		s.Agent.Config = `{"Identity": {"ConsumptionOrder": ["OnPrem"]}}`
	}, nil},
	{"order-without-registration", "hybrid-not-registered", "critical", "hybrid", func(s *sim.Scenario) {
		sim.NoIdentity(s, "")
		s.Agent.Hybrid, s.Agent.Config = false, `{"Identity": {"ConsumptionOrder": ["OnPrem"]}}`
	}, nil},
	{"firewall-other-destination", "network-no-egress", "critical", "profile", firewall("-A OUTPUT -d 203.0.113.0/24 -p tcp -m tcp --dport 443 -j DROP"), nil},
	{"firewall-other-interface", "network-no-egress", "critical", "profile", firewall("-A OUTPUT -o tun+ -p tcp -m tcp --dport 443 -j DROP"), nil},
	{"firewall-jump-for-others", "network-no-egress", "critical", "profile", firewall("-A OUTPUT -d 203.0.113.0/24 -j BLOCK\n-A BLOCK -j DROP"), nil},
	{"firewall-range", "host-firewall-egress", "critical", "profile", firewall("-A OUTPUT -d 52.0.0.0/8 -o eth+ -p tcp -m tcp --dport 443 -j DROP"), nil},
	{"firewall-second-jump", "host-firewall-egress", "critical", "profile", firewall("-A OUTPUT -d 203.0.113.0/24 -j BLOCK\n-A OUTPUT -o eth0 -j BLOCK\n-A BLOCK -j DROP"), nil},
}, append(hostsFaults, obstacleFaults...)...)

// firewall is a host whose packets for the endpoints are lost, with a rule that
// may or may not be the reason.
func firewall(rules string) func(*sim.Scenario) {
	return func(s *sim.Scenario) {
		s.Host.Firewall, s.Host.Rules = "iptables", "*filter\n:OUTPUT ACCEPT [0:0]\n:BLOCK - [0:0]\n"+rules+"\nCOMMIT\n"
		s.Endpoints = all(sim.Endpoint{TCP: "timeout"})
		broken(s, timeout)
	}
}

func TestLoneFaults(t *testing.T) {
	t.Parallel()
	for _, f := range loneFaults {
		s := bases[f.base]()
		s.Now = now
		f.put(&s)
		r, _ := examine(t, s)
		if id, severity := answer(r); id != f.cause || severity != f.severity {
			t.Errorf("%s: got %s %s, want %s %s: %s", f.name, severity, id, f.severity, f.cause, r.Summary)
		}
	}
}

// What fails for this program need not fail for the agent.
func TestAgentsOwnWay(t *testing.T) {
	t.Parallel()
	dual := func(s *sim.Scenario) {
		s.IPv6, s.Agent.Version, s.Agent.Config = true, "3.3.3572.0", `{"Agent": {"UseDualStackEndpoint": true}}`
	}
	for name, c := range map[string]struct {
		uid int
		put func(*sim.Scenario)
	}{
		"metadata refused to users": {1000, func(s *sim.Scenario) { s.IMDS.Mode = "refuse" }},
		"metadata barred to users":  {1000, func(s *sim.Scenario) { s.IMDS.Mode = "not-permitted" }},
		"metadata silent to users":  {1000, func(s *sim.Scenario) { s.IMDS.Mode = "absent" }},
		"443 barred to users":       {1000, func(s *sim.Scenario) { s.Endpoints = all(sim.Endpoint{TCP: "not-permitted"}) }},
		"443 silent to users":       {1000, func(s *sim.Scenario) { s.Endpoints = all(sim.Endpoint{TCP: "timeout"}) }},
		"names silent to users":     {1000, func(s *sim.Scenario) { s.Endpoints = all(sim.Endpoint{DNS: "timeout"}) }},
		"dual-stack, IPv4 closed":   {0, func(s *sim.Scenario) { dual(s); s.Endpoints = all(sim.Endpoint{TCP: "timeout"}) }},
		"dual-stack, IPv6 only":     {0, func(s *sim.Scenario) { dual(s); s.NoIPv4 = true }},
	} {
		s := bases["profile"]()
		s.Now, s.UID = now, c.uid
		c.put(&s)
		r, _ := examine(t, s)
		want := report.Unknown
		if c.uid == 0 { // who reads the log sees the heartbeat
			want = report.Managed
		}
		if r.State != want || r.RootCause != nil {
			id, severity := answer(r)
			t.Errorf("%s: %s, %s %s: %s", name, r.State, severity, id, r.Summary)
		}
	}
}

// What a remedy or a sentence must say, and must not, beyond its cause.
func TestWording(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		put         func(*sim.Scenario)
		says, never string
	}{
		"expired certificate":         {func(s *sim.Scenario) { s.Endpoints = all(sim.Endpoint{TLS: "expired"}); broken(s, "x509") }, "Renew it", "trust store"},
		"certificate of another name": {func(s *sim.Scenario) { s.Endpoints = all(sim.Endpoint{TLS: "wrong-name"}); broken(s, "x509") }, "Correct the DNS record", "trust store"},
		"proxy in capitals": {func(s *sim.Scenario) {
			throughProxy(s, "", sim.Proxy{Address: "10.0.4.8", Connect: 407})
			s.Agent.Environment = map[string]string{"HTTPS_PROXY": "http://proxy.corp.example:3128", "NO_PROXY": "169.254.169.254"}
			broken(s, "Proxy Authentication Required")
		}, "HTTPS_PROXY holds none", "https_proxy holds"},
		"six minutes": {func(s *sim.Scenario) { s.Skew = -345 }, "345 s ahead of", "5 min ahead of"},
		"no_proxy": {func(s *sim.Scenario) {
			throughProxy(s, "http://proxy.corp.example:3128", sim.Proxy{Address: "10.0.4.8"})
			s.Agent.Environment["no_proxy"] = "10.0.0.0/8, .amazonaws.com"
			broken(s, timeout)
		}, `no_proxy=10.0.0.0/8,169.254.169.254,fd00:ec2::254"`, "NO_PROXY"},
	} {
		s := bases["profile"]()
		s.Now = now
		c.put(&s)
		r, _ := examine(t, s)
		text := r.Summary.String()
		if r.RootCause != nil {
			for _, f := range r.RootCause.Fix {
				text += "\n" + f.Text.String() + ": " + f.Command.String()
			}
		}
		if !strings.Contains(text, c.says) || strings.Contains(text, c.never) {
			t.Errorf("%s: want %q and not %q:\n%s", name, c.says, c.never, text)
		}
	}
}

func TestManagedIsSaidOnce(t *testing.T) {
	t.Parallel()
	for _, f := range faults() {
		if f.cause != "iam-missing-feature-action" {
			continue
		}
		s := bases[f.base]()
		s.Now = now
		f.put(&s)
		if r, _ := examine(t, s, f.probes...); strings.Count(r.Summary.String(), "managed") > 1 {
			t.Errorf("%s: %s", f.name, r.Summary)
		}
	}
}
