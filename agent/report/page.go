package report

import (
	"fmt"
	"strconv"
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

// raw is a text of this program: the style sheet, and the line ends of the source.
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

func timeAt(t time.Time) *html.Node {
	return tag("time", prop{"datetime", t.UTC().Format(time.RFC3339)}, stamp(t))
}

// section is a part of the page with its heading.
func section(id, heading string, parts ...any) *html.Node {
	return tag("section", append([]any{prop{"aria-labelledby", id}, lineEnd(), tag("h2", prop{"id", id}, heading), lineEnd()}, append(parts, lineEnd())...)...)
}

// folded is what a click opens.
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

// stateCell is a status in its word and colour.
func stateCell(color, word string) *html.Node { return tag("td", class("st "+color), word) }

func statusCell(status string) *html.Node {
	return stateCell(statusClass(status), markOf(status).word)
}

// command is one to copy: words go to the next line whole.
func command(c string) *html.Node {
	code := tag("code")
	for _, w := range commandWords(c) {
		if w.Word != "" {
			add(code, tag("span", raw(w.Word)))
		}
		if w.Space != "" {
			add(code, raw(w.Space))
		}
	}
	return tag("pre", prop{"tabindex", "0"}, code)
}

func steps(fix []Step, r *Report) *html.Node {
	return tag("ol", class("steps"), lineEnd(), each(stepViews(fix, r), func(s stepView) *html.Node {
		li := tag("li", prop{"value", strconv.Itoa(s.N)})
		says := s.Words
		if s.Or {
			li.Attr, says = append([]html.Attribute{{Key: "class", Val: "or"}}, li.Attr...), "or "+says
		}
		add(li, textNode(says))
		if s.Where != "" {
			add(li, raw(" "))
			add(li, tag("span", class("where"), "("+s.Where+")"))
		}
		if s.Command != "" {
			add(li, lineEnd())
			add(li, command(s.Command))
			add(li, lineEnd())
			add(li, tag("span", class("dim"), Printable(s.Changes)))
		}
		return li
	}))
}

func evidence(rows []Evidence, caption string) *html.Node {
	return table("fold evidence", caption, []string{"Asked", "Answer", "When, where"}, body(each(rows, func(e Evidence) *html.Node {
		when := tag("td", class("dim"))
		if e.At != "" {
			add(when, tag("time", prop{"datetime", e.At}, e.At))
			add(when, raw(" "))
		}
		add(when, textNode(e.From))
		return row(th(e.What), td(e.Seen), when)
	})))
}

func checkTable(list []groupView, caption string) *html.Node {
	var bodies []*html.Node
	for _, g := range list {
		rows := each(g.Checks, func(c Check) *html.Node {
			result := td(c.Summary.String())
			if c.FollowsFrom != "" {
				add(result, raw(" "))
				add(result, tag("span", class("dim"), "follows from "+c.FollowsFrom))
			}
			if len(c.Evidence) > 0 {
				add(result, folded([]*html.Node{textNode("Evidence"), tag("span", class("hide"), " of "+c.ID)}, evidence(c.Evidence, "Evidence of "+c.ID)))
			}
			return row(statusCell(c.Status), th(c.ID), result)
		})
		head := row(tag("th", prop{"colspan", "3"}, prop{"scope", "rowgroup"}, g.Name))
		bodies = append(bodies, body(append([]*html.Node{head, lineEnd()}, rows...)), lineEnd())
	}
	return table("fold checks", caption, []string{"Status", "Check", "Result"}, bodies...)
}
