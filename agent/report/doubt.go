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
