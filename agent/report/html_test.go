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
			ids, within := map[string]bool{}, map[string]bool{}
			for _, n := range nodes(t, doc) {
				if n.Data != "title" || n.Parent.Data == "head" { // pictures have titles too
					count[n.Data]++
				}
				if id := attr(n, "id"); id != "" {
					if ids[id] {
						t.Errorf("id %q twice", id)
					}
					ids[id] = true
				}
				switch n.Data {
				case "script":
					if inner(n) != pageJS {
						t.Errorf("a script that is not ours: %q", inner(n))
					}
				case "iframe", "img", "object", "embed", "form", "base":
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
					if title := inner(n); n.Parent.Data == "head" && !strings.HasPrefix(title, verdictOf(t, doc)) {
						t.Errorf("title %q", title)
					}
				case "svg":
					if attr(n, "aria-hidden") == "" && (attr(n, "role") != "img" || attr(n, "aria-label") == "") {
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
					if a.Key == "href" && n.Data == "a" && !strings.HasPrefix(a.Val, "https://") {
						within[a.Val] = true
					}
				}
			}
			for to := range within {
				if !ids[strings.TrimPrefix(to, "#")] || !strings.HasPrefix(to, "#") {
					t.Errorf("link to %q, which is not on the page", to)
				}
			}
			for tag, want := range map[string]int{"script": 1, "h1": 1, "header": 1, "main": 1, "footer": 1, "title": 1, "style": 1} {
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
			if n.Data == "script" && inner(n) != pageJS || n.Data == "img" {
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
	l := Live{Refresh: time.Minute, Reload: Link{"read it again", "./"}, Now: sampleTime.Add(2 * time.Minute), Next: sampleTime.Add(5 * time.Minute), StaleAfter: 15 * time.Minute, Links: []Link{{"JSON", "/report.json"}}}
	doc := page(t, r, l)
	for _, want := range []string{`data-live="60"`, `09:00:00 UTC</time> <span class="rel">2 min ago</span>`, `<time datetime="2026-11-22T09:05:00Z">`, `href="/report.json"`, `does not update itself: <a href="./">read it again</a>`} {
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

// What the page holds within itself is what the server's policy, and its own, let through.
func TestContentPolicy(t *testing.T) {
	t.Parallel()
	policy := ""
	for _, n := range nodes(t, page(t, samples()["managed"], Live{})) {
		switch {
		case attr(n, "http-equiv") == "Content-Security-Policy":
			policy = attr(n, "content")
		case n.Data == "style" || n.Data == "script":
			if policy == "" {
				t.Errorf("%s stands before the policy", n.Data)
			}
			if !strings.Contains(policy, n.Data+"-src '"+hashOf(inner(n))+"'") {
				t.Errorf("%s under the policy %q", n.Data, policy)
			}
		case attr(n, "rel") == "icon":
			if !strings.HasPrefix(attr(n, "href"), "data:image/svg+xml,") || !strings.Contains(policy, "img-src data:;") {
				t.Errorf("icon %q under the policy %q", attr(n, "href"), policy)
			}
		}
	}
	if !strings.HasPrefix(ContentPolicy(), policy+"; ") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy of the page %q, of the server %q", policy, ContentPolicy())
	}
}

// The tab shows the state by an icon, and the heading says since when.
func TestHTMLShowsState(t *testing.T) {
	t.Parallel()
	icons := map[string]bool{}
	for name, since := range map[string]string{"managed": "2026-11-21T03:00:00Z", "degraded": "2026-11-22T08:40:00Z", "not-managed": "2026-11-22T02:00:00Z", "image": ""} {
		doc := page(t, samples()[name], Live{})
		for _, n := range nodes(t, doc) {
			if attr(n, "rel") == "icon" {
				icons[attr(n, "href")] = true
			}
		}
		head, _, _ := strings.Cut(doc, "</header>")
		if _, said, found := strings.Cut(head, "since <time datetime=\""); found != (since != "") || !strings.HasPrefix(said, since) {
			t.Errorf("%s: since %q, want %q", name, clip(said, 30), since)
		}
	}
	if len(icons) != 3 {
		t.Errorf("three states have %d icons", len(icons))
	}
}

// What is not in use comes behind what is, folded, and in grey whatever it says.
func TestHTMLFeatures(t *testing.T) {
	t.Parallel()
	_, features, _ := strings.Cut(page(t, samples()["degraded"], Live{}), `id="features"`)
	features, _, _ = strings.Cut(features, "</section>")
	used, rest, found := strings.Cut(features, "<details>")
	if !found || !strings.Contains(used, "Session Manager") || !strings.Contains(used, "broken") {
		t.Errorf("in use: %q", used)
	}
	if !strings.Contains(rest, "Patch Manager") || strings.Contains(rest, "st bad") || strings.Contains(rest, "st warn") {
		t.Errorf("not in use: %q", rest)
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
