// Package netconfig reads what the files of a host say of its network at the next
// start: netplan, systemd-networkd, NetworkManager, ifcfg, ifupdown, udev and
// cloud-init.
package netconfig

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/hostfile"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/sorting"
)

// dirs hold network configuration. Source: netplan(5), systemd.network(5),
// nm-settings-keyfile(5), interfaces(5), udev(7), and the network section of
// cloud-init's manual.
var dirs = []string{
	"etc/netplan", "etc/systemd/network", "usr/lib/systemd/network", "etc/NetworkManager/system-connections",
	"etc/sysconfig/network-scripts", "etc/sysconfig/network", "etc/network/interfaces.d", "etc/udev/rules.d", "etc/cloud/cloud.cfg.d",
}

const (
	maxFiles    = 200
	maxEntries  = 50
	maxFileSize = 256 << 10
)

// Read reads the configuration of a tree.
func Read(env *gather.Env) facts.Seen[facts.NetworkSetup] {
	if env.GOOS != "linux" {
		return gather.NotAskable[facts.NetworkSetup](gather.ErrUnsupported.Error(), "")
	}
	const from = "network configuration"
	files := []string{"etc/network/interfaces", "etc/cloud/cloud.cfg"}
	for _, d := range dirs {
		es, err := env.FS.ReadDir(d)
		if err != nil {
			if !gather.Missing(err) {
				return gather.Unknown[facts.NetworkSetup](err, from)
			}
			continue
		}
		for _, e := range es {
			if !e.IsDir() && len(files) < maxFiles {
				if d == "etc/NetworkManager/conf.d" || !gather.Exists(env.FS, "etc/NetworkManager/conf.d/"+e.Name()) { // which takes its place
					files = append(files, path.Join(d, e.Name()))
				}
			}
		}
	}
	slices.Sort(files)
	s := facts.NetworkSetup{Entries: []facts.NetworkEntry{}, CloudInit: gather.Exists(env.FS, "usr/bin/cloud-init") || gather.Exists(env.FS, "etc/cloud/cloud.cfg")}
	if gather.Exists(env.FS, "etc/cloud/cloud-init.disabled") {
		s.CloudInitOff = "/etc/cloud/cloud-init.disabled"
	}
	// Amazon's own tools name and configure every interface by themselves.
	ownTools := gather.Exists(env.FS, "etc/udev/rules.d/53-ec2-network-interfaces.rules") || gather.Exists(env.FS, "usr/lib/udev/rules.d/99-vpc-policy-routes.rules")
	for _, name := range files {
		b, err := gather.ReadFile(env.FS, name, maxFileSize)
		if err != nil {
			if gather.Missing(err) {
				continue
			}
			return gather.Unknown[facts.NetworkSetup](err, from)
		}
		if cloudInitOff(name, b) {
			s.CloudInitOff = "/" + name
		}
		for _, e := range entries(name, b) {
			if e.Pinned == facts.PinnedName && ownTools || len(s.Entries) >= maxEntries {
				continue
			}
			e.File, e.ByCloudInit = "/"+name, byCloudInit(name, b)
			e.Device, e.Value = gather.OneLine(e.Device, 60), gather.OneLine(e.Value, 60)
			s.Entries = append(s.Entries, e)
		}
	}
	if by := managerDefault(env); by != "" {
		s.Entries = append(s.Entries, facts.NetworkEntry{File: by, Device: "every one, by NetworkManager's default"})
	}
	if ownTools {
		s.Entries = append(s.Entries, facts.NetworkEntry{File: "/usr/lib/udev/rules.d", Device: "every one, by Amazon's network tools"})
	}
	return facts.Known(s, from)
}

// managerDefault is the unit of NetworkManager where that is installed and configures
// by DHCP what no connection is for; empty: it does not. Source: NetworkManager.conf(5),
// no-auto-default and unmanaged-devices.
func managerDefault(env *gather.Env) string {
	const unit = "usr/lib/systemd/system/NetworkManager.service"
	if !gather.Exists(env.FS, unit) {
		return ""
	}
	files := []string{"etc/NetworkManager/NetworkManager.conf"}
	for _, d := range []string{"etc/NetworkManager/conf.d", "usr/lib/NetworkManager/conf.d"} {
		es, err := env.FS.ReadDir(d)
		if err != nil && !gather.Missing(err) {
			return ""
		}
		for _, e := range es[:min(len(es), maxFiles)] {
			files = append(files, path.Join(d, e.Name()))
		}
	}
	for _, name := range files {
		b, err := gather.ReadFile(env.FS, name, maxFileSize)
		v := sections(b)
		if err != nil && !gather.Missing(err) || v["main.no-auto-default"] != "" || strings.HasPrefix(v["keyfile.unmanaged-devices"], "*") {
			return ""
		}
	}
	return "/" + unit
}

