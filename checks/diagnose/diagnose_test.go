package diagnose

import (
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// invariants hold for every answer, whatever the facts.
func invariants(t *testing.T, f *facts.Facts, a Answer) {
	t.Helper()
	switch a.State {
	case Managed, Degraded, NotManaged, Unknown:
	default:
		t.Errorf("state %q", a.State)
	}
	if a.Summary.IsZero() {
		t.Error("no summary")
	}
	if a.State == Managed && a.Root != nil {
		t.Errorf("managed, but for %s", a.Root.Cause.ID)
	}
	if (a.State == Degraded || a.State == NotManaged) && a.Root == nil {
		t.Errorf("%s without a cause", a.State)
	}
	seen := map[string]bool{}
	list := a.Also
	if a.Root != nil {
		list = append([]Named{*a.Root}, list...)
	}
	for i, n := range list {
		if seen[n.Cause.ID] {
			t.Errorf("%s is listed twice", n.Cause.ID)
		}
		seen[n.Cause.ID] = true
		if n.Summary.IsZero() {
			t.Errorf("%s has no summary", n.Cause.ID)
		}
		if i > 0 && n.Severity.Rank() < list[0].Severity.Rank() {
			t.Errorf("%s (%s) is worse than the root %s (%s)", n.Cause.ID, n.Severity, list[0].Cause.ID, list[0].Severity)
		}
		for _, s := range n.Fix {
			if s.Where != causes.OnHost && s.Root {
				t.Errorf("%s: root elsewhere", n.Cause.ID)
			}
		}
	}
	if a.State == Managed && a.LastPing.IsZero() {
		t.Error("managed without a proof")
	}
}

// TestSameFactsSameAnswer: no map order shows.
func TestSameFactsSameAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range causeCases {
		f := factstest.Healthy(t, c.kind)
		c.fault(f)
		if a, b := judge(f), judge(f); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: two answers", c.cause)
		}
	}
}

// TestPairs puts two faults on one host. The rule: the root cause, and every
// other critical one, is one of the two, or the plainer cause that is left to
// see when the other fault hides the evidence of the first.
func TestPairs(t *testing.T) {
	t.Parallel()
	for i, a := range causeCases {
		for _, b := range causeCases[i+1:] {
			if a.kind != b.kind || a.also || b.also || a.severity == causes.Info || b.severity == causes.Info || apart(a.cause, b.cause) {
				continue
			}
			// Either order, so that neither fault always writes last.
			for _, faults := range [][]func(*facts.Facts){{a.fault, b.fault}, {b.fault, a.fault}} {
				f := factstest.Healthy(t, a.kind)
				for _, fault := range faults {
					fault(f)
				}
				got := judge(f)
				invariants(t, f, got)
				if got.Root == nil {
					t.Errorf("%s with %s: no cause, state %s", a.cause, b.cause, got.State)
					continue
				}
				if id := got.Root.Cause.ID; id != a.cause && id != b.cause && !related(id, a.cause, b.cause) {
					t.Errorf("%s with %s: blames %s (%s)", a.cause, b.cause, id, got.Root.Summary)
				}
				if a.severity == causes.Critical && b.severity == causes.Critical {
					if why := wrongOrder(got, a.cause, b.cause); why != "" {
						t.Errorf("%s with %s: %s (%s)", a.cause, b.cause, why, got.Root.Summary)
					}
				}
				for _, n := range got.Also {
					if id := n.Cause.ID; n.Severity == causes.Critical && id != a.cause && id != b.cause && !related(id, a.cause, b.cause) {
						t.Errorf("%s with %s: also blames %s (%s)", a.cause, b.cause, id, n.Summary)
					}
				}
			}
		}
	}
}

// wrongOrder says what is wrong with the order of two faults that both stop the node;
// empty: nothing. The one at the earlier station of the way comes first, or that which
// the check of the other needs; unless the later one is proven and the earlier one only
// read, or not seen behind it.
func wrongOrder(got Answer, x, y string) string {
	for _, pair := range [][2]string{{x, y}, {y, x}} {
		first, second := pair[0], pair[1]
		if !before(first, second) || before(second, first) || got.Root.Cause.ID != second {
			continue
		}
		confidence := map[string]checks.Confidence{second: got.Root.Confidence}
		for _, n := range got.Also {
			confidence[n.Cause.ID] = n.Confidence
		}
		if c, named := confidence[first]; named && c.Rank() <= confidence[second].Rank() {
			return second + " stands before " + first
		}
	}
	return ""
}

