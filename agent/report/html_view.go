package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// pageView is a report as the page lays it out.
type pageView struct {
	R              *Report
	RefreshSeconds int
	Reload         Link
	Next           time.Time
	Links          []Link
	Verdict, Class string
	Lead, Tag      string
	Node, Notes    []string
	StandIns       bool
	Counts         string
	Groups, Fine   []groupView // checks that need eyes, and the others
	Path           *pathView
	Times          *timesView
	Environment    [][2]string
}

type groupView struct {
	Name   string
	Checks []Check
}

type stepView struct {
	Words, Command, Where string
	N                     int
	Or                    bool
}

func newPageView(r *Report, l Live) *pageView {
	t := &screen{r: r, s: Style{Width: maxWidth}}
	v := &pageView{R: r, RefreshSeconds: int(l.Refresh.Seconds()), Reload: l.Reload, Next: l.Next, Links: l.Links,
		Verdict: t.word(), Class: statusClass(r.State), Lead: capital(r.Summary.String()), Path: newPathView(r.Path), Times: newTimesView(r), StandIns: r.Redacted && r.RootCause != nil && standsIn(r.RootCause.Fix)}
	switch {
	case r.Profile == "" && r.State == Degraded:
		v.Verdict = "MANAGED, BUT DEGRADED"
	case v.Verdict == markOf("unknown").word:
		v.Verdict = "CANNOT TELL"
	}
	if c := r.RootCause; c != nil {
		v.Lead, v.Tag = causeText(*c), Printable(c.ID)
		if c.Confidence != "" && c.Confidence != "proven" {
			v.Notes = append(v.Notes, "The cause is "+Printable(c.Confidence)+", not proven.")
		}
	}
	v.Node = t.nodeParts()
	if c := t.signsWith(); c != "" {
		v.Node = append(v.Node, c)
	}
	v.notes(r, l)
	n := tally(r)
	var counts []string
	for _, s := range Statuses {
		counts = append(counts, fmt.Sprintf("%d %s", n[s], s))
	}
	v.Counts = strings.Join(counts, ", ")
	v.Groups, v.Fine = groups(r, false), groups(r, true)
	v.environment(r)
	return v
}

// notes are the circumstances that change what the page is worth.
func (v *pageView) notes(r *Report, l Live) {
	if r.Interrupted {
		v.Notes = append(v.Notes, "The run was interrupted; this is incomplete.")
	}
	if r.TimedOut {
		v.Notes = append(v.Notes, "The run reached its time limit; this is incomplete.")
	}
	if r.CheckedFrom != "" {
		v.Notes = append(v.Notes, "Judged from "+Printable(clip(r.CheckedFrom, 200))+", not from a live host.")
	}
	if r.NeedRoot > 0 {
		v.Notes = append(v.Notes, strings.ReplaceAll(needRoot(r), "`", ""))
	}
	if !l.Now.IsZero() && !r.GeneratedAt.IsZero() {
		age := max(0, l.Now.Sub(r.GeneratedAt))
		switch {
		case l.StaleAfter > 0 && age > l.StaleAfter:
			v.Notes = append(v.Notes, "Warning: this is "+span(age)+" old. The daemon has not finished a run since.")
		default:
			v.Node = append(v.Node, "looked at "+span(age)+" ago")
		}
	}
}

// groups keeps the order of the report and parts what needs eyes from the rest.
func groups(r *Report, fine bool) []groupView {
	var out []groupView
	at := map[string]int{}
	for _, c := range r.Checks[:min(len(r.Checks), htmlRows)] {
		if fine != (c.Status == "pass" || c.Status == "skip") {
			continue
		}
		name := groupName(c.Group)
		i, ok := at[name]
		if !ok {
			i = len(out)
			at[name] = i
			out = append(out, groupView{Name: name})
		}
		out[i].Checks = append(out[i].Checks, c)
	}
	return out
}

func (v *pageView) environment(r *Report) {
	add := func(name, value string) {
		if value != "" {
			v.Environment = append(v.Environment, [2]string{name, Printable(clip(value, htmlClip))})
		}
	}
	add("Node", r.Node.ID)
	add("Kind", r.Node.Kind)
	add("Account", r.Node.Account)
	add("Region", r.Node.Region)
	add("Partition", r.Node.Partition)
	add("System", strings.TrimSpace(r.Node.OS+" "+r.Node.Arch))
	add("SSM Agent", r.AgentVersion)
	add("Credentials", strings.TrimSpace(r.Credentials.Source+" "+r.Credentials.Role))
	if !r.Credentials.ExpiresAt.IsZero() {
		add("Credentials expire", stamp(r.Credentials.ExpiresAt))
	}
	add("Why these credentials", r.Credentials.Why)
	add("The agent would try next", r.Credentials.Next)
	if !r.LastPing.IsZero() {
		add("Last accepted call", stamp(r.LastPing))
	}
	if !r.Until.IsZero() {
		add("Will be lost", stamp(r.Until))
	}
	if r.ClockSkew != nil {
		add("Host clock against AWS", fmt.Sprintf("%+.1f s", *r.ClockSkew))
	}
}

