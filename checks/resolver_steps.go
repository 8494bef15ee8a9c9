package checks

import (
	"slices"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// vpcResolver is the resolver that each VPC has at a link-local address.
const vpcResolver = "169.254.169.253"

// useVPCResolver is the remedy where the resolver of the VPC answers and the host's own
// does not, by what writes resolv.conf on this host; nil: the catalogue's.
// Source: manuals of systemd-resolved, NetworkManager (nmcli), dhclient.conf and
// dhcpcd.conf.
func useVPCResolver(n *node.Node) []causes.Step {
	r, ok := n.Facts.Host.Resolver.Get()
	if n.Facts.Host.GOOS != "linux" || !ok {
		return nil
	}
	if slices.Contains(r.Servers, "127.0.0.53") || slices.Contains(r.Servers, "127.0.0.54") {
		return []causes.Step{
			linuxStep(true, "The VPC resolver answers: let systemd-resolved use it", `mkdir -p /etc/systemd/resolved.conf.d && printf '[Resolve]\nDNS=`+vpcResolver+`\nDomains=~.\n' > /etc/systemd/resolved.conf.d/vpc.conf && systemctl restart systemd-resolved`),
			restartLinux, causes.Again,
		}
	}
	steps := []causes.Step{linuxStep(true, "The VPC resolver answers: let this host ask it first; a copy stays in /etc/resolv.conf.bak", "sed -i.bak '1i nameserver "+vpcResolver+"' /etc/resolv.conf")}
	for _, k := range []struct{ tool, command string }{
		{"NetworkManager", `nmcli connection modify "$(nmcli -g GENERAL.CONNECTION device show ` + text.Or(n.MainDevice(), "INTERFACE") + `)" ipv4.dns ` + vpcResolver + " ipv4.ignore-auto-dns yes"},
		{"dhclient", "echo 'supersede domain-name-servers " + vpcResolver + ";' >> /etc/dhcp/dhclient.conf"},
		{"dhcpcd", "echo 'static domain_name_servers=" + vpcResolver + "' >> /etc/dhcpcd.conf"},
	} {
		if slices.Contains(n.Facts.Host.NetworkTools.Some(), k.tool) {
			steps = append(steps, linuxStep(true, "Make it last: "+k.tool+" writes that file", k.command))
			return append(steps, restartLinux, causes.Again)
		}
	}
	return append(steps, linuxStep(false, "Make it last: see what writes that file, and set the resolver there", "ls -l /etc/resolv.conf; head -n 3 /etc/resolv.conf.bak"), restartLinux, causes.Again)
}
