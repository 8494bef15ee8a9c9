package report

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/html"

	"ssm-doctor/checks/text"
)

// tree is the whole page.
func (v *pageView) tree() *html.Node {
	doc := &html.Node{Type: html.DocumentNode}
	doc.AppendChild(&html.Node{Type: html.DoctypeNode, Data: "html"})
	main := tag("main", prop{"id", "main"}, prop{"tabindex", "-1"}, lineEnd())
	for _, part := range []*html.Node{v.remedy(), v.seen(), v.docs(), v.doubt(), v.path(), v.also(), v.checks(), v.unexplained(), v.features(), v.history(), v.outside(), v.notLooked(), v.permissions(), v.endpoints(), v.run()} {
		if part != nil {
			add(main, part)
			add(main, lineEnd())
		}
	}
	doc.AppendChild(tag("html", prop{"lang", "en"}, lineEnd(), v.head(), lineEnd(),
		tag("body", lineEnd(), tag("a", class("skip"), prop{"href", "#main"}, "Skip to the remedy"), lineEnd(), v.header(), lineEnd(), main, lineEnd(), v.footer(), lineEnd()), lineEnd()))
	return doc
}

func (v *pageView) head() *html.Node {
	title := v.Verdict
	if v.R.Node.ID != "" {
		title += " · " + v.R.Node.ID
	}
	h := tag("head", lineEnd(), tag("meta", prop{"charset", "utf-8"}), lineEnd(),
		tag("meta", prop{"name", "viewport"}, prop{"content", "width=device-width, initial-scale=1"}), lineEnd(),
		tag("meta", prop{"http-equiv", "Content-Security-Policy"}, prop{"content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"}), lineEnd())
	if v.RefreshSeconds > 0 {
		add(h, tag("meta", prop{"http-equiv", "refresh"}, prop{"content", strconv.Itoa(v.RefreshSeconds)}))
		add(h, lineEnd())
	}
	for _, n := range []*html.Node{tag("meta", prop{"name", "referrer"}, prop{"content", "no-referrer"}), tag("title", title+" · ssm-doctor"),
		tag("link", prop{"rel", "icon"}, prop{"href", "data:,"}), tag("style", raw(pageCSS))} {
		add(h, n)
		add(h, lineEnd())
	}
	return h
}

func (v *pageView) header() *html.Node {
	lead := tag("p", class("lead"), v.Lead)
	if v.Tag != "" {
		add(lead, raw(" "))
		add(lead, tag("span", class("tag"), "["+v.Tag+"]"))
	}
	node := tag("ul", class("node"))
	for _, s := range v.Node {
		add(node, tag("li", s))
	}
	if l := v.Reload; l.Href != "" {
		li := tag("li")
		if v.RefreshSeconds > 0 {
			add(li, textNode(fmt.Sprintf("reloads itself every %d s: ", v.RefreshSeconds)))
		}
		add(li, link(l.Href, l.Text))
		add(node, li)
	}
	return tag("header", lineEnd(), tag("div", class("verdict "+v.Class), lineEnd(), tag("h1", class(v.Class), v.Verdict), lineEnd(), lead, lineEnd(), node, lineEnd()), lineEnd(),
		each(v.Notes, func(s string) *html.Node { return tag("p", class("note"), s) }))
}

func (v *pageView) remedy() *html.Node {
	c := v.R.RootCause
	if c == nil || len(c.Fix) == 0 {
		return nil
	}
	var standIns *html.Node
	if v.StandIns {
		standIns = tag("p", class("dim"), "Replace the UPPER_CASE words. ", tag("code", "--no-redact"), " fills in the names of this host.")
	}
	return section("fix", "Do this", steps(c.Fix, v.R), lineEnd(), standIns, lineEnd(), tag("p", class("dim"), "One click selects a whole command."))
}

func (v *pageView) seen() *html.Node {
	c := v.R.RootCause
	if c == nil || len(c.Evidence) == 0 {
		return nil
	}
	return section("seen", "What was seen", evidence(c.Evidence, "What was asked and what came back"))
}

