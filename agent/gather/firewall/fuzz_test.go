package firewall

import (
	"net/netip"
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func FuzzNft(f *testing.F) {
	gathertest.AddSeeds(f, "table ip filter { # handle 1\n\tchain output { # handle 2\n\t\ttype filter hook output priority 0; policy drop;\n\t\tip daddr 169.254.169.254 meta skuid != 0 reject # handle 3\n\t\tip daddr { 10.0.0.0/8, 192.168.0.0-192.168.1.255 } tcp dport { 80, 443 } accept\n\t\tjump other\n\t}\n\tchain other {\n\t\tjump output\n\t\tdrop\n\t}\n}\n",
		"}}}}", "table ip a {\nchain b {\ntype filter hook output\nip daddr { 10.0.0.1, 0\xef } oif \x1b drop\n}\n}\n", "table inet x {\nchain y {\ntype filter hook output\noifname \"lo\" accept\nlog prefix \"a b\" drop\n", "table ip f {\nchain o {\nct state established,related accept\nip daddr != 10.0.0.0/8 drop\nmeta l4proto tcp th dport 443 reject with tcp reset\n}\n}\n", "table inet i {\nchain in {\ntype filter hook input priority 0; policy drop;\nct state vmap { established : accept, invalid : drop }\niifname vmap { \"eth0\" : jump o }\nudp sport 53 udp dport 1024-65535 accept\nip saddr != 10.0.0.0/8 return\n}\n}\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		rules := parseNft(b)
		gathertest.Sound(t, rules)
		for _, r := range rules {
			if !r.IMDS && !r.HTTPS && !r.DNS || len(rules) > maxRules {
				t.Errorf("%+v of %d concerns nothing", r, len(rules))
			}
		}
	})
}

func FuzzIptables(f *testing.F) {
	gathertest.AddSeeds(f, "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT DROP [0:0]\n:X - [0:0]\n-A OUTPUT -d 169.254.169.254/32 -p tcp -m owner ! --uid-owner 0 -j REJECT --reject-with icmp-port-unreachable\n-A OUTPUT -m comment --comment \"a b\" -j X\n-A X -g X\nCOMMIT\n", "-A OUTPUT", "*\n:\n-A  \n", "-A OUTPUT -m multiport --dports 80,443:445 ! -d 1.2.3.4 -j DROP", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -s 10.0.0.0/8 -i eth+ -p udp --sport 53 --dport 1024:65535 -j RETURN\n-A PREROUTING -m conntrack ! --ctstate ESTABLISHED -j DROP\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		rules := parseIptables(b)
		gathertest.Sound(t, rules)
		if len(rules) > maxRules {
			t.Errorf("%d rules", len(rules))
		}
	})
}

func FuzzPersistentRoutes(f *testing.F) {
	gathertest.AddSeeds(f, "network:\n  ethernets:\n    eth0:\n      routes:\n      - to: 169.254.169.254/32\n        via: 10.0.0.1\n", "[Route]\nDestination=169.254.169.254\nGateway=10.0.0.1\n", "ADDRESS0=169.254.169.254\nNETMASK0=255.255.255.255\nGATEWAY0=10.0.0.1\n",
		"169.254.169.254/32 via 10.0.0.1 dev eth0\n", "route1=169.254.169.254/32,10.0.0.1\ninterface-name=eth0\n", "up route add -net 169.254.0.0 netmask 255.255.0.0 gw 10.0.0.1\n", "a: &a [*a]", "network: {ethernets: {<<: *x}}")
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, name := range []string{"etc/netplan/a.yaml", "etc/systemd/network/a.network", "etc/NetworkManager/system-connections/a", "etc/sysconfig/network-scripts/route-eth0", "etc/network/interfaces"} {
			rs := configuredRoutes(name, b)
			gathertest.Sound(t, rs)
			for _, r := range rs {
				if p, err := netip.ParsePrefix(r.Destination); err != nil || !p.Contains(gather.IMDSIP) || len(rs) > 2*maxRoutes {
					t.Errorf("%s: %+v of %d", name, r, len(rs))
				}
			}
		}
	})
}

func FuzzWindowsRoutes(f *testing.F) {
	f.Add("169.254.169.254,255.255.255.255,10.4.0.1,25")
	f.Add(",,,")
	f.Fuzz(func(t *testing.T, name string) {
		for _, r := range WindowsRoutes(facts.Known([]string{name}, "")).Value {
			if len(r.Gateway) > 60 || r.Destination == "" {
				t.Errorf("%+v", r)
			}
		}
	})
}
