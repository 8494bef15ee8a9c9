package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/html"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
)

// ExplainHTML writes the page of a check, a cause or an alert, without a word of any host;
// of no id the list of them. false: there is no such id. Pages lie beside each other, and
// the report in the folder above.
func ExplainHTML(w io.Writer, id string) (bool, error) {
	title, parts := "What ssm-doctor can say", explainIndex()
	if id != "" {
		pages := Pages(id)
		if len(pages) == 0 {
			return false, nil
		}
		title, parts = pages[0].ID, nil
		for _, p := range pages {
			parts = append(parts, explainPage(p)...)
		}
	}
	main := tag("main", prop{"id", "main"}, prop{"tabindex", "-1"}, lineEnd())
	for _, n := range parts {
		add(main, n)
		add(main, lineEnd())
	}
	var lead *html.Node
	if id != "" {
		lead = tag("p", class("lead"), explainLead(id))
	}
	doc := document(headOf(title, "dim"), tag("body", lineEnd(), tag("a", class("skip"), prop{"href", "#main"}, "Skip to the text"), lineEnd(),
		tag("header", lineEnd(), tag("div", class("verdict"), tag("div", tag("h1", title), lead)), lineEnd()), lineEnd(), main, lineEnd(),
		tag("footer", tag("p", link("../", "This host"), raw(" · "), link("./", "All causes, checks and alerts"))), lineEnd(), script(), lineEnd()))
	var b bytes.Buffer
	if err := html.Render(&b, doc); err != nil {
		return true, fmt.Errorf("render page of %s: %w", id, err)
	}
	_, err := w.Write(b.Bytes())
	return true, err
}

// explainLead is the titles of an id, with their kinds where it has two.
func explainLead(id string) string {
	var out []string
	for _, p := range Pages(id) {
		out = append(out, upperFirst(p.Title)+" ("+p.Kind+").")
	}
	return strings.Join(out, " ")
}

func explainPage(p Page) []*html.Node {
	var out []*html.Node
	for i, part := range p.Parts {
		list := tag("ol", class("steps"))
		if len(part.Items) > 0 && part.Items[0].Command == "" {
			list = tag("ul", class("docs"))
		}
		for _, it := range part.Items {
			switch {
			case it.Command != "":
				add(list, tag("li", it.Text, lineEnd(), command(it.Command)))
			case strings.HasPrefix(it.Link, "https://"):
				add(list, tag("li", tag("a", prop{"href", it.Link}, prop{"rel", "noreferrer"}, docName(it.Link))))
			default:
				add(list, tag("li", toPage(it.Link[strings.IndexByte(it.Link, '/')+1:]), " "+it.Text))
			}
			add(list, lineEnd())
		}
		var text *html.Node
		if part.Text != "" {
			text = tag("p", part.Text)
		}
		if list.FirstChild == nil {
			list = nil
		}
		out = append(out, section(fmt.Sprintf("%s-%d", p.Kind, i), part.Head, text, lineEnd(), list))
	}
	return out
}

func toPage(id string) *html.Node {
	return tag("a", class("tag"), prop{"href", id}, id)
}

// explainIndex lists causes first: who looks here has one.
func explainIndex() []*html.Node {
	one := func(id, title string) *html.Node { return tag("li", toPage(id), " "+title) }
	list := func(id, heading string, items []*html.Node) *html.Node {
		return section(id, heading, tag("ul", class("docs"), items))
	}
	var c, k, a []*html.Node
	for _, x := range causes.All() {
		c = append(c, one(x.ID, x.Title), lineEnd())
	}
	for _, x := range checks.All() {
		k = append(k, one(x.ID, x.Title), lineEnd())
	}
	for _, x := range alerts {
		a = append(a, one(x.id, x.title), lineEnd())
	}
	return []*html.Node{list("causes", "Causes", c), list("alerts", "Alerts", a), list("checks", "Checks", k)}
}
