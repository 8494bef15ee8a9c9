package opsys

import (
	"cmp"
	"net/netip"
	"slices"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

const (
	windowsNTKey = `SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	biosKey      = `HARDWARE\DESCRIPTION\System\BIOS`
)

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

// windowsHost fills the facts of the host that only Windows itself can tell.
func windowsHost(w *gather.Windows, h *facts.Host) {
	h.Privileged = w.Elevated()
	first := func(key, value string) facts.Seen[string] {
		s := w.Strings(key, value)
		if s.Known() && len(s.Value) > 0 && s.Value[0] != "" {
			return facts.Known(gather.OneLine(s.Value[0], 100), s.From)
		}
		if s.Known() {
			return facts.Absent[string]("empty", s.From)
		}
		return gather.Likewise[string](s)
	}
	product := first(windowsNTKey, "ProductName")
	if product.Known() {
		h.Distro = facts.Known(facts.Distro{ID: "windows", Name: product.Value}, product.From)
	} else {
		h.Distro = gather.Likewise[facts.Distro](product)
	}
	h.DMI.Vendor, h.DMI.AssetTag = first(biosKey, "SystemManufacturer"), gather.NotAskable[string](gather.ErrUnsupported.Error(), "")
	h.DMI.EC2UUID = gather.NotAskable[bool](gather.ErrUnsupported.Error(), "")
	if s := w.Servers(); s.Known() {
		h.Resolver = facts.Known(facts.Resolver{Servers: s.Value, Search: []string{}, Options: []string{}}, s.From)
	} else {
		h.Resolver = gather.Likewise[facts.Resolver](s)
	}
	rows := w.Routes()
	if !rows.Known() {
		h.IMDSRoute = gather.Likewise[facts.Route](rows)
		h.DefaultIPv4, h.DefaultIPv6 = gather.Likewise[bool](rows), gather.Likewise[bool](rows)
		return
	}
	// An address of neither network stands for everything that is not local.
	_, v4 := bestRoute(onlyDefault(rows.Value), netip.IPv4Unspecified())
	_, v6 := bestRoute(onlyDefault(rows.Value), netip.IPv6Unspecified())
	h.DefaultIPv4, h.DefaultIPv6 = facts.Known(v4, rows.From), facts.Known(v6, rows.From)
	r, ok := bestRoute(rows.Value, gather.IMDSIP)
	if !ok {
		h.IMDSRoute = facts.Absent[facts.Route]("no route", rows.From)
		return
	}
	route := facts.Route{Destination: "default", Interface: gather.OneLine(r.Interface, 100), Kind: "unicast"}
	if r.Prefix.Bits() > 0 {
		route.Destination = r.Prefix.Masked().String()
	}
	if r.Gateway.IsValid() && !r.Gateway.IsUnspecified() {
		route.Gateway = r.Gateway.String()
	}
	h.IMDSRoute = facts.Known(route, rows.From)
}

func onlyDefault(rows []gather.WindowsRoute) []gather.WindowsRoute {
	return slices.DeleteFunc(slices.Clone(rows), func(r gather.WindowsRoute) bool { return !r.Prefix.IsValid() || r.Prefix.Bits() != 0 })
}
