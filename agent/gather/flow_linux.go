package gather

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"ssm-doctor/checks/facts"
)

// setKernelNet fills what only this system's kernel can tell of the network.
func setKernelNet(env *Env) {
	env.RouteTo = hostRoute
	env.DialSmall = hostDialSmall
	env.Flow = hostFlow
}

// hostDialSmall opens a connection whose other end is asked for small segments, and
// that sends none that are larger.
func hostDialSmall(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		if err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, facts.SmallSegment)
		}); err != nil {
			return err
		}
		return failed
	}}
	return d.DialContext(ctx, "tcp", address)
}

// hostFlow reads TCP_INFO.
func hostFlow(conn net.Conn) facts.Seen[facts.Stall] {
	const from = "TCP_INFO"
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return facts.Unknown[facts.Stall]("not a socket", from)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return Unknown[facts.Stall](err, from)
	}
	var out facts.Seen[facts.Stall]
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			out = Unknown[facts.Stall](err, from)
			return
		}
		out = facts.Known(facts.Stall{Segment: int(info.Snd_mss), PathMTU: int(info.Pmtu), Unacked: int(info.Unacked), Retransmits: int(info.Total_retrans), Received: info.Bytes_received}, from)
	})
	if err != nil {
		return Unknown[facts.Stall](err, from)
	}
	return out
}
