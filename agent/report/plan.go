package report

import (
	"fmt"
	"strings"
	"time"

	"ssm-doctor/checks/text"
)

// Plan is what the steps of the root cause would make of the node, worked out from what
// was seen. Nothing was changed.
type Plan struct {
	Now  string `json:"now"` // the state without the steps
	Ways []Way  `json:"ways"`
}

// Way is one way through the steps of the root cause.
type Way struct {
	Steps    []int `json:"steps"`    // places in root_cause.fix, from 1 on
	Operator []int `json:"operator"` // those of them that change something somewhere else than on this host
	// State is that of the node after the steps; unknown: NotKnown says what decides.
	State    string      `json:"state"`
	Next     string      `json:"next"`    // the cause that is left; empty: none, or not known
	Summary  text.Text   `json:"summary"` // of that cause
	NotKnown []text.Text `json:"not_known"`
	// RestsOn is when Systems Manager accepted the node, or its channel, where the promise is
	// for a world in which nothing else changed since: the oldest of what it rests on.
	RestsOn time.Time `json:"rests_on,omitzero"`
}

func (p *Plan) normalize() {
	p.Ways = some(p.Ways)
	for i := range p.Ways {
		w := &p.Ways[i]
		w.Steps, w.Operator, w.NotKnown = some(w.Steps), some(w.Operator), some(w.NotKnown)
	}
}

// stateWords are how a plan says a state.
var stateWords = map[string]string{Managed: "managed", Degraded: "managed, with a part that is broken", NotManaged: "not managed", Unknown: "cannot be told"}

// Outcome is what a way leads to, in a sentence.
func (w Way) Outcome() string {
	since := ""
	if !w.RestsOn.IsZero() {
		since = "if nothing else changed since " + text.Stamp(w.RestsOn) + ", when Systems Manager accepted this node"
	}
	switch {
	case w.Next != "" && since != "":
		return stateWords[w.State] + " (" + since + "), because of " + w.Next + ": " + w.Summary.String()
	case w.Next != "":
		return stateWords[w.State] + ", because of " + w.Next + ": " + w.Summary.String()
	case w.State == Unknown:
		return "nothing else that was seen is in the way. Not known before it is done"
	case since != "":
		return stateWords[w.State] + ", " + since
	}
	return stateWords[w.State]
}

// label names a way by its steps, as they are numbered beside the remedy.
func (w Way) label(fix []Step) string {
	n, numbers, other, words := 0, map[int]string{}, "", ""
	for i, s := range fix {
		if !s.Alternative {
			n++
		}
		numbers[i+1] = fmt.Sprint(n)
	}
	var list []string
	for _, i := range w.Steps {
		if i < 1 || i > len(fix) {
			continue
		}
		list = append(list, numbers[i])
		if fix[i-1].Alternative {
			other, words = numbers[i], fix[i-1].words()
		}
	}
	label := "With the steps "
	switch {
	case len(list) == 1:
		label = "With the step " + list[0]
	case len(list) > 2:
		label += list[0] + " to " + list[len(list)-1]
	default:
		label += strings.Join(list, " and ")
	}
	if other != "" {
		label += ", step " + other + " the other way (" + clip(firstSentence(words), 100) + ")"
	}
	return label
}

// firstSentence is what is to be done, without the reasons.
func firstSentence(s string) string {
	s, _, _ = strings.Cut(s, ". ")
	s, _, _ = strings.Cut(s, "; ")
	return s
}

// others says which steps of a way are done somewhere else than on this host.
func (w Way) others(fix []Step) string {
	places, seen := []string{}, map[string]bool{}
	for _, i := range w.Operator {
		if i < 1 || i > len(fix) {
			continue
		}
		n := 0
		for _, s := range fix[:i] {
			if !s.Alternative {
				n++
			}
		}
		if p := fmt.Sprint(n); !seen[p] {
			seen[p], places = true, append(places, p)
		}
	}
	switch len(places) {
	case 0:
		return ""
	case 1:
		return "Step " + places[0] + " is for an operator"
	}
	return "Steps " + strings.Join(places[:len(places)-1], ", ") + " and " + places[len(places)-1] + " are for an operator"
}

// planLines is a plan as paragraphs: a sentence, and what it lists.
func (r *Report) planLines() (out []planLine) {
	p := r.Plan
	if r.RootCause == nil || len(p.Ways) == 0 {
		return []planLine{{text: "Without any step: " + stateWords[p.Now] + ". There is no step to plan"}}
	}
	for _, w := range p.Ways {
		l := planLine{text: w.label(r.RootCause.Fix) + ": " + w.Outcome()}
		for _, t := range w.NotKnown {
			l.list = append(l.list, t.String())
		}
		if o := w.others(r.RootCause.Fix); o != "" {
			l.after = o
		}
		out = append(out, l)
	}
	return append(out, planLine{text: "Without: " + stateWords[p.Now] + ", because of " + r.RootCause.ID})
}

type planLine struct {
	text  string
	list  []string
	after string
}

// planned lays the plan out for a terminal.
func (t *screen) planned() {
	if t.r.Plan == nil {
		return
	}
	var lines []string
	for _, l := range t.r.planLines() {
		end := "."
		if len(l.list) > 0 {
			end = ":"
		}
		lines = append(lines, t.prose(t.show(capital(l.text)+end))...)
		for _, s := range l.list {
			for i, x := range wrap(t.show(s), t.s.Width-4) {
				mark := "  - "
				if i > 0 {
					mark = "    "
				}
				lines = append(lines, mark+x)
			}
		}
		if l.after != "" {
			lines = append(lines, t.prose(t.show(sentence(l.after)))...)
		}
	}
	t.blocks(block{"Plan, from what was seen; nothing was changed", lines})
}

// mdPlan is the plan in markdown.
func mdPlan(b *strings.Builder, r *Report) {
	if r.Plan == nil {
		return
	}
	b.WriteString("### Plan, from what was seen; nothing was changed\n\n")
	for _, l := range r.planLines() {
		s := l.text
		if l.after != "" {
			s = sentence(s) + " " + sentence(l.after)
			if len(l.list) > 0 {
				s = l.text + " (" + l.after + "):"
			}
		}
		fmt.Fprintf(b, "- %s\n", mdText(sentence(s)))
		for _, x := range l.list {
			fmt.Fprintf(b, "  - %s\n", mdText(x))
		}
	}
	b.WriteString("\n")
}
