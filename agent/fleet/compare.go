package fleet

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks"
	"ssm-doctor/checks/sorting"
)

// Comparison is what differs between two reports and matters to the verdict.
type Comparison struct {
	Schema string    `json:"schema"`
	A      Side      `json:"a"`
	B      Side      `json:"b"`
	Differ []Contest `json:"differences"` // in the order of the path
	Follow int       `json:"follow"`      // differences behind the station at which a path breaks: they follow
}

// Side is one of the two.
type Side struct {
	Node    string    `json:"node"`
	State   string    `json:"state"`
	Cause   string    `json:"cause"`
	Summary string    `json:"summary"`
	At      time.Time `json:"at"`
	Breaks  string    `json:"breaks_at"` // station; empty: nowhere
}

// Contest is one thing in which they differ.
type Contest struct {
	Station string `json:"station"`
	What    string `json:"what"`
	A       string `json:"a"`
	B       string `json:"b"`
}

// CompareSchema names the format of a comparison.
const CompareSchema = "ssm-doctor/compare/v1"

// Compare says in what two hosts, or one host at two times, differ up to where the first
// path breaks. Names that belong to one host, and what passes on both, are left out.
func Compare(a, b *report.Report) (Comparison, error) {
	ha, err := fromReport(a)
	if err != nil {
		return Comparison{}, err
	}
	hb, err := fromReport(b)
	if err != nil {
		return Comparison{}, err
	}
	c := Comparison{Schema: CompareSchema, A: side(a, ha), B: side(b, hb)}
	end := 0
	for _, h := range []Host{ha, hb} {
		if h.Broken > 0 && (end == 0 || h.Broken < end) {
			end = h.Broken
		}
	}
	var list []ranked
	add := func(station int, what, x, y string) {
		if x != y {
			list = append(list, ranked{station, Contest{checks.Station(station).String(), what, cmp.Or(x, "not known"), cmp.Or(y, "not known")}})
		}
	}
	if ha.Redacted && hb.Redacted && (ha.ID == "" || ha.ID != hb.ID) { // stand-ins under two keys
		isRole := func(t Trait) bool { return t.Name == "role" }
		ha.Traits, hb.Traits = slices.DeleteFunc(ha.Traits, isRole), slices.DeleteFunc(hb.Traits, isRole)
	}
	traits(&ha, &hb, add)
	checksDiffer(a, b, add)
	permissionsDiffer(a, b, add)
	sorting.By(list, func(x, y ranked) int { return cmp.Compare(x.station, y.station) })
	for _, x := range list {
		if end > 0 && x.station > end {
			c.Follow++
			continue
		}
		c.Differ = append(c.Differ, x.Contest)
	}
	c.Differ = some(c.Differ)
	return c, nil
}

type ranked struct {
	station int
	Contest
}

func side(r *report.Report, h Host) Side {
	s := Side{Node: h.ID, State: h.State, Cause: h.Cause, Summary: clipTo(r.Summary.String(), 2*maxText), At: r.GeneratedAt}
	if h.Broken >= 0 {
		s.Breaks = checks.Station(h.Broken).String()
	}
	return s
}

// traits compares circumstances: of a trait with several values, the sets.
func traits(a, b *Host, add func(int, string, string, string)) {
	type set struct {
		station int
		a, b    []string
	}
	sets := map[string]*set{}
	var order []string
	for i, h := range []*Host{a, b} {
		for _, t := range h.Traits {
			if strings.HasPrefix(t.Name, "check ") {
				continue // told with its words
			}
			s := sets[t.Name]
			if s == nil {
				s = &set{station: t.Station}
				sets[t.Name], order = s, append(order, t.Name)
			}
			if i == 0 {
				s.a = append(s.a, t.Value)
			} else {
				s.b = append(s.b, t.Value)
			}
		}
	}
	for _, name := range order {
		s := sets[name]
		slices.Sort(s.a)
		slices.Sort(s.b)
		add(s.station, name, strings.Join(s.a, ", "), strings.Join(s.b, ", "))
	}
}

// checksDiffer compares the checks of which one is bad, or of which one could not be told
// and the other is not a skip.
func checksDiffer(a, b *report.Report, add func(int, string, string, string)) {
	other := map[string]report.Check{}
	for _, c := range b.Checks {
		other[c.ID] = c
	}
	at := stationOf()
	for _, x := range a.Checks {
		y, ok := other[x.ID]
		if !ok || x.Status == y.Status || at[x.ID] == checks.OffTheWay && !bad(x) && !bad(y) {
			continue
		}
		if bad(x) || bad(y) || (x.Status == string(checks.Unknown)) != (y.Status == string(checks.Unknown)) && x.Status != string(checks.Skip) && y.Status != string(checks.Skip) {
			add(int(at[x.ID]), "check "+x.ID, verdictOf(x), verdictOf(y))
		}
	}
}

func bad(c report.Check) bool {
	return c.Status == string(checks.Fail) || c.Status == string(checks.Warn)
}

func verdictOf(c report.Check) string { return c.Status + ": " + clip(c.Summary.String()) }

// permissionsDiffer compares the actions that are allowed to one and denied to the other.
func permissionsDiffer(a, b *report.Report, add func(int, string, string, string)) {
	word := func(p report.Permission) string {
		switch {
		case strings.HasPrefix(p.Verdict, "allowed"):
			return "allowed"
		case strings.HasPrefix(p.Verdict, "denied"):
			return "denied " + p.Layer
		}
		return ""
	}
	other := map[string]string{}
	for _, p := range b.Permissions {
		if w := word(p); w != "" && other[p.Action] == "" {
			other[p.Action] = w
		}
	}
	told := map[string]bool{}
	for _, p := range a.Permissions {
		x, y := word(p), other[p.Action]
		if x != "" && y != "" && !told[p.Action] && strings.HasPrefix(x, "denied") != strings.HasPrefix(y, "denied") {
			told[p.Action] = true
			add(int(checks.AtPermissions), p.Action, x, y)
		}
	}
}

// WriteComparison renders a comparison as text or JSON.
func WriteComparison(w io.Writer, format string, c Comparison) error {
	if format == "json" {
		return report.WriteJSON(w, c, " ")
	}
	var b strings.Builder
	for _, s := range []struct {
		name string
		Side
	}{{"A", c.A}, {"B", c.B}} {
		fmt.Fprintf(&b, "%s  %s  %s", s.name, report.Printable(cmp.Or(s.Node, "no node id")), strings.ToUpper(report.Printable(s.State)))
		if s.Cause != "" {
			fmt.Fprintf(&b, "  %s", report.Printable(s.Cause))
		}
		if s.Breaks != "" {
			fmt.Fprintf(&b, "  (the path breaks at %s)", s.Breaks)
		}
		if !s.At.IsZero() {
			fmt.Fprintf(&b, "  %s UTC", day(s.At))
		}
		b.WriteString("\n")
	}
	if len(c.Differ) == 0 {
		b.WriteString("\nNothing differs that matters to the verdict.\n")
	}
	last := ""
	for _, d := range c.Differ {
		if d.Station != last {
			fmt.Fprintf(&b, "\n%s\n", report.Printable(d.Station))
			last = d.Station
		}
		fmt.Fprintf(&b, "  %s\n    A  %s\n    B  %s\n", report.Printable(d.What), report.Printable(d.A), report.Printable(d.B))
	}
	if c.Follow > 0 {
		fmt.Fprintf(&b, "\n%d more differences lie behind the break and follow from it.\n", c.Follow)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
