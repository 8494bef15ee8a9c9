package daemon

import (
	"bytes"
	"net/http"
	"time"
)

// wholeAnswer collects an answer, so that it is made without waiting for its reader.
type wholeAnswer struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (w *wholeAnswer) Header() http.Header { return w.header }

func (w *wholeAnswer) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
}

func (w *wholeAnswer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// wholeAnswers makes answers first and sends them afterwards: a client that reads
// slowly, or not at all, holds no slot of those that others wait for. It has
// answerLimit to take what is sent.
func wholeAnswers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole := &wholeAnswer{header: w.Header()}
		next.ServeHTTP(whole, r)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerLimit))
		if whole.code != 0 {
			w.WriteHeader(whole.code)
		}
		_, _ = w.Write(whole.body.Bytes())
	})
}

// waitForSlot lets n requests be answered at the same time; others wait a while.
func waitForSlot(next http.Handler, n int) http.Handler {
	slots := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		patience := time.NewTimer(scrapeWait)
		defer patience.Stop()
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		case <-patience.C:
			w.Header().Set("Retry-After", "1")
			plain(w, http.StatusServiceUnavailable, "too many requests at the same time; ask again in a moment")
		}
	})
}
