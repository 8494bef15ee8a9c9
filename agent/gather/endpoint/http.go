package endpoint

import (
	"bufio"
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
func (p *Prober) get(conn net.Conn, br *bufio.Reader, host, path string, header http.Header) (a answer, reuse bool) {
	a.Outcome = "ok"
	u, err := url.Parse("https://" + host + path)
	if err != nil {
		a.Outcome, a.Error = "other", gather.Why(err)
		return a, false
	}
	req := &http.Request{Method: "GET", URL: u, Host: host, Header: http.Header{"User-Agent": {p.env.UserAgent}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	for k, v := range header {
		req.Header[k] = v
	}
	_ = conn.SetDeadline(time.Now().Add(p.env.Limits.HTTP))
	sent := p.env.Now()
	start := time.Now()
	if err := req.Write(conn); err == nil {
		var resp *http.Response
		if resp, err = http.ReadResponse(br, req); err == nil {
			defer resp.Body.Close()
			body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
			a.Status, a.Server = resp.StatusCode, gather.OneLine(resp.Header.Get("Server"), 60)
			a.AWS, a.Code = awsAnswer(resp, body)
			if resp.StatusCode == http.StatusSwitchingProtocols {
				a.AWS = true // the far end speaks websocket
			}
			a.Seconds = time.Since(start).Seconds()
			if d, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
				a.Date = gather.SaneTime(d)
				// The header has whole seconds; half a second is its mean error.
				mid := sent.Add(time.Duration(a.Seconds / 2 * float64(time.Second)))
				a.skew = facts.Known(d.Add(500*time.Millisecond).Sub(mid).Seconds(), "https:Date of "+host)
			}
			return a, !resp.Close && resp.StatusCode != http.StatusSwitchingProtocols
		}
		a.Outcome, a.Error = httpOutcome(err)
		return a, false
	} else {
		a.Outcome, a.Error = httpOutcome(err)
	}
	return a, false
}

func httpOutcome(err error) (outcome, text string) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout", "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), TCPOutcome(err) == "reset":
		return "reset", "the connection was closed without an answer"
	}
	return "other", gather.Why(err)
}

// awsAnswer reports whether an answer has the form of an AWS service, and its error code.
func awsAnswer(r *http.Response, body []byte) (bool, string) {
	code := r.Header.Get("X-Amzn-Errortype")
	code, _, _ = strings.Cut(code, ":")
	code = gather.OneLine(code, 100)
	aws := code != ""
	for _, h := range []string{"X-Amzn-Requestid", "X-Amz-Request-Id", "X-Amz-Id-2"} {
		aws = aws || r.Header.Get(h) != ""
	}
	if e := ParseAWSError(body); e.Code != "" {
		if code == "" {
			code = e.Code
		}
		aws = aws || !strings.Contains(strings.ToLower(r.Header.Get("Content-Type")), "html")
	}
	return aws, code
}
