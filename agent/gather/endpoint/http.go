package endpoint

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

type answer struct {
	facts.HTTP
	skew facts.Seen[float64]
}

// get sends one unsigned GET on an open connection and reads the start of the
// answer. reuse tells whether the connection can carry another request.
func (p *Prober) get(ctx context.Context, conn net.Conn, answers *gather.AnswerReader, host, path string, header http.Header) (a answer, reuse bool) {
	u, err := url.Parse("https://" + host + path)
	if err != nil {
		a.Outcome, a.Error = facts.Other, gather.Why(err)
		return a, false
	}
	req := &http.Request{Method: "GET", URL: u, Host: host, Header: http.Header{"User-Agent": {p.env.UserAgent}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	for k, v := range header {
		req.Header[k] = v
	}
	ctx, cancel := p.run.Patience(ctx, p.env.Limits.HTTP, p.confirmed(conn))
	defer cancel()
	sent := p.env.Now()
	start := time.Now()
	var resp *http.Response
	var body []byte
	var whole bool
	err = gather.During(ctx, conn, func() error {
		if err := req.Write(conn); err != nil {
			return err
		}
		var err error
		resp, body, whole, err = answers.Read(req, 4096)
		return err
	})
	if err != nil {
		a.Outcome, a.Error = httpOutcome(err)
		return a, false
	}
	switched := resp.StatusCode == http.StatusSwitchingProtocols // the far end speaks websocket
	a.Outcome, a.Status, a.Server = facts.OK, resp.StatusCode, gather.ShownServer(resp.Header.Get("Server"))
	a.AWS = switched || formOfAWS(resp, body)
	a.Seconds = time.Since(start).Seconds()
	if d, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		// The header has whole seconds; half a second is its mean error.
		mid := sent.Add(time.Duration(a.Seconds / 2 * float64(time.Second)))
		a.skew = facts.Known(d.Add(500*time.Millisecond).Sub(mid).Seconds(), "https:Date of "+host)
	}
	return a, whole && !resp.Close
}

func httpOutcome(err error) (outcome facts.Outcome, text string) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return facts.Timeout, "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), TCPOutcome(err) == facts.Reset:
		return facts.Reset, "the connection was closed without an answer"
	}
	return facts.Other, gather.ShownText(gather.Why(err), 300) // the library quotes the peer
}

// formOfAWS reports whether an answer has the form of an AWS service.
func formOfAWS(r *http.Response, body []byte) bool {
	for _, h := range []string{"X-Amzn-Errortype", "X-Amzn-Requestid", "X-Amz-Request-Id", "X-Amz-Id-2"} {
		if r.Header.Get(h) != "" {
			return true
		}
	}
	return ParseAWSError(body).Code != "" && !strings.Contains(strings.ToLower(r.Header.Get("Content-Type")), "html")
}
