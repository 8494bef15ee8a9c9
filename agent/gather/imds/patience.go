package imds

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

const (
	// elsewhereWait is the default of Limits.NotEC2. Who answers at this address is on the
	// same link, or in the machine itself.
	elsewhereWait = 20 * time.Millisecond
	// ipv6After is how long the IPv4 address may be silent before that of IPv6 is asked
	// beside it, and ipv6Wait how long that may be.
	ipv6After = 300 * time.Millisecond
	ipv6Wait  = 300 * time.Millisecond
)

// errElsewhere ends the requests on such a machine.
var errElsewhere = errors.New("no answer at once; by its firmware this is not an EC2 instance, and nothing waits longer")

// patience bounds how long the metadata service is waited for. done ends it.
func patience(ctx context.Context, run *gather.Run, f *facts.Facts) (bounded context.Context, done func()) {
	short, stopShort := run.Patience(ctx, cmp.Or(run.Limits.NotEC2, elsewhereWait))
	limited, stopLimited := run.Patience(ctx, run.Limits.IMDS)
	bounded, end := context.WithCancelCause(limited)
	var wg gather.Workers
	wg.Go(func() {
		if run.Await(bounded, "host") && node.NotEC2(&f.Host) {
			<-short.Done()
			end(errElsewhere)
		}
	})
	return bounded, func() {
		end(context.Canceled)
		stopShort()
		wg.Wait()
		stopLimited()
	}
}

// askIPv6 asks the IPv6 address where that of IPv4 does not answer. token is the answer
// of that, once answered is closed.
func askIPv6(ctx context.Context, run *gather.Run, c *http.Client, answered <-chan struct{}, token *facts.Exchange) facts.Seen[facts.Exchange] {
	notAsked := facts.Unknown[facts.Exchange]("not asked: IPv4 answers", "")
	if run.IMDS6 == "" {
		return notAsked
	}
	timer := time.NewTimer(ipv6After)
	defer timer.Stop()
	select {
	case <-answered:
		if token.Status != 0 {
			return notAsked
		}
		if errors.Is(context.Cause(ctx), errElsewhere) {
			return gather.NotAskable[facts.Exchange]("not asked: by its firmware this is not an EC2 instance", "")
		}
	case <-timer.C:
	}
	six, done := run.Patience(context.WithoutCancel(ctx), ipv6Wait)
	defer done()
	return facts.Known(tokenRequest(six, run.Env, c, run.IMDS6), "imds:PUT [fd00:ec2::254]/latest/api/token")
}

// oneToken asks for a metadata token once: whoever asks again is given the same. It is
// kept for as long as the client, which is dropped with the run.
type oneToken struct {
	http.RoundTripper
	mu     sync.Mutex
	tokens map[string][]byte // by host
	spares *spares
}

// tokenSeconds is how long a token is asked for: a run takes less.
const tokenSeconds = "60"

// RoundTrip implements http.RoundTripper.
func (o *oneToken) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodPut || !strings.HasSuffix(req.URL.Path, "/api/token") {
		return o.RoundTripper.RoundTrip(req)
	}
	o.mu.Lock()
	token := o.tokens[req.URL.Host]
	o.mu.Unlock()
	if token != nil {
		return &http.Response{Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
			Header: http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {tokenSeconds}}, Body: io.NopCloser(bytes.NewReader(token)), ContentLength: int64(len(token))}, nil
	}
	resp, err := o.RoundTripper.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if tokenLike(body) {
		o.mu.Lock()
		o.tokens[req.URL.Host] = body
		o.mu.Unlock()
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// CloseIdleConnections is what http.Client calls.
func (o *oneToken) CloseIdleConnections() {
	o.spares.close()
	if c, ok := o.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
