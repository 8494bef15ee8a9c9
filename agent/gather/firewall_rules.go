package gather

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ssm-doctor/checks/facts"
)

// parseNft reads the output of nft list ruleset.
func parseNft(b []byte) []facts.FirewallRule {
	var chains []*chain
	var cur *chain
	table, rules, depth := "", 0, 0
	lines(b, func(l []byte) bool {
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
				cur = &chain{table: oneLine(table, 100), name: oneLine(f[1], 100)}
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
	r := fwRule{text: oneLine(s, 300)}
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

// prefixes reads addresses, prefixes and ranges; a range counts as the
// prefixes of its ends and of the metadata address when it lies between.
func prefixes(vals []string) []netip.Prefix {
	var out []netip.Prefix
	for _, v := range vals {
		if p, err := netip.ParsePrefix(v); err == nil {
			out = append(out, p.Masked())
			continue
		}
		if a, err := netip.ParseAddr(v); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		lo, hi, ok := strings.Cut(v, "-")
		a, err := netip.ParseAddr(lo)
		b, err2 := netip.ParseAddr(hi)
		if !ok || err != nil || err2 != nil {
			continue
		}
		out = append(out, netip.PrefixFrom(a, a.BitLen()), netip.PrefixFrom(b, b.BitLen()))
		if a.Compare(imdsIP) <= 0 && imdsIP.Compare(b) <= 0 {
			out = append(out, netip.PrefixFrom(imdsIP, 32))
		}
	}
	return out
}

var portNames = map[string]int{"http": 80, "https": 443, "domain": 53, "ssh": 22}

// ports reads numbers, ranges and the common names.
func ports(vals []string) [][2]int {
	var out [][2]int
	num := func(s string) (int, bool) {
		if n, ok := portNames[s]; ok {
			return n, true
		}
		n, err := strconv.Atoi(s)
		return n, err == nil && n >= 0 && n <= 65535
	}
	for _, v := range vals {
		lo, hi, ok := strings.Cut(strings.ReplaceAll(v, ":", "-"), "-")
		if !ok {
			hi = lo
		}
		a, ok1 := num(lo)
		b, ok2 := num(hi)
		if ok1 && ok2 {
			out = append(out, [2]int{a, b})
		}
	}
	return out
}

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
		c := &chain{table: table, name: oneLine(name, 100), output: name == "OUTPUT"}
		byName[name] = c
		chains = append(chains, c)
		return c
	}
	lines(b, func(l []byte) bool {
		s := strings.TrimSpace(string(l))
		f := strings.Fields(s)
		switch {
		case strings.HasPrefix(s, "*"):
			table, byName = oneLine(s[1:], 50), map[string]*chain{}
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
	r := fwRule{text: oneLine(s, 300)}
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
