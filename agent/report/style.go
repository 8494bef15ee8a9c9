package report

import (
	"runtime"
	"strings"
)

// Widths of text in cells. Prose wider than maxWidth is hard to read, and
// below minWidth columns fall apart.
const (
	minWidth     = 40
	maxWidth     = 100
	defaultWidth = 80
)

// Style is how text is laid out. It is decided once, by StyleFor; renderers
// never look at the environment.
type Style struct {
	Color   bool
	ASCII   bool // no byte above 0x7e
	Width   int  // cells; 0 means 80
	Brief   bool // text is one screen; wide shows the rest
	Verbose bool // text shows what wide shows
	Quiet   bool // text is the one line of a monitoring plugin
}

// StyleFor applies the rules for colour, glyphs and width. tty and width (0:
// unknown) are what Terminal says of the output. colorFlag is auto, always or
// never; asciiFlag is auto, true or false; empty means auto.
//
// Colour: the flag, then NO_COLOR (set and not empty: off), then
// CLICOLOR_FORCE (set and not 0: on), then TERM=dumb or no terminal: off.
func StyleFor(getenv func(string) string, tty bool, width int, colorFlag, asciiFlag string) Style {
	s := Style{Width: clampWidth(width)}
	force := getenv("CLICOLOR_FORCE")
	switch {
	case colorFlag == "always":
		s.Color = true
	case colorFlag == "never", getenv("NO_COLOR") != "":
	case force != "" && force != "0":
		s.Color = true
	default:
		s.Color = tty && getenv("TERM") != "dumb"
	}
	switch asciiFlag {
	case "true", "always":
		s.ASCII = true
	case "false", "never":
	default:
		s.ASCII = !unicodeOutput(getenv, tty, runtime.GOOS)
	}
	return s
}

// unicodeOutput reports whether readers of the output understand UTF-8. On
// Windows only a console does (the runtime writes UTF-16 to it); what reads a
// pipe there takes it for the old code page. macOS speaks UTF-8 when nothing is set.
func unicodeOutput(getenv func(string) string, tty bool, goos string) bool {
	if goos == "windows" {
		return tty
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return goos == "darwin"
}

func clampWidth(w int) int {
	if w <= 0 {
		return defaultWidth
	}
	return max(minWidth, min(w, maxWidth))
}

// The styles of text. A status is always a word too.
const (
	styleCommand = "\x1b[1m"
	styleBad     = "\x1b[1;31m"
	styleWarn    = "\x1b[33m"
	styleGood    = "\x1b[32m"
	styleDim     = "\x1b[2m"
	styleOff     = "\x1b[0m"
)

func (s Style) paint(style, text string) string {
	if !s.Color || style == "" || text == "" {
		return text
	}
	return style + text + styleOff
}

// mark is how a status or state looks.
type mark struct {
	glyph, ascii string
	word         string
	style        string
}

var marks = map[string]mark{
	"pass":     {"✓", "ok", "PASS", styleGood},
	"warn":     {"!", "!!", "WARN", styleWarn},
	"fail":     {"✗", "XX", "FAIL", styleBad},
	"skip":     {"–", "--", "SKIP", styleDim},
	"unknown":  {"?", "??", "UNKNOWN", styleWarn},
	"critical": {"✗", "XX", "CRITICAL", styleBad},
	"warning":  {"!", "!!", "WARNING", styleWarn},
	"info":     {"–", "--", "INFO", styleDim},
	Managed:    {"✓", "ok", "MANAGED", styleGood},
	Degraded:   {"!", "!!", "MANAGED, BUT", styleWarn},
	NotManaged: {"✗", "XX", "NOT MANAGED", styleBad},
}

// markOf never fails: what is not in the table is unknown.
func markOf(status string) mark {
	m, ok := marks[status]
	if !ok {
		m = marks["unknown"]
	}
	return m
}

func (s Style) glyph(status string) string {
	if s.ASCII {
		return markOf(status).ascii
	}
	return markOf(status).glyph
}
