package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// Live is what a server knows of the report that it shows. The zero value
// makes a page for a file.
type Live struct {
	Refresh    time.Duration // how often the page looks for a newer report; 0: never
	Reload     Link          // to the same page that does not keep itself up to date, or does
	Now        time.Time     // what relative times count from; zero: the report's time
	Next       time.Time     // next run
	StaleAfter time.Duration // older reports are called old; 0: none
	Explain    string        // address of the page of an id, without the id; empty: there is none
	Links      []Link
}

// Link leads to another page of the server.
type Link struct{ Text, Href string }

// Bounds of a page: hosts and logs write as much as they like.
const (
	htmlRows = 300  // of one table
	htmlClip = 4000 // runes of one text
)

//go:embed page.css
var pageCSS string

// pageJS adds buttons that copy commands and, on a server, fetches the page again and
// puts what changed in its place. The page is whole without it.
//
//go:embed page.js
var pageJS string

// HTML writes a report as one page that loads nothing from elsewhere: style, script and
// icon are in it. It is meant for a file, a mail, or the front page of a server.
func HTML(w io.Writer, r *Report, l Live) error {
	r = withoutSecrets(r)
	r.Normalize()
	var b bytes.Buffer
	if err := html.Render(&b, newPageView(r, l).tree()); err != nil {
		return fmt.Errorf("render page: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// statusClass is the colour of a status, state or severity; what is not known is grey.
func statusClass(status string) string {
	if _, known := marks[status]; !known || status == Unknown {
		return "dim"
	}
	switch markOf(status).style {
	case styleBad:
		return "bad"
	case styleWarn:
		return "warn"
	case styleGood:
		return "good"
	}
	return "dim"
}

func verdictClass(v string) string {
	switch {
	case strings.HasPrefix(v, "allowed"):
		return "good"
	case strings.HasPrefix(v, "denied"):
		return "bad"
	}
	return "dim"
}

func reachText(b *bool) string {
	if b == nil {
		return "not looked at"
	}
	return yesNo(*b)
}

// wordView is a word of a command and the space behind it. Words go to the next
// line whole: a break inside "--name" looks like two options.
type wordView struct{ Word, Space string }

// commandWords keeps the spaces and line breaks of a command and nothing else
// that is not printable.
func commandWords(c string) []wordView {
	c = strings.TrimRight(clip(strings.ReplaceAll(c, "\r\n", "\n"), 3*htmlClip), "\n")
	var out []wordView
	for c != "" {
		word := c
		if i := strings.IndexAny(c, " \n"); i >= 0 {
			word = c[:i]
		}
		rest := c[len(word):]
		space := rest[:len(rest)-len(strings.TrimLeft(rest, " \n"))]
		out = append(out, wordView{Printable(word), space})
		c = rest[len(space):]
	}
	return out
}
