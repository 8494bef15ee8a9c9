package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/symptoms"
)

// causesShown is how many causes an answer lists.
const causesShown = 10

// WriteSymptoms writes what a text says, and which causes can be behind it. Nothing of
// the text itself is in it.
func WriteSymptoms(w io.Writer, s symptoms.Answer) error {
	var b strings.Builder
	para := func(indent, prose string) {
		for _, l := range wrap(prose, 80-len(indent)) {
			b.WriteString(indent + l + "\n")
		}
	}
	if s.Well > 0 {
		para("", fmt.Sprintf("Line %d of %d tells that the node was accepted: what the log says before it is past.", s.Well, s.Lines))
		b.WriteString("\n")
	}
	if s.Harmless > 0 {
		para("", fmt.Sprintf("%d of %s: the agent writes that without a fault.", s.Harmless, plural(s.Lines, "line")))
		b.WriteString("\n")
	}
	if len(s.Found) == 0 {
		if s.Harmless < s.Lines {
			nothing := "Nothing"
			if s.Harmless > 0 {
				nothing = "Nothing else"
			}
			para("", nothing+" in "+plural(s.Lines, "line")+" is known to this program as a sign of a fault.")
		}
		para("", "On the host, ssm-doctor check looks at everything, whatever was written.")
		_, err := io.WriteString(w, b.String())
		return err
	}
	b.WriteString("What this says\n")
	for _, f := range s.Found {
		where := f.Place
		if s.Lines > 1 {
			where += fmt.Sprintf(", %s, last in line %d", plural(f.Times, "time"), f.Line)
		}
		para("  ", strings.Join(f.Words, " … ")+" ("+where+")")
		para("    ", f.Means)
		if len(f.Checks) > 0 {
			para("    ", "on the host: ssm-doctor check "+strings.Join(f.Checks, " "))
		}
	}
	if len(s.Causes) == 0 {
		b.WriteString("\nNo cause is named by it. On the host, ssm-doctor check looks at everything.\n")
		_, err := io.WriteString(w, b.String())
		return err
	}
	b.WriteString("\nWhat can be behind it, the most likely first\n")
	for _, id := range s.Causes[:min(len(s.Causes), causesShown)] {
		fmt.Fprintf(&b, "  %-31s %s\n", id, causes.Get(id).Title)
		if by := namedBy(id); len(by) > 0 {
			for _, l := range wrap("decided by "+strings.Join(by, ", "), 44) {
				fmt.Fprintf(&b, "  %-31s   %s\n", "", l)
			}
		}
	}
	b.WriteString("\nOn the host, ssm-doctor check tells which of them it is.\nssm-doctor explain CAUSE tells what repairs one.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteSymptomsJSON writes the same for programs.
func WriteSymptomsJSON(w io.Writer, s symptoms.Answer) error {
	type symptom struct {
		Words  []string `json:"words"`
		Place  string   `json:"place"`
		Means  string   `json:"means"`
		Times  int      `json:"times"`
		Line   int      `json:"line"`   // the last one with it, from 1
		Checks []string `json:"checks"` // that look at it where it has no causes
	}
	type cause struct {
		ID        string   `json:"id"`
		Title     string   `json:"title"`
		DecidedBy []string `json:"decided_by"`
	}
	out := struct {
		Lines      int       `json:"lines"`
		Harmless   int       `json:"harmless_lines"`
		AcceptedIn int       `json:"accepted_in_line,omitempty"`
		Symptoms   []symptom `json:"symptoms"`
		Causes     []cause   `json:"causes"`
	}{s.Lines, s.Harmless, s.Well, []symptom{}, []cause{}}
	for _, f := range s.Found {
		out.Symptoms = append(out.Symptoms, symptom{f.Words, f.Place, f.Means, f.Times, f.Line, append([]string{}, f.Checks...)})
	}
	for _, id := range s.Causes {
		out.Causes = append(out.Causes, cause{id, causes.Get(id).Title, namedBy(id)})
	}
	return WriteJSON(w, out, "  ")
}

// namedBy are the checks that may name a cause.
func namedBy(cause string) []string {
	ids := []string{}
	for _, c := range checks.All() {
		if slices.Contains(c.Causes, cause) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// SymptomsMarkdown is the page of all symptoms that words alone name.
func SymptomsMarkdown() string {
	var b strings.Builder
	b.WriteString("# Symptoms\n\nWhat is seen of a node that is not right, and what can be behind it, the most common first. `ssm-doctor explain WORDS` gives the same, and reads a log from standard input; on the host, `ssm-doctor check` tells which it is.\n\n")
	b.WriteString("| seen | where | what it says | what can be behind it |\n|---|---|---|---|\n")
	for _, y := range symptoms.Table() {
		links := make([]string, len(y.Causes))
		for i, c := range y.Causes {
			links[i] = "[" + c + "](causes/" + c + ".md)"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", strings.Join(y.Words, "` … `"), y.Place, y.Means, strings.Join(links, ", "))
	}
	return b.String()
}
