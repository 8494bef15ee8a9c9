package report

import (
	"fmt"
	"strings"

	"ssm-doctor/checks/text"
)

// renderMarkdown is the answer for a ticket or a chat: verdict, cause, remedy, what was
// seen, and what the checks say. Nothing of the host can begin markup of its own.
func renderMarkdown(r *Report) string {
	t := &screen{r: r, s: Style{Width: maxWidth}}
	var b strings.Builder
	para := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n\n", a...) }
	word := t.word()
	if word == markOf("unknown").word {
		word = "CANNOT TELL"
	}
	title := word
	for _, p := range t.nodeParts() {
		title += " · " + mdText(p)
	}
	para("## %s", title)
	if r.Interrupted || r.TimedOut {
		para("The run did not end; this is incomplete.")
	}
	if gate := gateCauses(r); len(gate) > 1 {
		mdGate(&b, gate, t)
	} else {
		mdAnswer(&b, t)
	}
	mdChecks(&b, r)
	redacted := ""
	if r.Redacted {
		redacted = ", names left out"
	}
	para("ssm-doctor %s, %s%s", mdText(r.Version), stamp(r.GeneratedAt), redacted)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// mdAnswer is the cause with its remedy, or what is missing to name one, and the other
// causes.
func mdAnswer(b *strings.Builder, t *screen) {
	r, c := t.r, t.r.RootCause
	if c != nil {
		mdCause(b, *c)
	} else {
		fmt.Fprintf(b, "%s\n\n", mdText(sentence(capital(summaryOf(r)))))
	}
	if d := r.CannotTell; d != nil && r.State == Unknown {
		mdList(b, "Missing", sentencesOf(d.Missing))
		mdList(b, "Tried", sentencesOf(d.Tried))
		mdSteps(b, "Next, safe in any case", d.Fix, t)
	}
	if c != nil {
		mdSteps(b, "Fix", c.Fix, t)
	}
	mdPlan(b, r)
	if c != nil {
		mdEvidence(b, c.Evidence)
	}
	for _, c := range r.Also {
		if c.Severity == "info" {
			continue
		}
		b.WriteString("### Also\n\n")
		mdCause(b, c)
		mdSteps(b, "", c.Fix, t)
		mdEvidence(b, c.Evidence)
	}
}

// mdGate lists what keeps an image from being ready, as equals.
func mdGate(b *strings.Builder, all []Cause, t *screen) {
	fmt.Fprintf(b, "%s\n\n", gateLead(all))
	for i, c := range all {
		mdCause(b, c)
		mdSteps(b, "", gateFix(all, i), t)
		mdEvidence(b, c.Evidence)
	}
}

func mdCause(b *strings.Builder, c Cause) {
	fmt.Fprintf(b, "**%s** %s", mdCode(c.ID), mdText(sentence(causeText(c))))
	if w := assurance(c); w != "" {
		fmt.Fprintf(b, " (%s)", mdText(w))
	}
	b.WriteString("\n\n")
}

func mdList(b *strings.Builder, head string, list []string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "### %s\n\n", head)
	for _, s := range list {
		fmt.Fprintf(b, "- %s\n", mdText(s))
	}
	b.WriteString("\n")
}

func mdSteps(b *strings.Builder, head string, fix []Step, t *screen) {
	if len(fix) == 0 {
		return
	}
	if head != "" {
		fmt.Fprintf(b, "### %s\n\n", head)
	}
	n, indent := 0, ""
	for _, s := range fix {
		if s.Alternative && n > 0 { // part of the step whose place it takes
			fmt.Fprintf(b, "\n%sor %s %s\n", indent, mdText(t.place(s)), mdText(s.words()))
		} else {
			n++
			number := fmt.Sprintf("%d. ", n)
			indent = strings.Repeat(" ", len(number))
			fmt.Fprintf(b, "%s%s %s\n", number, mdText(t.place(s)), mdText(s.words()))
		}
		if s.Command.IsZero() {
			continue
		}
		fence := mdFence(s.Command.String())
		fmt.Fprintf(b, "%s%s\n", indent, fence)
		for l := range strings.SplitSeq(strings.TrimRight(s.Command.String(), "\n"), "\n") {
			fmt.Fprintf(b, "%s%s\n", indent, Printable(strings.TrimSuffix(l, "\r")))
		}
		fmt.Fprintf(b, "%s%s\n", indent, fence)
	}
	b.WriteString("\n")
	if note := blankNote(t.r, fix); note != "" {
		fmt.Fprintf(b, "%s\n\n", mdNote(sentence(capital(note))))
	}
}

func mdEvidence(b *strings.Builder, list []Evidence) {
	if len(list) == 0 {
		return
	}
	b.WriteString("| Asked | Answer |\n|---|---|\n")
	for _, e := range list {
		what := mdText(e.What)
		if e.At != "" {
			what += ", " + mdText(e.At)
		}
		fmt.Fprintf(b, "| %s | %s |\n", what, mdText(clip(e.Seen, evidenceClip)))
	}
	b.WriteString("\n")
}

func mdChecks(b *strings.Builder, r *Report) {
	n := tally(r)
	var rows []Check
	for _, want := range []string{"fail", "warn", "unknown"} {
		for _, c := range r.Checks {
			if c.Status == want {
				rows = append(rows, c)
			}
		}
	}
	fmt.Fprintf(b, "<details><summary>%d checks passed, %d failed, %d with a warning, %d not known, %d skipped</summary>\n\n", n["pass"], n["fail"], n["warn"], n["unknown"], n["skip"])
	if len(rows) > 0 {
		b.WriteString("| Status | Check | Result |\n|---|---|---|\n")
	}
	for _, c := range rows {
		fmt.Fprintf(b, "| %s | %s | %s |\n", mdText(c.Status), mdText(c.ID), mdText(clip(c.Summary.String(), evidenceClip)))
	}
	b.WriteString("\n</details>\n\n")
}

var mdEscapes = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", ">", "&gt;", "[", `\[`, "]", `\]`, "#", `\#`, "~", `\~`, "&", "&amp;", "!", `\!`, "@", "&#64;", "://", `:\//`, "www.", `www\.`, "WWW.", `WWW\.`)

// mdText is text in which no sign is markup. An @ calls nobody, and an address is no link:
// most that stand in a report were written by others.
func mdText(s string) string { return mdEscapes.Replace(Printable(s)) }

// mdNote is text of ours in which commands stand between backticks.
func mdNote(s string) string {
	parts := strings.Split(s, "`")
	for i, p := range parts {
		if i%2 == 1 && i < len(parts)-1 {
			parts[i] = mdCode(p)
		} else {
			parts[i] = mdText(p)
		}
	}
	return strings.Join(parts, "")
}

// mdCode is an id as code.
func mdCode(s string) string { return "`" + strings.ReplaceAll(Printable(s), "`", "'") + "`" }

// mdFence is a fence that no line of a command ends.
func mdFence(s string) string {
	fence := "```"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	return fence
}

func sentencesOf(list []text.Text) []string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = sentence(capital(t.String()))
	}
	return out
}
