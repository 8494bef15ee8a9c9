package imds

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"ssm-doctor/agent/gather"
)

// spareCount is how many connections are opened while the token is being asked for: what
// is read with it is read at once, and none of it waits for a connection.
const spareCount = 5

// spares are connections to the metadata service that nobody uses yet.
type spares struct {
	run *gather.Run

	mu    sync.Mutex
	begun bool
	ended bool
	to    string
	conns []net.Conn
}

// dial is one of them or a new one. The first that is answered opens the others.
func (s *spares) dial(ctx context.Context, addr string) (net.Conn, error) {
	s.mu.Lock()
	if n := len(s.conns); n > 0 && s.to == addr {
		conn := s.conns[n-1]
		s.conns = s.conns[:n-1]
		s.mu.Unlock()
		return conn, nil
	}
	s.mu.Unlock()
	conn, err := s.run.Connect(ctx, addr, netip.Addr{}) // ends by itself: a transport lets a dial go on after its request
	if err == nil {
		s.more(ctx, addr)
	}
	return conn, err
}

func (s *spares) more(ctx context.Context, addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun || s.ended {
		return
	}
	s.begun, s.to = true, addr
	for range spareCount {
		go func() {
			conn, err := s.run.Connect(context.WithoutCancel(ctx), addr, netip.Addr{})
			if err != nil {
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.ended {
				conn.Close()
				return
			}
			s.conns = append(s.conns, conn)
		}()
	}
}

func (s *spares) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}
