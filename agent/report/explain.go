package report

import (
	"fmt"
	"io"
	"strings"

	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/text"
)

// Page documents a check or a cause, in plain text without host values. The
// same page is printed by explain and written to packaging/docs.
type Page struct {
	Kind  string      `json:"kind"` // "check", "cause" or "alert"
	ID    string      `json:"id"`
	GOOS  string      `json:"goos,omitempty"` // whose steps it has; empty: of all systems
	Title string      `json:"title"`
	Facts [][2]string `json:"facts"` // label and value: group, severity
	Parts []Part      `json:"parts"`
}

// Part is one section of a page.
type Part struct {
	Head  string `json:"head"`
	Text  string `json:"text,omitempty"` // a paragraph
	Items []Item `json:"items,omitempty"`
}

// Item is one entry of a part: a linked id, or a step with a command.
type Item struct {
	Link    string `json:"link,omitempty"` // "causes/ID" or "checks/ID", or a URL
	Text    string `json:"text,omitempty"`
	Command string `json:"command,omitempty"`
	Where   string `json:"where,omitempty"` // of a step
}

// Pages returns the pages with an id: a check, a cause, or both where they
// share it; or an alert; none for an id that is nothing of these.
func Pages(id string) []Page { return PagesFor(id, "") }

// PagesFor are the pages with the steps of one system only; empty: of all.
func PagesFor(id, goos string) []Page {
	out := alertPages(id)
	if c := causes.Get(id); c != nil {
		out = append(out, causePage(c, goos))
	}
	if c := checks.Get(id); c != nil {
		out = append(out, checkPage(c))
	}
	return out
}

func causePage(c *causes.Cause, goos string) Page {
	p := Page{Kind: "cause", ID: c.ID, GOOS: goos, Title: c.Title, Facts: [][2]string{{"Group", c.Group}, {"Severity", string(c.Severity)}}}
	p.Parts = append(p.Parts, Part{Head: "What is wrong", Text: c.Meaning})
	if c.Unseen != "" {
		p.Parts = append(p.Parts, Part{Head: "What the host cannot show", Text: c.Unseen})
	}
	fix := Part{Head: "What repairs it"}
	var steps []Step
	for _, s := range c.Fix {
		f := s.Fill(nil)
		if goos != "" {
			v := causes.Values{"goos": goos}
			if !s.Applies(v) {
				continue
			}
			f = s.Fill(v)
		}
		fix.Items = append(fix.Items, Item{Text: f.Text.String() + " (" + placeOf(f) + "; " + changesOf(f.Changes) + ")", Command: f.Command.String(), Where: f.Where})
		steps = append(steps, Step(f))
	}
	if len(blanksIn(steps)) > 0 {
		fix.Text = "Words in capitals stand for values of your host or account; a report fills in those it knows."
	}
	p.Parts = append(p.Parts, fix)
	named := Part{Head: "Checks that name it"}
	for _, id := range namedBy(c.ID) {
		named.Items = append(named.Items, Item{Link: "checks/" + id, Text: checks.Get(id).Title})
	}
	if len(named.Items) > 0 {
		p.Parts = append(p.Parts, named)
	}
	return append1(p, docsPart(c.Docs))
}

func checkPage(c *checks.Check) Page {
	p := Page{Kind: "check", ID: c.ID, Title: c.Title, Facts: [][2]string{{"Group", c.Group}}}
	if c.Station != checks.OffTheWay {
		p.Facts = append(p.Facts, [2]string{"Station", c.Station.String()})
	}
	if len(c.Systems) > 0 {
		p.Facts = append(p.Facts, [2]string{"Only on", strings.Join(c.Systems, ", ")})
	}
	if !c.IsFor(checks.ProfileHost) {
		p.Facts = append(p.Facts, [2]string{"Only with", "check --profile " + string(checks.ProfileImage)})
	}
	p.Parts = append(p.Parts, Part{Head: "What is tested, and what it cannot see", Text: c.Doc})
	if len(c.Causes) > 0 {
		part := Part{Head: "Typical causes"}
		for _, id := range c.Causes {
			part.Items = append(part.Items, Item{Link: "causes/" + id, Text: causes.Get(id).Title})
		}
		p.Parts = append(p.Parts, part)
	}
	earlier := stationsBefore(c)
	if len(earlier) > 0 {
		p.Facts = append(p.Facts, [2]string{"Explained by what fails at", strings.Join(earlier, ", ")})
	}
	if len(c.Needs) > 0 {
		part := Part{Head: "Depends on", Text: "When one of these fails, this check is listed as a consequence of it."}
		for _, n := range c.Needs {
			part.Items = append(part.Items, Item{Link: "checks/" + n.ID, Text: n.Title})
		}
		p.Parts = append(p.Parts, part)
	}
	fix := Part{Head: "What repairs it", Text: "See the causes above; each has its steps."}
	if len(c.Causes) == 0 {
		fix.Text = "This check names no cause of its own: it gives evidence to the others."
	}
	p.Parts = append(p.Parts, fix)
	var docs []string
	for _, id := range c.Causes {
		for _, d := range causes.Get(id).Docs {
			if !strings.Contains(strings.Join(docs, " "), d) {
				docs = append(docs, d)
			}
		}
	}
	return append1(p, docsPart(docs))
}

