package text

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// word is a string type of ours, whose values are no values of the host.
type word string

func TestEditTouchesValuesOnly(t *testing.T) {
	t.Parallel()
	inner := New("the role %s", "role")
	s := New("role %s says %q in %d s: %v %v %s", "role", "role", 7, errors.New("role"), word("role"), inner)
	got := s.Edit(func(string) string { return "X" }).String()
	if want := `role X says "X" in 7 s: X role the role X`; got != want {
		t.Errorf("%s", got)
	}
	if s.String() != `role role says "role" in 7 s: role role the role role` {
		t.Errorf("the sentence itself changed: %s", s)
	}
}

func TestSentences(t *testing.T) {
	t.Parallel()
	base := New("%s is full", "/var")
	a, b := base.Add(", %d %%", 99), base.Add("; also %s", "/")
	if a.String() != "/var is full, 99 %" || b.String() != "/var is full; also /" || base.String() != "/var is full" {
		t.Errorf("%q %q %q", a, b, base)
	}
	if got := Join([]Text{base, New("x"), Plain("100%d")}, " 5% "); got.String() != "/var is full 5% x 5% 100%d" {
		t.Errorf("%q", got)
	}
	if !Plain("").IsZero() || !(Text{}).IsZero() || Plain("x").IsZero() || (Text{}).String() != "" {
		t.Error("what is empty")
	}
	out, err := json.Marshal(a)
	var back Text
	if err != nil || string(out) != `"/var is full, 99 %"` || json.Unmarshal(out, &back) != nil || back.String() != a.String() || len(back.Args) != 1 {
		t.Errorf("%s %v %+v", out, err, back)
	}
	if json.Unmarshal([]byte("7"), &back) == nil {
		t.Error("a number is no sentence")
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	if Or("", "x") != "x" || Or("y", "x") != "y" || Quote("a\nb") != `"a\nb"` {
		t.Error("Or, Quote")
	}
	if got := Cut("äöü", 3); got != "ä…" || Cut("ab", 2) != "ab" {
		t.Errorf("%q", got)
	}
	for d, want := range map[time.Duration]string{time.Second: "1 s", 119 * time.Second: "119 s", 2 * time.Minute: "2 min", 3 * time.Hour: "3 h", 50 * time.Hour: "2 days"} {
		if got := Span(d); got != want {
			t.Errorf("%s: %q", d, got)
		}
	}
	for n, want := range map[uint64]string{1 << 10: "1 KiB", 11 << 20: "11 MiB", 12 << 30: "12 GiB"} {
		if got := Size(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	if Stamp(time.Time{}) != "" || !strings.HasSuffix(Stamp(time.Unix(0, 0)), "Z") {
		t.Error("Stamp")
	}
}
