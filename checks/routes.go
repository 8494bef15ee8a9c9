package checks

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// This file holds what the checks share that judge routes of this host: words,
// evidence and remedies.

// sawRoute adds the route to an address as evidence.
func (f Finding) sawRoute(n *node.Node, to string, route facts.Seen[facts.Route]) Finding {
	r, ok := route.Get()
	if !ok {
		return f.saw("route to "+to, text.Or(route.Why, "none"), route.From)
	}
	return f.saw("route to "+to, n.RouteText(r, to), route.From)
}

// leadsTo says where a route leads that is not the way out: "the tunnel wt0".
func leadsTo(n *node.Node, r facts.Route) string {
	if r.Interface == "" {
		return "nowhere"
	}
	_, word := n.DeviceOf(r.Interface)
	return strings.TrimSpace(text.Or(word, "device") + " " + r.Interface)
}

// nullWord says why a route leads nowhere.
func nullWord(r facts.Route) string {
	if r.Kind == "unicast" {
		return "a null route by the loopback device lo"
	}
	article := "a"
	if r.Kind == "unreachable" {
		article = "an"
	}
	return article + " " + r.Kind + " route"
}

// routeCommand is a command of Linux that adds, replaces or deletes a route; false
// where a part of it cannot stand in a command.
func routeCommand(verb string, r facts.Route) (string, bool) {
	words := []string{"ip", "route", verb}
	if strings.Contains(r.Destination+r.Gateway, ":") {
		words = []string{"ip", "-6", "route", verb}
	}
	if r.Kind != "unicast" && r.Kind != "" {
		words = append(words, r.Kind)
	}
	words = append(words, r.Destination)
	if r.Gateway != "" {
		words = append(words, "via", r.Gateway)
	}
	if r.Interface != "" && (r.Kind == "unicast" || r.Kind == "") {
		words = append(words, "dev", r.Interface)
	}
	if r.Table != 0 && r.Table != facts.MainTable {
		words = append(words, "table", fmt.Sprint(r.Table))
	}
	for _, w := range words {
		if !causes.Safe(w) {
			return "", false
		}
	}
	return strings.Join(words, " "), true
}

// ofFamily is a route whose destination tells the family of an address that it is for.
func ofFamily(r facts.Route, to string) facts.Route {
	if r.Destination == "default" && strings.Contains(to, ":") {
		r.Destination = "::/0"
	}
	return r
}

func linuxStep(root bool, says, command string) causes.Step {
	return causes.Step{Text: says, Command: command, Where: causes.OnHost, Root: root, GOOS: "linux"}
}

// lookStep shows the way to an address and all that decides it.
func lookStep(to string) causes.Step {
	return linuxStep(false, "Look at the way that is taken and at what decides it", "ip route get "+to+"; ip rule; ip route show table all | grep -v 'table local'")
}

// removeRoute is the remedy for a route that leads nowhere; nil where the catalogue's
// has to do.
func removeRoute(n *node.Node, r facts.Route, to string) []causes.Step {
	del, ok := routeCommand("del", ofFamily(r, to))
	if n.Facts.Host.GOOS != "linux" || !ok || !causes.Safe(to) {
		return nil
	}
	remove := linuxStep(true, "Remove the route", del)
	if rule, ok := n.NullRule(r, to); ok {
		ip := "ip rule del"
		if rule.Family == "inet6" {
			ip = "ip -6 rule del"
		}
		_, what, _ := strings.Cut(rule.Text, "from all ")
		remove = linuxStep(true, "Remove the routing rule that discards them", fmt.Sprintf("%s priority %d %s", ip, rule.Priority, what))
		r.Destination = "default"
		if _, to, ok := strings.Cut(" "+what, " to "); ok {
			r.Destination, _, _ = strings.Cut(to, " ")
		}
	}
	return []causes.Step{
		lookStep(to), remove,
		linuxStep(false, "Find what sets it, so that it does not come back", "grep -rnE '"+kindPattern(r)+"' /etc/netplan /etc/systemd/network /etc/NetworkManager /etc/sysconfig/network-scripts /etc/network /etc/rc.local /etc/cron* /usr/local 2>/dev/null"),
		restartLinux, causes.Again,
	}
}

