package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ssm-doctor/checks/sorting"
	"ssm-doctor/checks/text"
)

// pageView is a report as the page lays it out.
type pageView struct {
	R              *Report
	Live           Live
	Now            time.Time // what relative times count from
	Verdict, Class string
	Lead, CauseID  string
	Assurance      string // whose word the cause is
	Node, Notes    []string
	Since          time.Time // since when the node is in this state; zero: not known
	Problems       []Check   // failed and warned, the root cause first
	Dark, Fine     []Check   // not known; passed and skipped
	Path           *pathView
	Times          *timesView
	Facts          [][2]string
	explained      map[string]bool // anchors of the explanations on this page
}

type stepView struct {
	Words, Command, Where string
	Changes               string // what the command changes, in words
	N                     int
	Or                    bool
}

func newPageView(r *Report, l Live) *pageView {
	t := &screen{r: r, s: Style{Width: maxWidth}}
	v := &pageView{R: r, Live: l, Now: l.Now, Verdict: t.word(), Class: verdictColor(r), Lead: sentence(capital(r.Summary.String())),
		Path: newPathView(r), Since: since(r)}
	if v.Now.IsZero() {
		v.Now = r.GeneratedAt
	}
	v.Times = newTimesView(r)
	switch {
	case r.Profile == "" && r.State == Degraded:
		v.Verdict = "MANAGED, BUT DEGRADED"
	case v.Verdict == markOf("unknown").word:
		v.Verdict = "CANNOT TELL"
	}
	if lead := gateLead(gateCauses(r)); lead != "" {
		v.Lead = lead
	} else if c := r.RootCause; c != nil {
		v.Lead, v.CauseID = sentence(causeText(*c)), c.ID
		v.Assurance = assurance(*c)
	}
	v.Node = nodeLine(r)
	v.notes(r, l)
	v.sortChecks(r)
	v.facts(r)
	v.explained = explainedOn(r)
	return v
}

// nodeLine says which host this is, most important first.
func nodeLine(r *Report) []string {
	var parts []string
	id := r.Node.ID
	if kind := wordOfKind[r.Node.Kind]; id == "" && kind != "" && r.Profile == "" {
		id = kind + " without node id"
	}
	for _, p := range []string{r.Node.Name, id, r.Node.Account, r.Node.Region, r.Node.OS} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return parts
}

// verdictColor is that of the state. What cannot be told needs eyes too.
func verdictColor(r *Report) string {
	switch r.State {
	case Managed, Degraded, NotManaged:
		return statusClass(r.State)
	}
	return "warn"
}

// since is when the state that the report tells began; zero where nobody wrote it down.
func since(r *Report) time.Time {
	var at time.Time
	for i := len(r.History) - 1; i >= 0 && r.History[i].State == r.State; i-- {
		at = r.History[i].At
	}
	return at
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
	if age := l.Now.Sub(r.GeneratedAt); l.StaleAfter > 0 && !r.GeneratedAt.IsZero() && age > l.StaleAfter {
		v.Notes = append(v.Notes, "Warning: this is "+span(age)+" old. The daemon has not finished a run since.")
	}
}

// sortChecks parts what needs eyes from the rest: the check that names the root cause
// first, then what follows from it.
func (v *pageView) sortChecks(r *Report) {
	for _, c := range r.Checks[:min(len(r.Checks), htmlRows)] {
		switch c.Status {
		case "pass", "skip":
			v.Fine = append(v.Fine, c)
		case "fail", "warn":
			v.Problems = append(v.Problems, c)
		default:
			v.Dark = append(v.Dark, c)
		}
	}
	rank := func(c Check) int {
		switch {
		case c.Cause != "" && c.Cause == v.CauseID:
			return 0
		case c.FollowsFrom != "":
			return 1
		case c.Status == "fail":
			return 2
		}
		return 3
	}
	sorting.By(v.Problems, func(a, b Check) int { return rank(a) - rank(b) })
}

// counts says how many checks there are of each kind.
func (v *pageView) counts() string {
	n := tally(v.R)
	var out []string
	for _, s := range [][2]string{{"fail", "failed"}, {"warn", "with a warning"}, {"unknown", "not known"}, {"pass", "passed"}, {"skip", "do not apply"}} {
		if n[s[0]] > 0 {
			out = append(out, fmt.Sprintf("%d %s", n[s[0]], s[1]))
		}
	}
	return strings.Join(out, ", ")
}

