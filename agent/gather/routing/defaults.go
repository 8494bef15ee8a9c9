package routing

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/sorting"
)

// Flags of /proc/net/route and ipv6_route.
const (
	routeUp     = 0x1
	routeReject = 0x200
)

// parseDefaults4 finds the usable default routes in /proc/net/route.
func parseDefaults4(b []byte) []facts.Route {
	var out []facts.Route
	gather.Lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			return true
		}
		flags, err := strconv.ParseUint(f[3], 16, 32)
		if err != nil || flags&routeUp == 0 || flags&routeReject != 0 {
			return true
		}
		r := facts.Route{Destination: "default", Interface: gather.OneLine(f[0], 50), Kind: "unicast", Table: facts.MainTable}
		if g, err := strconv.ParseUint(f[2], 16, 32); err == nil && g != 0 {
			var ip [4]byte
			binary.NativeEndian.PutUint32(ip[:], uint32(g)) // as the kernel holds it
			r.Gateway = netip.AddrFrom4(ip).String()
		}
		r.Metric, _ = strconv.Atoi(f[6])
		out = append(out, r)
		return len(out) < maxDefaults
	})
	return byMetric(out)
}

// parseDefaults6 is the same for /proc/net/ipv6_route.
func parseDefaults6(b []byte) []facts.Route {
	var out []facts.Route
	gather.Lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		if len(f) < 10 || strings.Trim(f[0], "0") != "" || f[1] != "00" || f[9] == "lo" {
			return true
		}
		flags, err := strconv.ParseUint(f[8], 16, 32)
		if err != nil || flags&routeUp == 0 || flags&routeReject != 0 {
			return true
		}
		r := facts.Route{Destination: "default", Interface: gather.OneLine(f[9], 50), Kind: "unicast", Table: facts.MainTable}
		if g, err := hex.DecodeString(f[4]); err == nil {
			if ip, ok := netip.AddrFromSlice(g); ok && !ip.IsUnspecified() && ip.Is6() {
				r.Gateway = ip.String()
			}
		}
		if m, err := strconv.ParseUint(f[5], 16, 32); err == nil {
			r.Metric = int(m)
		}
		out = append(out, r)
		return len(out) < maxDefaults
	})
	return byMetric(out)
}

func byMetric(list []facts.Route) []facts.Route {
	sorting.By(list, func(a, b facts.Route) int { return a.Metric - b.Metric })
	return list
}

// Defaults are the default routes of the main table of Linux: whether there is one of
// IPv4, of IPv6, and which.
func Defaults(env *gather.Env) (v4, v6 facts.Seen[bool], all facts.Seen[[]facts.Route]) {
	if !env.Live {
		return gather.NotAskable[bool](gather.NotLive, ""), gather.NotAskable[bool](gather.NotLive, ""), gather.NotAskable[[]facts.Route](gather.NotLive, "")
	}
	ask := func(name string, parse func([]byte) []facts.Route) ([]facts.Route, facts.Seen[bool]) {
		b, err := gather.ReadFile(env.FS, name, 8<<20)
		if err != nil {
			return nil, gather.Unknown[bool](err, gather.FileURL(name))
		}
		list := parse(b)
		return list, facts.Known(len(list) > 0, gather.FileURL(name))
	}
	four, v4 := ask("proc/net/route", parseDefaults4)
	six, v6 := ask("proc/net/ipv6_route", parseDefaults6)
	if v6.Unknown() && v4.Known() && !gather.Exists(env.FS, "proc/net/ipv6_route") {
		v6 = facts.Known(false, "file:/proc/net") // no IPv6 in this kernel
	}
	list := append(append([]facts.Route{}, four...), six...)
	switch {
	case v4.Unknown():
		return v4, v6, facts.Partly(list, v4.Why, v4.From)
	case v6.Unknown():
		return v4, v6, facts.Partly(list, v6.Why, v6.From)
	}
	return v4, v6, facts.Known(list, "file:/proc/net/route")
}
