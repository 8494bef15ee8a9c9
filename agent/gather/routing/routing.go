// Package routing asks the systems, each in its way, by which route they send
// packets to an address.
package routing

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/firewall"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/sorting"
)

// To is the route of the running system to a port of an address; absent: there is none.
// No packet is sent.
func To(ctx context.Context, env *gather.Env, at netip.Addr, port uint16) facts.Seen[facts.Route] {
	to := at.Unmap()
	switch {
	case !env.Live:
		return gather.NotAskable[facts.Route](gather.NotLive, "")
	case env.RouteTo != nil:
		return env.RouteTo(netip.AddrPortFrom(to, port))
	case env.GOOS == "windows" && env.Windows != nil:
		return windowsTo(env.Windows, to)
	case env.GOOS == "darwin" && env.Exec != nil:
		return macTo(ctx, env, to)
	}
	return gather.NotAskable[facts.Route](gather.ErrUnsupported.Error(), "")
}

// bestRoute is the route of the longest prefix, then the lowest metric.
func bestRoute(rows []gather.WindowsRoute, to netip.Addr) (gather.WindowsRoute, bool) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r gather.WindowsRoute) bool { return !r.Prefix.IsValid() || !r.Prefix.Contains(to) })
	if len(rows) == 0 {
		return gather.WindowsRoute{}, false
	}
	return slices.MinFunc(rows, func(a, b gather.WindowsRoute) int {
		return cmp.Or(cmp.Compare(b.Prefix.Bits(), a.Prefix.Bits()), cmp.Compare(a.Metric, b.Metric))
	}), true
}

func windowsTo(w *gather.Windows, to netip.Addr) facts.Seen[facts.Route] {
	rows := w.Routes()
	if !rows.Known() {
		return gather.Likewise[facts.Route](rows)
	}
	r, ok := bestRoute(rows.Value, to)
	if !ok {
		return facts.Absent[facts.Route]("no route", rows.From)
	}
	return facts.Known(windowsRoute(r), rows.From)
}

func windowsRoute(r gather.WindowsRoute) facts.Route {
	route := facts.Route{Destination: "default", Interface: gather.OneLine(r.Interface, 100), Kind: "unicast"}
	if r.Prefix.Bits() > 0 {
		route.Destination = r.Prefix.Masked().String()
	}
	if r.Gateway.IsValid() && !r.Gateway.IsUnspecified() {
		route.Gateway = r.Gateway.String()
	}
	return route
}

// WindowsDefaults are the default routes, IPv4 first and best first; four of them are
// of IPv4.
func WindowsDefaults(rows []gather.WindowsRoute) (list []facts.Route, four int) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r gather.WindowsRoute) bool { return !r.Prefix.IsValid() || r.Prefix.Bits() != 0 })
	sorting.By(rows, func(a, b gather.WindowsRoute) int {
		return cmp.Or(cmp.Compare(a.Prefix.Addr().BitLen(), b.Prefix.Addr().BitLen()), cmp.Compare(a.Metric, b.Metric))
	})
	out := []facts.Route{}
	for _, r := range rows[:min(len(rows), maxDefaults)] {
		x := windowsRoute(r)
		x.Metric = int(r.Metric)
		if out = append(out, x); r.Prefix.Addr().Is4() {
			four++
		}
	}
	return out, four
}

// maxDefaults bounds the default routes that are kept.
const maxDefaults = 20

func macTo(ctx context.Context, env *gather.Env, to netip.Addr) facts.Seen[facts.Route] {
	if to.Is6() {
		return MacRoute(ctx, env, "-inet6", to.String())
	}
	return MacRoute(ctx, env, to.String())
}

// MacRoute runs route -n get.
func MacRoute(ctx context.Context, env *gather.Env, args ...string) facts.Seen[facts.Route] {
	const from = "route -n get"
	out, err := env.Exec(ctx, "route", append([]string{"-n", "get"}, args...)...)
	r, ok := parseRouteGet(out)
	switch {
	case ok:
		return facts.Known(r, from)
	case err == nil, strings.Contains(err.Error(), "not in table"):
		return facts.Absent[facts.Route]("no route", from)
	}
	return gather.Unknown[facts.Route](err, from)
}

// parseRouteGet reads the answer of route -n get.
func parseRouteGet(b []byte) (facts.Route, bool) {
	vals := map[string]string{}
	gather.Lines(b, func(l []byte) bool {
		if k, v, ok := strings.Cut(strings.TrimSpace(string(l)), ": "); ok && len(vals) < 50 {
			vals[k] = strings.TrimSpace(v)
		}
		return true
	})
	if vals["destination"] == "" {
		return facts.Route{}, false
	}
	r := facts.Route{Destination: "default", Interface: gather.OneLine(vals["interface"], 50), Kind: "unicast"}
	if a, err := netip.ParseAddr(vals["gateway"]); err == nil {
		r.Gateway = a.WithZone("").String()
	}
	if a, err := netip.ParseAddr(vals["destination"]); err == nil && !a.IsUnspecified() {
		bits := strconv.Itoa(a.BitLen())
		if m, err := netip.ParseAddr(vals["mask"]); err == nil && m.Is4() {
			bits = firewall.MaskBits(m)
		}
		r.Destination = a.WithZone("").String() + "/" + bits
	}
	for flag, kind := range map[string]string{"BLACKHOLE": "blackhole", "REJECT": "unreachable"} {
		if strings.Contains(vals["flags"], flag) {
			r.Kind = kind
		}
	}
	return r, true
}
