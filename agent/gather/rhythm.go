package gather

import (
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"ssm-doctor/checks/facts"
)

// The rhythm of permission reads in a daemon. Quotas belong to the account, so
// a fleet must neither ask often nor ask at once.
const (
	readInterval = 24 * time.Hour
	readMax      = 7 * 24 * time.Hour // after throttling
	// readSoon is the least time between two runs, also when something changed.
	readSoon = time.Hour
	// readsPerDay bounds the runs of a day, however often things change.
	readsPerDay = 6
	// The first run comes this long after the boot of the host, by hash.
	firstEarliest, firstLatest = 5 * time.Minute, 30 * time.Minute
)

// Reads is what a daemon keeps of its permission reads, also on disk: one that
// is restarted in a loop must not ask each time. It is JSON.
type Reads struct {
	Last      time.Time   `json:"last,omitzero"`
	Throttled int         `json:"throttled"` // runs in a row that met throttling
	Day       []time.Time `json:"day"`       // runs of the last 24 h
}

// Hold says why permission reads must not be sent now; empty: they may. node
// is the id of the node, boot when the host came up (zero: long ago), changed
// whether role, credential source or agent version changed since the last run.
func (r Reads) Hold(node string, now, boot time.Time, changed bool) string {
	next := r.Next(node, boot)
	if changed && !r.Last.IsZero() && r.Throttled == 0 {
		next = r.Last.Add(readSoon)
	}
	switch {
	case r.Last.After(now):
		next = time.Time{} // the clock was set back
	case now.Before(next):
		return fmt.Sprintf("permission reads are due %s", next.UTC().Format(time.RFC3339))
	}
	if n := len(r.within(now)); n >= readsPerDay {
		return fmt.Sprintf("permission reads ran %d times within a day", n)
	}
	return ""
}

// Next is when the next run is due. Nodes spread over the interval by a hash of
// their id, so that those that booted together do not ask together.
func (r Reads) Next(node string, boot time.Time) time.Time {
	part := fraction(node)
	if r.Last.IsZero() {
		if boot.IsZero() {
			return time.Time{}
		}
		return boot.Add(firstEarliest + time.Duration(part*float64(firstLatest-firstEarliest)))
	}
	interval := readInterval
	for range min(r.Throttled, 10) {
		interval = min(2*interval, readMax)
	}
	return r.Last.Add(interval + time.Duration((part-0.5)*0.1*float64(interval)))
}

// fraction is a number of [0, 1) that is always the same for a node.
func fraction(node string) float64 {
	h := fnv.New64a()
	h.Write([]byte(node + " permissions"))
	x := h.Sum64()
	// FNV leaves the high bits of short names alike; mix them.
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}

func (r Reads) within(now time.Time) []time.Time {
	return slices.DeleteFunc(slices.Clone(r.Day), func(t time.Time) bool { return now.Sub(t) >= 24*time.Hour || t.After(now) })
}

// Ran notes a run and what it met.
func (r Reads) Ran(now time.Time, p facts.Permissions) Reads {
	if p.Held != "" || len(p.Actions) == 0 {
		return r
	}
	r.Last, r.Day = now, append(r.within(now), now)
	r.Throttled++
	if !Throttled(p) {
		r.Throttled = 0
	}
	return r
}

// throttleCodes are the codes by which AWS asks for fewer requests.
var throttleCodes = []string{"ThrottlingException", "Throttling", "ThrottledException", "RequestLimitExceeded", "RateExceeded", "TooManyRequestsException", "SlowDown", "RequestThrottled", "RequestThrottledException", "ProvisionedThroughputExceededException"}

// Throttled reports whether one of the requests was throttled.
func Throttled(p facts.Permissions) bool {
	for _, a := range p.Actions {
		if slices.Contains(throttleCodes, a.Code) {
			return true
		}
	}
	return slices.ContainsFunc(p.Identities, func(i facts.Identity) bool { return slices.Contains(throttleCodes, i.Code) })
}
