package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// The page is a tree that golang.org/x/net/html writes: every text and every attribute
// comes into it by tag, which makes it printable and short, and the library escapes it.
// A template would name methods at run time, for which the linker keeps all methods of
// all types: some 2.5 MB of this program.

// prop is an attribute of an element.
type prop [2]string

func class(names string) prop { return prop{"class", names} }

// tag makes an element of attributes (prop), texts (string), elements and lists of them;
// what is nil or empty is left out.
func tag(name string, parts ...any) *html.Node {
	n := &html.Node{Type: html.ElementNode, Data: name}
	for _, p := range parts {
		switch p := p.(type) {
		case prop:
			n.Attr = append(n.Attr, html.Attribute{Key: p[0], Val: shown(p[1])})
		case string:
			add(n, textNode(p))
		case *html.Node:
			add(n, p)
		case []*html.Node:
			for _, c := range p {
				add(n, c)
			}
		case nil:
		default:
			panic(fmt.Sprintf("a part of %s is a %T", name, p)) // of the program's own, and tested
		}
	}
	return n
}

func add(n, child *html.Node) {
	if child != nil {
		n.AppendChild(child)
	}
}

// shown is a foreign text as a page may show it.
func shown(s string) string { return Printable(clip(s, htmlClip)) }

func textNode(s string) *html.Node {
	if s == "" {
		return nil
	}
	return &html.Node{Type: html.TextNode, Data: shown(s)}
}

// raw is a text of this program: style sheet, script, and the line ends of the source.
func raw(s string) *html.Node { return &html.Node{Type: html.TextNode, Data: s} }

func lineEnd() *html.Node { return raw("\n") }

// each makes nodes of the first elements of a list.
func each[T any](list []T, node func(T) *html.Node) []*html.Node {
	var out []*html.Node
	for _, x := range list[:min(len(list), htmlRows)] {
		if n := node(x); n != nil {
			out = append(out, n, lineEnd())
		}
	}
	return out
}

// where leaves a node out.
func where(ok bool, n func() *html.Node) *html.Node {
	if !ok {
		return nil
	}
	return n()
}

func link(href, says string) *html.Node { return tag("a", prop{"href", href}, says) }

// when is a time in UTC and how far it is from now. The script keeps that distance up to
// date, which is why it is an element of its own.
func (v *pageView) when(at time.Time) []*html.Node {
	out := []*html.Node{timeAt(at)}
	if d := v.apart(at); d != "" {
		out = append(out, raw(" "), tag("span", class("rel"), d))
	}
	return out
}

// apart says how far a time is from now: of a file, from the time of the report.
func (v *pageView) apart(at time.Time) string {
	if v.Now.IsZero() || at.IsZero() {
		return ""
	}
	switch d := v.Now.Sub(at); {
	case d < 0:
		return "in " + span(-d)
	case v.Live.Now.IsZero() && d == 0:
		return ""
	case v.Live.Now.IsZero():
		return span(d) + " earlier"
	default:
		return span(d) + " ago"
	}
}

