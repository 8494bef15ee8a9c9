package agentlog

import (
	"strings"
	"unicode/utf8"

	"ssm-doctor/checks/logline"
)

// A shape is what remains of a line when everything that could be of one host is
// taken out. It is safe by construction: only words of package logline remain.

const (
	// shapeRead is how much of a line its shape is made of, maxShape its length.
	shapeRead = 600
	maxShape  = 160
)

// gap stands for what was taken out.
const gap = "*"

// shapeOf appends the shape of an entry of the log, without its time and level.
func shapeOf(shape []byte, text string) []byte {
	text, _, _ = strings.Cut(text, "\n")
	text = text[:min(len(text), shapeRead)]
	last := ""
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		var word string
		word, text = nextWord(text)
		if word = known(word); word == "" || word == gap && last == gap {
			continue
		}
		last = word
		if len(shape)+1+len(word) > maxShape {
			break
		}
		if len(shape) > 0 {
			shape = append(shape, ' ')
		}
		shape = append(shape, word...)
	}
	return shape
}

// nextWord cuts a word off: up to a blank, or a quotation or the place in the code as a
// whole, which errors.log puts before an entry: "[Run @ agent.go.31]".
func nextWord(s string) (word, rest string) {
	if strings.HasPrefix(s, "[") {
		if in, after, ok := strings.Cut(s[1:], "]"); ok && len(in) < 100 && strings.Contains(in, " @ ") {
			return "", after
		}
	}
	end := strings.IndexAny(s, " \t")
	if end < 0 {
		end = len(s)
	}
	word = s[:end]
	i := strings.IndexAny(word, "\"'`{<")
	if i < 0 || word[i] == '\'' && i > 0 && isLetter(word[i-1]) { // no quotation, or an apostrophe
		return word, s[end:]
	}
	closing := map[byte]string{'{': "}", '<': ">"}[s[i]]
	if closing == "" {
		closing = s[i : i+1]
	}
	n := strings.Index(s[i+1:], closing)
	if n < 0 {
		return gap, "" // what it ends with is not known
	}
	rest = s[i+1+n+1:]
	end = strings.IndexAny(rest, " \t")
	if end < 0 {
		end = len(rest)
	}
	return gap, rest[end:]
}

// known is a word as it may be shown: itself with a few of the signs around it, which
// give a line its form, or a gap. Signs alone are left out.
func known(word string) string {
	const opening, closing = "([", ".,:;!?)]"
	core := strings.Trim(word, opening+closing)
	switch {
	case strings.Trim(core, "-=>") == "":
		return ""
	case !logline.IsWord(core):
		return gap
	case len(word)-len(core) > 4:
		return core
	}
	return word
}

func isLetter(c byte) bool { return c < utf8.RuneSelf && (c|0x20 >= 'a' && c|0x20 <= 'z') }
