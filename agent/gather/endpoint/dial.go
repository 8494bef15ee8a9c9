package endpoint

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"

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
	if err == nil {
		return facts.OK
	}
	if out, _, ok := onThis(err); ok {
		return out
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout() {
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
			return saysTimeout
		}
		if _, words, ok := onThis(op.Err); ok && words != "" {
			return words
		}
		return gather.Why(op.Err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return saysTimeout
	}
	return gather.Why(err)
}
