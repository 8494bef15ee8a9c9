package node

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestRuleHits(t *testing.T) {
	t.Parallel()
	const imds = "169.254.169.254"
	for _, c := range []struct {
		name           string
		rule           facts.FirewallRule
		address, iface string
		want           bool
	}{
		{"for all", facts.FirewallRule{}, imds, "eth0", true},
		{"for all, interface not known", facts.FirewallRule{}, imds, "", true},
		{"address", facts.FirewallRule{To: []string{imds}}, imds, "eth0", true},
		{"another address", facts.FirewallRule{To: []string{"169.254.169.253"}}, imds, "eth0", false},
		{"prefix", facts.FirewallRule{To: []string{"10.0.0.0/8", "169.254.0.0/16"}}, imds, "eth0", true},
		{"another prefix", facts.FirewallRule{To: []string{"169.254.170.0/24"}}, imds, "eth0", false},
		{"range", facts.FirewallRule{To: []string{"169.254.169.250-169.254.169.255"}}, imds, "eth0", true},
		{"end of a range", facts.FirewallRule{To: []string{"169.254.169.250-169.254.169.254"}}, imds, "eth0", true},
		{"before a range", facts.FirewallRule{To: []string{"169.254.169.255-169.254.170.0"}}, imds, "eth0", false},
		{"all but the address", facts.FirewallRule{To: []string{imds}, NotTo: true}, imds, "eth0", false},
		{"all but another", facts.FirewallRule{To: []string{"10.0.0.0/8"}, NotTo: true}, imds, "eth0", true},
		{"address not known", facts.FirewallRule{To: []string{imds}}, "", "eth0", false},
		{"address not known, all but one", facts.FirewallRule{To: []string{"10.0.0.1"}, NotTo: true}, "", "eth0", false},
		{"a name of a set", facts.FirewallRule{To: []string{"@blocked"}}, imds, "eth0", false},
		{"IPv6", facts.FirewallRule{To: []string{"fd00:ec2::/32"}}, "fd00:ec2::254", "eth0", true},
		{"interface", facts.FirewallRule{Out: []string{"eth0"}}, imds, "eth0", true},
		{"another interface", facts.FirewallRule{Out: []string{"eth1"}}, imds, "eth0", false},
		{"interfaces of a stem", facts.FirewallRule{Out: []string{"eth*"}}, imds, "eth0", true},
		{"interfaces of a stem, iptables", facts.FirewallRule{Out: []string{"eth+"}}, imds, "eth0", true},
		{"a stem is not a name", facts.FirewallRule{Out: []string{"eth"}}, imds, "eth0", false},
		{"all but the interface", facts.FirewallRule{Out: []string{"eth0"}, NotOut: true}, imds, "eth0", false},
		{"all but another interface", facts.FirewallRule{Out: []string{"lo"}, NotOut: true}, imds, "eth0", true},
		{"interface not known", facts.FirewallRule{Out: []string{"eth0"}}, imds, "", false},
		{"interface not known, all but one", facts.FirewallRule{Out: []string{"lo"}, NotOut: true}, imds, "", false},
		{"address and interface", facts.FirewallRule{To: []string{imds}, Out: []string{"eth1"}}, imds, "eth0", false},
	} {
		if got := RuleHits(c.rule, c.address, c.iface); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
