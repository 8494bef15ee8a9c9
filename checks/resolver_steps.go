package checks

import (
	"net/netip"
	"slices"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// vpcResolver is the resolver that each VPC has at a link-local address.
const vpcResolver = "169.254.169.253"

// useVPCResolver is the remedy where the resolver of the VPC answers and the host's own
// is dead, by what writes resolv.conf on this host; nil: the catalogue's.
// Source: manuals of systemd-resolved, NetworkManager (nmcli), dhclient.conf and
// dhcpcd.conf.
func useVPCResolver(n *node.Node) []causes.Step {
	r, ok := n.Facts.Host.Resolver.Get()
	if n.Facts.Host.GOOS == "linux" && n.Facts.Host.Resolver.Absent() { // no such file, a link that leads to none, or a folder
		return []causes.Step{
			linuxStep(true, "This host has no file /etc/resolv.conf (none, a link to one that is not there, or a folder in its place), and the VPC resolver answers: write one", "mv -f /etc/resolv.conf /etc/resolv.conf.moved 2>/dev/null; echo nameserver "+vpcResolver+" > /etc/resolv.conf"),
			restartLinux, causes.Again,
		}
	}
	if n.Facts.Host.GOOS != "linux" || !ok {
		return nil
	}
	if slices.Contains(r.Servers, "127.0.0.53") || slices.Contains(r.Servers, "127.0.0.54") {
		return []causes.Step{
			linuxStep(true, "The VPC resolver answers: let systemd-resolved use it", `mkdir -p /etc/systemd/resolved.conf.d
printf '[Resolve]\nDNS=`+vpcResolver+`\nDomains=~.\n' > /etc/systemd/resolved.conf.d/vpc.conf
systemctl restart systemd-resolved`),
			restartLinux, causes.Again,
		}
	}
	steps := []causes.Step{linuxStep(true, "The VPC resolver answers: let this host ask it first; a copy stays in /etc/resolv.conf.bak", "cp /etc/resolv.conf /etc/resolv.conf.bak && { echo nameserver "+vpcResolver+"; cat /etc/resolv.conf.bak; } > /etc/resolv.conf")}
	for _, k := range []struct{ tool, command string }{
		{"NetworkManager", `nmcli connection modify "$(nmcli -g GENERAL.CONNECTION device show {interface})" ipv4.dns ` + vpcResolver + " ipv4.ignore-auto-dns yes"},
		{"dhclient", "echo 'supersede domain-name-servers " + vpcResolver + ";' >> /etc/dhcp/dhclient.conf"},
		{"dhcpcd", "echo 'static domain_name_servers=" + vpcResolver + "' >> /etc/dhcpcd.conf"},
	} {
		if slices.Contains(n.Facts.Host.NetworkTools.Some(), k.tool) {
			steps = append(steps, linuxStep(true, "Make it last: "+k.tool+" writes that file", k.command))
			return append(steps, restartLinux, causes.Again)
		}
	}
	return append(steps, linuxStep(false, "Make it permanent: find what writes that file, and set the resolver there", "ls -l /etc/resolv.conf; head -n 3 /etc/resolv.conf.bak"), restartLinux, causes.Again)
}

// forwardSteps are for a host whose resolver does not know what that of the VPC does: with
// systemd-resolved the names of its Region go to the VPC resolver, and nothing else; else all
// do. Nil: the catalogue's.
func forwardSteps(n *node.Node, server string) []causes.Step {
	r, ok := n.Facts.Host.Resolver.Get()
	if n.Facts.Host.GOOS != "linux" || !ok || server != vpcResolver {
		return nil
	}
	forward := causes.Step{Text: "Or let your resolver forward {region}.{domain} to the VPC resolver: to " + vpcResolver + " from inside the VPC, else to an inbound Route 53 Resolver endpoint; those that there are", Command: "aws route53resolver list-resolver-endpoints --region {region}", Where: causes.OperatorCLI, Alternative: true}
	if slices.Contains(r.Servers, "127.0.0.53") || slices.Contains(r.Servers, "127.0.0.54") {
		return []causes.Step{
			linuxStep(true, "Let systemd-resolved ask the VPC resolver for the names of this Region, and nothing else", `mkdir -p /etc/systemd/resolved.conf.d
printf '[Resolve]\nDNS=`+vpcResolver+`\nDomains=~{region}.{domain}\n' > /etc/systemd/resolved.conf.d/vpc.conf
systemctl restart systemd-resolved`),
			forward, restartLinux, causes.Again,
		}
	}
	steps := useVPCResolver(n)
	steps[0].Text = "Let this host ask the VPC resolver first, which does not know names that only {resolver} has; a copy stays in /etc/resolv.conf.bak"
	return slices.Insert(steps, 1, forward)
}

// addDNS adds dns to the sources of names in a file of the form of nsswitch.conf. The file of
// a link is edited, not the link replaced.
const addDNS = `sed -i.bak --follow-symlinks -E '/^[[:space:]]*hosts:/s/^([^#]*[^#[:space:]])/\1 dns/' `

// askDNS lets names be looked up by DNS, where nsswitch.conf leaves that out.
// Source: nsswitch.conf(5), authselect(8).
var askDNS = []causes.Step{
	linuxStep(true, "Let names of hosts be looked up by DNS too; a copy of the file stays beside it, with .bak at the end", addDNS+"/etc/nsswitch.conf"),
	linuxStep(true, "Where authselect makes that file, add it to its own as well, so that it lasts", addDNS+"/etc/authselect/user-nsswitch.conf\nauthselect apply-changes"),
	restartLinux, causes.Again,
}

// withResolver is the resolver of the VPC, where a route takes its address too, and with it
// its answers; empty: it does not.
func withResolver(r facts.Route) []string {
	if p, err := netip.ParsePrefix(r.Destination); err == nil && p.Contains(netip.MustParseAddr(vpcResolver)) {
		return []string{vpcResolver}
	}
	return nil
}