// before reports whether a check that names a cause stands earlier on the way than one
// that names another, or is needed by it.
func before(first, second string) bool {
	for _, x := range checks.All() {
		for _, y := range checks.All() {
			if slices.Contains(x.Causes, first) && slices.Contains(y.Causes, second) && (y.NeedsCheck(x) || y.ComesAfter(x)) {
				return true
			}
		}
	}
	return false
}

// TestUnclear: what is seen to be wrong, and cannot be told, leaves no node green and
// explains what follows from it.
func TestUnclear(t *testing.T) {
	t.Parallel()
	n := node.Of(factstest.Healthy(t, "profile"))
	lost := node.Of(factstest.Healthy(t, "profile"))
	lost.Acceptance.Now = node.No
	unclear := func(e checks.Effect) checks.Finding {
		return checks.Finding{Status: checks.Unknown, Effect: e, Summary: text.New("nobody knows what stops the packets")}
	}
	loop := checks.Finding{Status: checks.Fail, Effect: checks.Blocks, Cause: "agent-crash-loop", Confidence: checks.Likely, Summary: text.New("does not stay up")}
	asleep := checks.Finding{Status: checks.Warn, Cause: "agent-backoff-wait", Confidence: checks.Likely, Summary: text.New("asleep")}
	for _, c := range []struct {
		name  string
		node  *node.Node
		found Findings
		state State
		root  string
		says  string
	}{
		{"accepted", n, Findings{"network-egress": unclear(checks.Blocks)}, Unknown, "", "is accepted, but what is wrong with it cannot be told: nobody knows"},
		{"accepted, a part", n, Findings{"permission-features": unclear(checks.Breaks)}, Unknown, "", "is accepted, but what is wrong"},
		{"accepted, not seen to be wrong", n, Findings{"network-egress": unclear(checks.Notes)}, Managed, "", "is a managed node"},
		{"a loop behind it", lost, Findings{"imds-reachable": unclear(checks.Blocks), "agent-stable": loop}, Unknown, "", "cannot be told; seen: nobody knows"},
		{"a loop beside a part", lost, Findings{"permission-features": unclear(checks.Breaks), "agent-stable": loop}, NotManaged, "agent-crash-loop", "does not stay up"},
		{"asleep behind it", lost, Findings{"network-egress": unclear(checks.Blocks), "agent-backoff": asleep}, Unknown, "", "cannot be told; seen: nobody knows"},
		{"a fault with a name", n, Findings{"permission-features": unclear(checks.Breaks), "disk-space": {Status: checks.Warn, Effect: checks.Breaks, Cause: "disk-full", Summary: text.New("disk full")}}, Degraded, "disk-full", "disk full"},
	} {
		a := Diagnose(c.node, c.found)
		root := ""
		if a.Root != nil {
			root = a.Root.Cause.ID
		}
		if a.State != c.state || root != c.root || !strings.Contains(a.Summary.String(), c.says) {
			t.Errorf("%s: %s %q: %s", c.name, a.State, root, a.Summary)
		}
	}
}

// TestMayEndFirst: of two warnings that which may take the node away is the root cause,
// however well the other is seen.
func TestMayEndFirst(t *testing.T) {
	t.Parallel()
	n := node.Of(factstest.Healthy(t, "profile"))
	until := n.Now().Add(40 * time.Minute)
	a := Diagnose(n, Findings{
		"permission-features": {Status: checks.Warn, Effect: checks.Breaks, Cause: "iam-missing-feature-action", Confidence: checks.Proven, Summary: text.New("a feature")},
		"credential-source":   {Status: checks.Warn, Effect: checks.Breaks, Cause: "no-credential-source", Confidence: checks.Possible, Until: until, Summary: text.New("maybe lost")},
	})
	if a.Root == nil || a.Root.Cause.ID != "no-credential-source" || a.State != Degraded || !a.Until.Equal(until) || len(a.Also) != 1 {
		t.Errorf("%s %v until %v", a.State, a.Root, a.Until)
	}
}

