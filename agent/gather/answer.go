package gather

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Bounds of every answer, whoever sends it.
const (
	// MaxHeader is of the status line and the headers together. AWS sends less than 4 KiB.
	MaxHeader = 64 << 10
	// maxAnswers is how many answers before the last one (100 Continue) are passed over.
	maxAnswers = 4
)

// AnswerReader reads answers from a connection, never more than the bound of each part.
type AnswerReader struct {
	conn net.Conn
	br   *bufio.Reader
	left int64 // that may still be taken from the connection
}

// NewAnswerReader reads what a connection answers.
func NewAnswerReader(conn net.Conn) *AnswerReader {
	r := &AnswerReader{conn: conn}
	r.br = bufio.NewReader(connBytes{r})
	return r
}

// connBytes takes bytes from the connection as long as there are some left to take.
type connBytes struct{ r *AnswerReader }

func (c connBytes) Read(p []byte) (int, error) {
	if c.r.left <= 0 {
		return 0, ErrTooLarge
	}
	n, err := c.r.conn.Read(p[:min(int64(len(p)), c.r.left)])
	c.r.left -= int64(n)
	return n, err
}

// Peek returns the first n bytes of an answer, or fewer and an error.
func (r *AnswerReader) Peek(n int) ([]byte, error) {
	r.left = max(r.left, int64(r.br.Size()))
	return r.br.Peek(n)
}

// Status reads the status line and headers of the answer to a CONNECT, and nothing of
// what follows.
func (r *AnswerReader) Status(req *http.Request) (int, error) {
	resp, err := r.head(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, nil
}

// head reads up to the headers of the last answer.
func (r *AnswerReader) head(req *http.Request) (*http.Response, error) {
	for range maxAnswers {
		r.left = MaxHeader
		resp, err := http.ReadResponse(r.br, req)
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode < 100:
			return nil, fmt.Errorf("status %d is none of HTTP", resp.StatusCode)
		case resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols:
			return resp, nil
		}
	}
	return nil, errors.New("no answer but announcements of one")
}

// Read reads the answer to a request: its headers, and at most limit bytes of its
// body. whole says that the body ended within them, so that another request may follow.
// The body of the response must not be used.
func (r *AnswerReader) Read(req *http.Request, limit int64) (resp *http.Response, body []byte, whole bool, err error) {
	if resp, err = r.head(req); err != nil {
		return nil, nil, false, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, nil, false, nil
	}
	r.left = limit + MaxHeader // chunk sizes and trailers come on top
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	whole = err == nil && int64(len(body)) <= limit
	// Not closed: that would read on to the end of the body.
	return resp, body[:min(int64(len(body)), limit)], whole, nil
}

// BoundedTransport makes a transport bound what it takes of an answer: the headers,
// limit bytes of the body as they were sent, and the time until both were read.
func BoundedTransport(t *http.Transport, limit int64) http.RoundTripper {
	t.MaxResponseHeaderBytes = MaxHeader
	t.DisableCompression = true
	t.ForceAttemptHTTP2 = false
	return boundedTransport{t, limit}
}

type boundedTransport struct {
	t     *http.Transport
	limit int64
}

// RoundTrip implements http.RoundTripper.
func (b boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.t.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 100 {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("status %d is none of HTTP", resp.StatusCode)
	}
	resp.Body = &boundedBody{resp.Body, b.limit}
	return resp, nil
}

// CloseIdleConnections is what http.Client calls.
func (b boundedTransport) CloseIdleConnections() { b.t.CloseIdleConnections() }

// boundedBody ends with an error where a body goes on beyond the bound.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return n + int(b.left), ErrTooLarge
	}
	return n, err
}

// Sooner is the earlier one of a time from now and a deadline.
func Sooner(limit time.Duration, deadline time.Time, ok bool) time.Time {
	at := time.Now().Add(limit)
	if ok && deadline.Before(at) {
		return deadline
	}
	return at
}
