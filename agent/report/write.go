package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"ssm-doctor/checks/text"
)

// Formats are the names that Write knows.
var Formats = []string{"text", "short", "wide", "json", "jsonl", "junit", "nagios", "markdown", "html", "verdict"}

// Write renders a report. What looks like a secret is taken out in every
// format, redacted or not. Only trouble of w and unknown formats are errors.
func Write(w io.Writer, format string, r *Report, s Style) error {
	s.Width = clampWidth(s.Width)
	r = withoutSecrets(r)
	r.Normalize()
	var out string
	switch format {
	case "text":
		switch r = printableReport(r); {
		case s.Quiet:
			out = pluginLine(r, false)
		default:
			out = renderText(r, s, !s.Brief && (s.Verbose || r.State != Managed))
		}
	case "wide":
		out = renderText(printableReport(r), s, true)
	case "short":
		out = renderShort(printableReport(r), s)
	case "nagios":
		out = pluginLine(printableReport(r), true)
	case "markdown":
		out = renderMarkdown(printableReport(r))
	case "junit":
		return writeJUnit(w, r)
	case "json", "jsonl":
		return writeJSON(w, r, format == "json")
	case "html":
		return HTML(w, r, Live{})
	case "verdict":
		var err error
		if out, err = verdictLine(r); err != nil {
			return fmt.Errorf("encode report: %w", err)
		}
	default:
		return fmt.Errorf("write report: unknown format %q", format)
	}
	if s.ASCII {
		out = asciiLines(out)
	}
	_, err := io.WriteString(w, out)
	return err
}

// printableReport is what the formats for terminals are made of: in no string of it, and
// in no value of a sentence, is left what could move the cursor, begin a line or
// reorder text. (JSON, XML and HTML are escaped where they are written.)
func printableReport(r *Report) *Report {
	out := rewrite(*r, editor{
		leaf: func(_ place, s string) string { return Printable(s) },
		sentence: func(_ place, t text.Text) text.Text {
			return editValues(t, "", func(_, v string) any { return Printable(v) })
		},
	})
	return &out
}

// WriteJSON writes a value as the reports are written: a terminal finds nothing in it to
// act on.
func WriteJSON(w io.Writer, v any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeJSON(b.Bytes()))
	return err
}

// asciiLines is a last resort: renderers already choose ASCII where it matters
// for the width.
func asciiLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.IndexFunc(l, func(r rune) bool { return r > 0x7e }) >= 0 {
			var b strings.Builder
			for part := range strings.SplitSeq(l, "\x1b") {
				if b.Len() > 0 || strings.HasPrefix(l, "\x1b") {
					b.WriteByte(0x1b)
				}
				b.WriteString(inASCII(part))
			}
			lines[i] = strings.TrimPrefix(b.String(), "\x1b\x1b")
		}
	}
	return strings.Join(lines, "\n")
}

// writeJSON writes a report or a part of one.
func writeJSON(w io.Writer, v any, indent bool) error {
	spaces := ""
	if indent {
		spaces = "  "
	}
	if err := WriteJSON(w, v, spaces); err != nil { // commands hold & and <
		return fmt.Errorf("encode report: %w", err)
	}
	return nil
}

// escapeJSON escapes the runes that JSON lets through and a terminal may act
// on: DEL, C1 controls, bidirectional and zero-width marks. They occur in
// strings only.
func escapeJSON(in []byte) []byte {
	if bytes.IndexFunc(in, hiddenRune) < 0 {
		return in
	}
	out := make([]byte, 0, len(in)+64)
	for len(in) > 0 {
		r, n := utf8.DecodeRune(in)
		if hiddenRune(r) {
			if r > 0xffff {
				hi, lo := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
				out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
			} else {
				out = fmt.Appendf(out, `\u%04x`, r)
			}
		} else {
			out = append(out, in[:n]...)
		}
		in = in[n:]
	}
	return out
}

func hiddenRune(r rune) bool { return r > 0x7e && !unicode.IsPrint(r) }
