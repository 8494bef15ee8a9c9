package report

import (
	"fmt"
	"strings"
	"time"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/text"
)

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

// evidence lays observations out, with where each is from.
func (t *screen) evidence(list []Evidence, width int) []string {
	var lines []string
	left := 0
	for _, e := range list {
		if w := cells(t.asked(e)); w <= width*45/100 {
			left = max(left, w)
		}
	}
	for _, e := range list {
		asked, seen := t.asked(e), e.Seen
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
		if e.From != "" {
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
	case err == nil && !t.wide && t.r.GeneratedAt.Sub(at).Abs() < time.Minute: // now
	case err != nil:
		s += " " + t.show(clip(e.At, 40))
	case at.UTC().Format(time.DateOnly) == t.r.GeneratedAt.UTC().Format(time.DateOnly):
		s += " " + at.UTC().Format("15:04 UTC")
	default:
		s += " " + at.UTC().Format("2006-01-02 15:04 UTC")
	}
	return s
}

// also lists the other causes with all there is of them. Those that a gate names are not
// among them.
func (t *screen) also() {
	label := "Also"
	for _, c := range alsoOf(t.r) {
		lines := t.causeLines(c, 0)
		lines = append(lines, t.fix(c.Fix, 0, len(c.Fix), false)...)
		t.blocks(block{label, append(lines, t.seen(c.Evidence, 0)...)})
		label = ""
	}
	t.gap()
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
		default:
			continue
		}
		lines = append(lines, wrap(t.show(clip(s, evidenceClip)), t.body())...)
	}
	return lines
}

// unseen lists what an operator can look at and the host cannot.
func (t *screen) unseen() {
	var lines []string
	for _, n := range t.r.NotLookedAt {
		what := n.What
		if n.Why != "" {
			what += ": " + n.Why
		}
		lines = append(lines, t.prose(t.show(what))...)
		if !n.Command.IsZero() {
			lines = append(lines, t.command(Step{Command: n.Command, Where: causes.OperatorCLI})...)
		}
	}
	t.blocks(block{"Only an operator can see", lines})
	t.gap()
}
