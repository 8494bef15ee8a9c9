//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// reloadSignal delivers SIGHUP until stop is called.
func reloadSignal() (<-chan struct{}, func()) {
	in, out, done := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	signal.Notify(in, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-in:
				select {
				case out <- struct{}{}:
				case <-done:
					return
				}
			case <-done:
				return
			}
		}
	}()
	return out, func() { signal.Stop(in); close(done) }
}
