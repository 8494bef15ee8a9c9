package report

import (
	"fmt"
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/text"
)

// The first screen: the verdict, the cause, its remedy and what was seen of it.
const (
	screenLines  = 22 // an answer about one cause has no more
	narrow       = 60 // columns; a phone held upright has fewer, and more lines
	narrowLines  = 36
	stepIndent   = 2
	seenShown    = 3 // observations, where there is room
	missingShown = 2 // sentences on what is missing, and on what was tried
	othersShown  = 2
	commandShown = 9 // lines of a command where the screen is full
)

// block is a part of the screen under a label, which gives room when it is short.
type block struct {
	label string
	lines []string
}

// answer prints the verdict, the cause, what mends it and what was seen. A terminal
// gets what fits one screen, everything else the whole.
func (t *screen) answer() {
	t.headline()
	label, fix := t.remedy()
	if t.wide {
		t.blocks(append(t.reason(), block{label, t.fix(fix, 0, len(fix), false)}, t.lookAgain(), t.perhaps(), block{"Seen", t.seen(t.evidenceOf(), 0)})...)
		return
	}
	short := shortOf(fix)
	otherWays := len(short) < len(fix)
	rest := append(t.others(), t.lookAgain(), block{"", t.counts()})
	room := screenLines
	if t.s.Width < narrow {
		room = narrowLines
	}
	if len(t.serious()) > 0 { // two faults at once do not fit one screen
		room *= 2
	}
	room -= len(t.lines) + height(rest...)
	// What can go, the least important first: observations, then words, then steps at the
	// end. A command is whole or not there.
	var parts []block
	for _, c := range cuts(len(short)) {
		if t.cut = c; t.s.Width < narrow {
			c.prose *= 2
		}
		parts = append(t.reason(), block{label, t.fix(short, c.prose, c.steps, otherWays)})
		if height(parts...) <= room {
			break
		}
	}
	if left := room - height(parts...); left >= 3 {
		parts = append(parts, block{"Seen", t.seen(t.evidenceOf(), min(left-2, 2*seenShown))})
	}
	t.blocks(append(parts, rest...)...)
}

// cut is how much is left out to keep to one screen.
type cut struct {
	reason, prose int  // lines of the reason, and of the words of a step
	steps         int  // how many
	long          bool // a command that fills the screen is left to -v
}

// cuts are tried in order.
func cuts(steps int) []cut {
	out := []cut{{4, 3, steps, false}, {4, 2, steps, false}, {4, 1, steps, false}, {3, 1, steps, false}}
	for n := steps - 1; n > 0; n-- {
		out = append(out, cut{3, 1, n, false})
	}
	for n := steps; n > 0; n-- {
		out = append(out, cut{3, 1, n, true})
	}
	return append(out, cut{2, 1, 1, true})
}

func height(blocks ...block) int {
	n := 0
	for _, b := range blocks {
		if len(b.lines) > 0 {
			n += 1 + len(b.lines)
			if b.label != "" {
				n++
			}
		}
	}
	return n
}

// blocks prints parts with a blank line between them; empty ones are left out.
func (t *screen) blocks(list ...block) {
	for _, b := range list {
		if len(b.lines) == 0 {
			continue
		}
		t.gap()
		if b.label != "" {
			t.add("  %s", t.dim(b.label))
		}
		t.lines = append(t.lines, b.lines...)
	}
}

// prose wraps text below a verdict.
func (t *screen) prose(s string) []string {
	var out []string
	for _, l := range wrap(s, t.s.Width-2) {
		out = append(out, "  "+l)
	}
	return out
}

// sentence ends text with a full stop.
func sentence(s string) string {
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".!?") {
		return s
	}
	return s + "."
}

// reason is what is wrong, with the id of the cause and whose word it is. Where it cannot
// be told, it is what was tried and what is missing.
func (t *screen) reason() []block {
	r, c := t.r, t.r.RootCause
	var out []block
	if r.State == Unknown || c == nil {
		why, seen, _ := strings.Cut(summaryOf(r), "; seen: ")
		if !t.saysElsewhere(seen) {
			why = summaryOf(r)
		}
		out = append(out, block{"", t.clipped(t.prose(t.show(sentence(capital(why)))), t.shown(3), t.s.Width)})
	}
	if c != nil {
		label := ""
		if r.State == Unknown && c.Confidence == "proven" {
			label = "Found"
		} else if r.State == Unknown {
			label = "Perhaps"
		}
		out = append(out, block{label, t.causeLines(*c, t.shown(t.cut.reason))})
	}
	if d := r.CannotTell; d != nil && r.State == Unknown {
		out = append(out, block{"", append(t.told("Missing", d.Missing), t.told("Tried", d.Tried)...)})
	}
	return out
}

// saysElsewhere reports whether the cause or what is missing has these words already.
func (t *screen) saysElsewhere(words string) bool {
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(words)) }
	r := t.r
	return r.RootCause != nil && has(r.RootCause.Summary.String()) ||
		r.CannotTell != nil && slices.ContainsFunc(r.CannotTell.Missing, func(m text.Text) bool { return has(m.String()) })
}

// shown is how many lines of a reason are shown beside others in a doubt.
func (t *screen) shown(n int) int {
	if t.r.State == Unknown && t.cut.prose < 3 {
		n = 2
	}
	if t.s.Width < narrow {
		n *= 2
	}
	return max(1, n)
}

