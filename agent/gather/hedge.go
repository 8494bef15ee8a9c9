package gather

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"time"
)

const (
	// between is the time after which an unanswered question is asked again. A kernel
	// repeats the first packet of a connection after a second, a resolver its question
	// after five: too late for who tells in one second whether packets are dropped.
	between = 150 * time.Millisecond
	// maxTries bounds how often; five are sent early enough to be answered within a
	// second from another continent. Where one packet in five is lost each way, all of them
	// fail once in 170 times; Patience then goes on, as others are seen to be repeated.
	maxTries = 12
	// maxSystemTries bounds how often the resolver of Windows or macOS is asked at the same
	// time: a call into the system cannot be taken back, and holds a thread until it ends.
	maxSystemTries = 3
)

// hedged asks, up to so many times, until one try is answered. A failure that is an answer ends it as well;
// drop releases the answers that came too late. again says that the first try was not enough.
func hedged[T any](ctx context.Context, goos string, tries int, try func(context.Context) (T, error), drop func(T)) (out T, again bool, err error) {
	type answer struct {
		value T
		err   error
		panic *Panic
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, tries)
	sent, ended := 0, 0
	send := func() {
		sent++
		go func() {
			var a answer
			defer func() {
				if v := recover(); v != nil {
					a.panic = &Panic{v, debug.Stack()}
				}
				answers <- a
			}()
			a.value, a.err = try(ctx)
		}()
	}
	timer := time.NewTimer(between)
	defer timer.Stop()
	send()
	for {
		select {
		case <-timer.C:
			if sent < tries {
				send()
				timer.Reset(between)
			}
		case a := <-answers:
			ended++
			if a.panic != nil {
				panic(a.panic)
			}
			if a.err != nil && (unanswered(a.err) || gaveUp(goos, a.err)) && ended < sent {
				continue
			}
			cancel()
			if left := sent - ended; left > 0 {
				go func() {
					for range left {
						if late := <-answers; late.err == nil && late.panic == nil {
							drop(late.value)
						}
					}
				}()
			}
			return a.value, sent > 1, a.err
		}
	}
}

// unanswered reports whether an error says only that nobody answered in time.
func unanswered(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

// Connect opens a TCP connection, asking again from new ports while nobody answers.
// local, when valid, is the source address.
func (r *Run) Connect(ctx context.Context, address string, local netip.Addr) (net.Conn, error) {
	ctx, cancel := r.Patience(ctx, r.Limits.Connect)
	defer cancel()
	start := time.Now()
	conn, again, err := hedged(ctx, r.GOOS, maxTries, func(ctx context.Context) (net.Conn, error) { return r.Dial(ctx, "tcp", address, local) }, func(c net.Conn) { c.Close() })
	if err == nil {
		r.felt(time.Since(start), again)
	}
	return conn, err
}

// Ask asks a resolver, and again while it does not answer; see Env.Lookup.
func (r *Run) Ask(ctx context.Context, server, network, host string) ([]netip.Addr, error) {
	ctx, cancel := r.Patience(ctx, r.Limits.DNS)
	defer cancel()
	start := time.Now()
	tries := maxTries
	if asksSystem(server, r.GOOS) {
		tries = maxSystemTries
	}
	addrs, again, err := hedged(ctx, r.GOOS, tries, func(ctx context.Context) ([]netip.Addr, error) {
		ctx, cancel := context.WithTimeout(ctx, slow*r.Limits.DNS) // a resolver of Go heeds nothing else while it waits
		defer cancel()
		return r.Lookup(ctx, server, network, host)
	}, func([]netip.Addr) {})
	if err == nil {
		r.felt(time.Since(start), again)
	}
	return addrs, err
}
