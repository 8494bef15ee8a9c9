package firewall

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/sorting"
)

// routeDirs are where distributions keep routes that survive a reboot.
var routeDirs = []string{
	"etc/netplan", "etc/sysconfig/network-scripts", "etc/sysconfig/network", "etc/NetworkManager/system-connections",
	"etc/systemd/network", "etc/network/interfaces.d",
}

const (
	maxRouteFiles = 200
	maxRoutes     = 20
)

// PersistentRoutes finds configured routes that cover the metadata service but
// are no default routes. Written for another subnet they lead nowhere.
func PersistentRoutes(fsys gather.FileSystem) facts.Seen[[]facts.Route] {
	files := []string{"etc/network/interfaces", "etc/rc.local", "etc/sysconfig/static-routes"}
	for _, d := range routeDirs {
		es, err := fsys.ReadDir(d)
		if err != nil {
			continue
		}
		for _, e := range es {
			if len(files) < maxRouteFiles {
				files = append(files, path.Join(d, e.Name()))
			}
		}
	}
	slices.Sort(files)
	out := []facts.Route{}
	var denied error
	for _, name := range files {
		b, err := gather.ReadFile(fsys, name, 256<<10)
		if err != nil {
			if !gather.Missing(err) && !isDirErr(fsys, name) {
				denied = err
			}
			continue
		}
		for _, r := range configuredRoutes(name, b) {
			if len(out) < maxRoutes {
				r.From = gather.FileURL(name)
				out = append(out, r)
			}
		}
	}
	if len(out) == 0 && denied != nil {
		return gather.Unknown[[]facts.Route](denied, "")
	}
	return facts.Known(out, "network configuration")
}

func isDirErr(fsys gather.FileSystem, name string) bool {
	fi, err := fsys.Stat(name)
	return err == nil && fi.IsDir()
}

// WindowsRoutes reads persistent routes of Windows that cover the metadata service.
func WindowsRoutes(s facts.Seen[[]string]) facts.Seen[[]facts.Route] {
	if !s.Known() {
		return gather.Likewise[[]facts.Route](s)
	}
	out := []facts.Route{}
	for _, name := range s.Value {
		f := strings.Split(name, ",")
		if len(f) < 3 || len(out) >= maxRoutes {
			continue
		}
		m, err := netip.ParseAddr(strings.TrimSpace(f[1]))
		if err != nil || !m.Is4() {
			continue
		}
		if dst, ok := coversIMDS(strings.TrimSpace(f[0]) + "/" + MaskBits(m)); ok {
			out = append(out, facts.Route{Destination: dst, Gateway: gather.OneLine(strings.TrimSpace(f[2]), 50), Kind: "unicast", From: s.From})
		}
	}
	return facts.Known(out, s.From)
}

// coversIMDS returns the canonical form of a destination that covers the
// metadata address and is narrower than a default route.
func coversIMDS(dst string) (string, bool) {
	if !strings.Contains(dst, "/") {
		dst += "/32"
	}
	p, err := netip.ParsePrefix(dst)
	if err != nil || p.Bits() < 8 || !p.Contains(gather.IMDSIP) {
		return "", false
	}
	return p.Masked().String(), true
}

var viaRE = pattern.New(`(169\.254(?:\.\d{1,3}){2}(?:/\d{1,2})?|169\.254\.0\.0/16)(?:\s+netmask\s+(\S+))?\s+(?:via|gw)\s+(\d{1,3}(?:\.\d{1,3}){3})(?:\s+dev\s+(\S+))?`)

// configuredRoutes reads the routes to the metadata service of one file, whose
// name tells the format.
func configuredRoutes(name string, b []byte) []facts.Route {
	base := path.Base(name)
	switch {
	case strings.HasSuffix(base, ".yaml") || strings.HasSuffix(base, ".yml"):
		return netplanRoutes(b)
	case strings.HasSuffix(base, ".network"):
		return networkdRoutes(b)
	case strings.Contains(name, "NetworkManager/"):
		return keyfileRoutes(b)
	case strings.HasPrefix(base, "route-"), base == "routes", strings.HasPrefix(base, "ifroute-"):
		return append(ifcfgRoutes(b), plainRoutes(b)...)
	}
	return plainRoutes(b)
}

// plainRoutes finds "ip route add DST via GW dev IF" and the like in any text.
func plainRoutes(b []byte) []facts.Route {
	var out []facts.Route
	gather.Lines(b, func(l []byte) bool {
		s := strings.TrimSpace(string(l))
		if strings.HasPrefix(s, "#") {
			return true
		}
		m := viaRE.FindStringSubmatch(s)
		if m == nil {
			return true
		}
		if dst, ok := coversIMDS(m[1]); ok && len(out) < maxRoutes {
			out = append(out, facts.Route{Destination: dst, Gateway: m[3], Interface: gather.OneLine(m[4], 50), Kind: "unicast"})
		}
		return true
	})
	return out
}

