package sim_test

import (
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

// link adds a device with an address, and routes that leave by it.
func link(s *sim.Scenario, name, kind, address string, to ...string) {
	if s.Net.Devices == nil {
		s.Net.Devices = map[string]string{}
	}
	if s.Interfaces == nil {
		s.Interfaces = map[string]string{}
	}
	s.Net.Devices[name], s.Interfaces[name] = kind, address
	for _, p := range to {
		s.Net.Routes = append(s.Net.Routes, sim.Route{To: p, Dev: name})
	}
}

// through sends routes to a table of their own, by a rule.
func through(s *sim.Scenario, table int, rule string) {
	for i := range s.Net.Routes {
		s.Net.Routes[i].Table = table
	}
	s.Net.Rules = append(s.Net.Rules, rule)
}

// inVPC gives the endpoints private addresses of the VPC.
func inVPC(s *sim.Scenario) { s.Endpoints = all(sim.Endpoint{Private: true}) }

const (
	unroutable = "dial tcp: lookup ssm.{region}.{domain} on 10.0.0.2:53: dial udp 10.0.0.2:53: connect: network is unreachable"
	noMetadata = "failed to get identity instance id. Error: RequestError: send request failed"
)

var hostNetFaults = []fault{
	{"address-lost", "host-network-down", "critical", "profile", func(s *sim.Scenario) { s.Net.NoAddress = true; broken(s, unroutable) }, nil},
	{"address-lost-nm", "host-network-down", "critical", "profile", func(s *sim.Scenario) {
		s.Net.NoAddress, s.Net.Tools = true, []string{"NetworkManager", "dhclient"}
		broken(s, unroutable)
	}, nil},
	{"device-off", "host-network-down", "critical", "profile", func(s *sim.Scenario) { s.Net.Down = true; broken(s, unroutable) }, nil},
	{"no-cable", "host-network-down", "critical", "hybrid", func(s *sim.Scenario) { s.Net.NoCarrier = true; broken(s, timeout) }, nil},
	{"empty-table", "host-network-down", "critical", "profile", func(s *sim.Scenario) { s.Net.NoDefault = true; broken(s, unroutable) }, nil},
	{"docker-alone", "host-network-down", "critical", "profile", func(s *sim.Scenario) {
		s.Net.NoAddress = true
		link(s, "docker0", "bridge", "172.17.0.1/16", "172.17.0.0/16")
		broken(s, unroutable)
	}, nil},
	{"container-link-local", "imds-route-wrong", "critical", "profile", func(s *sim.Scenario) {
		link(s, "veth2c043f2", "veth", "169.254.77.10/16", "169.254.0.0/16")
		sim.Refused(s, sim.Skipped+noMetadata)
	}, nil},
	{"tunnel-link-local", "imds-route-wrong", "critical", "profile", func(s *sim.Scenario) {
		link(s, "tun0", "tun", "169.254.6.2/30", "169.254.0.0/16")
		sim.Refused(s, sim.Skipped+noMetadata)
	}, nil},
	{"imds-null-lo", "imds-blocked-by-host", "critical", "profile", func(s *sim.Scenario) {
		s.Net.Routes = []sim.Route{{To: "169.254.169.254/32", Via: "127.0.0.1", Dev: "lo"}}
		sim.Refused(s, sim.Skipped+noMetadata)
	}, nil},
	{"imds-prohibit", "imds-blocked-by-host", "critical", "profile", func(s *sim.Scenario) {
		s.Net.Routes = []sim.Route{{To: "169.254.169.254/32", Kind: "prohibit"}}
		sim.Refused(s, sim.Skipped+noMetadata)
	}, nil},
	{"imds-throw", "imds-blocked-by-host", "critical", "profile", func(s *sim.Scenario) {
		s.Net.Routes = []sim.Route{{To: "169.254.169.254/32", Kind: "throw"}}
		sim.Refused(s, sim.Skipped+noMetadata)
	}, nil},
	{"tunnel-takes-vpc", "route-wrong-interface", "critical", "profile", func(s *sim.Scenario) {
		inVPC(s)
		link(s, "wt0", "wireguard", "100.105.12.7/16", "10.0.12.192/26")
		broken(s, "dial tcp 10.0.12.200:443: i/o timeout")
	}, nil},
	{"tunnel-takes-all", "route-wrong-interface", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{})
		link(s, "wg0", "wireguard", "10.66.0.2/24", "52.0.0.0/8")
		through(s, 51820, "32764: not from all fwmark 0xca6c lookup 51820")
		broken(s, timeout)
	}, nil},
	{"bridge-overlaps", "route-wrong-interface", "critical", "profile", func(s *sim.Scenario) {
		inVPC(s)
		link(s, "br-3f2a9c1d", "bridge", "10.0.12.193/26", "10.0.12.192/26")
		broken(s, "dial tcp 10.0.12.200:443: connect: no route to host")
	}, nil},
	{"endpoint-null", "route-wrong-interface", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{})
		s.Net.Routes = []sim.Route{{To: "52.119.128.0/17", Kind: "blackhole"}}
		broken(s, "dial tcp 52.119.180.20:443: connect: invalid argument")
	}, nil},
	{"tunnel-takes-resolver", "route-wrong-interface", "critical", "profile", func(s *sim.Scenario) {
		s.Resolvers = []string{"10.0.0.2"}
		link(s, "tailscale0", "tun", "100.90.1.2/32", "10.0.0.0/24")
		through(s, 52, "5270: from all lookup 52")
		broken(s, "dial tcp: lookup ssm.{region}.{domain} on 10.0.0.2:53: read udp 10.0.12.34:5353->10.0.0.2:53: i/o timeout")
	}, nil},
	{"resolver-null", "route-wrong-interface", "critical", "profile", func(s *sim.Scenario) {
		s.Resolvers = []string{"10.0.0.2"}
		s.Net.Routes = []sim.Route{{To: "10.0.0.2/32", Kind: "unreachable"}}
		broken(s, "dial tcp: lookup ssm.{region}.{domain} on 10.0.0.2:53: dial udp 10.0.0.2:53: connect: no route to host")
	}, nil},
	{"large-lost", "path-mtu-blackhole", "critical", "profile", func(s *sim.Scenario) {
		s.Endpoints = all(sim.Endpoint{TCP: "large-lost"})
		broken(s, "net/http: TLS handshake timeout")
	}, nil},
	{"large-lost-for-one", "path-mtu-blackhole", "critical", "hybrid", func(s *sim.Scenario) {
		s.Endpoints = map[string]sim.Endpoint{"ssmmessages": {TCP: "large-lost"}}
		broken(s, "net/http: TLS handshake timeout")
	}, nil},
	{"six-only-old-agent", "ipv6-no-endpoint", "critical", "profile", func(s *sim.Scenario) {
		s.NoIPv4, s.IPv6, s.Agent.Version = true, true, "3.3.2299.0"
		broken(s, "dial tcp 52.119.180.20:443: connect: network is unreachable")
	}, nil},
	{"six-only-no-name", "ipv6-no-endpoint", "critical", "profile", func(s *sim.Scenario) {
		s.NoIPv4, s.IPv6, s.Agent.Version = true, true, "3.3.3572.0"
		s.Endpoints = all(sim.Endpoint{NoDual: true})
		broken(s, "dial tcp 52.119.180.20:443: connect: network is unreachable")
	}, nil},
}

