package report

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/causes"
)

// gateCauses are what keeps a machine image from being ready, as equals: each is as bad
// as the other. It is empty for a report about a node.
func gateCauses(r *Report) []Cause {
	if r.Profile == "" {
		return nil
	}
	var all []Cause
	if r.RootCause != nil {
		all = append(all, *r.RootCause)
	}
	for _, c := range r.Also {
		if c.Severity != string(causes.Info) {
			all = append(all, c)
		}
	}
	return all
}

// alsoOf are the causes beside the root cause; of an image those that are only notes.
func alsoOf(r *Report) []Cause {
	if r.Profile == "" {
		return r.Also
	}
	var notes []Cause
	for _, c := range r.Also {
		if c.Severity == string(causes.Info) {
			notes = append(notes, c)
		}
	}
	return notes
}

// gateLead counts the findings of a gate; empty where one says all.
func gateLead(all []Cause) string {
	if len(all) < 2 {
		return ""
	}
	return fmt.Sprintf("%d findings. Each keeps the image from being ready.", len(all))
}

// gateFix is the remedy of one finding. The last step, which looks again, is printed
// once: behind the last finding.
func gateFix(all []Cause, i int) []Step {
	fix, end := all[i].Fix, all[len(all)-1].Fix
	if i == len(all)-1 || len(fix) < 2 || len(end) == 0 {
		return fix
	}
	if n := len(fix) - 1; fix[n].Command.String() == end[len(end)-1].Command.String() {
		return fix[:n]
	}
	return fix
}

func idsOf(all []Cause) string {
	var ids []string
	for _, c := range all {
		ids = append(ids, c.ID)
	}
	return strings.Join(ids, ", ")
}

// gateLine names every finding in one line.
func gateLine(all []Cause) string {
	var parts []string
	for _, c := range all {
		parts = append(parts, c.ID+": "+causeText(c))
	}
	return strings.Join(parts, "; ")
}

// gate prints what keeps a machine image from being ready: each finding with its remedy,
// and in full output with what was seen.
func (t *screen) gate() {
	all := gateCauses(t.r)
	if len(all) < 2 {
		t.answer()
		return
	}
	t.headline()
	t.blocks(block{"", t.prose(gateLead(all))})
	for i, c := range all {
		fix := gateFix(all, i)
		if t.wide {
			t.blocks(block{"", append(t.causeLines(c, 0), t.fix(fix, 0, len(fix), false)...)}, block{"Seen", t.seen(c.Evidence, 0)})
			continue
		}
		short := shortOf(fix)
		t.blocks(block{"", append(t.causeLines(c, 3), t.fix(short, 2, len(short), len(short) < len(fix))...)})
	}
	if !t.wide {
		t.blocks(block{"", t.counts()})
	}
}
