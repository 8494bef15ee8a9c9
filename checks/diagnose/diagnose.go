// Package diagnose turns the findings of all checks into one answer: the state
// of the node, the one cause to fix first, and what else there is. It is pure
// and total: the same facts give the same answer, byte for byte.
package diagnose

import (
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// State is what the node is to the service, as in the report.
type State string

// States of a node.
const (
	Managed    State = "managed"
	Degraded   State = "degraded" // managed, with a part that is broken
	NotManaged State = "not-managed"
	Unknown    State = "unknown"
)

// States are all of them, best first.
var States = []State{Managed, Degraded, NotManaged, Unknown}

// Findings are the answers of the checks that ran, by check id.
type Findings map[string]checks.Finding

// Named is a cause that was found, ready to be reported.
type Named struct {
	Check      string
	Cause      *causes.Cause
	Severity   causes.Severity
	Effect     checks.Effect
	Until      time.Time // when the node will be lost by it; zero: not known
	Confidence checks.Confidence
	Summary    text.Text
	Evidence   []checks.Evidence
	Fix        []causes.Filled // filled with this host's values
}

// Answer is the diagnosis.
type Answer struct {
	State   State
	Summary text.Text
	Root    *Named
	Also    []Named
	// Follows tells, for each check that failed or could not be told only because of another, the id
	// of that other check's cause, or of the check where it names none.
	Follows   map[string]string
	NotLooked []NotLooked
	Path      []Hop
	LastPing  time.Time // last proof that the service accepted the node; zero: none
	Doubt     *Doubt    // where the state cannot be told; else nil
	Until     time.Time // when a degraded node will be lost; zero: not known
}

// Diagnose ranks the findings. Rules, in order: what another failure explains is
// not a cause; then what it does to the node, whether it may end it, directness of the evidence, the place
// on the way, group order, id.
func Diagnose(n *node.Node, found Findings) Answer { return diagnose(n, found, !n.Facts.Live()) }

// DiagnoseImage is Diagnose for a machine image: remedies start nothing and
// act on the image, and what a running host is asked for is left out.
func DiagnoseImage(n *node.Node, found Findings) Answer {
	a := diagnose(n, found, true)
	a.NotLooked, a.Path, a.Doubt = nil, nil, nil
	return a
}

func diagnose(n *node.Node, found Findings, image bool) Answer {
	a := Answer{Follows: followers(found)}
	a.LastPing = n.Acceptance.Proof.At
	accepted := n.Acceptance.Now == node.Yes

	list := nameCauses(n, found, a.Follows, image)
	if n.Facts.Broken() != "" {
		// What would speak against the node, or for another cause, may be missing.
		list, accepted = nil, false
	}
	unclear := firstUnclear(found, a.Follows)
	a.State = stateOf(n, list, accepted, unclear != nil)
	if a.State == Degraded {
		a.Until = firstEnd(list)
	}
	for i, c := range list {
		// A cause of last resort is the answer only where nothing else is in the way.
		if a.Root == nil && (c.Severity != causes.Info || c.Cause.LastResort && a.State == NotManaged) {
			a.Root = &list[i]
			if c.Cause.LastResort {
				a.Root.Summary = text.New("nothing else that stops the agent was found: ").Append(c.Summary)
			}
			continue
		}
		a.Also = append(a.Also, c)
	}
	a.Summary = summarize(n, a, unclear)
	a.NotLooked = notLooked(n, a)
	a.Path = path(found, a)
	a.Doubt = doubtOf(n, found, a)
	return a
}

// firstUnclear is the first finding, not explained by another, that saw that something
// is wrong and could not tell what; nil: there is none.
func firstUnclear(found Findings, follows map[string]string) *checks.Finding {
	var first *checks.Check
	for id, fd := range found {
		if c := checks.Get(id); fd.Status == checks.Unknown && fd.Effect != checks.Notes && follows[id] == "" && (first == nil || isBefore(c, first)) {
			first = c
		}
	}
	if first == nil {
		return nil
	}
	fd := found[first.ID]
	return &fd
}

// stateOf is the state of a node with these causes, and with something that is wrong
// and not understood if unclear. What the service says of the agent decides: a fault
// that only will end it, or breaks a part, is another state.
func stateOf(n *node.Node, list []Named, accepted, unclear bool) State {
	worst, waiting := checks.Notes, false
	for _, c := range list {
		worst = max(worst, c.Effect)
		waiting = waiting || c.Cause.LastResort
	}
	refused := n.Acceptance.Refused == node.Yes
	switch {
	case worst == checks.Blocks:
		return NotManaged
	case accepted && worst >= checks.Breaks:
		return Degraded
	case accepted && !unclear:
		return Managed
	case waiting && !accepted, refused && worst >= checks.Breaks:
		return NotManaged
	}
	return Unknown
}

// firstEnd is the first time at which a cause will take the node away.
func firstEnd(list []Named) (at time.Time) {
	for _, c := range list {
		if !c.Until.IsZero() && (at.IsZero() || c.Until.Before(at)) {
			at = c.Until
		}
	}
	return at
}

// nameCauses are the causes of the findings that nothing explains, worst first, each
// once.
func nameCauses(n *node.Node, found Findings, follows map[string]string, image bool) []Named {
	v := values(n)
	var list []Named
	for id, fd := range found {
		if fd.Status == checks.Fail || fd.Status == checks.Warn {
			if follows[id] != "" {
				continue
			}
			list = append(list, named(v, id, fd, image)...)
		}
		for _, more := range fd.More {
			list = append(list, named(v, id, more, image)...)
		}
	}
	list = distinct(list)
	flags := flagsOf(n)
	for i := range list {
		list[i].Fix = withoutFlags(list[i].Fix, flags)
	}
	return list
}

// followers tells, for each check that failed or could not be told only because of
// another, the cause of that other check, or its id where it names none.
func followers(found Findings) map[string]string {
	out := map[string]string{}
	for id, fd := range found {
		symptom := fd.Status == checks.Warn && fd.Cause == "" // names nothing, and hides nothing
		if fd.Status == checks.Pass || fd.Status == checks.Skip || fd.Stands || symptom {
			continue
		}
		if root := explanation(id, found); root != "" {
			out[id] = root
		}
	}
	return out
}

// explanation is the cause (or else the id) of the failure that explains a finding:
// of those on the way to it, the first that no other of them explains; empty when
// there is none.
func explanation(id string, found Findings) string {
	c := checks.Get(id)
	var roots []*checks.Check
	for other, fd := range found {
		if o := checks.Get(other); other != id && fd.Effect >= checks.Ends && (fd.Status == checks.Fail || fd.Status == checks.Unknown) && explains(o, c, found[id]) {
			roots = append(roots, o)
		}
	}
	sort.Slice(roots, func(i, j int) bool { return isBefore(roots[i], roots[j]) })
	for _, r := range roots {
		if !slices.ContainsFunc(roots, func(o *checks.Check) bool { return o != r && explains(o, r, found[r.ID]) }) {
			return text.Or(found[r.ID].Cause, r.ID)
		}
	}
	return ""
}

// explains reports whether the failure of one check explains a finding of another.
// What was probed in this run is explained only by what the check itself names.
func explains(broken, c *checks.Check, fd checks.Finding) bool {
	if fd.Stands || fd.Answered && broken.OnTheWay() {
		return false
	}
	return c.NeedsCheck(broken) || c.ComesAfter(broken) && fd.Confidence != checks.Proven
}

func isBefore(a, b *checks.Check) bool {
	if x, y := causes.GroupRank(a.Group), causes.GroupRank(b.Group); x != y {
		return x < y
	}
	return a.ID < b.ID
}

// named turns a finding into a reportable cause, with the remedy for an image or
// for the host that runs; nothing when it names none.
func named(host causes.Values, check string, fd checks.Finding, image bool) []Named {
	c := causes.Get(fd.Cause)
	if c == nil {
		return nil
	}
	v := maps.Clone(host)
	for k, s := range fd.Values {
		if s != "" {
			v[k] = s
		}
	}
	steps := fd.Fix
	switch {
	case image && len(steps) == 0:
		steps = c.Image
	case image:
		steps = inImage(steps)
	}
	if len(steps) == 0 {
		steps = c.Fix
	}
	n := Named{Check: check, Cause: c, Severity: fd.Effect.Severity(), Effect: fd.Effect, Until: fd.Until, Confidence: fd.Confidence, Summary: fd.Summary, Evidence: fd.Evidence}
	if n.Confidence == "" {
		n.Confidence = checks.Possible
	}
	for _, s := range steps {
		if !s.Applies(v) {
			continue
		}
		n.Fix = append(n.Fix, s.Fill(v))
		if strings.Contains(s.Command, "{stop}") || strings.Contains(s.Command, "{restart}") {
			warnOfReach(n.Fix, v["reach"])
		}
	}
	return []Named{n}
}

// inImage are the steps of a finding as far as they are for an image, in which nothing is
// started.
func inImage(steps []causes.Step) []causes.Step {
	out := slices.DeleteFunc(slices.Clone(steps), func(s causes.Step) bool {
		return strings.Contains(s.Command, "{restart}") || s.Command == causes.Again.Command
	})
	if len(out) < len(steps) && !slices.Contains(out, causes.ImageAgain) {
		out = append(out, causes.ImageAgain)
	}
	return out
}

// warnOfReach says at the first step that stops the agent what else that touches.
func warnOfReach(fix []causes.Filled, touches string) {
	if touches == "" {
		return
	}
	for _, s := range fix {
		if strings.Contains(s.Text.Format, "Mind: ") {
			return
		}
	}
	last := &fix[len(fix)-1]
	last.Text = last.Text.Add(". Mind: " + touches)
}

// distinct sorts the causes and keeps the first of each id, with the evidence
// of the others.
func distinct(list []Named) []Named {
	sort.SliceStable(list, func(i, j int) bool { return less(list[i], list[j]) })
	var out []Named
	at := map[string]int{}
	for _, n := range list {
		if i, ok := at[n.Cause.ID]; ok {
			out[i].Evidence = append(out[i].Evidence[:len(out[i].Evidence):len(out[i].Evidence)], n.Evidence...)
			continue
		}
		at[n.Cause.ID] = len(out)
		out = append(out, n)
	}
	return out
}

func less(a, b Named) bool {
	if a.Effect != b.Effect {
		return a.Effect > b.Effect
	}
	if x, y := a.Until.IsZero(), b.Until.IsZero(); a.Effect == checks.Breaks && x != y {
		return y // what may take the node away comes before what breaks a part of it
	}
	if x, y := a.Confidence.Rank(), b.Confidence.Rank(); x != y {
		return x < y
	}
	if x, y := checks.Get(a.Check).Place(), checks.Get(b.Check).Place(); x != y {
		return x < y
	}
	if x, y := causes.GroupRank(a.Cause.Group), causes.GroupRank(b.Cause.Group); x != y {
		return x < y
	}
	if a.Cause.ID != b.Cause.ID {
		return a.Cause.ID < b.Cause.ID
	}
	return a.Check < b.Check
}

// summarize is the answer in one sentence.
func summarize(n *node.Node, a Answer, unclear *checks.Finding) text.Text {
	who := text.New("this host")
	if n.Identity.ID != "" {
		who = text.New("%s", n.Identity.ID)
	}
	is := who.Add(" is a managed node")
	if n.Identity.Region != "" {
		is = is.Add(" in %s", n.Identity.Region)
	}
	switch a.State {
	case Managed:
		return is.Add(", last accepted %s", n.Ago(n.Acceptance.Proof.At))
	case Degraded:
		return is.Add(", but ").Append(a.Root.Summary)
	case NotManaged:
		return a.Root.Summary
	}
	whether := text.New("whether ").Append(is)
	if b := n.Facts.Broken(); b != "" {
		return whether.Add(" cannot be told: %s", b)
	}
	switch {
	case a.Root != nil:
		return whether.Add(" cannot be told; seen: ").Append(a.Root.Summary)
	case unclear != nil && n.Acceptance.Now == node.Yes:
		return who.Add(" is accepted, but what is wrong with it cannot be told: ").Append(unclear.Summary)
	case unclear != nil:
		return whether.Add(" cannot be told; seen: ").Append(unclear.Summary)
	}
	return whether.Add(" cannot be told from what was seen")
}
