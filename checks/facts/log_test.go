package facts_test

import (
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
)

// The first row that matches wins: a row whose own fragments are met by an
// earlier one with another meaning would never be found.
func TestEverySignatureCanWin(t *testing.T) {
	t.Parallel()
	for i, s := range facts.Signatures {
		line := strings.ToLower(strings.Join(s.Fragments, " "))
		for _, before := range facts.Signatures[:i] {
			if before.ID != s.ID && matches(before, line) {
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

func matches(s facts.Signature, line string) bool {
	for _, f := range s.Fragments {
		if !strings.Contains(line, strings.ToLower(f)) {
			return false
		}
	}
	return true
}
