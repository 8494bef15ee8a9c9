package sim_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"ssm-doctor/agent/report"
)

// oneScreen holds the answer to what a terminal of 80 by 24 shows: at most 22 lines for
// one cause, three for a healthy node, and no line that the terminal would break.
func oneScreen(t testing.TB, r *report.Report) {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, "text", r, report.Style{Width: 80, Brief: true}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	causes := 1
	for _, c := range r.Also {
		if c.Severity != "info" {
			causes++
		}
	}
	if r.Profile == "" && causes == 1 && len(lines) > 22 && r.State != report.Managed {
		t.Errorf("%d lines:\n%s", len(lines), b.String())
	}
	if len(lines) > 44 {
		t.Errorf("%d lines for %d causes:\n%s", len(lines), causes, b.String())
	}
	for _, l := range lines {
		if utf8.RuneCountInString(l) > 80 && strings.Count(strings.TrimSpace(l), " ") > 0 {
			t.Errorf("a line is %d wide:\n%s", utf8.RuneCountInString(l), b.String())
		}
	}
	blanks := strings.Contains(b.String(), "_NAME: ") || strings.Contains(b.String(), "_ID: ")
	for _, w := range []string{"_NAME: ", "_ID: "} {
		if i := strings.Index(b.String(), w); blanks && i > 0 {
			start := strings.LastIndexAny(b.String()[:i], " \n") + 1
			if word := b.String()[start : i+len(w)-2]; strings.Count(b.String(), word) < 2 {
				t.Errorf("%s is explained, and nowhere to be replaced:\n%s", word, b.String())
			}
		}
	}
}
