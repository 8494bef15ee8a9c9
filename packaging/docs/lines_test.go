package docs

import (
	"fmt"
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/packaging/gen/golden"
)

// meanings are the kinds of rows, as the page calls them.
var meanings = map[string]string{
	facts.KindStart: "the agent started", facts.KindSuccess: "something worked", facts.KindNode: "evidence: the node is not accepted, or the agent cannot start",
	facts.KindFailure: "evidence: one part or one of several ways failed", facts.KindBackoff: "announces a sleep", facts.KindFeature: "evidence: one feature failed, or the host under it",
	facts.KindInfo: "says how things stand", facts.KindNoise: "harmless", facts.KindFollows: "consequence of a failure that another line or a probe shows",
}

// counted is how many different warnings and errors each module of the agent can
// write, by what the tables say of them: evidence, consequence, harmless, and those
// that are shown as not known.
// Source: the log calls in the source of the agent's 134 public releases 2.3.13.0 to
// 3.3.1142.0, counted on 2026-11-27. A line that is nothing but another function's
// error counts as not known; ssm-setup-cli, whose log is not read, is left out.
var counted = []struct {
	module                               string
	evidence, follows, harmless, unknown int
}{
	{"start", 16, 6, 24, 43},
	{"identity", 9, 7, 9, 19},
	{"registration", 3, 0, 14, 10},
	{"credentials", 8, 5, 12, 6},
	{"health", 1, 0, 0, 5},
	{"channels", 5, 24, 14, 86},
	{"workers", 1, 23, 28, 117},
	{"sessions", 2, 4, 30, 146},
	{"associations", 3, 4, 0, 27},
	{"updates", 1, 5, 33, 87},
}

// TestGoldenLogLines writes the page of the lines of the agent's log.
func TestGoldenLogLines(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Lines of the agent's log\n\nWhat ssm-doctor takes from a line of the log of the SSM Agent: the words that identify it, what it means, and the releases that write it. " +
		"A warning or error of the last day that no row knows is shown as it stands, without names and numbers, as `unexplained`: a note that changes neither state nor exit code.\n\n" +
		"The ranges are those of the releases whose source was looked at, 2.3.13.0 to 3.3.1142.0; later ones are known from their notes. An empty cell means all of them. " +
		"Agents from 3.3.5068 to before 3.3.5226 quote errors of AWS in the words of the second SDK; both forms are read. From 3.3.4268 on the agent writes a refused ec2messages at debug, so that its absence says nothing.\n\n## How much is known\n\n" +
		"Different warnings and errors that the source of these releases can write, by module:\n\n| module | evidence | consequence | harmless | shown as not known | together |\n|---|---|---|---|---|---|\n")
	var sum [5]int
	for _, c := range counted {
		n := [5]int{c.evidence, c.follows, c.harmless, c.unknown, c.evidence + c.follows + c.harmless + c.unknown}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d |\n", c.module, n[0], n[1], n[2], n[3], n[4])
		for i := range n {
			sum[i] += n[i]
		}
	}
	fmt.Fprintf(&b, "| all | %d | %d | %d | %d | %d |\n", sum[0], sum[1], sum[2], sum[3], sum[4])
	b.WriteString("\n## Lines that are evidence or news\n\nThe first row whose words all occur in an entry wins.\n\n| words | id | meaning | releases |\n|---|---|---|---|\n")
	for _, s := range facts.Signatures {
		if s.Kind != facts.KindNoise && s.Kind != facts.KindFollows {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", words(t, s.Fragments), s.ID, meaning(t, s.Kind), releases(s.Releases()))
		}
	}
	b.WriteString("\n## Warnings and errors that say nothing new\n\n| words | module | meaning | releases |\n|---|---|---|---|\n")
	for _, s := range facts.Signatures {
		if s.Kind == facts.KindNoise || s.Kind == facts.KindFollows {
			fmt.Fprintf(&b, "| %s | | %s | %s |\n", words(t, s.Fragments), meaning(t, s.Kind), releases(s.Releases()))
		}
	}
	for _, l := range facts.Lines() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", words(t, l.Fragments), l.Module, meaning(t, l.Kind), releases(l.Releases))
	}
	golden.File(t, "log-lines.md", []byte(b.String()))
}

func words(t *testing.T, fragments []string) string {
	t.Helper()
	for _, f := range fragments {
		if strings.ContainsAny(f, "|`\n") {
			t.Errorf("%q cannot stand in a table", f)
		}
	}
	return "`" + strings.Join(fragments, "` … `") + "`"
}

func meaning(t *testing.T, kind string) string {
	t.Helper()
	if meanings[kind] == "" {
		t.Errorf("what is %q?", kind)
	}
	return meanings[kind]
}

func releases(r facts.Releases) string {
	switch {
	case r.Since != "" && r.Until != "":
		return r.Since + " to " + r.Until
	case r.Since != "":
		return "from " + r.Since
	case r.Until != "":
		return "to " + r.Until
	}
	return ""
}
