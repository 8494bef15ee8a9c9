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
	reuse   bool // for another request
	late    bool // the run ended before the time for an answer was over
}

// unheard reports whether nobody answered in time.
func (t *talk) unheard() bool {
	if t == nil || t.tc != nil {
		return t == nil || t.Outcome == facts.Timeout
	}
	return !t.tls.Known() || t.tls.Value.Kind == facts.TLSTimeout
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
	conn := p.Connect(ctx, &facts.Endpoint{Service: e.Service, Host: e.Host})
	if conn == nil {
		return nil
	}
	return p.over(ctx, e, conn, header)
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
// more connections, until one try is answered; where none is, what came of the first counts.
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
	var own, best *talk
	for best == nil && ended < begun {
		select {
		case <-timer.C:
			if rough() {
				begin(again)
			}
		case r := <-replies:
			ended++
			switch {
			case !r.unheard():
				best = r.talk
			case r.first:
				own = r.talk
			default:
				r.close()
			}
			if best == nil && ended == begun && rough() {
				begin(again)
			}
		}
	}
	cancel()
	wg.Wait()
	for ; ended < begun; ended++ {
		if r := <-replies; r.first {
			own = r.talk
		} else {
			r.close()
		}
	}
	if best == nil {
		return own
	}
	if own != nil && own != best {
		own.close()
	}
	return best
}
