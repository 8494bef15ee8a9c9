package endpoint

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"syscall"

	"ssm-doctor/agent/gather"
)

func UnwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// TCPOutcome sorts the ways in which a connection fails.
func TCPOutcome(err error) string {
	var ne net.Error
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return "not-permitted"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no-local-address"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "unreachable"
	case errors.Is(err, syscall.EINVAL):
		return "invalid"
	case errors.Is(err, syscall.ECONNRESET):
		return "reset"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return "timeout"
	}
	return "other"
}

// DialText is the part of a dial error that says something.
func DialText(err error) string {
	if err == nil {
		return ""
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		if op.Timeout() {
			return "i/o timeout"
		}
		return gather.Why(op.Err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "i/o timeout"
	}
	return gather.Why(err)
}