// docs are links to the web; documents that are files of this program are left out.
func (v *pageView) docs() *html.Node {
	if v.R.RootCause == nil {
		return nil
	}
	links := each(v.R.RootCause.Docs, func(d string) *html.Node {
		if !strings.HasPrefix(d, "https://") {
			return nil
		}
		return tag("li", tag("a", prop{"href", d}, prop{"rel", "noreferrer"}, d))
	})
	return where(len(links) > 0, func() *html.Node {
		return tag("div", tag("p", "Read more:"), lineEnd(), tag("ul", class("docs"), links))
	})
}

func (v *pageView) doubt() *html.Node {
	d := v.R.CannotTell
	if d == nil {
		return nil
	}
	var parts []any
	item := func(s text.Text) *html.Node { return tag("li", s.String()) }
	if len(d.Missing) > 0 {
		parts = append(parts, tag("p", "Missing:"), lineEnd(), tag("ul", each(d.Missing, item)), lineEnd())
	}
	if len(d.Tried) > 0 {
		parts = append(parts, tag("p", "Tried:"), lineEnd(), tag("ul", each(d.Tried, item)), lineEnd())
	}
	if len(d.Fix) > 0 {
		parts = append(parts, tag("p", "Safe to do:"), lineEnd(), steps(d.Fix, v.R), lineEnd())
	}
	if !d.AgainAt.IsZero() {
		again := tag("p", "Look again at ", timeAt(d.AgainAt))
		if why := d.AgainWhy.String(); why != "" {
			add(again, textNode(": "+why))
		}
		add(again, raw("."))
		parts = append(parts, again)
	}
	return section("doubt", "Why this cannot be told", parts...)
}

func (v *pageView) also() *html.Node {
	if len(v.R.Also) == 0 {
		return nil
	}
	var parts []any
	for _, c := range v.R.Also[:min(len(v.R.Also), htmlRows)] {
		parts = append(parts, tag("h3", tag("span", class(statusClass(c.Severity)), markOf(c.Severity).word), " "+causeText(c)+" ", tag("span", class("tag"), "["+c.ID+"]")), lineEnd())
		if len(c.Evidence) > 0 {
			parts = append(parts, folded("What was seen", evidence(c.Evidence, "Seen for "+c.ID)), lineEnd())
		}
		if len(c.Fix) > 0 {
			parts = append(parts, steps(c.Fix, v.R), lineEnd())
		}
	}
	return section("also", "Also", parts...)
}

func (v *pageView) checks() *html.Node {
	if len(v.R.Checks) == 0 {
		return nil
	}
	first := tag("p", v.Counts)
	if len(v.Groups) > 0 {
		first = checkTable(v.Groups, v.Counts)
	}
	return section("checks", "Checks", first, lineEnd(), where(len(v.Fine) > 0, func() *html.Node {
		return folded("Passed and skipped", checkTable(v.Fine, "Checks that passed or do not apply here"))
	}))
}

func (v *pageView) unexplained() *html.Node {
	if len(v.R.Unexplained) == 0 {
		return nil
	}
	rows := each(v.R.Unexplained, func(u Unexplained) *html.Node {
		return row(tag("td", class("st"), timeAt(u.Last)), tdOf("times", strconv.Itoa(u.Count)), tdOf("level", u.Level), th(u.Shape))
	})
	return section("unexplained", "Not known to this program", tag("p", unexplainedLine(v.R)+". They change no verdict."), lineEnd(),
		table("fold", "Entries of the agent’s log; a * stands for what was taken out", []string{"Last", "Times", "Level", "Entry"}, body(rows)))
}

func (v *pageView) features() *html.Node {
	if len(v.R.Features) == 0 {
		return nil
	}
	color := map[string]string{"yes": "pass", "no": "fail"}
	rows := each(v.R.Features, func(f Feature) *html.Node {
		return row(stateCell(statusClass(color[f.Ready]), f.Ready), th(text.Or(f.Title, f.ID)), tdOf("in use", yesNo(f.InUse)), td(standsInTheWay(f, v.R.Permissions, true)))
	})
	return section("features", "Features", table("fold", "What the rights of this node allow", []string{"Ready", "Feature", "In use", "What stands in the way"}, body(rows)))
}

