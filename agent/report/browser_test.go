package report

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// browser starts Chromium, or skips the test and says so.
func browser(t *testing.T) context.Context {
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

// serve shows a page as the daemon does and anything else as an error, and
// counts what is asked for.
func serve(t *testing.T, doc string) (url string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var paths []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, r.URL.Path)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", ContentPolicy())
		if r.URL.Path != "/page" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(doc))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/page", func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), paths...)
	}
}

// must runs one action of the browser.
func must[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// scheme chooses light or dark; empty leaves it to the browser.
func scheme(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}}); err != nil {
		t.Fatal(err)
	}
}

func TestHTMLInBrowser(t *testing.T) {
	ctx := browser(t)
	var mu sync.Mutex
	var requests []string
	if err := chromedp.Listen(ctx, func(ev any) {
		if e, ok := ev.(*network.EventRequestWillBeSent); ok {
			mu.Lock()
			requests = append(requests, e.Request.URL)
			mu.Unlock()
		}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	for name, r := range samples() {
		t.Run(name, func(t *testing.T) {
			mu.Lock()
			requests = nil
			mu.Unlock()
			if name == "hostile" {
				r.RootCause.ID = hostileTexts()[6] // text has ids whole, the page bounds them
			}
			url, asked := serve(t, page(t, Redact(r), Live{}))
			must(t, ctx, chromedp.EmulateViewport(1280, 900))
			must(t, ctx, chromedp.Navigate(url))
			if must(t, ctx, chromedp.Evaluate[bool](`document.querySelectorAll("details").forEach(d => d.open = true); document.images.length + document.scripts.length > 0`)) {
				t.Error("the page holds pictures or scripts")
			}
			for _, name := range []string{"dark", "light"} {
				scheme(t, ctx, name)
				for _, b := range must(t, ctx, chromedp.Evaluate[[]string](contrastJS)) {
					t.Errorf("%s: contrast %s", name, b)
				}
			}
			// 320 pixels is a window of 640 at 200 % zoom; tables in tables are
			// tightest just before the page folds them, at 912.
			for _, width := range []int64{1280, 1100, 913, 900, 760, 720, 640, 320} {
				must(t, ctx, chromedp.EmulateViewport(width, 900))
				if over := must(t, ctx, chromedp.Evaluate[float64](`document.documentElement.scrollWidth - window.innerWidth`)); over > 0 {
					t.Errorf("%d pixels wide: %v pixels stick out", width, over)
				}
			}
			if name != "hostile" {
				for _, width := range []int64{1100, 913} {
					must(t, ctx, chromedp.EmulateViewport(width, 900))
					for _, b := range must(t, ctx, chromedp.Evaluate[[]string](brokenJS)) {
						t.Errorf("%d pixels wide: a line ends inside the word %q", width, b)
					}
				}
			}
			must(t, ctx, chromedp.EmulateViewport(1280, 900))
			unnamed(t, ctx)
			axe(t, ctx)
			screenshots(t, ctx, name)
			mu.Lock()
			defer mu.Unlock()
			seen := false
			for _, u := range requests {
				seen = seen || u == url
				if u != url && !strings.HasPrefix(u, "data:") {
					t.Errorf("the page asks for %s", u)
				}
			}
			if !seen {
				t.Error("the browser did not tell its requests")
			}
			if got := asked(); len(got) != 1 {
				t.Errorf("requests to the server: %q", got)
			}
		})
	}
}

// brokenJS returns the words in narrow columns that stand on two lines.
const brokenJS = `[...document.querySelectorAll("th, td.st, td[data-h]")].flatMap(e => [...e.childNodes].filter(n => n.nodeType == 3).flatMap(n => [...n.data.matchAll(/(?<!\S)\w{1,15}(?!\S)/g)].filter(m => {
  const r = document.createRange();
  r.setStart(n, m.index); r.setEnd(n, m.index + m[0].length);
  return r.getClientRects().length > 1;
}).map(m => m[0])))`

// contrastJS returns every text whose contrast to its background is below
// 4.5, or below 3 where it is large.
const contrastJS = `(() => {
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

// unnamed asks Chromium's accessibility tree for landmarks, and for things
// that a screen reader would announce without a name.
func unnamed(t *testing.T, ctx context.Context) {
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

// The page of a daemon reloads itself, which axe does not let pass. Nothing else
// is wrong with it, and nothing with the one that it links to.
func TestHTMLLiveInBrowser(t *testing.T) {
	ctx := browser(t)
	live := Live{Now: sampleTime.Add(time.Minute), Next: sampleTime.Add(5 * time.Minute), StaleAfter: time.Hour, Links: []Link{{"report as JSON", "report.json"}}}
	for _, c := range []struct {
		refresh time.Duration
		reload  Link
		except  []string
	}{
		{time.Minute, Link{"read it without reload", "?static=1"}, []string{"meta-refresh"}},
		{0, Link{"reload it every minute", "./"}, nil},
	} {
		live.Refresh, live.Reload = c.refresh, c.reload
		url, _ := serve(t, page(t, Redact(samples()["degraded"]), live))
		must(t, ctx, chromedp.EmulateViewport(1280, 900))
		must(t, ctx, chromedp.Navigate(url))
		if got := must(t, ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("header a")].pop().getAttribute("href")`)); got != c.reload.Href {
			t.Errorf("the link at the top leads to %q", got)
		}
		unnamed(t, ctx)
		axe(t, ctx, c.except...)
	}
}

// axe runs the rules of axe-core, but for some, if its source is at hand: AXE_JS
// names axe.min.js.
func axe(t *testing.T, ctx context.Context, except ...string) {
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
		scheme(t, ctx, name)
		must(t, ctx, chromedp.Evaluate[bool](string(src)+";true"))
		for _, f := range must(t, ctx, chromedp.Evaluate[[]string](`axe.run().then(r => r.passes.length < 10 ? ["only " + r.passes.length + " rules applied"] : r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.target).join(" ").slice(0, 300)))`, chromedp.EvalAwaitPromise)) {
			if rule, _, _ := strings.Cut(f, ":"); slices.Contains(except, rule) {
				continue
			}
			t.Errorf("axe, %s: %s", name, f)
		}
	}
}

// screenshots writes pictures for people to look at, where SCREENSHOTS says.
func screenshots(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	for kind, width := range map[string]int64{"light": 1100, "dark": 1100, "narrow": 360} {
		scheme(t, ctx, map[string]string{"dark": "dark"}[kind])
		must(t, ctx, chromedp.EmulateViewport(width, 900))
		must(t, ctx, chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("main > details, section > details").forEach(d => d.open = false)`))
		png := must(t, ctx, chromedp.FullScreenshot(100))
		if err := os.WriteFile(filepath.Join(dir, name+"-"+kind+".png"), png, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// What one click selects is the command, byte for byte.
func TestHTMLSelectsCommand(t *testing.T) {
	ctx := browser(t)
	r := samples()["not-managed"]
	url, _ := serve(t, page(t, r, Live{}))
	must(t, ctx, chromedp.EmulateViewport(500, 900))
	must(t, ctx, chromedp.Navigate(url))
	for i, s := range r.RootCause.Fix {
		got := must(t, ctx, chromedp.Evaluate[string](fmt.Sprintf(`(() => { const p = document.querySelectorAll("pre")[%d], s = getSelection(), r = document.createRange(); s.removeAllRanges(); r.selectNode(p); s.addRange(r); return s.toString() })()`, i)))
		if strings.TrimSpace(got) != s.Command.String() {
			t.Errorf("step %d selects %q, want %q", i+1, got, s.Command)
		}
	}
}