// kindPattern finds a route in the configuration of a host.
func kindPattern(r facts.Route) string {
	address, _, _ := strings.Cut(r.Destination, "/")
	if address == "default" && r.Kind != "unicast" {
		return r.Kind
	}
	if r.Kind == "unicast" {
		return strings.ReplaceAll(address, ".", "[.]")
	}
	return r.Kind + "|" + strings.ReplaceAll(address, ".", "[.]")
}

var (
	restartLinux = causes.Step{Text: "Restart the agent, which tries again at once", Command: "{restart}", Where: causes.OnHost, Root: true}
)

// leadBack is the remedy for a route by a device that is not the way out; nil where
// the catalogue's has to do.
func leadBack(n *node.Node, r facts.Route, to string, more ...string) []causes.Step {
	if n.Facts.Host.GOOS != "linux" || !causes.Safe(r.Interface) || !causes.Safe(to) {
		return nil
	}
	steps := []causes.Step{lookStep(to)}
	rule, byRule := n.RuleOf(r, to)
	main, out := n.MainRoute(strings.Contains(to, ":"))
	main.Destination, main.Table, main.Metric = to, 0, 0
	replace, ok := routeCommand("replace", main)
	del, delOK := routeCommand("del", ofFamily(r, to))
	ip := "ip"
	if strings.Contains(to, ":") {
		ip = "ip -6"
	}
	class, _ := n.DeviceOf(r.Interface)
	what := to
	if slices.Contains(more, vpcResolver) {
		what += " and the VPC resolver " + vpcResolver
	}
	switch {
	case byRule && out && rule.Priority > 0:
		command := fmt.Sprintf("%s rule add to %s lookup main priority %d", ip, to, rule.Priority-1)
		steps = append(steps, linuxStep(true, "Let "+what+" leave by the host's own default route, ahead of rule "+fmt.Sprint(rule.Priority), forEach(command, to, more)))
	case out && ok:
		steps = append(steps, linuxStep(true, "Let "+what+" leave by "+main.Interface+", the host's own way out", forEach(replace, to, more)))
	}
	if class == node.Container && delOK && strings.HasPrefix(r.Destination, "169.254.") { // of others a bridge lives
		or := linuxStep(true, "Or remove the route that takes it", del)
		or.Alternative = true
		steps = append(steps, or)
	}
	steps = append(steps, keepStep(n, r))
	return append(steps, restartLinux, causes.Again)
}

// forEach is a command for one address, and the same for others, a line each.
func forEach(command, to string, more []string) string {
	out := command
	for _, m := range more {
		if m != to && causes.Safe(m) {
			out += "\n" + strings.Replace(command, " "+to+" ", " "+m+" ", 1)
		}
	}
	return out
}

