package opsys

import (
	"net/netip"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// parseResolv reads resolv.conf.
func parseResolv(b []byte) facts.Resolver {
	r := facts.Resolver{Servers: []string{}, Search: []string{}, Options: []string{}}
	gather.Lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) < 2 || f[0][0] == '#' || f[0][0] == ';' {
			return true
		}
		switch f[0] {
		case "nameserver":
			if len(r.Servers) < 10 {
				r.Servers = append(r.Servers, gather.OneLine(f[1], 100))
			}
		case "search", "domain":
			r.Search = r.Search[:0]
			for _, d := range f[1:min(len(f), 11)] {
				r.Search = append(r.Search, gather.OneLine(d, 255))
			}
		case "options":
			for _, o := range f[1:min(len(f), 11)] {
				r.Options = append(r.Options, gather.OneLine(o, 50))
			}
		}
		return len(r.Options) < 50
	})
	return r
}

func resolver(fsys gather.FileSystem) facts.Seen[facts.Resolver] {
	const name = "etc/resolv.conf"
	b, err := gather.ReadFile(fsys, name, gather.MaxSmall)
	if err != nil {
		return gather.Unseen[facts.Resolver](err, name)
	}
	return facts.Known(parseResolv(b), gather.FileURL(name))
}

// Flags of /proc/net/route and ipv6_route.
const (
	routeUp     = 0x1
	routeReject = 0x200
)

// parseRoutes4 reports whether /proc/net/route has a usable default route.
func parseRoutes4(b []byte) bool {
	found := false
	gather.Lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			return true
		}
		flags, err := strconv.ParseUint(f[3], 16, 32)
		found = found || err == nil && flags&routeUp != 0 && flags&routeReject == 0
		return !found
	})
	return found
}

// parseRoutes6 is the same for /proc/net/ipv6_route.
func parseRoutes6(b []byte) bool {
	found := false
	gather.Lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) < 10 || strings.Trim(f[0], "0") != "" || f[1] != "00" || f[9] == "lo" {
			return true
		}
		flags, err := strconv.ParseUint(f[8], 16, 32)
		found = found || err == nil && flags&routeUp != 0 && flags&routeReject == 0
		return !found
	})
	return found
}

func defaultRoutes(env *gather.Env) (v4, v6 facts.Seen[bool]) {
	if !env.Live {
		return gather.NotAskable[bool](gather.NotLive, ""), gather.NotAskable[bool](gather.NotLive, "")
	}
	ask := func(name string, parse func([]byte) bool) facts.Seen[bool] {
		b, err := gather.ReadFile(env.FS, name, 8<<20)
		if err != nil {
			return gather.Unknown[bool](err, gather.FileURL(name))
		}
		return facts.Known(parse(b), gather.FileURL(name))
	}
	v4, v6 = ask("proc/net/route", parseRoutes4), ask("proc/net/ipv6_route", parseRoutes6)
	if v6.Unknown() && v4.Known() && !gather.Exists(env.FS, "proc/net/ipv6_route") {
		v6 = facts.Known(false, "file:/proc/net") // no IPv6 in this kernel
	}
	return v4, v6
}

// onLink reports whether a gateway lies in a network of one of the interfaces.
func onLink(gateway string, ifs []facts.Interface) bool {
	if gateway == "" {
		return true
	}
	g, err := netip.ParseAddr(gateway)
	if err != nil {
		return false
	}
	for _, i := range ifs {
		for _, a := range i.Addresses {
			if p, err := netip.ParsePrefix(a); err == nil && p.Contains(g) {
				return true
			}
		}
	}
	return false
}
