package report

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/text"
)

// renderShort is the verdict and one line per check that did not pass, made
// for grep: status, check, cause or -, text.
func renderShort(r *Report, s Style) string {
	t := &screen{s: s, r: r}
	painted, _ := t.verdict()
	line := painted
	for _, p := range t.nodeParts() {
		line += "   " + p
	}
	if all := gateCauses(r); len(all) > 1 {
		line += "   [" + t.show(idsOf(all)) + "]"
	} else if r.RootCause != nil {
		line += "   [" + t.show(r.RootCause.ID) + "]"
	}
	if r.Interrupted {
		line += "   interrupted, incomplete"
	}
	if r.TimedOut {
		line += "   time limit reached, incomplete"
	}
	t.add("%s", line)
	for _, want := range []string{"fail", "warn", "unknown"} {
		for _, c := range r.Checks {
			if c.Status != want {
				continue
			}
			t.add("%s %s %s %s", s.paint(markOf(want).style, markOf(want).word), t.show(c.ID), t.show(text.Or(c.Cause, "-")), t.show(c.Summary.String()))
		}
	}
	return strings.Join(t.lines, "\n") + "\n"
}

// pluginWords are the words of monitoring plugins: their exit codes are 0, 1, 2 and 3.
var pluginWords = map[string]string{Managed: "OK", Degraded: "WARNING", NotManaged: "CRITICAL"}

// pluginLine is the line of a monitoring plugin: "SSM CRITICAL - imds-disabled: …",
// with perfdata behind a bar if wanted. An image is named as one.
func pluginLine(r *Report, perfdata bool) string {
	what := "SSM "
	if r.Profile != "" {
		what = "SSM IMAGE "
	}
	state := text.Or(pluginWords[r.State], "UNKNOWN")
	msg := r.Summary.String()
	if all := gateCauses(r); len(all) > 1 {
		msg = gateLine(all)
	} else if r.RootCause != nil {
		msg = r.RootCause.ID + ": " + causeText(*r.RootCause)
	} else if r.State == Managed && r.Node.ID != "" && !strings.Contains(msg, r.Node.ID) {
		msg = strings.TrimSuffix(strings.Join([]string{r.Node.ID, r.Node.Region, msg}, " "), " ")
	}
	// A bar would begin the perfdata.
	line := strings.ReplaceAll(what+state+" - "+Printable(clip(msg, 900)), "|", "/")
	switch {
	case r.Interrupted:
		line += " (interrupted, incomplete)"
	case r.TimedOut:
		line += " (time limit reached, incomplete)"
	}
	if !perfdata {
		return line + "\n"
	}
	n := tally(r)
	line += fmt.Sprintf(" | duration=%ss;;;0", number(r.Duration))
	for _, s := range Statuses {
		line += fmt.Sprintf(" %s=%d;;;0", s, n[s])
	}
	if !r.LastPing.IsZero() {
		line += fmt.Sprintf(" last_ping_age=%.0fs;;;0", max(0, r.GeneratedAt.Sub(r.LastPing).Seconds()))
	}
	if r.Until.After(r.GeneratedAt) {
		line += fmt.Sprintf(" lost_in=%.0fs;;;0", r.Until.Sub(r.GeneratedAt).Seconds())
	}
	if r.ClockSkew != nil {
		line += fmt.Sprintf(" clock_skew=%ss", number(*r.ClockSkew))
	}
	return line + "\n"
}

// number is a plain decimal, as perfdata and XML want it.
func number(f float64) string {
	s := fmt.Sprintf("%.3f", f)
	if strings.ContainsAny(s, "NI") { // NaN, Inf
		return "0"
	}
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}
