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

func TestNullRule(t *testing.T) {
	t.Parallel()
	const ssm = "198.51.100.7"
	for name, tt := range map[string]struct {
		rules []string // of priorities from 1
		port  int
		want  int // priority; 0: none
	}{
		"all":                    {[]string{"from all blackhole"}, 443, 1},
		"address":                {[]string{"from all to 198.51.100.0/24 blackhole"}, 443, 1},
		"other address":          {[]string{"from all to 192.0.2.0/24 blackhole"}, 443, 0},
		"port":                   {[]string{"from all dport 22 blackhole", "from all ipproto tcp dport 443 blackhole"}, 443, 2},
		"ports":                  {[]string{"from all dport 400-500 blackhole"}, 443, 1},
		"the other protocol":     {[]string{"from all ipproto udp dport 443 blackhole"}, 443, 0},
		"queries":                {[]string{"from all ipproto udp dport 53 blackhole"}, 53, 1},
		"a port, and none known": {[]string{"from all dport 443 blackhole"}, 0, 0},
		"root":                   {[]string{"from all uidrange 1000-2000 blackhole", "from all uidrange 0-0 blackhole"}, 443, 2},
		"of this host":           {[]string{"from all iif eth1 blackhole", "from all iif lo blackhole"}, 443, 2},
		"a mark":                 {[]string{"from all fwmark 0x1 blackhole"}, 443, 0},
		"turned round":           {[]string{"not from all to 192.0.2.0/24 blackhole"}, 443, 0},
		"another kind":           {[]string{"from all prohibit"}, 443, 0},
	} {
		n := &Node{Facts: &facts.Facts{}}
		var rules []facts.RoutingRule
		for i, text := range tt.rules {
			rules = append(rules, facts.RoutingRule{Priority: i + 1, Family: "inet", Text: text})
		}
		n.Facts.Host.Rules = facts.Known(rules, "")
		got, ok := n.NullRule(facts.Route{Kind: "blackhole", Port: tt.port}, ssm)
		if got.Priority != tt.want || ok != (tt.want != 0) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
