//go:build !windows

package gather

import "syscall"

// oneSyn is for Windows: other kernels tell of a refusal at once.
var oneSyn func(network, address string, c syscall.RawConn) error
