package report

import (
	"io"

	"golang.org/x/net/html"
)

// What other pages of this program are made of: the same elements and the same style.

// Attr is an attribute of an element.
type Attr = prop

// Tag makes an element of attributes, texts, elements and lists of them.
func Tag(name string, parts ...any) *html.Node { return tag(name, parts...) }

// Section is a part of a page with its heading.
func Section(id, heading string, parts ...any) *html.Node { return section(id, heading, parts...) }

// Folded hides parts of a page until a click on the summary.
func Folded(summary string, parts ...any) *html.Node { return folded(summary, parts...) }

// Table has a caption and names its columns.
func Table(caption string, heads []string, rows []*html.Node) *html.Node {
	return table("fold", caption, heads, body(rows))
}

// Row is a row of a table; its first cell names it.
func Row(name any, cells ...any) *html.Node {
	r := tag("tr", th(name))
	for _, c := range cells {
		add(r, td(c))
	}
	return r
}

// Command is a command with a button that copies it.
func Command(c string) *html.Node { return command(c) }

// Heading is the head of a page: a verdict with its sign, in the colour of a state, and
// what is said beside it.
func Heading(color, verdict, lead string, facts ...string) *html.Node {
	list := tag("ul", class("node"), each(facts, func(s string) *html.Node { return tag("li", s) }))
	return tag("header", lineEnd(), tag("div", class("verdict "+color), lineEnd(), sign(color), tag("div", lineEnd(), tag("h1", verdict), lineEnd(), tag("p", class("lead"), lead), lineEnd(), list, lineEnd())), lineEnd())
}

// IDs are ids in a sentence: none is broken at the end of a line.
func IDs(list []string) []*html.Node {
	var out []*html.Node
	for i, id := range list {
		if i > 0 {
			out = append(out, raw(", "))
		}
		out = append(out, tag("span", class("id"), id))
	}
	return out
}

// WritePage writes a page of its own around a header and sections: it loads nothing.
func WritePage(w io.Writer, title, color string, header *html.Node, foot string, sections ...*html.Node) error {
	main := tag("main", prop{"id", "main"}, prop{"tabindex", "-1"}, lineEnd())
	for _, s := range sections {
		if s != nil {
			add(main, s)
			add(main, lineEnd())
		}
	}
	return html.Render(w, document(headOf(title, color), tag("body", lineEnd(), header, lineEnd(), main, lineEnd(), tag("footer", tag("p", foot)), lineEnd(), script(), lineEnd())))
}
