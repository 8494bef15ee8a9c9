package report

import (
	"slices"
	"strings"

	"golang.org/x/net/html"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
)

// Anchors of the explanations on a page. Ids come from the catalogue only.
func causeAnchor(id string) string { return "cause-" + id }
func checkAnchor(id string) string { return "check-" + id }

// explainedOn are the anchors of what a report names and the catalogue knows.
func explainedOn(r *Report) map[string]bool {
	on := map[string]bool{}
	cause := func(id string) {
		if causes.Get(id) != nil {
			on[causeAnchor(id)] = true
		}
	}
	if r.RootCause != nil {
		cause(r.RootCause.ID)
	}
	for _, c := range r.Also[:min(len(r.Also), htmlRows)] {
		cause(c.ID)
	}
	for _, c := range r.Checks[:min(len(r.Checks), htmlRows)] {
		cause(c.Cause)
		if checks.Get(c.ID) != nil {
			on[checkAnchor(c.ID)] = true
		}
	}
	for _, h := range r.History[max(0, len(r.History)-timesShown):] {
		cause(h.Cause)
	}
	return on
}

// toCause and toCheck name an id, and lead to its explanation where the page has it.
func (v *pageView) toCause(id string) *html.Node { return v.toID(id, causeAnchor(id), checkAnchor(id)) }
func (v *pageView) toCheck(id string) *html.Node { return v.toID(id, checkAnchor(id), causeAnchor(id)) }

func (v *pageView) toID(id string, anchors ...string) *html.Node {
	for _, a := range anchors {
		if v.explained[a] {
			return tag("a", class("tag"), prop{"href", "#" + a}, id)
		}
	}
	return tag("span", class("tag"), id)
}

// explanations are the pages of what the report names, folded. A link to one opens it.
func (v *pageView) explanations() *html.Node {
	if len(v.explained) == 0 {
		return nil
	}
	one := func(anchor, id, title string, parts ...any) *html.Node {
		inner := append([]any{prop{"id", anchor}, class("explained")}, parts...)
		if v.Live.Explain != "" {
			inner = append(inner, tag("p", link(v.Live.Explain+id, "The whole page of "+id)))
		}
		return folded([]*html.Node{tag("span", class("tag"), id), textNode(" " + title)}, tag("div", inner...))
	}
	var list []*html.Node
	for _, c := range causes.All() {
		if v.explained[causeAnchor(c.ID)] {
			list = append(list, one(causeAnchor(c.ID), c.ID, "cause: "+c.Title, tag("p", c.Meaning), linksTo(c.Docs)), lineEnd())
		}
	}
	for _, c := range checks.All() {
		if !v.explained[checkAnchor(c.ID)] {
			continue
		}
		var named *html.Node
		if len(c.Causes) > 0 {
			named = tag("p", "Causes that it can name:")
			for _, id := range c.Causes {
				add(named, raw(" "))
				add(named, v.toCause(id))
			}
		}
		list = append(list, one(checkAnchor(c.ID), c.ID, "check: "+c.Title, tag("p", c.Doc), named), lineEnd())
	}
	return section("explain", "What the names mean", folded(plural(len(v.explained), "name")+" explained", list))
}

// linksTo are links to the web; documents that are files of this program are left out.
func linksTo(docs []string) *html.Node {
	links := each(docs, func(d string) *html.Node {
		if !strings.HasPrefix(d, "https://") {
			return nil
		}
		return tag("li", tag("a", prop{"href", d}, prop{"rel", "noreferrer"}, docName(d)))
	})
	return where(len(links) > 0, func() *html.Node {
		return tag("ul", class("docs"), links)
	})
}

// docName is what a page is called in its address, which AWS's pages say in words.
func docName(url string) string {
	host, path, _ := strings.Cut(strings.TrimPrefix(url, "https://"), "/")
	path, _, _ = strings.Cut(path, "#")
	words := strings.ReplaceAll(strings.TrimSuffix(path[strings.LastIndexByte(path, '/')+1:], ".html"), "-", " ")
	if words == "" {
		return host
	}
	list := strings.Fields(words)
	for i, w := range list {
		if short := strings.ToUpper(w); slices.Contains(abbreviations, short) {
			list[i] = short
		}
	}
	return upperFirst(strings.Join(list, " ")) + " (" + host + ")"
}

// abbreviations are words of addresses that are written in capitals.
var abbreviations = []string{"AWS", "DNS", "EC2", "ECS", "EKS", "IAM", "IMDS", "KMS", "S3", "SSM", "VPC"}
