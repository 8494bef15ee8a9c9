// Package symptoms leads from what people and programs see of a node that is not right
// (an error of the AWS CLI, a word of the console, a line of the agent's log) to the
// causes that say so.
package symptoms

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"slices"
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
	"ssm-doctor/checks/sorting"
)

// Symptom is one thing that is seen, with the causes that it is a sign of.
type Symptom struct {
	// Words all occur in what is seen, in any case. The first is its name.
	Words []string
	// Place is where it is seen.
	Place string
	// Means is a clause on what it says and what it leaves open.
	Means string
	// Causes are those that it is a sign of, the most common first; none where it says no
	// more than which part of the agent is concerned, or that the node is not at fault.
	Causes []string

	plain []string // the words as plain makes them
}

// Places where symptoms are seen.
const (
	Caller  = "AWS CLI, SDK or plug-in"
	Console = "console"
	AnyLog  = "errors and logs"
	Agent   = "log of the agent"
	CLI     = "ssm-cli get-diagnostics"
)

// Found is a symptom that occurs in a text.
type Found struct {
	Symptom
	Times int
	// Line is the number of the last line with it, from 1.
	Line int
	// Broad: it names several causes, and the same line holds words that tell more.
	Broad bool
	// Checks are those that look at it, where it has no causes.
	Checks []string

	ofNode bool // of a line that says that the node is not accepted
}

// Answer is what a text says.
type Answer struct {
	Found []Found
	// Causes are ranked: those that the most telling symptoms name come first.
	Causes []string
	// Lines is how many lines were looked at, Harmless how many of them are known to say
	// nothing of a fault.
	Lines, Harmless int
	// Well is the number of the last line that tells that the node was accepted, after
	// which what was said of it before is past; 0: none does.
	Well int
}

// maxLine is how much of one line is looked at, in bytes.
const maxLine = 1 << 16

// Read looks for symptoms in a text of one line or many, to its end. What the log of an
// agent says of the node before it was accepted again is left out; what it says of
// features stays. Of a line longer than 64 KiB the rest is passed over.
func Read(r io.Reader) (Answer, error) {
	var a Answer
	in := bufio.NewReaderSize(r, maxLine)
	beat := 0 // line of a heartbeat after which none is known to have failed; 0: none
	var row diagnosis
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			a.Lines++
			if text := plain(string(line)); row.read(text) {
				a.found(row.symptoms())
			} else {
				beat = a.take(text, beat)
			}
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if err != nil {
			a.Causes = rank(a.Found)
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return a, err
		}
	}
}

// take takes up one line, in small letters; beat is the line of the last heartbeat.
func (a *Answer) take(line string, beat int) int {
	sig, known := signatureOf(line)
	switch {
	case known && sig.ID == facts.SigHealthOK: // it is written before its answer comes
		if beat > 0 {
			a.settle(beat)
		}
		return a.Lines
	case known && settles[sig.ID]:
		a.settle(a.Lines)
		return beat
	case known && sig.Kind == facts.KindNode:
		beat = 0
	}
	list, harmless := inLine(line, sig, known)
	a.found(list, harmless)
	return beat
}

// found takes up the symptoms of one line.
func (a *Answer) found(list []Found, harmless bool) {
	if harmless {
		a.Harmless++
	}
	for _, y := range list {
		i := slices.IndexFunc(a.Found, func(f Found) bool { return f.name() == y.name() && f.ofNode == y.ofNode })
		if i < 0 {
			i = len(a.Found)
			a.Found = append(a.Found, y)
		}
		a.Found[i].Times++
		a.Found[i].Line = a.Lines
	}
}

// settle leaves out what was said of the node up to a line.
func (a *Answer) settle(line int) {
	a.Well = line
	a.Found = slices.DeleteFunc(a.Found, func(f Found) bool { return f.ofNode && f.Line <= line })
}

// settles are lines after which the node is accepted.
var settles = map[string]bool{facts.SigProfileOK: true, facts.SigDHMCOK: true, facts.SigChannelUp: true}

// ofNode are the kinds of lines that say that the node is not accepted.
var ofNode = map[string]bool{facts.KindNode: true, facts.KindFailure: true, facts.KindBackoff: true}

func (y Symptom) name() string { return y.Place + "\x00" + strings.Join(y.Words, "\x00") }

