package checks

import (
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/pattern"
)

// letRootThrough is the remedy for a rule of this host's firewall: root, as whom the
// agent runs, is let through ahead of it, to what iptables and nft call these, and
// nobody else. Nil where the tool is not known, or not Linux's: then the catalogue's.
func letRootThrough(n *node.Node, tool string, r facts.FirewallRule, iptables, nft string) []causes.Step {
	command := ""
	if table, ok := strings.CutPrefix(r.Table, "ip "); tool == "nft" && ok && slices.Contains(tablesOfIptables, table) && r.Chain == strings.ToUpper(r.Chain) { // chains that iptables made and reads
		tool, r.Table = "iptables", table
	}
	switch {
	case n.Facts.Host.GOOS != "linux":
	case tool == "iptables" && (r.Table == "" || r.Table == "filter"):
		command = "iptables -I OUTPUT 1 " + iptables + " -m owner --uid-owner 0 -j ACCEPT"
	case tool == "iptables" && nftName.MatchString(r.Table):
		command = "iptables -t " + r.Table + " -I OUTPUT 1 " + iptables + " -m owner --uid-owner 0 -j ACCEPT"
	case tool == "nft" && nftName.MatchString(r.Table) && nftName.MatchString(r.Chain):
		command = "nft insert rule " + r.Table + " " + r.Chain + " " + nft + " meta skuid 0 accept"
	}
	if command == "" {
		return nil
	}
	return []causes.Step{
		linuxStep(true, "Put a rule before it that lets root through; the agent runs as root, others stay blocked", command),
		linuxStep(false, "Write the same where the firewall of this host is configured, or it is gone at the next boot", "grep -rlE '(OUTPUT|output)' /etc/iptables /etc/sysconfig/iptables /etc/nftables.conf /etc/nftables /etc/ufw /etc/firewalld 2>/dev/null"),
		restartLinux, causes.Again,
	}
}

// tablesOfIptables are its tables that see what this host sends. Source: iptables(8).
var tablesOfIptables = []string{"filter", "mangle", "raw", "nat", "security"}

// nftName is a table or chain as nft and iptables write it: "inet filter", "output".
var nftName = pattern.New(`^[a-z0-9_]+( [A-Za-z0-9_-]+)?$`)

// iptables and nft on what the agent has to reach.
const (
	httpsOfIptables, httpsOfNft       = "-p tcp --dport 443", "tcp dport 443"
	metadataOfIptables, metadataOfNft = "-d 169.254.169.254", "ip daddr 169.254.169.254"
)