// byCloudInit reports whether cloud-init wrote a file, and so writes it anew on another
// machine.
func byCloudInit(name string, b []byte) bool {
	head := strings.ToLower(string(b[:min(len(b), 1024)]))
	return strings.Contains(path.Base(name), "cloud-init") || strings.Contains(head, "created by cloud-init") || strings.Contains(head, "generated from information provided by the datasource")
}

// cloudInitOff reports whether a file keeps cloud-init from configuring the network.
func cloudInitOff(name string, b []byte) bool {
	if !strings.HasPrefix(name, "etc/cloud/") || !strings.HasSuffix(name, ".cfg") {
		return false
	}
	var doc struct {
		Network struct{ Config any }
	}
	if yaml.Unmarshal(b, &doc) != nil {
		return false
	}
	s, ok := doc.Network.Config.(string)
	return ok && s == "disabled"
}

// entries are the devices that a file configures or renames; its name tells the format.
func entries(name string, b []byte) []facts.NetworkEntry {
	base, dir := path.Base(name), path.Dir(name)
	switch {
	case dir == "etc/netplan" && (strings.HasSuffix(base, ".yaml") || strings.HasSuffix(base, ".yml")):
		return netplan(b)
	case strings.HasSuffix(base, ".network"):
		return networkd(b)
	case strings.HasSuffix(base, ".link"):
		return linkFile(b)
	case dir == "etc/NetworkManager/system-connections":
		return keyfile(b)
	case strings.HasPrefix(base, "ifcfg-") && base != "ifcfg-lo":
		return ifcfg(strings.TrimPrefix(base, "ifcfg-"), b)
	case dir == "etc/network" || dir == "etc/network/interfaces.d":
		return interfaces(b)
	case dir == "etc/udev/rules.d" && strings.HasSuffix(base, ".rules"):
		return udev(b)
	}
	return nil
}

// entry is what a file says of a device: bound to a hardware address, to an address of
// IP, or to neither.
func entry(device, mac, address string, dhcp bool) facts.NetworkEntry {
	e := facts.NetworkEntry{Device: device}
	switch {
	case mac != "":
		e.Pinned, e.Value = facts.PinnedMAC, mac
	case address != "" && !dhcp:
		e.Pinned, e.Value = facts.PinnedAddress, address
	}
	return e
}

func netplan(b []byte) []facts.NetworkEntry {
	var doc struct {
		Network map[string]yaml.Node `yaml:"network"`
	}
	if yaml.Unmarshal(b, &doc) != nil {
		return nil
	}
	n, ok := doc.Network["ethernets"]
	if !ok {
		return nil
	}
	var devs map[string]struct {
		Match struct {
			Macaddress string `yaml:"macaddress"`
		} `yaml:"match"`
		DHCP4     any   `yaml:"dhcp4"`
		DHCP6     any   `yaml:"dhcp6"`
		Addresses []any `yaml:"addresses"`
	}
	if n.Decode(&devs) != nil {
		return nil
	}
	var out []facts.NetworkEntry
	for name, d := range devs {
		address := ""
		if len(d.Addresses) > 0 {
			address, _ = d.Addresses[0].(string)
		}
		yes := func(v any) bool { return v == true || v == "yes" || v == "true" }
		out = append(out, entry(name, d.Match.Macaddress, address, yes(d.DHCP4) || yes(d.DHCP6)))
	}
	sorting.By(out, func(a, b facts.NetworkEntry) int { return strings.Compare(a.Device, b.Device) })
	return out[:min(len(out), maxEntries)]
}

