package checks

import (
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// A rule of this host's own firewall that stops queries, or answers, is named, and not who
// is beyond it; the step lets through what the agent needs and no more.
func TestBlameFirewall(t *testing.T) {
	t.Parallel()
	rules := func(tool string, r ...facts.FirewallRule) func(*facts.Facts) {
		return func(f *facts.Facts) { f.Host.Firewall = facts.Known(facts.Firewall{Tool: tool, Rules: r}, tool) }
	}
	names := func(server string, end facts.Outcome, says string) func(*facts.Facts) {
		return func(f *facts.Facts) {
			f.Host.Resolver = facts.Known(facts.Resolver{Servers: []string{server}}, "file:///etc/resolv.conf")
			for i := range f.Network.Endpoints.Value {
				f.Network.Endpoints.Value[i].DNS = facts.DNS{Outcome: end, Error: says, Server: server}
				f.Network.Endpoints.Value[i].TCP = nil
			}
		}
	}
	closed := func(end facts.Outcome) func(*facts.Facts) {
		return func(f *facts.Facts) {
			for i := range f.Network.Endpoints.Value {
				for j := range f.Network.Endpoints.Value[i].TCP {
					f.Network.Endpoints.Value[i].TCP[j].Outcome = end
				}
			}
		}
	}
	queries, answers := facts.FirewallRule{Table: "filter", Chain: "OUTPUT", Text: "-A OUTPUT -p udp --dport 53 -j DROP", Action: "drop", DNS: true},
		facts.FirewallRule{Table: "inet f", Chain: "in", Text: "udp sport 53 drop", Action: "drop", DNS: true, Hook: "input"}
	https := facts.FirewallRule{Table: "filter", Chain: "INPUT", Text: "policy drop", Action: "drop", Policy: true, HTTPS: true, IMDS: true, DNS: true, Hook: "input"}
	raw := facts.FirewallRule{Table: "raw", Chain: "PREROUTING", Text: "-A PREROUTING -p tcp --sport 443 -j DROP", Action: "drop", HTTPS: true, Hook: "prerouting"}
	for name, c := range map[string]struct {
		check      *Check
		set, fault func(*facts.Facts)
		cause, fix string
	}{
		"queries are refused":                  {Dns, rules("iptables", queries), names("10.0.0.2", facts.NotPermitted, "operation not permitted"), "host-firewall-egress", "iptables -I OUTPUT 1 -d 10.0.0.2 -p udp --dport 53 -j ACCEPT"},
		"queries of a local resolver":          {Dns, rules("iptables", queries), names("127.0.0.53", facts.ServFail, "server misbehaving"), "host-firewall-egress", "--dport 53 -j ACCEPT"},
		"a rule for queries, and a plain no":   {Dns, rules("iptables", queries), names("10.0.0.2", facts.NXDomain, "no such host"), "dns-resolution-failed", ""},
		"a rule for queries that are answered": {Dns, rules("iptables", queries), func(*facts.Facts) {}, "", ""},
		"another resolver's rule": {Dns, rules("iptables", facts.FirewallRule{Table: "filter", Chain: "OUTPUT", Action: "reject", DNS: true, To: []string{"10.9.9.9"}}),
			names("10.0.0.2", facts.Refused, "connection refused"), "dns-resolution-failed", ""},
		"answers of a resolver":   {Dns, rules("nft", answers), names("10.0.0.2", facts.Timeout, "i/o timeout"), "host-firewall-egress", "nft insert rule inet f in ip saddr 10.0.0.2 udp sport 53 ct state established accept"},
		"answers of endpoints":    {NetworkEgress, rules("iptables", https), closed(facts.Timeout), "host-firewall-egress", "iptables -I INPUT 1 -p tcp --sport 443 -m conntrack --ctstate ESTABLISHED -j ACCEPT"},
		"before connections":      {NetworkEgress, rules("iptables", raw), closed(facts.Timeout), "host-firewall-egress", "iptables -t raw -I PREROUTING 1 -p tcp --sport 443 -j ACCEPT"},
		"who answers no is heard": {NetworkEgress, rules("iptables", https), closed(facts.Refused), "network-no-egress", ""},
	} {
		f := factstest.Healthy(t, "profile")
		c.set(f)
		c.fault(f)
		fd := c.check.Judge(node.Of(f))
		fix := ""
		for _, s := range fd.Fix {
			fix += s.Command + "\n"
		}
		if fd.Cause != c.cause || !strings.Contains(fix, c.fix) {
			t.Errorf("%s: %q: %s\n%s", name, fd.Cause, fd.Summary, fix)
		}
	}
}
