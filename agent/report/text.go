package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"ssm-doctor/checks/node"
	"ssm-doctor/checks/text"
)

// Layout of text: a column of labels, then the body.
const (
	labelWidth   = 9
	evidenceClip = 600 // runes of one observation; wide shows all
)

// screen collects lines. Everything foreign passes through show first.
type screen struct {
	s     Style
	r     *Report
	wide  bool
	cut   cut
	lines []string
}

// renderText lays a report out: wide holds everything, else it is what fits a screen.
func renderText(r *Report, s Style, wide bool) string {
	t := &screen{s: s, r: r, wide: wide}
	switch {
	case r.State == Managed:
		t.managed()
	case r.Profile != "":
		t.gate()
	default:
		t.answer()
	}
	t.planned()
	if wide {
		t.everything()
	}
	return strings.Join(t.lines, "\n") + "\n"
}

// show makes foreign text safe to print in this style.
func (t *screen) show(s string) string {
	s = Printable(s)
	if t.s.ASCII {
		s = inASCII(s)
	}
	return s
}

func (t *screen) add(format string, a ...any) { t.lines = append(t.lines, fmt.Sprintf(format, a...)) }

func (t *screen) gap() {
	if n := len(t.lines); n > 0 && t.lines[n-1] != "" {
		t.lines = append(t.lines, "")
	}
}

// section prints lines beside a label.
func (t *screen) section(label string, lines []string) {
	for i, l := range lines {
		if i > 0 {
			label = ""
		}
		t.lines = append(t.lines, strings.TrimRight(pad(label, labelWidth)+l, " "))
	}
}

func (t *screen) body() int { return t.s.Width - labelWidth }

func (t *screen) dim(s string) string { return t.s.paint(styleDim, s) }

// word is the state as it is printed. A machine image is not a node.
func (t *screen) word() string {
	if t.r.Profile == "" {
		return markOf(t.r.State).word
	}
	switch t.r.State {
	case Managed, Degraded:
		return "IMAGE READY"
	case NotManaged:
		return "IMAGE NOT READY"
	}
	return "CANNOT TELL"
}

// verdict is the glyph and the word, painted, and their width.
func (t *screen) verdict() (painted string, width int) {
	w := t.word()
	if w == markOf("unknown").word {
		w = "CANNOT TELL"
	}
	plain := t.s.glyph(t.r.State) + " " + w
	return t.s.paint(markOf(t.r.State).style, plain), cells(plain)
}

// nodeParts are the words that say which host this is, most important first.
func (t *screen) nodeParts() []string {
	r := t.r
	var parts []string
	if r.Node.ID != "" {
		parts = append(parts, t.show(r.Node.ID))
	} else if wordOfKind[r.Node.Kind] != "" {
		parts = append(parts, wordOfKind[r.Node.Kind]+" without node id")
	}
	for _, p := range []string{r.Node.Region, r.Node.OS} {
		if p != "" {
			parts = append(parts, t.show(clip(p, min(60, t.s.Width-4))))
		}
	}
	if p := t.ping(); p != "" {
		parts = append(parts, p)
	}
	if r.Until.After(r.GeneratedAt) {
		parts = append(parts, "until "+r.Until.UTC().Format("15:04 UTC")+" (in "+span(r.Until.Sub(r.GeneratedAt))+")")
	}
	return parts
}

// ping is when the service last accepted the node.
func (t *screen) ping() string {
	r := t.r
	if r.Profile != "" || r.LastPing.IsZero() || r.GeneratedAt.Before(r.LastPing) {
		return ""
	}
	return "last ping " + span(r.GeneratedAt.Sub(r.LastPing)) + " ago"
}

// wordOfKind names a host that has no node id.
var wordOfKind = map[string]string{
	string(node.KindEC2): "EC2 instance", string(node.KindHybrid): "hybrid host", string(node.KindECS): "ECS task", string(node.KindOther): "host of another cloud",
}

// headline puts the verdict and the node on line 1; what does not fit follows on line 2.
func (t *screen) headline() {
	painted, used := t.verdict()
	line, rest := painted, []string(nil)
	for i, p := range t.nodeParts() {
		if t.r.State == Managed && p == t.ping() { // with who signs, on line 2
			rest = append(rest, p)
			continue
		}
		if used+3+cells(p) > t.s.Width && i > 0 {
			rest = append(rest, p)
			continue
		}
		line += "   " + p
		used += 3 + cells(p)
	}
	t.add("%s", line)
	if t.r.State == Managed && t.r.Profile == "" {
		if who := t.signedBy(t.s.Width - 2 - cells(strings.Join(rest, "   ")) - 3); who != "" {
			rest = append(rest, who)
		}
	}
	t.spread(rest)
	t.circumstances()
}

// spread prints parts side by side, on as many lines as they need.
func (t *screen) spread(parts []string) {
	line := ""
	for _, p := range parts {
		if line != "" && 2+cells(line)+3+cells(p) > t.s.Width {
			t.add("  %s", line)
			line = ""
		}
		if line != "" {
			line += "   "
		}
		line += p
	}
	if line != "" {
		t.add("  %s", line)
	}
}

// circumstances are the remarks that change what the verdict is worth.
func (t *screen) circumstances() {
	r := t.r
	if r.Interrupted {
		t.add("  %s", t.s.paint(styleWarn, "interrupted, incomplete"))
	}
	if r.TimedOut {
		t.add("  %s", t.s.paint(styleWarn, "the time limit was reached, incomplete"))
	}
	if r.CheckedFrom != "" {
		t.add("  %s", t.dim("judged from "+t.show(clip(r.CheckedFrom, 200))+" of "+stamp(r.GeneratedAt)))
	}
}

