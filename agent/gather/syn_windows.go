package gather

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// sioInitialRTO is SIO_TCP_INITIAL_RTO.
const sioInitialRTO = 0x98000011

// oneSyn makes a socket tell of a refusal at once. Where Windows does not know of it, the
// socket stays as it was.
func oneSyn(_, _ string, c syscall.RawConn) error {
	_, _, build := windows.RtlGetNtVersionNumbers()
	p, done := synRepeats(build), uint32(0)
	return c.Control(func(fd uintptr) {
		_ = windows.WSAIoctl(windows.Handle(fd), sioInitialRTO, (*byte)(unsafe.Pointer(&p)), uint32(unsafe.Sizeof(p)), nil, 0, &done, nil, 0)
	})
}
