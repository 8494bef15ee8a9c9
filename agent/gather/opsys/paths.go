package opsys

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/routing"
	"ssm-doctor/checks/facts"
)

// upstreams are where programs that answer on this host's own loopback address keep
// the resolvers that they ask. Source: systemd-resolved(8), NetworkManager.conf(5).
var upstreams = []string{"run/systemd/resolve/resolv.conf", "run/NetworkManager/no-stub-resolv.conf"}

// timeService is the Amazon Time Sync Service, metadata6 the metadata service.
// Source: EC2 user guide, "Set the time reference" and "Access instance metadata".
var (
	timeService = netip.MustParseAddr("169.254.169.123")
	metadata6   = netip.MustParseAddr("fd00:ec2::254")
)

const maxPaths = 12

// paths are the routes to what the agent needs besides the endpoints. On a Mac each
// costs a program, and only the first resolver is asked about.
func paths(ctx context.Context, env *gather.Env, r facts.Seen[facts.Resolver]) facts.Seen[[]facts.Path] {
	if !env.Live {
		return gather.NotAskable[[]facts.Path](gather.NotLive, "")
	}
	servers := r.Value.Servers
	if len(servers) > 0 && isLoopback(servers[0]) && env.GOOS == "linux" {
		for _, name := range upstreams {
			if b, err := gather.ReadFile(env.FS, name, gather.MaxSmall); err == nil {
				servers = append(slices.Clone(servers), parseResolv(b).Servers...)
			}
		}
	}
	out := []facts.Path{}
	add := func(of facts.PathOf, to netip.Addr, port uint16) {
		to = to.Unmap().WithZone("")
		if len(out) >= maxPaths || env.GOOS == "darwin" && len(out) > 0 || slices.ContainsFunc(out, func(p facts.Path) bool { return p.To == to.String() }) {
			return
		}
		out = append(out, facts.Path{To: to.String(), Of: of, Route: routing.To(ctx, env, to, port)})
	}
	for _, s := range servers {
		if a, err := netip.ParseAddr(s); err == nil && !a.IsLoopback() && (a.Is4() || !a.IsLinkLocalUnicast()) {
			add(facts.PathResolver, a, 53)
		}
	}
	add(facts.PathMetadata6, metadata6, 80)
	add(facts.PathTime, timeService, 123)
	if r.Unknown() {
		return facts.Partly(out, r.Reason(), r.From)
	}
	return facts.Known(out, "")
}

func isLoopback(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.IsLoopback()
}

// tools are what a running program that configures the network leaves.
var tools = []struct{ name, path string }{
	{"networkd", "run/systemd/netif/links"},
	{"NetworkManager", "run/NetworkManager/devices"},
	{"dhcpcd", "run/dhcpcd"},
	{"dhclient", "run/dhclient"},
	{"wicked", "run/wicked"},
	{"connman", "run/connman"},
	{"ifupdown", "run/network/ifstate"},
}

// networkTools tells which programs configure the network of this host.
func networkTools(env *gather.Env) facts.Seen[[]string] {
	if env.GOOS != "linux" {
		return gather.NotAskable[[]string](gather.ErrUnsupported.Error(), "")
	}
	if !env.Live {
		return gather.NotAskable[[]string](gather.NotLive, "")
	}
	out := []string{}
	for _, t := range tools {
		if gather.Exists(env.FS, t.path) {
			out = append(out, t.name)
		}
	}
	// dhclient leaves a file for each device, such as dhclient-eth0.pid.
	if es, err := env.FS.ReadDir("run"); err == nil && !slices.Contains(out, "dhclient") {
		for _, e := range es[:min(len(es), 500)] {
			if strings.HasPrefix(e.Name(), "dhclient") {
				out = append(out, "dhclient")
				break
			}
		}
	}
	return facts.Known(out, "folders of /run")
}

// timeUnits are the units of services that keep the clock.
var timeUnits = []string{"chronyd", "chrony", "systemd-timesyncd", "ntpd", "ntp", "ntpsec", "openntpd"}

// timeServices tells which services can keep the clock of this host.
func timeServices(env *gather.Env) facts.Seen[[]string] {
	if env.GOOS != "linux" {
		return gather.NotAskable[[]string](gather.ErrUnsupported.Error(), "")
	}
	const folder = "usr/lib/systemd/system" // below /etc are names that enabling one of these makes, and masks
	folders := []string{"lib/systemd/system", folder}
	read := false
	out := []string{}
	for _, d := range folders {
		if _, err := env.FS.ReadDir(d); err == nil {
			read = true
		}
		for _, u := range timeUnits {
			if gather.Exists(env.FS, d+"/"+u+".service") && !slices.Contains(out, u) {
				out = append(out, u)
			}
		}
	}
	if !read { // another init system, or what cannot be seen
		return facts.Unknown[[]string]("no folder of systemd's units was read", "file:/"+folder)
	}
	return facts.Known(out, "file:/"+folder)
}