// needRoot is the sentence on what root would add.
func needRoot(r *Report) string {
	n := "1 observation needs"
	if r.NeedRoot != 1 {
		n = fmt.Sprintf("%d observations need", r.NeedRoot)
	}
	if r.Node.GOOS == "windows" {
		return n + " an Administrator. Run in an elevated prompt: `ssm-doctor check`"
	}
	return n + " root. Run: `sudo ssm-doctor check`"
}

// managed is three lines and what is not as it should be.
func (t *screen) managed() {
	t.headline()
	if t.r.Profile != "" {
		t.lines = append(t.lines, t.prose(t.show(clip(sentence(capital(t.r.Summary.String())), 300)))...)
	}
	n := tally(t.r)
	counts := fmt.Sprintf("%s passed", plural(n["pass"], "check"))
	for _, k := range []string{"warn", "fail", "unknown", "skip"} {
		if n[k] > 0 {
			counts += fmt.Sprintf(", %d %s", n[k], map[string]string{"warn": "to look at", "fail": "failed", "unknown": "not known", "skip": "skipped"}[k])
		}
	}
	counts += ", " + seconds(t.r.Duration)
	if !t.wide {
		counts += ": -v"
	}
	t.add("  %s", t.dim(counts))
	if t.wide {
		return
	}
	for _, c := range t.r.Checks {
		if c.Status == "warn" || c.Status == "fail" || c.Status == "unknown" {
			t.remark(c.Status, c.ID, c.Summary.String(), c.FollowsFrom == "")
		}
	}
	if t.r.RootCause != nil {
		t.remark("info", t.r.RootCause.ID, causeText(*t.r.RootCause), true)
	}
	for _, c := range t.r.Also {
		if !t.named(c) {
			t.remark("info", c.ID, causeText(c), true)
		}
	}
	for _, l := range t.features() {
		t.add("  %s", l)
	}
	t.unexplained()
	if t.r.NeedRoot > 0 {
		for _, l := range wrap(needRoot(t.r), t.s.Width-2) {
			t.add("  %s", t.dim(strings.ReplaceAll(l, "`", "")))
		}
	}
}

// signedBy names what the agent signs with, and its role where that fits.
func (t *screen) signedBy(room int) string {
	c := t.r.Credentials
	who := map[string]string{"instance-profile": "instance profile", "default-host-management": "Default Host Management", "hybrid": "hybrid activation", "shared-file": "shared credentials file", "task-role": "task role"}[c.Source]
	if s := t.show(c.Role) + " (" + who + ")"; who != "" && c.Role != "" && cells(s)+3 <= room {
		return "as " + s
	}
	if who == "" || cells(who)+3 > room {
		return ""
	}
	return "by " + who
}

// named reports whether a check that is printed anyway tells the same.
func (t *screen) named(c Cause) bool {
	for _, k := range t.r.Checks {
		if k.Cause == c.ID && (k.Status == "warn" || k.Status == "fail") {
			return true
		}
	}
	return false
}

// remark is one line under a managed node, such as
// "! agent-version  3.3.40.0, current is …   (explain agent-version)".
func (t *screen) remark(status, id, summary string, explain bool) {
	head := t.s.glyph(status) + " " + t.show(id) + "  "
	indent := "  " + strings.Repeat(" ", 2)
	hint := ""
	if explain && status != "unknown" {
		hint = "(explain " + t.show(id) + ")"
	}
	lines := wrapAfter(t.show(clip(summary, evidenceClip)), cells(head)-2, t.s.Width-len(indent))
	for i, l := range lines {
		if i == len(lines)-1 && hint != "" {
			if cells(head)+cells(l)+cells(hint)+5 <= t.s.Width {
				l += "   " + t.dim(hint)
			} else {
				l += "\n" + indent + t.dim(hint)
			}
		}
		if i == 0 {
			t.add("  %s%s", t.s.paint(markOf(status).style, head), l)
		} else {
			t.add("%s%s", indent, l)
		}
	}
}

// causeText is what was found here, or what the catalogue calls the cause.
func causeText(c Cause) string { return capital(text.Or(c.Summary.String(), c.Title)) }

// capital begins a sentence with a capital, unless its first word is a name or an id.
func capital(s string) string {
	word, _, _ := strings.Cut(s, " ")
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyz,") != "" || word == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// tag is the id of a cause and whose word it is.
func (t *screen) tag(c Cause) string {
	if c.ID == "" {
		return ""
	}
	tag := t.show(c.ID)
	if w := assurance(c); w != "" {
		tag += ", " + w
	}
	return tag
}

// tagged puts a tag behind the last line, or on a line of its own.
func (t *screen) tagged(lines []string, tag string, width int) []string {
	if tag == "" {
		return lines
	}
	last := len(lines) - 1
	if cells(lines[last])+3+cells(tag) <= width {
		lines[last] += "   " + t.dim(tag)
		return lines
	}
	return append(lines, t.dim(tag))
}

func tally(r *Report) map[string]int {
	n := map[string]int{}
	for _, c := range r.Checks {
		n[c.Status]++
	}
	return n
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func seconds(s float64) string {
	switch {
	case math.IsNaN(s) || math.IsInf(s, 0) || s < 0:
		return "? s"
	case s < 0.1:
		return fmt.Sprintf("%.0f ms", s*1000)
	}
	return fmt.Sprintf("%.1f s", s)
}

// span is a length of time to the precision that people use.
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// stamp is a time for people, in UTC.
func stamp(at time.Time) string {
	if at.IsZero() {
		return "unknown time"
	}
	return at.UTC().Format("2006-01-02 15:04:05Z")
}
