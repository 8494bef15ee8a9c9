package facts_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
)

// TestEveryLineCanWin: the rows of Lines stand below all of Signatures.
func TestEveryLineCanWin(t *testing.T) {
	t.Parallel()
	modules := map[string]bool{"start": true, "identity": true, "registration": true, "credentials": true, "health": true, "channels": true, "workers": true, "sessions": true, "associations": true, "updates": true}
	seen := map[string]bool{}
	lines := facts.Lines()
	if len(lines) < 150 {
		t.Fatalf("only %d rows were read", len(lines))
	}
	for i, l := range lines {
		text := strings.ToLower(strings.Join(l.Fragments, " "))
		if seen[text] || !modules[l.Module] || l.Kind != facts.KindNoise && l.Kind != facts.KindFollows {
			t.Errorf("row %+v", l)
		}
		seen[text] = true
		for _, f := range l.Fragments {
			if len(f) < 4 || strings.TrimSpace(f) != f {
				t.Errorf("%q identifies no line", f)
			}
		}
		for _, s := range facts.Signatures {
			if matches(s.Fragments, text) {
				t.Errorf("%q is met by %s %q above it", l.Fragments, s.ID, s.Fragments)
			}
		}
		for _, before := range lines[:i] {
			if matches(before.Fragments, text) {
				t.Errorf("%q is met by %q above it", l.Fragments, before.Fragments)
			}
		}
		release(t, l.Releases)
	}
}

// TestEveryRowOfLinesIsRead: a row in another form would be passed over.
func TestEveryRowOfLinesIsRead(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("lines.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for row := range strings.Lines(string(b)) {
		if row = strings.TrimSpace(row); row != "" && !strings.HasPrefix(row, "#") {
			rows++
		}
	}
	if n := len(facts.Lines()); n != rows {
		t.Errorf("%d of %d rows were read", n, rows)
	}
}

// TestReleases: the ranges are of rows that exist.
func TestReleases(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, s := range facts.Signatures {
		release(t, s.Releases())
		used[s.Words()] = true
	}
	for _, words := range facts.RangedWords() {
		if !used[words] {
			t.Errorf("no row has the words %q", words)
		}
	}
	if got := facts.LastRelease(facts.SigMDSFailed); got != "3.3.4177.0" {
		t.Errorf("ec2messages: %q", got)
	}
	for _, id := range []string{facts.SigChannelFailed, facts.SigHealthOK, "noise", "no such"} {
		if got := facts.LastRelease(id); got != "" {
			t.Errorf("%s is still written, not until %q", id, got)
		}
	}
}

func release(t *testing.T, r facts.Releases) {
	t.Helper()
	for _, s := range []string{r.Since, r.Until} {
		if s != "" && !regexp.MustCompile(`^[23]\.\d+\.\d+\.\d+$`).MatchString(s) {
			t.Errorf("%q is no release", s)
		}
	}
}

// The first row that matches wins: a row whose own fragments are met by an
// earlier one with another meaning would never be found.
func TestEverySignatureCanWin(t *testing.T) {
	t.Parallel()
	for i, s := range facts.Signatures {
		line := strings.ToLower(strings.Join(s.Fragments, " "))
		for _, before := range facts.Signatures[:i] {
			if before.ID != s.ID && matches(before.Fragments, line) {
				t.Errorf("%s %q is met by %s %q above it: move it up, or add a fragment", s.ID, s.Fragments, before.ID, before.Fragments)
			}
		}
		for _, other := range facts.Signatures {
			if other.ID == s.ID && other.Kind != s.Kind {
				t.Errorf("%s is of kind %s and of kind %s", s.ID, s.Kind, other.Kind)
			}
		}
		if len(s.Fragments) == 0 || line == "" {
			t.Errorf("%s has no fragment", s.ID)
		}
	}
}

func matches(fragments []string, line string) bool {
	for _, f := range fragments {
		if !strings.Contains(line, strings.ToLower(f)) {
			return false
		}
	}
	return true
}

// TestEveryEvidenceIsAsked: a line that is known as evidence and that no check asks for
// would be shown nowhere.
func TestEveryEvidenceIsAsked(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	for _, pattern := range []string{"../*.go", "../node/*.go", "../../agent/gather/agentlog/scan.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatal(pattern, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(b)
		}
	}
	b, err := os.ReadFile("log.go")
	if err != nil {
		t.Fatal(err)
	}
	constant := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(Sig\w+)\s+= "(.*)"`).FindAllStringSubmatch(string(b), -1) {
		constant[m[2]] = m[1]
	}
	for _, s := range facts.Signatures {
		if s.Kind == facts.KindNoise || s.Kind == facts.KindFollows || s.Kind == facts.KindInfo {
			continue
		}
		if !regexp.MustCompile(`facts\.` + constant[s.ID] + `\b`).MatchString(source.String()) {
			t.Errorf("no check asks for %s", s.ID)
		}
	}
}
