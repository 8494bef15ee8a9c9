package endpoint

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// stallAfter is how long a handshake may take before the same is tried with small
// segments beside it: far more than one to another continent takes.
const stallAfter = 400 * time.Millisecond

// flow is what the kernel knows of a connection.
func (p *Prober) flow(conn net.Conn) facts.Seen[facts.Stall] {
	if p.env.Flow == nil {
		return gather.NotAskable[facts.Stall](gather.ErrUnsupported.Error(), "")
	}
	return p.env.Flow(socket(conn))
}

// socket is the connection that carries another one.
func socket(conn net.Conn) net.Conn {
	for {
		switch c := conn.(type) {
		case *tls.Conn:
			conn = c.NetConn()
		case *Peer:
			conn = c.Conn
		default:
			return conn
		}
	}
}

// confirmed reports whether the kernel of the other end has confirmed all that was sent,
// so that an answer which is missing is not missing for a packet lost on the way there.
func (p *Prober) confirmed(conn net.Conn) func() bool {
	return func() bool {
		s, known := p.flow(conn).Get()
		return known && s.Unacked == 0
	}
}

// trySmall makes ready to try handshake and request with small segments. The try
// begins when the first one takes long, so that nobody waits for both, or when its end
// is asked for. stop ends it.
func (p *Prober) trySmall(ctx context.Context, e *facts.Endpoint) (end func() facts.Outcome, stop func()) {
	if p.env.DialSmall == nil || len(e.TCP) == 0 {
		return func() facts.Outcome { return "" }, func() {}
	}
	address, host := net.JoinHostPort(e.TCP[0].Address, "443"), e.Host
	if p.env.EndpointURL != "" {
		address = p.env.EndpointURL
	}
	ctx, cancel := p.run.Patience(ctx, p.env.Limits.TLS)
	small, done := later(stallAfter, func() facts.Outcome { return p.small(ctx, address, host) })
	return small, func() {
		cancel()
		done()
	}
}

// small is how a handshake and a request end over a connection of small segments. No
// certificate is verified: nothing but the name of the endpoint is sent.
func (p *Prober) small(ctx context.Context, address, host string) facts.Outcome {
	conn, err := p.env.DialSmall(ctx, address)
	if err != nil {
		return TCPOutcome(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	tc := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: true})
	if err := tc.HandshakeContext(ctx); err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) { // which closed the connection
			return facts.Timeout
		}
		return TCPOutcome(err)
	}
	h, _ := p.get(ctx, tc, gather.NewAnswerReader(tc), host, "/", nil)
	return h.Outcome
}
