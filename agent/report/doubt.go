package report

import (
	"time"

	"ssm-doctor/checks/text"
)

// Doubt is what stands beside a state that cannot be told.
type Doubt struct {
	Tried    []text.Text `json:"tried"`   // where an acceptance would show, and what shows there
	Missing  []text.Text `json:"missing"` // what kept the answer from being given
	Fix      []Step      `json:"fix"`     // safe whatever is the matter
	AgainAt  time.Time   `json:"again_at,omitzero"`
	AgainWhy text.Text   `json:"again_why"`
}

func (d *Doubt) normalize() {
	d.Tried, d.Missing, d.Fix = some(d.Tried), some(d.Missing), some(d.Fix)
	normalizeSteps(d.Fix)
}

// doubt prints what was tried, what is missing, what is safe to do and when to look
// again.
func (t *screen) doubt() {
	d := t.r.CannotTell
	if d == nil {
		return
	}
	list := func(label string, sentences []text.Text) {
		var lines []string
		for _, s := range sentences {
			lines = append(lines, wrap(t.show(clip(s.String(), evidenceClip)), t.body())...)
		}
		t.section(label, lines)
	}
	list("Missing", d.Missing)
	list("Tried", d.Tried)
	t.gap()
	t.steps(d.Fix)
	if !d.AgainAt.IsZero() {
		again := "at " + d.AgainAt.UTC().Format("15:04:05Z")
		if in := d.AgainAt.Sub(t.r.GeneratedAt); in > 0 {
			again += ", in " + span(in)
		}
		if !d.AgainWhy.IsZero() {
			again += ": " + d.AgainWhy.String()
		}
		t.section("Again", wrap(t.show(again), t.body()))
		t.gap()
	}
}
