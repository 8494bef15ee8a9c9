package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"sync"
)

const (
	// gcPercent trades a little time for memory: the hosts are small. GOGC wins.
	gcPercent = 30
	// firstCollection is how much memory a process takes before any is collected: less than
	// what a run takes at its peak, so that it costs none. Without it, a third of a short
	// run's time is spent on marking what is in use anyway. GOMEMLIMIT wins.
	firstCollection = 12 << 20
)

var usual sync.Once

// collectUsually collects garbage by gcPercent.
func collectUsually() {
	usual.Do(func() {
		debug.SetGCPercent(gcPercent)
		debug.SetMemoryLimit(math.MaxInt64)
	})
}

// collectLate collects for the first time at firstCollection, and usually from then on.
func collectLate(getenv func(string) string) {
	switch {
	case getenv("GOGC") != "":
		usual.Do(func() {})
	case getenv("GOMEMLIMIT") != "":
		usual.Do(func() { debug.SetGCPercent(gcPercent) })
	default:
		debug.SetGCPercent(-1)
		debug.SetMemoryLimit(firstCollection)
		runtime.AddCleanup(new([64]byte), func(struct{}) { collectUsually() }, struct{}{}) // that first one finds it
	}
}
