package fleet

import (
	"cmp"
	"fmt"
	"io"
	"strconv"

	"golang.org/x/net/html"

	"ssm-doctor/agent/report"
)

// rows of a page.
const (
	pageClusters = 100
	pageHosts    = 1000
)

func writePage(w io.Writer, s *Summary) error {
	class := "good"
	switch {
	case s.States[report.NotManaged] > 0:
		class = "bad"
	case s.States[report.Degraded]+s.States[report.Unknown]+s.Unreadable+len(s.Missing) > 0 || s.Hosts == 0:
		class = "warn"
	}
	verdict := report.Tag("div", report.Attr{"class", "verdict " + class}, report.Tag("h1", report.Attr{"class", class}, fmt.Sprintf("%d of %s managed", s.States[report.Managed], hosts(s.Hosts))), report.Tag("p", report.Attr{"class", "lead"}, s.headline()))
	if !s.Newest.IsZero() {
		verdict.AppendChild(report.Tag("p", "Reports of "+day(s.Oldest)+" to "+day(s.Newest)+" UTC"))
	}
	header := report.Tag("header", verdict)
	for _, n := range s.notes() {
		header.AppendChild(report.Tag("p", report.Attr{"class", "note"}, n))
	}
	return report.WritePage(w, s.headline(), header, s.pageStates(), s.pageCauses(), s.pageClusters(), s.pageOdd(), s.pageChange(), s.pageHosts())
}

// bar is one row of a picture: a name, a bar and a number.
type bar struct {
	name, class string
	n           int
}

// bars draws them, with what they say in words for those who do not see them.
func bars(label string, list []bar) *html.Node {
	most := 1
	for _, b := range list {
		most = max(most, b.n)
	}
	const height, left, width = 24, 300, 500
	svg := report.Tag("svg", report.Attr{"viewBox", fmt.Sprintf("0 0 900 %d", height*len(list)+4)}, report.Attr{"role", "img"}, report.Attr{"aria-label", label})
	num := func(name string, n int) report.Attr { return report.Attr{name, strconv.Itoa(n)} }
	for i, b := range list {
		y := i * height
		long := 0
		if b.n > 0 {
			long = max(2, b.n*width/most)
		}
		svg.AppendChild(report.Tag("text", num("x", left-10), num("y", y+16), report.Attr{"text-anchor", "end"}, short(b.name)))
		svg.AppendChild(report.Tag("rect", report.Attr{"class", b.class}, num("x", left), num("y", y+3), num("width", long), num("height", height-8)))
		svg.AppendChild(report.Tag("text", num("x", left+long+8), num("y", y+16), strconv.Itoa(b.n)))
	}
	return svg
}

func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:39]) + "…"
	}
	return s
}

func (s *Summary) pageStates() *html.Node {
	var list []bar
	for _, x := range [][2]string{{report.NotManaged, "bad"}, {report.Degraded, "warn"}, {report.Unknown, "off"}, {report.Managed, "good"}} {
		list = append(list, bar{x[0], x[1], s.States[x[0]]})
	}
	return report.Section("states", "States", bars(s.headline(), list))
}

func (s *Summary) pageCauses() *html.Node {
	if len(s.Causes) == 0 {
		return nil
	}
	var list []bar
	var rows []*html.Node
	for _, g := range s.Causes[:min(len(s.Causes), textCauses)] {
		class := map[string]string{"critical": "bad", "warning": "warn"}[g.Severity]
		list = append(list, bar{cmp.Or(g.ID, "no cause could be told"), cmp.Or(class, "off"), g.Hosts})
		most := ""
		for d := range dimensions {
			if by := g.By[d.String()]; len(by) > 0 && by[0].Value != "" {
				most += fmt.Sprintf("%s %s: %d. ", d.words(), by[0].Value, by[0].Hosts)
			}
		}
		rows = append(rows, report.Row(cmp.Or(g.ID, "none"), g.Title, strconv.Itoa(g.Hosts), strconv.Itoa(g.Proven), g.Owner, most))
	}
	return report.Section("causes", "Causes", bars("Hosts by cause", list), report.Folded("In numbers", report.Table("Root causes and the hosts that have them", []string{"Cause", "What it is", "Hosts", "Proven", "Who mends it", "Most of them in"}, rows)))
}

