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

// inexpressible are the scenarios that the simulation cannot play, with the
// reason. At present it plays all; what it leaves out of them has no bearing on
// the answer: the state of Windows services, which is not read, and what an
// operator knows (attached policies, ping status), which a host cannot see.
var inexpressible = map[string]string{}

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
			s, cannot := convert(&c)
			if reason := inexpressible[c.ID]; reason != "" {
				t.Skip(reason)
			}
			if len(cannot) > 0 {
				t.Fatalf("cannot be expressed: %q", cannot)
			}
			r, h := examine(t, s)
			judge(t, r, c.Expected)
			harmless(t, h)
		})
	}
}

// judge compares a report with the answer of the catalogue.
func judge(t *testing.T, r *report.Report, want expected) {
	t.Helper()
	id, severity := answer(r)
	if id != want.Root && !slices.Contains(want.AlsoOK, id) && (want.Root != "client-side-problem" || r.RootCause != nil) {
		t.Errorf("root cause %s, want %s", id, want.Root)
	}
	if severity != want.Severity && (want.Severity != "info" || r.RootCause != nil) {
		t.Errorf("severity %s, want %s", severity, want.Severity)
	}
	text := human(t, r)
	for _, w := range want.Mention {
		if !says(text, w) {
			t.Errorf("the report does not mention %q", w)
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
			t.Errorf("%s is blamed at %s", b.ID, b.Severity)
		}
	}
	for _, w := range want.Remedy {
		if r.RootCause != nil && !says(fix, w) {
			t.Errorf("the remedy does not hold %q", w)
		}
	}
	for _, w := range want.Secondary {
		if id != w && !slices.ContainsFunc(r.Also, func(c report.Cause) bool { return c.ID == w }) {
			t.Errorf("%s is not listed", w)
		}
	}
	if t.Failed() {
		t.Logf("state %s: %s", r.State, r.Summary)
		for _, c := range r.Also {
			t.Logf("also %s %s: %s", c.Severity, c.ID, c.Summary)
		}
	}
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
