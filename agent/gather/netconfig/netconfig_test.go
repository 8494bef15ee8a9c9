package netconfig

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func TestEntries(t *testing.T) {
	t.Parallel()
	type e = facts.NetworkEntry
	for name, c := range map[string]struct {
		text string
		want []e
	}{
		"etc/netplan/01.yaml":                                  {"network:\n  version: 2\n  ethernets:\n    ens5:\n      dhcp4: true\n      match:\n        macaddress: 0a:1b:2c:3d:4e:5f\n      set-name: ens5\n    ens6:\n      dhcp4: yes\n    ens7:\n      addresses: [10.0.1.5/24]\n", []e{{Device: "ens5", Pinned: facts.PinnedMAC, Value: "0a:1b:2c:3d:4e:5f"}, {Device: "ens6"}, {Device: "ens7", Pinned: facts.PinnedAddress, Value: "10.0.1.5/24"}}},
		"etc/systemd/network/10.network":                       {"[Match]\nMACAddress=0a:1b:2c:3d:4e:5f\n[Network]\nDHCP=yes\n", []e{{Pinned: facts.PinnedMAC, Value: "0a:1b:2c:3d:4e:5f"}}},
		"etc/systemd/network/20.network":                       {"[Match]\nName=en*\n[Network]\nDHCP=ipv4\n", []e{{Device: "en*"}}},
		"etc/systemd/network/30.network":                       {"[Match]\nName=ve-*\n[Network]\nDHCP=ipv4\n", nil},
		"etc/systemd/network/40.network":                       {"[Match]\nName=eth0\n[Network]\nAddress=10.0.0.5/24\n", []e{{Device: "eth0", Pinned: facts.PinnedAddress, Value: "10.0.0.5/24"}}},
		"usr/lib/systemd/network/80-ec2.network":               {"[Match]\nDriver=ena ixgbevf vif\n[Network]\nDHCP=yes\n", []e{{Device: "ena ixgbevf vif"}}},
		"etc/systemd/network/10.link":                          {"[Match]\nMACAddress=0a:1b:2c:3d:4e:5f\n[Link]\nName=eth0\n", []e{{Device: "eth0", Pinned: facts.PinnedName, Value: "0a:1b:2c:3d:4e:5f"}}},
		"etc/NetworkManager/system-connections/a.nmconnection": {"[connection]\nid=a\ntype=ethernet\n[ethernet]\nmac-address=0A:1B:2C:3D:4E:5F\n[ipv4]\nmethod=auto\n", []e{{Pinned: facts.PinnedMAC, Value: "0A:1B:2C:3D:4E:5F"}}},
		"etc/NetworkManager/system-connections/b.nmconnection": {"[connection]\ntype=wireguard\n", nil},
		"etc/sysconfig/network-scripts/ifcfg-eth0":             {"DEVICE=eth0\nHWADDR=0A:1B:2C:3D:4E:5F\nBOOTPROTO=dhcp\nONBOOT=yes\n", []e{{Device: "eth0", Pinned: facts.PinnedMAC, Value: "0A:1B:2C:3D:4E:5F"}}},
		"etc/sysconfig/network-scripts/ifcfg-eth1":             {"DEVICE=eth1\nBOOTPROTO=dhcp\nONBOOT=no\n", nil},
		"etc/sysconfig/network-scripts/ifcfg-lo":               {"DEVICE=lo\n", nil},
		"etc/network/interfaces":                               {"auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\niface eth1 inet static\n  address 10.0.0.7/24\n", []e{{Device: "eth0"}, {Device: "eth1", Pinned: facts.PinnedAddress, Value: "10.0.0.7/24"}}},
		"etc/udev/rules.d/70-persistent-net.rules":             {"# x\nSUBSYSTEM==\"net\", ACTION==\"add\", ATTR{address}==\"0a:1b:2c:3d:4e:5f\", NAME=\"eth0\"\n", []e{{Device: "eth0", Pinned: facts.PinnedName, Value: "0a:1b:2c:3d:4e:5f"}}},
	} {
		if d := cmp.Diff(c.want, entries(name, []byte(c.text))); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	s := Read(gathertest.InMemory(map[string][]byte{
		"etc/cloud/cloud.cfg":                          []byte("users: [default]\n"),
		"etc/cloud/cloud.cfg.d/99-disable-network.cfg": []byte("network: {config: disabled}\n"),
		"etc/netplan/50-cloud-init.yaml":               []byte("network: {ethernets: {ens5: {dhcp4: true, match: {macaddress: '0a:1b:2c:3d:4e:5f'}}}}\n"),
	}))
	want := facts.NetworkSetup{CloudInit: true, CloudInitOff: "/etc/cloud/cloud.cfg.d/99-disable-network.cfg", Entries: []facts.NetworkEntry{{File: "/etc/netplan/50-cloud-init.yaml", Device: "ens5", Pinned: facts.PinnedMAC, Value: "0a:1b:2c:3d:4e:5f", ByCloudInit: true}}}
	if d := cmp.Diff(want, s.Value); d != "" || !s.Known() {
		t.Error(s.State, d)
	}
	for text, want := range map[string]int{"[main]\nplugins=keyfile\n": 1, "[main]\nno-auto-default=*\n": 0} {
		s := Read(gathertest.InMemory(map[string][]byte{"usr/lib/systemd/system/NetworkManager.service": nil, "etc/NetworkManager/conf.d/a.conf": []byte(text)}))
		if len(s.Value.Entries) != want {
			t.Errorf("%q: %+v", text, s.Value)
		}
	}
	if s := Read(gathertest.InMemory(nil)); !s.Known() || s.Value.CloudInit || len(s.Value.Entries) > 0 {
		t.Errorf("%+v", s)
	}
	if s := Read(&gather.Env{GOOS: "windows"}); !s.Unknown() || s.Code != facts.NotAskable {
		t.Errorf("%+v", s)
	}
}

func FuzzEntries(f *testing.F) {
	gathertest.AddSeeds(f, "network:\n  ethernets:\n    ens5: {match: {macaddress: x}, addresses: [1]}\n", "[Match]\nMACAddress=x\nName=en*\n", "[connection]\ntype=ethernet\n", "HWADDR=x\nDEVICE=eth0\n", "iface a inet static\naddress b\n", "ATTR{address}==\"0a:1b:2c:3d:4e:5f\", NAME=\"eth0\"", "network: {config: disabled}", "a: &a [*a]")
	f.Fuzz(func(t *testing.T, b []byte) {
		files := map[string][]byte{}
		for _, name := range []string{"etc/netplan/a.yaml", "etc/systemd/network/a.network", "etc/systemd/network/a.link", "etc/NetworkManager/system-connections/a", "etc/sysconfig/network-scripts/ifcfg-a", "etc/network/interfaces", "etc/udev/rules.d/a.rules", "etc/cloud/cloud.cfg.d/a.cfg"} {
			files[name] = b
		}
		s := Read(gathertest.InMemory(files))
		gathertest.Sound(t, s)
		if len(s.Value.Entries) > maxEntries+2 {
			t.Errorf("%d entries", len(s.Value.Entries))
		}
	})
}
