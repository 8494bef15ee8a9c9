package gathertest

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"time"
)

// Distant is a network on which every answer takes a round trip: of a resolver, of who
// is connected to, and of who is sent something.
type Distant struct {
	*Network
	RoundTrip time.Duration
}

func (d Distant) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d.RoundTrip):
		return nil
	}
}

// Dial connects after a round trip.
func (d Distant) Dial(ctx context.Context, network, address string, local netip.Addr) (net.Conn, error) {
	if err := d.wait(ctx); err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	conn, err := d.Network.Dial(ctx, network, address, local)
	if err != nil {
		return nil, err
	}
	near, middle := net.Pipe()
	go carry(conn, middle, d.RoundTrip/2)
	go carry(middle, conn, d.RoundTrip/2)
	return newFakeConn(near), nil
}

// Lookup answers after a round trip.
func (d Distant) Lookup(ctx context.Context, server, network, host string) ([]netip.Addr, error) {
	if err := d.wait(ctx); err != nil {
		return nil, &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true}
	}
	return d.Network.Lookup(ctx, server, network, host)
}

// carry brings what one end sends to the other, some time later.
func carry(to, from net.Conn, delay time.Duration) {
	type packet struct {
		at time.Time
		b  []byte
	}
	way := make(chan packet, 1000)
	go func() {
		defer to.Close()
		for p := range way {
			time.Sleep(time.Until(p.at))
			if _, err := to.Write(p.b); err != nil {
				return
			}
		}
	}()
	defer close(way)
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		select {
		case way <- packet{time.Now().Add(delay), bytes.Clone(buf[:n])}:
		default:
			return // nobody takes it any more
		}
	}
}
