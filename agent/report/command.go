package report

import (
	"strings"

	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/pattern"
)

// How a command is broken into lines that can be pasted as they stand.
const (
	commandIndent  = 6
	continueIndent = 10
	splitSearch    = 24 // how far back a long word is searched for a sign to break after
)

// command is a command as it is pasted. It is broken between its options and never by
// the terminal; code of Terraform is left as it is.
func (t *screen) command(s Step) []string {
	whole := strings.Split(strings.TrimRight(s.Command.String(), "\n"), "\n")
	for i, l := range whole {
		whole[i] = t.show(strings.TrimSuffix(l, "\r"))
	}
	shell := posix
	if s.Where == causes.OnHost && t.r.Node.GOOS == "windows" {
		shell = powerShell
	}
	if s.Where == causes.Terraform || !breakable(whole, shell) {
		return indented(whole)
	}
	var out []string
	for _, l := range whole {
		for _, one := range apart(l, shell) {
			out = append(out, broken(one, t.s.Width, shell)...)
		}
	}
	return out
}

func indented(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.Repeat(" ", commandIndent) + l
	}
	return out
}

// shell is what a command line is pasted into.
type shell struct {
	escape   byte            // takes the meaning from the character after it
	goesOn   string          // ends a line that goes on
	splits   bool            // a word may be broken by it, too
	opening  map[string]bool // words that open a block which semicolons belong to
	closing  map[string]bool
	operator map[string]bool
}

var (
	posix = shell{escape: '\\', goesOn: ` \`, splits: true,
		opening:  setOf("for", "while", "until", "if", "case"),
		closing:  setOf("done", "fi", "esac"),
		operator: setOf("&&", "||", "|")}
	powerShell = shell{escape: '`', goesOn: " `", operator: setOf("|")}
)

func setOf(list ...string) map[string]bool {
	out := map[string]bool{}
	for _, w := range list {
		out[w] = true
	}
	return out
}

// breakable reports whether lines hold nothing whose meaning a line break changes:
// documents in the command, comments, and quotes over several lines.
func breakable(lines []string, sh shell) bool {
	for _, l := range lines {
		if strings.Contains(l, "<<") {
			return false
		}
		list, open := tokens(l, sh)
		if open {
			return false
		}
		for _, w := range list {
			if strings.HasPrefix(w, "#") {
				return false
			}
		}
	}
	return true
}

// tokens are the words of a command line, with their quotes; open: a quote does not end.
func tokens(line string, sh shell) (list []string, open bool) {
	start, quote := -1, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		if start < 0 && c != ' ' {
			start = i
		}
		switch {
		case quote == 0 && c == ' ':
			if start >= 0 {
				list = append(list, line[start:i])
			}
			start = -1
		case c == sh.escape && quote != '\'':
			i++
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == quote:
			quote = 0
		}
	}
	if start >= 0 {
		list = append(list, line[start:])
	}
	return list, quote != 0
}

// apart puts commands that semicolons chain on lines of their own. Those of a loop, a
// condition or a block stay together.
func apart(line string, sh shell) []string {
	list, _ := tokens(line, sh)
	var out, now []string
	depth := 0
	for _, w := range list {
		depth += brackets(w, sh)
		bare := strings.TrimSuffix(w, ";")
		if sh.opening[bare] {
			depth++
		}
		if sh.closing[bare] {
			depth--
		}
		if depth == 0 && strings.HasSuffix(w, ";") && !strings.HasSuffix(w, ";;") && !strings.HasSuffix(w, `\;`) {
			if bare != "" {
				now = append(now, bare)
			}
			out, now = append(out, strings.Join(now, " ")), nil
			continue
		}
		now = append(now, w)
	}
	if len(now) > 0 {
		out = append(out, strings.Join(now, " "))
	}
	return out
}

// brackets is how many more brackets a word opens than it closes, outside its quotes.
func brackets(word string, sh shell) int {
	n, quote := 0, byte(0)
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c == sh.escape && quote != '\'':
			i++
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == quote:
			quote = 0
		case quote != 0:
		case strings.IndexByte("({[", c) >= 0:
			n++
		case strings.IndexByte(")}]", c) >= 0:
			n--
		}
	}
	return n
}

// broken lays one command out in lines of at most width cells: an option stays with
// its value, and what goes on says so.
func broken(line string, width int, sh shell) []string {
	if commandIndent+cells(line) <= width {
		return []string{strings.Repeat(" ", commandIndent) + line}
	}
	b := &breaker{width: width - len(sh.goesOn), sh: sh, line: strings.Repeat(" ", commandIndent)}
	for _, part := range parts(units(line, sh), sh) {
		whole := join(part)
		if b.used && !b.fits(whole) { // what an operator begins stands together if it can
			b.next()
		}
		if b.fits(whole) {
			b.put(whole)
			continue
		}
		for _, unit := range part {
			b.putUnit(unit)
		}
	}
	return append(b.lines, b.line)
}

