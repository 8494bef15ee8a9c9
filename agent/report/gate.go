package report

// gate prints what keeps a machine image from being ready: all of it as equals, since
// one is as bad as the other.
func (t *screen) gate() {
	var all []Cause
	if t.r.RootCause != nil {
		all = append(all, *t.r.RootCause)
	}
	all = append(all, t.serious()...)
	if len(all) == 0 {
		t.answer()
		return
	}
	t.headline()
	for _, c := range all {
		lines := t.causeLines(c, 3)
		t.blocks(block{"", append(lines, t.fix(shortOf(c.Fix), 2, len(c.Fix), len(shortOf(c.Fix)) < len(c.Fix))...)})
	}
	t.blocks(block{"", t.counts()})
}
