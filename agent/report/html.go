package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"
	"time"
)

// Live is what a server knows of the report that it shows. The zero value
// makes a page for a file.
type Live struct {
	Refresh    time.Duration // the page reloads itself; 0: it does not
	Reload     Link          // to the same page that does not reload itself, or does
	Now        time.Time     // to tell the age of the report; zero: not told
	Next       time.Time     // next run
	StaleAfter time.Duration // older reports are called old; 0: none
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

//go:embed page.tmpl
var pageSource string

// pageTemplate is parsed when a page is first wanted; most runs want none.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"show":        func(s string) string { return Printable(clip(s, 3*htmlClip)) },
		"clip":        func(s string) string { return clip(s, htmlClip) },
		"command":     commandWords,
		"word":        func(status string) string { return markOf(status).word },
		"class":       statusClass,
		"text":        causeText,
		"https":       webOnly,
		"yesno":       yesNo,
		"secs":        seconds,
		"stamp":       stamp,
		"rfc":         func(at time.Time) string { return at.UTC().Format(time.RFC3339) },
		"ready":       func(s string) string { return statusClass(map[string]string{"yes": "pass", "no": "fail"}[s]) },
		"verdict":     verdictClass,
		"reach":       func(b *bool) string { return map[string]string{"yes": "good", "no": "bad"}[reachText(b)] },
		"reachable":   reachText,
		"inTheWay":    func(f Feature, p []Permission) string { return standsInTheWay(f, p, true) },
		"rows":        firstRows,
		"unexplained": unexplainedLine,
		"evidence": func(rows []Evidence, caption string) any {
			return struct {
				Rows    []Evidence
				Caption string
			}{rows, caption}
		},
		"checks": func(groups []groupView, caption string) any {
			return struct {
				Groups  []groupView
				Caption string
			}{groups, caption}
		},
		"steps": stepViews,
	}).Parse(pageSource))
})

// HTML writes a report as one page that loads nothing: no script, no font, no
// picture. It is meant for a file, a mail, or the front page of a server.
func HTML(w io.Writer, r *Report, l Live) error {
	r = withoutSecrets(r)
	r.Normalize()
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, newPageView(r, l)); err != nil {
		return fmt.Errorf("render page: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func statusClass(status string) string {
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

// firstRows bounds what a template ranges over.
func firstRows(list any) any {
	switch l := list.(type) {
	case []Feature:
		return l[:min(len(l), htmlRows)]
	case []Permission:
		return l[:min(len(l), htmlRows)]
	case []Endpoint:
		return l[:min(len(l), htmlRows)]
	case []Source:
		return l[:min(len(l), htmlRows)]
	case []Call:
		return l[:min(len(l), htmlRows)]
	case []NotLooked:
		return l[:min(len(l), htmlRows)]
	case []Unexplained:
		return l[:min(len(l), htmlRows)]
	case []Evidence:
		return l[:min(len(l), htmlRows)]
	}
	return list
}

// webOnly leaves out documents that are files of ours.
func webOnly(docs []string) []string {
	var out []string
	for _, d := range docs[:min(len(docs), htmlRows)] {
		if strings.HasPrefix(d, "https://") {
			out = append(out, d)
		}
	}
	return out
}
