package report

import (
	"slices"
	"strings"
)

// How text is kept short on the first screen.

// clipped keeps a screen short; a reader of everything gets all.
func (t *screen) clipped(lines []string, most, width int) []string {
	if t.wide || len(lines) <= most {
		return lines
	}
	out := slices.Clone(lines[:most])
	dots := t.dots()
	last := out[most-1]
	for cells(last)+cells(dots) > width {
		i := strings.LastIndexByte(last, ' ')
		if i <= 0 {
			break
		}
		last = last[:i]
	}
	out[most-1] = strings.TrimRight(last, " ,;:") + dots
	return out
}

// thought keeps words short and ends them with a thought, where one ends near.
func (t *screen) thought(lines []string, most, width int) []string {
	if t.wide || len(lines) <= most {
		return lines
	}
	all := strings.Join(lines[:most], "\n")
	if open := strings.LastIndexByte(all, '('); open > strings.LastIndexByte(all, ')') && open > 0 {
		return strings.Split(strings.TrimRight(all[:open], " ,;:.\n")+t.dots(), "\n")
	}
	out := t.clipped(lines, most, width)
	last := strings.TrimSuffix(out[most-1], t.dots())
	if i := lastClause(last); i > len(last)/2 {
		out[most-1] = strings.TrimRight(last[:i], " ,;:.") + t.dots()
	}
	return out
}

// lastClause is where the last complete part of a sentence ends; -1: there is none.
func lastClause(s string) int {
	i := -1
	for _, end := range []string{", ", "; ", ": ", ". ", " ("} {
		i = max(i, strings.LastIndex(s, end))
	}
	if s != "" && strings.ContainsAny(s[len(s)-1:], ",;:.") {
		i = len(s) - 1
	}
	return i
}

func (t *screen) dots() string {
	if t.s.ASCII {
		return "..."
	}
	return "…"
}
