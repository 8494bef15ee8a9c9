package report

import (
	"strings"

	"ssm-doctor/checks/pattern"
)

// seen lays observations out in two columns: what was asked, what came back. most
// bounds the lines, 0 does not.
func (t *screen) seen(list []Evidence, most int) []string {
	if t.wide {
		var out []string
		for _, l := range t.evidence(list, t.s.Width-2) {
			out = append(out, "  "+l)
		}
		return out
	}
	list = list[:min(len(list), seenShown)]
	if len(list) > most { // each takes a line at least
		list = list[:most]
	}
	left := 0
	for _, e := range list {
		if w := cells(t.asked(e)); w <= t.s.Width*4/10 {
			left = max(left, w)
		}
	}
	var out []string
	for i, e := range list {
		keep := len(out)
		asked := pad(t.asked(e), left) + "  "
		lines := wrapAfter(t.show(gist(e)), max(0, cells(asked)-left-2), t.s.Width-left-4)
		if cells(asked)+cells(lines[0]) > t.s.Width-2 || widest(lines) > t.s.Width-left-4 {
			if out = append(out, t.prose(asked)...); i == 0 && len(out) >= most {
				return nil // a question without its answer
			}
			asked, lines = "  ", wrap(t.show(gist(e)), t.s.Width-4)
			for _, l := range lines {
				out = append(out, "    "+l)
			}
			lines = nil
		}
		for j, l := range lines {
			if j > 0 {
				asked = strings.Repeat(" ", left+2)
			}
			out = append(out, strings.TrimRight("  "+asked+l, " "))
		}
		if i > 0 && len(out) > most {
			return t.clipped(out[:keep], most, t.s.Width) // one that does not fit as a whole
		}
	}
	return t.clipped(out, most, t.s.Width)
}

func widest(lines []string) int {
	w := 0
	for _, l := range lines {
		w = max(w, cells(l))
	}
	return w
}

// reSaid is the part of an entry of a log that says what came back.
var reSaid = pattern.New(`[A-Z][A-Za-z]+(?:Exception|Error|Match|Fault|NotFound)\b: .*`)

// reFrame is what stands before the words of an entry.
var reFrame = pattern.New(`^(?:[A-Z]+ )?(?:\[[^\]]*\] *)+`)

// reRefused is what AWS says before the reason when it refuses a call.
var reRefused = pattern.New(`User: \S+ is not authorized to perform: \S+ (?:on resource: \S+ )?((?:because|with) )`)

// reasonOf is the reason that AWS gives for a refusal: the names before it stand in the
// sentence about it already.
func reasonOf(s string) string { return reRefused.ReplaceAllString(s, "…$1") }

// gist is an observation without the frame that a log puts around it.
func gist(e Evidence) string {
	s := e.Seen
	if denied, ok := strings.CutPrefix(s, "denied: "); ok {
		return "denied: " + clip(reasonOf(denied), evidenceClip)
	}
	if !strings.Contains(s, "[") || !strings.Contains(s, "ERROR") && !strings.Contains(s, "WARN") {
		return clip(s, evidenceClip)
	}
	said := reSaid.FindString(s)
	if said == "" {
		said = reFrame.ReplaceAllString(s, "")
	}
	said = reasonOf(said)
	for _, end := range []string{" status code:", ", request id", " request id"} {
		said, _, _ = strings.Cut(said, end)
	}
	return `"…` + clip(strings.TrimSpace(said), evidenceClip) + `"`
}