// keepers are where the programs that make a tunnel or link are told which networks
// to leave alone. Source: wg-quick(8), tailscale(1), netbird, zerotier-one and OpenVPN
// manuals; Docker's dockerd, "default-address-pools".
var keepers = []struct{ prefix, kind, says, command string }{
	{"tailscale", "", "Make it last: take no routes of the tailnet, and no exit node, on this host", "tailscale set --accept-routes=false --exit-node="},
	{"wt", "", "Make it last: leave out the network that overlaps", "netbird networks list; netbird networks deselect NETWORK_ID"},
	{"zt", "", "Make it last: take no routes of the network", "zerotier-cli listnetworks; zerotier-cli set NETWORK_ID allowManaged=0"},
	{"wg", "wireguard", "Make it last: take the addresses out of AllowedIPs of the peer", "grep -n AllowedIPs /etc/wireguard/{interface}.conf"},
	{"tun", "tun", "Make it last: let the client take no such route (route-nopull, or pull-filter ignore)", "grep -rnE '^(route|redirect-gateway|pull|client)' /etc/openvpn"},
	{"docker", "", "Make it last: give containers networks that do not overlap (bip and default-address-pools in daemon.json)", "docker network ls; cat /etc/docker/daemon.json"},
	{"br-", "", "Make it last: give containers networks that do not overlap (default-address-pools in daemon.json)", "docker network ls; cat /etc/docker/daemon.json"},
	{"veth", "", "Make it last: keep the DHCP client off links of containers", "grep -n denyinterfaces /etc/dhcpcd.conf || echo 'denyinterfaces veth*' >> /etc/dhcpcd.conf"},
}

// keepStep tells where the program behind a device is told to leave a network alone.
func keepStep(n *node.Node, r facts.Route) causes.Step {
	kind := ""
	for _, l := range n.Facts.Host.Links.Some() {
		if l.Name == r.Interface {
			kind = l.Kind
		}
	}
	for _, byName := range []bool{true, false} {
		for _, k := range keepers {
			if byName && strings.HasPrefix(r.Interface, k.prefix) || !byName && k.kind != "" && k.kind == kind {
				return linuxStep(true, k.says, strings.ReplaceAll(k.command, "{interface}", r.Interface))
			}
		}
	}
	return linuxStep(false, "Make it last: find what made "+r.Interface+" and let it leave this network alone", "ip -d link show dev "+r.Interface)
}

// renewals are how each program gives a device its address anew. Source:
// networkctl(1), nmcli(1), dhclient(8), dhcpcd(8), wicked(8), ifup(8).
var renewals = []struct{ tool, says, command, log string }{
	{"networkd", "Let systemd-networkd configure the device again", "networkctl reconfigure {interface}; networkctl status {interface}", "systemd-networkd"},
	{"NetworkManager", "Let NetworkManager configure the device again", "nmcli device connect {interface}; nmcli device show {interface}", "NetworkManager"},
	{"dhclient", "Ask for a lease again", "dhclient -r {interface}; dhclient -v {interface}", "dhclient"},
	{"dhcpcd", "Ask for a lease again", "dhcpcd -n {interface} || dhcpcd {interface}", "dhcpcd"},
	{"wicked", "Let wicked configure the device again", "wicked ifup {interface}; wicked ifstatus {interface}", "wickedd"},
	{"connman", "Let connman configure the device again", "systemctl restart connman; connmanctl services", "connman"},
	{"ifupdown", "Configure the device again", "ifdown --force {interface}; ifup {interface}", "networking"},
}

