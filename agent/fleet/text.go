package fleet

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"ssm-doctor/agent/report"
)

// Formats are the names that Write knows.
var Formats = []string{"text", "json", "csv", "markdown", "html"}

// Rows of a text; files hold all.
const (
	textCauses   = 30
	textClusters = 15
	textOdd      = 8
	textNodes    = 6
	textNames    = 10
)

// Write renders a summary. What hosts sent is made printable in every format.
func Write(w io.Writer, format string, s *Summary) error {
	switch format {
	case "text":
		return writeText(w, s)
	case "json":
		return report.WriteJSON(w, s, " ")
	case "csv":
		return writeCSV(w, s)
	case "markdown":
		return writeMarkdown(w, s)
	case "html":
		return writePage(w, s)
	}
	return fmt.Errorf("write summary: unknown format %q", format)
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// headline is the fleet in one line.
func (s *Summary) headline() string {
	return fmt.Sprintf("%s: %d not managed, %d degraded, %d unknown, %d managed", hosts(s.Hosts), s.States[report.NotManaged], s.States[report.Degraded], s.States[report.Unknown], s.States[report.Managed])
}

func hosts(n int) string {
	if n == 1 {
		return "1 host"
	}
	return strconv.Itoa(n) + " hosts"
}

// aheadBy is how far the clocks of two machines may differ.
const aheadBy = 10 * time.Minute

// notes say how far the summary can be trusted.
func (s *Summary) notes() []string {
	var out []string
	if s.Unreadable > 0 {
		inputs := "1 input holds no report that can be read: its host is"
		if s.Unreadable > 1 {
			inputs = fmt.Sprintf("%d inputs hold no report that can be read: their hosts are", s.Unreadable)
		}
		out = append(out, inputs+" not in this summary")
	}
	if len(s.Missing) > 0 {
		out = append(out, fmt.Sprintf("%s expected, without a report: nothing is known of them", hosts(len(s.Missing))))
	}
	if s.Beyond > 0 {
		out = append(out, fmt.Sprintf("%d hosts are more than this program keeps and were left out", s.Beyond))
	}
	if !s.Oldest.IsZero() && s.Newest.Sub(s.Oldest) > 48*time.Hour {
		out = append(out, "the reports lie more than two days apart: the oldest are of "+day(s.Oldest)+" UTC and may be out of date")
	}
	if !s.GeneratedAt.IsZero() && s.Newest.After(s.GeneratedAt.Add(aheadBy)) {
		out = append(out, "the latest report is of "+day(s.Newest)+" UTC, and it is "+day(s.GeneratedAt)+": the clock of a host, or of this one, is wrong; of a host with several reports an old one may count")
	}
	if s.Redacted > 0 {
		out = append(out, fmt.Sprintf("the reports of %s are redacted: two accounts may look alike, and roles are the same only among hosts that share SSM_DOCTOR_PSEUDONYM_KEY", hosts(s.Redacted)))
	}
	return out
}

// place says what one change reaches.
func (c *Cluster) place() string {
	if len(c.where) == 0 && len(c.Where) == 0 {
		return "each host by itself"
	}
	return pairs(c.Where)
}

// pairs are dimensions with their values, widest first.
func pairs(m map[string]string) string {
	var out []string
	for d := range dimensions {
		if v := m[d.String()]; v != "" {
			out = append(out, d.words()+" "+v)
		}
	}
	return strings.Join(out, ", ")
}

// mends says what one change does.
func (c *Cluster) mends() string {
	switch {
	case len(c.Where) == 0 && c.Hosts == 1:
		return "1 host"
	case len(c.Where) == 0:
		return hosts(c.Hosts) + ", each mended by itself"
	}
	return fmt.Sprintf("one change mends %s (of %d there)", hosts(c.Hosts), c.Of)
}

func (o *Odd) says() string {
	all := "all have"
	if o.Differ[0].Sick < o.Differ[0].OfSick {
		all = "most have"
	}
	if o.Differ[0].Lacks {
		all = "lack"
	}
	if o.Hosts == 1 {
		all = strings.Replace(strings.Replace(all, "all have", "has", 1), "lack", "lacks", 1)
	}
	return fmt.Sprintf("%d of %d hosts of %s %s fail with %s and %s %s %s", o.Hosts, o.Of, wordsOf(o.By), o.Value, cmp.Or(o.Cause, "no cause told"), all, o.Differ[0].What, o.Differ[0].Value)
}

func wordsOf(name string) string {
	if i := slices.Index(dimensionNames[:], name); i >= 0 {
		return Dimension(i).words()
	}
	return name
}

func (d Difference) says() string {
	return fmt.Sprintf("%s %s: %s sick, %s healthy", d.What, d.Value, count(d.Sick, d.OfSick), count(d.Healthy, d.OfHealthy))
}

func names(list []string, most, of int) string {
	out := strings.Join(list[:min(len(list), most)], ", ")
	if left := of - min(len(list), most); left > 0 {
		out += fmt.Sprintf(" and %d more", left)
	}
	return out
}

// where is where a step runs, as reports say it.
func where(s Step) string {
	switch s.Where {
	case "this-host":
		return "host"
	case "operator-cli":
		return "AWS CLI"
	}
	return s.Where
}

func writeText(w io.Writer, s *Summary) error {
	var b strings.Builder
	line := func(format string, a ...any) {
		for l := range strings.SplitSeq(fmt.Sprintf(format, a...), "\n") {
			b.WriteString(strings.TrimRight(report.Printable(l), " ") + "\n")
		}
	}
	line("FLEET  %s", s.headline())
	if !s.Newest.IsZero() {
		line("       reports of %s to %s UTC", day(s.Oldest), day(s.Newest))
	}
	for _, n := range s.notes() {
		line("Note   %s", n)
	}
	if len(s.Causes) > 0 {
		line("\nCAUSES\n  %-32s %7s %7s  %s", "", "hosts", "proven", "who mends it")
		for _, g := range s.Causes[:min(len(s.Causes), textCauses)] {
			line("  %-32s %7d %7d  %s", cmp.Or(g.ID, "(no cause could be told)"), g.Hosts, g.Proven, g.Owner)
		}
		if n := len(s.Causes) - textCauses; n > 0 {
			line("  and %d more: -o json", n)
		}
	}
	if len(s.Clusters) > 0 {
		line("\nWHAT TO DO, the most first")
		for i, c := range s.Clusters[:min(len(s.Clusters), textClusters)] {
			line("%3d  %s", i+1, c.mends())
			line("     %s: %s", cmp.Or(c.Cause, "cause unknown"), c.Title)
			if len(c.Where) > 0 {
				line("     at %s", c.place())
			}
			if p := pairs(c.Shared); p != "" {
				line("     all in %s", p)
			}
			for _, d := range c.Differ[:min(len(c.Differ), 3)] {
				line("     differs: %s", d.says())
			}
			for _, step := range c.Fix[:min(len(c.Fix), 1)] {
				line("     [%s] %s", where(step), step.Text)
				for l := range strings.Lines(step.Command) {
					line("         %s", strings.TrimSuffix(l, "\n"))
				}
			}
			line("     %s", names(c.Nodes, textNodes, c.Hosts))
		}
		if n := len(s.Clusters) + s.More - textClusters; n > 0 {
			line("     and %d more groups: -o json, csv or html", n)
		}
	}
	if len(s.Odd) > 0 {
		line("\nODD ONES OUT")
		for _, o := range s.Odd[:min(len(s.Odd), textOdd)] {
			line("  %s\n    (%s)\n    %s", o.says(), strings.TrimPrefix(o.Differ[0].says(), o.Differ[0].What+" "+o.Differ[0].Value+": "), names(o.Nodes, textNodes, o.Hosts))
			for _, d := range o.Differ[1:min(len(o.Differ), 3)] {
				line("    also %s", d.says())
			}
		}
	}
	if c := s.Change; c != nil {
		line("\nSINCE %s UTC", day(c.Since))
		line("  %d newly sick, %d sick of another cause, %d mended, %d without a report now", len(c.New), len(c.Other), len(c.Mended), len(c.Gone))
		if len(c.Causes) > 0 {
			line("  causes that are new: %s", strings.Join(c.Causes, ", "))
		}
		for _, l := range c.New[:min(len(c.New), textNames)] {
			line("  new  %-20s %-12s %s", l.Node, l.State, l.Cause)
		}
		if n := len(c.New) - textNames; n > 0 {
			line("  and %d more: -o json", n)
		}
	}
	if len(s.Unread) > 0 {
		line("\nNOT READ")
		for _, u := range s.Unread[:min(len(s.Unread), textNames)] {
			line("  %s: %s", cmp.Or(u.Host, u.Name), u.Why)
		}
		if n := s.Unreadable - textNames; n > 0 {
			line("  and %d more", n)
		}
	}
	if len(s.Missing) > 0 {
		line("\nNO REPORT\n  %s", names(s.Missing, textNames, len(s.Missing)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cell is a text that no spreadsheet takes for a formula.
func cell(s string) string {
	s = report.Printable(s)
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// writeCSV has one row a host, for those who filter and sort.
func writeCSV(w io.Writer, s *Summary) error {
	c := csv.NewWriter(w)
	rows := [][]string{{"node", "account", "region", "state", "cause", "title", "owner", "seen_at", "since"}}
	owner := map[string]string{}
	for _, g := range s.Causes {
		owner[g.ID] = g.Owner
	}
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	for _, l := range s.List {
		name := ""
		if l.State != report.Managed {
			name = title(l.Cause)
		}
		rows = append(rows, []string{l.Node, l.Account, l.Region, l.State, l.Cause, name, owner[l.Cause], stamp(l.At), stamp(l.Since)})
	}
	for _, id := range s.Missing {
		rows = append(rows, []string{id, "", "", "", "", "no report", "", "", ""})
	}
	for _, r := range rows {
		for i := range r {
			r[i] = cell(r[i])
		}
		if err := c.Write(r); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// mark is a foreign text in Markdown: nothing of it is taken for a sign or becomes a link.
func mark(s string) string {
	var b strings.Builder
	for _, r := range report.Printable(s) {
		if strings.ContainsRune("\\`*_{}[]<>()#+!|~&$@", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return noLinks.Replace(b.String())
}

// noLinks takes addresses apart that a renderer would make links of by itself.
var noLinks = strings.NewReplacer("://", `:\//`, "www.", `www\.`, "WWW.", `WWW\.`)

func writeMarkdown(w io.Writer, s *Summary) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Systems Manager: %s\n\n", mark(s.headline()))
	if !s.Newest.IsZero() {
		fmt.Fprintf(&b, "Reports of %s to %s UTC.\n\n", day(s.Oldest), day(s.Newest))
	}
	for _, n := range s.notes() {
		fmt.Fprintf(&b, "> %s\n\n", mark(n))
	}
	if len(s.Causes) > 0 {
		b.WriteString("| cause | hosts | proven | who mends it |\n|---|---:|---:|---|\n")
		for _, g := range s.Causes[:min(len(s.Causes), textCauses)] {
			fmt.Fprintf(&b, "| %s | %d | %d | %s |\n", mark(cmp.Or(g.ID, "no cause could be told")), g.Hosts, g.Proven, mark(g.Owner))
		}
	}
	if len(s.Clusters) > 0 {
		b.WriteString("\n## What to do\n\n")
		for i, c := range s.Clusters[:min(len(s.Clusters), textClusters)] {
			number := fmt.Sprintf("%d. ", i+1)
			in := strings.Repeat(" ", len(number)) // what belongs to an item stands below its text
			fmt.Fprintf(&b, "%s**%s**: %s, %s", number, mark(cmp.Or(c.Cause, "cause unknown")), mark(c.Title), mark(c.mends()))
			if len(c.Where) > 0 {
				fmt.Fprintf(&b, " at %s", mark(c.place()))
			}
			fmt.Fprintf(&b, "\n%s- hosts: %s\n", in, mark(names(c.Nodes, textNodes, c.Hosts)))
			for _, d := range c.Differ[:min(len(c.Differ), 3)] {
				fmt.Fprintf(&b, "%s- differs: %s\n", in, mark(d.says()))
			}
			for _, step := range c.Fix[:min(len(c.Fix), 1)] {
				fmt.Fprintf(&b, "%s- \\[%s\\] %s\n", in, mark(where(step)), mark(step.Text))
				if step.Command != "" {
					fence := "```"
					for strings.Contains(step.Command, fence) {
						fence += "`"
					}
					fmt.Fprintf(&b, "\n%s  %ssh\n", in, fence)
					for l := range strings.SplitSeq(step.Command, "\n") {
						fmt.Fprintf(&b, "%s  %s\n", in, report.Printable(l))
					}
					fmt.Fprintf(&b, "%s  %s\n\n", in, fence)
				}
			}
		}
	}
	if len(s.Odd) > 0 {
		b.WriteString("\n## Odd ones out\n\n")
		for _, o := range s.Odd[:min(len(s.Odd), textOdd)] {
			fmt.Fprintf(&b, "- %s: %s\n", mark(o.says()), mark(names(o.Nodes, textNodes, o.Hosts)))
		}
	}
	if c := s.Change; c != nil {
		fmt.Fprintf(&b, "\n## Since %s UTC\n\n%d newly sick, %d sick of another cause, %d mended, %d without a report now.\n", day(c.Since), len(c.New), len(c.Other), len(c.Mended), len(c.Gone))
		for _, l := range c.New[:min(len(c.New), textNames)] {
			fmt.Fprintf(&b, "- new: %s, %s, %s\n", mark(l.Node), mark(l.State), mark(l.Cause))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
