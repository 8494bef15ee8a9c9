package gather

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Workers are functions that run beside each other. A panic in one of them
// would end the program wherever it is; here it goes on in Wait, in the
// goroutine of the source, where the engine makes it the source's failure.
// The zero value is ready for use.
type Workers struct {
	group    sync.WaitGroup
	panicked atomic.Pointer[Panic]
}

// Panic is the first panic of a source's goroutines.
type Panic struct {
	Value any
	Stack []byte // of the goroutine that panicked
}

func (p *Panic) Error() string { return fmt.Sprint(p.Value) }

// Go runs f in a goroutine.
func (w *Workers) Go(f func()) {
	w.group.Go(func() {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			p, ok := v.(*Panic) // of workers that f had
			if !ok {
				p = &Panic{v, debug.Stack()}
			}
			w.panicked.CompareAndSwap(nil, p)
		}()
		f()
	})
}

// Wait waits for all and panics with a *Panic if one of them did.
func (w *Workers) Wait() {
	w.group.Wait()
	if p := w.panicked.Load(); p != nil {
		panic(p)
	}
}
