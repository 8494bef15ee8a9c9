package endpoint

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// talk is what came of one connection: of its handshake, and of a request.
type talk struct {
	answer
	raw     net.Conn
	tc      *tls.Conn // nil: no TLS
	answers *gather.AnswerReader
	tls     facts.Seen[facts.TLS]
	stall   facts.Seen[facts.Stall]
	reuse   bool            // for another request
	late    bool            // the run ended before the time for an answer was over
	at      *facts.Endpoint // where a connection of its own led
}

// How far a talk came.
const (
	notMade = iota
	noHandshake
	failedHandshake
	noAnswer
	failedAnswer // or of one whose certificate is not trusted
	answered
)

func (t *talk) came() int {
	switch {
	case t == nil, t.tc == nil && !t.tls.Known():
		return notMade
	case t.tc == nil && t.tls.Value.Kind == facts.TLSTimeout:
		return noHandshake
	case t.tc == nil:
		return failedHandshake
	case t.Outcome == facts.Timeout:
		return noAnswer
	case t.Outcome != facts.OK || !t.tls.Value.OK:
		return failedAnswer
	}
	return answered
}

// unheard reports whether nobody answered in time.
func (t *talk) unheard() bool {
	c := t.came()
	return c == notMade || c == noHandshake || c == noAnswer
}

func (t *talk) close() {
	if t != nil {
		t.raw.Close()
	}
}

// over shakes hands on a connection and sends a request.
func (p *Prober) over(ctx context.Context, e facts.Endpoint, conn net.Conn, header http.Header) *talk {
	t := &talk{raw: conn}
	t.tc = p.handshake(ctx, &e, conn)
	t.tls, t.stall = e.TLS, e.Stall
	if t.tc != nil {
		t.answers = gather.NewAnswerReader(t.tc)
		p.request(ctx, &e, t, header)
	}
	return t
}

// anew does the same on a connection of its own; nil: none was made.
func (p *Prober) anew(ctx context.Context, e facts.Endpoint, header http.Header) *talk {
	at := &facts.Endpoint{Service: e.Service, Host: e.Host}
	conn := p.Connect(ctx, at)
	if conn == nil {
		return nil
	}
	t := p.over(ctx, e, conn, header)
	t.at = at
	return t
}

// request sends a request over the connection of a talk.
func (p *Prober) request(ctx context.Context, e *facts.Endpoint, t *talk, header http.Header) {
	t.answer, t.reuse = p.get(ctx, t.tc, t.answers, e.Host, "/", header)
	switch t.late = t.Outcome == facts.Timeout && ctx.Err() != nil; {
	case t.late:
		t.stall = facts.Unknown[facts.Stall](noTimeLeft, "")
	case t.Outcome == facts.Timeout:
		t.stall = p.flow(t.raw)
	}
}

// maxTalks is over how many connections the same is asked where packets are lost. Of one
// packet in five each way, a handshake and an answer survive three seconds in nine of ten
// cases: the kernel waits for about one before it repeats what was lost, and then for two.
const maxTalks = 5

// heard asks. Where the network was seen to lose packets or to be slow, it asks again over
// more connections, until one try is answered. A try that fails proves nothing while
// another is under way; where none is answered, the one that came furthest counts, and the
// first of those.
func (p *Prober) heard(ctx context.Context, first, again func(context.Context) *talk) *talk {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type reply struct {
		*talk
		first bool
	}
	replies := make(chan reply, maxTalks)
	var wg gather.Workers
	begun, ended := 0, 0
	begin := func(ask func(context.Context) *talk) {
		r := reply{first: begun == 0}
		begun++
		wg.Go(func() {
			defer func() { replies <- r }()
			r.talk = ask(ctx)
		})
	}
	rough := func() bool { return begun < maxTalks && p.run.Rough() && ctx.Err() == nil }
	timer := time.NewTicker(max(p.env.Limits.TLS, time.Millisecond))
	defer timer.Stop()
	begin(first)
	var own, best *talk // the first, and the one of the others that came furthest
	take := func(r reply) {
		ended++
		switch {
		case r.first:
			own = r.talk
		case r.came() > best.came():
			best.close()
			best = r.talk
		default:
			r.close()
		}
	}
	failed := func() bool { return !own.unheard() || !best.unheard() }
	for own.came() < answered && best.came() < answered && ended < begun {
		select {
		case <-timer.C:
			if rough() {
				begin(again)
			}
		case r := <-replies:
			if take(r); ended == begun && !failed() && rough() {
				begin(again)
			}
		}
	}
	heard := max(own.came(), best.came()) == answered
	cancel()
	wg.Wait()
	for ended < begun {
		r := <-replies
		if heard && !r.first { // it was cancelled
			ended++
			r.close()
			continue
		}
		take(r)
	}
	if best.came() > own.came() {
		own.close()
		return best
	}
	best.close()
	return own
}
