package node

import (
	"testing"

	"ssm-doctor/checks/facts"
)

func TestDeviceOf(t *testing.T) {
	t.Parallel()
	n := nodeOf(t, "profile", func(f *facts.Facts) {
		f.Host.Links = facts.Known([]facts.Link{{Name: "lo", Loopback: true}, {Name: "corp0", Kind: "wireguard"}, {Name: "br0", Kind: "bridge"}, {Name: "lan", Kind: "bridge"}, {Name: "eth0", Kind: "veth"}, {Name: "bond0", Kind: "bond"}, {Name: "p4p1"}, {Name: "wt0", Kind: "veth"}}, "")
		f.Host.Defaults = facts.Known([]facts.Route{{Destination: "default", Interface: "br0", Kind: "unicast", Gateway: "10.0.0.1"}}, "")
	})
	for name, want := range map[string]Device{
		"lo": Loopback, "corp0": Tunnel, "wg1": Tunnel, "wt0": Tunnel, "tailscale0": Tunnel, "utun3": Tunnel, "br0": WayOut, "lan": Container, "docker0": Container, "veth2c043f2": Container, "br-3f2a9c1d": Container,
		"eth0": WayOut, "enX0": WayOut, "ens5": WayOut, "eth0.100": WayOut, "bond0": WayOut, "p4p1": WayOut, "Ethernet 2": WayOut, "": UnknownDevice,
	} {
		if got, word := n.DeviceOf(name); got != want {
			t.Errorf("%q: %d %q, want %d", name, got, word, want)
		}
	}
	if r, ok := n.MainRoute(false); !ok || n.MainDevice() != "br0" {
		t.Errorf("%+v %q", r, n.MainDevice())
	}
}

func TestResolverPath(t *testing.T) {
	t.Parallel()
	n := nodeOf(t, "profile", func(f *facts.Facts) {
		f.Host.Paths = facts.Known([]facts.Path{{To: "169.254.169.123", Of: facts.PathTime}, {To: "10.0.0.2", Of: facts.PathResolver}}, "")
	})
	for asked, want := range map[string]string{"10.0.0.2": "10.0.0.2", "10.0.0.2:53": "10.0.0.2", "127.0.0.53": "10.0.0.2", "127.0.0.53:53": "10.0.0.2", "10.9.9.9": "", "": "10.0.0.2"} {
		if p, _ := n.ResolverPath(asked); p.To != want {
			t.Errorf("%q: %q, want %q", asked, p.To, want)
		}
	}
}