// units are the words of a command that stay together: an option and its values, and
// the operator behind them.
func units(line string, sh shell) [][]string {
	list, _ := tokens(line, sh)
	var out [][]string
	option := false
	for _, w := range list {
		switch {
		case sh.operator[w] && len(out) > 0:
			out[len(out)-1] = append(out[len(out)-1], w)
			option = false
		case strings.HasPrefix(w, "-") && len(w) > 1, w == ">", w == ">>", w == "<":
			out = append(out, []string{w})
			option = true
		case option:
			out[len(out)-1] = append(out[len(out)-1], w)
			option = false // what follows may be an argument of its own
		default:
			out = append(out, []string{w})
		}
	}
	return out
}

// parts are the commands of a line with operators between them.
func parts(list [][]string, sh shell) [][][]string {
	out := [][][]string{nil}
	for _, u := range list {
		last := len(out) - 1
		out[last] = append(out[last], u)
		if sh.operator[u[len(u)-1]] {
			out = append(out, nil)
		}
	}
	return out
}

func join(part [][]string) string {
	var words []string
	for _, u := range part {
		words = append(words, u...)
	}
	return strings.Join(words, " ")
}

// putUnit adds an option with its value, on a line of their own where they fit there.
func (b *breaker) putUnit(unit []string) {
	whole := strings.Join(unit, " ")
	if !b.fits(whole) && b.used && continueIndent+cells(whole) <= b.width {
		b.next()
	}
	if b.fits(whole) {
		b.put(whole)
		return
	}
	for _, w := range unit {
		if !b.fits(w) && b.used {
			b.next()
		}
		b.put(w)
	}
}

type breaker struct {
	width int
	sh    shell
	lines []string
	line  string
	used  bool // there is a word on the line
}

func (b *breaker) fits(s string) bool {
	blank := 0
	if b.used {
		blank = 1
	}
	return cells(b.line)+blank+cells(s) <= b.width
}

// next begins another line.
func (b *breaker) next() {
	end := b.sh.goesOn
	if i := strings.LastIndexByte(b.line, ' '); b.sh.operator[b.line[i+1:]] {
		end = "" // an operator says by itself that the command goes on
	}
	b.lines = append(b.lines, b.line+end)
	b.line, b.used = strings.Repeat(" ", continueIndent), false
}

// put adds a word. One that is too long for a line is broken: between the members of a
// quoted document, else anywhere, which needs the first column of the next line.
func (b *breaker) put(w string) {
	if b.used {
		b.line += " "
	}
	b.used = true
	document := reDocument.MatchString(w)
	quoted := false
	for cells(b.line)+cells(w) > b.width {
		at, how := b.cut(w, quoted, document)
		if how == nowhere {
			break
		}
		switch how {
		case betweenMembers:
			b.lines = append(b.lines, b.line+w[:at])
			w, b.line, quoted = strings.TrimLeft(w[at:], " "), strings.Repeat(" ", continueIndent+1), true
		case inQuotes:
			b.lines = append(b.lines, b.line+w[:at]+`'\`)
			w, b.line, quoted = "'"+w[at:], "", false
		case inWord:
			b.lines = append(b.lines, b.line+w[:at]+`\`)
			w, b.line, quoted = w[at:], "", false
		}
	}
	b.line += w
}

// reDocument is a quoted value in which blanks between members mean nothing: JSON, or
// a query of the AWS CLI.
var reDocument = pattern.New(`^[^'" ]*'(\{"|\[\{|\["|[A-Z][A-Za-z]*\[)`)

// Ways to break a long word.
type wordBreak uint8

const (
	nowhere        wordBreak = iota
	betweenMembers           // by a line break alone
	inQuotes                 // the single quotes end and begin again
	inWord
)

// cut is where a long word can be broken, and how. quoted: it begins within a document
// in single quotes.
func (b *breaker) cut(w string, quoted, document bool) (at int, how wordBreak) {
	room := b.width - cells(b.line)
	if room < 8 || room >= len(w) {
		return 0, nowhere
	}
	quote, text, member := byte(0), false, 0
	good, goodIn, safe, safeIn := 0, byte(0), 0, byte(0)
	if quoted {
		quote = '\''
	}
	for i := 0; i < room || document && member == 0 && i < len(w)-1; i++ { // a long member stands out
		c := w[i]
		switch {
		case quote != '\'' && c == b.sh.escape:
			i++
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == quote:
			quote = 0
		case quote == '\'' && c == '"':
			text = !text
		case quote == '\'' && !text && c == ',':
			member = i + 1
		}
		if i > 0 && i+1 < room && w[i] < 0x80 && w[i+1] < 0x80 {
			safe, safeIn = i+1, quote
		}
		if strings.IndexByte(" /,:=", c) >= 0 && i >= room-splitSearch && i+2 < room {
			good, goodIn = i+1, quote
		}
	}
	switch {
	case document && member > 0:
		return member, betweenMembers
	case !b.sh.splits || quoted: // or the last member
		return 0, nowhere
	case good > 0:
		at, quote = good, goodIn
	case safe > 0:
		at, quote = safe, safeIn
	default:
		return 0, nowhere
	}
	if quote == '\'' {
		return at, inQuotes
	}
	return at, inWord
}
