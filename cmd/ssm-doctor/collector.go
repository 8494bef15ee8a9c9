package main

import (
	"runtime"
	"runtime/debug"
	"sync"
)

const (
	// gcPercent trades a little time for memory: the hosts are small. GOGC wins.
	gcPercent = 30
	// firstCollection is how much a process allocates before it is collected. A collection
	// takes the processor from the programs that a healthy run waits for: at 8 MiB that run
	// takes some 2 % less time, and one that distrusts every endpoint more than 24 MiB at its
	// peak. GOGC wins.
	firstCollection = 6 << 20
	// atFirst is the percentage with which Go collects then. Source: defaultHeapMinimum in
	// runtime/mgcpacer.go, which GOGC scales.
	atFirst = 100 * firstCollection / (4 << 20)
)

var usual sync.Once

// collectUsually collects garbage by gcPercent.
func collectUsually() {
	usual.Do(func() { debug.SetGCPercent(gcPercent) })
}

// collectLate collects first when firstCollection is allocated, and usually from then on:
// who needs more than a healthy host does has the peak of its memory still before it.
func collectLate(getenv func(string) string) {
	switch {
	case getenv("GOGC") != "":
		usual.Do(func() {})
	case getenv("GOMEMLIMIT") != "":
		usual.Do(func() { debug.SetGCPercent(gcPercent) })
	default:
		debug.SetGCPercent(atFirst)
		runtime.AddCleanup(new([64]byte), func(struct{}) { collectUsually() }, struct{}{}) // the next collection finds it
	}
}
