package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html"

	"ssm-doctor/checks/text"
)

// tree is the whole page.
func (v *pageView) tree() *html.Node {
	main := tag("main", prop{"id", "main"}, prop{"tabindex", "-1"}, lineEnd())
	// What is wrong and what mends it comes first, and is what is printed.
	for _, n := range []*html.Node{v.remedy(), v.plan(), v.seen(), v.doubt(), v.path(), v.also(), v.checks(), v.unexplained(), v.features(), v.history(), v.outside(), v.notLooked(), v.node(), v.details(), v.explanations()} {
		if n != nil {
			add(main, n)
			add(main, lineEnd())
		}
	}
	b := tag("body", lineEnd(), tag("a", class("skip"), prop{"href", "#main"}, "Skip to the remedy"), lineEnd(), v.header(), lineEnd(), main, lineEnd(), v.footer(), lineEnd(), script(), lineEnd())
	if v.Live.Refresh > 0 {
		b.Attr = append(b.Attr, html.Attribute{Key: "data-live", Val: strconv.Itoa(v.refreshSeconds())})
	}
	title := v.Verdict
	if v.R.Node.ID != "" {
		title += " · " + v.R.Node.ID
	}
	return document(v.head(title), b)
}

// document is a whole page of this program.
func document(head, body *html.Node) *html.Node {
	doc := &html.Node{Type: html.DocumentNode}
	doc.AppendChild(&html.Node{Type: html.DoctypeNode, Data: "html"})
	doc.AppendChild(tag("html", prop{"lang", "en"}, lineEnd(), head, lineEnd(), body, lineEnd()))
	return doc
}

func script() *html.Node { return tag("script", raw(pageJS)) }

func (v *pageView) refreshSeconds() int { return int(v.Live.Refresh.Seconds()) }

func (v *pageView) head(title string) *html.Node {
	return headOf(title, v.Class)
}

// headOf is the head of every page. The policy stands before what it lets through.
func headOf(title, color string) *html.Node {
	h := tag("head", lineEnd())
	for _, n := range []*html.Node{
		tag("meta", prop{"charset", "utf-8"}),
		tag("meta", prop{"name", "viewport"}, prop{"content", "width=device-width, initial-scale=1"}),
		tag("meta", prop{"http-equiv", "Content-Security-Policy"}, prop{"content", pagePolicy()}),
		tag("meta", prop{"name", "referrer"}, prop{"content", "no-referrer"}),
		tag("title", title+" · ssm-doctor"),
		tag("link", prop{"rel", "icon"}, prop{"href", icon(color)}),
		tag("style", raw(pageCSS)),
	} {
		add(h, n)
		add(h, lineEnd())
	}
	return h
}

// signs are drawn in a circle of 24 by 24: the icon of the page and of the verdict. The
// form tells as much as the colour.
var signs = map[string][2]string{ // colour of the icon, path of the sign
	"good": {"#1b6e3c", "M7 12.5l3.5 3.5L17.5 9"},
	"warn": {"#b06000", "M12 6v7.5M12 17v.5"},
	"bad":  {"#a4161a", "M8 8l8 8M16 8l-8 8"},
	"dim":  {"#5b6470", "M7 12h10"},
}

// icon is the picture of a tab.
func icon(color string) string {
	s := signs[color]
	return "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Ccircle cx='12' cy='12' r='12' fill='" + strings.ReplaceAll(s[0], "#", "%23") +
		"'/%3E%3Cpath d='" + s[1] + "' fill='none' stroke='%23fff' stroke-width='2.6' stroke-linecap='round'/%3E%3C/svg%3E"
}

func sign(color string) *html.Node {
	return tag("svg", class("sign"), prop{"viewBox", "0 0 24 24"}, prop{"aria-hidden", "true"}, tag("circle", class(color), num("cx", 12), num("cy", 12), num("r", 12)), tag("path", prop{"d", signs[color][1]}))
}

