package export

import (
	"slices"
	"strconv"
	"strings"

	"ssm-doctor/agent/report"
)

var noMeasures = &report.Measures{}

func measures(e *emitter) *report.Measures {
	if m := e.snapshot.Report.Measures; m != nil {
		return m
	}
	return noMeasures
}

// oneOf keeps a label in its closed list.
func oneOf(s string, list []string) string {
	if slices.Contains(list, s) {
		return s
	}
	return ""
}

func rootCause(e *emitter) {
	r := e.snapshot.Report
	switch {
	case r == nil:
		e.send(1, "undetermined", "none")
	case r.RootCause != nil:
		e.send(1, r.RootCause.ID, r.RootCause.Group)
	case r.State == report.Managed:
		e.send(1, "healthy", "none")
	default:
		e.send(1, "undetermined", "none")
	}
}

func findings(e *emitter) {
	r, n := e.snapshot.Report, map[string]int{}
	for _, c := range r.Also {
		n[c.Severity]++
	}
	if r.RootCause != nil {
		n[r.RootCause.Severity]++
	}
	for _, s := range report.Severities {
		e.send(float64(n[s]), s)
	}
}

// reachable tells endpoints that were tried to the end, or to where they broke.
func reachable(e *emitter) {
	for _, p := range e.snapshot.Report.Endpoints {
		s := oneOf(p.Service, endpoints)
		if s == "" || p.Reachable == nil {
			continue
		}
		switch {
		case !*p.Reachable:
			e.send(0, s)
		case p.Phase == "ok":
			e.send(1, s)
		case p.Phase == "http": // somebody else answered
			e.send(0, s)
		}
	}
}

func outdated(e *emitter) {
	have, newest := versionNumbers(e.snapshot.Report.AgentVersion), versionNumbers(measures(e).AgentLatest)
	if have != nil && newest != nil {
		e.send(number(slices.Compare(have, newest) < 0))
	}
}

// versionNumbers splits x.y.z.w; nil when it is no such version.
func versionNumbers(s string) []int {
	var out []int
	for p := range strings.SplitSeq(s, ".") {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 || len(out) == 4 {
			return nil
		}
		out = append(out, n)
	}
	if len(out) != 4 {
		return nil
	}
	return out
}
