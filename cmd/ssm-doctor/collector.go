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
	// firstCollection is how much memory a process takes before any is collected: what a run
	// on a healthy host takes in all, less than what is allowed at the peak of one that reads
	// a log full of errors. Without it, a quarter of a short run's processor time is spent on
	// marking what is in use anyway. GOMEMLIMIT wins.
	firstCollection = 16 << 20
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
