package sim_test

import (
	"encoding/json"
	"flag"
	"hash/fnv"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
)

// allPairs is for changes of the ranking and of remedies; some 1500 pairs take minutes.
var allPairs = flag.Bool("all-pairs", false, "try all pairs of faults, not some of them")

// Two faults at once. The rule for the root cause:
//
//  1. it is one of the two, at the severity it has alone or a worse one;
//  2. a fault that stops the node comes before one that does not;
//  3. of two that both stop it, the one at the earlier place of the way comes first,
//     since it hides the later one from the agent,
//  4. unless the later one was proven in this run and the earlier one was only
//     read from traces: what is seen now outranks what was; or unless the earlier
//     one is a matter of clock, certificate or proxy that nobody can see while the
//     later one lets no connection through;
//  5. of two that are found at one station, the one that the check of the other
//     names as its prerequisite comes first.
//
// Both are named, but for one that the other hides (see hides).
//
// The later fault is put in first and the earlier one over it: the agent's
// processes and log are those of an agent that never gets past the earlier one.
func TestPairs(t *testing.T) {
	t.Parallel()
	alone := map[string]func() *report.Report{}
	for _, f := range faults() {
		alone[f.name] = sync.OnceValue(func() *report.Report {
			s := bases[f.base]()
			f.put(&s)
			s.Now = now
			r, _ := examine(t, s, f.probes...)
			return r
		})
	}
	eachPair(t, 3, 0, func(t *testing.T, s sim.Scenario, a, b fault) {
		r, _ := examine(t, s)
		why := wrongOfTwo(r, a, b, alone)
		if gone := lost(r, alone, a, b); why == "" && gone != "" {
			why = gone + " is lost"
		}
		if why != "" {
			t.Errorf("%s: %s", why, r.Summary)
			for _, c := range r.Also {
				t.Logf("also %s %s %s: %s", c.Severity, c.Confidence, c.ID, c.Summary)
			}
		}
	})
}

// eachPair tries two faults at once on one host, the one first that breaks the path
// earlier: all pairs that do not undo each other, or one of so many, those of a rest.
func eachPair(t *testing.T, of, rest int, try func(t *testing.T, s sim.Scenario, a, b fault)) {
	t.Helper()
	list := faults()
	parts := map[string][]string{}
	for _, f := range list {
		s := bases[f.base]()
		before := flat(s)
		f.put(&s)
		parts[f.name] = changed(before, flat(s))
	}
	pairs := 0
	for i, x := range list {
		for _, y := range list[i+1:] {
			a, b := x, y
			if rank(b) < rank(a) {
				a, b = b, a
			}
			if a.base != b.base || a.cause == b.cause || len(a.probes)+len(b.probes) > 0 || !together(parts[a.name], parts[b.name]) {
				continue
			}
			if pairs++; !*allPairs && drawn(a, b)%(of*every) != rest && !slices.Contains(always, a.name+"+"+b.name) {
				continue
			}
			s := bases[a.base]()
			b.put(&s)
			later := flat(s)
			a.put(&s)
			if both := flat(s); slices.ContainsFunc(parts[b.name], func(p string) bool { return !passing[p] && !reflect.DeepEqual(both[p], later[p]) }) {
				continue // an agent that is not there has no proxy either
			}
			t.Run(a.name+"+"+b.name, func(t *testing.T) {
				t.Parallel()
				s.Now = now
				try(t, s, a, b)
			})
		}
	}
	if pairs < 800 {
		t.Errorf("only %d pairs", pairs)
	}
}

// always are pairs that were wrong once, of each kind: they are tried whatever is drawn.
var always = []string{
	"disk-while-managed+agent-stopped", "dead-flow+descriptors", "pinned+upgrade", "imds-hop-limit+proxy-forbids-sessions", "imds-hop-limit+proxy-forbids-channel",
	"unprivileged+selinux", "unprivileged+library-gone", "unprivileged+oom-kill", "dependency+selinux", "bus+update-broke", "six-only+foreign-certificate", "zone-as-region+impostor",
	"tunnel-link-local+public-answers", "too-old-for-sessions+no-channel", "cloned-image+manifest-cut-off", "no-proxy-covers+six-only", "clock-skew+proxy-certificate-expired",
}

// drawn is a number of two faults, by which some of all pairs are taken: it does not
// change with what else is in the list.
func drawn(a, b fault) int {
	h := fnv.New32a()
	h.Write([]byte(min(a.name, b.name) + "+" + max(a.name, b.name)))
	return int(h.Sum32() >> 1)
}

