package report

import (
	"fmt"
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/pattern"
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

// shortOf leaves out other ways to do a step, and what follows on them.
func shortOf(fix []Step) []Step {
	var out []Step
	for _, s := range fix {
		if !s.Alternative && (s.Where != causes.Terraform || len(fix) == 1) {
			out = append(out, s)
		}
	}
	return out
}

// fix lays steps out: number, place, what to do, command. prose bounds the lines of
// words of a step, 0 does not; most is how many steps are shown; other says that there
// are other ways.
func (t *screen) fix(list []Step, prose, most int, other bool) []string {
	shown := list[:min(most, len(list))]
	width := 0
	for _, s := range shown {
		width = max(width, cells(t.place(s)))
	}
	var out []string
	n := 0
	for _, s := range shown {
		head, place := strings.Repeat(" ", stepIndent)+"or ", t.place(s)
		if !s.Alternative {
			n++
			head = fmt.Sprintf("%s%d ", strings.Repeat(" ", stepIndent), n)
		}
		column, hang := max(stepIndent+2+width+2, cells(head)+cells(place)+2), 0
		if hang = column; t.s.Width-column < 30 {
			column, hang = cells(head)+cells(place)+2, 4
		}
		words := wrapAfter(t.show(s.words()), column-hang, t.s.Width-hang)
		if prose > 0 {
			words = t.thought(words, prose, t.s.Width-max(hang, column))
		}
		for i, l := range words {
			if i == 0 {
				out = append(out, head+t.dim(place)+strings.Repeat(" ", column-cells(head)-cells(place))+l)
				continue
			}
			out = append(out, strings.Repeat(" ", hang)+l)
		}
		if !s.Command.IsZero() {
			lines := t.command(s)
			if t.cut.long && len(lines) > commandShown {
				lines = indented([]string{plural(len(lines), "line") + " of commands: ssm-doctor -v"})
			}
			for _, l := range lines {
				out = append(out, t.s.paint(styleCommand, l))
			}
		}
	}
	var notes []string
	if n := blankNote(t.r, shown); n != "" {
		notes = append(notes, capital(n))
	}
	if left := len(list) - len(shown); left > 0 {
		notes = append(notes, "`"+plural(left, "more step")+": -v`")
	}
	if other && !t.wide {
		notes = append(notes, "`Another way: -v`")
	}
	if len(notes) > 0 {
		for _, l := range t.prose(t.show(strings.Join(notes, ". "))) {
			out = append(out, strings.ReplaceAll(l, "`", ""))
		}
	}
	return out
}

// place says where a step is carried out.
func (t *screen) place(s Step) string {
	where := map[string]string{causes.OnHost: "host", causes.OperatorCLI: "AWS CLI", causes.Console: "console", causes.Terraform: "Terraform"}[s.Where]
	if where == "" {
		where = t.show(s.Where)
	}
	if where == "" {
		return ""
	}
	if s.Root {
		where += ", root"
		if t.r.Node.GOOS == "windows" {
			where = "host, Administrator"
		}
	}
	return "[" + where + "]"
}

// seen lays observations out in two columns: what was asked, what came back. most
// bounds the lines, 0 does not.
func (t *screen) seen(list []Evidence, most int) []string {
	if t.wide {
		var out []string
		for _, l := range t.evidence(list, t.s.Width-2) {
			out = append(out, "  "+l)
		}
		return out
	}
	list = list[:min(len(list), seenShown)]
	if len(list) > most { // each takes a line at least
		list = list[:most]
	}
	left := 0
	for _, e := range list {
		if w := cells(t.asked(e)); w <= t.s.Width*4/10 {
			left = max(left, w)
		}
	}
	var out []string
	for i, e := range list {
		keep := len(out)
		asked := pad(t.asked(e), left) + "  "
		lines := wrapAfter(t.show(gist(e)), max(0, cells(asked)-left-2), t.s.Width-left-4)
		if cells(asked)+cells(lines[0]) > t.s.Width-2 || widest(lines) > t.s.Width-left-4 {
			if out = append(out, t.prose(asked)...); i == 0 && len(out) >= most {
				return nil // a question without its answer
			}
			asked, lines = "  ", wrap(t.show(gist(e)), t.s.Width-4)
			for _, l := range lines {
				out = append(out, "    "+l)
			}
			lines = nil
		}
		for j, l := range lines {
			if j > 0 {
				asked = strings.Repeat(" ", left+2)
			}
			out = append(out, strings.TrimRight("  "+asked+l, " "))
		}
		if i > 0 && len(out) > most {
			return t.clipped(out[:keep], most, t.s.Width) // one that does not fit as a whole
		}
	}
	return t.clipped(out, most, t.s.Width)
}

func widest(lines []string) int {
	w := 0
	for _, l := range lines {
		w = max(w, cells(l))
	}
	return w
}

// reSaid is the part of an entry of a log that says what came back.
var reSaid = pattern.New(`[A-Z][A-Za-z]+(?:Exception|Error|Match|Fault|NotFound)\b: .*`)

// reFrame is what stands before the words of an entry.
var reFrame = pattern.New(`^(?:[A-Z]+ )?(?:\[[^\]]*\] *)+`)

// reRefused is what AWS says before the reason when it refuses a call.
var reRefused = pattern.New(`User: \S+ is not authorized to perform: \S+ (?:on resource: \S+ )?((?:because|with) )`)

// reasonOf is the reason that AWS gives for a refusal: the names before it stand in the
// sentence about it already.
func reasonOf(s string) string { return reRefused.ReplaceAllString(s, "…$1") }

// gist is an observation without the frame that a log puts around it.
func gist(e Evidence) string {
	s := e.Seen
	if denied, ok := strings.CutPrefix(s, "denied: "); ok {
		return "denied: " + clip(reasonOf(denied), evidenceClip)
	}
	if !strings.Contains(s, "[") || !strings.Contains(s, "ERROR") && !strings.Contains(s, "WARN") {
		return clip(s, evidenceClip)
	}
	said := reSaid.FindString(s)
	if said == "" {
		said = reFrame.ReplaceAllString(s, "")
	}
	said = reasonOf(said)
	for _, end := range []string{" status code:", ", request id", " request id"} {
		said, _, _ = strings.Cut(said, end)
	}
	return `"…` + clip(strings.TrimSpace(said), evidenceClip) + `"`
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
			if r.RootCause != nil && (c.Cause == r.RootCause.ID || c.FollowsFrom != "" && t.isRoot(c.FollowsFrom)) {
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
	add(other, map[bool]string{true: "failed for another reason", false: "failed"}[r.RootCause != nil])
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
