package facts

import (
	_ "embed"
	"strings"
	"sync"
)

// Line is a warning or error of the agent with a known meaning that names no cause.
// A line that is the evidence of one is a row of Signatures.
type Line struct {
	// Kind is KindFollows or KindNoise.
	Kind string
	// Module is the part of the agent that writes it: one of start, identity,
	// registration, credentials, health, channels, workers, sessions, associations, updates.
	Module    string
	Fragments []string // as those of Signature
	Releases
}

// Releases are the releases of the agent that write some words, as far as their
// source was looked at: from the first of 2.3 to 3.3.1142. An empty end means that it
// does not lie within them.
type Releases struct {
	Since, Until string
}

//go:embed lines.txt
var linesText string

// Lines is the table of warnings and errors that say nothing new. The first row
// that matches wins, after all of Signatures.
var Lines = sync.OnceValue(func() []Line {
	var out []Line
	for row := range strings.Lines(linesText) {
		row = strings.TrimSuffix(row, "\n")
		head, words, ok := strings.Cut(row, " | ")
		cells := strings.Fields(head)
		if !ok || strings.HasPrefix(row, "#") || len(cells) != 4 {
			continue
		}
		bound := func(s string) string { return strings.Trim(s, "-") }
		l := Line{Kind: cells[0], Module: cells[1], Fragments: strings.Split(words, " & "), Releases: Releases{bound(cells[2]), bound(cells[3])}}
		if l.Kind == "harmless" {
			l.Kind = KindNoise
		}
		out = append(out, l)
	}
	return out
})
