package report

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/text"
)

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
		head := "or "
		if !s.Alternative {
			n++
			head = fmt.Sprintf("%d ", n)
		}
		out = append(out, t.step(s, strings.Repeat(" ", stepIndent)+head, width, prose)...)
		out = append(out, t.stepCommand(s)...)
	}
	return append(out, t.stepNotes(shown, len(list)-len(shown), other && !t.wide)...)
}

// step is the words of a step beside its place, in a column that all steps share where
// there is room for it.
func (t *screen) step(s Step, head string, width, prose int) []string {
	place := t.place(s)
	column := max(stepIndent+2+width+2, cells(head)+cells(place)+2)
	hang := column
	if t.s.Width-column < 30 {
		column, hang = cells(head)+cells(place)+2, 4
	}
	words := wrapAfter(t.show(s.words()), column-hang, t.s.Width-hang)
	if prose > 0 {
		words = t.thought(words, prose, t.s.Width-max(hang, column))
	}
	for i, l := range words {
		if i == 0 {
			words[i] = head + t.dim(place) + strings.Repeat(" ", column-cells(head)-cells(place)) + l
			continue
		}
		words[i] = strings.Repeat(" ", hang) + l
	}
	return words
}

// stepCommand is the command of a step, or where it is when the screen is full.
func (t *screen) stepCommand(s Step) []string {
	if s.Command.IsZero() {
		return nil
	}
	lines := t.command(s)
	if t.cut.long && len(lines) > commandShown {
		lines = indented([]string{plural(len(lines), "line") + " of commands: ssm-doctor -v"})
	}
	for i, l := range lines {
		lines[i] = t.s.paint(styleCommand, l)
	}
	return lines
}

// stepNotes say what goes in place of words in capitals, and what is not shown.
func (t *screen) stepNotes(shown []Step, left int, otherWays bool) []string {
	var notes []string
	n := blankNote(t.r, shown)
	if n != "" && t.cut.long {
		n = strings.Join(blanksIn(shown), ", ") + ": `where to find them: -v`"
	}
	if n != "" {
		notes = append(notes, capital(n))
	}
	if left > 0 {
		notes = append(notes, "`"+plural(left, "more step")+": -v`")
	}
	if otherWays {
		notes = append(notes, "`Another way: -v`")
	}
	if len(notes) == 0 {
		return nil
	}
	var out []string
	for _, l := range t.prose(t.show(strings.Join(notes, ". "))) {
		if shown := strings.ReplaceAll(l, "`", ""); cells(shown) <= t.s.Width {
			out = append(out, shown)
			continue
		}
		_, command, _ := strings.Cut(l, "`") // which stands alone, broken like those of steps
		command, _, _ = strings.Cut(command, "`")
		out = append(out, t.command(Step{Command: text.New("%s", command), Where: causes.OperatorCLI})...)
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
