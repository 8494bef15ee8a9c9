package opsys

import (
	"net/netip"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// Where the rules of the name resolution policy table are. Those of a group policy put
// the local ones out of force.
// Source: Microsoft, [MS-GPNRPT] 2.2.2.
var nrptKeys = []string{`SOFTWARE\Policies\Microsoft\Windows NT\DNSClient\DnsPolicyConfig`, `SYSTEM\CurrentControlSet\Services\Dnscache\Parameters\DnsPolicyConfig`}

// nrptServers are the servers that a rule of Windows has it ask for the names of AWS; false:
// there is no such rule.
func nrptServers(w *gather.Windows) (servers []string, from string, ok bool) {
	if w.Keys == nil {
		return nil, "", false
	}
	for _, key := range nrptKeys {
		rules := w.Keys(key)
		width := -1
		for _, rule := range rules.Some() {
			at := key + `\` + rule
			options := first(w.Strings(at, "ConfigOptions"))
			n, err := strconv.ParseUint(options, 10, 32)
			const generic = 8
			if err != nil || n&generic == 0 {
				continue
			}
			list := parseServers(first(w.Strings(at, "GenericDNSServers")))
			if d := nrptWidth(w.Strings(at, "Name").Some()); d > width && len(list) > 0 {
				width, servers, from, ok = d, list, gather.RegistryURL(at), true
			}
		}
		if len(rules.Some()) > 0 {
			return servers, from, ok
		}
	}
	return nil, "", false
}

func first(s facts.Seen[[]string]) string {
	if list := s.Some(); len(list) > 0 {
		return list[0]
	}
	return ""
}

// nrptWidth is the length of the longest suffix in names that the names of AWS have; -1:
// none. A name without a dot before it is a host, or a prefix.
func nrptWidth(names []string) int {
	width := -1
	for _, n := range names {
		if d, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(n)), "."); ok && coversAWS(d) {
			width = max(width, len(d))
		}
	}
	return width
}

// parseServers reads addresses between semicolons.
func parseServers(s string) []string {
	var out []string
	for v := range strings.SplitSeq(s, ";") {
		if a, err := netip.ParseAddr(strings.TrimSpace(v)); err == nil && len(out) < 10 {
			out = append(out, a.WithZone("").String())
		}
	}
	return out
}
