package firewall

import (
	"slices"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// parseNft reads the output of nft list ruleset.
func parseNft(b []byte) []facts.FirewallRule {
	var chains []*chain
	var cur *chain
	table, rules, depth := "", 0, 0
	gather.Lines(b, func(l []byte) bool {
		s := strings.TrimSpace(string(l))
		s, _, _ = strings.Cut(s, " # handle")
		if strings.HasPrefix(s, "#") || s == "" {
			return true
		}
		if s == "}" {
			if depth--; depth <= 1 {
				cur = nil
			}
			return true
		}
		if name, ok := strings.CutSuffix(s, " {"); ok {
			depth++
			f := strings.Fields(name)
			switch {
			case len(f) == 3 && f[0] == "table":
				table, depth, cur = f[1]+" "+f[2], 1, nil
			case len(f) == 2 && f[0] == "chain" && len(chains) < maxChains:
				cur = &chain{table: gather.OneLine(table, 100), name: gather.OneLine(f[1], 100)}
				chains = append(chains, cur)
			}
			return true
		}
		if cur == nil {
			return true
		}
		if strings.HasPrefix(s, "type ") {
			// IPv6-only, bridge and netdev tables cannot stop IPv4.
			cur.output = strings.Contains(s, "hook output") && (strings.HasPrefix(table, "ip ") || strings.HasPrefix(table, "inet "))
			if strings.Contains(s, "policy drop") {
				cur.policy = "drop"
			}
			return true
		}
		if rules++; rules <= maxChainRules {
			cur.rules = append(cur.rules, nftRule(s))
		}
		return true
	})
	return blocking(chains)
}

// nftRule reads one rule.
func nftRule(s string) fwRule {
	r := fwRule{text: gather.OneLine(s, 300)}
	f := nftFields(s)
	next := func(i int) (vals []string, not bool, to int) {
		i++
		if i < len(f) && (f[i] == "!=" || f[i] == "==") {
			not = f[i] == "!="
			i++
		}
		if i < len(f) {
			if f[i] == "{" {
				for i++; i < len(f) && f[i] != "}"; i++ {
					vals = append(vals, f[i])
				}
			} else {
				vals = []string{f[i]}
			}
		}
		return vals, not, i
	}
	for i := 0; i < len(f); i++ {
		w := f[i]
		two := w
		if i+1 < len(f) {
			two = w + " " + f[i+1]
		}
		switch {
		case two == "ip daddr":
			vals, not, to := next(i + 1)
			r.dst, r.dstNot = prefixes(vals), not
			r.to, r.toNot = vals, not
			if len(r.dst) == 0 {
				r.dst, r.to, r.other = nil, nil, true // a named set
			}
			i = to
		case two == "tcp dport", two == "th dport":
			vals, not, to := next(i + 1)
			if w == "tcp" {
				r.proto = "tcp"
			}
			r.ports, r.portNot = ports(vals), not
			if len(r.ports) == 0 {
				r.ports, r.other = nil, true
			}
			i = to
		case w == "udp", w == "icmp", w == "icmpv6", w == "ip6", w == "arp":
			r.never = true
		case two == "ip protocol", two == "meta l4proto":
			vals, not, to := next(i + 1)
			if (slices.Contains(vals, "tcp") || slices.Contains(vals, "6")) == not {
				r.never = true
			}
			i = to
		case two == "meta nfproto":
			vals, not, to := next(i + 1)
			r.never = r.never || slices.Contains(vals, "ipv4") == not
			i = to
		case two == "ct state":
			vals, not, to := next(i + 1)
			states := strings.Split(strings.Join(vals, ","), ",")
			if slices.Contains(states, "new") == not {
				r.never = true
			}
			i = to
		case two == "meta skuid", w == "skuid":
			at := i
			if w == "meta" {
				at++
			}
			vals, not, to := next(at)
			if (slices.Contains(vals, "0") || slices.Contains(vals, "root")) == not {
				r.never = true
			}
			i = to
		case w == "oif", w == "oifname", two == "meta oifname", two == "meta oif":
			at := i
			if w == "meta" {
				at++
			}
			vals, not, to := next(at)
			for i, v := range vals {
				vals[i] = strings.Trim(v, `"`)
			}
			if len(vals) == 1 && vals[0] == "lo" {
				r.never = r.never || !not
			} else {
				r.out, r.outNot = vals, not
			}
			i = to
		case w == "counter":
			for i+2 < len(f) && (f[i+1] == "packets" || f[i+1] == "bytes") {
				i += 2
			}
		case w == "log":
			for i+2 < len(f) && (f[i+1] == "prefix" || f[i+1] == "level" || f[i+1] == "flags" || f[i+1] == "group") {
				i += 2
			}
		case w == "comment":
			i++
		case w == "accept", w == "drop":
			r.verdict = w
		case w == "reject":
			r.verdict = w
			i = len(f)
		case w == "return":
			r.verdict = w
		case w == "jump", w == "goto":
			if i+1 < len(f) {
				r.verdict, r.target = "jump", f[i+1]
				i++
			}
		default:
			r.other = true
		}
	}
	return r
}

// nftFields splits a rule into words; a quoted text is one word, braces and
// commas of a set are separated.
func nftFields(s string) []string {
	var out []string
	for i := 0; i < len(s) && len(out) < 500; {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == ',' && i+1 < len(s) && s[i+1] == ' ':
			i++
		case c == '{' || c == '}':
			out = append(out, string(c))
			i++
		case c == '"':
			j := strings.IndexByte(s[i+1:], '"')
			if j < 0 {
				return append(out, s[i:])
			}
			out = append(out, s[i:i+j+2])
			i += j + 2
		default:
			j := i
			for j < len(s) && s[j] != ' ' && s[j] != '\t' && s[j] != '{' && s[j] != '}' {
				j++
			}
			out = append(out, strings.TrimSuffix(s[i:j], ","))
			i = j
		}
	}
	return out
}
