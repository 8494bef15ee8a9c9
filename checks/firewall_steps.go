package checks

import (
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/text"
)

// packets are some that the agent sends, as iptables and nft describe them.
type packets struct {
	iptables, nft string
	root          bool // they are root's own: nobody else has to be let through
}

// The packets that the agent has to send.
var (
	toHTTPS    = packets{"-p tcp --dport 443", "tcp dport 443", true}
	toMetadata = packets{"-d 169.254.169.254", "ip daddr 169.254.169.254", true}
)

// toResolver are queries, which a service of this host may send for the agent.
func toResolver(address string) packets {
	if !causes.Safe(address) || strings.HasPrefix(address, "127.") || strings.Contains(address, ":") {
		return packets{"-p udp --dport 53", "udp dport 53", false}
	}
	return packets{"-d " + address + " -p udp --dport 53", "ip daddr " + address + " udp dport 53", false}
}

// letThrough is the remedy for a rule of this host's firewall: packets are let through
// ahead of it, those of root alone where the agent sends them itself. Nil where the tool is
// not known, or not Linux's: then the catalogue's.
func letThrough(n *node.Node, tool string, r facts.FirewallRule, p packets) []causes.Step {
	command, chain, who := "", "OUTPUT", "root through; the agent runs as root, others stay blocked"
	ip, nft := p.iptables, p.nft
	switch {
	case r.Hook != "":
		back := strings.NewReplacer("--dport", "--sport", "-d ", "-s ", "dport", "sport", "daddr", "saddr")
		ip, nft, chain, who = back.Replace(ip), back.Replace(nft), strings.ToUpper(r.Hook), "the answers through that this host asked for"
		if r.Hook == "input" { // before it connections are not known yet
			ip, nft = ip+" -m conntrack --ctstate ESTABLISHED", nft+" ct state established"
		}
	case p.root:
		ip, nft = ip+" -m owner --uid-owner 0", nft+" meta skuid 0"
	default:
		who = "queries to the resolver through"
	}
	if table, ok := strings.CutPrefix(r.Table, "ip "); tool == "nft" && ok && slices.Contains(tablesOfIptables, table) && r.Chain == strings.ToUpper(r.Chain) { // chains that iptables made and reads
		tool, r.Table = "iptables", table
	}
	switch {
	case n.Facts.Host.GOOS != "linux":
	case tool == "iptables" && (r.Table == "" || r.Table == "filter"):
		command = "iptables -I " + chain + " 1 " + ip + " -j ACCEPT"
	case tool == "iptables" && nftName.MatchString(r.Table):
		command = "iptables -t " + r.Table + " -I " + chain + " 1 " + ip + " -j ACCEPT"
	case tool == "nft" && nftName.MatchString(r.Table) && nftName.MatchString(r.Chain):
		command = "nft insert rule " + r.Table + " " + r.Chain + " " + nft + " accept"
	}
	if command == "" {
		return nil
	}
	return []causes.Step{
		linuxStep(true, "Put a rule before it that lets "+who, command),
		linuxStep(false, "Write the same where the firewall of this host is configured, or it is gone at the next boot", "grep -rlE '("+chain+"|"+strings.ToLower(chain)+")' /etc/iptables /etc/sysconfig/iptables /etc/nftables.conf /etc/nftables /etc/ufw /etc/firewalld 2>/dev/null"),
		restartLinux, causes.Again,
	}
}

// blameFirewallForNames finds what of this host's own firewall keeps queries from a
// resolver, or the answers from this host; false: nothing that was seen.
func blameFirewallForNames(n *node.Node, name, asked, resolver string, end facts.Outcome, says string) (Finding, bool) {
	in := n.Facts.Host.Firewall
	fw, refused := in.Some(), end == facts.NotPermitted && n.Facts.Host.GOOS == "linux"
	stub := strings.HasPrefix(asked, "127.") // a service of this host asks on
	p, _ := n.ResolverPath(asked)
	i := slices.IndexFunc(fw.Rules, func(r facts.FirewallRule) bool {
		how := end == facts.Timeout || stub && end == facts.ServFail
		if r.Hook == "" && !stub {
			how = refused || end == facts.Refused || end == facts.NoRoute
		}
		return r.DNS && how && (len(r.To) == 0 && stub || node.RuleHits(r, resolver, p.Route.Value.Interface))
	})
	fd := blocks("host-firewall-egress", Proven, "%s cannot be resolved: a firewall on this host itself refuses queries to the resolver %s (%s)", name, resolver, says)
	switch {
	case i < 0 && !refused:
		return Finding{}, false
	case i < 0:
		return fd.fix(letThrough(n, "iptables", facts.FirewallRule{}, toResolver(resolver))...), true
	}
	r := fw.Rules[i]
	if !refused {
		what := "queries to"
		if r.Hook != "" {
			what = "answers of"
		}
		fd = blocks("host-firewall-egress", Likely, "%s cannot be resolved, and a %s rule on this host %ss %s the resolver %s: %s", name, fw.Tool, r.Action, what, resolver, text.Cut(r.Text, 160))
	}
	return sawRule(fd, in, r).fix(letThrough(n, fw.Tool, r, toResolver(resolver))...), true
}

// tablesOfIptables are its tables that see what this host sends. Source: iptables(8).
var tablesOfIptables = []string{"filter", "mangle", "raw", "nat", "security"}

// nftName is a table or chain as nft and iptables write it: "inet filter", "output".
var nftName = pattern.New(`^[a-z0-9_]+( [A-Za-z0-9_-]+)?$`)
