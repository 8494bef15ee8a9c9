package fleet

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/net/html"

	"ssm-doctor/agent/report"
)

// rows of a page.
const (
	pageClusters = 100
	pageHosts    = 1000
	oddShown     = 5
)

func writePage(w io.Writer, s *Summary) error {
	class := "good"
	switch {
	case s.States[report.NotManaged] > 0:
		class = "bad"
	case s.States[report.Degraded]+s.States[report.Unknown]+s.Unreadable+len(s.Missing) > 0 || s.Hosts == 0:
		class = "warn"
	}
	header := report.Heading(class, fmt.Sprintf("%d of %s managed", s.States[report.Managed], hosts(s.Hosts)), s.others(), s.span()...)
	for _, n := range s.notes() {
		header.AppendChild(report.Tag("p", report.Attr{"class", "note"}, n))
	}
	return report.WritePage(w, s.headline(), class, header, "ssm-doctor summary. For machines: -o json, -o csv.",
		s.pageStates(), s.pageCauses(), s.pageClusters(), s.pageOdd(), s.pageChange(), s.pageHosts())
}

// others says what is not managed.
func (s *Summary) others() string {
	var out []string
	for _, x := range [][2]string{{report.NotManaged, "not managed"}, {report.Degraded, "managed, but something is broken"}, {report.Unknown, "not known"}} {
		if n := s.States[x[0]]; n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, x[1]))
		}
	}
	if len(out) == 0 {
		return map[bool]string{true: "No host needs a change.", false: "No report was read."}[s.Hosts > 0]
	}
	return strings.Join(out, ", ") + "."
}

// span is from when the reports are.
func (s *Summary) span() []string {
	if s.Newest.IsZero() {
		return nil
	}
	from, to := day(s.Oldest), day(s.Newest)
	if from == to {
		return []string{"reports of " + to + " UTC"}
	}
	return []string{"reports of " + from + " to " + to + " UTC"}
}

// bar is one row of a picture: a name, a bar and a number.
type bar struct {
	name, class string
	n           int
}

// bars draws them in a table, whose words stay readable on a phone.
func bars(label, what string, list []bar) *html.Node {
	most := 1
	for _, b := range list {
		most = max(most, b.n)
	}
	num := func(name string, n int) report.Attr { return report.Attr{name, strconv.Itoa(n)} }
	var rows []*html.Node
	for _, b := range list {
		long := 0
		if b.n > 0 {
			long = max(4, b.n*1000/most)
		}
		picture := report.Tag("svg", report.Attr{"viewBox", "0 0 1000 16"}, report.Attr{"preserveAspectRatio", "none"}, report.Attr{"aria-hidden", "true"},
			report.Tag("rect", report.Attr{"class", b.class}, num("x", 0), num("y", 0), num("width", long), num("height", 16)))
		rows = append(rows, report.Row(b.name, strconv.Itoa(b.n), picture))
	}
	t := report.Table(label, []string{what, "Hosts", "Share"}, rows)
	for i, a := range t.Attr {
		if a.Key == "class" {
			t.Attr[i].Val = "bar"
		}
	}
	return t
}

func (s *Summary) pageStates() *html.Node {
	var list []bar
	for _, x := range [][2]string{{report.NotManaged, "bad"}, {report.Degraded, "warn"}, {report.Unknown, "off"}, {report.Managed, "good"}} {
		list = append(list, bar{strings.ReplaceAll(x[0], "-", " "), x[1], s.States[x[0]]})
	}
	return report.Section("states", "States", bars("Hosts by state", "State", list))
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
	return report.Section("causes", "Causes", bars("Hosts by cause", "Cause", list), report.Folded("In numbers", report.Table("Root causes and the hosts that have them", []string{"Cause", "What it is", "Hosts", "Proven", "Who mends it", "Most of them in"}, rows)))
}

func (s *Summary) pageClusters() *html.Node {
	if len(s.Clusters) == 0 {
		return nil
	}
	list := report.Tag("ol", report.Attr{"class", "steps"})
	for _, c := range s.Clusters[:min(len(s.Clusters), pageClusters)] {
		li := report.Tag("li", report.Tag("strong", upper(c.Title)+": "+c.mends()), " ", report.Tag("span", report.Attr{"class", "tag"}, "["+cmp.Or(c.Cause, "unknown")+"]"))
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
		li.AppendChild(pageNames("Hosts: ", c.Nodes, maxNodes, c.Hosts, "."))
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
			remedy := report.Folded("Remedy, as "+c.FixOf+" says it", steps)
			remedy.Attr = append(remedy.Attr, html.Attribute{Key: "class", Val: "remedy"}) // is printed too
			li.AppendChild(remedy)
		}
		list.AppendChild(li)
	}
	return report.Section("do", "What to do, the most first", list)
}

func (s *Summary) pageOdd() *html.Node {
	if len(s.Odd) == 0 {
		return nil
	}
	first, rest := report.Tag("ul"), report.Tag("ul")
	for i, o := range s.Odd {
		list := first
		if i >= oddShown {
			list = rest
		}
		li := pageNames(o.says()+" (", o.Nodes, textNodes, o.Hosts, ")")
		li.Data = "li"
		list.AppendChild(li)
	}
	if rest.FirstChild == nil {
		return report.Section("odd", "Odd ones out", first)
	}
	return report.Section("odd", "Odd ones out", first, report.Folded(fmt.Sprintf("%d more", len(s.Odd)-oddShown), rest))
}

// pageNames is a sentence with ids in it.
func pageNames(before string, list []string, most, of int, after string) *html.Node {
	shown := list[:min(len(list), most)]
	if left := of - len(shown); left > 0 {
		after = fmt.Sprintf(" and %d more", left) + after
	}
	return report.Tag("p", before, report.IDs(shown), after)
}

func upper(s string) string {
	if s == "" {
		return "No cause could be told"
	}
	return strings.ToUpper(s[:1]) + s[1:]
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
	return report.Section("hosts", "Hosts", report.Folded(fmt.Sprintf("Not managed, or with something broken (%d)", len(rows)), report.Table("At most "+strconv.Itoa(pageHosts)+" of them; -o csv has all", []string{"Host", "Account", "Region", "State", "Cause"}, rows)))
}
