package sim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

// inexpressible are the scenarios that the simulation cannot play, with the reason.
// What it leaves out of the others has no bearing on the answer: the state of
// Windows services, which is not read, and what an operator knows (attached
// policies, ping status), which a host cannot see.
var inexpressible = map[string]string{
	"wild-link-local-route-of-a-container-link": "a simulated host has no link of a container, nor its routes",
	"wild-tunnel-takes-the-vpc-endpoints":       "a simulated host has no tunnel, nor its routes",
	"wild-null-route-by-loopback":               "a simulated host has no route by lo",
	"wild-address-lost":                         "a simulated host has its address for ever",
	"wild-large-packets-are-lost":               "a simulated path carries packets of any size",
	"wild-killed-for-lack-of-memory":            "a simulated unit ends with a status only, and there is no kernel log",
	"wild-ended-by-hangup-signal":               "a simulated unit ends with a status only",
}

// wanting are the scenarios that are played and not answered yet, with what is
// missing. One that is answered by now is judged like the others.
var wanting = map[string]string{
	"cred-404-log-older-than-role-imds":                 "that credentials were refused for what is gone",
	"perm-registered-but-no-message-channel-any":        "that no channel was ever opened",
	"net-channel-silent-after-nat-instance-replacement": "that an old agent is accepted, whatever a table of releases says",
	"id-ami-baked-with-another-instances-dhmc":          "a registration of another instance on a host without credentials",
	"agt-snap-deb-one-host":                             "what an agent without a log of its own is",
	"agt-bad-release-breaks-channel-previous-revision":  "a release that opens no channel where the one before did",
	"wild-running-but-disabled":                         "a service that will not start again",
	"wild-sessions-run-as-a-user-that-is-missing":       "what session workers log",
	"wild-commands-time-out-at-the-worker":              "what document workers log",
	"wild-worker-out-of-descriptors":                    "descriptors",
	"wild-old-agent-hibernates-for-hours":               "hibernation of old agents",
	"wild-os-without-an-agent":                          "systems that no agent is for",
	"wild-unit-without-its-program":                     "a unit whose program is missing",
}

// examine runs the whole pipeline against a host.
func examine(t testing.TB, s sim.Scenario, probes ...string) (*report.Report, *sim.Host) {
	t.Helper()
	h, err := sim.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	env := h.Env()
	env.Probes = probes
	r, f := engine.Run(t.Context(), env, engine.Options{})
	oneScreen(t, r)
	shown, err := json.Marshal([]any{r, f})
	if err != nil {
		t.Fatal(err)
	}
	for i, secret := range h.Secrets() {
		if bytes.Contains(shown, []byte(secret)) {
			t.Errorf("secret %d of the host is in its facts or report", i)
		}
	}
	return r, h
}

// human is the report as a person reads it.
func human(t testing.TB, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, "text", r, report.Style{Width: 80}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// answer is id and severity of the root cause; healthy and ok without one.
func answer(r *report.Report) (id, severity string) {
	if r.RootCause == nil {
		return "healthy", "ok"
	}
	return r.RootCause.ID, r.RootCause.Severity
}

func TestCatalogue(t *testing.T) {
	t.Parallel()
	for _, c := range catalogue(t) {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			s, cannot := hostOf(&c, now)
			if reason := inexpressible[c.ID]; reason != "" {
				t.Skip(reason)
			}
			if len(cannot) > 0 {
				t.Fatalf("cannot be expressed: %q", cannot)
			}
			r, h := examine(t, s)
			harmless(t, h)
			wrong := mistakes(t, r, c.Expected)
			if why := wanting[c.ID]; why != "" && len(wrong) > 0 {
				t.Skipf("not answered yet, wants %s: %q", why, wrong)
			}
			for _, w := range wrong {
				t.Error(w)
			}
		})
	}
}

// mistakes compares a report with the answer of the catalogue.
func mistakes(t testing.TB, r *report.Report, want expected) (wrong []string) {
	t.Helper()
	miss := func(format string, a ...any) { wrong = append(wrong, fmt.Sprintf(format, a...)) }
	id, severity := answer(r)
	if !want.names(id) {
		miss("root cause %s, want %s", id, want.Root)
	}
	if severity != want.Severity && (want.Severity != "info" || r.RootCause != nil) && !(r.RootCause == nil && want.names("healthy")) {
		miss("severity %s, want %s", severity, want.Severity)
	}
	if states := want.states(); !slices.Contains(states, r.State) {
		miss("state %s, want %s", r.State, strings.Join(states, " or "))
	}
	text := human(t, r)
	for _, w := range want.Mention {
		if !says(text, w) {
			miss("the report does not mention %q", w)
		}
	}
	blamed := slices.Clone(r.Also)
	fix := ""
	if r.RootCause != nil {
		blamed = append(blamed, *r.RootCause)
		for _, f := range r.RootCause.Fix {
			fix += f.Text.String() + "\n" + f.Command.String() + "\n"
		}
	}
	for _, b := range blamed {
		if slices.Contains(want.NotBlame, b.ID) && b.Severity != "info" {
			miss("%s is blamed at %s", b.ID, b.Severity)
		}
	}
	for _, w := range want.Remedy {
		if r.RootCause != nil && !says(fix, w) {
			miss("the remedy does not hold %q", w)
		}
	}
	for _, w := range want.Secondary {
		if id != w && !slices.ContainsFunc(r.Also, func(c report.Cause) bool { return c.ID == w }) {
			miss("%s is not listed", w)
		}
	}
	if len(wrong) > 0 {
		miss("state %s: %s", r.State, r.Summary)
		for _, c := range r.Also {
			miss("also %s %s: %s", c.Severity, c.ID, c.Summary)
		}
	}
	return wrong
}

// names reports whether a cause may be the first that is named; "healthy" is none.
func (e expected) names(id string) bool {
	return id == e.Root || slices.Contains(e.AlsoOK, id) || e.Root == "client-side-problem" && id == "healthy"
}

// states are those that a node may be in. Where the catalogue names none they follow
// from the severity (its README).
func (e expected) states() []string {
	if e.State != "" {
		return strings.Split(e.State, "|")
	}
	return map[string][]string{
		"critical": {report.NotManaged, report.Degraded}, "warning": {report.Degraded, report.NotManaged},
		"ok": {report.Managed}, "info": {report.Managed, report.Degraded, report.NotManaged},
	}[e.Severity]
}

// harmless fails when a host received a request that could change something.
func harmless(t *testing.T, h *sim.Host) {
	t.Helper()
	for _, e := range h.Journal() {
		bad := ""
		switch {
		case e.Service == "ssmmessages" || e.Service == "ec2messages":
			if e.Signed || e.Method != "GET" && e.Method != "HEAD" {
				bad = "a message service"
			}
		case e.Action == "":
		case strings.HasPrefix(e.Action, "ssm:"):
			if _, op, _ := strings.Cut(e.Action, ":"); !hasPrefixOf(op, "Get", "List", "Describe") || strings.Contains(op, "Token") {
				bad = "a changing call"
			}
		}
		if bad != "" {
			t.Errorf("%s: %s", bad, fmt.Sprintf("%s %s %s", e.Method, e.Path, e.Action))
		}
	}
}

func hasPrefixOf(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}
