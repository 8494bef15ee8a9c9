package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"ssm-doctor/checks/text"
)

// evilLeaf holds what terminals, browsers and monitors act on: escapes, C1 controls,
// line ends, marks that reorder text, bytes that are no UTF-8, markup and the sign that
// begins perfdata. INJECT must begin no line.
const evilLeaf = "x\x1b]0;OWNED\x07\x1b[2J\r\nINJECT\u009b31m\u202e\u2028INJECT\x7f\xff<img src=q onerror=1>|a=1;;;"

// ownStyle are the escape sequences that we paint with.
var ownStyle = regexp.MustCompile("\x1b\\[[0-9;]*m")

// withLeaf is a report with the hostile text in one of its strings and values of
// sentences; false: it has fewer.
func withLeaf(r *Report, nth int, evil string) (*Report, string, bool) {
	n, where := 0, ""
	put := func(at place, s string) string {
		if n++; n == nth {
			where = at.in + "." + at.field
			return evil
		}
		return s
	}
	out := rewrite(*r, editor{
		leaf: put,
		sentence: func(at place, t text.Text) text.Text {
			return editValues(t, "", func(_, v string) any { return put(at, v) })
		},
	})
	return &out, where, where != ""
}

// harmless says what is wrong with text for a terminal; empty: nothing.
func harmless(out string, lines bool) string {
	plain := ownStyle.ReplaceAllString(out, "")
	if !utf8.ValidString(plain) {
		return "bytes that are not UTF-8"
	}
	for _, c := range plain {
		if c < 0x20 && c != '\n' || c >= 0x7f && c < 0xa0 || hiddenRune(c) {
			return fmt.Sprintf("the rune %U", c)
		}
	}
	for l := range strings.SplitSeq(plain, "\n") {
		if lines && strings.HasPrefix(strings.TrimSpace(l), "INJECT") {
			return "a line that is not ours"
		}
	}
	return ""
}

// TestHostileLeaves renders hostile text in every leaf of every report, singly, in every
// format.
func TestHostileLeaves(t *testing.T) {
	t.Parallel()
	formats := map[string]func(w io.Writer, r *Report) error{
		"html, live": func(w io.Writer, r *Report) error { return HTML(w, r, Live{}) },
	}
	for _, f := range Formats {
		formats[f] = func(w io.Writer, r *Report) error { return Write(w, f, r, Style{Width: 80, Color: true}) }
	}
	formats["text, ASCII"] = func(w io.Writer, r *Report) error { return Write(w, "text", r, Style{Width: 80, ASCII: true}) }
	formats["text, quiet"] = func(w io.Writer, r *Report) error { return Write(w, "text", r, Style{Width: 80, Quiet: true}) }
	for _, f := range PermissionFormats {
		formats["permissions "+f] = func(w io.Writer, r *Report) error { return WritePermissions(w, f, r, Style{Width: 80}) }
	}
	for name, r := range samples() {
		if name == "hostile" {
			continue
		}
		r.Normalize()
		for format, write := range formats {
			t.Run(name+"/"+format, func(t *testing.T) {
				t.Parallel()
				for nth := 1; ; nth++ {
					with, where, ok := withLeaf(r, nth, evilLeaf)
					if !ok {
						return
					}
					var b bytes.Buffer
					if err := write(&b, with); err != nil {
						t.Fatalf("%s: %v", where, err)
					}
					bad := harmless(b.String(), !strings.Contains(format, "html") && !strings.Contains(format, "json"))
					switch {
					case strings.Contains(format, "html") && strings.Contains(b.String(), "<img src=q"):
						bad = "markup"
					case format == "json" && !json.Valid(b.Bytes()):
						bad = "broken JSON"
					case format == "junit" && xml.Unmarshal(b.Bytes(), new(struct{ XMLName xml.Name })) != nil:
						bad = "broken XML"
					case format == "nagios" && strings.Count(b.String(), "|") != 1:
						bad = "perfdata that is not ours"
					}
					if bad != "" {
						t.Errorf("%s: %s", where, bad)
					}
				}
			})
		}
	}
}
