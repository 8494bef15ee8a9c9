package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes every rune visible that could move the cursor, repaint the
// screen or reorder text: controls, escapes, bidirectional and zero-width
// marks, odd spaces, bytes that are not UTF-8. The rest stays as it is.
func Printable(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			escapeRune(&b, r)
		}
		i += n
	}
	return b.String()
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

func escapeRune(b *strings.Builder, r rune) {
	switch {
	case r == '\n':
		b.WriteString(`\n`)
	case r == '\r':
		b.WriteString(`\r`)
	case r == '\t':
		b.WriteString(`\t`)
	case r < 0x80:
		fmt.Fprintf(b, `\x%02x`, r)
	case r < 0x10000:
		fmt.Fprintf(b, `\u%04x`, r)
	default:
		fmt.Fprintf(b, `\U%08x`, r)
	}
}

// inASCII replaces what is not ASCII in printable text: typographic signs by
// their usual stand-ins, the rest by escapes.
func inASCII(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x7f:
			b.WriteRune(r)
		case r == '…':
			b.WriteString("...")
		case r == '–' || r == '—' || r == '−':
			b.WriteByte('-')
		case r == '“' || r == '”':
			b.WriteByte('"')
		case r == '‘' || r == '’':
			b.WriteByte('\'')
		case r == '→':
			b.WriteString("->")
		case r == '≥':
			b.WriteString(">=")
		case r == '≤':
			b.WriteString("<=")
		case r == '·':
			b.WriteByte('*')
		default:
			escapeRune(&b, r)
		}
	}
	return b.String()
}

// wide ranges take two cells: East Asian wide and full-width forms, emoji.
var wideRanges = [][2]rune{
	{0x1100, 0x115f}, {0x231a, 0x231b}, {0x2329, 0x232a}, {0x23e9, 0x23ec}, {0x2614, 0x2615},
	{0x26a1, 0x26a1}, {0x2705, 0x2705}, {0x274c, 0x274c}, {0x2e80, 0x303e}, {0x3041, 0x33ff},
	{0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xa000, 0xa4cf}, {0xa960, 0xa97c}, {0xac00, 0xd7a3},
	{0xf900, 0xfaff}, {0xfe10, 0xfe19}, {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6},
	{0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f19a}, {0x1f200, 0x1f320},
	{0x1f32d, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x1fa70, 0x1faff},
	{0x20000, 0x3fffd},
}

// cells is the width of text on a terminal. Escape sequences must not be in it.
func cells(s string) int {
	if plain(s) {
		return len(s)
	}
	n := 0
	for _, r := range s {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) || r >= 0x1160 && r <= 0x11ff {
		return 0
	}
	for _, w := range wideRanges {
		if r >= w[0] && r <= w[1] {
			return 2
		}
	}
	return 1
}

// pad fills up to a width in cells; longer text stays as it is.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-cells(s)))
}

// clip shortens text to at most limit runes and says so.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n == limit {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// terms are names that people search for in the output; a line break inside
// would hide them.
var terms = strings.NewReplacer(glue(
	"Session Manager", "Run Command", "State Manager", "Patch Manager", "Parameter Store", "Fleet Manager",
	"Default Host Management", "Systems Manager", "SSM Agent", "AWS CLI", "ECS Exec",
	"instance profile", "service role", "task role", "trust policy", "permissions boundary",
	"service control policy", "endpoint policy", "-o wide", "security group", "hop limit", "private DNS",
)...)

// bond stands for a space inside a term. NUL cannot be in printable text.
const bond = "\x00"

func glue(names ...string) []string {
	var out []string
	for _, n := range names {
		out = append(out, n, strings.ReplaceAll(n, " ", bond))
	}
	return out
}

// wrap breaks prose between words into lines of at most width cells. A word
// that is longer (a path, an id, a command in backquotes) keeps its line to itself.
func wrap(prose string, width int) []string { return wrapAfter(prose, 0, width) }

// wrapAfter is wrap for prose whose first line begins behind other text.
func wrapAfter(prose string, taken, width int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range words(prose) {
		w := cells(word)
		switch {
		case line == "" && len(lines) == 0:
			line, used = word, taken+w
		case line == "":
			line, used = word, w
		case used+1+w <= width:
			line, used = line+" "+word, used+1+w
		default:
			lines = append(lines, line)
			line, used = word, w
		}
	}
	if line != "" || len(lines) == 0 {
		lines = append(lines, line)
	}
	return lines
}

// words splits printable prose at spaces, except inside terms and backquotes.
func words(prose string) []string {
	var out []string
	quoted := false
	for _, f := range strings.Fields(terms.Replace(prose)) {
		if f == bond {
			continue
		}
		f = strings.ReplaceAll(f, bond, " ")
		if quoted {
			out[len(out)-1] += " " + f
		} else {
			out = append(out, f)
		}
		if strings.Count(f, "`")%2 == 1 {
			quoted = !quoted
		}
	}
	return out
}
