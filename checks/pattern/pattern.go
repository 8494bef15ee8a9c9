// Package pattern makes regular expressions when they are first used. A run needs few of
// those that there are, and each takes its memory.
package pattern

import (
	"regexp"
	"strings"
	"sync"
)

// Pattern is a regular expression that is made at its first use: for the first text that
// holds the words which it begins with.
type Pattern struct {
	text  string
	words string
	once  sync.Once
	re    *regexp.Regexp
}

// New keeps the text of an expression. One that cannot be made panics at its first use.
func New(text string) *Pattern { return &Pattern{text: text, words: begins(text)} }

// begins are the letters, digits and spaces that whatever an expression matches begins
// with; empty where that is not plain to see.
func begins(text string) string {
	n := 0
	for n < len(text) && (text[n] == ' ' || text[n] >= '0' && text[n] <= '9' || text[n] >= 'A' && text[n] <= 'Z' || text[n] >= 'a' && text[n] <= 'z') {
		n++
	}
	if n > 0 && n < len(text) && strings.IndexByte("?*+{", text[n]) >= 0 { // of the last one alone
		n--
	}
	if n == 0 || hasAlternatives(text[n:]) {
		return ""
	}
	return text[:n]
}

// hasAlternatives reports whether an expression may match something else as a whole:
// whether it has a | outside of groups and classes.
func hasAlternatives(text string) bool {
	depth, class := 0, -1 // where a class begins
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && strings.HasPrefix(text[i:], `\Q`):
			return true
		case c == '\\':
			i++
		case class >= 0:
			if c == ']' && strings.Trim(text[class+1:i], "^") != "" {
				class = -1
			}
		case c == '[':
			class = i
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '|' && depth == 0:
			return true
		}
	}
	return false
}

// Regexp is the expression itself.
func (p *Pattern) Regexp() *regexp.Regexp {
	p.once.Do(func() { p.re = regexp.MustCompile(p.text) })
	return p.re
}

// The methods of an expression that are used.

func (p *Pattern) MatchString(s string) bool {
	return strings.Contains(s, p.words) && p.Regexp().MatchString(s)
}
func (p *Pattern) Match(b []byte) bool { return p.Regexp().Match(b) }
func (p *Pattern) FindString(s string) string {
	if !strings.Contains(s, p.words) {
		return ""
	}
	return p.Regexp().FindString(s)
}
func (p *Pattern) FindAllString(s string, n int) []string { return p.Regexp().FindAllString(s, n) }
func (p *Pattern) FindStringSubmatch(s string) []string {
	if !strings.Contains(s, p.words) {
		return nil
	}
	return p.Regexp().FindStringSubmatch(s)
}
func (p *Pattern) FindSubmatch(b []byte) [][]byte { return p.Regexp().FindSubmatch(b) }
func (p *Pattern) FindStringIndex(s string) []int { return p.Regexp().FindStringIndex(s) }
func (p *Pattern) FindStringSubmatchIndex(s string) []int {
	return p.Regexp().FindStringSubmatchIndex(s)
}
func (p *Pattern) FindAllSubmatch(b []byte, n int) [][][]byte {
	return p.Regexp().FindAllSubmatch(b, n)
}
func (p *Pattern) FindAllStringIndex(s string, n int) [][]int {
	return p.Regexp().FindAllStringIndex(s, n)
}
func (p *Pattern) FindAllStringSubmatch(s string, n int) [][]string {
	return p.Regexp().FindAllStringSubmatch(s, n)
}
func (p *Pattern) FindAllStringSubmatchIndex(s string, n int) [][]int {
	return p.Regexp().FindAllStringSubmatchIndex(s, n)
}
func (p *Pattern) ReplaceAllString(s, to string) string { return p.Regexp().ReplaceAllString(s, to) }
func (p *Pattern) ReplaceAllStringFunc(s string, to func(string) string) string {
	return p.Regexp().ReplaceAllStringFunc(s, to)
}
func (p *Pattern) SubexpIndex(name string) int { return p.Regexp().SubexpIndex(name) }
