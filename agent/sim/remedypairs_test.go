package sim_test

import (
	"cmp"
	"testing"

	"ssm-doctor/agent/sim"
)

// unproven are faults, as the second of two, after whose first one more is named than the
// two, or the first one still is: only another try of the agent would tell.
var unproven = map[string]string{
	"program-empty":                       "whether the first is over, only an agent that starts could show",
	"oom-kill-that-only-the-kernel-tells": "the agent does not get as far again as the log says of the first fault",
	"config":                              "the agent does not get as far again as the log says of the first fault",
	"activation":                          "nothing says in which order the agent would look for an identity",
}

// leaves are pairs of causes, the first of which is mended, whose other one is named otherwise then.
var leaves = map[[2]string]string{
	{"imds-via-proxy", "ipv6-no-endpoint"}: "proxy-unreachable", // it lies behind the missing IPv4 route
	// The agent takes the proxy at its start, and other names are not in no_proxy: it too lies there.
	{"ipv6-no-endpoint", "proxy-not-applied-to-agent"}: "proxy-unreachable",
}

// TestRemediesOfPairs: of two faults the remedy of the one that is named takes that away,
// and leaves a managed node or exactly the other one.
func TestRemediesOfPairs(t *testing.T) {
	t.Parallel()
	eachPair(t, 9, 0, func(t *testing.T, s sim.Scenario, a, b fault) {
		r, _ := examine(t, s)
		if r.RootCause == nil {
			return
		}
		first, other := a, b
		if r.RootCause.ID == b.cause {
			first, other = b, a
		}
		if unproven[other.name] != "" || r.RootCause.ID != first.cause || held[first.name].who != "" {
			return // who mends it is another, or both are one: TestPairs
		}
		next := cmp.Or(leaves[[2]string{first.cause, other.cause}], other.cause)
		if o := then(t, s, r, first.cause, next, "", ways(t, r.RootCause.Fix)[0], nil); !o.closed {
			t.Errorf("%s: %s", first.cause, o.says)
		}
	})
}
