package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"

	"ssm-doctor/checks/text"
)

func page(t *testing.T, r *Report, l Live) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r, l); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// nodes lists all elements of a page.
func nodes(t *testing.T, doc string) []*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	var out []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			out = append(out, n)
		}
	}
	return out
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func inner(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func TestHTMLForm(t *testing.T) {
	t.Parallel()
	for name, r := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := page(t, Redact(r), Live{})
			count := map[string]int{}
			ids := map[string]bool{}
			for _, n := range nodes(t, doc) {
				count[n.Data]++
				if id := attr(n, "id"); id != "" {
					if ids[id] {
						t.Errorf("id %q twice", id)
					}
					ids[id] = true
				}
				switch n.Data {
				case "script", "iframe", "img", "object", "embed", "form", "base":
					t.Errorf("there is a <%s>", n.Data)
				case "table":
					if n.FirstChild == nil || firstElement(n).Data != "caption" {
						t.Error("a table without caption")
					}
				case "th":
					if attr(n, "scope") == "" {
						t.Errorf("th %q has no scope", inner(n))
					}
				case "title":
					if title := inner(n); !strings.HasPrefix(title, verdictOf(t, doc)) {
						t.Errorf("title %q", title)
					}
				case "svg":
					if attr(n, "role") != "img" || attr(n, "aria-label") == "" {
						t.Error("a picture without words")
					}
				}
				for _, a := range n.Attr {
					if strings.HasPrefix(a.Key, "on") {
						t.Errorf("attribute %s on %s", a.Key, n.Data)
					}
					if a.Key == "src" || a.Key == "href" && n.Data != "a" && !strings.HasPrefix(a.Val, "data:") {
						t.Errorf("%s=%q on %s", a.Key, a.Val, n.Data)
					}
					if a.Key == "href" && n.Data == "a" && a.Val != "#main" && !strings.HasPrefix(a.Val, "https://") {
						t.Errorf("link to %q", a.Val)
					}
				}
			}
			for tag, want := range map[string]int{"h1": 1, "header": 1, "main": 1, "footer": 1, "title": 1, "style": 1} {
				if count[tag] != want {
					t.Errorf("%d <%s>, want %d", count[tag], tag, want)
				}
			}
			if strings.Contains(doc, "http-equiv=\"refresh\"") {
				t.Error("a file reloads itself")
			}
		})
	}
}

func firstElement(n *html.Node) *html.Node {
	for c := range n.ChildNodes() {
		if c.Type == html.ElementNode {
			return c
		}
	}
	return n
}

func verdictOf(t *testing.T, doc string) string {
	t.Helper()
	for _, n := range nodes(t, doc) {
		if n.Data == "h1" {
			return inner(n)
		}
	}
	t.Fatal("no h1")
	return ""
}

func TestHTMLVerdict(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"managed": "MANAGED", "degraded": "MANAGED, BUT DEGRADED", "not-managed": "NOT MANAGED", "unknown": "CANNOT TELL", "image": "IMAGE NOT READY", "interrupted": "CANNOT TELL"} {
		if got := verdictOf(t, page(t, samples()[name], Live{})); got != want {
			t.Errorf("%s: verdict %q, want %q", name, got, want)
		}
	}
}

// Commands come out of the page as they went in.
func TestHTMLCommands(t *testing.T) {
	t.Parallel()
	r := samples()["not-managed"]
	var got []string
	for _, n := range nodes(t, page(t, r, Live{})) {
		if n.Data == "pre" {
			got = append(got, inner(n))
		}
	}
	for i, s := range r.RootCause.Fix {
		if i >= len(got) || got[i] != s.Command.String() {
			t.Errorf("command %d: got %q, want %q", i, got, s.Command)
		}
	}
}

func TestHTMLHostileText(t *testing.T) {
	t.Parallel()
	for _, evil := range hostileTexts() {
		r := rewrite(*filled(t), everywhere(evil))
		r.RootCause.Docs = append(r.RootCause.Docs, "https://example.com/"+evil)
		doc := page(t, &r, Live{Refresh: time.Minute, Links: []Link{{"JSON", "/report.json"}}})
		if len(doc) > 1_000_000 {
			t.Errorf("%d bytes", len(doc))
		}
		for _, n := range nodes(t, doc) {
			if n.Data == "script" || n.Data == "img" {
				t.Errorf("%q became an element", clip(evil, 40))
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "src" || strings.HasPrefix(a.Val, "javascript:") {
					t.Errorf("%q became the attribute %s", clip(evil, 40), a.Key)
				}
			}
		}
		for _, c := range doc {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Errorf("%q put %U on the page", clip(evil, 40), c)
			}
		}
	}
}

