package daemon

import (
	"hash/fnv"
	"time"

	"ssm-doctor/agent/config"
)

// Bounds of the rhythm: a fleet must not ask for its rights all at once, nor a node often.
const (
	firstReadMin    = 5 * time.Minute    // earliest first read of rights after start
	firstReadMax    = 30 * time.Minute   // latest
	readGap         = time.Hour          // least time between two reads of rights
	longestInterval = 7 * 24 * time.Hour // of reads under throttling
	jitterShare     = 0.05               // of every interval, either way
	clockTolerance  = 30 * time.Second   // wall clock against elapsed time
	callsWindow     = 24 * time.Hour     // of aws.calls_per_day
	overrun         = 10 * time.Second   // a run may take beyond its budget until it counts as stuck
	requestGap      = 10 * time.Second   // least time between runs that somebody asked for
	stopPatience    = 4 * time.Second    // a cancelled run may take until we go without it
	maxTimer        = time.Minute        // the loop looks at the clock at least this often
	identityCalls   = 4                  // most requests of the identity source
)

// work is what a run does.
type work struct {
	network, permissions bool
	trigger              string
	why                  string // for the log
}

// schedule says when the next run is due. Times carry the monotonic clock, so
// steps of the wall clock do not move them.
type schedule struct {
	cfg                        *config.Config
	rand                       func() float64 // in [0,1)
	local, network, permission time.Time      // next due; zero: now
	interval                   time.Duration  // of permission reads, doubled by throttling
	retry                      time.Duration  // until the next look at the network while the node is not managed
}

// jitter spreads an interval by jitterShare either way.
func (s *schedule) jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 + jitterShare*(2*s.rand()-1)))
}

// due returns the work that is due at now and the time of the next one.
func (s *schedule) due(now time.Time) (w work, any bool, next time.Time) {
	switch {
	case !now.Before(s.network):
		w, any = work{network: true}, true
	case !now.Before(s.local):
		any = true
	}
	// Rights are read together with the network, which tells how to reach AWS.
	if !now.Before(s.permission) {
		w, any = work{network: true, permissions: true}, true
	}
	next = s.local
	for _, t := range []time.Time{s.network, s.permission} {
		if t.Before(next) {
			next = t
		}
	}
	return w, any, next
}

// done plans the next runs after one that did w.
func (s *schedule) done(now time.Time, w work) {
	s.local = now.Add(s.jitter(s.cfg.Local))
	if w.network {
		s.network = now.Add(s.jitter(s.cfg.Network))
	}
	if w.permissions {
		s.permission = now.Add(s.jitter(s.interval))
	}
}

// again brings the next look at the network forward after one that did not find
// a managed node: what was missing at boot or for a moment is seen when it comes.
func (s *schedule) again(now time.Time, managed bool) {
	if managed {
		s.retry = 0
		return
	}
	s.retry = min(max(s.cfg.Local, 2*s.retry), s.cfg.Network)
	if at := now.Add(s.jitter(s.retry)); at.Before(s.network) {
		s.network = at
	}
}

// throttled slows the reads of rights down, or brings them back to normal.
func (s *schedule) throttled(yes bool) {
	if !yes {
		s.interval = s.cfg.Permissions
		return
	}
	s.interval = min(2*s.interval, longestInterval)
}

// soon asks for a run that uses the network at once.
func (s *schedule) soon(now time.Time) { s.network = now }

// splay is where in the window of the first read a node lies: always the same
// for one node, spread evenly over a fleet.
func splay(node string) time.Duration {
	h := fnv.New64a()
	h.Write([]byte(node + " permissions"))
	return firstReadMin + time.Duration(h.Sum64()%uint64(firstReadMax-firstReadMin))
}