// inLine are the symptoms of a line in small letters: those that its words name, the one
// that the agent writes it for, and else the part of the agent that wrote it. Harmless: it is
// known to say nothing of a fault.
func inLine(line string, sig facts.Signature, known bool) (out []Found, harmless bool) {
	switch {
	case known && (sig.Kind == facts.KindNoise || sig.Kind == facts.KindSuccess):
		return nil, true
	// The fault of a caller's plug-in is information to the node, and what whoever pastes it asks for.
	case known && sig.Kind == facts.KindInfo && len(ofSignature(sig.ID)) == 0 && sig.ID != facts.SigSessionClient:
		return nil, false
	}
	logged := entry.MatchString(line)
	out = inWords(line, known && ofNode[sig.Kind])
	l, ordinary := facts.Line{}, false
	if !known {
		l, ordinary = lineOf(line, logged)
	}
	if ordinary && l.Kind == facts.KindNoise && !logged {
		return out, false // another program can print the same
	}
	if ordinary && l.Kind == facts.KindNoise {
		// The agent goes on without what failed; that it failed for a reason which has a
		// name may be a fault all the same, unless it closes a connection that is cut already.
		if strings.Contains(strings.ToLower(strings.Join(l.Fragments, " ")), "clos") {
			return nil, true
		}
		for i := range out {
			out[i].Broad = true
		}
		return out, len(out) == 0
	}
	if list := ofSignature(sig.ID); known && len(list) > 0 {
		y := Symptom{Words: sig.Fragments, Place: Agent, Means: kindWords[sig.Kind], Causes: list}
		if !slices.ContainsFunc(out, func(o Found) bool { return o.covers(y) }) {
			out = append(out, Found{Symptom: y, Broad: len(out) > 0 && len(list) > 1, ofNode: ofNode[sig.Kind] || sig.Kind == facts.KindInfo})
		}
	}
	if len(out) > 0 {
		return out, false
	}
	if ordinary {
		p := ofModule(l.Module)
		return []Found{{Symptom: Symptom{Words: l.Fragments, Place: Agent, Means: "it follows from another fault, and concerns " + p.Means, Causes: p.Causes}, Broad: true, ofNode: isOfNode(p)}}, false
	}
	if p, tag := partOf(line); logged && tag != "" {
		return []Found{{Symptom: Symptom{Words: []string{tag}, Place: Agent, Means: "an error that this program does not know; it concerns " + p.Means}, Checks: strings.Fields(p.Words[1]), ofNode: isOfNode(p)}}, false
	}
	return nil, false
}

// inWords are the symptoms that the words of a line in small letters name.
func inWords(line string, node bool) []Found {
	var out []Found
	for _, y := range Table() {
		if holds(line, y.plain) && !slices.ContainsFunc(out, func(o Found) bool { return o.covers(y) }) {
			out = append(out, Found{Symptom: y, ofNode: node})
		}
	}
	// Where the line names another layer than the role's policies, that is why.
	if slices.ContainsFunc(out, func(f Found) bool { return f.first(layers...) }) {
		for i := range out {
			out[i].Broad = out[i].Broad || out[i].first("iam-missing-registration-action", "iam-missing-channel-action", "iam-missing-feature-action")
		}
	}
	return out
}

// plain is text in small letters, with "isn't" as "is not" and straight quotes, so that one
// row of a table is for all ways to write it.
func plain(s string) string { return plainly.Replace(strings.ToLower(s)) }

var plainly = strings.NewReplacer("can't", "cannot", "can’t", "cannot", "n't", " not", "n’t", " not", "‘", "'", "’", "'", "“", `"`, "”", `"`, "│", "|")

// first reports whether the first cause is one of some.
func (y Symptom) first(of ...string) bool {
	return len(y.Causes) > 0 && slices.Contains(of, y.Causes[0])
}

// entry is how a warning or an error begins in the agent's log.
var entry = pattern.New(`(?:^|[0-9] )(?:error|warn|critical) \[|[0-9] (?:error|warn|critical) `)

// fewWords is how short the words of a row of facts.Lines are that other programs may use
// as well: such a row is for entries of the agent's log alone.
const fewWords = 24

// lineOf is the row of facts.Lines that a line has.
func lineOf(line string, logged bool) (facts.Line, bool) {
	words := lineWords()
	for i, l := range facts.Lines() {
		if (logged || len(strings.Join(l.Fragments, "")) >= fewWords) && holds(line, words[i]) {
			return l, true
		}
	}
	return facts.Line{}, false
}

// layers are the causes that a refusal names by the layer that refuses.
var layers = []string{"iam-explicit-deny", "vpce-policy-deny"}

// covers reports whether a symptom says all that another one says, and more.
func (y Symptom) covers(o Symptom) bool {
	return !slices.ContainsFunc(o.Words, func(w string) bool {
		w = strings.TrimRight(strings.ToLower(w), ":")
		return !slices.ContainsFunc(y.Words, func(v string) bool { return strings.Contains(strings.ToLower(v), w) })
	})
}

var kindWords = map[string]string{
	facts.KindNode: "the node is not accepted, or the agent cannot start", facts.KindFailure: "one part or one of several ways failed",
	facts.KindFeature: "a feature does not work", facts.KindBackoff: "the agent waits before it tries again",
}

// signatureOf is the first signature of the agent's log that a line has.
func signatureOf(line string) (facts.Signature, bool) {
	words := signatureWords()
	for i, s := range facts.Signatures {
		if holds(line, words[i]) {
			return s, true
		}
	}
	return facts.Signature{}, false
}

// holds reports whether a line has all words; both are as plain makes them.
func holds(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}

// rank orders the causes: each symptom gives its first cause a whole vote, the second a
// half, the third a third, and so on. One that names few causes weighs more than one
// that names many, and what is seen last more than what came before. Causes that say no
// more than that the agent waits come last.
func rank(found []Found) []string {
	votes := map[string]float64{}
	var order []string
	last := 0
	for _, f := range found {
		last = max(last, f.Line)
	}
	for _, f := range found {
		if len(f.Causes) == 0 {
			continue
		}
		weight := 1 + 2/float64(len(f.Causes))
		if f.Broad {
			weight /= 3
		}
		if f.Line == last {
			weight *= 1.5
		}
		for i, c := range f.Causes {
			if _, ok := votes[c]; !ok {
				order = append(order, c)
			}
			votes[c] += weight / float64(i+1)
		}
	}
	for c := range votes {
		if causes.Get(c).LastResort {
			votes[c] = 0
		}
	}
	sorting.By(order, func(a, b string) int { return cmp.Compare(votes[b], votes[a]) })
	return order
}
