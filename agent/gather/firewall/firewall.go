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
	if env.GOOS == "windows" && env.Windows != nil {
		return Defender(env.Windows)
	}
	if env.GOOS == "darwin" && env.Live {
		return packetFilter(ctx, env)
	}
	if env.GOOS != "linux" {
		return gather.NotAskable[facts.Firewall](gather.ErrUnsupported.Error(), "")
	}
	if env.Exec == nil {
		return gather.NotAskable[facts.Firewall](gather.NotLive, "")
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
		if failed != nil { // a tool that did not tell all
			return facts.Partly(fw, gather.Why(failed), fw.Tool)
		}
		return facts.Known(fw, fw.Tool)
	case failed != nil && env.Privileged.Known() && !env.Privileged.Value:
		return facts.Unknown[facts.Firewall]("listing rules needs root", "").Because(facts.NeedsRoot)
	case failed != nil:
		return gather.Unknown[facts.Firewall](failed, "")
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

// stopsAll reports whether the rule lets nothing pass.
func (r *fwRule) stopsAll() bool {
	return (r.verdict == "drop" || r.verdict == "reject") && !r.other && !r.never && r.dst == nil && r.out == nil && r.ports == nil && r.proto == ""
}

// toAddresses limits the rule to destinations. Text that names no address, such
// as a named set, leaves the rule for any, but not for sure.
func (r *fwRule) toAddresses(vals []string, not bool) {
	r.dst, r.dstNot = prefixes(vals), not
	if len(r.dst) == 0 {
		r.dst, r.other = nil, true
		return
	}
	r.to, r.toNot = printable(vals), not
}

// toPorts limits the rule to destination ports.
func (r *fwRule) toPorts(vals []string, not bool) {
	r.ports, r.portNot = ports(vals), not
	if len(r.ports) == 0 {
		r.ports, r.other = nil, true
	}
}

// throughInterfaces limits the rule to interfaces. What leaves by the loopback
// interface is of no interest.
func (r *fwRule) throughInterfaces(vals []string, not bool) {
	if len(vals) == 1 && vals[0] == "lo" {
		r.never = r.never || !not
		return
	}
	r.out, r.outNot = printable(vals), not
}

// printable makes the words of a rule fit for a fact.
func printable(vals []string) []string {
	var out []string
	for _, v := range vals {
		out = append(out, gather.OneLine(v, 100))
	}
	return out
}

// onlyIf limits the rule to packets that have a property. One that the packets
// of interest cannot have, or that they have and the rule excludes, rules them out.
func (r *fwRule) onlyIf(ours, not bool) { r.never = r.never || ours == not }

// chain is a chain with its rules.
type chain struct {
	table, name string
	output      bool // a base chain on the output hook
	policy      string
	rules       []fwRule
}

// traffic says which connections are meant: to the metadata service, and to https
// elsewhere.
type traffic struct{ imds, https bool }

func (t traffic) any() bool { return t.imds || t.https }

// hit is the part of the traffic that a rule can match.
func (t traffic) hit(r *fwRule) traffic { return traffic{t.imds && r.imds(), t.https && r.https()} }

// after is the traffic that a rule leaves for the next one.
func (t traffic) after(r *fwRule) traffic {
	if !r.accepts() {
		return t
	}
	// An accept for some addresses leaves the others.
	return traffic{t.imds && !r.imds(), t.https && !(r.https() && r.dst == nil)}
}

// blocking lists the rules of output chains, and of chains they jump to, that
// drop or reject what matters to the agent.
func blocking(chains []*chain) []facts.FirewallRule {
	w := walk{byName: map[[2]string]*chain{}, seen: map[string]bool{}}
	for _, c := range chains {
		w.byName[[2]string{c.table, c.name}] = c
	}
	for _, c := range chains {
		if c.output {
			w.chain(c, traffic{true, true}, limits{})
		}
	}
	return w.found
}

// walk follows packets through chains and collects the rules that stop them.
type walk struct {
	byName map[[2]string]*chain // by table and name
	seen   map[string]bool      // chains, with the limits of the jump that led there
	steps  int                  // rules looked at
	found  []facts.FirewallRule
}

// chain follows traffic through the rules of a chain, which the jump that led to
// it may limit further.
func (w *walk) chain(c *chain, t traffic, jump limits) {
	if key := fmt.Sprint(c.table, " ", c.name, jump); w.seen[key] || len(w.found) >= maxRules {
		return
	} else {
		w.seen[key] = true
	}
	for i := range c.rules {
		if w.steps++; w.steps > maxChainRules {
			return
		}
		r := &c.rules[i]
		if hit := t.hit(r); hit.any() {
			l := r.within(jump)
			switch r.verdict {
			case "drop", "reject":
				w.add(facts.FirewallRule{Table: c.table, Chain: c.name, Text: r.text, Action: r.verdict}, hit, l)
			case "jump":
				if to := w.byName[[2]string{c.table, r.target}]; to != nil {
					w.chain(to, hit, l)
				}
			}
		}
		t = t.after(r)
		if r.stopsAll() {
			return
		}
	}
	if c.output && c.policy == "drop" && t.any() {
		w.add(facts.FirewallRule{Table: c.table, Chain: c.name, Text: "policy drop", Action: "drop", Policy: true}, t, limits{})
	}
}

// add notes a rule that stops traffic, within limits.
func (w *walk) add(r facts.FirewallRule, t traffic, l limits) {
	if len(w.found) >= maxRules {
		return
	}
	r.IMDS, r.HTTPS = t.imds, t.https
	r.To, r.NotTo, r.Out, r.NotOut = l.to, l.toNot, l.out, l.outNot
	w.found = append(w.found, r)
}

const (
	maxChains     = 1000
	maxChainRules = 20_000
)
