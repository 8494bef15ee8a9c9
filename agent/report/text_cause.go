package report

import (
	"fmt"
	"strings"
	"time"

	"ssm-doctor/checks/text"
)

// explain prints the cause, its remedy, what was seen and what else is wrong.
func (t *screen) explain(label string) {
	r := t.r
	if r.RootCause == nil {
		t.section(label, wrap(t.show(r.Summary.String()), t.body()))
		t.gap()
		t.context()
		return
	}
	c := *r.RootCause
	above := len(t.lines) - 1 // without the blank line
	why, tight, cut := t.inSight(c, above, 2, t.body())
	if tight {
		t.lines = t.lines[:above]
	}
	t.section(label, why)
	if !tight {
		t.gap()
	}
	t.remedy(c, cut)
	t.context()
}

// remedy prints what to do and what was seen, and the reason if it was cut above.
func (t *screen) remedy(c Cause, cut bool) {
	t.steps(c.Fix)
	if cut {
		t.section("In full", t.reason(c, t.body()))
		t.gap()
	}
	t.seen(c.Evidence)
}

// reason is the text of a cause and its id.
func (t *screen) reason(c Cause, width int) []string {
	return t.tagged(wrap(t.show(causeText(c)), width), t.tag(c), width)
}

// inSight is the reason, laid out so that the first command stands on line
// commandSoon if it can: first the blank lines go (tight), then the end of the
// reason (cut). The id stays, since readers look for it. others and blank are the
// lines beside the reason and its remedy.
func (t *screen) inSight(c Cause, others, blank, width int) (lines []string, tight, cut bool) {
	lines = t.reason(c, width)
	_, first := t.layout(c.Fix)
	room := commandSoon - 1 - first - others
	if first < 0 || len(lines) <= room-blank {
		return lines, false, false
	}
	dots := "…"
	if t.s.ASCII {
		dots = "..."
	}
	prose := wrap(t.show(causeText(c)), width-cells(dots))
	keep := max(1, room-1) // one line for the id
	if len(lines) <= room || keep >= len(prose) {
		return lines, true, false
	}
	prose = prose[:keep]
	prose[keep-1] += dots
	return t.tagged(prose, t.tag(c), width), true, true
}

// whereText says where a step is carried out.
func whereText(s Step, r *Report) string {
	where := map[string]string{"this-host": "this host", "operator-cli": "AWS CLI", "console": "console", "terraform": "Terraform"}[s.Where]
	if where == "" {
		where = s.Where
	}
	if s.Root {
		if r.Node.GOOS == "windows" {
			return where + ", as Administrator"
		}
		return where + ", root"
	}
	return where
}

// words are what to do; that it is another way is told beside it.
func (s Step) words() string {
	if s.Alternative {
		return strings.TrimPrefix(s.Text.String(), "Or ")
	}
	return s.Text.String()
}

// layout lays out a remedy. first is the index of the line with the first
// command, or -1.
func (t *screen) layout(fix []Step) (lines []string, first int) {
	first = -1
	n := 0
	for _, s := range fix {
		words, head := s.words(), "or "
		if !s.Alternative {
			n++
			head = fmt.Sprintf("%d. ", n)
		}
		where := ""
		if s.Where != "" {
			where = "where: " + t.show(whereText(s, t.r))
		}
		width := t.body() - len(head)
		prose := wrap(t.show(words), width)
		if one := prose[0]; len(prose) == 1 && cells(one)+3+cells(where) <= width {
			prose[0] = pad(one, width-cells(where)) + t.dim(where)
		} else if where != "" {
			prose = t.tagged(prose, where, width)
		}
		for i, l := range prose {
			if i > 0 {
				head = strings.Repeat(" ", len(head))
			}
			lines = append(lines, head+l)
		}
		if !s.Command.IsZero() {
			if first < 0 {
				first = len(lines)
			}
			for _, c := range t.command(s.Command) {
				lines = append(lines, stepIndent+c)
			}
		}
	}
	return lines, first
}

// command is a command as it is pasted: never wrapped, its own line breaks kept.
func (t *screen) command(c text.Text) []string {
	var out []string
	for l := range strings.SplitSeq(strings.TrimRight(c.String(), "\n"), "\n") {
		out = append(out, t.show(strings.TrimSuffix(l, "\r")))
	}
	return out
}

// steps prints a remedy.
func (t *screen) steps(fix []Step) {
	lines, _ := t.layout(fix)
	if len(lines) == 0 {
		return
	}
	t.section("Do this", lines)
	if t.r.Redacted && standsIn(fix) {
		for _, l := range wrap("Replace the UPPER_CASE words; --no-redact fills in the names of this host.", t.body()) {
			t.section("", []string{t.dim(l)})
		}
	}
	t.gap()
}

// seen prints observations in two columns: what was asked, what came back.
func (t *screen) seen(list []Evidence) {
	lines := t.evidence(list, t.body(), 8)
	if len(lines) == 0 {
		return
	}
	t.section("Seen", lines)
	t.gap()
}

