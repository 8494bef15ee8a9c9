package endpoint

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"syscall"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// UnwrapURL drops the method and URL that a client puts before an error.
func UnwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// TCPOutcome sorts the ways in which a connection fails.
func TCPOutcome(err error) facts.Outcome {
	var ne net.Error
	switch {
	case err == nil:
		return facts.OK
	case errors.Is(err, syscall.ECONNREFUSED):
		return facts.Refused
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return facts.NotPermitted
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return facts.NoLocalAddress
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return facts.NoRoute
	case errors.Is(err, syscall.EINVAL):
		return facts.Invalid
	case errors.Is(err, syscall.ECONNRESET):
		return facts.Reset
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return facts.Timeout
	}
	return facts.Other
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
