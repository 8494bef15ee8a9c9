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
		p.cur.hook = ""
		for _, hook := range []string{"output", "input", "prerouting"} {
			// IPv6-only and bridge tables cannot stop IPv4.
			if strings.Contains(s, "hook "+hook+" ") && (strings.HasPrefix(p.table, "ip ") || strings.HasPrefix(p.table, "inet ")) {
				p.cur.hook = hook
			}
		}
		if strings.Contains(s, "policy drop") {
			p.cur.policy = "drop"
		}
		return
	}
	if p.rules++; p.rules <= maxChainRules {
		p.cur.add(func(back bool) fwRule { return nftRule(s, back) })
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
		r.protos = []string{"tcp"}
		r.toPorts(vals, not)
	},
	"udp dport": func(r *fwRule, vals []string, not bool) {
		r.protos = []string{"udp"}
		r.toPorts(vals, not)
	},
	"own port": (*fwRule).ownPorts, // these three are of nftBack
	"tcp own": func(r *fwRule, vals []string, not bool) {
		r.protos = []string{"tcp"}
		r.ownPorts(vals, not)
	},
	"udp own": func(r *fwRule, vals []string, not bool) {
		r.protos = []string{"udp"}
		r.ownPorts(vals, not)
	},
	"th dport":     (*fwRule).toPorts,
	"ip protocol":  (*fwRule).protocols,
	"meta l4proto": (*fwRule).protocols,
	"meta nfproto": func(r *fwRule, vals []string, not bool) { r.onlyIf(slices.Contains(vals, "ipv4"), not) },
	"ct state": func(r *fwRule, vals []string, not bool) {
		r.states(strings.Split(strings.Join(vals, ","), ","), not)
	},
	"skuid": nftUser, "meta skuid": nftUser,
	"oif": nftInterface, "oifname": nftInterface, "meta oif": nftInterface, "meta oifname": nftInterface,
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

// nftBack are the conditions on what comes back by those on what is sent that say the same
// of the other end.
var nftBack = map[string]string{
	"ip saddr": "ip daddr", "ip daddr": "", "tcp sport": "tcp dport", "tcp dport": "tcp own", "udp sport": "udp dport", "udp dport": "udp own", "th sport": "th dport", "th dport": "own port",
	"iif": "oif", "iifname": "oif", "meta iif": "oif", "meta iifname": "oif", "oif": "", "oifname": "", "meta oif": "", "meta oifname": "", "skuid": "", "meta skuid": "",
}

// nftRule reads one rule.
func nftRule(s string, back bool) fwRule {
	r := fwRule{text: gather.OneLine(s, 300), back: back}
	for f := nftFields(s); len(f) > 0; {
		if match, rest := nftMatch(f, back); match != nil {
			vals, not, rest := nftValues(rest)
			if len(vals) == 1 && vals[0] == "vmap" {
				vals, _, rest = nftValues(rest)
				r.verdicts(vals)
				f = rest
				continue
			}
			match(&r, vals, not)
			f = rest
			continue
		}
		f = nftStatement(&r, f[0], f[1:])
	}
	return r
}

// nftMatch is the condition that words begin with, and the words after its name.
func nftMatch(f []string, back bool) (match func(*fwRule, []string, bool), rest []string) {
	for n := min(2, len(f)); n > 0; n-- {
		name := strings.Join(f[:n], " ")
		as, swap := nftBack[name]
		switch {
		case !back || !swap:
			as = name
		case as == "": // of this host's own end
			return func(r *fwRule, _ []string, _ bool) { r.other = true }, f[n:]
		}
		if m := nftMatches[as]; m != nil {
			return m, f[n:]
		}
	}
	return nil, f[1:]
}

// verdicts takes the verdict on ours out of a map of verdicts by state. What maps of other
// conditions come to is not known.
func (r *fwRule) verdicts(vals []string) {
	for i, v := range vals {
		if r.ourState(v) && i+2 < len(vals) && vals[i+1] == ":" && slices.Contains([]string{"accept", "drop", "return"}, vals[i+2]) {
			r.verdict = vals[i+2]
			return
		}
	}
	r.verdict, r.other = "perhaps", true
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
	case "udp", "tcp":
		r.protos, r.other = []string{word}, true
	case "icmp", "icmpv6", "ip6", "arp":
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
