// Fleetbench answers for many hosts from one process and measures a real
// Prometheus that scrapes them. The hosts are the demos, examined by the whole
// pipeline, healthy and broken, each on a loopback address of its own; their
// measurements change from run to run and faults come and go.
//
//	go run ./packaging/prometheus/fleetbench -hosts 1000 -for 5m
//	go run ./packaging/prometheus/fleetbench -hosts 1000 -for 5m -agent
//
// It needs Linux, the program prometheus in the search path and an open file
// per host and scrape (ulimit -n). -serve only serves, for another Prometheus.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"ssm-doctor/agent/export"
)

type options struct {
	hosts, port int
	interval    time.Duration
	during      time.Duration
	faulty      float64
	agent, only bool
	shipped     string
	metrics     export.Options
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "fleetbench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	fs := flag.NewFlagSet("fleetbench", flag.ContinueOnError)
	fs.IntVar(&o.hosts, "hosts", 1000, "hosts to answer for")
	fs.IntVar(&o.port, "port", 10776, "port of all of them")
	fs.DurationVar(&o.interval, "interval", 15*time.Second, "time between scrapes, and between evaluations of the rules")
	fs.DurationVar(&o.during, "for", 5*time.Minute, "how long to measure, after a minute of warming up")
	fs.Float64Var(&o.faulty, "faulty", 0.05, "share of hosts that are broken at the start")
	fs.BoolVar(&o.agent, "agent", false, "measure Prometheus in agent mode with remote write instead of a server with rules")
	fs.BoolVar(&o.only, "serve", false, "only serve")
	fs.BoolVar(&o.metrics.Lean, "lean", false, "expose what serve --metrics.lean does")
	fs.BoolVar(&o.metrics.All, "all", false, "expose every family")
	fs.StringVar(&o.shipped, "config", "packaging/prometheus", "folder of the shipped configuration")
	if err := fs.Parse(args); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "examining the demos")
	pairs, err := examine(ctx)
	if err != nil {
		return fmt.Errorf("examine demos: %w", err)
	}
	f, err := serveFleet(o.hosts, o.port, pairs, o.faulty, o.metrics)
	if err != nil {
		return err
	}
	defer f.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go f.live(ctx)
	if o.only {
		for _, t := range f.targets {
			fmt.Fprintln(out, t)
		}
		<-ctx.Done()
		return nil
	}
	return measure(ctx, out, f, o)
}

func measure(ctx context.Context, out io.Writer, f *fleet, o options) (err error) {
	dir, err := os.MkdirTemp("", "fleetbench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sunk := &sink{}
	remote := ""
	if o.agent {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		srv := &http.Server{Handler: sunk, ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = srv.Serve(l) }()
		defer srv.Close()
		remote = "http://" + l.Addr().String() + "/api/v1/write"
	}
	p, err := startProm(ctx, o.shipped, dir, f.targets, o.interval, remote)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	fmt.Fprintln(os.Stderr, "warming up for a minute")
	if err := wait(ctx, p, time.Minute); err != nil {
		return err
	}
	m := &meter{ctx: ctx, p: p, agent: o.agent, sunk: sunk, fleet: f}
	before := m.take()
	fmt.Fprintln(os.Stderr, "measuring for", o.during)
	if err := wait(ctx, p, o.during); err != nil {
		return err
	}
	after := m.take()
	m.report(out, o, before, after)
	return m.err
}

// wait for a while, unless Prometheus ends before.
func wait(ctx context.Context, p *prom, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-p.done:
		p.done <- err
		return fmt.Errorf("prometheus ended: %w", err)
	case <-time.After(d):
		return nil
	}
}

// reading is what counts up, at one moment.
type reading struct {
	at                          time.Time
	samples, cpu, data, scrapes float64
	sent, sentBytes             float64
}

// meter reads Prometheus and keeps the first error.
type meter struct {
	ctx   context.Context
	p     *prom
	agent bool
	sunk  *sink
	fleet *fleet
	err   error
}

func (m *meter) own(metric, label string) float64 {
	v, err := m.p.own(m.ctx, metric, label)
	m.err = errors.Join(m.err, err)
	return v
}

func (m *meter) query(expr string) float64 {
	v, err := m.p.query(m.ctx, expr)
	m.err = errors.Join(m.err, err)
	return v
}

