package report

import (
	"fmt"
	"strings"
)

// check is one line: status, id, what came out, and whose consequence it is.
func (t *screen) check(c Check, ids int) {
	m := markOf(c.Status)
	glyph := t.s.glyph(c.Status)
	head := " " + t.s.paint(m.style, glyph+" "+pad(m.word, 9)) + " " + pad(t.show(c.ID), ids) + "  "
	indent := 1 + cells(glyph) + 1 + 9 + 1 + ids + 2
	if t.s.Width-indent < 24 || cells(t.show(c.ID)) > ids {
		t.lines = append(t.lines, strings.TrimRight(head, " "))
		indent = 12
		head = strings.Repeat(" ", indent)
	}
	lines := wrap(t.show(c.Summary.String()), t.s.Width-indent)
	if c.FollowsFrom != "" {
		tail := "follows from " + t.show(c.FollowsFrom)
		if t.isRoot(c.FollowsFrom) {
			tail = "follows from it"
		}
		lines = t.tagged(lines, tail, t.s.Width-indent)
	}
	for i, l := range lines {
		if i > 0 {
			head = strings.Repeat(" ", indent)
		}
		t.lines = append(t.lines, strings.TrimRight(head+l, " "))
	}
}

// isRoot reports whether an id is the root cause, or a check that named it.
func (t *screen) isRoot(id string) bool {
	if t.r.RootCause == nil {
		return false
	}
	if id == t.r.RootCause.ID {
		return true
	}
	for _, c := range t.r.Checks {
		if c.ID == id {
			return c.Cause == t.r.RootCause.ID
		}
	}
	return false
}

// more points to what there is to read.
func (t *screen) more() {
	if t.r.RootCause == nil {
		return
	}
	var lines []string
	for _, c := range append([]Cause{*t.r.RootCause}, gateCauses(t.r)[min(1, len(gateCauses(t.r))):]...) {
		lines = append(lines, "ssm-doctor explain "+t.show(c.ID))
	}
	for _, d := range t.r.RootCause.Docs {
		if strings.HasPrefix(d, "https://") {
			lines = append(lines, t.show(d))
		}
	}
	t.section("More", lines)
	t.gap()
}

// everything is what wide adds.
func (t *screen) everything() {
	t.gap()
	if c := t.r.RootCause; t.r.State == Managed && c != nil {
		t.blocks(block{"Note", append(t.causeLines(*c, 0), t.fix(c.Fix, 0, len(c.Fix), false)...)}, block{"Seen", t.seen(c.Evidence, 0)})
	}
	t.also()
	t.more()
	if c := t.signsWith(); c != "" {
		t.section("Signs as", wrap(strings.TrimPrefix(c, "signs with "), t.body()))
		t.gap()
	}
	if t.r.NeedRoot > 0 {
		t.section("Root", wrap(strings.ReplaceAll(needRoot(t.r), "`", ""), t.body()))
		t.gap()
	}
	t.section("Checks", wrap(t.tallied(), t.body()))
	t.checksByGroup()
	r := t.r
	t.unexplainedTable()
	var credentials []string
	if r.Credentials.Why != "" {
		credentials = t.prose(t.show(sentence(capital(r.Credentials.Why))))
	}
	if r.Credentials.Next != "" {
		credentials = append(credentials, t.prose("The agent would try next: "+t.show(r.Credentials.Next))...)
	}
	t.blocks(block{"Why these credentials", credentials})
	t.gap()
	t.table("Features", []string{"feature", "ready", "in use", "what stands in the way"}, len(r.Features), func(i int) []string {
		f := r.Features[i]
		return []string{f.ID, f.Ready, yesNo(f.InUse), standsInTheWay(f, r.Permissions, true)}
	})
	t.table("Permissions", []string{"action", "identity", "verdict", "layer", "resource", "evidence"}, len(r.Permissions), func(i int) []string {
		p := r.Permissions[i]
		return []string{p.Action, p.Identity, p.Verdict, p.Layer, p.Resource, p.Evidence}
	})
	if r.CallsHeld != "" {
		t.blocks(block{"Requests to AWS were held back", t.prose(t.show(sentence(capital(r.CallsHeld))))})
		t.gap()
	}
	t.table("Endpoints", []string{"service", "reachable", "route", "ends at", "time", "host", "error"}, len(r.Endpoints), func(i int) []string {
		e := r.Endpoints[i]
		reach, took := "not looked at", ""
		if e.Reachable != nil {
			reach, took = yesNo(*e.Reachable), seconds(e.Seconds)
		}
		return []string{e.Service, reach, e.Route, e.Phase, took, e.Host, e.Error}
	})
	t.table("Sources", []string{"source", "success", "time", "error"}, len(r.Sources), func(i int) []string {
		s := r.Sources[i]
		return []string{s.Name, yesNo(s.Success), seconds(s.Duration), s.Error}
	})
	t.table("Calls", []string{"action", "requests"}, len(r.Calls), func(i int) []string {
		return []string{r.Calls[i].Action, fmt.Sprint(r.Calls[i].Count)}
	})
	t.table("Path", []string{"station", "status", "note"}, len(r.Path), func(i int) []string {
		return []string{r.Path[i].Name, r.Path[i].Status, r.Path[i].Note.String()}
	})
	if o := r.Outside; o != nil {
		t.table("Outside", []string{"looked at with an operator's credentials", "says"}, len(o.Looked), func(i int) []string { return []string{o.Looked[i].What, o.Looked[i].Says} })
		t.table("Refused", []string{"asked, and not answered"}, len(o.Unknown), func(i int) []string { return []string{o.Unknown[i]} })
	}
	t.unseen()
	t.table("History", []string{"since", "state", "cause"}, len(r.History), func(i int) []string {
		h := r.History[i]
		return []string{stamp(h.At), h.State, h.Cause}
	})
	if r.ClockSkew != nil {
		t.section("Clock", []string{fmt.Sprintf("the clock of this host minus AWS time: %+.1f s", *r.ClockSkew)})
	}
	node := []string{}
	for _, p := range [][2]string{{"kind", r.Node.Kind}, {"account", r.Node.Account}, {"partition", r.Node.Partition}, {"os", r.Node.OS}, {"arch", r.Node.Arch}, {"agent", r.AgentVersion}} {
		if p[1] != "" {
			node = append(node, p[0]+" "+t.show(p[1]))
		}
	}
	t.section("Node", wrap(strings.Join(node, ", "), t.body()))
	redacted := "not redacted"
	if r.Redacted {
		redacted = "redacted"
	}
	t.section("Run", []string{fmt.Sprintf("ssm-doctor %s, %s, %s, %s", t.show(r.Version), stamp(r.GeneratedAt), seconds(r.Duration), redacted)})
}

