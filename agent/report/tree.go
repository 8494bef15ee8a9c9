package report

import (
	"io"

	"golang.org/x/net/html"
)

// What other pages of this program are made of: the same elements and the same style.

// Attr is an attribute of an element.
type Attr = prop

// Tag makes an element; see tag.
func Tag(name string, parts ...any) *html.Node { return tag(name, parts...) }

// Section is a part of a page with its heading.
func Section(id, heading string, parts ...any) *html.Node { return section(id, heading, parts...) }

// Folded is what a click opens.
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

// Command is one to copy.
func Command(c string) *html.Node { return command(c) }

// WritePage writes a page of its own around a header and sections: it loads nothing.
func WritePage(w io.Writer, title string, header *html.Node, sections ...*html.Node) error {
	doc := &html.Node{Type: html.DocumentNode}
	doc.AppendChild(&html.Node{Type: html.DoctypeNode, Data: "html"})
	head := tag("head", lineEnd(), tag("meta", prop{"charset", "utf-8"}), lineEnd(),
		tag("meta", prop{"name", "viewport"}, prop{"content", "width=device-width, initial-scale=1"}), lineEnd(),
		tag("meta", prop{"http-equiv", "Content-Security-Policy"}, prop{"content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"}), lineEnd(),
		tag("meta", prop{"name", "referrer"}, prop{"content", "no-referrer"}), lineEnd(), tag("title", title+" · ssm-doctor"), lineEnd(),
		tag("link", prop{"rel", "icon"}, prop{"href", "data:,"}), lineEnd(), tag("style", raw(pageCSS)), lineEnd())
	main := tag("main", prop{"id", "main"}, prop{"tabindex", "-1"}, lineEnd())
	for _, s := range sections {
		if s != nil {
			add(main, s)
			add(main, lineEnd())
		}
	}
	doc.AppendChild(tag("html", prop{"lang", "en"}, lineEnd(), head, lineEnd(), tag("body", lineEnd(), header, lineEnd(), main, lineEnd()), lineEnd()))
	return html.Render(w, doc)
}
