package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// gcPercent trades a little time for memory: the hosts are small. GOGC wins.
	gcPercent = 30
	// firstCollection is how much a process allocates before it is collected: more than a run
	// on a healthy host does in all, which has nothing to give back then. A collection takes
	// the processor from the programs that such a run waits for. GOGC wins.
	firstCollection = 8 << 20
	// atFirst is the percentage with which Go collects then. Source: defaultHeapMinimum in
	// runtime/mgcpacer.go, which GOGC scales.
	atFirst = 100 * firstCollection / (4 << 20)
	// muchInUse is what is in use where collections are to be frequent from then on.
	muchInUse = 3 << 20
)

var usual sync.Once

// collectUsually collects garbage by gcPercent.
func collectUsually() {
	usual.Do(func() { debug.SetGCPercent(gcPercent) })
}

// collectLate collects first when firstCollection is allocated, and so again for as long as
// little is in use.
func collectLate(getenv func(string) string) {
	switch {
	case getenv("GOGC") != "":
		usual.Do(func() {})
	case getenv("GOMEMLIMIT") != "":
		usual.Do(func() { debug.SetGCPercent(gcPercent) })
	default:
		debug.SetGCPercent(atFirst)
		afterNext()
	}
}

// afterNext looks, after the next collection and those that follow, how much is in use,
// and collects usually once that is much.
func afterNext() {
	runtime.AddCleanup(new([64]byte), func(struct{}) { // the next collection finds it
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		if metrics.Read(live); live[0].Value.Kind() != metrics.KindUint64 || live[0].Value.Uint64() > muchInUse {
			collectUsually()
			return
		}
		afterNext()
	}, struct{}{})
}
