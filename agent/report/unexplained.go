package report

import "fmt"

// unexplainedLine says how many kinds of entries of the agent's log no rule knows;
// empty: none.
func unexplainedLine(r *Report) string {
	n := len(r.Unexplained) + moreUnexplained(r)
	if n == 0 {
		return ""
	}
	noun := "error"
	for _, u := range r.Unexplained {
		if u.Level == "warn" {
			noun = "error or warning"
		}
	}
	return fmt.Sprintf("%s of %s in the last day of the agent's log that this program does not know", plural(n, "kind"), noun)
}

// moreUnexplained is how many kinds are not listed.
func moreUnexplained(r *Report) int {
	if r.UnexplainedMore == nil {
		return 0
	}
	return *r.UnexplainedMore
}

// unexplained is one line; wide shows the kinds.
func (t *screen) unexplained() {
	line := unexplainedLine(t.r)
	if line == "" {
		return
	}
	if !t.wide {
		line += "; -o wide shows them"
	}
	for _, l := range wrap(line, t.s.Width-2) {
		t.add("  %s", t.dim(l))
	}
}

// unexplainedTable is what wide adds.
func (t *screen) unexplainedTable() {
	t.table("Not known", []string{"last", "times", "level", "entry of the agent's log, * for what was taken out"}, len(t.r.Unexplained), func(i int) []string {
		u := t.r.Unexplained[i]
		return []string{stamp(u.Last), fmt.Sprint(u.Count), u.Level, u.Shape}
	})
	if n := moreUnexplained(t.r); n > 0 {
		t.add("  and %s more", plural(n, "kind"))
		t.gap()
	}
}
