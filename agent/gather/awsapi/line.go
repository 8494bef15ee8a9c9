package awsapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/endpoint"
)

// line is a connection to a service, over which requests go one after the other.
type line struct {
	peer   *endpoint.Peer
	client *http.Client
	used   bool // has carried a request, so that its far end may have closed it
}

// errGone: the connection of a line is closed; the request was not sent.
var errGone = errors.New("the connection was closed")

func newLine(peer *endpoint.Peer, used bool) *line {
	var once sync.Once
	t := &http.Transport{MaxIdleConnsPerHost: 1, DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		err := errGone
		once.Do(func() { err = nil })
		return peer.Conn, err
	}}
	client := &http.Client{Transport: gather.BoundedTransport(t, maxBody), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &line{peer, client, used}
}

func (l *line) close() {
	l.client.CloseIdleConnections()
	l.peer.Close()
}

// lines are those of a caller that carry no request now, by host.
type lines struct {
	mu   sync.Mutex
	idle map[string][]*line
}

// line is a connection to who proves to be host: one that stands, one that the probes
// left, or a new one.
func (c *caller) line(ctx context.Context, host string) (*line, error) {
	if c.first != nil && c.first.host == host {
		select {
		case <-c.first.ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if c.first.err != nil {
			return nil, c.first.err
		}
	}
	c.lines.mu.Lock()
	if list := c.lines.idle[host]; len(list) > 0 {
		l := list[len(list)-1]
		c.lines.idle[host] = list[:len(list)-1]
		c.lines.mu.Unlock()
		return l, nil
	}
	c.lines.mu.Unlock()
	return c.open(ctx, host)
}

// first is a connection that is opened before there is something to send.
type first struct {
	host  string
	ended chan struct{}
	err   error // once ended is closed
}

// open is a line that nobody has used yet.
func (c *caller) open(ctx context.Context, host string) (*line, error) {
	if peer, ok := c.run.Take(endpoint.LeftFor(host)).(*endpoint.Peer); ok {
		return newLine(peer, true), nil
	}
	peer, err := c.trusted(ctx, host)
	if err != nil {
		return nil, err
	}
	return newLine(peer, false), nil
}

// keep keeps a line for the next request.
func (c *caller) keep(host string, l *line) {
	l.used = true
	c.lines.mu.Lock()
	defer c.lines.mu.Unlock()
	if c.lines.idle == nil {
		c.lines.idle = map[string][]*line{}
	}
	c.lines.idle[host] = append(c.lines.idle[host], l)
}

// hangUp closes all lines.
func (c *caller) hangUp() {
	c.lines.mu.Lock()
	defer c.lines.mu.Unlock()
	for _, list := range c.lines.idle {
		for _, l := range list {
			l.close()
		}
	}
	c.lines.idle = nil
}

// send signs a request for who is at the other end, and sends it.
func (l *line) send(ctx context.Context, req *http.Request, host string, sign endpoint.Secret) (*http.Response, error) {
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	req = req.Clone(ctx)
	req.Body = body
	if err := l.peer.Attach(req, host, sign); err != nil {
		return nil, err
	}
	resp, err := l.client.Do(req)
	return resp, endpoint.UnwrapURL(err)
}