func (v *pageView) header() *html.Node {
	lead := tag("p", class("lead"), v.Lead)
	if v.CauseID != "" {
		add(lead, raw(" "))
		add(lead, v.toCause(v.CauseID))
		if v.Assurance != "" {
			add(lead, tag("span", class("dim"), ", "+v.Assurance))
		}
	}
	node := tag("ul", class("node"))
	for _, s := range v.Node {
		add(node, tag("li", s))
	}
	if !v.Since.IsZero() {
		add(node, tag("li", "for ", tag("span", class("for rel"), span(max(0, v.Now.Sub(v.Since)))), ", since ", timeAt(v.Since)))
	}
	if until := v.R.Until; until.After(v.Now) {
		add(node, tag("li", "will be lost at ", v.when(until)))
	}
	return tag("header", lineEnd(),
		tag("div", class("verdict "+v.Class), prop{"data-part", "verdict"}, lineEnd(), sign(v.Class), tag("div", lineEnd(), tag("h1", v.Verdict), lineEnd(), lead, lineEnd(), node, lineEnd())), lineEnd(),
		part("age", v.age()), lineEnd(),
		part("notes", tag("div", each(v.Notes, func(s string) *html.Node { return tag("p", class("note"), s) }))), lineEnd())
}

// age is when the report was made, and how to get a newer one.
func (v *pageView) age() *html.Node {
	p := tag("p", class("age"), "Looked at ", v.when(v.R.GeneratedAt))
	if !v.Live.Next.IsZero() {
		add(p, textNode(", again "))
		for _, n := range v.when(v.Live.Next) {
			add(p, n)
		}
	}
	add(p, raw("."))
	l := v.Live.Reload
	if l.Href == "" {
		return p
	}
	add(p, raw(" "))
	if v.Live.Refresh > 0 {
		// No reload by itself: it would shut what is open, and take the place of who reads.
		add(p, tag("noscript", "Without a script this page does not update itself: ", link(l.Href, l.Text), "."))
		return p
	}
	add(p, link(l.Href, l.Text))
	return p
}

func (v *pageView) remedy() *html.Node {
	c := v.R.RootCause
	if all := gateCauses(v.R); len(all) > 1 {
		return section("fix", "Findings", v.causeList(all, func(i int) []Step { return gateFix(all, i) })...)
	}
	if c == nil || len(c.Fix) == 0 {
		return nil
	}
	return section("fix", "Fix", steps(c.Fix, v.R), lineEnd(), blanksOf(v.R, c.Fix))
}

// plan is what the steps would make of the node; nil: nobody asked.
func (v *pageView) plan() *html.Node {
	if v.R.Plan == nil {
		return nil
	}
	ways := tag("ul")
	for _, l := range v.R.planLines() {
		end := "."
		if len(l.list) > 0 {
			end = ":"
		}
		item := tag("li", capital(l.text)+end)
		if len(l.list) > 0 {
			add(item, tag("ul", each(l.list, func(s string) *html.Node { return tag("li", s) })))
		}
		if l.after != "" {
			add(item, raw(" "))
			add(item, textNode(sentence(l.after)))
		}
		add(ways, item)
		add(ways, lineEnd())
	}
	return section("plan", "Plan", tag("p", class("dim"), "From what was seen; nothing was changed."), lineEnd(), ways)
}

// blanksOf says what goes in place of the words in capitals; nil: there are none.
func blanksOf(r *Report, fix []Step) *html.Node {
	note := blankNote(r, fix)
	if note == "" {
		return nil
	}
	p := tag("p", class("dim"))
	for i, s := range strings.Split(sentence(note), "`") {
		if i%2 == 1 {
			add(p, tag("code", s))
		} else {
			add(p, textNode(s))
		}
	}
	return p
}

