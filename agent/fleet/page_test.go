package fleet

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/report/pagetest"
)

// TestHTMLOfSummary looks at the page about many hosts: sick ones, healthy ones, none.
func TestHTMLOfSummary(t *testing.T) {
	ctx := pagetest.Start(t)
	var shown bytes.Buffer
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", report.ContentPolicy())
		_, _ = w.Write(shown.Bytes())
	}))
	t.Cleanup(s.Close)
	r := rand.New(rand.NewPCG(3, 7))
	for name, fleet := range map[string]*Table{"sick": grown(r, 300, plants(r)), "healthy": grown(r, 3, nil), "none": NewTable()} {
		shown.Reset()
		if err := Write(&shown, "html", fleet.Summarize(Options{Now: start})); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int64{1280, 390} {
			pagetest.Must(t, ctx, chromedp.EmulateViewport(width, 900))
			pagetest.Must(t, ctx, chromedp.Navigate(s.URL))
			if over := pagetest.Must(t, ctx, chromedp.Evaluate[float64](`document.documentElement.scrollWidth - window.innerWidth`)); over > 0 {
				t.Errorf("%s: %d pixels wide, %v stick out", name, width, over)
			}
			small := pagetest.Must(t, ctx, chromedp.Evaluate[[]string](`[...document.querySelectorAll("svg text")].filter(e => e.getBoundingClientRect().height < 11).map(e => e.textContent)`))
			if len(small) > 0 {
				t.Errorf("%s: %d pixels wide, too small to read: %q", name, width, small)
			}
		}
		for _, scheme := range []string{"dark", "light"} {
			pagetest.Scheme(t, ctx, scheme)
			for _, b := range pagetest.Must(t, ctx, chromedp.Evaluate[[]string](pagetest.ContrastJS)) {
				t.Errorf("%s, %s: contrast %s", name, scheme, b)
			}
		}
		pagetest.Unnamed(t, ctx)
		pagetest.Axe(t, ctx)
		pagetest.Shots(t, ctx, "summary-"+name)
	}
}
