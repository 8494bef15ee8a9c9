package firewall

import (
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
)

// shownRules are rules in one line each: where they stop what, for whom, and their words.
func shownRules(rules []facts.FirewallRule) string {
	var out []string
	for _, r := range rules {
		s := r.Hook
		if s == "" {
			s = "output"
		}
		for _, x := range []struct {
			is   bool
			name string
		}{{r.IMDS, "imds"}, {r.HTTPS, "https"}, {r.DNS, "dns"}} {
			if x.is {
				s += " " + x.name
			}
		}
		for _, x := range []struct {
			vals []string
			not  bool
			word string
		}{{r.To, r.NotTo, "to"}, {r.Out, r.NotOut, "by"}} {
			if len(x.vals) > 0 {
				s += " " + strings.TrimPrefix(map[bool]string{true: "not "}[x.not]+x.word+" ", " ") + strings.Join(x.vals, ",")
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func TestWhatStopsAnswers(t *testing.T) {
	t.Parallel()
	const stateful = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
	for _, c := range []struct{ name, rules, want string }{
		{"a closed door that lets answers in", ":INPUT DROP [0:0]\n" + stateful + "-A INPUT -p tcp --dport 22 -j ACCEPT\n", ""},
		{"answers were forgotten", ":INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n", "input imds https dns"},
		{"answers of TCP alone", ":INPUT DROP [0:0]\n-A INPUT -p tcp -m state --state ESTABLISHED -j ACCEPT\n", "input dns"},
		{"new ones alone are dropped", ":INPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate NEW,INVALID -j DROP\n", ""},
		{"all but established is dropped", ":INPUT ACCEPT [0:0]\n-A INPUT -m conntrack ! --ctstate RELATED,ESTABLISHED -j DROP\n", ""},
		{"established is dropped", ":INPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -p tcp -j DROP\n", "input imds https"},
		{"by the port of the other end", ":INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --sport 443 -j DROP\n", "input https"},
		{"by the port of this end", ":INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 443 -j DROP\n-A INPUT -p tcp --dport 32768:40000 -j DROP\n", ""},
		{"high ports", ":INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 1024:65535 -j REJECT --reject-with icmp-port-unreachable\n", "input imds https"},
		{"from one network", ":INPUT ACCEPT [0:0]\n-A INPUT -s 198.18.0.0/16 -i eth0 -j DROP\n", "input https dns to 198.18.0.0/16 by eth0"},
		{"one network is let in", ":INPUT DROP [0:0]\n-A INPUT -s 10.0.0.0/8 -j ACCEPT\n", "input imds https dns not to 10.0.0.0/8"},
		{"by a chain of its own", ":INPUT DROP [0:0]\n:IN - [0:0]\n-A INPUT -j IN\n-A IN -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A IN -j DROP\n", ""},
		{"a chain of its own that drops", ":INPUT ACCEPT [0:0]\n:IN - [0:0]\n-A INPUT -p udp -j IN\n-A IN -j DROP\n", "input dns"},
		{"a chain that returns", ":INPUT ACCEPT [0:0]\n:IN - [0:0]\n-A INPUT -j IN\n-A IN -p tcp -j RETURN\n-A IN -j DROP\n", "input dns"},
		{"a drop that is not for all", ":INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m limit --limit 1/s -j DROP\n", ""},
		{"an accept that may be for all", ":INPUT DROP [0:0]\n-A INPUT -m mark --mark 0x1 -j ACCEPT\n", ""},
		{"to one address of this host", ":INPUT ACCEPT [0:0]\n-A INPUT -d 10.0.0.9/32 -j DROP\n", ""},
		{"what is forwarded", ":FORWARD DROP [0:0]\n:INPUT ACCEPT [0:0]\n", ""},
		{"before connections are known", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --sport 443 -j DROP\n", "prerouting https"},
		{"queries", ":OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp -m udp --dport 53 -j DROP\n", "output dns"},
		{"queries but to one resolver", ":OUTPUT ACCEPT [0:0]\n-A OUTPUT ! -d 10.0.0.2/32 -p udp -m udp --dport 53 -j DROP\n", "output dns not to 10.0.0.2/32"},
		{"out by a chain that accepts", ":OUTPUT DROP [0:0]\n:O - [0:0]\n-A OUTPUT -j O\n-A O -j ACCEPT\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if !strings.HasPrefix(c.rules, "*") {
				c.rules = "*filter\n" + c.rules
			}
			if got := shownRules(parseIptables([]byte(c.rules))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestWhatStopsAnswersNft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, hook, rules, want string }{
		{"a closed door that lets answers in", "input priority filter; policy drop;", "ct state established,related accept\niif \"lo\" accept\ntcp dport 22 accept\n", ""},
		{"the same, as a set", "input priority 0; policy drop;", "ct state { established, related } counter packets 5 bytes 6 accept\n", ""},
		{"the same, as a map", "input priority 0; policy drop;", "ct state vmap { invalid : drop, established : accept, related : accept }\n", ""},
		{"a map that drops answers", "input priority 0; policy accept;", "ct state vmap { established : drop, new : accept }\n", "input imds https dns"},
		{"a map that is not understood", "input priority 0; policy drop;", "iifname vmap { \"lo\" : accept, \"eth0\" : jump inbound }\n", ""},
		{"answers were forgotten", "input priority 0; policy drop;", "iifname \"lo\" accept\nip protocol icmp accept\ntcp dport { 22, 80 } accept\n", "input imds https dns"},
		{"what is not valid", "prerouting priority raw; policy accept;", "ct state invalid drop\n", ""},
		{"answers of resolvers", "input priority 0; policy accept;", "udp sport 53 drop\n", "input dns"},
		{"both protocols", "input priority 0; policy accept;", "meta l4proto { tcp, udp } th sport { 53, 443 } ip saddr 198.18.0.0/15 reject with icmp port-unreachable\n", "input https dns to 198.18.0.0/15"},
		{"queries", "output priority 0; policy accept;", "udp dport 53 drop\n", "output dns"},
		{"an accept for udp is none for tcp", "output priority 0; policy drop;", "meta l4proto udp accept\n", "output imds https"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := shownRules(parseNft([]byte("table inet f {\nchain c {\ntype filter hook " + c.hook + "\n" + c.rules + "}\n}\n"))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
