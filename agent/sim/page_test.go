package sim_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/report/pagetest"
	"ssm-doctor/agent/sim"
)

// TestHTMLOfDemosPrints: the page of every demo is printed on two sheets at most, whether
// names are redacted or not, and fits a phone.
func TestHTMLOfDemosPrints(t *testing.T) {
	ctx := pagetest.Start(t)
	var shown atomic.Pointer[bytes.Buffer]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(shown.Load().Bytes())
	}))
	t.Cleanup(s.Close)
	pagetest.Must(t, ctx, chromedp.EmulateViewport(390, 800))
	for _, name := range sim.Names() {
		h, err := sim.New(name)
		if err != nil {
			t.Fatal(err)
		}
		r, _ := engine.Run(t.Context(), h.Env(), engine.Options{})
		h.Close()
		for redacted, r := range map[bool]*report.Report{false: r, true: report.Redact(r)} {
			var b bytes.Buffer
			if err := report.HTML(&b, r, report.Live{}); err != nil {
				t.Fatal(err)
			}
			if b.Len() > 150_000 {
				t.Errorf("%s: %d bytes", name, b.Len())
			}
			shown.Store(&b)
			pagetest.Must(t, ctx, chromedp.Navigate(s.URL))
			if n := pagetest.Pages(t, ctx); n > 2 {
				t.Errorf("%s, redacted %t: printed on %d sheets", name, redacted, n)
			}
			if over := pagetest.Must(t, ctx, chromedp.Evaluate[float64](`document.documentElement.scrollWidth - window.innerWidth`)); over > 0 {
				t.Errorf("%s, redacted %t: %v pixels stick out of a phone", name, redacted, over)
			}
		}
	}
}
