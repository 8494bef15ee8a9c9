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

// List lists the rules that may stop the agent's packets on their way out, or the answers.
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

// fwRule is a rule as far as it matters here, for one way of the packets: dst, ports and
// out are the other end's, and the device between, whichever way they go. What is not
// understood leaves other set: the rule may then match, but is not sure to.
type fwRule struct {
	back    bool // it is read for what comes back to this host, not for what it sends
	text    string
	verdict string // accept, drop, reject, jump, return, perhaps; empty: none
	target  string // of a jump
	dst     []netip.Prefix
	dstNot  bool
	limits
	protos   []string // names or numbers; none: all
	protoNot bool
	ports    [][2]int
	portNot  bool
	never    bool // cannot match what root's process sends as a new connection, or the answer to it
	other    bool
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

// numbers are the protocols of interest as rules may also write them.
var numbers = map[string]string{"tcp": "6", "udp": "17"}

func (r *fwRule) matches(proto string, p int) bool {
	if r.never || len(r.protos) > 0 && (slices.Contains(r.protos, proto) || slices.Contains(r.protos, numbers[proto])) == r.protoNot {
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
	if !r.matches("tcp", 80) {
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
	if !r.matches("tcp", 443) {
		return false
	}
	if r.dst == nil || r.dstNot {
		return true
	}
	return slices.ContainsFunc(r.dst, func(p netip.Prefix) bool {
		return !p.Addr().IsLinkLocalUnicast() && !p.Addr().IsLoopback() && !p.Addr().IsMulticast()
	})
}

// dns reports whether the rule can match a query to some resolver.
func (r *fwRule) dns() bool { return r.matches("udp", 53) }

// protocols limits the rule to protocols.
func (r *fwRule) protocols(vals []string, not bool) {
	if !slices.Contains(vals, "all") {
		r.protos, r.protoNot = vals, not
	}
}

// states limits the rule to states of a connection: what this host sends to begin one is
// new, and what comes back is of one that is established.
func (r *fwRule) states(vals []string, not bool) {
	r.onlyIf(slices.ContainsFunc(vals, r.ourState), not)
}

func (r *fwRule) ourState(s string) bool {
	if r.back {
		return strings.EqualFold(s, "established")
	}
	return strings.EqualFold(s, "new")
}

// ownPorts limits the rule to ports of this host, which are those that the kernel hands out.
func (r *fwRule) ownPorts(vals []string, not bool) {
	if !r.back {
		r.other = true
		return
	}
	for _, x := range ports(vals) {
		switch {
		case x[1] < firstOwn || x[0] > lastOwn:
		case x[0] <= firstOwn && x[1] >= lastOwn:
			r.never = r.never || not
			return
		default:
			r.other = true
			return
		}
	}
	r.never = r.never || !not
}

// firstOwn to lastOwn are the ports of this host that connections begin from.
// Source: Linux, net.ipv4.ip_local_port_range.
const firstOwn, lastOwn = 32768, 60999

// stopsAll reports whether the rule lets nothing pass.
func (r *fwRule) stopsAll() bool {
	return (r.verdict == "drop" || r.verdict == "reject") && !r.other && !r.never && r.dst == nil && r.out == nil && r.ports == nil && r.protos == nil
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
	hook        string // of a base chain: output, input, prerouting
	policy      string
	rules, back []fwRule // the same rules, for what is sent and for what comes back
}

// add reads a rule for both ways.
func (c *chain) add(read func(back bool) fwRule) {
	c.rules, c.back = append(c.rules, read(false)), append(c.back, read(true))
}

// traffic says which connections are meant: to the metadata service, to https
// elsewhere, and queries to resolvers.
type traffic struct{ imds, https, dns bool }

func (t traffic) any() bool { return t.imds || t.https || t.dns }

// but is the traffic without other.
func (t traffic) but(o traffic) traffic {
	return traffic{t.imds && !o.imds, t.https && !o.https, t.dns && !o.dns}
}

// hit is the part of the traffic that a rule can match.
func (t traffic) hit(r *fwRule) traffic {
	return traffic{t.imds && r.imds(), t.https && r.https(), t.dns && r.dns()}
}

// taken is the part of the traffic, all of which can match, that a rule surely takes from
// those after it: one for some addresses leaves the others.
func (t traffic) taken(r *fwRule) traffic {
	return traffic{t.imds, t.https && r.dst == nil, t.dns && r.dst == nil}
}

// blocking lists the rules of chains that see the packets of this host, and of chains they
// jump to, that drop or reject what matters to the agent: on its way out, and what comes
// back.
func blocking(chains []*chain) []facts.FirewallRule {
	w := walk{byName: map[[2]string]*chain{}}
	for _, c := range chains {
		w.byName[[2]string{c.table, c.name}] = c
	}
	for _, back := range []bool{false, true} {
		for _, c := range chains {
			if c.hook != "" && (c.hook != "output") == back {
				w.base, w.seen, w.spared = c, map[string]traffic{}, nil
				w.chain(c, traffic{true, true, true}, limits{}, true)
			}
		}
	}
	return w.found
}

// walk follows packets through chains and collects the rules that stop them. Of what comes
// back only rules count that surely stop it: every host has some that stop what it did not
// ask for.
type walk struct {
	byName map[[2]string]*chain // by table and name
	base   *chain
	seen   map[string]traffic // what chains let go on, by chain, traffic and the limits of the jump that led there
	spared []string           // addresses whose packets an earlier rule accepted
	steps  int                // rules looked at
	found  []facts.FirewallRule
}

// chain follows traffic through the rules of a chain, which the jump that led to
// it may limit further, and returns what goes on in the chain that jumped.
func (w *walk) chain(c *chain, t traffic, jump limits, sure bool) traffic {
	key := fmt.Sprint(c.table, " ", c.name, t, jump, sure)
	if left, ok := w.seen[key]; ok {
		return left
	}
	if len(w.found) >= maxRules {
		return t
	}
	w.seen[key] = t
	back := w.base.hook != "output"
	rules := c.rules
	if back {
		rules = c.back
	}
	var returned traffic
	for i := range rules {
		if w.steps++; w.steps > maxChainRules {
			return t
		}
		r := &rules[i]
		hit := t.hit(r)
		if !hit.any() {
			continue
		}
		l, certain := r.within(jump), sure && !r.other
		whole := certain && r.out == nil
		switch r.verdict {
		case "drop", "reject":
			if certain || !back {
				w.add(facts.FirewallRule{Table: c.table, Chain: c.name, Text: r.text, Action: r.verdict}, hit, l)
			}
			if r.stopsAll() {
				t = traffic{}
			}
		case "jump":
			if to := w.byName[[2]string{c.table, r.target}]; to != nil {
				if gone := hit.but(w.chain(to, hit, l, certain)); whole || back {
					t = t.but(gone.taken(r))
				}
			}
		case "accept", "return", "perhaps":
			switch {
			case back && r.dst != nil && !r.dstNot && r.verdict != "perhaps":
				w.spared = append(w.spared, r.to...)
			case back:
				t = t.but(hit)
			case r.verdict == "accept" && whole:
				t = t.but(hit.taken(r))
			}
			if back && r.verdict == "return" && r.dst == nil {
				returned = traffic{returned.imds || hit.imds, returned.https || hit.https, returned.dns || hit.dns}
			}
		}
		if !t.any() {
			break
		}
	}
	if left := (traffic{t.imds || returned.imds, t.https || returned.https, t.dns || returned.dns}); c == w.base && c.policy == "drop" && left.any() {
		w.add(facts.FirewallRule{Table: c.table, Chain: c.name, Text: "policy drop", Action: "drop", Policy: true}, left, limits{})
	} else {
		t = left
	}
	w.seen[key] = t
	return t
}

// add notes a rule that stops traffic, within limits.
func (w *walk) add(r facts.FirewallRule, t traffic, l limits) {
	if len(w.found) >= maxRules {
		return
	}
	if w.base.hook != "output" {
		r.Hook = w.base.hook
		switch {
		case len(w.spared) > 0 && l.to != nil: // it may be for those alone
			return
		case len(w.spared) > 0:
			l.to, l.toNot = w.spared[:min(len(w.spared), maxRules)], true
		}
	}
	r.IMDS, r.HTTPS, r.DNS = t.imds, t.https, t.dns
	r.To, r.NotTo, r.Out, r.NotOut = l.to, l.toNot, l.out, l.outNot
	w.found = append(w.found, r)
}

const (
	maxChains     = 1000
	maxChainRules = 20_000
)