func timeAt(t time.Time) *html.Node {
	return tag("time", prop{"datetime", t.UTC().Format(time.RFC3339)}, t.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// section is a part of the page with its heading. The script finds a part by its name.
func section(id, heading string, parts ...any) *html.Node {
	return tag("section", append([]any{prop{"data-part", id}, prop{"aria-labelledby", id}, lineEnd(), tag("h2", prop{"id", id}, heading), lineEnd()}, append(parts, lineEnd())...)...)
}

// part is a part of the page without a heading.
func part(id string, n *html.Node) *html.Node {
	if n != nil {
		n.Attr = append(n.Attr, html.Attribute{Key: "data-part", Val: id})
	}
	return n
}

// folded hides parts of a page until a click on the summary.
func folded(summary any, parts ...any) *html.Node {
	return tag("details", append([]any{tag("summary", summary)}, parts...)...)
}

// table has a caption and names its columns; bodies are rows or tbody elements.
func table(classes, caption string, heads []string, bodies ...*html.Node) *html.Node {
	var top []*html.Node
	for _, h := range heads {
		top = append(top, tag("th", prop{"scope", "col"}, h))
	}
	n := tag("table", lineEnd(), tag("caption", caption), lineEnd(), tag("thead", tag("tr", top)), lineEnd(), bodies, lineEnd())
	if classes != "" {
		n.Attr = append(n.Attr, html.Attribute{Key: "class", Val: classes})
	}
	return n
}

func body(rows []*html.Node) *html.Node { return tag("tbody", rows) }

func row(cells ...any) *html.Node { return tag("tr", cells...) }

// th is the cell that names its row.
func th(parts ...any) *html.Node { return tag("th", append([]any{prop{"scope", "row"}}, parts...)...) }

func td(parts ...any) *html.Node { return tag("td", parts...) }

// tdOf is a cell that tells its column where a narrow window folds the table.
func tdOf(column string, parts ...any) *html.Node {
	return tag("td", append([]any{prop{"data-h", column}}, parts...)...)
}

// stateCell is a status as a sign, in its word and colour.
func stateCell(color, sign, word string) *html.Node {
	return tag("td", class("st "+color), badge(color, sign), word)
}

// badge is a sign on a round ground; the word beside it says the same.
func badge(color, sign string) *html.Node {
	return tag("span", class("badge "+color), prop{"aria-hidden", "true"}, sign)
}

func statusCell(status string) *html.Node {
	return stateCell(statusClass(status), markOf(status).glyph, statusWord(status))
}

// statusWord is what a check, station or severity came to, as the page says it.
func statusWord(status string) string {
	if w := map[string]string{"pass": "passed", "fail": "failed", "warn": "warning", "skip": "not for this host", Unknown: "not known"}[status]; w != "" {
		return w
	}
	return strings.ToLower(markOf(status).word)
}

// command is one to copy: words go to the next line whole.
func command(c string) *html.Node {
	code := tag("code")
	for _, w := range commandWords(c) {
		if w.Word != "" {
			add(code, tag("span", members(w.Word)))
		}
		if w.Space != "" {
			add(code, raw(w.Space))
		}
	}
	return tag("div", class("cmd"), tag("pre", prop{"tabindex", "0"}, code))
}

// members is a word of a command that may go on in the next line between the members of
// a list in it.
func members(word string) []*html.Node {
	var out []*html.Node
	for p := range strings.SplitAfterSeq(word, ",") {
		if out != nil && p != "" {
			out = append(out, tag("wbr"))
		}
		out = append(out, raw(p))
	}
	return out
}

func steps(fix []Step, r *Report) *html.Node {
	return tag("ol", class("steps"), lineEnd(), each(stepViews(fix, r), func(s stepView) *html.Node {
		var place, what, changes *html.Node
		if s.Where != "" {
			place = tag("span", class("where"), s.Where)
		}
		if s.Command != "" {
			what = command(s.Command)
		}
		if s.Changes != "" {
			changes = tag("p", class("dim changes"), s.Changes)
		}
		number := prop{"value", strconv.Itoa(s.N)}
		if s.Or {
			return tag("li", class("or"), number, folded([]*html.Node{textNode("Or "), place, textNode(" " + s.Words)}, what, changes))
		}
		return tag("li", number, place, raw(" "), s.Words, lineEnd(), what, changes)
	}))
}

func (v *pageView) evidence(rows []Evidence, caption string) *html.Node {
	return table("fold evidence", caption, []string{"Asked", "Answer", "Where, when"}, body(each(rows, func(e Evidence) *html.Node {
		return row(th(e.What), td(e.Seen), tag("td", class("dim"), v.origin(e)))
	})))
}

// evidenceList is the same where a table has no room.
func (v *pageView) evidenceList(rows []Evidence) *html.Node {
	return tag("ul", class("seen"), each(rows, func(e Evidence) *html.Node {
		return tag("li", tag("b", e.What), raw(" "), e.Seen, raw(" "), tag("span", class("dim"), v.origin(e)))
	}))
}

// origin is where an observation comes from, and of when it is.
func (v *pageView) origin(e Evidence) []*html.Node {
	out := wrappable(e.From)
	switch at, err := time.Parse(time.RFC3339, e.At); {
	case e.At == "":
	case err != nil:
		out = append(out, textNode(" "+e.At))
	default:
		out = append(append(out, raw(" ")), v.when(at)...)
	}
	return out
}

// wrappable is a path or address that may go on in the next line behind a slash.
func wrappable(s string) []*html.Node {
	var out []*html.Node
	for p := range strings.SplitAfterSeq(shown(s), "/") {
		if out != nil && len(p) > 6 {
			out = append(out, tag("wbr"))
		}
		out = append(out, textNode(p))
	}
	return out
}

// checkTable lists checks: what they are called, what came out, and what they saw.
func (v *pageView) checkTable(list []Check, caption string) *html.Node {
	return table("fold checks", caption, []string{"Status", "Check", "Result"}, body(each(list, func(c Check) *html.Node {
		result := td(capital(c.Summary.String()))
		if c.FollowsFrom != "" {
			add(result, tag("p", class("dim"), "Follows from ", v.toCause(c.FollowsFrom)))
		}
		if c.Cause != "" {
			add(result, tag("p", class("dim"), "Cause: ", v.toCause(c.Cause)))
		}
		if len(c.Evidence) > 0 {
			add(result, folded([]*html.Node{textNode("Evidence"), tag("span", class("hide"), " of "+c.ID)}, v.evidenceList(c.Evidence)))
		}
		name := th(c.Title)
		if c.Title != "" {
			add(name, tag("br"))
		}
		add(name, v.toCheck(c.ID))
		return row(statusCell(c.Status), name, result)
	})))
}
