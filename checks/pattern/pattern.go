// Package pattern makes regular expressions when they are first used. A run needs few of
// those that there are, and each takes its memory.
package pattern

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression that is made at its first use.
type Pattern struct {
	text string
	once sync.Once
	re   *regexp.Regexp
}

// New keeps the text of an expression. One that cannot be made panics at its first use.
func New(text string) *Pattern { return &Pattern{text: text} }

// Regexp is the expression itself.
func (p *Pattern) Regexp() *regexp.Regexp {
	p.once.Do(func() { p.re = regexp.MustCompile(p.text) })
	return p.re
}

// The methods of an expression that are used.

func (p *Pattern) MatchString(s string) bool              { return p.Regexp().MatchString(s) }
func (p *Pattern) Match(b []byte) bool                    { return p.Regexp().Match(b) }
func (p *Pattern) FindString(s string) string             { return p.Regexp().FindString(s) }
func (p *Pattern) FindAllString(s string, n int) []string { return p.Regexp().FindAllString(s, n) }
func (p *Pattern) FindStringSubmatch(s string) []string   { return p.Regexp().FindStringSubmatch(s) }
func (p *Pattern) FindSubmatch(b []byte) [][]byte         { return p.Regexp().FindSubmatch(b) }
func (p *Pattern) FindStringIndex(s string) []int         { return p.Regexp().FindStringIndex(s) }
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
