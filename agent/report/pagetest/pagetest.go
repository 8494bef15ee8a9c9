// Package pagetest looks at pages in Chromium. Only tests import it.
package pagetest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Start starts Chromium, or skips the test and says so.
func Start(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: a browser is slow; run without -short to look at the page in one")
	}
	exe := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			exe = p
			break
		}
	}
	if exe == "" {
		t.Skip("SKIPPED: no Chromium on PATH; the page was not looked at in a browser")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(exe), chromedp.WindowSize(1100, 1400), chromedp.UserDataDir(t.TempDir()))
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Skipf("SKIPPED: Chromium does not start, the page was not looked at in a browser: %v", err)
	}
	return ctx
}

// Must runs one action of the browser.
func Must[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Scheme chooses light or dark; empty leaves it to the browser.
func Scheme(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}}); err != nil {
		t.Fatal(err)
	}
}

// WithoutScript is a page as a browser shows it that runs no scripts. A browser that is
// told to run none would not run what looks at the page either.
func WithoutScript(doc string) string {
	if at := strings.LastIndex(doc, "<script>"); at >= 0 {
		doc = doc[:at] + doc[strings.LastIndex(doc, "</script>")+len("</script>"):]
	}
	return strings.NewReplacer("<noscript>", "", "</noscript>", "").Replace(doc)
}

// Shots writes pictures of a page for people to look at, where SCREENSHOTS says.
func Shots(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	for kind, width := range map[string]int64{"light": 1280, "dark": 1280, "narrow": 390} {
		Scheme(t, ctx, map[string]string{"dark": "dark"}[kind])
		Must(t, ctx, chromedp.EmulateViewport(width, 900))
		Must(t, ctx, chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("main > details, section > details").forEach(d => d.open = false)`))
		if err := os.WriteFile(filepath.Join(dir, name+"-"+kind+".png"), Must(t, ctx, chromedp.FullScreenshot(100)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := chromedp.Call(ctx, page.PrintToPDF, page.PrintToPDFParams{PreferCSSPageSize: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".pdf"), out.Data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// BrokenJS returns the words in narrow columns that stand on two lines.
const BrokenJS = `[...document.querySelectorAll("th, td.st, td[data-h]")].flatMap(e => [...e.childNodes].filter(n => n.nodeType == 3).flatMap(n => [...n.data.matchAll(/(?<!\S)\w{1,15}(?!\S)/g)].filter(m => {
  const r = document.createRange();
  r.setStart(n, m.index); r.setEnd(n, m.index + m[0].length);
  return r.getClientRects().length > 1;
}).map(m => m[0])))`

// ContrastJS returns every text whose contrast to its background is below
// 4.5, or below 3 where it is large.
const ContrastJS = `(() => {
const rgb = s => (s.match(/[\d.]+/g) || []).map(Number);
const lum = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
const out = [];
for (const e of document.querySelectorAll("body *")) {
  if (![...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()) || !e.getClientRects().length) continue;
  const css = getComputedStyle(e);
  let fg = rgb(e instanceof SVGElement ? css.fill : css.color), bg = null;
  if (e.classList.contains("sign")) { const p = e.previousElementSibling; if (p) bg = rgb(getComputedStyle(p).fill) }
  for (let p = e; p && !bg; p = p.parentElement) { const c = rgb(getComputedStyle(p).backgroundColor); if (c.length == 3 || c[3] > 0) bg = c }
  if (!bg) bg = [255, 255, 255];
  const a = lum(fg.slice(0, 3)), b = lum(bg.slice(0, 3)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(css.fontSize), large = size >= 24 || size >= 18.66 && css.fontWeight >= 700;
  if (ratio < (large ? 3 : 4.5)) out.push(ratio.toFixed(2) + " " + e.tagName + "." + e.getAttribute("class") + " " + e.textContent.trim().slice(0, 40));
}
return out })()`

// Unnamed asks Chromium's accessibility tree for landmarks, and for things
// that a screen reader would announce without a name.
func Unnamed(t *testing.T, ctx context.Context) {
	t.Helper()
	tree, err := chromedp.Call(ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]int{}
	level := ""
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		role, name := strings.Trim(string(n.Role.Value), `"`), ""
		if n.Name != nil {
			name = strings.Trim(string(n.Name.Value), `"`)
		}
		roles[role]++
		switch role {
		case "heading":
			for _, p := range n.Properties {
				if p.Name == "level" {
					if now := string(p.Value.Value); level != "" && now > level && now[0]-level[0] > 1 || level == "" && now != "1" {
						t.Errorf("heading %q of level %s follows level %q", name, now, level)
					} else {
						level = now
					}
				}
			}
			fallthrough
		case "link", "table", "image", "region", "button", "columnheader", "rowheader":
			if name == "" {
				t.Errorf("a %s without a name", role)
			}
		}
	}
	for _, role := range []string{"banner", "main", "contentinfo"} {
		if roles[role] != 1 {
			t.Errorf("%d landmarks %s, want 1", roles[role], role)
		}
	}
}

// Axe runs the rules of axe-core, but for some, if its source is at hand: AXE_JS
// names axe.min.js.
func Axe(t *testing.T, ctx context.Context, except ...string) {
	t.Helper()
	file := os.Getenv("AXE_JS")
	if file == "" {
		t.Log("AXE_JS names no axe.min.js: only contrast, landmarks, headings and names were tested")
		return
	}
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dark", "light"} {
		Scheme(t, ctx, name)
		Must(t, ctx, chromedp.Evaluate[bool](string(src)+";true"))
		for _, f := range Must(t, ctx, chromedp.Evaluate[[]string](`axe.run().then(r => r.passes.length < 10 ? ["only " + r.passes.length + " rules applied"] : r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.target).join(" ").slice(0, 300)))`, chromedp.EvalAwaitPromise)) {
			if rule, _, _ := strings.Cut(f, ":"); slices.Contains(except, rule) {
				continue
			}
			t.Errorf("axe, %s: %s", name, f)
		}
	}
}

// Pages is on how many sheets of A4 the page is printed.
func Pages(t *testing.T, ctx context.Context) int {
	t.Helper()
	out, err := chromedp.Call(ctx, page.PrintToPDF, page.PrintToPDFParams{PreferCSSPageSize: new(true)})
	if err != nil {
		t.Fatal(err)
	}
	pages := bytes.Count(out.Data, []byte("/Type /Page\n"))
	if pages == 0 {
		t.Fatalf("no page in %d bytes of PDF", len(out.Data))
	}
	return pages
}
