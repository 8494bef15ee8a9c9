package daemon

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/report/pagetest"
	"ssm-doctor/checks"
	"ssm-doctor/checks/causes"
)

// TestExplanations: every name that a report or an alert can show has a page, and the
// links of the pages lead somewhere.
func TestExplanations(t *testing.T) {
	t.Parallel()
	d := shown(t, nil)
	ids := report.AlertIDs()
	for _, c := range causes.All() {
		ids = append(ids, c.ID)
	}
	for _, c := range checks.All() {
		ids = append(ids, c.ID)
	}
	for _, id := range ids {
		w := ask(d, "GET", "localhost", "/explain/"+id)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "<h1>"+id+"</h1>") || w.Header().Get("Content-Security-Policy") != report.ContentPolicy() {
			t.Errorf("%s: %d", id, w.Code)
		}
		for _, link := range strings.Split(w.Body.String(), ` href="`)[1:] {
			link, _, _ = strings.Cut(link, `"`)
			if strings.HasPrefix(link, "https://") || strings.HasPrefix(link, "data:") || link == "#main" || link == "../" {
				continue
			}
			if w := ask(d, "GET", "localhost", "/explain/"+strings.TrimPrefix(link, "./")); w.Code != http.StatusOK {
				t.Errorf("%s leads to %s: %d", id, link, w.Code)
			}
		}
	}
}

// TestHTMLServed looks at what the daemon serves, under the policy that it sends.
func TestHTMLServed(t *testing.T) {
	ctx := pagetest.Start(t)
	d := shown(t, nil)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*d.handler.Load()).ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	for _, width := range []int64{1280, 390} {
		pagetest.Must(t, ctx, chromedp.EmulateViewport(width, 900))
		for _, path := range []string{"/", "/?static=1", "/report.html", "/explain/", "/explain/imds-disabled", "/explain/SSMDoctorStale"} {
			t.Log(width, path)
			pagetest.Must(t, ctx, chromedp.Navigate(s.URL+path))
			if over := pagetest.Must(t, ctx, chromedp.Evaluate[float64](`document.documentElement.scrollWidth - window.innerWidth`)); over > 0 {
				t.Errorf("%v pixels stick out", over)
			}
			pagetest.Unnamed(t, ctx)
			pagetest.Axe(t, ctx)
		}
	}
	// The page finds out by itself that the node is managed again.
	pagetest.Must(t, ctx, chromedp.Navigate(s.URL+"/"))
	r, _ := managed()
	r.Normalize()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	d.publish(r, now, now, true)
	if got := pagetest.Must(t, ctx, chromedp.Evaluate[string](`new Promise(done => {
		new MutationObserver(() => done(document.querySelector("h1").textContent)).observe(document.querySelector("[role=status]"), {childList: true});
		document.dispatchEvent(new Event("visibilitychange"));
	})`, chromedp.EvalAwaitPromise)); got != "MANAGED" {
		t.Errorf("the page says %q", got)
	}
	// From the report to the explanation of the cause, and back.
	pagetest.Must(t, ctx, chromedp.Navigate(s.URL+"/explain/imds-disabled"))
	if got := pagetest.Must(t, ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("footer a")].map(a => new URL(a.href).pathname).join()`)); got != "/,/explain/" {
		t.Errorf("the page of a cause leads to %s", got)
	}
}
