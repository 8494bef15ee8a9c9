package firewall

import (
	"slices"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// parseIptables reads the output of iptables-save (IPv4).
func parseIptables(b []byte) []facts.FirewallRule {
	var chains []*chain
	byName := map[string]*chain{}
	table, rules := "", 0
	get := func(name string) *chain {
		if c := byName[name]; c != nil {
			return c
		}
		if len(chains) >= maxChains {
			return nil
		}
		c := &chain{table: table, name: gather.OneLine(name, 100), output: name == "OUTPUT"}
		byName[name] = c
		chains = append(chains, c)
		return c
	}
	gather.Lines(b, func(l []byte) bool {
		s := strings.TrimSpace(string(l))
		f := strings.Fields(s)
		switch {
		case strings.HasPrefix(s, "*"):
			table, byName = gather.OneLine(s[1:], 50), map[string]*chain{}
		case strings.HasPrefix(s, ":") && len(f) >= 2:
			if c := get(f[0][1:]); c != nil {
				c.policy = strings.ToLower(f[1])
			}
		case len(f) > 2 && f[0] == "-A":
			if c := get(f[1]); c != nil {
				if rules++; rules <= maxChainRules {
					c.rules = append(c.rules, iptablesRule(s, f[2:]))
				}
			}
		}
		return true
	})
	return blocking(chains)
}

// iptablesRule reads one rule; f are its words after the chain.
func iptablesRule(s string, f []string) fwRule {
	r := fwRule{text: gather.OneLine(s, 300)}
	not := false
	for i := 0; i < len(f); i++ {
		val := ""
		if i+1 < len(f) {
			val = f[i+1]
		}
		list := strings.Split(val, ",")
		switch f[i] {
		case "!":
			not = true
			continue
		case "-d", "--destination":
			r.dst, r.dstNot = prefixes(list), not
			if r.dst == nil {
				r.other = true
			} else {
				r.to, r.toNot = list, not
			}
		case "-p", "--protocol":
			if not {
				r.never = r.never || val == "tcp"
			} else if val != "all" {
				r.proto = val
			}
		case "--dport", "--dports", "--destination-port":
			r.ports, r.portNot = ports(list), not
			if r.ports == nil {
				r.other = true
			}
		case "--uid-owner":
			root := val == "0" || val == "root" || strings.HasPrefix(val, "0-")
			r.never = r.never || root == not
		case "--ctstate", "--state":
			r.never = r.never || slices.Contains(list, "NEW") == not
		case "-o", "--out-interface":
			if val == "lo" {
				r.never = r.never || !not
			} else {
				r.out, r.outNot = list, not
			}
		case "-m", "--match", "--reject-with", "--comment", "--log-prefix", "--log-level":
			// A comment may have several words.
			if strings.HasPrefix(val, `"`) && (len(val) == 1 || !strings.HasSuffix(val, `"`)) {
				for i+2 < len(f) && !strings.HasSuffix(f[i+2], `"`) {
					i++
				}
				i++
			}
		case "-j", "--jump", "-g", "--goto":
			switch val {
			case "ACCEPT", "DROP", "REJECT", "RETURN":
				r.verdict = strings.ToLower(val)
			case "LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS":
			default:
				r.verdict, r.target = "jump", val
			}
		default:
			r.other = true
			not = false
			continue
		}
		not = false
		i++
	}
	return r
}