// outside is what an operator's file says of the node.
func (v *pageView) outside() *html.Node {
	o := v.R.Outside
	if o == nil {
		return nil
	}
	rows := each(o.Looked, func(l Looked) *html.Node { return row(th(l.What), td(l.Says)) })
	rows = append(rows, each(o.Unknown, func(u string) *html.Node { return row(th(u), td("not answered")) })...)
	return section("outside", "Looked at from outside", tag("p", "Asked with an operator’s credentials, ", timeAt(o.At), raw(".")), lineEnd(),
		table("fold", "What the service, the account and the network say", []string{"What", "Says"}, body(rows)))
}

func (v *pageView) notLooked() *html.Node {
	if len(v.R.NotLookedAt) == 0 {
		return nil
	}
	return section("unseen", "Not looked at", tag("p", "A host cannot see these. The commands look, with an operator’s credentials."), lineEnd(),
		tag("ul", class("steps"), each(v.R.NotLookedAt, func(n NotLooked) *html.Node {
			li := tag("li", tag("strong", n.What))
			if n.Why != "" {
				add(li, textNode(": "+n.Why))
			}
			if c := n.Command.String(); c != "" {
				add(li, lineEnd())
				add(li, command(c))
			}
			return li
		})))
}

func (v *pageView) permissions() *html.Node {
	if len(v.R.Permissions) == 0 {
		return nil
	}
	rows := each(v.R.Permissions, func(p Permission) *html.Node {
		seen := td(p.Evidence)
		if p.Resource != "" {
			add(seen, raw(" "))
			add(seen, tag("span", class("dim"), "on "+p.Resource))
		}
		return row(th(p.Action), tdOf("identity", p.Identity), tdOf("verdict", class(verdictClass(p.Verdict)), p.Verdict), tdOf("layer", p.Layer), seen)
	})
	return folded(fmt.Sprintf("Permissions (%d)", len(v.R.Permissions)), lineEnd(),
		table("fold", "What is known of each action", []string{"Action", "Identity", "Verdict", "Layer", "Evidence"}, body(rows)),
		where(v.R.CallsHeld != "", func() *html.Node { return tag("p", v.R.CallsHeld) }))
}

func (v *pageView) endpoints() *html.Node {
	if len(v.R.Endpoints) == 0 {
		return nil
	}
	color := map[string]string{"yes": "good", "no": "bad"}
	rows := each(v.R.Endpoints, func(e Endpoint) *html.Node {
		says := reachText(e.Reachable)
		return row(th(e.Service), tdOf("reachable", class(color[says]), says), tdOf("route", e.Route), tdOf("ends at", e.Phase), td(e.Host, raw(" "), e.Error))
	})
	return folded(fmt.Sprintf("Endpoints (%d)", len(v.R.Endpoints)), lineEnd(),
		table("fold", "The way to each regional endpoint", []string{"Service", "Reachable", "Route", "Ends at", "Host and error"}, body(rows)))
}

// run is what this run looked at and with what.
func (v *pageView) run() *html.Node {
	parts := []any{lineEnd(), table("", "This node and what its agent signs with", []string{"What", "Value"},
		body(each(v.Environment, func(e [2]string) *html.Node { return row(th(e[0]), td(e[1])) }))), lineEnd()}
	if len(v.R.Sources) > 0 {
		parts = append(parts, table("fold", "Sources of this run", []string{"Source", "Success", "Time", "Error"}, body(each(v.R.Sources, func(s Source) *html.Node {
			return row(th(s.Name), tdOf("success", yesNo(s.Success)), tdOf("time", seconds(s.Duration)), tdOf("error", s.Error))
		}))), lineEnd())
	}
	if len(v.R.Calls) > 0 {
		parts = append(parts, table("", "Requests sent to AWS in this run", []string{"Action", "Requests"}, body(each(v.R.Calls, func(c Call) *html.Node {
			return row(th(c.Action), td(strconv.Itoa(c.Count)))
		}))), lineEnd())
	}
	return folded("Run and environment", parts...)
}

func (v *pageView) footer() *html.Node {
	redacted := "not redacted"
	if v.R.Redacted {
		redacted = "redacted"
	}
	p := tag("p", "ssm-doctor "+v.R.Version+", ", timeAt(v.R.GeneratedAt), ", took "+seconds(v.R.Duration)+", "+redacted)
	if !v.Next.IsZero() {
		add(p, textNode(", next run "))
		add(p, timeAt(v.Next))
	}
	f := tag("footer", lineEnd(), p, lineEnd())
	if len(v.Links) > 0 {
		links := tag("p")
		for i, l := range v.Links {
			if i > 0 {
				add(links, raw(" · "))
			}
			add(links, link(l.Href, l.Text))
		}
		add(f, tag("nav", prop{"aria-label", "Other formats"}, links))
		add(f, lineEnd())
	}
	return f
}

