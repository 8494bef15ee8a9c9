// Package firewall reads packet filters and configured routes for what may stop
// the packets of the agent.
package firewall

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

const maxRules = 50

// List lists the rules that may stop the agent's packets on their way out.
func List(ctx context.Context, env *gather.Env) facts.Seen[facts.Firewall] {
	if env.GOOS != "linux" {
		return facts.Unknown[facts.Firewall](gather.ErrUnsupported.Error(), "")
	}
	if env.Exec == nil {
		return facts.Unknown[facts.Firewall](gather.NotLive, "")
	}
	var tools []string
	var failed error
	fw := facts.Firewall{Rules: []facts.FirewallRule{}}
	ask := func(tool string, parse func([]byte) []facts.FirewallRule, program string, args ...string) {
		out, err := env.Exec(ctx, program, args...)
		switch {
		case errors.Is(err, gather.ErrNoProgram):
		case err != nil && (!errors.Is(err, gather.ErrTooLarge) || len(out) == 0):
			failed = err
		default:
			tools = append(tools, tool)
			fw.Rules = append(fw.Rules, parse(out)...)
			if err != nil {
				failed = err
			}
		}
	}
	// iptables on nftables shows in nft too; only where nft is missing, or the
	// old kernel tables are in use, iptables is asked.
	ask("nft", parseNft, "nft", "-a", "list", "ruleset")
	if s, err := gather.ReadText(env.FS, "proc/net/ip_tables_names"); len(tools) == 0 || err == nil && s != "" {
		ask("iptables", parseIptables, "iptables-save")
	}
	switch {
	case len(tools) > 0:
		fw.Tool = strings.Join(tools, ", ")
		fw.Rules = fw.Rules[:min(len(fw.Rules), maxRules)]
		return facts.Known(fw, fw.Tool)
	case failed != nil && env.UID > 0:
		return facts.Unknown[facts.Firewall]("listing rules needs root", "")
	case failed != nil:
		return facts.Unknown[facts.Firewall](gather.Why(failed), "")
	}
	return facts.Absent[facts.Firewall]("neither nft nor iptables is installed", "")
}

// fwRule is a rule as far as it matters here. What is not understood leaves
// other set: the rule may then match, but an accept does not count.
type fwRule struct {
	text    string
	verdict string // accept, drop, reject, jump, return; empty: none
	target  string // of a jump
	dst     []netip.Prefix
	dstNot  bool
	limits
	proto   string
	ports   [][2]int
	portNot bool
	never   bool // cannot match what root's process sends as a new connection
	other   bool
}

// limits are the destinations and interfaces that a rule is for; empty: all. The
// values are those of the rule, or of the jump that leads to it.
type limits struct {
	to, out       []string
	toNot, outNot bool
}

// within are the limits of a rule of a chain that a jump with limits leads to.
func (l limits) within(jump limits) limits {
	if l.to == nil {
		l.to, l.toNot = jump.to, jump.toNot
	}
	if l.out == nil {
		l.out, l.outNot = jump.out, jump.outNot
	}
	return l
}

func (r *fwRule) matchesPort(p int) bool {
	if r.never || r.proto != "" && r.proto != "tcp" {
		return false
	}
	if r.ports == nil {
		return true
	}
	in := slices.ContainsFunc(r.ports, func(x [2]int) bool { return p >= x[0] && p <= x[1] })
	return in != r.portNot
}

// imds reports whether the rule can match a connection to the metadata service.
func (r *fwRule) imds() bool {
	if !r.matchesPort(80) {
		return false
	}
	if r.dst == nil {
		return true
	}
	return slices.ContainsFunc(r.dst, func(p netip.Prefix) bool { return p.Contains(gather.IMDSIP) }) != r.dstNot
}

// https reports whether the rule can match outbound TCP 443 to some address
// other than link-local ones.
func (r *fwRule) https() bool {
	if !r.matchesPort(443) {
		return false
	}
	if r.dst == nil || r.dstNot {
		return true
	}
	return slices.ContainsFunc(r.dst, func(p netip.Prefix) bool {
		return !p.Addr().IsLinkLocalUnicast() && !p.Addr().IsLoopback() && !p.Addr().IsMulticast()
	})
}

// accepts reports whether the rule surely lets such a packet pass.
func (r *fwRule) accepts() bool { return r.verdict == "accept" && !r.other && !r.never && r.out == nil }

// chain is a chain with its rules.
type chain struct {
	table, name string
	output      bool // a base chain on the output hook
	policy      string
	rules       []fwRule
}

// blocking lists the rules of output chains, and of chains they jump to, that
// drop or reject what matters to the agent.
func blocking(chains []*chain) []facts.FirewallRule {
	byName := map[[2]string]*chain{}
	for _, c := range chains {
		byName[[2]string{c.table, c.name}] = c
	}
	var out []facts.FirewallRule
	add := func(c *chain, text, action string, imds, https, policy bool, l limits) {
		if len(out) < maxRules {
			out = append(out, facts.FirewallRule{Table: c.table, Chain: c.name, Text: text, Action: action, IMDS: imds, HTTPS: https, Policy: policy, To: l.to, NotTo: l.toNot, Out: l.out, NotOut: l.outNot})
		}
	}
	seen := map[string]bool{}
	steps := 0
	var walk func(c *chain, imds, https bool, jump limits)
	walk = func(c *chain, imds, https bool, jump limits) {
		if key := fmt.Sprint(c.table, " ", c.name, jump); seen[key] || len(out) >= maxRules {
			return
		} else {
			seen[key] = true
		}
		for i := range c.rules {
			if steps++; steps > maxChainRules {
				return
			}
			r := &c.rules[i]
			hitI, hitH := imds && r.imds(), https && r.https()
			l := r.within(jump)
			switch r.verdict {
			case "drop", "reject":
				if hitI || hitH {
					add(c, r.text, r.verdict, hitI, hitH, false, l)
				}
			case "jump":
				if t := byName[[2]string{c.table, r.target}]; t != nil && (hitI || hitH) {
					walk(t, hitI, hitH, l)
				}
			}
			if r.accepts() {
				imds = imds && !r.imds()
				// An accept for some addresses leaves the others.
				https = https && !(r.https() && r.dst == nil)
			}
			if (r.verdict == "drop" || r.verdict == "reject") && !r.other && r.dst == nil && r.out == nil && r.ports == nil && r.proto == "" && !r.never {
				return // nothing passes
			}
		}
		if c.output && c.policy == "drop" && (imds || https) {
			add(c, "policy drop", "drop", imds, https, true, limits{})
		}
	}
	for _, c := range chains {
		if c.output {
			walk(c, true, true, limits{})
		}
	}
	return out
}

const (
	maxChains     = 1000
	maxChainRules = 20_000
)
