// Package export turns a report into Prometheus metrics, a textfile for
// node_exporter and a custom-inventory file for the SSM Agent. It reads a
// snapshot that is already in memory and asks nobody.
package export

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
)

// Snapshot is what one scrape shows. It is not changed once it is published.
type Snapshot struct {
	Report  *report.Report // nil: no run has finished yet
	At      time.Time      // when the run finished
	Success bool           // it completed without internal error or timeout
	Stats   *Stats         // of the running daemon; nil: a single run
}

// Stats are what a daemon counts.
type Stats struct {
	Interval   time.Duration // between runs that use the network
	Since      time.Time     // the node's state is the same since; zero: not known
	Runs       map[string]uint64
	Operations []string // requests that this program may send, such as ssm:GetDocument
	Requests   map[string]uint64
	Failures   map[Failure]uint64
	ReloadOK   bool
	HistoryOK  *bool // nil: no history is kept on disk
}

// Failure is a kind of failed request.
type Failure struct{ Operation, Reason string }

// Triggers of runs.
const (
	TriggerStart    = "start"
	TriggerInterval = "interval"
	TriggerRequest  = "request"
)

// Triggers are all of them.
var Triggers = []string{TriggerStart, TriggerInterval, TriggerRequest}

// OneRun is the snapshot of a report that no daemon made.
func OneRun(r *report.Report) *Snapshot {
	at := r.GeneratedAt.Add(time.Duration(r.Duration * float64(time.Second)))
	return &Snapshot{Report: r, At: at, Success: Completed(r)}
}

// Completed reports whether a run ended by itself and no check or source of it
// failed in an unexpected way.
func Completed(r *report.Report) bool {
	for _, s := range r.Sources {
		if s.Ending == string(facts.Panicked) {
			return false
		}
	}
	for _, c := range r.Checks {
		if c.Crashed {
			return false
		}
	}
	return !r.Interrupted && !r.TimedOut
}

// DefaultFeatures are those that the feature families tell without being asked.
var DefaultFeatures = []string{"core", "messaging", "run-command", "session-manager", "state-manager", "patch-manager", "inventory", "hybrid"}

// Options choose families. The zero value exposes the default ones.
type Options struct {
	Lean     bool     // only the families marked lean
	All      bool     // the families that are off by default too
	Disable  []string // groups to leave out
	Features []string // for the feature families; nil: DefaultFeatures, "*": all
}

// Collector exposes a snapshot. It never blocks and never probes.
type Collector struct {
	load     func() *Snapshot
	families []*family
	features func(id string) bool
	all      bool
	made     atomic.Pointer[made]
}

// made are the metrics of a snapshot, so that a scrape does not make them again.
type made struct {
	of      *Snapshot
	metrics []prometheus.Metric
}

// New makes a collector over the snapshot that load returns; nil stands for
// none yet.
func New(load func() *Snapshot, o Options) *Collector {
	c := &Collector{load: load, families: o.families(), all: o.All}
	names := o.Features
	if names == nil {
		names = DefaultFeatures
	}
	c.features = func(id string) bool { return slices.Contains(names, id) || slices.Contains(names, "*") }
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.families {
		ch <- f.desc()
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	s := c.load()
	m := c.made.Load()
	if m == nil || m.of != s || s == nil {
		m = &made{of: s, metrics: c.make(s)}
		c.made.Store(m)
	}
	for _, metric := range m.metrics {
		ch <- metric
	}
}

func (c *Collector) make(s *Snapshot) []prometheus.Metric {
	if s == nil {
		s = &Snapshot{}
	}
	e := emitter{snapshot: s, features: c.features, all: c.all}
	for _, f := range c.families {
		switch r := s.Report; {
		case f.needsRun && r == nil, f.needsFacts && (r == nil || len(r.Checks) == 0), f.needsStats && s.Stats == nil:
			continue
		}
		e.family, e.seen = f, nil
		e.collect()
	}
	return e.out
}

// collect collects the family. One that panics costs its series, not the process: a
// scrape runs on a goroutine that nobody else recovers.
func (e *emitter) collect() {
	kept := len(e.out)
	defer func() {
		if p := recover(); p != nil {
			e.out = append(e.out[:kept], prometheus.NewInvalidMetric(e.family.desc(), fmt.Errorf("panicked: %v", p)))
		}
	}()
	e.family.collect(e)
}

// emitter sends the series of one family, each set of labels once.
type emitter struct {
	out      []prometheus.Metric
	family   *family
	snapshot *Snapshot
	features func(id string) bool
	all      bool
	seen     map[string]bool
}

func (e *emitter) send(v float64, labels ...string) {
	if len(labels) > 0 {
		for i := range labels {
			labels[i] = word(labels[i])
		}
		key := strings.Join(labels, "\x00")
		if e.seen[key] {
			return
		}
		if e.seen == nil {
			e.seen = map[string]bool{}
		}
		e.seen[key] = true
	}
	e.out = append(e.out, prometheus.MustNewConstMetric(e.family.desc(), e.family.valueType(), v, labels...))
}

func (e *emitter) bool(v *bool, labels ...string) {
	if v != nil {
		e.send(number(*v), labels...)
	}
}

func (e *emitter) float(v *float64, labels ...string) {
	if v != nil {
		e.send(*v, labels...)
	}
}

// time sends Unix time; times of no sense are left out.
func (e *emitter) time(t time.Time) {
	if y := t.Year(); y >= 1970 && y <= 9999 && !t.IsZero() {
		e.send(float64(t.UnixMilli()) / 1000)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// word keeps what ids and version numbers are made of. What else a host or a
// facts file holds is not made into a label.
func word(s string) string {
	if len(s) > 64 {
		return ""
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("._~+:-,", c) {
			return ""
		}
	}
	return s
}
