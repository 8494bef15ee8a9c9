package gathertest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
)

// is, holds and wrong state what a fact must be and collect what is not.
func Is[T comparable](s facts.Seen[T], want T) string {
	if s.State != facts.IsKnown || s.Value != want {
		return fmt.Sprintf("%v (%s, %s), want %v", s.Value, s.State, s.Why, want)
	}
	return ""
}

func Holds(what string, ok bool) string {
	if ok {
		return ""
	}
	return "not so: " + what
}

func Wrong(all ...string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// NoSecret searches the JSON of facts.
func NoSecret(t *testing.T, f *facts.Facts, secrets ...string) {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets {
		if strings.Contains(string(b), s) {
			t.Errorf("the facts hold a secret that begins with %.10q", s)
		}
	}
}
