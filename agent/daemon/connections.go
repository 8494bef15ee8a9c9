package daemon

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
)

// connections bounds how many clients are connected. Beyond most, a new one takes the place
// of another: of one from the address that has most of them, so that clients who hold theirs
// open, or come in a flood, keep no scrape from elsewhere out. Of those from one address it
// is the oldest of the kind that is most: that has sent no whole request yet, waits for
// another request, or is served. Addresses with few are one crowd, which comes last.
type connections struct {
	most    int
	mu      sync.Mutex
	clients map[net.Conn]client
	changes uint64
}

type client struct {
	from  netip.Prefix
	state http.ConnState
	since uint64 // of how many changes the one to this state was
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
	if victim := c.noted(conn, state); victim != nil {
		go victim.Close() // TLS says goodbye first, which may take a while
		// This is where the server accepts: those that it has accepted are to read first
		// what they were sent, else a flood puts out who has asked already.
		runtime.Gosched()
	}
}

// noted keeps the state of a client, and returns who has to go for it.
func (c *connections) noted(conn net.Conn, state http.ConnState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle, http.StateActive:
		if c.clients == nil {
			c.clients = map[net.Conn]client{}
		}
		c.changes++
		c.clients[conn] = client{source(conn.RemoteAddr()), state, c.changes}
	default:
		delete(c.clients, conn)
	}
	if state != http.StateNew || len(c.clients) <= c.most {
		return nil
	}
	victim := c.victim(conn)
	delete(c.clients, victim)
	return victim
}

// source is the address of a client; of IPv6 its network, in which a host has any number.
func source(addr net.Addr) netip.Prefix {
	at, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := at.AddrPort().Addr().Unmap()
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.WithZone("").Prefix(bits)
	return p
}

// victim is who makes room for a new one.
func (c *connections) victim(newest net.Conn) net.Conn {
	total := map[netip.Prefix]int{}
	for _, cl := range c.clients {
		total[cl.from]++
	}
	type kind struct {
		from  netip.Prefix // zero: addresses with few
		state http.ConnState
	}
	of := func(cl client) kind {
		if total[cl.from] <= c.most/16 {
			return kind{state: cl.state}
		}
		return kind{cl.from, cl.state}
	}
	alike := map[kind]int{}
	for _, cl := range c.clients {
		alike[of(cl)]++
	}
	first := [...]int{http.StateNew: 2, http.StateIdle: 1, http.StateActive: 0}
	var victim net.Conn
	var chosen client
	for conn, cl := range c.clients {
		if conn == newest {
			continue
		}
		k, have := of(cl), of(chosen)
		if victim == nil || cmp.Or(cmp.Compare(total[k.from], total[have.from]), cmp.Compare(alike[k], alike[have]), cmp.Compare(first[cl.state], first[chosen.state]), cmp.Compare(chosen.since, cl.since)) > 0 {
			victim, chosen = conn, cl
		}
	}
	return victim
}
