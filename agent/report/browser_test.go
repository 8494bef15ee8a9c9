package report

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"ssm-doctor/agent/report/pagetest"
)

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

func TestHTMLInBrowser(t *testing.T) {
	ctx := pagetest.Start(t)
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
			pagetest.Must(t, ctx, chromedp.EmulateViewport(1280, 900))
			pagetest.Must(t, ctx, chromedp.Navigate(url))
			if pagetest.Must(t, ctx, chromedp.Evaluate[bool](`document.querySelectorAll("details").forEach(d => d.open = true); document.images.length > 0 || document.scripts.length != 1`)) {
				t.Error("the page holds pictures, or scripts that are not ours")
			}
			if pagetest.Must(t, ctx, chromedp.Evaluate[bool](`document.querySelectorAll(".cmd").length != document.querySelectorAll(".copy").length`)) {
				t.Error("the script did not run: there are commands without a button")
			}
			for _, name := range []string{"dark", "light"} {
				pagetest.Scheme(t, ctx, name)
				for _, b := range pagetest.Must(t, ctx, chromedp.Evaluate[[]string](pagetest.ContrastJS)) {
					t.Errorf("%s: contrast %s", name, b)
				}
			}
			// 320 pixels is a window of 640 at 200 % zoom; tables in tables are
			// tightest just before the page folds them, at 912.
			for _, width := range []int64{1280, 1100, 913, 900, 760, 720, 640, 320} {
				pagetest.Must(t, ctx, chromedp.EmulateViewport(width, 900))
				if over := pagetest.Must(t, ctx, chromedp.Evaluate[float64](`document.documentElement.scrollWidth - window.innerWidth`)); over > 0 {
					t.Errorf("%d pixels wide: %v pixels stick out", width, over)
				}
			}
			if name != "hostile" {
				for _, width := range []int64{1100, 913} {
					pagetest.Must(t, ctx, chromedp.EmulateViewport(width, 900))
					for _, b := range pagetest.Must(t, ctx, chromedp.Evaluate[[]string](pagetest.BrokenJS)) {
						t.Errorf("%d pixels wide: a line ends inside the word %q", width, b)
					}
				}
			}
			pagetest.Must(t, ctx, chromedp.EmulateViewport(1280, 900))
			pagetest.Unnamed(t, ctx)
			pagetest.Axe(t, ctx)
			pagetest.Shots(t, ctx, name)
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

// What one click selects is the command, byte for byte.
func TestHTMLSelectsCommand(t *testing.T) {
	ctx := pagetest.Start(t)
	r := samples()["not-managed"]
	url, _ := serve(t, page(t, r, Live{}))
	pagetest.Must(t, ctx, chromedp.EmulateViewport(500, 900))
	pagetest.Must(t, ctx, chromedp.Navigate(url))
	pagetest.Must(t, ctx, chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach(d => d.open = true)`))
	for i, s := range r.RootCause.Fix {
		got := pagetest.Must(t, ctx, chromedp.Evaluate[string](fmt.Sprintf(`(() => { const p = document.querySelectorAll("pre")[%d], s = getSelection(), r = document.createRange(); s.removeAllRanges(); r.selectNode(p); s.addRange(r); return s.toString() })()`, i)))
		if strings.TrimSpace(got) != s.Command.String() {
			t.Errorf("step %d selects %q, want %q", i+1, got, s.Command)
		}
	}
}
