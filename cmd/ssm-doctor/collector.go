package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// gcPercent trades a little time for memory: the hosts are small. GOGC wins.
	gcPercent = 30
	// firstCollection is how much memory a process takes before it is collected: what a run
	// on a healthy host takes in all, less than what is allowed at the peak of one that reads
	// a log full of errors. Without it, a quarter of a short run's processor time is spent on
	// marking what is in use anyway. GOMEMLIMIT wins.
	firstCollection = 13 << 20
)

var usual sync.Once

// collectUsually collects garbage by gcPercent.
func collectUsually() {
	usual.Do(func() {
		debug.SetGCPercent(gcPercent)
		debug.SetMemoryLimit(math.MaxInt64)
	})
}

// collectLate collects only when firstCollection is reached, for as long as little is in
// use: what a run has taken by then it need not give back while it ends. From a collection
// on that finds much in use, a limit would be collected for without an end.
func collectLate(getenv func(string) string) {
	switch {
	case getenv("GOGC") != "":
		usual.Do(func() {})
	case getenv("GOMEMLIMIT") != "":
		usual.Do(func() { debug.SetGCPercent(gcPercent) })
	default:
		debug.SetGCPercent(-1)
		debug.SetMemoryLimit(firstCollection)
		afterNext(firstCollection / 4)
	}
}

// afterNext looks, after the next collection and those that follow, how much is in use,
// and collects usually once that is much.
func afterNext(much uint64) {
	runtime.AddCleanup(new([64]byte), func(struct{}) { // the next collection finds it
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		if metrics.Read(live); live[0].Value.Kind() != metrics.KindUint64 || live[0].Value.Uint64() > much {
			collectUsually()
			return
		}
		afterNext(much)
	}, struct{}{})
}