func TestHTMLSize(t *testing.T) {
	t.Parallel()
	r := samples()["not-managed"]
	for i := range 60 {
		r.Checks = append(r.Checks, Check{ID: fmt.Sprintf("check-%d", i), Group: fmt.Sprintf("group-%d", i/8), Status: "unknown", Summary: text.Plain(strings.Repeat("word ", 30)), Evidence: r.RootCause.Evidence})
		r.Permissions = append(r.Permissions, Permission{Action: fmt.Sprintf("ssm:Action%d", i), Identity: "hybrid", Verdict: "denied-proven", Evidence: strings.Repeat("word ", 20)})
	}
	if n := len(page(t, r, Live{})); n > 150_000 {
		t.Errorf("the page has %d bytes", n)
	}
}

func TestHTMLLive(t *testing.T) {
	t.Parallel()
	r := samples()["managed"]
	l := Live{Refresh: time.Minute, Reload: Link{"read it without reload", "?static=1"}, Now: sampleTime.Add(2 * time.Minute), Next: sampleTime.Add(5 * time.Minute), StaleAfter: 15 * time.Minute, Links: []Link{{"JSON", "/report.json"}}}
	doc := page(t, r, l)
	for _, want := range []string{`<meta http-equiv="refresh" content="60"/>`, "looked at 2 min ago", `<time datetime="2026-11-22T09:05:00Z">`, `href="/report.json"`, `reloads itself every 60 s: <a href="?static=1">read it without reload</a>`} {
		if !strings.Contains(doc, want) {
			t.Errorf("no %q", want)
		}
	}
	l.Now = sampleTime.Add(40 * time.Minute)
	if doc := page(t, r, l); !strings.Contains(doc, "Warning: this is 40 min old") {
		t.Error("an old report is shown as new")
	}
}

// History that goes back in time, and states of other programs, are no trouble.
func TestHTMLOddHistory(t *testing.T) {
	t.Parallel()
	r := samples()["managed"]
	// The table stays, the bars would lie.
	r.History = []Transition{{sampleTime, Managed, ""}, {sampleTime.Add(-time.Hour), NotManaged, "imds-disabled"}}
	_, history, found := strings.Cut(page(t, r, Live{}), `<h2 id="history">`)
	history, _, _ = strings.Cut(history, "</section>")
	if !found || strings.Contains(history, "<svg") || !strings.Contains(history, "imds-disabled") || !strings.Contains(history, `"lasted">unknown<`) || !strings.Contains(history, `"lasted">60 min<`) {
		t.Errorf("history after the clock was set back: %q", history)
	}
	r.History = []Transition{{sampleTime, "odd", ""}}
	page(t, r, Live{})
	r.GeneratedAt = time.Time{}
	page(t, r, Live{})
}

// What keeps a feature from working is told, of whatever kind it is.
func TestFeatureReasons(t *testing.T) {
	t.Parallel()
	r := samples()["degraded"]
	wide := strings.Join(strings.Fields(render(t, "wide", r, Style{Width: 100})), " ")
	for _, want := range []string{"allowed, but must not be: ssm:UpdateInstanceInformation", "over ec2messages", "denied, needed in some situations: s3:GetObject", "denied: ssmmessages:OpenDataChannel"} {
		if !strings.Contains(page(t, r, Live{}), want) {
			t.Errorf("the page does not tell %q", want)
		}
		if !strings.Contains(wide, want) {
			t.Errorf("the long text does not tell %q", want)
		}
	}
}

// What the page holds within itself is what the server's policy lets through.
func TestContentPolicy(t *testing.T) {
	t.Parallel()
	for _, n := range nodes(t, page(t, samples()["managed"], Live{})) {
		if attr(n, "rel") == "icon" && (!strings.HasPrefix(attr(n, "href"), "data:") || !strings.Contains(ContentPolicy(), "img-src data:;")) {
			t.Errorf("icon %q under the policy %q", attr(n, "href"), ContentPolicy())
		}
	}
}

func BenchmarkHTML(b *testing.B) {
	r := samples()["not-managed"]
	b.ReportAllocs()
	for b.Loop() {
		var w bytes.Buffer
		if err := HTML(&w, r, Live{}); err != nil {
			b.Fatal(err)
		}
	}
}
