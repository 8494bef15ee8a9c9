package report

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"ssm-doctor/agent/report/pagetest"
)

// changing serves one page after the other, as a daemon whose node changes does; "" is a
// daemon that does not answer.
func changing(t *testing.T, first string) (url string, show func(string)) {
	t.Helper()
	var mu sync.Mutex
	now := first
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", ContentPolicy())
		if now == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(now))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/", func(doc string) {
		mu.Lock()
		defer mu.Unlock()
		now = doc
	}
}

// after makes the page look for a newer one, and waits until an expression is true.
func after(t *testing.T, ctx context.Context, condition string) {
	t.Helper()
	if !pagetest.Must(t, ctx, chromedp.Evaluate[bool](fmt.Sprintf(`new Promise(done => {
		const seen = () => (%s) && (watch.disconnect(), done(true));
		const watch = new MutationObserver(seen);
		watch.observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
		document.dispatchEvent(new Event("visibilitychange"));
		setTimeout(() => done(false), 10000);
	})`, condition), chromedp.EvalAwaitPromise)) {
		t.Fatalf("the page never came to %s", condition)
	}
}

func livePage(t *testing.T, r *Report, later time.Duration) string {
	t.Helper()
	r = Redact(r)
	r.GeneratedAt = sampleTime.Add(later)
	return page(t, r, Live{Refresh: time.Hour, Reload: Link{"read it again", "./"}, Now: sampleTime.Add(later + time.Minute), Next: sampleTime.Add(later + 5*time.Minute), StaleAfter: time.Hour,
		Links: []Link{{"report as JSON", "report.json"}}})
}