func (v *pageView) seen() *html.Node {
	c := v.R.RootCause
	if c == nil || len(gateCauses(v.R)) > 1 { // beside each finding
		return nil
	}
	var rows, docs *html.Node
	if len(c.Evidence) > 0 {
		rows = v.evidence(c.Evidence, "What was asked and what came back")
	}
	if docs = linksTo(c.Docs); docs != nil {
		docs = tag("div", class("more"), tag("p", "AWS documentation"), lineEnd(), docs)
	}
	if rows == nil && docs == nil {
		return nil
	}
	return section("seen", "Seen", rows, lineEnd(), docs)
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
		again := tag("p", "Look again at ", v.when(d.AgainAt))
		if why := d.AgainWhy.String(); why != "" {
			add(again, textNode(": "+why))
		}
		add(again, raw("."))
		parts = append(parts, again)
	}
	return section("doubt", "Why this cannot be told", parts...)
}

func (v *pageView) also() *html.Node {
	all := v.R.Also
	if len(gateCauses(v.R)) > 1 { // the others are among the findings
		all = alsoOf(v.R)
	}
	if len(all) == 0 {
		return nil
	}
	return section("also", "Also", v.causeList(all, func(i int) []Step { return all[i].Fix })...)
}

// causeList is causes with their remedies, and folded what was seen.
func (v *pageView) causeList(all []Cause, fix func(i int) []Step) []any {
	var parts []any
	for i, c := range all[:min(len(all), htmlRows)] {
		color := statusClass(c.Severity)
		parts = append(parts, tag("h3", tag("span", class(color), badge(color, markOf(c.Severity).glyph), statusWord(c.Severity)), " "+causeText(c)+" ", v.toCause(c.ID)), lineEnd())
		if list := fix(i); len(list) > 0 {
			parts = append(parts, steps(list, v.R), lineEnd())
		}
		if len(c.Evidence) > 0 {
			parts = append(parts, folded([]*html.Node{textNode("Seen"), tag("span", class("hide"), " for "+c.ID)}, v.evidence(c.Evidence, "Seen for "+c.ID)), lineEnd())
		}
	}
	return parts
}

func (v *pageView) checks() *html.Node {
	if len(v.R.Checks) == 0 {
		return nil
	}
	parts := []any{tag("p", class("counts"), v.counts()), lineEnd()}
	if len(v.Problems) > 0 {
		parts = append(parts, v.checkTable(v.Problems, "Failed, or with a warning"), lineEnd())
	}
	if n := len(v.Dark); n > 0 {
		parts = append(parts, folded(fmt.Sprintf("Not known (%d)", n), v.checkTable(v.Dark, "What could not be told, and why")), lineEnd())
	}
	if n := len(v.Fine); n > 0 {
		parts = append(parts, folded(fmt.Sprintf("Passed, and what does not apply here (%d)", n), v.checkTable(v.Fine, "Checks that passed or do not apply here")))
	}
	return section("checks", "Checks", parts...)
}

func (v *pageView) unexplained() *html.Node {
	if len(v.R.Unexplained) == 0 {
		return nil
	}
	rows := each(v.R.Unexplained, func(u Unexplained) *html.Node {
		return row(tdOf("last", v.when(u.Last)), tdOf("times", strconv.Itoa(u.Count)), tdOf("level", u.Level), th(u.Shape))
	})
	return section("unexplained", "Not known to this program", tag("p", unexplainedLine(v.R)+". They change no verdict."), lineEnd(),
		table("fold", "Entries of the agent’s log; a * stands for what was taken out", []string{"Last", "Times", "Level", "Entry"}, body(rows)))
}

// features are those in use, and folded the others: what nobody uses is no fault.
func (v *pageView) features() *html.Node {
	var used, rest []Feature
	for _, f := range v.R.Features {
		if f.InUse {
			used = append(used, f)
		} else {
			rest = append(rest, f)
		}
	}
	if len(used)+len(rest) == 0 {
		return nil
	}
	var parts []any
	if len(used) > 0 {
		parts = append(parts, v.featureTable(used, "In use on this node", true), lineEnd())
	}
	if len(rest) > 0 {
		parts = append(parts, folded(fmt.Sprintf("Not in use (%d)", len(rest)), v.featureTable(rest, "Not in use on this node: what the rights would allow", false)))
	}
	return section("features", "Features", parts...)
}

