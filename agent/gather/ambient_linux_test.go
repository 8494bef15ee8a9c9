package gather

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestProgramsGetNoAmbientCapabilities raises one in every thread of this process and
// looks at what a program is started with. It changes nothing that other tests see.
func TestProgramsGetNoAmbientCapabilities(t *testing.T) {
	const capability = unix.CAP_DAC_READ_SEARCH
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var had, data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &had[0]); err != nil || had[0].Permitted&(1<<capability) == 0 {
		t.Skip("this process has no capability to hand on")
	}
	data = had
	data[0].Inheritable |= 1 << capability
	set := func(d *[2]unix.CapUserData) syscall.Errno {
		_, _, e := syscall.AllThreadsSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(d)), 0)
		return e
	}
	ambient := func(what uintptr) syscall.Errno {
		_, _, e := syscall.AllThreadsSyscall6(syscall.SYS_PRCTL, unix.PR_CAP_AMBIENT, what, capability, 0, 0, 0)
		return e
	}
	if e := set(&data); e != 0 {
		t.Skip(e) // built with cgo
	}
	t.Cleanup(func() { ambient(unix.PR_CAP_AMBIENT_LOWER); set(&had) })
	if e := ambient(unix.PR_CAP_AMBIENT_RAISE); e != 0 {
		t.Skip(e)
	}
	if own, _ := os.ReadFile("/proc/thread-self/status"); strings.Contains(string(own), "CapAmb:\t0000000000000000") {
		t.Fatal("the test has no ambient capability")
	}
	out, err := runProgram(context.WithoutCancel(t.Context()), 10*time.Second, "cat", "/bin/cat", []string{"/proc/self/status"})
	if err != nil || !strings.Contains(string(out), "CapAmb:\t0000000000000000") {
		t.Errorf("%v: %s", err, out)
	}
}
