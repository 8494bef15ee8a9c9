package sim

import (
	"slices"
	"strings"
)

// chain is a chain of the host's firewall: where its packets are seen, and its rules.
type chain struct {
	table, name, hook string
	policy            string
	rules             []string
}

// packet is one that a firewall sees: its protocol, a port as rules name it ("sport 443"),
// and the address at the other end; empty: any.
type packet struct{ protocol, port, peer string }

// chains are those of rules as iptables-save and nft list them.
func chains(text string) []chain {
	var out []chain
	table, name := "", "" // the chain is nft's
	at := func(name string) *chain {
		i := slices.IndexFunc(out, func(c chain) bool { return c.table == table && c.name == name })
		if i < 0 {
			i = len(out)
			out = append(out, chain{table: table, name: name, hook: strings.ToLower(name)})
		}
		return &out[i]
	}
	for l := range strings.Lines(text) {
		w := strings.Fields(l)
		switch {
		case len(w) == 0:
		case w[0][0] == '*':
			table = w[0][1:]
		case w[0][0] == ':' && len(w) > 1:
			at(w[0][1:]).policy = strings.ToLower(w[1])
		case w[0] == "-A" && len(w) > 1:
			c := at(w[1])
			c.rules = append(c.rules, strings.ToLower(strings.ReplaceAll(strings.Join(w[2:], " "), "--", "")))
		case w[0] == "table" && len(w) > 2:
			table = w[1] + " " + w[2]
		case w[0] == "chain" && len(w) > 1:
			name = w[1]
			at(name).hook = ""
		case w[0] == "type" && len(w) > 3:
			c := at(name)
			c.hook, c.policy = w[3], "accept"
			if strings.Contains(l, "policy drop") {
				c.policy = "drop"
			}
		case w[0] == "}":
			name = ""
		case name != "":
			c := at(name)
			c.rules = append(c.rules, strings.ToLower(strings.Join(w, " ")))
		}
	}
	return out
}

// stopped reports whether a chain at one of some hooks stops a packet. Chains that are
// jumped to are not followed.
func stopped(text string, p packet, hooks ...string) bool {
	return slices.ContainsFunc(chains(text), func(c chain) bool { return slices.Contains(hooks, c.hook) && c.stops(p) })
}

// stops tells what the rules of a chain, or else its policy, do with a packet of a connection
// that stands.
func (c chain) stops(p packet) bool {
	for _, r := range c.rules {
		switch {
		case !p.meets(r):
		case strings.Contains(r, "drop"), strings.Contains(r, "reject"):
			return true
		case strings.Contains(r, "accept"):
			return false
		}
	}
	return c.policy == "drop"
}

// meets reports whether a rule is for a packet. Rules for an owner, the loopback device and
// packets that belong to no connection are for others.
func (p packet) meets(rule string) bool {
	w := strings.Fields(rule)
	after := func(words ...string) string {
		for _, x := range words {
			if i := slices.Index(w, x); i >= 0 && i+1 < len(w) {
				return strings.TrimSuffix(w[i+1], "/32")
			}
		}
		return ""
	}
	has := func(word string) bool { return slices.Contains(w, word) }
	other := map[string]string{"tcp": "udp", "udp": "tcp"}[p.protocol]
	from, to := after("-s", "saddr"), after("-d", "daddr")
	if strings.HasPrefix(p.port, "dport") {
		from, to = to, from
	}
	switch {
	case strings.Contains(rule, "port ") && !strings.Contains(rule+" ", p.port+" "), to != "",
		has(other), strings.Contains(rule, "icmp"), has("lo"), has(`"lo"`), has("owner"), has("skuid"), has("invalid"), has("new"):
		return false
	}
	return from == "" || from == p.peer
}

// answersStopped reports whether the host's own firewall stops what comes back from a port
// of an address.
func (w *world) answersStopped(protocol, address, port string) bool {
	return stopped(w.Host.Rules, packet{protocol, "sport " + port, address}, "input", "prerouting")
}

// queriesStopped reports whether it stops queries to a resolver, by a rule for queries.
func (w *world) queriesStopped(resolver string) bool {
	for _, c := range chains(w.Host.Rules) {
		if c.hook == "output" && slices.ContainsFunc(c.rules, func(r string) bool { return strings.Contains(r+" ", "dport 53 ") }) && c.stops(packet{"udp", "dport 53", resolver}) {
			return true
		}
	}
	return false
}
