package opsys

import (
	"net/netip"
	"strings"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/routing"
	"ssm-doctor/checks/facts"
)

const (
	windowsNTKey = `SOFTWARE\Microsoft\Windows NT\CurrentVersion`
	biosKey      = `HARDWARE\DESCRIPTION\System\BIOS`
)

// windowsHost fills the facts of the host that only Windows itself can tell.
func windowsHost(env *gather.Env, h *facts.Host) {
	w := env.Windows
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
	windowsFirmware(w, &h.DMI)
	h.LaunchAgents, h.WMI = launchAgentsOf(env), winService(w, "Winmgmt")
	h.NTPSynchronized = clockKept(w)
	if s := w.Servers(); s.Known() {
		h.Resolver = facts.Known(facts.Resolver{Servers: s.Value, Search: suffixes(w), Options: []string{}}, s.From)
	} else {
		h.Resolver = gather.Likewise[facts.Resolver](s)
	}
	if servers, from, ok := nrptServers(w); ok {
		h.Resolver = facts.Known(facts.Resolver{Servers: servers, Search: suffixes(w), Options: []string{}}, from)
	}
	rows := w.Routes()
	if !rows.Known() {
		h.DefaultIPv4, h.DefaultIPv6 = gather.Likewise[bool](rows), gather.Likewise[bool](rows)
		h.Defaults = gather.Likewise[[]facts.Route](rows)
		return
	}
	defaults, four := routing.WindowsDefaults(rows.Value)
	h.DefaultIPv4, h.DefaultIPv6 = facts.Known(four > 0, rows.From), facts.Known(len(defaults) > four || waySix(env), rows.From)
	h.Defaults = facts.Known(defaults, rows.From)
}

// windowsFirmware fills what the firmware tells of the machine.
func windowsFirmware(w *gather.Windows, d *facts.DMI) {
	if w.Firmware == nil {
		return
	}
	s := w.Firmware()
	f, ok := s.Get()
	if !ok {
		d.AssetTag, d.EC2UUID = gather.Likewise[string](s), gather.Likewise[bool](s)
		return
	}
	for to, v := range map[*facts.Seen[string]]string{&d.Product: f.Product, &d.AssetTag: f.AssetTag, &d.Chassis: f.Chassis} {
		if *to = facts.Known(v, s.From); v == "" {
			*to = facts.Absent[string]("empty", s.From)
		}
	}
	if d.EC2UUID = facts.Absent[bool]("the firmware has none", s.From); f.UUID != "" {
		d.EC2UUID = facts.Known(EC2UUID(f.UUID), s.From)
	}
}

// clockKept tells whether the Windows Time service keeps the clock: that it does not
// where it is disabled or told to ask nobody. That it does cannot be read.
func clockKept(w *gather.Windows) facts.Seen[bool] {
	const key = `SYSTEM\CurrentControlSet\Services\W32Time`
	for _, at := range [][3]string{{key, "Start", "4"}, {key + `\Parameters`, "Type", "NoSync"}} {
		if s := w.Strings(at[0], at[1]); s.Known() && len(s.Value) > 0 && s.Value[0] == at[2] {
			return facts.Known(false, s.From+`\`+at[1]+"="+at[2])
		}
	}
	return gather.NotAskable[bool]("Windows does not say whether its clock is synchronized", gather.RegistryURL(key))
}

// waySix reports whether routing leads to the internet of IPv6 by another row than a
// default route. No packet is sent.
func waySix(env *gather.Env) bool {
	const google = "2001:4860:4860::8888" // any public address does
	source := env.SourceAddr
	if source == nil {
		if env.Dial == nil { // no network in this run
			return false
		}
		source = gather.SourceFor
	}
	a, err := netip.ParseAddr(source(google))
	return err == nil && a.Is6() && a.IsGlobalUnicast()
}

// suffixes are the domains that Windows appends to names of one label.
func suffixes(w *gather.Windows) []string {
	const (
		params = `SYSTEM\CurrentControlSet\Services\Tcpip\Parameters`
		policy = `SOFTWARE\Policies\Microsoft\Windows NT\DNSClient`
	)
	out := []string{}
	for _, at := range [][2]string{{policy, "SearchList"}, {params, "SearchList"}, {params, "Domain"}, {params, "DhcpDomain"}} {
		s := w.Strings(at[0], at[1])
		if !s.Known() || len(s.Value) == 0 {
			continue
		}
		for d := range strings.FieldsFuncSeq(s.Value[0], func(r rune) bool { return r == ',' || r == ' ' }) {
			if len(out) < 10 {
				out = append(out, gather.OneLine(d, 255))
			}
		}
		if len(out) > 0 {
			break
		}
	}
	return out
}

// windowsContainer tells whether this is a container of Windows.
// Source: Microsoft, "Containers on Windows": ContainerType is set in the registry of one.
func windowsContainer(w *gather.Windows) facts.Seen[facts.Container] {
	const key = `SYSTEM\CurrentControlSet\Control`
	if w == nil {
		return gather.NotAskable[facts.Container](gather.NotLive, "")
	}
	s := w.Strings(key, "ContainerType")
	switch {
	case s.Absent():
		return facts.Absent[facts.Container]("no mark of a container", s.From)
	case !s.Known():
		return gather.Likewise[facts.Container](s)
	}
	return facts.Known(facts.Container{Runtime: "windows", Evidence: "ContainerType in the registry"}, s.From)
}