// facts are who the node is and what its agent signs with.
func (v *pageView) facts(r *Report) {
	add := func(name, value string) {
		if value != "" {
			v.Facts = append(v.Facts, [2]string{name, value})
		}
	}
	add("Host", r.Node.Name)
	add("Node", r.Node.ID)
	if r.Profile == "" {
		add("Kind", text.Or(wordOfKind[r.Node.Kind], r.Node.Kind))
	}
	add("Account", r.Node.Account)
	add("Region", r.Node.Region)
	if r.Node.Partition != "aws" {
		add("Partition", r.Node.Partition)
	}
	add("System", strings.TrimSpace(r.Node.OS+" "+r.Node.Arch))
	add("SSM Agent", r.AgentVersion)
	add("Credentials", strings.TrimSpace(r.Credentials.Source+" "+r.Credentials.Role))
	if s := r.Credentials.Source; s != "" && s != "none" {
		add("Why these", r.Credentials.Why)
	}
	add("The agent would try next", r.Credentials.Next)
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
		if len(s.Changes) > 0 { // that a command only looks, its words say
			v.Changes = capital(changesOf(s.Changes))
		}
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

func newPathView(r *Report) *pathView {
	path := r.Path
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
		hop := hopView{Name: Printable(clip(h.Name, 24)), Status: h.Status, Word: statusWord(h.Status), Text: h.Note.String(), Sign: m.glyph,
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
			v.Note = "The path breaks at " + hop.Name + "."
			if !h.Note.IsZero() && (r.RootCause == nil || h.Note.String() != r.RootCause.Summary.String()) {
				v.Note += " " + sentence(capital(Printable(clip(h.Note.String(), htmlClip))))
			}
		}
		v.Hops = append(v.Hops, hop)
	}
	v.Label = "Stations in order: " + strings.Join(said, ", ")
	return v
}

// timesView is how the state changed over time.
type timesView struct {
	Label, Caption string
	Bars           []barView
	Ticks          []time.Time // evenly spaced, the first and the last included
	Clock          string      // form of the time of a tick
	Rows           []timeRow
}

// barView is a stretch of time: X and W of 1000, H of 40.
type barView struct {
	X, W, H int
	Color   string
	Title   string
}

type timeRow struct {
	At                         time.Time
	Class, Word, Lasted, Cause string
}

const timesShown = 20 // latest changes on the page

// stateHeights tell the state too, for those who see no colours.
var stateHeights = map[string]int{Managed: 40, Degraded: 30, NotManaged: 20}

func newTimesView(r *Report) *timesView {
	h := r.History
	if len(h) == 0 {
		return nil
	}
	h = h[max(0, len(h)-timesShown):]
	// Where the clock was set back, bars would lie.
	inOrder := slices.IsSortedFunc(h, func(a, b Transition) int { return a.At.Compare(b.At) })
	begin, end := h[0].At, r.GeneratedAt
	if last := h[len(h)-1].At; end.Before(last) {
		end = last
	}
	whole := end.Sub(begin)
	v := &timesView{Caption: "Changes of state, latest first", Clock: "15:04"}
	if whole < 10*time.Minute { // neighbours are in the same minute
		v.Clock = "15:04:05"
	}
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
		row := timeRow{At: c.At, Class: statusClass(c.State), Word: markOf(c.State).word, Lasted: "unknown", Cause: c.Cause}
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
		b := barView{X: share(c.At.Sub(begin), whole), H: stateHeights[c.State], Color: row.Class, Title: said[i]}
		b.W = max(4, share(until.Sub(begin), whole)-b.X)
		if b.H == 0 {
			b.H, b.Color = 12, "off"
		}
		if c.Cause != "" && c.State != Managed {
			b.Title += ": " + c.Cause
		}
		v.Bars = append(v.Bars, b)
	}
	for i := range 5 {
		if inOrder && whole > 0 {
			v.Ticks = append(v.Ticks, begin.Add(whole/4*time.Duration(i)))
		}
	}
	v.Label = "States in order: " + strings.Join(said, ", ")
	return v
}

// share is the part of 1000 that one length of time is of another.
func share(d, whole time.Duration) int { return int(1000 * d.Seconds() / whole.Seconds()) }
