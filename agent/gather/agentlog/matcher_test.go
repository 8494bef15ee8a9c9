package agentlog

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
)

// found are the fragments that a matcher says are in a text.
func found(m *matcher, text []byte) []int {
	var h hits
	var out []int
	any := m.scan(text, &h)
	h.all(func(n int) { out = append(out, n) })
	if any != (len(out) > 0) {
		return []int{-1}
	}
	return out
}

// contained are those that are.
func contained(fragments []string, text []byte) []int {
	var out []int
	low := bytes.Map(func(r rune) rune { return r }, text)
	for i, c := range text { // of ASCII only
		if low = low[:len(text)]; c >= 'A' && c <= 'Z' {
			low[i] = c + 32
		} else {
			low[i] = c
		}
	}
	for n, f := range fragments {
		if bytes.Contains(low, []byte(f)) {
			out = append(out, n)
		}
	}
	return out
}

func TestMatcher(t *testing.T) {
	t.Parallel()
	fragments := []string{"abcd", "bcde", "abcde", "aaaa", "xxaaaa", "is not authorized", "authorized to", "\xff\x00\xfe\x01", "abcdabcd"}
	m := newMatcher(fragments)
	for _, text := range []string{
		"", "abc", "abcd", "ABCD", "xabcde", "abcdabcd", "abcabcd", "aaa", "aaaaaa", "xxaaaaa", "xaaaa", "User is NOT Authorized To", "is not authorized", "uthorized to", "\xff\x00\xfe\x01", "\xdf\x00\xde\x01", "abc\u212ad",
		"aabcdabcdabcdexxaaaa",
	} {
		if got, want := found(m, []byte(text)), contained(fragments, []byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: found %v, want %v", text, got, want)
		}
	}
}

// TestMatcherOfTables: each fragment of the tables is found wherever it lies in a line, in
// any case, and nothing else is.
func TestMatcherOfTables(t *testing.T) {
	t.Parallel()
	m := signatureTable().matcher
	r := rand.New(rand.NewPCG(1, 2))
	for n, f := range m.fragments {
		if len(f) < gram {
			t.Errorf("%q is shorter than what is looked for", f)
		}
		other := m.fragments[r.IntN(len(m.fragments))]
		for _, text := range []string{f, strings.ToUpper(f), other + f, f + other, f[1:] + f, f[:len(f)-1], f[:len(f)/2] + other + f[len(f)/2:]} {
			if got, want := found(m, []byte(text)), contained(m.fragments, []byte(text)); !slices.Equal(got, want) {
				t.Errorf("%d: %q: found %v, want %v", n, text, got, want)
			}
		}
	}
}

func FuzzMatcher(f *testing.F) {
	for _, s := range facts.Signatures {
		f.Add([]byte(strings.Join(s.Fragments, " ")))
	}
	m := signatureTable().matcher
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := found(m, b), contained(m.fragments, b); !slices.Equal(got, want) {
			t.Errorf("%q: found %v, want %v", b, got, want)
		}
	})
}
