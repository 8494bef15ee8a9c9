package symptoms

import (
	_ "embed"
	"strings"
	"sync"

	"ssm-doctor/checks/facts"
)

//go:embed table.txt
var tableText string

var placeOf = map[string]string{"caller": Caller, "console": Console, "any": AnyLog, "agent": Agent, "ssm-cli": CLI, "signature": Agent, "row": CLI, "part": Agent}

// tables are what table.txt holds.
type tables struct {
	words     []Symptom           // that words alone name, the more telling ones first
	signature map[string][]string // causes of which a line of the agent is a sign, by signature
	rows      []Symptom           // of ssm-cli get-diagnostics
	parts     []Symptom           // of the agent
}

var table = sync.OnceValue(func() (t tables) {
	t.signature = map[string][]string{}
	kind, group := "", Symptom{}
	for line := range strings.Lines(tableText) {
		line = strings.TrimSuffix(line, "\n")
		words, ok := strings.CutPrefix(line, "\t")
		if !ok {
			if cells := strings.SplitN(line, " | ", 3); len(cells) == 3 && line[0] != '#' {
				kind, group = cells[0], Symptom{Place: placeOf[cells[0]], Causes: strings.Fields(cells[1]), Means: cells[2]}
			}
			continue
		}
		group.Words = strings.Split(words, " & ")
		group.plain = plainAll(group.Words)
		switch kind {
		case "signature":
			t.signature[words] = group.Causes
		case "row":
			t.rows = append(t.rows, group)
		case "part":
			t.parts = append(t.parts, group)
		default:
			t.words = append(t.words, group)
		}
	}
	return t
})

// Table are the symptoms that words alone name.
func Table() []Symptom { return table().words }

// ofSignature are the causes that lines of the agent's log are signs of, by signature.
func ofSignature(id string) []string { return table().signature[id] }

// ofModule is the part of the agent that is a module of facts.Lines.
func ofModule(module string) Symptom {
	for _, p := range table().parts {
		if p.Words[0] == module {
			return p
		}
	}
	return Symptom{}
}

// partOf is the part of the agent that writes a line as plain makes it, and the tag that
// tells it; empty: that is not known.
func partOf(line string) (part Symptom, tag string) {
	for _, p := range table().parts {
		for i := 2; i < len(p.plain); i++ {
			if strings.Contains(line, p.plain[i]) {
				return p, p.Words[i]
			}
		}
	}
	return Symptom{}, ""
}

// isOfNode reports whether a part is one without which the node is not accepted.
func isOfNode(part Symptom) bool {
	switch part.Words[0] {
	case "sessions", "commands", "associations", "updates":
		return false
	}
	return true
}

// The words of the tables of the agent's lines, as plain makes them.
var (
	signatureWords = sync.OnceValue(func() (out [][]string) {
		for _, s := range facts.Signatures {
			out = append(out, plainAll(s.Fragments))
		}
		return out
	})
	lineWords = sync.OnceValue(func() (out [][]string) {
		for _, l := range facts.Lines() {
			out = append(out, plainAll(l.Fragments))
		}
		return out
	})
)

func plainAll(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = plain(w)
	}
	return out
}
