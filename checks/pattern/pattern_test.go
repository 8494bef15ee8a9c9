package pattern

import (
	"regexp"
	"slices"
	"testing"
)

// TestBegins: the words are those that every match begins with, and none where one may not.
func TestBegins(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`RunAs user (\S{1,100}) does not exist`: "RunAs user ",
		`Failed to create (\S{1,100}):`:         "Failed to create ",
		`abc`:                                   "abc", ``: "", `^abc`: "", `(?i)abc`: "", `(abc)`: "", `[abc]d`: "", `\babc`: "",
		`a|b`: "", `abc(d|e)`: "abc", `abc(d)|e`: "", `abc[|]d`: "abc", `abc[]|]d`: "abc", `abc[^]|]d`: "abc", `abc\|d`: "abc", `abc[(]d|e`: "", `abc\(d|e`: "", `abc\Q|\E`: "",
		`Failed to retrieve (?:uid|gid) for (\S)`: "Failed to retrieve ",
		`abc?`: "ab", `abc*d`: "ab", `abc+`: "ab", `abc{0,3}`: "ab", `a*`: "",
		`ab.c`: "ab", `ab-c`: "ab",
	} {
		if got := New(text).words; got != want {
			t.Errorf("%q begins with %q, want %q", text, got, want)
		}
	}
}

// TestLate: a text without the words makes no expression.
func TestLate(t *testing.T) {
	t.Parallel()
	p := New(`Failed to create (\S{1,100}):`)
	if p.MatchString("nothing") || p.FindString("nothing") != "" || p.FindStringSubmatch("nothing") != nil || p.re != nil {
		t.Error("the expression was made, or found something")
	}
	if m := p.FindStringSubmatch("Failed to create x:"); !slices.Equal(m, []string{"Failed to create x:", "x"}) {
		t.Errorf("found %q", m)
	}
}

// FuzzWords holds what the words decide to the expression itself.
func FuzzWords(f *testing.F) {
	f.Add(`abc?d`, "abd")
	f.Add(`RunAs user (\S{1,9}) `, "RunAs user x ")
	f.Add(`a{0}b`, "b")
	f.Add("ab\n", "ab\n")
	f.Add(`ab[[:alpha:]|x](c|d)`, "abxd")
	f.Add(`ab[a\]|]c|d`, "d")
	f.Fuzz(func(t *testing.T, text, s string) {
		re, err := regexp.Compile(text)
		if err != nil || len(text) > 200 {
			t.Skip()
		}
		p := New(text)
		if p.MatchString(s) != re.MatchString(s) || p.FindString(s) != re.FindString(s) || !slices.Equal(p.FindStringSubmatch(s), re.FindStringSubmatch(s)) {
			t.Errorf("%q in %q: not as the expression", text, s)
		}
	})
}
