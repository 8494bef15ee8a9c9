package firewall

import (
	"slices"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// parseNft reads the output of nft list ruleset.
func parseNft(b []byte) []facts.FirewallRule {
	var p nftParser
	gather.Lines(b, func(l []byte) bool {
		s, _, _ := strings.Cut(strings.TrimSpace(string(l)), " # handle")
		if s != "" && !strings.HasPrefix(s, "#") {
			p.line(s)
		}
		return true
	})
	return blocking(p.chains)
}

// nftParser collects chains from the lines of a rule set.
type nftParser struct {
	chains []*chain
	cur    *chain
	table  string
	rules  int
	depth  int
}

func (p *nftParser) line(s string) {
	if s == "}" {
		if p.depth--; p.depth <= 1 {
			p.cur = nil
		}
		return
	}
	if name, ok := strings.CutSuffix(s, " {"); ok {
		p.open(strings.Fields(name))
		return
	}
	if p.cur == nil {
		return
	}
	if strings.HasPrefix(s, "type ") {
		// IPv6-only, bridge and netdev tables cannot stop IPv4.
		p.cur.output = strings.Contains(s, "hook output") && (strings.HasPrefix(p.table, "ip ") || strings.HasPrefix(p.table, "inet "))
		if strings.Contains(s, "policy drop") {
			p.cur.policy = "drop"
		}
		return
	}
	if p.rules++; p.rules <= maxChainRules {
		p.cur.rules = append(p.cur.rules, nftRule(s))
	}
}

// open enters the block that the words name.
func (p *nftParser) open(f []string) {
	p.depth++
	switch {
	case len(f) == 3 && f[0] == "table":
		p.table, p.depth, p.cur = f[1]+" "+f[2], 1, nil
	case len(f) == 2 && f[0] == "chain" && len(p.chains) < maxChains:
		p.cur = &chain{table: gather.OneLine(p.table, 100), name: gather.OneLine(f[1], 100)}
		p.chains = append(p.chains, p.cur)
	}
}

// nftMatches are the conditions that are understood, by their words.
var nftMatches = map[string]func(r *fwRule, vals []string, not bool){
	"ip daddr": (*fwRule).toAddresses,
	"tcp dport": func(r *fwRule, vals []string, not bool) {
		r.proto = "tcp"
		r.toPorts(vals, not)
	},
	"th dport":     (*fwRule).toPorts,
	"ip protocol":  nftProtocol,
	"meta l4proto": nftProtocol,
	"meta nfproto": func(r *fwRule, vals []string, not bool) { r.onlyIf(slices.Contains(vals, "ipv4"), not) },
	"ct state": func(r *fwRule, vals []string, not bool) {
		r.onlyIf(slices.Contains(strings.Split(strings.Join(vals, ","), ","), "new"), not)
	},
	"skuid": nftUser, "meta skuid": nftUser,
	"oif": nftInterface, "oifname": nftInterface, "meta oif": nftInterface, "meta oifname": nftInterface,
}

func nftProtocol(r *fwRule, vals []string, not bool) {
	r.onlyIf(slices.Contains(vals, "tcp") || slices.Contains(vals, "6"), not)
}

func nftUser(r *fwRule, vals []string, not bool) {
	r.onlyIf(slices.Contains(vals, "0") || slices.Contains(vals, "root"), not)
}

func nftInterface(r *fwRule, vals []string, not bool) {
	for i, v := range vals {
		vals[i] = strings.Trim(v, `"`)
	}
	r.throughInterfaces(vals, not)
}

// nftOptions are words that take a value, by the statement they belong to.
var nftOptions = map[string][]string{"counter": {"packets", "bytes"}, "log": {"prefix", "level", "flags", "group"}}

// nftRule reads one rule.
func nftRule(s string) fwRule {
	r := fwRule{text: gather.OneLine(s, 300)}
	for f := nftFields(s); len(f) > 0; {
		if match, rest := nftMatch(f); match != nil {
			vals, not, rest := nftValues(rest)
			match(&r, vals, not)
			f = rest
			continue
		}
		f = nftStatement(&r, f[0], f[1:])
	}
	return r
}

// nftMatch is the condition that words begin with, and the words after its name.
func nftMatch(f []string) (match func(*fwRule, []string, bool), rest []string) {
	if len(f) > 1 {
		if m := nftMatches[f[0]+" "+f[1]]; m != nil {
			return m, f[2:]
		}
	}
	return nftMatches[f[0]], f[1:]
}

// nftValues reads the value of a condition, one word or a set, with the operator
// before it.
func nftValues(f []string) (vals []string, not bool, rest []string) {
	if len(f) > 0 && (f[0] == "!=" || f[0] == "==") {
		not, f = f[0] == "!=", f[1:]
	}
	if len(f) == 0 {
		return nil, not, nil
	}
	if f[0] != "{" {
		return []string{f[0]}, not, f[1:]
	}
	end := slices.Index(f, "}")
	if end < 0 {
		return append([]string(nil), f[1:]...), not, nil
	}
	return append([]string(nil), f[1:end]...), not, f[end+1:]
}

// nftStatement reads a word that is no condition and returns the words after what
// belongs to it.
func nftStatement(r *fwRule, word string, rest []string) []string {
	switch word {
	case "udp", "icmp", "icmpv6", "ip6", "arp":
		r.never = true
	case "counter", "log":
		for len(rest) > 1 && slices.Contains(nftOptions[word], rest[0]) {
			rest = rest[2:]
		}
	case "comment":
		return rest[min(1, len(rest)):]
	case "accept", "drop", "return":
		r.verdict = word
	case "reject":
		r.verdict = word
		return nil // how it is refused does not matter
	case "jump", "goto":
		if len(rest) > 0 {
			r.verdict, r.target = "jump", rest[0]
			return rest[1:]
		}
	default:
		r.other = true
	}
	return rest
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