// TestOwnFaultBesideTheNetwork: what AWS refused, a crash and a file of this host are
// not explained by a network that fails since; both have to be mended, so both are
// named.
func TestOwnFaultBesideTheNetwork(t *testing.T) {
	t.Parallel()
	of := map[string]func(*facts.Facts){}
	for _, c := range causeCases {
		if c.kind == "profile" {
			of[c.cause] = c.fault
		}
	}
	for _, own := range []string{"iam-missing-registration-action", "iam-missing-channel-action", "iam-missing-feature-action", "kms-access-denied",
		"shared-credentials-shadow", "agent-version-regression"} {
		for _, cause := range []string{"dns-resolution-failed", "network-no-egress", "tls-untrusted-ca", "proxy-refuses"} {
			f := factstest.Healthy(t, "profile")
			of[own](f)
			of[cause](f)
			got := judge(f)
			named := map[string]bool{}
			if got.Root != nil {
				named[got.Root.Cause.ID] = true
			}
			for _, n := range got.Also {
				named[n.Cause.ID] = true
			}
			if !named[cause] || !named[own] {
				t.Errorf("%s beside %s: named %v", own, cause, slices.Sorted(maps.Keys(named)))
			}
		}
	}
}

// related reports whether a cause is the plainer name of one of two faults.
func related(id, a, b string) bool {
	for _, c := range plainer[id] {
		if a == c || b == c {
			return true
		}
	}
	return false
}

// plainer has, for a cause that needs little evidence, those that need more to
// be told from it.
var plainer = map[string][]string{
	"agent-service-stopped":      {"imds-not-ready-at-boot", "agent-packaging-conflict", "agent-not-installed"},
	"agent-crash-loop":           {"agent-version-regression"},
	"agent-not-installed":        {"os-unsupported"},
	"imds-unreachable":           {"imds-route-wrong", "imds-blocked-by-host"},
	"imds-route-wrong":           {"host-network-down"}, // where an address of IPv6 is left
	"network-no-egress":          {"ipv6-no-endpoint"},
	"vpce-sg-blocked":            {"vpce-service-missing"},
	"iam-missing-channel-action": {"profile-shadows-dhmc"},
	"hybrid-not-registered":      {"activation-rejected"},
	"no-credential-source":       {"agent-version-too-old"},
	"iam-missing-feature-action": {"dhmc-shadows-profile"},
}

// apart reports whether two faults cannot be on one host: a task of ECS and an
// instance, a service with a proxy and one without.
func apart(a, b string) bool {
	if (causes.Get(a).Group == "ecs") != (causes.Get(b).Group == "ecs") {
		return true
	}
	proxy := map[string]bool{"imds-via-proxy": true, "proxy-scheme-mismatch": true, "proxy-refuses": true, "proxy-unreachable": true}
	return a == "proxy-not-applied-to-agent" && proxy[b] || b == "proxy-not-applied-to-agent" && proxy[a]
}

// TestNoise checks that old failures before a success change nothing.
func TestNoise(t *testing.T) {
	t.Parallel()
	for _, kind := range factstest.Kinds() {
		for _, s := range facts.Signatures {
			if s.Kind != facts.KindNode && s.Kind != facts.KindFailure && s.Kind != facts.KindNoise && s.Kind != facts.KindBackoff {
				continue
			}
			f := factstest.Healthy(t, kind)
			logged(f, s.ID, 5*time.Hour, "ERROR something AccessDeniedException AssumeRole i/o timeout "+s.ID)
			a := judge(f)
			invariants(t, f, a)
			if a.State != Managed {
				t.Errorf("%s: an old %s makes the node %s (%+v)", kind, s.ID, a.State, a.Root)
			}
		}
	}
}

