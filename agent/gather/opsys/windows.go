package opsys

import (
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/routing"
	"ssm-doctor/checks/facts"
)

const (
	windowsNTKey = `SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	biosKey      = `HARDWARE\DESCRIPTION\System\BIOS`
)

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
		h.DefaultIPv4, h.DefaultIPv6 = gather.Likewise[bool](rows), gather.Likewise[bool](rows)
		h.Defaults = gather.Likewise[[]facts.Route](rows)
		return
	}
	defaults, four := routing.WindowsDefaults(rows.Value)
	h.DefaultIPv4, h.DefaultIPv6 = facts.Known(four > 0, rows.From), facts.Known(len(defaults) > four, rows.From)
	h.Defaults = facts.Known(defaults, rows.From)
}