// others are pairs whose answer is another one, and why.
var others = map[[2]string][]string{
	// The proxy itself lies behind the missing IPv4 route.
	{"proxy-refuses", "ipv6-no-endpoint"}: {"proxy-unreachable"},

	{"proxy-certificate-untrusted", "ipv6-no-endpoint"}:  {"proxy-unreachable"},
	{"proxy-certificate-untrusted", "network-no-egress"}: {"proxy-unreachable"},

	{"proxy-scheme-mismatch", "ipv6-no-endpoint"}:  {"proxy-unreachable"},
	{"proxy-refuses", "network-no-egress"}:         {"proxy-unreachable"},
	{"proxy-scheme-mismatch", "network-no-egress"}: {"proxy-unreachable"},
	// A refusal explains why the channel does not open.
	{"channel-down", "iam-missing-channel-action"}:             {"iam-missing-channel-action"},
	{"channel-stale-connection", "iam-missing-channel-action"}: {"iam-missing-channel-action"},
	// IPv6 is still there, and a resolver of IPv4 is then out of reach.
	{"host-network-down", "ipv6-no-endpoint"}:     {"ipv6-no-endpoint"},
	{"vpce-private-dns-off", "ipv6-no-endpoint"}:  {"host-network-down"},
	{"ipv6-no-endpoint", "vpce-private-dns-off"}:  {"host-network-down"},
	{"dns-resolution-failed", "ipv6-no-endpoint"}: {"host-network-down"},
	// Without a default route metadata may still answer, and a name comes before a connection.
	{"host-network-down", "route-wrong-interface"}: {"route-wrong-interface"},
	{"host-network-down", "imds-via-proxy"}:        {"imds-via-proxy"},
	// An agent that speaks only IMDSv1 is also too old to do without a profile.
	{"imdsv2-required-old-agent", "no-credential-source"}: {"agent-version-too-old"},
	// Whether the agent was accepted since it was refused stood in the damaged record.
	{"registration-orphaned", "credentials-file-damaged"}: {"credentials-file-damaged"},
	{"fingerprint-mismatch", "credentials-file-damaged"}:  {"credentials-file-damaged"},
	// Only another attempt of the agent could show the second fault.
	{"agent-backoff-wait", "no-credential-source"}:          {"agent-backoff-wait"},
	{"agent-backoff-wait", "optional-endpoint-unreachable"}: {"agent-backoff-wait"},
	{"agent-backoff-wait", "channel-stale-connection"}:      {"agent-backoff-wait"},
	{"agent-backoff-wait", "iam-missing-channel-action"}:    {"agent-backoff-wait"},
	// What AWS refuses now outranks a connection that may only be idle.
	{"channel-stale-connection", "iam-missing-channel-action"}: {"iam-missing-channel-action"},
	// Fresh credentials are there, but of a role that is refused: a restart would not do.
	{"credentials-stale", "iam-explicit-deny"}:               {"iam-explicit-deny"},
	{"credentials-stale", "iam-missing-registration-action"}: {"iam-missing-registration-action"},
	{"credentials-stale", "vpce-policy-deny"}:                {"vpce-policy-deny"},
}

// behind reports whether the earlier fault shows only where the later one lets a
// connection through: a clock, a certificate, a proxy.
func behind(a, b fault) bool {
	return causes.Get(a.cause).Group == "tls-proxy-clock" && causes.Get(b.cause).Group == "network"
}

// needs reports whether the two are found at one station of the way, where the later
// one is what the check of the earlier one names as its prerequisite.
func needs(a, b fault) bool {
	for _, x := range naming(a.cause) {
		for _, y := range naming(b.cause) {
			if x.Station == y.Station && x.NeedsCheck(y) {
				return true
			}
		}
	}
	return false
}

// proxied reports whether the earlier fault is one of names, which a proxy that is
// meant to be used resolves itself.
func proxied(a, b fault) bool {
	return strings.HasPrefix(b.cause, "proxy-") && slices.ContainsFunc(naming(a.cause), func(c *checks.Check) bool { return c.Station == checks.AtDNS })
}

// naming are the checks that may name a cause.
func naming(cause string) []*checks.Check {
	return slices.DeleteFunc(slices.Clone(checks.All()), func(c *checks.Check) bool { return !slices.Contains(c.Causes, cause) })
}

// lost is the fault of two that should be named beside the other and is not: alone it
// stops the node and is proven by what is seen now, and the other is at no earlier
// place of the way, which would hide it. Empty: none.
func lost(r *report.Report, alone map[string]func() *report.Report, a, b fault) string {
	for _, pair := range [][2]fault{{a, b}, {b, a}} {
		f, other := pair[0], pair[1]
		if f.severity != "critical" || hides(other, f) {
			continue
		}
		c := alone[f.name]().RootCause
		if c == nil || c.ID != f.cause || c.Confidence != string(checks.Proven) ||
			slices.ContainsFunc(named(r), func(c report.Cause) bool { return c.ID == f.cause }) {
			continue
		}
		return f.cause
	}
	return ""
}

// beside are causes that show only where the rest of the host works in part, with the
// groups of those that may hide them ("*" is any).
var beside = map[string][]string{
	// Only an agent that runs shows with which proxy it was started.
	"proxy-not-applied-to-agent": {"host", "agent", "imds", "network"},
	"proxy-refuses":              {"host", "agent", "imds"},
	// Whether the VPC has an endpoint is judged by what the metadata service says of it.
	"vpce-private-dns-off": {"imds"},
	// That Default Host Management is off is known only after the agent has tried it.
	"no-credential-source": {"*"},
}

