package imds

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"time"

	"ssm-doctor/agent/gather"
)

const (
	// repeatAfter is how long a request may be unanswered, where the network was seen to
	// lose packets, before it is sent again over another connection.
	repeatAfter = 200 * time.Millisecond
	maxRepeats  = 12
)

// repeater sends requests again that may have been lost. All of this service can be sent
// twice, and none has a body.
type repeater struct {
	http.RoundTripper
	run *gather.Run
}

// RoundTrip implements http.RoundTripper. The body of the answer is read.
func (r repeater) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	type answer struct {
		resp *http.Response
		err  error
	}
	answers := make(chan answer, maxRepeats)
	sent := 0
	send := func() {
		sent++
		go func() {
			var a answer
			if a.resp, a.err = r.RoundTripper.RoundTrip(req.Clone(ctx)); a.err == nil {
				body, err := io.ReadAll(a.resp.Body)
				_ = a.resp.Body.Close()
				a.resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), ending{err}))
			}
			answers <- a
		}()
	}
	timer := time.NewTicker(repeatAfter)
	defer timer.Stop()
	send()
	for ended := 0; ; {
		select {
		case <-timer.C:
			if sent < maxRepeats && r.run.Rough() {
				send()
			}
		case a := <-answers:
			if ended++; a.err == nil || ended == sent || ctx.Err() != nil {
				return a.resp, a.err
			}
		}
	}
}

// ending is how a body ended that was read before.
type ending struct{ err error }

func (e ending) Read([]byte) (int, error) { return 0, cmp.Or[error](e.err, io.EOF) }

// CloseIdleConnections is what http.Client calls.
func (r repeater) CloseIdleConnections() {
	if c, ok := r.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