// sections reads a file of systemd or a keyfile: section and key to value, in lower case.
func sections(b []byte) map[string]string {
	vals := map[string]string{}
	in := ""
	gather.Lines(b, func(l []byte) bool {
		s := strings.TrimSpace(string(l))
		if strings.HasPrefix(s, "#") || strings.HasPrefix(s, ";") {
			return true
		}
		if strings.HasPrefix(s, "[") {
			in = strings.ToLower(strings.Trim(s, "[]"))
			return true
		}
		if k, v, ok := strings.Cut(s, "="); ok && len(vals) < 200 {
			vals[in+"."+strings.ToLower(strings.TrimSpace(k))] = strings.Trim(strings.TrimSpace(v), `"`)
		}
		return true
	})
	return vals
}

// reEthernet is a pattern of names that takes devices of a cloud.
var reEthernet = pattern.New(`^(\*|e\*|en|eth|!)`)

func networkd(b []byte) []facts.NetworkEntry {
	v := sections(b)
	mac := cmp.Or(v["match.macaddress"], v["match.permanentmacaddress"])
	name := v["match.name"]
	general := v["match.type"] == "ether" || v["match.driver"] != "" || reEthernet.MatchString(name)
	if mac == "" && !general {
		return nil // of containers, tunnels and the like
	}
	dhcp := !slices.Contains([]string{"", "no", "false", "none"}, strings.ToLower(v["network.dhcp"]))
	return []facts.NetworkEntry{entry(cmp.Or(name, v["match.driver"]), mac, cmp.Or(v["network.address"], v["address.address"]), dhcp)}
}

func linkFile(b []byte) []facts.NetworkEntry {
	v := sections(b)
	mac, name := cmp.Or(v["match.macaddress"], v["match.permanentmacaddress"]), v["link.name"]
	if mac == "" || name == "" {
		return nil
	}
	return []facts.NetworkEntry{{Device: name, Pinned: facts.PinnedName, Value: mac}}
}

func keyfile(b []byte) []facts.NetworkEntry {
	v := sections(b)
	if t := v["connection.type"]; t != "ethernet" && t != "802-3-ethernet" {
		return nil
	}
	mac := cmp.Or(v["ethernet.mac-address"], v["802-3-ethernet.mac-address"])
	return []facts.NetworkEntry{entry(v["connection.interface-name"], mac, cmp.Or(v["ipv4.address1"], v["ipv4.addresses"]), v["ipv4.method"] == "auto")}
}

func ifcfg(device string, b []byte) []facts.NetworkEntry {
	v := map[string]string{}
	for _, kv := range hostfile.ShellAssignments(b) {
		v[kv[0]] = kv[1]
	}
	if strings.EqualFold(v["ONBOOT"], "no") || v["TYPE"] != "" && !strings.EqualFold(v["TYPE"], "ethernet") {
		return nil
	}
	if v["DEVICE"] != "" {
		device = v["DEVICE"]
	}
	boot := strings.ToLower(v["BOOTPROTO"])
	return []facts.NetworkEntry{entry(device, v["HWADDR"], cmp.Or(v["IPADDR"], v["IPADDR0"]), strings.HasPrefix(boot, "dhcp"))}
}

func interfaces(b []byte) []facts.NetworkEntry {
	var out []facts.NetworkEntry
	gather.Lines(b, func(l []byte) bool {
		f := strings.Fields(string(l))
		switch {
		case len(f) >= 4 && f[0] == "iface" && f[1] != "lo" && len(out) < maxEntries:
			address := ""
			if f[3] == "static" {
				address = "static"
			}
			out = append(out, entry(f[1], "", address, f[3] != "static"))
		case len(f) >= 2 && f[0] == "address" && len(out) > 0 && out[len(out)-1].Value == "static":
			out[len(out)-1].Value = f[1]
		}
		return true
	})
	return out
}

var (
	reUdevMAC  = pattern.New(`ATTR\{address\}=="([0-9A-Fa-f:]{17})"`)
	reUdevName = pattern.New(`NAME="([^"]{1,40})"`)
)

func udev(b []byte) []facts.NetworkEntry {
	var out []facts.NetworkEntry
	gather.Lines(b, func(l []byte) bool {
		s := strings.TrimSpace(string(l))
		mac, name := reUdevMAC.FindStringSubmatch(s), reUdevName.FindStringSubmatch(s)
		if !strings.HasPrefix(s, "#") && mac != nil && name != nil && len(out) < maxEntries {
			out = append(out, facts.NetworkEntry{Device: name[1], Pinned: facts.PinnedName, Value: mac[1]})
		}
		return true
	})
	return out
}
