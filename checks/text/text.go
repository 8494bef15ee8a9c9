// Package text makes sentences out of a form and the values in it, as late as
// possible: what reads a sentence by its values, such as redaction, works on the
// values and never on words of ours.
package text

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Text is a sentence: a format of package fmt and its values. The zero Text is empty.
type Text struct {
	Format string
	Args   []any
}

// New is a sentence of ours with values of the host in it.
func New(format string, args ...any) Text { return Text{format, args} }

// Plain is text that is one value as a whole.
func Plain(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{"%s", []any{s}}
}

// Add appends to a sentence.
func (t Text) Add(format string, args ...any) Text {
	return Text{t.Format + format, append(t.Args[:len(t.Args):len(t.Args)], args...)}
}

// Append puts another sentence at the end.
func (t Text) Append(more Text) Text { return t.Add(more.Format, more.Args...) }

// IsZero reports whether there is no text.
func (t Text) IsZero() bool { return t.Format == "" }

func (t Text) String() string { return fmt.Sprintf(t.Format, t.Args...) }

// Edit returns the sentence with its values passed through edit: strings, and
// those of sentences within it. Numbers, and strings of a type of their own
// (which are words of ours), stay.
func (t Text) Edit(edit func(string) string) Text {
	args := make([]any, len(t.Args))
	for i, a := range t.Args {
		switch a := a.(type) {
		case string:
			args[i] = edit(a)
		case Text:
			args[i] = a.Edit(edit)
		case error:
			args[i] = edit(a.Error())
		default:
			args[i] = a
		}
	}
	return Text{t.Format, args}
}

// MarshalJSON writes the sentence as a string.
func (t Text) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// UnmarshalJSON reads a string, as one value.
func (t *Text) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*t = Plain(s)
	return nil
}

// Join puts sentences one after another.
func Join(list []Text, separator string) Text {
	var out Text
	for i, t := range list {
		if i > 0 {
			out.Format += strings.ReplaceAll(separator, "%", "%%")
		}
		out = out.Append(t)
	}
	return out
}

// Or is s, or other where s is empty.
func Or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// Quote puts a value of the host into a sentence so that its limits show.
func Quote(s string) string { return strconv.Quote(s) }

// Cut shortens text to n bytes at a rune boundary.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}

// Span renders a duration with one unit: seconds below two minutes, minutes
// below two hours, hours below two days.
func Span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// Size renders a number of bytes.
func Size(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// Stamp renders a time in UTC, RFC 3339; empty for no time.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
