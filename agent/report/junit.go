package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Timestamp string      `xml:"timestamp,attr,omitempty"`
	Hostname  string      `xml:"hostname,attr,omitempty"` // the node id, which redaction keeps
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string     `xml:"classname,attr"`
	Name    string     `xml:"name,attr"`
	Failure *junitNote `xml:"failure"`
	Error   *junitNote `xml:"error"`
	Skipped *junitNote `xml:"skipped"`
	Out     string     `xml:"system-out,omitempty"`
}

type junitNote struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// writeJUnit writes one suite per group of checks: fail is a failure, unknown
// an error, skip skipped, and warn a pass with output.
func writeJUnit(w io.Writer, r *Report) error {
	all := junitSuites{Name: "ssm-doctor", Time: number(r.Duration)}
	at := map[string]int{}
	for _, c := range r.Checks {
		i, ok := at[c.Group]
		if !ok {
			i = len(all.Suites)
			at[c.Group] = i
			s := junitSuite{Name: Printable(c.Group), Hostname: Printable(r.Node.ID)}
			if !r.GeneratedAt.IsZero() {
				s.Timestamp = r.GeneratedAt.UTC().Format(time.RFC3339)
			}
			all.Suites = append(all.Suites, s)
		}
		s := &all.Suites[i]
		k := junitCase{Class: Printable(c.Group), Name: Printable(c.ID)}
		note := &junitNote{Message: Printable(c.Summary.String()), Type: Printable(c.Cause), Text: junitText(r, c)}
		s.Tests++
		switch c.Status {
		case "pass":
		case "warn":
			k.Out = Printable(c.Summary.String()) + "\n" + note.Text
		case "fail":
			k.Failure = note
			s.Failures++
		case "skip":
			k.Skipped = &junitNote{Message: note.Message}
			s.Skipped++
		default:
			k.Error = note
			s.Errors++
		}
		s.Cases = append(s.Cases, k)
	}
	for _, s := range all.Suites {
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// junitText is the evidence of a check and the remedy of the cause it names.
func junitText(r *Report, c Check) string {
	var b strings.Builder
	for _, e := range c.Evidence {
		fmt.Fprintf(&b, "%s: %s\n", Printable(e.What), Printable(e.Seen))
	}
	if c.FollowsFrom != "" {
		fmt.Fprintf(&b, "follows from %s\n", Printable(c.FollowsFrom))
	}
	causes := r.Also
	if r.RootCause != nil {
		causes = append([]Cause{*r.RootCause}, causes...)
	}
	for _, k := range causes {
		if k.ID != c.Cause || c.Cause == "" {
			continue
		}
		for _, s := range k.Fix {
			fmt.Fprintf(&b, "%s (%s)\n", Printable(s.Text.String()), Printable(whereText(s, r)))
			for l := range strings.SplitSeq(s.Command.String(), "\n") {
				if l != "" {
					fmt.Fprintf(&b, "    %s\n", Printable(l))
				}
			}
		}
		break
	}
	return b.String()
}