// Each answer names the device, the rule and what to do with them on this host.
func TestHostNetworkSaysWhich(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"address-lost":          {"eth0 has no IP address", "networkctl reconfigure eth0"},
		"address-lost-nm":       {"nmcli device connect eth0", "dhclient -v eth0"},
		"device-off":            {"eth0 is switched off", "ip link set dev eth0 up"},
		"container-link-local":  {"veth2c043f2", "ip route del 169.254.0.0/16 dev veth2c043f2", "ip route replace 169.254.169.254 via 10.0.12.1 dev eth0", "denyinterfaces"},
		"imds-null-lo":          {"ip route del 169.254.169.254/32 via 127.0.0.1 dev lo"},
		"imds-prohibit":         {"a prohibit route", "ip route del prohibit 169.254.169.254/32"},
		"tunnel-takes-vpc":      {"wt0", "ip route replace 10.0.12.200 via 10.0.12.1 dev eth0", "netbird"},
		"tunnel-takes-all":      {"wg0", "rule 32764: not from all fwmark 0xca6c lookup 51820", "lookup main priority 32763", "AllowedIPs"},
		"bridge-overlaps":       {"bridge br-3f2a9c1d", "daemon.json"},
		"tunnel-takes-resolver": {"tailscale0", "rule 5270: from all lookup 52", "ip rule add to 10.0.0.2 lookup main priority 5269", "tailscale set --accept-routes=false"},
		"large-lost":            {"536 bytes", "mtu 1400"},
		"six-only-old-agent":    {"3.3.3270.0", "UseDualStackEndpoint"},
		"six-only-no-name":      {"ssm.eu-central-1.api.aws", "enable-dns64"},
	} {
		i := slices.IndexFunc(hostNetFaults, func(f fault) bool { return f.name == name })
		f := hostNetFaults[i]
		s := bases[f.base]()
		s.Now = now
		f.put(&s)
		r, _ := examine(t, s)
		if r.RootCause == nil {
			t.Errorf("%s: %s: %s", name, r.State, r.Summary)
			continue
		}
		said := r.RootCause.Summary.String() + "\n"
		for _, e := range r.RootCause.Evidence {
			said += e.What + ": " + e.Seen + "\n"
		}
		for _, x := range r.RootCause.Fix {
			said += x.Text.String() + ": " + x.Command.String() + "\n"
		}
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("%s: %q is missing in\n%s", name, w, said)
			}
		}
	}
}

// Devices and rules that take nothing that matters are nobody's fault.
func TestManyDevicesAreHealthy(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(*sim.Scenario){
		"docker": func(s *sim.Scenario) {
			link(s, "docker0", "bridge", "172.17.0.1/16", "172.17.0.0/16")
			link(s, "veth1", "veth", "169.254.9.9/32")
		},
		"mesh": func(s *sim.Scenario) {
			link(s, "tailscale0", "tun", "100.90.1.2/32", "100.64.0.0/10")
			through(s, 52, "5270: from all lookup 52")
		},
		"vpn": func(s *sim.Scenario) { link(s, "wg0", "wireguard", "10.66.0.2/24", "10.66.0.0/24", "192.168.0.0/16") },
		"two NIC": func(s *sim.Scenario) {
			s.Interfaces = map[string]string{"eth1": "10.0.13.9/24"}
			s.Net.Rules = []string{"10001: from 10.0.13.9 lookup 10001"}
		},
	} {
		s := bases["profile"]()
		s.Now = now
		put(&s)
		if r, _ := examine(t, s); r.State != report.Managed || r.RootCause != nil || len(r.Also) > 0 {
			id, _ := answer(r)
			t.Errorf("%s: %s %s %d: %s", name, r.State, id, len(r.Also), r.Summary)
		}
	}
}