func (s *Summary) pageClusters() *html.Node {
	if len(s.Clusters) == 0 {
		return nil
	}
	list := report.Tag("ol", report.Attr{"class", "steps"})
	for _, c := range s.Clusters[:min(len(s.Clusters), pageClusters)] {
		li := report.Tag("li", report.Tag("strong", c.mends()), " "+c.Title+" ", report.Tag("span", report.Attr{"class", "tag"}, "["+cmp.Or(c.Cause, "unknown")+"]"))
		say := func(text string) {
			if text != "" {
				li.AppendChild(report.Tag("p", text))
			}
		}
		if len(c.Where) > 0 {
			say("At " + c.place() + ".")
		}
		if p := pairs(c.Shared); p != "" {
			say("All in " + p + ".")
		}
		if c.Owner != "" {
			say("Who mends it: " + c.Owner + ".")
		}
		say("Hosts: " + names(c.Nodes, maxNodes, c.Hosts) + ".")
		var differ []*html.Node
		for _, d := range c.Differ {
			differ = append(differ, report.Tag("li", d.says()))
		}
		if len(differ) > 0 {
			li.AppendChild(report.Folded("What tells them from healthy hosts", report.Tag("ul", differ)))
		}
		if len(c.Fix) > 0 {
			steps := report.Tag("ol")
			for _, step := range c.Fix {
				x := report.Tag("li", step.Text+" ", report.Tag("span", report.Attr{"class", "where"}, "("+where(step)+")"))
				if step.Command != "" {
					x.AppendChild(report.Command(step.Command))
				}
				steps.AppendChild(x)
			}
			li.AppendChild(report.Folded("Remedy, as "+c.FixOf+" says it", steps))
		}
		list.AppendChild(li)
	}
	return report.Section("do", "What to do, the most first", list)
}

func (s *Summary) pageOdd() *html.Node {
	if len(s.Odd) == 0 {
		return nil
	}
	list := report.Tag("ul")
	for _, o := range s.Odd {
		list.AppendChild(report.Tag("li", o.says()+" ("+names(o.Nodes, textNodes, o.Hosts)+")"))
	}
	return report.Section("odd", "Odd ones out", list)
}

func (s *Summary) pageChange() *html.Node {
	c := s.Change
	if c == nil {
		return nil
	}
	var rows []*html.Node
	for _, l := range c.New[:min(len(c.New), pageHosts)] {
		rows = append(rows, report.Row(l.Node, "newly sick", l.State, l.Cause))
	}
	for _, l := range c.Other[:min(len(c.Other), pageHosts)] {
		rows = append(rows, report.Row(l.Node, "another cause", l.State, l.Cause))
	}
	says := fmt.Sprintf("%d newly sick, %d sick of another cause, %d mended, %d without a report now.", len(c.New), len(c.Other), len(c.Mended), len(c.Gone))
	return report.Section("change", "Since "+day(c.Since)+" UTC", report.Tag("p", says), report.Table("Hosts that changed", []string{"Host", "Change", "State", "Cause"}, rows))
}

func (s *Summary) pageHosts() *html.Node {
	var rows []*html.Node
	for _, l := range s.List {
		if l.State != report.Managed && len(rows) < pageHosts {
			rows = append(rows, report.Row(l.Node, l.Account, l.Region, l.State, l.Cause))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return report.Folded(fmt.Sprintf("Hosts that are not managed or not sound (%d)", len(rows)), report.Table("At most "+strconv.Itoa(pageHosts)+" of them; -o csv has all", []string{"Host", "Account", "Region", "State", "Cause"}, rows))
}
