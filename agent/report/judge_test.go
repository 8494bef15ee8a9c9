package report_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/facts"
)

// Redacted facts lead to the same judgement elsewhere, and neither they nor a
// redacted report name the simulated host.
func TestRedactedFactsJudgeAlike(t *testing.T) {
	for i, name := range sim.Names() {
		if testing.Short() && i%5 != 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := sim.New(name)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			o := engine.Options{Budget: engine.DefaultBudget}
			r, f := engine.Run(t.Context(), h.Env(), o)
			b, err := json.Marshal(report.RedactFacts(f))
			if err != nil {
				t.Fatal(err)
			}
			parsed, err := facts.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			got := engine.Judge(parsed, o)
			if got.State != r.State || cause(got) != cause(r) {
				t.Errorf("redacted facts say %s %s, the host says %s %s", got.State, cause(got), r.State, cause(r))
			}
			for i, c := range r.Checks {
				if i >= len(got.Checks) || got.Checks[i].ID != c.ID || got.Checks[i].Status != c.Status {
					t.Errorf("check %s: %s becomes %v", c.ID, c.Status, got.Checks[min(i, len(got.Checks)-1)])
				}
			}
			outputs := map[string]string{"facts": string(b)}
			for _, format := range report.Formats {
				outputs[format] = write(t, format, report.Redact(r))
				outputs[format+" of redacted facts"] = write(t, format, report.Redact(got))
			}
			s := h.Scenario()
			secret := []string{"111122223333", "corp.example"}
			for _, p := range s.Principals {
				if p.Name != "" && !strings.HasPrefix(p.Name, "AWS") && !strings.HasPrefix(p.Name, "Amazon") {
					secret = append(secret, p.Name)
				}
			}
			for kind, out := range outputs {
				for _, leak := range secret {
					if strings.Contains(out, leak) {
						i := strings.Index(out, leak)
						t.Errorf("%s: %q survived in …%s…", kind, leak, out[max(0, i-80):min(len(out), i+80)])
					}
				}
				if kind == "facts" {
					continue
				}
				if i := strings.IndexFunc(out, func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }); i >= 0 {
					t.Errorf("%s: %q is in it", kind, out[i:min(len(out), i+4)])
				}
			}
			if n := len(outputs["html"]); n > 150_000 {
				t.Errorf("the page has %d bytes", n)
			}
		})
	}
}

func cause(r *report.Report) string {
	if r.RootCause == nil {
		return "none"
	}
	return r.RootCause.ID
}

func write(t *testing.T, format string, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, format, r, report.Style{Width: 80}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