// stepViews numbers the steps of a remedy; an alternative has the number of
// the step that it replaces.
func stepViews(fix []Step, r *Report) []stepView {
	var out []stepView
	n := 0
	for _, s := range fix[:min(len(fix), htmlRows)] {
		v := stepView{Words: s.words(), Command: s.Command.String(), Or: s.Alternative}
		if !v.Or {
			n++
		}
		if v.N = n; s.Where != "" {
			v.Where = whereText(s, r)
		}
		out = append(out, v)
	}
	return out
}

// pathView is the way from the host to the channel, drawn twice: in a row for
// broad windows, in a column for narrow ones.
type pathView struct {
	Width, Height int
	Label, Note   string
	Hops          []hopView
}

type hopView struct {
	Name, Status, Word, Text, Color, Sign string
	X, From, To, Mid                      int
	Y, YText, Up, Down                    int
	LinkClass, LinkColor                  string
	Cut                                   bool // the path breaks before this station
}

func newPathView(path []Hop) *pathView {
	if len(path) == 0 {
		return nil
	}
	path = path[:min(len(path), 20)]
	const step, row = 104, 40
	v := &pathView{Width: step * len(path), Height: row * len(path)}
	broken := false
	var said []string
	for i, h := range path {
		m := markOf(h.Status)
		hop := hopView{Name: Printable(clip(h.Name, 24)), Status: h.Status, Word: strings.ToLower(m.word), Text: h.Note.String(), Sign: m.glyph,
			X: step*i + step/2, Y: row*i + row/2, YText: row*i + row/2 + 5, Color: statusClass(h.Status)}
		if hop.Color == "dim" {
			hop.Color = "off"
		}
		said = append(said, hop.Name+" "+hop.Word)
		if i > 0 {
			hop.From, hop.To, hop.Mid = hop.X-step+18, hop.X-18, hop.X-step/2
			hop.Up, hop.Down = hop.Y-row+14, hop.Y-14
			hop.LinkClass, hop.LinkColor = "link", "good"
			if broken || h.Status != "pass" && h.Status != "warn" {
				hop.LinkClass, hop.LinkColor = "cut", "off"
			}
		}
		if h.Status == "fail" && !broken {
			broken = true
			hop.Cut, hop.LinkColor = i > 0, "bad"
			v.Note = "The path breaks at " + hop.Name
			if !h.Note.IsZero() {
				v.Note += ": " + Printable(clip(h.Note.String(), htmlClip))
			}
		}
		v.Hops = append(v.Hops, hop)
	}
	v.Label = "Stations in order: " + strings.Join(said, ", ")
	return v
}

// timesView is how the state changed over time.
type timesView struct {
	Label, Caption, First, Last string
	Bars                        []barView
	Rows                        []timeRow
}

type barView struct {
	X, Y, W, H, TextX float64
	Color, Word       string
	Fits              bool
}

type timeRow struct {
	At                         time.Time
	Class, Word, Lasted, Cause string
}

const timesShown = 20 // latest changes on the page

func newTimesView(r *Report) *timesView {
	h := r.History
	if len(h) == 0 {
		return nil
	}
	h = h[max(0, len(h)-timesShown):]
	// Where the clock was set back, bars would lie.
	inOrder := slices.IsSortedFunc(h, func(a, b Transition) int { return a.At.Compare(b.At) })
	end := r.GeneratedAt
	if last := h[len(h)-1].At; end.Before(last) {
		end = last
	}
	whole := end.Sub(h[0].At).Seconds()
	v := &timesView{First: stamp(h[0].At), Last: stamp(end), Caption: "Changes of state, latest first"}
	if len(r.History) > timesShown {
		v.Caption += fmt.Sprintf("; the last %d of %d", timesShown, len(r.History))
	}
	if !inOrder {
		v.Caption += "; the clock of this host was set back in between"
	}
	var said []string
	for i, c := range h {
		until := end
		if i+1 < len(h) {
			until = h[i+1].At
		}
		m := markOf(c.State)
		row := timeRow{At: c.At, Class: statusClass(c.State), Word: m.word, Lasted: "unknown", Cause: c.Cause}
		if !until.Before(c.At) {
			row.Lasted = span(until.Sub(c.At))
		}
		if c.State == Degraded {
			row.Word = "DEGRADED"
		}
		v.Rows = append([]timeRow{row}, v.Rows...)
		said = append(said, fmt.Sprintf("%s for %s", strings.ToLower(row.Word), row.Lasted))
		if !inOrder || whole <= 0 {
			continue
		}
		b := barView{X: round(900 * c.At.Sub(h[0].At).Seconds() / whole), Word: row.Word, Color: row.Class}
		b.W = max(2, round(900*until.Sub(c.At).Seconds()/whole))
		// Height tells the state too, for those who see no colours.
		b.H = map[string]float64{Managed: 40, Degraded: 30, NotManaged: 20}[c.State]
		if b.H == 0 {
			b.H, b.Color = 12, "off"
		}
		b.Y, b.TextX = 42-b.H, b.X+8
		b.Fits = b.H >= 20 && b.W > float64(12*len(b.Word)+16)
		v.Bars = append(v.Bars, b)
	}
	v.Label = "States in order: " + strings.Join(said, ", ")
	return v
}

func round(f float64) float64 { return math.Round(f*10) / 10 }
