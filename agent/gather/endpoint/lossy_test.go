package endpoint

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// lossy is a network that is far away and loses packets; its kernel repeats the first
// packet of a connection after a second, and after two more.
type lossy struct {
	*gathertest.Network
	rtt  time.Duration
	loss float64 // each way
	// stuck is how many of the connections lose what is sent over them for longer than
	// anybody waits, at most two to a host in a row, except those to deaf hosts, all of
	// which do.
	stuck float64
	row   map[string]int
	deaf  string
	mu    sync.Mutex
	rand  *rand.Rand
}

// pass waits for an answer that may be lost on its way or the question on its.
func (l *lossy) pass(ctx context.Context, again ...time.Duration) error {
	start := time.Now()
	for _, at := range append([]time.Duration{0}, again...) {
		l.mu.Lock()
		there, back := l.rand.Float64(), l.rand.Float64()
		lost := there < l.loss || back < l.loss
		l.mu.Unlock()
		wait := time.Until(start.Add(at + l.rtt))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
			if !lost {
				return nil
			}
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func (l *lossy) dial(ctx context.Context, network, address string, local netip.Addr) (net.Conn, error) {
	if host, _, _ := net.SplitHostPort(address); !l.Silent[host] {
		if err := l.pass(ctx, time.Second, 3*time.Second); err != nil {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
		}
	}
	l.mu.Lock()
	stuck := l.rand.Float64() < l.stuck && l.row[address] < 2
	if stuck {
		l.row[address]++
	} else {
		delete(l.row, address)
	}
	stuck = stuck || strings.HasPrefix(address, l.deaf+":")
	l.mu.Unlock()
	if stuck {
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		return near, nil
	}
	return l.Network.Dial(ctx, network, address, local)
}

func (l *lossy) lookup(ctx context.Context, server, network, host string) ([]netip.Addr, error) {
	if err := l.pass(ctx); err != nil {
		return nil, &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true}
	}
	return l.Network.Lookup(ctx, server, network, host)
}

// TestLossyIsNoBlackHole: where one packet in five is lost each way and an answer takes
// 300 ms, no endpoint is said to be unreachable but the one that is.
func TestLossyIsNoBlackHole(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := regionNet(t, ca)
				dead := ""
				if seed%4 == 0 {
					dead = "ssmmessages"
					n.Silent[n.Ip(dead)] = true
				}
				l := &lossy{Network: n, rtt: 300 * time.Millisecond, loss: 0.2, rand: rand.New(rand.NewPCG(seed, 1))}
				f := gatherNetwork(t, n, ca, func(run *gather.Run, _ *facts.Facts) { run.Dial, run.Lookup = l.dial, l.lookup })
				for _, e := range f.Network.Endpoints.Value {
					if e.Connected() == (e.Service == dead) {
						t.Errorf("%s: DNS %s, %+v", e.Service, e.DNS.Outcome, e.TCP)
					}
				}
				time.Sleep(time.Minute) // let servers end
			})
		})
	}
}

// TestStuckConnectionIsNoBlackHole: where a third of the connections lose what is sent over
// them, nothing is said to be silent but the endpoint that is.
func TestStuckConnectionIsNoBlackHole(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := regionNet(t, ca)
				l := &lossy{Network: n, rtt: 300 * time.Millisecond, stuck: 0.3, row: map[string]int{}, deaf: "none", rand: rand.New(rand.NewPCG(seed, 2))}
				deaf := ""
				if seed%4 == 0 {
					deaf = "ssm"
					l.deaf = n.Ip(deaf)
				}
				start := time.Now()
				f := gatherNetwork(t, n, ca, func(run *gather.Run, _ *facts.Facts) { run.Dial, run.Lookup = l.dial, l.lookup })
				if took := time.Since(start); took > maxEndpoint {
					t.Errorf("took %v", took)
				}
				for _, e := range f.Network.Endpoints.Value {
					switch {
					case e.Need != facts.NeedCore:
					case e.Service == deaf:
						if e.TLS.Value.Kind != facts.TLSTimeout {
							t.Errorf("%s never answers: %+v", e.Service, e.TLS)
						}
					case !e.TLS.Value.OK || e.HTTP.Value.Outcome != facts.OK || e.Service == "ssmmessages" && e.WebSocket.Value.Outcome != facts.OK:
						t.Errorf("%s: %+v, %+v, %+v", e.Service, e.TLS, e.HTTP, e.WebSocket)
					}
				}
				time.Sleep(time.Minute) // let servers end
			})
		})
	}
}