// isOff reports whether a device is seen to be switched off.
func isOff(n *node.Node, device string) bool {
	return slices.ContainsFunc(n.Facts.Host.Links.Some(), func(l facts.Link) bool { return l.Name == device && !l.Up })
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// addressSteps give a device its address and route back, by what configures the
// network of this host.
func addressSteps(n *node.Node, device string) []causes.Step {
	if device == "" {
		return nil // the catalogue's
	}
	steps := []causes.Step{
		{Text: "Reach the host without its network, for example by the serial console of EC2 (or start it again, which asks for an address again)", Command: "aws ec2-instance-connect send-serial-console-ssh-public-key --region {region} --instance-id {instance} --serial-port 0 --ssh-public-key file://KEY.pub", Where: causes.OperatorCLI},
	}
	tools := n.Facts.Host.NetworkTools.Some()
	known := false
	var looks []causes.Step
	if isOff(n, device) {
		steps = append(steps, linuxStep(true, "Switch the device on, and see its state", "ip link set dev {interface} up; ip addr show dev {interface}; ip route"))
		known = slices.Contains(tools, "networkd") || slices.Contains(tools, "NetworkManager") // which then configure it
		if known {
			tools = nil
		}
	}
	for _, r := range renewals {
		if slices.Contains(tools, r.tool) {
			renew := linuxStep(true, r.says, r.command)
			if known { // one of them suffices
				renew.Text, renew.Alternative = "Or by "+r.tool+": "+lowerFirst(r.says), true
			}
			known = true
			steps = append(steps, renew)
			looks = append(looks, linuxStep(true, "See why it was lost", "journalctl -b --no-pager | grep -iE '"+r.log+"|{interface}' | tail -n 30"))
		}
	}
	steps = append(steps, looks...)
	if !known {
		steps = append(steps, linuxStep(true, "Ask for an address again with the DHCP client of this host", "networkctl reconfigure {interface} || nmcli device connect {interface} || dhclient -v {interface} || dhcpcd {interface}"))
	}
	return append(steps,
		causes.Step{Text: "Ask for an address again", Command: "ipconfig set {interface} DHCP", Where: causes.OnHost, Root: true, GOOS: "darwin"},
		causes.Step{Text: "Ask for an address again", Command: "Get-NetAdapter; ipconfig /renew", Where: causes.OnHost, Root: true, GOOS: "windows"},
		restartLinux, causes.Again)
}

// blameRouteToResolver tells what this host itself does with packets for the resolver;
// false: it sends them on the ordinary way.
func blameRouteToResolver(n *node.Node, name, asked string, end facts.Outcome, says string) (Finding, bool) {
	p, ok := n.ResolverPath(asked)
	to := text.Or(p.To, firstAddress(asked))
	r, known := p.Route.Get()
	fd := Finding{}
	wall, firewalled := blameFirewallForNames(n, name, asked, to, end, says)
	switch kernel := slices.Contains(keptByKernel, end); {
	case ok && known && node.IsNull(r) && (kernel || end == facts.Timeout || end == facts.ServFail):
		fd = blocks("route-wrong-interface", Proven, "%s cannot be resolved: %s on this host keeps packets from the resolver %s", name, nullWord(r), to).fix(removeRoute(n, r, to)...)
	case ok && known && n.LeadsAstray(r) && (kernel || end == facts.Timeout || end == facts.ServFail) && !n.Carries(r.Interface):
		fd = blocks("route-wrong-interface", Likely, "%s cannot be resolved: packets for the resolver %s leave by the %s, and nothing comes back", name, to, leadsTo(n, r)).fix(leadBack(n, r, to)...)
	case ok && p.Route.Absent() && kernel:
		fd = blocks("host-network-down", Proven, "%s cannot be resolved: this host has no route to the resolver %s (%s)", name, to, says)
	case end != facts.NoLocalAddress && firewalled:
		return wall.with("resolver", to, "endpoint", name), true
	case end == facts.NoLocalAddress:
		return unknown("%s cannot be resolved: this host has no local port or address left to ask from (%s)", name, says), true
	case kernel && ok && known:
		return unknown("%s cannot be resolved: this host itself does not send to the resolver %s (%s)", name, to, says).sawRoute(n, to, p.Route), true
	case kernel:
		return unknown("%s cannot be resolved: this host itself does not send to the resolver %s (%s), and its route there was not read", name, to, says), true
	default:
		return Finding{}, false
	}
	return fd.sawRoute(n, to, p.Route).with("address", to, "interface", text.Or(r.Interface, n.MainDevice()), "resolver", to), true
}

// keptByKernel is how a query ends that this host's kernel does not send.
var keptByKernel = []facts.Outcome{facts.NoRoute, facts.Invalid, facts.NotPermitted}

// firstAddress is the first resolver of a list, without its port.
func firstAddress(servers string) string {
	server, _, _ := strings.Cut(servers, ",")
	if ap, err := netip.ParseAddrPort(server); err == nil {
		return ap.Addr().String()
	}
	return server
}