// hides reports whether a fault may keep another from being seen.
func hides(a, b fault) bool {
	group, hidden := causes.Get(a.cause).Group, beside[b.cause]
	if slices.Contains(hidden, group) || slices.Contains(hidden, "*") {
		return true
	}
	if a.cause == "imds-via-proxy" && slices.Contains([]string{"host", "network"}, causes.Get(b.cause).Group) {
		return true // with a proxy nothing is tried directly
	}
	for _, x := range naming(a.cause) {
		for _, y := range naming(b.cause) {
			if x.Station == y.Station || y.NeedsCheck(x) || y.ComesAfter(x) {
				return true
			}
		}
	}
	return false
}

// rank is the place on the way of the check that names the cause of a fault, and its
// group at one place.
func rank(f fault) int {
	first := len(checks.Stations) + 2
	for _, c := range naming(f.cause) {
		first = min(first, c.Place())
	}
	return 100*first + causes.GroupRank(causes.Get(f.cause).Group)
}

// wrongOfTwo says what is wrong with the answer; empty when it follows the rule.
func wrongOfTwo(r *report.Report, a, b fault, alone map[string]func() *report.Report) string {
	id, severity := answer(r)
	confidence := func(f fault) int { // in this report, or alone where it is not named
		for _, c := range append(slices.Clone(r.Also), *r.RootCause) {
			if c.ID == f.cause {
				return checks.Confidence(c.Confidence).Rank()
			}
		}
		if c := alone[f.name]().RootCause; c != nil {
			return checks.Confidence(c.Confidence).Rank()
		}
		return checks.Possible.Rank()
	}
	if slices.Contains(others[[2]string{a.cause, b.cause}], id) {
		return ""
	}
	got := map[string]fault{a.cause: a, b.cause: b}[id]
	weight := func(s string) int { return causes.Severity(s).Rank() }
	switch {
	case got.name == "" && (a.severity == "info" && id == "healthy"):
		return ""
	case got.name == "":
		return "got " + severity + " " + id + ", which is neither"
	case weight(severity) > weight(got.severity):
		return id + " is " + severity + " only"
	case weight(a.severity) < weight(b.severity) && id != a.cause && severity != "critical", weight(b.severity) < weight(a.severity) && id != b.cause && severity != "critical":
		return "got " + severity + " " + id + ", which is the lesser one"
	case rank(a) == rank(b) || id == a.cause || weight(b.severity) < weight(a.severity):
		return ""
	case needs(a, b), proxied(a, b):
		return ""
	case confidence(b) < confidence(a):
		return ""
	case behind(a, b):
		return ""
	}
	return "got " + id + ", want the earlier " + a.cause
}

// together reports whether a host can have both faults, of which these are the
// parts they change, the earlier one put in over the later one: neither undoes
// the other, and the later one leaves a trace.
func together(a, b []string) bool {
	for _, f := range a {
		if !passing[f] && slices.Contains(b, f) {
			return false
		}
	}
	for _, c := range contradictions {
		if contradicts(c, a, b) || contradicts(c, b, a) {
			return false
		}
	}
	lasting := slices.DeleteFunc(slices.Clone(b), func(f string) bool { return passing[f] })
	return len(lasting) > 0 || !slices.ContainsFunc(a, func(f string) bool { return passing[f] })
}

// contradictions are parts of which a host cannot have one from each fault: the
// agent that uses a hybrid registration does not fail for what EC2 lacks, and a
// service that is not there is in no state.
var contradictions = [][2]string{{"host.distro", "files"}, {"agent.worker", "host.open_files"}, {"no_ipv4_route", "net"}, {"no_ipv4_route", "interfaces"}, {"no_ipv4_route", "resolvers"}, {"agent.stuck", "agent.channel"}, {"agent.packaging", "agent.units"}, {"agent.no_manager", "agent.units"}, {"agent.version", "agent.units"}, {"agent.version", "agent.previous"},
	{"agent.hybrid", "agent.identity"}, {"agent.hybrid", "agent.source"}, {"agent.hybrid", "agent.cloned"}}

func contradicts(c [2]string, x, y []string) bool {
	return slices.Contains(x, c[0]) && slices.Contains(y, c[1])
}

// passing are the parts of a scenario that are the agent's reaction to a fault
// and not the fault itself.
var passing = map[string]bool{"log": true, "agent.core": true, "agent.worker": true, "agent.units": true, "agent.starts": true, "agent.identity": true, "agent.source": true, "agent.age": true,
	"agent.ec2": true, "agent.channel": true, "uptime": true}

// flat is a scenario by part, agent and host by member.
func flat(s sim.Scenario) map[string]any {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	m := map[string]any{}
	if err := json.Unmarshal(b, &m); err != nil {
		panic(err)
	}
	for _, k := range []string{"agent", "host"} {
		sub, _ := m[k].(map[string]any)
		delete(m, k)
		for name, v := range sub {
			m[k+"."+name] = v
		}
	}
	return m
}

// changed lists the parts that differ.
func changed(x, y map[string]any) []string {
	var out []string
	for k, v := range y {
		if !reflect.DeepEqual(v, x[k]) {
			out = append(out, k)
		}
	}
	for k := range x {
		if _, ok := y[k]; !ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}
