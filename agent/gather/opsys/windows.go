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
		return facts.Seen[string]{State: s.State, Why: s.Why, From: s.From}
	}
	product, build := first(windowsNTKey, "ProductName"), first(windowsNTKey, "CurrentBuild")
	if product.Known() {
		h.Distro = facts.Known(facts.Distro{ID: "windows", Name: product.Value, Version: build.Value}, product.From)
	} else {
		h.Distro = facts.Seen[facts.Distro]{State: product.State, Why: product.Why, From: product.From}
	}
	h.DMI.Vendor, h.DMI.Product, h.DMI.AssetTag = first(biosKey, "SystemManufacturer"), first(biosKey, "SystemProductName"), facts.Unknown[string](gather.ErrUnsupported.Error(), "")
	h.DMI.EC2UUID = facts.Unknown[bool](gather.ErrUnsupported.Error(), "")
	if zone := first(`SYSTEM\CurrentControlSet\Control\TimeZoneInformation`, "TimeZoneKeyName"); zone.Known() {
		h.TimeZone = zone
	}
	if s := w.Servers(); s.Known() {
		h.Resolver = facts.Known(facts.Resolver{Servers: s.Value, Search: []string{}, Options: []string{}}, s.From)
	} else {
		h.Resolver = facts.Seen[facts.Resolver]{State: s.State, Why: s.Why, From: s.From}
	}
	rows := w.Routes()
	if !rows.Known() {
		h.IMDSRoute = facts.Unknown[facts.Route](rows.Reason(), rows.From)
		h.DefaultIPv4, h.DefaultIPv6 = facts.Unknown[bool](rows.Reason(), rows.From), facts.Unknown[bool](rows.Reason(), rows.From)
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