// TestIgnorance takes sections of the facts away, of every host with a fault: that
// may cost the answer, but no check passes and no cause appears that did not before.
func TestIgnorance(t *testing.T) {
	t.Parallel()
	for _, c := range causeCases {
		f := factstest.Healthy(t, c.kind)
		c.fault(f)
		with := node.Of(f)
		before := findings(with, checks.ProfileHost)
		whole := Diagnose(with, before)
		for _, section := range []string{"Host", "Agent", "Registration", "IMDS", "Credentials", "Network", "Permissions", "Log", "ECS"} {
			g := factstest.Clone(f)
			reflect.ValueOf(g).Elem().FieldByName(section).SetZero()
			n := node.Of(g)
			found := findings(n, checks.ProfileHost)
			a := Diagnose(n, found)
			invariants(t, g, a)
			for id, fd := range found {
				if fd.Status == checks.Pass && before[id].Status != checks.Pass {
					t.Errorf("%s without %s: %s passes: %s (was %s: %s)", c.cause, section, id, fd.Summary, before[id].Status, before[id].Summary)
				}
			}
			for _, got := range append(a.Also, roots(a)...) {
				if !lists(whole, got.Cause.ID) && !hides(whole, before, got.Cause.ID) {
					t.Errorf("%s without %s: names %s (%s)", c.cause, section, got.Cause.ID, got.Summary)
				}
			}
		}
	}
}

func roots(a Answer) []Named {
	if a.Root == nil {
		return nil
	}
	return []Named{*a.Root}
}

// hides reports whether the answer knew of a cause and gave it as a consequence.
func hides(a Answer, found Findings, cause string) bool {
	for id, fd := range found {
		if fd.Cause == cause && a.Follows[id] != "" {
			return true
		}
	}
	return false
}

func lists(a Answer, cause string) bool {
	for _, n := range a.Also {
		if n.Cause.ID == cause {
			return true
		}
	}
	return a.Root != nil && a.Root.Cause.ID == cause
}

// TestNothingKnown: facts without any knowledge give unknown, and no cause.
func TestNothingKnown(t *testing.T) {
	t.Parallel()
	a := judge(&facts.Facts{CollectedAt: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)})
	if a.State != Unknown || a.Root != nil {
		t.Errorf("state %s, root %+v", a.State, a.Root)
	}
}

// TestHealthyStaysHealthy: whatever subset of checks runs, a healthy host has no cause.
func TestHealthyStaysHealthy(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, kind := range factstest.Kinds() {
		n := node.Of(factstest.Healthy(t, kind))
		for range 200 {
			found := Findings{}
			for _, c := range checks.All() {
				if c.IsFor(checks.ProfileHost) && rng.IntN(2) == 0 {
					found[c.ID] = c.Judge(n)
				}
			}
			if a := Diagnose(n, found); a.Root != nil || a.State != Managed {
				t.Fatalf("%s: state %s, root %+v", kind, a.State, a.Root)
			}
		}
	}
}

// TestEncodedRefusal: the command that reads one is told, of a whole one only.
func TestEncodedRefusal(t *testing.T) {
	t.Parallel()
	for tail, want := range map[string]bool{"abc-DEF_123": true, "abc-DEF_123…": false} {
		f := factstest.Healthy(t, "profile")
		message := "You are not authorized to perform this operation. Encoded authorization failure message: " + tail
		f.Permissions.Actions.Value = append(f.Permissions.Actions.Value, facts.Permission{Action: "ec2:DescribeTags", Identity: facts.SourceProfile, Verdict: facts.Inconclusive,
			Code: "UnauthorizedOperation", Message: message, Refused: iam.ParseRefusal("UnauthorizedOperation", message), At: f.CollectedAt})
		got := slices.ContainsFunc(judge(f).NotLooked, func(n NotLooked) bool {
			return strings.Contains(n.What, "ec2:DescribeTags") && n.Command.String() == "aws sts decode-authorization-message --encoded-message abc-DEF_123"
		})
		if got != want {
			t.Errorf("%s: %v", tail, got)
		}
	}
}

// FuzzJudge puts text into any two places of the facts of a healthy host.
func FuzzJudge(f *testing.F) {
	kinds, leaves := factstest.Kinds(), factstest.Leaves()
	hosts := map[string]*facts.Facts{}
	for i, kind := range kinds {
		hosts[kind] = factstest.Healthy(f, kind)
		f.Add(byte(i), uint16(31*i), "unknown", uint16(97*i), "-1.5: \x1b[31m x")
	}
	f.Fuzz(func(_ *testing.T, kind byte, one uint16, said string, other uint16, text string) {
		g := factstest.Clone(hosts[kinds[int(kind)%len(kinds)]])
		leaves[int(one)%len(leaves)].Put(g, said[:min(len(said), 60)])
		leaves[int(other)%len(leaves)].Put(g, text[:min(len(text), 60)])
		judge(g)
	})
}
