package endpoint

import (
	"time"

	"ssm-doctor/agent/gather"
)

// later asks a question once: after a time, or when the answer is wanted. end gives it up
// if it was not begun, and waits for its end otherwise; the caller ends what it asks with.
func later[T any](after time.Duration, ask func() T) (want func() T, end func()) {
	begin, never := make(chan struct{}, 1), make(chan struct{})
	var wg gather.Workers
	var answer T
	wg.Go(func() {
		timer := time.NewTimer(after)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-begin:
		case <-never:
			return
		}
		answer = ask()
	})
	want = func() T {
		select {
		case begin <- struct{}{}:
		default:
		}
		wg.Wait()
		return answer
	}
	return want, func() {
		close(never)
		wg.Wait()
	}
}