// featureTable tells what works. That a feature which nobody uses would not work is grey.
func (v *pageView) featureTable(list []Feature, caption string, inUse bool) *html.Node {
	looks := map[string][3]string{"yes": {"good", markOf("pass").glyph, "works"}, "no": {"bad", markOf("fail").glyph, "broken"}}
	return table("fold features", caption, []string{"Ready", "Feature", "Why"}, body(each(list, func(f Feature) *html.Node {
		look, known := looks[f.Ready]
		if !known {
			look = [3]string{"dim", markOf("unknown").glyph, "unknown"}
		}
		if !inUse {
			look[0] = "dim"
			if known {
				look[2] = f.Ready
			}
		}
		why := td(standsInTheWay(f, v.R.Permissions, true))
		if f.Why != "" && inUse {
			add(why, tag("p", class("dim"), "In use: "+f.Why))
		}
		return row(stateCell(look[0], look[1], look[2]), th(text.Or(f.Title, f.ID)), why)
	})))
}

// outside is what an operator's file says of the node.
func (v *pageView) outside() *html.Node {
	o := v.R.Outside
	if o == nil {
		return nil
	}
	rows := each(o.Looked, func(l Looked) *html.Node { return row(th(l.What), td(l.Says)) })
	rows = append(rows, each(o.Unknown, func(u string) *html.Node {
		what, notAsked := strings.CutSuffix(u, " (not asked)")
		return row(th(what), td(map[bool]string{true: "not asked", false: "not answered"}[notAsked]))
	})...)
	return section("outside", "Looked at from outside", tag("p", "Asked with an operator’s credentials, ", timeAt(o.At), raw(".")), lineEnd(),
		table("fold", "What the service, the account and the network say", []string{"What", "Says"}, body(rows)))
}

func (v *pageView) notLooked() *html.Node {
	if len(v.R.NotLookedAt) == 0 {
		return nil
	}
	intro := tag("p", "A host cannot see these. The commands look, with an operator’s credentials.")
	list := tag("ul", class("steps"), each(v.R.NotLookedAt, func(n NotLooked) *html.Node {
		li := tag("li", tag("strong", n.What))
		if n.Why != "" {
			add(li, textNode(": "+n.Why))
		}
		if c := n.Command.String(); c != "" {
			add(li, lineEnd())
			add(li, command(c))
		}
		return li
	}))
	if v.R.State == Unknown { // else there is nothing to look for, or it is found
		return section("unseen", "Not looked at", intro, lineEnd(), list)
	}
	return section("unseen", "Not looked at", folded(fmt.Sprintf("What a host cannot see (%d)", len(v.R.NotLookedAt)), intro, lineEnd(), list))
}

// node is who the host is, beside the rest on a broad window.
func (v *pageView) node() *html.Node {
	list := tag("dl")
	item := func(name string, value ...any) {
		add(list, tag("div", tag("dt", name), tag("dd", value...)))
		add(list, lineEnd())
	}
	for _, f := range v.Facts {
		item(f[0], f[1])
	}
	for _, at := range []struct {
		name string
		t    time.Time
	}{{"Credentials end", v.R.Credentials.ExpiresAt}, {"Last accepted call", v.R.LastPing}, {"Will be lost", v.R.Until}} {
		if !at.t.IsZero() {
			item(at.name, v.when(at.t))
		}
	}
	if list.FirstChild == nil {
		return nil
	}
	heading := "This node"
	if v.R.Profile != "" {
		heading = "This image"
	}
	n := section("node", heading, list)
	n.Attr = append(n.Attr, html.Attribute{Key: "class", Val: "side"})
	return n
}

