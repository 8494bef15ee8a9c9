package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// floodServer serves a demo until the test ends, and says where.
func floodServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limit := connections{most: maxConnections}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, MaxHeaderBytes: maxHeader, ConnState: limit.note,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "scraped") })}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	return l.Addr().String()
}

// TestFloodFromElsewhere: a flood of connections from one address puts no scrape from
// another out, and what it sends without ending it is bounded.
func TestFloodFromElsewhere(t *testing.T) { // alone, since it measures
	at := floodServer(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	if c, err := from.Dial("tcp", at); err != nil {
		t.Skipf("this host has one address of its own: %v", err)
	} else {
		c.Close()
	}
	ctx, stop := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	for range 4 {
		flood.Go(func() {
			var held []net.Conn
			for ctx.Err() == nil {
				c, err := from.DialContext(ctx, "tcp", at)
				if err != nil {
					continue
				}
				if len(held) < maxConnections {
					_, _ = io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("a", maxHeader+2<<10))
				}
				if held = append(held, c); len(held) > 2*maxConnections {
					held[0].Close()
					held = held[1:]
				}
			}
			for _, c := range held {
				c.Close()
			}
		})
	}
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for i := range 40 {
		resp, err := client.Get("http://" + at + "/metrics")
		if err != nil {
			t.Errorf("scrape %d: %v", i, err)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(b) != "scraped\n" {
			t.Errorf("scrape %d: %s, %q, %v", i, resp.Status, b, err)
		}
	}
	stop()
	flood.Wait()
	// Full headers in all of them at once.
	for range maxConnections {
		c, err := from.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("a", maxHeader+2<<10))
	}
	resp, err := client.Get("http://" + at + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := int64(after.HeapAlloc+after.StackInuse) - int64(before.HeapAlloc+before.StackInuse)
	if t.Logf("%d KiB", held>>10); held > 10<<20 {
		t.Errorf("%d connections hold %d KiB", maxConnections, held>>10)
	}
}
