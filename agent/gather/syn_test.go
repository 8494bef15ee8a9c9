package gather

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

func TestInitialRTO(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(initialRTO{}); size != 4 {
		t.Errorf("the structure has %d bytes, Windows expects 4", size)
	}
	for build, want := range map[uint32]uint8{14393: 1, 16298: 1, 16299: noSynRepeats, 17763: noSynRepeats, 26100: noSynRepeats} {
		if got := synRepeats(build); got.synRepeats != want || got.rtt != unsetRTT {
			t.Errorf("build %d: %+v", build, got)
		}
	}
}

// TestWindowsGivesUp: that a socket ended by itself is no answer, and the next one may get one.
func TestWindowsGivesUp(t *testing.T) {
	t.Parallel()
	ended := func(no syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connectex", no)}
	}
	for no, want := range map[syscall.Errno]bool{121: true, 1460: true, 10060: true, 10061: false, 1225: false, 10065: false} {
		if got := gaveUp("windows", ended(no)); got != want {
			t.Errorf("%d: %v", no, got)
		}
	}
	if gaveUp("linux", ended(121)) || gaveUp("windows", errors.New("x")) {
		t.Error("a number of another system, or none, is a time-out")
	}
	for _, c := range []struct {
		name  string
		later error
	}{{"answered", nil}, {"refused", ended(10061)}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var tried atomic.Int32
				run := &Run{Env: &Env{GOOS: "windows", Limits: DefaultLimits(), Dial: func(context.Context, string, string, netip.Addr) (net.Conn, error) {
					if tried.Add(1) == 1 {
						time.Sleep(200 * time.Millisecond)
						return nil, fmt.Errorf("first: %w", ended(10060))
					}
					time.Sleep(300 * time.Millisecond)
					if c.later != nil {
						return nil, c.later
					}
					a, b := net.Pipe()
					b.Close()
					return a, nil
				}}}
				conn, err := run.Connect(t.Context(), "10.0.0.1:443", netip.Addr{})
				if !errors.Is(err, c.later) {
					t.Errorf("%v, not %v", err, c.later)
				}
				if conn != nil {
					conn.Close()
				}
				time.Sleep(time.Second) // the tries that came too late
			})
		})
	}
}
