package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestSlowReaders: clients that ask and never read keep nobody waiting.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		big := strings.Repeat("x", 1<<20)
		h := wholeAnswers(waitForSlot(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, big) }), 1))
		conns := make(chan net.Conn)
		srv := &http.Server{Handler: h}
		l := pipes{conns, make(chan struct{})}
		go func() { _ = srv.Serve(l) }()
		dial := func() net.Conn {
			near, far := net.Pipe()
			conns <- far
			return near
		}
		for range 20 {
			c := dial()
			go func() { _, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") }()
		}
		synctest.Wait() // all of them are sent an answer that they do not read
		start := time.Now()
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return dial(), nil }}}
		resp, err := c.Get("http://x/")
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if took := time.Since(start); resp.StatusCode != 200 || len(b) != len(big) || took > 100*time.Millisecond {
			t.Errorf("%s, %d bytes after %v", resp.Status, len(b), took)
		}
		time.Sleep(answerLimit + time.Second)
		close(l.closed)
		srv.Close()
	})
}

// pipes is a listener of connections in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (pipes) Close() error   { return nil }
func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

func TestWaitForSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var served atomic.Int32
		h := waitForSlot(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1); time.Sleep(time.Second) }), 2)
		codes := make(chan int, 8)
		for range 8 {
			go func() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				codes <- w.Code
			}()
		}
		n := map[int]int{}
		for range 8 {
			n[<-codes]++
		}
		// Two at once, for as long as anybody waits: at 0, 1 and, where it is no later than
		// the end of patience, 2 seconds.
		if n[200]+n[503] != 8 || n[200] < 4 || int(served.Load()) != n[200] {
			t.Errorf("%v, served %d", n, served.Load())
		}
	})
}

func TestConnectionsFor(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]int{6: 2, 20: 2, 40: 12, 64: 24, 128: 56, 256: maxConnections, 2048: maxConnections, 4096: maxConnections, 1 << 31: maxConnections} {
		if got := connectionsFor(limit); got != want {
			t.Errorf("%d descriptors: %d connections, want %d", limit, got, want)
		}
	}
}