func (m *meter) take() reading {
	r := reading{at: time.Now(), cpu: m.own("process_cpu_seconds_total", ""), scrapes: float64(m.fleet.scrapes.Load())}
	data, err := m.p.dataBytes()
	m.err = errors.Join(m.err, err)
	r.data = data
	if m.agent {
		r.samples = m.own("prometheus_agent_samples_appended_total", "")
		r.sent = m.own("prometheus_remote_storage_samples_total", "")
		r.sentBytes = float64(m.sunk.bytes.Load())
	} else {
		r.samples = m.own("prometheus_tsdb_head_samples_appended_total", "")
	}
	return r
}

func (m *meter) report(out io.Writer, o options, a, b reading) {
	sec := b.at.Sub(a.at).Seconds()
	row := func(name, format string, args ...any) {
		fmt.Fprintf(out, "| %s | %s |\n", name, fmt.Sprintf(format, args...))
	}
	rate := (b.samples - a.samples) / sec
	const mib = 1 << 20
	fmt.Fprintf(out, "| figure | value |\n|---|---|\n")
	row("hosts, scrape interval, time measured", "%d, %v, %.0f s", o.hosts, o.interval, sec)
	row("scrapes answered per second", "%.1f", (b.scrapes-a.scrapes)/sec)
	row("samples appended per second", "%.0f", rate)
	peak, err := m.p.peakMemory()
	m.err = errors.Join(m.err, err)
	row("Prometheus resident memory, now and at most", "%.0f MiB, %.0f MiB", m.own("process_resident_memory_bytes", "")/mib, peak/mib)
	row("Prometheus processor time", "%.2f cores", (b.cpu-a.cpu)/sec)
	row("log written per sample", "%.1f bytes", (b.data-a.data)/(b.samples-a.samples))
	if m.agent {
		row("active series", "%.0f", m.own("prometheus_agent_active_series", ""))
		row("samples sent per second", "%.0f", (b.sent-a.sent)/sec)
		row("bytes sent per sample (snappy)", "%.1f", (b.sentBytes-a.sentBytes)/(b.sent-a.sent))
		row("remote write failures, samples pending", "%.0f, %.0f", m.own("prometheus_remote_storage_samples_failed_total", ""), m.own("prometheus_remote_storage_samples_pending", ""))
		return
	}
	const job = `{job="ssm-doctor"}`
	row("series in memory", "%.0f", m.own("prometheus_tsdb_head_series", ""))
	row("hosts up", "%.0f", m.query(`sum(up`+job+`)`))
	row("series per host, scraped and kept", "%.0f, %.0f", m.query(`avg(scrape_samples_scraped`+job+`)`), m.query(`avg(scrape_samples_post_metric_relabeling`+job+`)`))
	row("series per host of ours, at most", "%.0f", m.query(`max(count by (instance) ({__name__=~"ssm_doctor_.*",job="ssm-doctor"}))`))
	row("scrape duration, median, 99 %, most", "%.1f, %.1f, %.1f ms", 1000*m.query(`quantile(0.5, scrape_duration_seconds`+job+`)`), 1000*m.query(`quantile(0.99, scrape_duration_seconds`+job+`)`), 1000*m.query(`max(scrape_duration_seconds`+job+`)`))
	window := fmt.Sprintf("[%ds]", int(sec))
	for _, g := range []string{"fleet", "host", "self"} {
		s := `(prometheus_rule_group_last_duration_seconds{rule_group=~".*ssm-doctor-` + g + `"}` + window + `)`
		row("one evaluation of ssm-doctor-"+g+", least, mean, most", "%.0f, %.0f, %.0f ms", 1000*m.query("min(min_over_time"+s+")"), 1000*m.query("avg(avg_over_time"+s+")"), 1000*m.query("max(max_over_time"+s+")"))
	}
	row("evaluations failed, missed", "%.0f, %.0f", m.own("prometheus_rule_evaluation_failures_total", "ssm-doctor"), m.own("prometheus_rule_group_iterations_missed_total", "ssm-doctor"))
	row("alerts pending or firing", "%.0f", m.query(`count(ALERTS) or vector(0)`))
	row("hosts not managed", "%.0f (%s)", m.query(`sum(ssm_doctor_node_state{state="not-managed"})`), strings.TrimSpace(fmt.Sprintf("%.1f %%", 100*m.query(`avg(ssm_doctor_node_state{state="not-managed"})`))))
}
