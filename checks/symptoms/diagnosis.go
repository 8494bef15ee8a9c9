package symptoms

import (
	"slices"
	"strings"
)

// diagnosis is a row of what ssm-cli get-diagnostics prints: one line of a table, or three
// lines of JSON that come one after another.
// Source: amazon-ssm-agent 3.3, agent/cli/diagnostics.
type diagnosis struct{ check, status, note string }

// read takes up a line as plain makes it; true: it is of such a row.
func (d *diagnosis) read(line string) bool {
	if cells := strings.Split(line, "|"); len(cells) >= 4 {
		*d = diagnosis{strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])}
		return diagnoses(d.check) != nil && d.status != ""
	}
	name, value, _ := strings.Cut(strings.Trim(line, " \t\r\n,"), ":")
	value = strings.Trim(value, ` "`)
	switch name {
	case `"check"`:
		*d = diagnosis{check: value}
	case `"status"`:
		d.status, d.note = value, ""
	case `"note"`:
		d.note = value
	default:
		return false
	}
	return diagnoses(d.check) != nil
}

// symptoms are those of a row that is whole. Harmless: it says nothing of a fault.
func (d *diagnosis) symptoms() (out []Found, harmless bool) {
	y := diagnoses(d.check)
	switch {
	case d.status == "failed" && d.note != "":
		if y.Causes[0] != "optional-endpoint-unreachable" { // whatever keeps it away, the node does not need it
			out = inWords(d.note, false)
		}
		told := slices.ContainsFunc(out, func(f Found) bool { return f.Place != CLI })
		for i := range out { // an error that ssm-cli quotes tells more than its own words
			out[i].Broad = told && out[i].Place == CLI
		}
		return append(out, Found{Symptom: *y, Broad: len(out) > 0}), false
	case d.status != "skipped" || d.note == "":
		return nil, d.status == "success" && d.note != ""
	case d.check == "hybrid instance registration":
		y.Causes = nil // most hosts are EC2 instances
		return []Found{{Symptom: *y, Checks: []string{"hybrid-registration"}}}, false
	}
	out = inWords(d.note, false) // no credentials
	return out, len(out) == 0
}

// diagnoses is what a row of a check says that did not succeed; nil: there is no such check.
func diagnoses(check string) *Symptom {
	for _, y := range table().rows {
		if check != "" && (check == y.plain[0] || y.plain[0] == "connectivity to" && strings.HasPrefix(check, y.plain[0])) {
			return &y
		}
	}
	return nil
}
