package routing

import (
	"testing"

	"ssm-doctor/agent/gather/gathertest"
)

// FuzzRouteGet feeds answers of route -n get.
func FuzzRouteGet(f *testing.F) {
	gathertest.AddSeeds(f, "destination: fe80::%lo0\ngateway: fe80::1%en0\nmask: 255.0.0.0\nflags: <REJECT>\n", "   route to: default\ndestination: default\n       mask: default\n    gateway: 10.0.0.1\n  interface: en0\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := parseRouteGet(b); ok {
			gathertest.Sound(t, r)
		}
	})
}

// FuzzDefaults feeds /proc/net/route and ipv6_route.
func FuzzDefaults(f *testing.F) {
	gathertest.AddSeeds(f, gathertest.ProcFiles...)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, all := Defaults(gathertest.InMemory(map[string][]byte{"proc/net/route": b, "proc/net/ipv6_route": b}))
		gathertest.Sound(t, all)
		if len(all.Value) > 2*maxDefaults {
			t.Errorf("%d routes", len(all.Value))
		}
	})
}
