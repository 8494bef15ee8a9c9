package opsys

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/firewall"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
)

// macDistro reads the version of macOS.
func macDistro(fsys gather.FileSystem) facts.Seen[facts.Distro] {
	const file = "System/Library/CoreServices/SystemVersion.plist"
	b, err := gather.ReadFile(fsys, file, gather.MaxSmall)
	if err != nil {
		return gather.Unseen[facts.Distro](err, file)
	}
	p := hostfile.ParsePlist(b)
	name := strings.TrimSpace(gather.OneLine(p["ProductName"], 50) + " " + gather.OneLine(p["ProductVersion"], 50))
	return facts.Known(facts.Distro{ID: "macos", Name: name}, gather.FileURL(file))
}

// macRoutes asks for the route to the metadata service and for default routes.
func macRoutes(ctx context.Context, env *gather.Env, h *facts.Host) {
	const from = "route -n get"
	ask := func(args ...string) (facts.Route, bool, error) {
		out, err := env.Exec(ctx, "route", append([]string{"-n", "get"}, args...)...)
		if r, ok := parseRouteGet(out); ok {
			return r, true, nil
		}
		if err != nil && strings.Contains(err.Error(), "not in table") || err == nil {
			return facts.Route{}, false, nil
		}
		return facts.Route{}, false, err
	}
	if env.Exec == nil {
		h.IMDSRoute = gather.NotAskable[facts.Route](gather.NotLive, from)
		h.DefaultIPv4, h.DefaultIPv6 = gather.NotAskable[bool](gather.NotLive, from), gather.NotAskable[bool](gather.NotLive, from)
		return
	}
	switch r, ok, err := ask(gather.IMDSAddr); {
	case err != nil:
		h.IMDSRoute = gather.Unknown[facts.Route](err, from)
	case ok:
		h.IMDSRoute = facts.Known(r, from)
	default:
		h.IMDSRoute = facts.Absent[facts.Route]("no route", from)
	}
	for _, x := range []struct {
		to   *facts.Seen[bool]
		args []string
	}{{&h.DefaultIPv4, []string{"default"}}, {&h.DefaultIPv6, []string{"-inet6", "default"}}} {
		if _, ok, err := ask(x.args...); err != nil {
			*x.to = gather.Unknown[bool](err, from)
		} else {
			*x.to = facts.Known(ok, from)
		}
	}
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