// stationsBefore are the stations of the way that must work for what a check looks at.
func stationsBefore(c *checks.Check) []string {
	var out []string
	for _, s := range checks.Stations {
		for _, other := range checks.All() {
			if other.Station == s && c.ComesAfter(other) {
				out = append(out, s.String())
				break
			}
		}
	}
	return out
}

func append1(p Page, part Part) Page {
	if len(part.Items) > 0 {
		p.Parts = append(p.Parts, part)
	}
	return p
}

func docsPart(urls []string) Part {
	p := Part{Head: "AWS documentation"}
	for _, u := range urls {
		p.Items = append(p.Items, Item{Link: u})
	}
	return p
}

// changesOf says in words what a step changes.
func changesOf(list []causes.Changed) string {
	if len(list) == 0 {
		return "it changes nothing"
	}
	var out []string
	for _, c := range list {
		out = append(out, c.Text.String())
	}
	return "then " + strings.Join(out, ", ")
}

// placeOf says where a step is carried out.
func placeOf(s causes.Filled) string {
	switch s.Where {
	case causes.OperatorCLI:
		return "AWS CLI"
	case causes.Console:
		return "AWS console"
	case causes.Terraform:
		return "Terraform"
	}
	if s.Root {
		return "this host, root"
	}
	return "this host"
}

// WriteText writes a page for a terminal.
func (p Page) WriteText(w io.Writer, s Style) error {
	var b strings.Builder
	width := clampWidth(s.Width)
	fmt.Fprintf(&b, "%s  (%s)\n%s\n", s.paint(styleGood, p.ID), p.Kind, p.Title)
	for _, f := range p.Facts {
		fmt.Fprintf(&b, "%s: %s\n", f[0], f[1])
	}
	for _, part := range p.Parts {
		b.WriteString("\n" + s.paint(styleDim, part.Head) + "\n")
		if part.Text != "" {
			for _, l := range wrap(part.Text, width-2) {
				b.WriteString("  " + l + "\n")
			}
		}
		for i, it := range part.Items {
			switch {
			case it.Command != "":
				lines := wrap(it.Text, width-5)
				fmt.Fprintf(&b, "  %d. %s\n", i+1, lines[0])
				for _, l := range lines[1:] {
					b.WriteString("     " + l + "\n")
				}
				t := &screen{r: &Report{Node: Node{GOOS: p.GOOS}}, s: Style{Width: width, ASCII: s.ASCII}}
				for _, l := range t.command(Step{Command: text.Plain(it.Command), Where: it.Where}) {
					b.WriteString(l + "\n")
				}
			case it.Text == "":
				b.WriteString("  " + it.Link + "\n")
			default:
				fmt.Fprintf(&b, "  %-34s %s\n", it.Link[strings.IndexByte(it.Link, '/')+1:], it.Text)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Markdown is the page as a file of packaging/docs, which lies in the folder
// of its kind.
func (p Page) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s.\n\n", p.ID, upperFirst(p.Title))
	for _, f := range p.Facts {
		fmt.Fprintf(&b, "- %s: `%s`\n", f[0], f[1])
	}
	for _, part := range p.Parts {
		fmt.Fprintf(&b, "\n## %s\n", part.Head)
		if part.Text != "" {
			b.WriteString("\n" + part.Text + "\n")
		}
		if len(part.Items) > 0 {
			b.WriteString("\n")
		}
		for i, it := range part.Items {
			switch {
			case it.Command != "":
				fmt.Fprintf(&b, "%d. %s\n\n", i+1, it.Text)
				fmt.Fprintf(&b, "   ```\n   %s\n   ```\n", strings.ReplaceAll(it.Command, "\n", "\n   "))
			case it.Text == "":
				fmt.Fprintf(&b, "- <%s>\n", it.Link)
			default:
				fmt.Fprintf(&b, "- [%s](../%s.md): %s\n", it.Link[strings.IndexByte(it.Link, '/')+1:], it.Link, it.Text)
			}
		}
	}
	return b.String()
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
