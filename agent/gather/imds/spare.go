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
	run   *gather.Run
	ready chan net.Conn // of spareCount; nil: could not be opened

	mu    sync.Mutex
	begun bool
	ended bool
	to    string
	left  int // those that nobody was promised
}

func newSpares(run *gather.Run) *spares {
	return &spares{run: run, ready: make(chan net.Conn, spareCount)}
}

// dial is one of them, though it be on its way only, or a new one. The first that is
// answered opens the others.
func (s *spares) dial(ctx context.Context, addr string) (net.Conn, error) {
	s.mu.Lock()
	promised, ended := s.left > 0 && s.to == addr, s.ended
	if promised {
		s.left--
	}
	s.mu.Unlock()
	if ended {
		return nil, net.ErrClosed
	}
	if promised {
		select {
		case conn := <-s.ready:
			if conn != nil {
				return conn, nil
			}
			return s.dial(ctx, addr)
		case <-ctx.Done():
			s.mu.Lock()
			s.left++
			s.mu.Unlock()
			return nil, ctx.Err()
		}
	}
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
	s.begun, s.to, s.left = true, addr, spareCount
	for range spareCount {
		go func() {
			conn, err := s.run.Connect(context.WithoutCancel(ctx), addr, netip.Addr{})
			s.mu.Lock()
			defer s.mu.Unlock()
			switch {
			case err != nil:
				s.ready <- nil
			case s.ended:
				conn.Close()
				s.ready <- nil
			default:
				s.ready <- conn
			}
		}()
	}
}

func (s *spares) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for {
		select {
		case conn := <-s.ready:
			if conn != nil {
				conn.Close()
			}
		default:
			return
		}
	}
}