// told lists what is missing, or what was tried, beside a label.
func (t *screen) told(label string, list []text.Text) []string {
	n, lines := missingShown, 2
	if t.cut.prose < 3 {
		n, lines = 1, 1
	}
	if t.wide {
		n = len(list)
	}
	var out []string
	for _, s := range list[:min(n, len(list))] {
		for _, l := range t.clipped(wrap(t.show(sentence(capital(s.String()))), t.body()-2), lines, t.body()-2) {
			out = append(out, "  "+t.dim(label)+strings.Repeat(" ", labelWidth-cells(label))+l)
			label = ""
		}
	}
	return out
}

func summaryOf(r *Report) string {
	if s := r.Summary.String(); s != "" {
		return s
	}
	return "nothing that was seen proves either"
}

// causeLines is what was found, with the id and whose word it is at the right.
func (t *screen) causeLines(c Cause, most int) []string {
	lines := t.clipped(t.prose(t.show(sentence(causeText(c)))), most, t.s.Width)
	tag := t.tag(c)
	if tag == "" {
		return lines
	}
	last := len(lines) - 1
	if gap := t.s.Width - cells(lines[last]) - cells(tag); gap >= 3 {
		lines[last] += strings.Repeat(" ", gap) + t.dim(tag)
		return lines
	}
	return append(lines, strings.Repeat(" ", max(2, t.s.Width-cells(tag)))+t.dim(tag))
}

// remedy is what to do, and its label. Where the state cannot be told, that is what is
// safe whatever is the matter.
func (t *screen) remedy() (label string, fix []Step) {
	r := t.r
	switch {
	case r.State == Unknown && r.CannotTell != nil:
		return "Next, safe in any case", r.CannotTell.Fix
	case r.RootCause != nil:
		return "Fix", r.RootCause.Fix
	}
	return "", nil
}

// perhaps is the remedy of a cause that may be it.
func (t *screen) perhaps() block {
	r := t.r
	if r.State != Unknown || r.RootCause == nil || r.CannotTell == nil {
		return block{}
	}
	return block{"Fix, if it is " + t.show(r.RootCause.ID), t.fix(r.RootCause.Fix, 0, len(r.RootCause.Fix), false)}
}

// lookAgain says when more will be known, where the state cannot be told.
func (t *screen) lookAgain() block {
	d := t.r.CannotTell
	if d == nil || d.AgainAt.IsZero() || t.r.State != Unknown {
		return block{}
	}
	s := "Look again at " + d.AgainAt.UTC().Format("15:04 UTC")
	if in := d.AgainAt.Sub(t.r.GeneratedAt); in > 0 {
		s += " (in " + span(in) + ")"
	}
	if !d.AgainWhy.IsZero() {
		s += ": " + d.AgainWhy.String()
	}
	lines := 2
	if t.r.RootCause != nil {
		lines = 1
	}
	return block{"", t.clipped(t.prose(t.show(s)), lines, t.s.Width)}
}

func (t *screen) evidenceOf() []Evidence {
	if t.r.RootCause == nil {
		return nil
	}
	return t.r.RootCause.Evidence
}

// serious are the other causes that need mending.
func (t *screen) serious() []Cause {
	var out []Cause
	for _, c := range t.r.Also {
		if c.Severity != string(causes.Info) {
			out = append(out, c)
		}
	}
	return out
}

// others are the other faults, each with the beginning of its remedy.
func (t *screen) others() []block {
	var out []block
	for i, c := range t.serious() {
		if i == othersShown {
			return append(out, block{"", t.prose(plural(len(t.serious())-i, "more fault") + ": -v")})
		}
		label := "Also"
		if i > 0 {
			label = ""
		}
		lines := t.causeLines(c, 3)
		if short := shortOf(c.Fix); len(short) > 0 {
			lines = append(lines, t.fix(short, 1, 1, false)...)
		}
		out = append(out, block{label, lines})
	}
	return out
}

// counts is the last line: what else there is, and how to see it.
func (t *screen) counts() []string {
	r := t.r
	because, other, unknown, pass := 0, 0, 0, 0
	for _, c := range r.Checks {
		switch c.Status {
		case "pass":
			pass++
		case "unknown":
			unknown++
		case "fail", "warn":
			if r.Profile == "" && r.RootCause != nil && (c.Cause == r.RootCause.ID || c.FollowsFrom != "" && t.isRoot(c.FollowsFrom)) {
				because++
			} else {
				other++
			}
		}
	}
	parts := []string{fmt.Sprintf("%d passed", pass)}
	add := func(n int, words string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, words))
		}
	}
	add(because, "failed because of this")
	add(other, map[bool]string{true: "failed for another reason", false: "failed"}[r.Profile == "" && r.RootCause != nil])
	add(unknown, "not known")
	if r.NeedRoot > 0 && r.Node.GOOS == "windows" {
		add(r.NeedRoot, "need an elevated prompt")
	} else {
		add(r.NeedRoot, "need root")
	}
	add(len(r.NotLookedAt), "only an operator can see")
	var out []string
	line := strings.Join(parts, ", ") + ": -v"
	if cells(line) > t.s.Width-2 {
		line = strings.Replace(line, " only an operator can see", " for an operator", 1)
	}
	for _, l := range t.prose(line) {
		out = append(out, t.dim(l))
	}
	return out
}
