package sim

import (
	"strings"
	"testing"
)

// letThrough puts a rule ahead of the rules of a firewall for what leaves: for packets of
// root, or for queries of anybody.
func letThrough(rules, to string) string {
	match, ok := map[string][2]string{
		"443": {"-p tcp -m tcp --dport 443 -m owner --uid-owner 0", "tcp dport 443 meta skuid 0"},
		"53":  {"-p udp -m udp --dport 53", "udp dport 53"},
	}[to]
	if !ok {
		match = [2]string{"-d " + to + "/32 -m owner --uid-owner 0", "ip daddr " + to + " meta skuid 0"}
	}
	if i := strings.Index(rules, "-A OUTPUT"); i >= 0 {
		return rules[:i] + "-A OUTPUT " + match[0] + " -j ACCEPT\n" + rules[i:]
	}
	if i := strings.Index(rules, "policy "); i >= 0 {
		if end := strings.IndexByte(rules[i:], '\n'); end >= 0 {
			return rules[:i+end+1] + "\t\t" + match[1] + " accept\n" + rules[i+end+1:]
		}
	}
	return rules
}

// answerOf are the answers that a step lets in.
func answerOf(on string) packet {
	switch on {
	case "53":
		return packet{"udp", "sport 53", ""}
	case "443":
		return packet{"tcp", "sport 443", ""}
	}
	return packet{"tcp", "sport 80", on} // of the metadata service
}

// letIn puts a rule ahead of those of one chain of rules: "filter INPUT" or "inet f input".
func letIn(text, where string, p packet) string {
	i := strings.LastIndexByte(where, ' ')
	if i < 0 {
		return text
	}
	table, name := where[:i], where[i+1:]
	iptables, nft := "-p "+p.protocol+" --"+p.port, p.protocol+" "+p.port
	if p.peer != "" {
		iptables, nft = "-s "+p.peer, "ip saddr "+p.peer
	}
	var out strings.Builder
	in, put := "", false
	for l := range strings.Lines(text) {
		w := strings.Fields(l)
		switch {
		case len(w) == 0:
		case w[0][0] == '*':
			in = w[0][1:]
		case !put && in == table && (w[0] == "-A" && w[1] == name || w[0] == "COMMIT"):
			out.WriteString("-A " + name + " " + iptables + " -j ACCEPT\n")
			put = true
		case w[0] == "table" && len(w) > 2:
			in = w[1] + " " + w[2]
		case w[0] == "chain" && len(w) > 1 && in == table && w[1] == name:
			in += " " + name
		}
		out.WriteString(l)
		if !put && len(w) > 0 && w[0] == "type" && in == where {
			out.WriteString("\t\t" + nft + " accept\n")
			put = true
		}
	}
	return out.String()
}

// TestStopped: what a firewall of the host stops, before and after a rule is put ahead.
func TestStopped(t *testing.T) {
	t.Parallel()
	const nft = "table inet f {\n\tchain in {\n\t\ttype filter hook input priority 0; policy drop;\n\t\tiif \"lo\" accept\n\t\ttcp dport 22 accept\n\t}\n}\n"
	for _, c := range []struct {
		name, rules, chain string
		before, after      bool
	}{
		{"by the port", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --sport 443 -j DROP\nCOMMIT\n", "filter INPUT", true, false},
		{"another port", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --sport 4433 -j DROP\nCOMMIT\n", "filter INPUT", false, false},
		{"another protocol", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -j DROP\nCOMMIT\n", "filter INPUT", false, false},
		{"another address", "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 203.0.113.7/32 -j DROP\nCOMMIT\n", "filter INPUT", false, false},
		{"what belongs to no connection", "*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate INVALID -j DROP\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n", "filter INPUT", false, false},
		{"the policy", "*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n", "filter INPUT", true, false},
		{"the policy, without a rule", "*filter\n:INPUT DROP [0:0]\nCOMMIT\n", "filter INPUT", true, false},
		{"another table, and the rule goes into the wrong one", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --sport 443 -j DROP\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", "filter INPUT", true, true},
		{"another table", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --sport 443 -j DROP\nCOMMIT\n", "raw PREROUTING", true, false},
		{"nft", nft, "inet f in", true, false},
		{"nft, another chain", nft, "inet f out", true, true},
		{"what leaves", "*filter\n:OUTPUT DROP [0:0]\nCOMMIT\n", "filter INPUT", false, false},
	} {
		p := packet{"tcp", "sport 443", "52.119.180.20"}
		if got := stopped(c.rules, p, "input", "prerouting"); got != c.before {
			t.Errorf("%s: %v before", c.name, got)
		}
		if got := stopped(letIn(c.rules, c.chain, answerOf("443")), p, "input", "prerouting"); got != c.after {
			t.Errorf("%s: %v after", c.name, got)
		}
	}
}
