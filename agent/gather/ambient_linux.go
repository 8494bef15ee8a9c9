package gather

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// withoutAmbient starts a program on a thread that has no ambient capabilities, which
// it would hand on: the service reads files by such a one, and no program that it asks
// needs it. The thread ends with the call.
func withoutAmbient(start func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		// Kernels before 4.3 have none.
		_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
		done <- start()
	}()
	return <-done
}