// evidence lays observations out; limit applies unless everything is wanted.
func (t *screen) evidence(list []Evidence, width, limit int) []string {
	var lines []string
	left := 0
	for _, e := range list {
		if w := cells(t.asked(e)); w <= width*45/100 {
			left = max(left, w)
		}
	}
	for i, e := range list {
		if !t.wide && i == limit {
			lines = append(lines, t.dim(fmt.Sprintf("%d more: -o wide", len(list)-limit)))
			break
		}
		asked, seen := t.asked(e), e.Seen
		if !t.wide {
			seen = clip(seen, evidenceClip)
		}
		indent := left + 2
		if cells(asked) > left {
			lines = append(lines, wrap(asked, width)...)
			indent, asked = 4, ""
			if left > 0 && width-left-2 >= 30 {
				indent = left + 2
			}
		}
		for j, l := range wrap(t.show(seen), width-indent) {
			if j > 0 {
				asked = ""
			}
			lines = append(lines, pad(asked, indent)+l)
		}
		if t.wide && e.From != "" {
			lines = append(lines, strings.Repeat(" ", indent)+t.dim("from "+t.show(e.From)))
		}
	}
	return lines
}

// asked is what was looked at, with the time where it was not this run.
func (t *screen) asked(e Evidence) string {
	s := t.show(clip(e.What, 200))
	at, err := time.Parse(time.RFC3339, e.At)
	switch {
	case e.At == "":
	case err != nil:
		s += " " + t.show(clip(e.At, 40))
	case at.UTC().Format(time.DateOnly) == t.r.GeneratedAt.UTC().Format(time.DateOnly):
		s += " " + at.UTC().Format("15:04:05Z")
	default:
		s += " " + at.UTC().Format("2006-01-02 15:04Z")
	}
	return s
}

// context prints what belongs to the answer beside the cause: other causes,
// the credentials, features that cannot work, what nobody could see.
func (t *screen) context() {
	t.also()
	if c := t.signsWith(); c != "" {
		t.section("Signs as", wrap(strings.TrimPrefix(c, "signs with "), t.body()))
	}
	t.section("Features", t.features())
	if t.r.State == Unknown || t.r.NeedRoot == 0 {
		t.gap()
	} else {
		t.section("Root", wrap(strings.ReplaceAll(needRoot(t.r), "`", ""), t.body()))
		t.gap()
	}
}

// also lists the other causes, each with the first command of its remedy.
func (t *screen) also() {
	var lines []string
	for _, c := range t.r.Also {
		m := t.s.paint(markOf(c.Severity).style, t.s.glyph(c.Severity)+" "+markOf(c.Severity).word)
		lines = append(lines, m+"  "+t.show(c.ID))
		for _, l := range wrap(t.show(clip(causeText(c), evidenceClip)), t.body()-2) {
			lines = append(lines, "  "+l)
		}
		if t.wide {
			steps, _ := t.layout(c.Fix)
			for _, l := range append(t.evidence(c.Evidence, t.body()-2, 0), steps...) {
				lines = append(lines, "  "+l)
			}
			continue
		}
		for _, s := range c.Fix {
			if !s.Command.IsZero() && c.Severity != "info" {
				for _, l := range t.command(s.Command) {
					lines = append(lines, stepIndent+l)
				}
				break
			}
		}
	}
	t.section("Also", lines)
	if len(lines) > 0 {
		t.gap()
	}
}

// signsWith says in words what the agent's requests are signed with.
func (t *screen) signsWith() string {
	c := t.r.Credentials
	var s string
	switch c.Source {
	case "", "none":
		return ""
	case "instance-profile":
		s = "signs with the role of the instance profile"
	case "default-host-management":
		s = "signs with the Default Host Management role"
	case "hybrid":
		s = "signs with the service role of the hybrid activation"
	case "shared-file":
		s = "signs with a shared credentials file, as"
	case "task-role":
		s = "signs with the task role"
	default:
		s = "signs with " + t.show(c.Source)
	}
	if c.Role != "" {
		s += " " + t.show(c.Role)
	}
	if !c.ExpiresAt.IsZero() {
		verb := "until"
		if c.ExpiresAt.Before(t.r.GeneratedAt) {
			verb = "expired"
		}
		s += fmt.Sprintf(", %s %s", verb, stamp(c.ExpiresAt))
	}
	return s
}

// features names those in use that cannot work.
func (t *screen) features() []string {
	var lines []string
	for _, f := range t.r.Features {
		if !f.InUse || f.Ready == "yes" {
			continue
		}
		name := text.Or(f.Title, f.ID)
		var s string
		switch {
		case f.Ready == "no" && len(f.Denied) > 0:
			s = name + " cannot work: denied " + strings.Join(f.Denied, ", ")
		case f.Ready == "no" && f.Broken != "":
			s = name + " does not work: " + f.Broken
		case f.Ready == "no":
			s = name + " cannot work"
		case !t.wide:
			continue
		default:
			s = name + ": cannot tell"
		}
		lines = append(lines, wrap(t.show(clip(s, evidenceClip)), t.body())...)
	}
	return lines
}

// unseen lists what an operator can look at and the host cannot. Beside a
// proven cause it is one sentence.
func (t *screen) unseen(limit int) {
	list := t.r.NotLookedAt
	if len(list) == 0 {
		return
	}
	if c := t.r.RootCause; !t.wide && c != nil && c.Confidence == "proven" {
		t.section("Unseen", wrap(plural(len(list), "thing")+" that a host cannot see of itself, with the command to look: -o wide", t.body()))
		t.gap()
		return
	}
	var lines []string
	for i, n := range list {
		if i == limit && len(list) > limit {
			lines = append(lines, t.dim(fmt.Sprintf("%d more: -o wide", len(list)-limit)))
			break
		}
		s := n.What
		if n.Why != "" {
			s += ": " + n.Why
		}
		lines = append(lines, wrap(t.show(s), t.body())...)
		if !n.Command.IsZero() {
			for _, c := range t.command(n.Command) {
				lines = append(lines, stepIndent+c)
			}
		}
	}
	t.section("Unseen", lines)
	t.gap()
}