// details are for who wants to know how the program came to its answer.
func (v *pageView) details() *html.Node {
	var parts []any
	for _, n := range []*html.Node{v.permissions(), v.endpoints(), v.sources(), v.calls()} {
		if n != nil {
			parts = append(parts, n, lineEnd())
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return section("details", "Details", parts...)
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

func (v *pageView) sources() *html.Node {
	if len(v.R.Sources) == 0 {
		return nil
	}
	return folded(fmt.Sprintf("Sources (%d)", len(v.R.Sources)), table("fold", "What this run read", []string{"Source", "Success", "Time", "Error"}, body(each(v.R.Sources, func(s Source) *html.Node {
		return row(th(s.Name), tdOf("success", yesNo(s.Success)), tdOf("time", seconds(s.Duration)), tdOf("error", s.Error))
	}))))
}

func (v *pageView) calls() *html.Node {
	if len(v.R.Calls) == 0 {
		return nil
	}
	return folded(fmt.Sprintf("Requests to AWS (%d)", len(v.R.Calls)), table("", "Requests sent to AWS in this run", []string{"Action", "Requests"}, body(each(v.R.Calls, func(c Call) *html.Node {
		return row(th(c.Action), td(strconv.Itoa(c.Count)))
	}))))
}

func (v *pageView) footer() *html.Node {
	redacted := "not redacted"
	if v.R.Redacted {
		redacted = "redacted"
	}
	p := tag("p", "ssm-doctor "+v.R.Version+", ", timeAt(v.R.GeneratedAt), ", took "+seconds(v.R.Duration)+", "+redacted)
	f := tag("footer", lineEnd(), part("made", p), lineEnd(),
		tag("p", class("printed"), "Printed: what is wrong and what mends it. The page itself has all checks, features, history and what the names mean."), lineEnd())
	if len(v.Live.Links) > 0 {
		links := tag("p")
		for i, l := range v.Live.Links {
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
	rows := each(p.Hops, func(h hopView) *html.Node {
		return row(statusCell(h.Status), th(h.Name), td(h.Text))
	})
	return section("path", "Path", broad, lineEnd(), tall, lineEnd(), where(p.Note != "", func() *html.Node { return tag("p", p.Note) }), lineEnd(),
		folded("Each station", table("fold", "Stations from the host to the message channel", []string{"Status", "Station", "Note"}, body(rows))))
}

// history is a bar over time, whose ticks are text beside the picture: text within would
// shrink with it.
func (v *pageView) history() *html.Node {
	t := v.Times
	if t == nil {
		return nil
	}
	var bars *html.Node
	if len(t.Bars) > 0 {
		svg := tag("svg", prop{"viewBox", "0 0 1000 40"}, prop{"preserveAspectRatio", "none"}, prop{"role", "img"}, prop{"aria-label", t.Label}, lineEnd())
		for _, b := range t.Bars {
			add(svg, tag("rect", class(b.Color), num("x", b.X), num("y", 40-b.H), num("width", b.W), num("height", b.H), tag("title", b.Title)))
			add(svg, lineEnd())
		}
		ticks := tag("ol", class("ticks"), prop{"aria-hidden", "true"})
		for _, at := range t.Ticks {
			add(ticks, tag("li", tag("span", at.UTC().Format("Jan 2")), " ", tag("span", at.UTC().Format(t.Clock))))
		}
		bars = tag("div", class("bars"), svg, lineEnd(), ticks)
	}
	rows := each(t.Rows, func(r timeRow) *html.Node {
		sign := map[string]string{"good": "pass", "warn": "warn", "bad": "fail", "dim": "unknown"}[r.Class]
		var cause *html.Node
		if r.Cause != "" {
			cause = v.toCause(r.Cause)
		}
		return row(stateCell(r.Class, markOf(sign).glyph, strings.ToLower(r.Word)), tdOf("since", v.when(r.At)), tdOf("lasted", r.Lasted), td(cause))
	})
	return section("history", "History", bars, lineEnd(), table("fold history", t.Caption, []string{"State", "Since", "Lasted", "Cause"}, body(rows)))
}

func num(name string, n int) prop { return prop{name, strconv.Itoa(n)} }
