package sim_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"ssm-doctor/agent/outside"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/report/pagetest"
)

// TestHTMLOfBothHalves looks at pages that hold what a host and its operator saw, with the
// script and without it.
func TestHTMLOfBothHalves(t *testing.T) {
	ctx := pagetest.Start(t)
	var shown atomic.Pointer[string]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", report.ContentPolicy())
		_, _ = w.Write([]byte(*shown.Load()))
	}))
	t.Cleanup(s.Close)
	for i, h := range truthOutside {
		if i%5 != 0 { // a page takes seconds
			continue
		}
		_, f, c, id := h.bringUp(t)
		r := rerunAs(f, id)
		if !outside.Merge(r, outsideOf(t, c, id)) {
			t.Fatalf("%s: %s is not in the file", h.name, id)
		}
		var b bytes.Buffer
		if err := report.HTML(&b, r, report.Live{}); err != nil {
			t.Fatal(err)
		}
		for name, doc := range map[string]string{h.name: b.String(), h.name + "-without-script": pagetest.WithoutScript(b.String())} {
			shown.Store(&doc)
			for _, width := range []int64{1280, 390} {
				pagetest.Must(t, ctx, chromedp.EmulateViewport(width, 900))
				pagetest.Must(t, ctx, chromedp.Navigate(s.URL))
				if over := pagetest.Must(t, ctx, chromedp.Evaluate[float64](`document.documentElement.scrollWidth - window.innerWidth`)); over > 0 {
					t.Errorf("%s: %d pixels wide, %v stick out", name, width, over)
				}
			}
			if n := pagetest.Pages(t, ctx); n > 2 {
				t.Errorf("%s: printed on %d sheets", name, n)
			}
			pagetest.Unnamed(t, ctx)
			pagetest.Axe(t, ctx)
			pagetest.Shots(t, ctx, name)
		}
	}
}