// path draws the way twice, in a row and in a column, and tells it in words.
func (v *pageView) path() *html.Node {
	p := v.Path
	if p == nil {
		return nil
	}
	broad := tag("svg", class("broad"), prop{"viewBox", fmt.Sprintf("0 0 %d 84", p.Width)}, prop{"role", "img"}, prop{"aria-label", p.Label}, lineEnd())
	tall := tag("svg", class("tall"), prop{"viewBox", fmt.Sprintf("0 0 300 %d", p.Height)}, prop{"role", "img"}, prop{"aria-label", p.Label}, lineEnd())
	for _, h := range p.Hops {
		cut := ""
		if h.From != 0 {
			link := class(h.LinkClass + " " + h.LinkColor)
			add(broad, tag("line", link, num("x1", h.From), num("y1", 28), num("x2", h.To), num("y2", 28)))
			add(tall, tag("line", link, num("x1", 20), num("y1", h.Up), num("x2", 20), num("y2", h.Down)))
		}
		middle := prop{"text-anchor", "middle"}
		for _, n := range []*html.Node{tag("circle", class(h.Color), num("cx", h.X), num("cy", 28), num("r", 14)), tag("text", class("sign"), num("x", h.X), num("y", 33), middle, h.Sign),
			tag("text", num("x", h.X), num("y", 62), middle, h.Name), tag("text", class("dim"), num("x", h.X), num("y", 78), middle, h.Word)} {
			add(broad, n)
		}
		if h.Cut {
			add(broad, tag("text", class("bad"), num("x", h.Mid), num("y", 19), middle, "broken"))
			cut = ", broken here"
		}
		for _, n := range []*html.Node{tag("circle", class(h.Color), num("cx", 20), num("cy", h.Y), num("r", 12)), tag("text", class("sign"), num("x", 20), num("y", h.YText), middle, h.Sign),
			tag("text", num("x", 44), num("y", h.YText), h.Name), tag("text", class("dim"), num("x", 150), num("y", h.YText), h.Word+cut)} {
			add(tall, n)
		}
		add(broad, lineEnd())
		add(tall, lineEnd())
	}
	rows := each(p.Hops, func(h hopView) *html.Node { return row(statusCell(h.Status), th(h.Name), td(h.Text)) })
	return section("path", "Path", broad, lineEnd(), tall, lineEnd(), where(p.Note != "", func() *html.Node { return tag("p", p.Note) }), lineEnd(),
		folded("Each station", table("fold", "Stations from the host to the message channel", []string{"Status", "Station", "Note"}, body(rows))))
}

func (v *pageView) history() *html.Node {
	t := v.Times
	if t == nil {
		return nil
	}
	var bars *html.Node
	if len(t.Bars) > 0 {
		bars = tag("svg", prop{"viewBox", "0 0 900 64"}, prop{"role", "img"}, prop{"aria-label", t.Label}, lineEnd())
		for _, b := range t.Bars {
			add(bars, tag("rect", class(b.Color), real("x", b.X), real("y", b.Y), real("width", b.W), real("height", b.H)))
			if b.Fits {
				add(bars, tag("text", class("sign"), real("x", b.TextX), num("y", 37), b.Word))
			}
			add(bars, lineEnd())
		}
		add(bars, tag("text", class("dim"), num("x", 0), num("y", 60), t.First))
		add(bars, tag("text", class("dim"), num("x", 900), num("y", 60), prop{"text-anchor", "end"}, t.Last))
	}
	rows := each(t.Rows, func(r timeRow) *html.Node {
		return row(stateCell(r.Class, r.Word), td(timeAt(r.At)), tdOf("lasted", r.Lasted), td(r.Cause))
	})
	return section("history", "History", bars, lineEnd(), table("fold", t.Caption, []string{"State", "Since", "Lasted", "Cause"}, body(rows)))
}

func num(name string, n int) prop { return prop{name, strconv.Itoa(n)} }

func real(name string, f float64) prop { return prop{name, strconv.FormatFloat(f, 'f', -1, 64)} }
