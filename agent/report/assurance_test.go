package report

import (
	"regexp"
	"strings"
	"testing"
)

func TestAssurance(t *testing.T) {
	t.Parallel()
	log := []Evidence{{What: "agent log", Seen: "ERROR x"}}
	refused := []Evidence{{What: "ssm:UpdateInstanceInformation", Seen: "denied: User: arn:aws:sts::111122223333:assumed-role/a/b is not authorized to perform: ssm:UpdateInstanceInformation"}}
	for _, c := range []struct {
		name  string
		cause Cause
		by    string
		words string
	}{
		{"nothing claimed", Cause{}, "", ""},
		{"seen here", Cause{Confidence: "proven", Evidence: log}, SaidByHost, "proven"},
		{"seen by an operator", Cause{Confidence: "proven", Evidence: []Evidence{{From: "outside: aws ec2 describe-vpc-endpoints"}}}, SaidByOperator, "proven"},
		{"refused by AWS", Cause{Confidence: "likely", Group: "permissions", Evidence: refused}, SaidByAWS, "AWS said so"},
		{"a refusal that is evidence of something else", Cause{Confidence: "likely", Group: "network", Evidence: refused}, Concluded, "likely, concluded"},
		{"read in the log", Cause{Confidence: "likely", Evidence: log}, SaidByLog, "likely, the agent's log says so"},
		{"log and more", Cause{Confidence: "likely", Evidence: append(log, Evidence{What: "boot"})}, Concluded, "likely, concluded"},
		{"read in the log, and only possible", Cause{Confidence: "possible", Evidence: log}, Concluded, "possible, concluded"},
		{"no evidence", Cause{Confidence: "possible"}, Concluded, "possible, concluded"},
	} {
		if got := saidBy(c.cause); got != c.by {
			t.Errorf("%s: said by %q, want %q", c.name, got, c.by)
		}
		if got := assurance(c.cause); got != c.words {
			t.Errorf("%s: %q, want %q", c.name, got, c.words)
		}
	}
}

// reElement is markup of a page.
var reElement = regexp.MustCompile(`<[^>]*>`)

// TestOneHome: every output that names a cause says whose word it is, and what goes in
// place of words in capitals, in the same words.
func TestOneHome(t *testing.T) {
	t.Parallel()
	r := samples()["not-managed"]
	r.RootCause.Confidence = "likely"
	words, note := assurance(*r.RootCause), strings.ReplaceAll(blankNote(r, r.RootCause.Fix), "`", "")
	if words == "" || note == "" {
		t.Fatalf("the sample says neither: %q, %q", words, note)
	}
	for _, format := range []string{"text", "wide", "markdown", "html"} {
		out := strings.Join(strings.Fields(reElement.ReplaceAllString(render(t, format, r, Style{Width: 80}), "")), " ")
		out = strings.NewReplacer("\\", "", "`", "", "&#39;", "'", "&#34;", `"`).Replace(out)
		first, _, _ := strings.Cut(note, " (") // a command that looks it up may stand on its own lines
		if !strings.Contains(out, words) || !strings.Contains(strings.ToLower(out), strings.ToLower(first)) {
			t.Errorf("%s lacks %q or %q", format, words, first)
		}
	}
}

func TestReasonOf(t *testing.T) {
	t.Parallel()
	const head = "User: arn:aws:sts::111122223333:assumed-role/a/b is not authorized to perform: ssm:GetDocument on resource: arn:aws:ssm:eu-central-1:111122223333:document/x "
	for in, want := range map[string]string{
		head + "with an explicit deny in a service control policy": "…with an explicit deny in a service control policy",
		head + "because no VPC endpoint policy allows it":          "…because no VPC endpoint policy allows it",
		strings.TrimSpace(head):                                    strings.TrimSpace(head), // no reason to keep
		"x y":                                                      "x y",
	} {
		if got := reasonOf(in); got != want {
			t.Errorf("%q\n gives %q\n want  %q", in, got, want)
		}
	}
}

func TestLastClause(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Create it; it prints an id and": "Create it",
		"One, two: three":                "One, two",
		"Attach it (that one or":         "Attach it",
		"Ends here.":                     "Ends here",
	} {
		i := lastClause(in)
		if i < 0 || in[:i] != want {
			t.Errorf("%q ends at %d, want %q", in, i, want)
		}
	}
	if i := lastClause("no clause at all"); i != -1 {
		t.Errorf("an end at %d of one thought", i)
	}
}
