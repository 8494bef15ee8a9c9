package node

import (
	"net/netip"
	"slices"
	"strings"

	"ssm-doctor/checks/facts"
)

// RuleHits reports whether a firewall rule is for packets to an address that leave
// by an interface. One for certain interfaces is not said to hit where the
// interface is not known.
func RuleHits(r facts.FirewallRule, address, iface string) bool {
	if len(r.To) > 0 {
		a, err := netip.ParseAddr(address)
		if err != nil || slices.ContainsFunc(r.To, func(to string) bool { return facts.Holds(to, a) }) == r.NotTo {
			return false
		}
	}
	if len(r.Out) == 0 {
		return true
	}
	return iface != "" && slices.ContainsFunc(r.Out, func(out string) bool {
		stem := strings.TrimRight(out, "*+")
		return out == iface || stem != out && strings.HasPrefix(iface, stem)
	}) != r.NotOut
}
