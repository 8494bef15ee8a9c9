package gather

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// ticks is in how many parts a time-out is counted.
	ticks = 10
	// shortest is how long a part is at least: each ends a little late, where other
	// programs have the processor by a millisecond or two.
	shortest = 5 * time.Millisecond
)

// patient is a context that ends after a time in which this process ran. A machine
// without processor time for us, or one that slept, is no network that does not answer:
// the time is counted in parts, and a part that took longer counts as one.
type patient struct {
	context.Context
	done chan struct{}

	mu    sync.Mutex
	err   error
	timer *time.Timer
}

func (p *patient) Done() <-chan struct{} { return p.done }

func (p *patient) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *patient) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return
	}
	p.err = err
	p.timer.Stop()
	close(p.done)
}

// Patience bounds a step that a network may leave unanswered: by limit, which is hundreds of
// round trips of a near network, and by slow times that where the network was seen to be
// slow or to lose packets meanwhile. A run that nobody waits for is as patient where the
// other end has confirmed all that was sent: it may only be slow to answer.
func (r *Run) Patience(ctx context.Context, limit time.Duration, confirmed ...func() bool) (context.Context, context.CancelFunc) {
	p := &patient{Context: ctx, done: make(chan struct{})}
	parts := int(max(1, min(ticks, limit/shortest)))
	part, left := limit/time.Duration(parts), parts
	more := true
	tick := func() {
		p.mu.Lock()
		left--
		if left == 0 && more && (r.Rough() || r.Limits.Unhurried && slices.ContainsFunc(confirmed, func(f func() bool) bool { return f() })) {
			left, more = parts*(slow-1), false
		}
		if left > 0 && p.err == nil {
			p.timer.Reset(part)
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		p.end(context.DeadlineExceeded)
	}
	p.mu.Lock()
	p.timer = time.AfterFunc(part, tick)
	p.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { p.end(ctx.Err()) })
	return p, func() { stop(); p.end(context.Canceled) }
}

const (
	// slow is how many times longer is waited where the network is.
	slow = 3
	// smooth is how long an answer takes at most on a network that is not slow.
	smooth = 120 * time.Millisecond
)

// felt notes how an answer of the network came: after what time, and whether the
// question had to be repeated.
func (r *Run) felt(took time.Duration, again bool) {
	if again || took > smooth {
		r.rough.Store(true)
	}
}

// Felt notes how long an answer took.
func (r *Run) Felt(took time.Duration) { r.felt(took, false) }

// Rough reports whether the network was seen to be slow or to lose packets.
func (r *Run) Rough() bool { return r.rough.Load() }

// During bounds what is done with a connection by ctx, and leaves the connection open.
func During(ctx context.Context, conn net.Conn, do func() error) error {
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetDeadline(time.Unix(1, 0))
		close(over)
	})
	err := do()
	if !stop() {
		<-over
	}
	_ = conn.SetDeadline(time.Time{})
	return err
}
