package daemon

import (
	"net"
	"net/http"
	"slices"
	"sync"
)

// connections bounds how many clients are connected: beyond most, a new one
// takes the place of the one that has been idle longest, or else of the oldest,
// so that clients who hold theirs open keep no scrape out.
type connections struct {
	most int
	mu   sync.Mutex
	idle []net.Conn // no request is under way; longest first
	busy []net.Conn // oldest first
}

// ownDescriptors is how many a run and the files of this process take.
const ownDescriptors = 16

// connectionsFor is how many clients may be connected where a process may have so many
// descriptors: a new one needs its own before another is closed.
func connectionsFor(descriptors int) int {
	return max(2, min((descriptors-ownDescriptors)/2, maxConnections))
}

// note is the server's ConnState.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	same := func(o net.Conn) bool { return o == conn }
	c.idle, c.busy = slices.DeleteFunc(c.idle, same), slices.DeleteFunc(c.busy, same)
	switch state {
	case http.StateNew, http.StateIdle:
		c.idle = append(c.idle, conn)
	case http.StateActive:
		c.busy = append(c.busy, conn)
	}
	if state != http.StateNew || len(c.idle)+len(c.busy) <= c.most {
		return
	}
	var victim net.Conn
	if len(c.idle) > 1 {
		victim, c.idle = c.idle[0], c.idle[1:]
	} else {
		victim, c.busy = c.busy[0], c.busy[1:]
	}
	go victim.Close() // TLS says goodbye first, which may take a while
}