// A newer report takes the place of the older one, and what a reader has opened stays open.
func TestHTMLUpdatesItself(t *testing.T) {
	ctx := pagetest.Start(t)
	url, show := changing(t, livePage(t, samples()["not-managed"], 0))
	pagetest.Must(t, ctx, chromedp.EmulateViewport(1280, 900))
	pagetest.Must(t, ctx, chromedp.Navigate(url))
	open := `[...document.querySelectorAll("details[open] > summary")].map(s => s.textContent.replace(/\(\d+\)/, "")).join("|")`
	do := func(js string) string { return pagetest.Must(t, ctx, chromedp.Evaluate[string](js)) }
	before := strings.TrimPrefix(do(`document.querySelectorAll("[data-part=checks] > details, [data-part=details] > details").forEach(d => d.open = true); window.kept = document.querySelector("[data-part=details]"); [...document.querySelectorAll("[data-part=checks] > details > summary")].pop().focus(); scrollTo(0, 300); `+open), "Not known |") // of which the degraded one has none
	if strings.Count(before, "|") < 3 {
		t.Fatalf("open are %q", before)
	}

	// The same, a minute later: only distances in time change.
	show(livePage(t, samples()["not-managed"], time.Minute))
	after(t, ctx, `document.querySelector(".age time").getAttribute("datetime") == "2026-11-22T09:01:00Z"`)
	if got := do(`String(document.querySelector("[data-part=details]") == window.kept)`); got != "true" {
		t.Error("a part that did not change was replaced")
	}
	if got := do(`String(scrollY)`); got != "300" {
		t.Errorf("scrolled to %s", got)
	}
	// Broken before, degraded now: other parts, another heading, title and icon.
	icon := do(`document.querySelector("link[rel=icon]").href`)
	show(livePage(t, samples()["degraded"], 2*time.Minute))
	after(t, ctx, `document.querySelector("[role=status]").textContent == "MANAGED, BUT DEGRADED"`)
	for what, want := range map[string]string{
		open: before,
		`document.activeElement.textContent.replace(/,.*/, "")`:                                              "Passed",
		`document.title.replace(/ ·.*/, "")`:                                                                 "MANAGED, BUT DEGRADED",
		`String(document.querySelectorAll(".cmd").length - document.querySelectorAll(".copy").length)`:       "0",
		`String(document.querySelectorAll("[data-part=history], [data-part=unexplained], footer p").length)`: "5",
		`document.querySelector(".live").textContent`:                                                        "Updates by itself. Pause",
	} {
		if got := do(what); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	if do(`document.querySelector("link[rel=icon]").href`) == icon {
		t.Error("the icon stays as it was")
	}
	pagetest.Unnamed(t, ctx)
	pagetest.Axe(t, ctx)

	// Managed: what there was to mend is gone, in the order of a page that is read afresh.
	parts := `[...document.querySelectorAll("[data-part]")].map(p => p.dataset.part).join()`
	show(livePage(t, samples()["managed"], 3*time.Minute))
	after(t, ctx, `document.querySelector("[role=status]").textContent == "MANAGED"`)
	updated := do(parts)
	pagetest.Must(t, ctx, chromedp.Navigate(url))
	if fresh := do(parts); updated != fresh {
		t.Errorf("parts after an update %s, of a page read afresh %s", updated, fresh)
	}

	// Held: nothing is asked for. A daemon that does not answer is told of.
	do(`document.querySelector(".hold").click(); ""`)
	show(livePage(t, samples()["unknown"], 4*time.Minute))
	if got := do(`document.dispatchEvent(new Event("visibilitychange")); document.querySelector("h1").textContent + document.querySelector(".live").textContent`); got != "MANAGEDPaused. Resume" {
		t.Errorf("held: %q", got)
	}
	do(`document.querySelector(".hold").click(); ""`)
	after(t, ctx, `document.querySelector("h1").textContent == "CANNOT TELL"`)
	show("")
	after(t, ctx, `document.querySelector(".live.bad")?.textContent.startsWith("No answer from the daemon since ")`)
}

// Without its script the page is whole and says how to get a newer one.
func TestHTMLWithoutScript(t *testing.T) {
	ctx := pagetest.Start(t)
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	url, _ := changing(t, livePage(t, samples()["not-managed"], 0))
	pagetest.Must(t, ctx, chromedp.Navigate(url))
	for what, want := range map[string]int{`document.querySelectorAll("button, .live").length`: 0, `document.querySelectorAll("meta[http-equiv=refresh]").length`: 0, `document.querySelectorAll("[data-part=fix] pre").length`: 4,
		`[...document.querySelectorAll("header a")].filter(a => a.getAttribute("href") == "./" && a.getClientRects().length).length`: 1} {
		if got := pagetest.Must(t, ctx, chromedp.Evaluate[int](what)); got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
}

func TestHTMLWithoutScriptIsAccessible(t *testing.T) {
	ctx := pagetest.Start(t)
	for name, r := range map[string]*Report{"not-managed": samples()["not-managed"], "unknown": samples()["unknown"]} {
		url, _ := serve(t, pagetest.WithoutScript(livePage(t, r, 0)))
		for _, width := range []int64{1280, 390} {
			pagetest.Must(t, ctx, chromedp.EmulateViewport(width, 900))
			pagetest.Must(t, ctx, chromedp.Navigate(url))
			if over := pagetest.Must(t, ctx, chromedp.Evaluate[float64](`document.documentElement.scrollWidth - window.innerWidth`)); over > 0 {
				t.Errorf("%s: %d pixels wide, %v stick out", name, width, over)
			}
			pagetest.Unnamed(t, ctx)
			pagetest.Axe(t, ctx)
		}
		pagetest.Shots(t, ctx, name+"-without-script")
	}
}

// A link to the explanation of a name opens what it is folded in; a button copies.
func TestHTMLLinksAndButtons(t *testing.T) {
	ctx := pagetest.Start(t)
	r := samples()["not-managed"]
	url, _ := serve(t, page(t, r, Live{}))
	pagetest.Must(t, ctx, chromedp.EmulateViewport(390, 800))
	pagetest.Must(t, ctx, chromedp.Navigate(url))
	if !pagetest.Must(t, ctx, chromedp.Evaluate[bool](`new Promise(done => { addEventListener("hashchange", () => setTimeout(() => { const r = document.getElementById("cause-no-credential-source").getBoundingClientRect(); done(r.height > 0 && r.top < innerHeight && r.bottom > 0) })); document.querySelector("header .lead a").click() })`, chromedp.EvalAwaitPromise)) {
		t.Error("the explanation of the root cause is not in sight")
	}
	// A page over plain HTTP has no clipboard to write to; what is selected is copied then.
	for _, clipboard := range []bool{true, false} {
		got := pagetest.Must(t, ctx, chromedp.Evaluate[string](fmt.Sprintf(`new Promise(done => {
			const wrote = [];
			Object.defineProperty(navigator, "clipboard", {configurable: true, value: %t ? {writeText: async s => { wrote.push(s) }} : undefined});
			document.execCommand = () => wrote.push(String(getSelection()));
			const button = document.querySelector(".copy");
			new MutationObserver(() => button.textContent == "Copied" && done(wrote.join())).observe(button, {childList: true});
			button.click();
		})`, clipboard), chromedp.EvalAwaitPromise))
		if got != r.RootCause.Fix[0].Command.String() {
			t.Errorf("clipboard %t: copied %q", clipboard, got)
		}
		pagetest.Must(t, ctx, chromedp.Navigate(url))
	}
}

// Printed, the page is what is wrong and what mends it.
func TestHTMLPrints(t *testing.T) {
	ctx := pagetest.Start(t)
	for name, r := range samples() {
		url, _ := serve(t, page(t, Redact(r), Live{}))
		pagetest.Must(t, ctx, chromedp.Navigate(url))
		if n := pagetest.Pages(t, ctx); n > 2 && name != "hostile" {
			t.Errorf("%s: %d sheets", name, n)
		}
	}
}
