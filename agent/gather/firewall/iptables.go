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
		c := &chain{table: table, name: gather.OneLine(name, 100), hook: iptablesHooks[name]}
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
					c.add(func(back bool) fwRule { return iptablesRule(s, f[2:], back) })
				}
			}
		}
		return true
	})
	return blocking(chains)
}

// iptablesHooks are the chains that see the packets of this host.
var iptablesHooks = map[string]string{"OUTPUT": "output", "INPUT": "input", "PREROUTING": "prerouting"}

// iptablesBack are options about what comes back by those about what is sent that say the same of the other end.
var iptablesBack = map[string]string{
	"-s": "-d", "--source": "-d", "-d": "", "--destination": "", "-i": "-o", "--in-interface": "-o", "-o": "", "--out-interface": "", "--uid-owner": "",
	"--sport": "--dport", "--sports": "--dport", "--source-port": "--dport", "--dport": "own", "--dports": "own", "--destination-port": "own",
}

// iptablesOptions are the options that are understood. Each takes a value.
var iptablesOptions = map[string]func(r *fwRule, val string, not bool){
	"-d": iptablesTo, "--destination": iptablesTo,
	"-p": iptablesProtocol, "--protocol": iptablesProtocol,
	"own":     func(r *fwRule, val string, not bool) { r.ownPorts(strings.Split(val, ","), not) },
	"--dport": iptablesPorts, "--dports": iptablesPorts, "--destination-port": iptablesPorts,
	"--uid-owner": func(r *fwRule, val string, not bool) {
		r.onlyIf(val == "0" || val == "root" || strings.HasPrefix(val, "0-"), not)
	},
	"--ctstate": iptablesState, "--state": iptablesState,
	"-o": iptablesOut, "--out-interface": iptablesOut,
	"-j": iptablesTarget, "--jump": iptablesTarget, "-g": iptablesTarget, "--goto": iptablesTarget,
}

func iptablesTo(r *fwRule, val string, not bool)    { r.toAddresses(strings.Split(val, ","), not) }
func iptablesPorts(r *fwRule, val string, not bool) { r.toPorts(strings.Split(val, ","), not) }
func iptablesOut(r *fwRule, val string, not bool) {
	r.throughInterfaces(strings.Split(val, ","), not)
}

func iptablesState(r *fwRule, val string, not bool) { r.states(strings.Split(val, ","), not) }

func iptablesProtocol(r *fwRule, val string, not bool) { r.protocols([]string{val}, not) }

func iptablesTarget(r *fwRule, val string, _ bool) {
	switch val {
	case "ACCEPT", "DROP", "REJECT", "RETURN":
		r.verdict = strings.ToLower(val)
	case "LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS": // the packet goes on
	default:
		r.verdict, r.target = "jump", val
	}
}

// iptablesNotes are options that say nothing of which packets match.
var iptablesNotes = []string{"-m", "--match", "--reject-with", "--comment", "--log-prefix", "--log-level"}

// iptablesRule reads one rule; f are its words after the chain.
func iptablesRule(s string, f []string, back bool) fwRule {
	r := fwRule{text: gather.OneLine(s, 300), back: back}
	not := false
	for len(f) > 0 {
		word := f[0]
		if f = f[1:]; word == "!" {
			not = true
			continue
		}
		if as, swap := iptablesBack[word]; back && swap {
			word = as
		}
		option := iptablesOptions[word]
		switch {
		case word == "": // of this host's own end
			r.other, f = true, f[min(1, len(f)):]
		case option != nil:
			val := ""
			if len(f) > 0 {
				val, f = f[0], f[1:]
			}
			option(&r, val, not)
		case slices.Contains(iptablesNotes, word):
			f = skipText(f)
		default:
			r.other = true
		}
		not = false
	}
	return r
}

// skipText drops one value, which may be a quoted text of several words.
func skipText(f []string) []string {
	if len(f) == 0 {
		return nil
	}
	if first := f[0]; !strings.HasPrefix(first, `"`) || len(first) > 1 && strings.HasSuffix(first, `"`) {
		return f[1:]
	}
	for f = f[1:]; len(f) > 0; f = f[1:] {
		if strings.HasSuffix(f[0], `"`) {
			return f[1:]
		}
	}
	return nil
}