// ifcfgRoutes reads ADDRESSn=, NETMASKn=, GATEWAYn=.
func ifcfgRoutes(b []byte) []facts.Route {
	vals := map[string]string{}
	for _, kv := range hostfile.ShellAssignments(b) {
		vals[kv[0]] = kv[1]
	}
	var out []facts.Route
	for k, addr := range vals {
		n, ok := strings.CutPrefix(k, "ADDRESS")
		if !ok {
			continue
		}
		length := "32"
		if m, err := netip.ParseAddr(vals["NETMASK"+n]); err == nil && m.Is4() {
			length = MaskBits(m)
		}
		if dst, ok := coversIMDS(addr + "/" + length); ok {
			out = append(out, facts.Route{Destination: dst, Gateway: gather.OneLine(vals["GATEWAY"+n], 50), Kind: "unicast"})
		}
	}
	sorting.By(out, func(a, b facts.Route) int { return strings.Compare(a.Destination+a.Gateway, b.Destination+b.Gateway) })
	return out[:min(len(out), maxRoutes)]
}

func MaskBits(m netip.Addr) string {
	b := m.As4()
	return strconv.Itoa(bits.LeadingZeros32(^binary.BigEndian.Uint32(b[:])))
}

// networkdRoutes reads the [Route] sections of a .network file.
func networkdRoutes(b []byte) []facts.Route {
	var out []facts.Route
	var dst, gw, ifn string
	in := false
	end := func() {
		if d, ok := coversIMDS(dst); in && ok && len(out) < maxRoutes {
			out = append(out, facts.Route{Destination: d, Gateway: gather.OneLine(gw, 50), Interface: gather.OneLine(ifn, 50), Kind: "unicast"})
		}
		dst, gw = "", ""
	}
	gather.Lines(b, func(l []byte) bool {
		s := strings.TrimSpace(string(l))
		if strings.HasPrefix(s, "[") {
			end()
			in = s == "[Route]"
			return true
		}
		k, v, _ := strings.Cut(s, "=")
		switch k = strings.TrimSpace(k); {
		case k == "Name":
			ifn = strings.TrimSpace(v)
		case k == "Destination" && in:
			dst = strings.TrimSpace(v)
		case k == "Gateway" && in:
			gw = strings.TrimSpace(v)
		}
		return true
	})
	end()
	return out
}

// keyfileRoutes reads routeN=DST/BITS,GW,METRIC of NetworkManager.
func keyfileRoutes(b []byte) []facts.Route {
	var out []facts.Route
	ifn := ""
	gather.Lines(b, func(l []byte) bool {
		k, v, _ := strings.Cut(strings.TrimSpace(string(l)), "=")
		if k == "interface-name" {
			ifn = v
		}
		if !strings.HasPrefix(k, "route") || strings.Contains(k, "_") {
			return true
		}
		f := strings.Split(v, ",")
		if dst, ok := coversIMDS(f[0]); ok && len(out) < maxRoutes {
			r := facts.Route{Destination: dst, Interface: gather.OneLine(ifn, 50), Kind: "unicast"}
			if len(f) > 1 {
				r.Gateway = gather.OneLine(f[1], 50)
			}
			out = append(out, r)
		}
		return true
	})
	return out
}

// netplanRoutes finds lists named routes anywhere below network.
func netplanRoutes(b []byte) []facts.Route {
	var doc struct {
		Network map[string]yaml.Node `yaml:"network"`
	}
	if yaml.Unmarshal(b, &doc) != nil {
		return nil
	}
	var out []facts.Route
	for _, kind := range []string{"ethernets", "bonds", "bridges", "vlans", "wifis"} {
		n, ok := doc.Network[kind]
		if !ok {
			continue
		}
		var devs map[string]struct {
			Routes []struct{ To, Via, Type string }
		}
		if n.Decode(&devs) != nil {
			continue
		}
		for name, d := range devs {
			for _, r := range d.Routes {
				dst, ok := coversIMDS(r.To)
				if !ok || len(out) >= maxRoutes {
					continue
				}
				if r.Type == "" {
					r.Type = "unicast"
				}
				out = append(out, facts.Route{Destination: dst, Gateway: gather.OneLine(r.Via, 50), Interface: gather.OneLine(name, 50), Kind: gather.OneLine(r.Type, 20)})
			}
		}
	}
	sorting.By(out, func(a, b facts.Route) int {
		return strings.Compare(a.Interface+a.Destination, b.Interface+b.Destination)
	})
	return out
}
