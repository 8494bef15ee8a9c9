package causes

import (
	"cmp"
	"slices"
	"strings"

	"ssm-doctor/checks/text"
)

// What programs of the network change.

func nmcliChanges(args []string, _ string, _ []string) ([]Change, bool) {
	s := strings.Join(args, " ")
	switch {
	case strings.HasPrefix(s, "device connect ") && len(args) > 2:
		return []Change{{AddressAsked, args[2], ""}}, true
	case strings.HasPrefix(s, "connection modify"):
		return []Change{{OtherService, "NetworkManager", ""}}, true
	case strings.HasPrefix(s, "connection up"), strings.HasPrefix(s, "device reapply"):
		return []Change{{AddressAsked, args[len(args)-1], ""}}, true
	}
	return nil, s == "device" || s == "connection show" || strings.HasPrefix(s, "device show") || strings.HasPrefix(s, "-g") || strings.HasPrefix(s, "-f")
}

// Everywhere is the destination of a rule that names none.
const Everywhere = "0.0.0.0/0"

// ipChanges are those of iproute2.
func ipChanges(args []string, _ string, _ []string) ([]Change, bool) {
	w := operands(args)
	if len(w) < 3 {
		return nil, !slices.Contains(w, "del") && !slices.Contains(w, "add")
	}
	device := option(w, "dev")
	switch w[0] + " " + w[1] {
	case "route del", "route delete":
		to := w[2]
		if slices.Contains([]string{"blackhole", "unreachable", "prohibit", "throw"}, to) && len(w) > 3 {
			to = w[3]
		}
		return []Change{{RouteRemoved, to, strings.Join(slices.DeleteFunc(w[2:], func(x string) bool { return x == to }), " ")}}, true
	case "route replace":
		return []Change{{RouteSet, w[2], device}}, true
	case "route add":
		if len(w) > 3 && w[2] == "unreachable" {
			return []Change{{RouteStopped, w[3], ""}}, true
		}
		return []Change{{RouteSet, w[2], device}}, true
	case "rule del":
		return []Change{{RouteRemoved, cmp.Or(option(w, "to"), Everywhere), ""}}, true
	case "rule add":
		return []Change{{RoutingRule, option(w, "to"), ""}}, true
	case "link set":
		switch {
		case slices.Contains(w, "up"):
			return []Change{{LinkUp, device, ""}}, true
		case option(w, "mtu") != "":
			return []Change{{MTUSet, device, option(w, "mtu")}}, true
		}
		return nil, false
	}
	return nil, !slices.Contains(w, "del") && !slices.Contains(w, "add") && !slices.Contains(w, "set")
}

// firewallChanges are those of iptables and nft: what this host sends is let out, or the
// answers that it gets are let in.
func firewallChanges(args []string, _ string, _ []string) ([]Change, bool) {
	s := strings.Join(args, " ")
	lets := (strings.Contains(s, "ACCEPT") || strings.Contains(s, "accept")) && !slices.Contains(args, "-D") && !strings.HasPrefix(s, "delete")
	what := cmp.Or(option(args, "--dport"), option(args, "--sport"), option(args, "dport"), option(args, "sport"))
	if strings.Contains(s, "169.254.169.254") {
		what = "169.254.169.254"
	}
	if lets && slices.Contains([]string{"169.254.169.254", "443", "53"}, what) {
		if !strings.Contains(s, "sport") && !strings.Contains(s, "saddr") && !slices.Contains(args, "-s") {
			return []Change{{FirewallRule, what, ""}}, true
		}
		chain := text.Or(option(args, "-t"), "filter") + " " + option(args, "-I")
		if len(args) > 4 && args[0] == "insert" { // nft insert rule inet filter input
			chain = strings.Join(args[2:5], " ")
		}
		return []Change{{AnswersLetIn, what, chain}}, true
	}
	return nil, strings.HasPrefix(s, "-S") || strings.HasPrefix(s, "list") || strings.HasPrefix(s, "-L")
}

// routeChanges are those of the program route of macOS and Windows.
func routeChanges(args []string, _ string, _ []string) ([]Change, bool) {
	w := operands(args)
	if len(w) < 2 {
		return nil, false
	}
	switch w[0] {
	case "delete":
		return []Change{{RouteRemoved, w[1], ""}}, true
	case "add":
		return []Change{{RouteSet, w[1], ""}}, true
	}
	return nil, w[0] == "print" || w[0] == "get"
}