// tallied is how many checks came out how.
func (t *screen) tallied() string {
	n := tally(t.r)
	var counts []string
	for _, s := range Statuses {
		counts = append(counts, fmt.Sprintf("%d %s", n[s], s))
	}
	return strings.Join(counts, ", ") + " in " + seconds(t.r.Duration)
}

// checksByGroup lists every check with its evidence, in the report's order.
func (t *screen) checksByGroup() {
	group := "\x00"
	for _, c := range t.r.Checks {
		if c.Group != group {
			group = c.Group
			t.gap()
			t.add("%s", t.show(groupName(group)))
		}
		t.check(c, 26)
		for _, l := range t.evidence(c.Evidence, t.s.Width-14) {
			t.add("%s%s", strings.Repeat(" ", 14), l)
		}
	}
	t.gap()
}

// GroupName is what people read for a group.
func GroupName(group string) string { return groupName(group) }

// groupName is the heading of a group of checks; those about the whole node
// belong to none.
func groupName(group string) string {
	if group == "" || group == "none" {
		return "node"
	}
	return group
}

// table prints columns; the last one is wrapped. Empty columns are left out.
func (t *screen) table(title string, head []string, n int, row func(int) []string) {
	if n == 0 {
		return
	}
	rows := make([][]string, 0, n)
	widths := make([]int, len(head))
	for i := range n {
		r := row(i)
		for j := range r {
			r[j] = t.show(r[j])
			if j < len(r)-1 {
				widths[j] = max(widths[j], cells(r[j]))
			} else if r[j] != "" {
				widths[j] = 1
			}
		}
		rows = append(rows, r)
	}
	t.add("%s", title)
	line := func(cols []string, style string) {
		var b strings.Builder
		b.WriteString(" ")
		used := 1
		for j, c := range cols {
			if widths[j] == 0 {
				continue
			}
			if j == len(cols)-1 {
				width := t.s.Width - used - 1
				if width < 20 {
					b.WriteString("\n    ")
					used, width = 4, t.s.Width-5
				}
				b.WriteString(" " + strings.Join(wrap(c, width), "\n"+strings.Repeat(" ", used+1)))
				continue
			}
			w := max(widths[j], len(head[j]))
			b.WriteString(" " + pad(c, w))
			used += w + 1
		}
		for l := range strings.SplitSeq(b.String(), "\n") {
			t.add("%s", t.s.paint(style, strings.TrimRight(l, " ")))
		}
	}
	line(head, styleDim)
	for _, r := range rows {
		line(r, "")
	}
	t.gap()
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
