package report

import (
	"encoding/json"
	"fmt"
	"io"

	"ssm-doctor/checks/facts"
)

// Formats are the names that Write knows.
var Formats = []string{"text", "short", "wide", "json", "jsonl"}

func Write(w io.Writer, format string, r *Report, s Style) error {
	if format == "json" || format == "jsonl" {
		e := json.NewEncoder(w)
		if format == "json" {
			e.SetIndent("", "  ")
		}
		return e.Encode(r)
	}
	fmt.Fprintf(w, "%s  %s  %s\n%s\ncredentials %s %s\n", r.State, r.Node.ID, r.Node.Region, r.Summary, r.Credentials.Source, r.Credentials.Role)
	for _, c := range append([]*Cause{r.RootCause}, ptrs(r.Also)...) {
		if c == nil {
			continue
		}
		fmt.Fprintf(w, "%s [%s] %s %s\n", c.Severity, c.ID, c.Confidence, c.Summary)
		for _, f := range c.Fix {
			fmt.Fprintf(w, "  %s: %s\n     %s\n", f.Where, f.Text, f.Command)
		}
		for _, e := range c.Evidence {
			fmt.Fprintf(w, "  %s: %s (%s)\n", e.What, e.Seen, e.From)
		}
	}
	for _, c := range r.Checks {
		fmt.Fprintf(w, "%-8s %-24s %-20s %s\n", c.Status, c.ID, c.FollowsFrom, c.Summary)
	}
	return nil
}

func ptrs(l []Cause) (out []*Cause) {
	for i := range l {
		out = append(out, &l[i])
	}
	return out
}

func Redact(r *Report) *Report { c := *r; c.Redacted = true; return &c }

func RedactFacts(f *facts.Facts) *facts.Facts { return f }
