package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"

	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

// runInterval is the time between two runs of a host, as a daemon has it.
const runInterval = 5 * time.Minute

// pair is a simulated host without and with its fault.
type pair struct{ whole, broken *report.Report }

// examine runs the whole pipeline on every demo, healthy and broken.
func examine(ctx context.Context) ([]pair, error) {
	var out []pair
	for _, name := range sim.Names() {
		h, err := sim.New(name)
		if err != nil {
			return nil, err
		}
		broken, _ := engine.Run(ctx, h.Env(), engine.Options{})
		if err := h.Lift(); err != nil {
			return nil, err
		}
		whole, _ := engine.Run(ctx, h.Env(), engine.Options{})
		h.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		out = append(out, pair{whole, broken})
	}
	return out, nil
}

// host answers like one daemon.
type host struct {
	id      string
	pair    pair
	rng     *rand.Rand
	faulty  bool
	stats   export.Stats
	shown   atomic.Pointer[export.Snapshot]
	handler http.Handler
}

func newHost(n int, p pair, faulty float64, o export.Options) (*host, error) {
	h := &host{id: fmt.Sprintf("i-%017x", n), pair: p, rng: rand.New(rand.NewPCG(uint64(n), 1))}
	h.faulty = h.rng.Float64() < faulty
	var operations []string
	for _, c := range p.whole.Calls {
		operations = append(operations, c.Action)
	}
	h.stats = export.Stats{Interval: runInterval, Since: time.Now(), Runs: map[string]uint64{}, Operations: operations,
		Requests: map[string]uint64{}, Failures: map[export.Failure]uint64{}, ReloadOK: true}
	h.run(time.Now().Add(-time.Duration(h.rng.Int64N(int64(runInterval)))), false)
	reg := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{export.New(h.shown.Load, o), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	h.handler = promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true, Registry: reg})
	return h, nil
}

// run publishes a new result. Counters move and durations differ, as they do
// on real hosts: series that never change would compress too well.
func (h *host) run(at time.Time, flip bool) {
	if flip {
		h.faulty = !h.faulty
		h.stats.Since = at
	}
	r := h.pair.whole
	if h.faulty {
		r = h.pair.broken
	}
	s := h.stats
	s.Runs, s.Requests = map[string]uint64{}, map[string]uint64{}
	h.stats.Runs[export.TriggerInterval]++
	for k, v := range h.stats.Runs {
		s.Runs[k] = v
	}
	for _, c := range r.Calls {
		h.stats.Requests[c.Action] += uint64(c.Count)
	}
	for k, v := range h.stats.Requests {
		s.Requests[k] = v
	}
	h.shown.Store(&export.Snapshot{Report: h.vary(r), At: at, Success: true, Stats: &s})
}

// vary is the report with this host's name and new measurements.
func (h *host) vary(r *report.Report) *report.Report {
	c := *r
	c.Node.ID = h.id
	c.Duration = h.near(c.Duration)
	if c.ClockSkew != nil {
		skew := *c.ClockSkew + h.rng.NormFloat64()/100
		c.ClockSkew = &skew
	}
	c.Sources = append([]report.Source(nil), c.Sources...)
	for i := range c.Sources {
		c.Sources[i].Duration = h.near(c.Sources[i].Duration)
	}
	if c.Measures == nil {
		return &c
	}
	m := *c.Measures
	for _, p := range []**float64{&m.IMDSTokenSeconds, &m.IMDSIdentitySeconds, &m.IMDSCredentialsSeconds} {
		*p = h.nearPointer(*p)
	}
	m.Endpoints = append([]report.EndpointMeasure(nil), m.Endpoints...)
	for i := range m.Endpoints {
		e := &m.Endpoints[i]
		for _, p := range []**float64{&e.Resolve, &e.Connect, &e.TLS, &e.HTTP} {
			*p = h.nearPointer(*p)
		}
	}
	c.Measures = &m
	return &c
}

// near is a duration that differs by up to a fifth.
func (h *host) near(v float64) float64 { return v * (0.8 + 0.4*h.rng.Float64()) }

func (h *host) nearPointer(p *float64) *float64 {
	if p == nil {
		return nil
	}
	v := h.near(*p)
	return &v
}

// fleet is hosts on loopback addresses of their own, one port for all.
type fleet struct {
	hosts   []*host
	targets []string // host:port
	scrapes atomic.Int64
	servers []*http.Server
}

// address of host n: 127.1.0.1, 127.1.0.2 and so on. Linux answers for all of 127/8.
func address(n int) string { return fmt.Sprintf("127.%d.%d.%d", 1+n/62500, n/250%250, 1+n%250) }

func serveFleet(n, port int, pairs []pair, faulty float64, o export.Options) (*fleet, error) {
	f := &fleet{}
	for i := range n {
		h, err := newHost(i, pairs[i%len(pairs)], faulty, o)
		if err != nil {
			return nil, err
		}
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", address(i), port))
		if err != nil {
			f.close()
			return nil, fmt.Errorf("host %d: %w", i, err)
		}
		srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				f.scrapes.Add(1)
				h.handler.ServeHTTP(w, r)
			})}
		go func() { _ = srv.Serve(l) }()
		f.hosts, f.targets, f.servers = append(f.hosts, h), append(f.targets, l.Addr().String()), append(f.servers, srv)
	}
	return f, nil
}

func (f *fleet) close() {
	for _, s := range f.servers {
		_ = s.Close()
	}
}

// live lets every host run once per runInterval, spread over it, until ctx
// ends. One run in a hundred changes sides: a fault comes or goes.
func (f *fleet) live(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	next := 0.0
	each := float64(len(f.hosts)) / runInterval.Seconds()
	for i := 0; ; {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for next += each; next >= 1; next-- {
				h := f.hosts[i%len(f.hosts)]
				h.run(now, h.rng.IntN(100) == 0)
				i++
			}
		}
	}
}

// sink accepts remote writes and counts them. What they hold is not looked at.
type sink struct {
	requests, bytes atomic.Int64
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 64<<20))
	s.requests.Add(1)
	s.bytes.Add(n)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
