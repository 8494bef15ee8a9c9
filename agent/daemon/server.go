package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/report"
)

// Limits of the server.
const (
	maxConnections = 96 // each takes up to 50 KB
	maxRequests    = 16 // at the same time, scrapes not counted
	maxScrapes     = 5  // rendered at the same time; more wait
	scrapeWait     = 2 * time.Second
	answerLimit    = 2 * time.Second // for a client to take an answer
	maxHeader      = 2 << 10         // and the 4 KiB that the library adds
	maxBody        = 4 << 10
	shutdownLimit  = 3 * time.Second
	pageRefresh    = 30 * time.Second // local looks are as often
	staleRuns      = 3                // a report is old after so many intervals
)

// pageURL is where a browser on this host finds the status page; empty for a socket.
func pageURL(addr net.Addr, webConfig string) string {
	at, ok := addr.(*net.TCPAddr)
	if !ok {
		return ""
	}
	host := at.IP.String()
	if at.IP.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http"
	if webConfig != "" { // TLS, authentication, or both
		if b, err := os.ReadFile(webConfig); err == nil && strings.Contains(string(b), "tls_server_config") {
			scheme = "https"
		}
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(at.Port)) + "/"
}

// Run listens, runs the schedule, and ends both when ctx does.
func (d *Daemon) Run(ctx context.Context) error {
	cfg := d.cfg.Load()
	srv := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*d.handler.Load()).ServeHTTP(w, r) }),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(d.o.Log.Handler(), slog.LevelDebug),
		ConnState: (&connections{most: connectionsFor(descriptors())}).note,
	}
	// The toolkit reads its configuration for every connection; a broken one is
	// told now.
	if err := ValidWeb(cfg.WebConfigFile); err != nil {
		return err
	}
	flags := &web.FlagConfig{WebConfigFile: &cfg.WebConfigFile}
	listeners, err := listeners(ctx, cfg)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		d.o.Log.Info("listening", "address", l.Addr().String(), "status_page", pageURL(l.Addr(), cfg.WebConfigFile))
	}
	served := make(chan error, 1)
	go func() { served <- web.ServeMultiple(listeners, srv, flags, d.o.Log) }()
	loop, stop := context.WithCancel(ctx)
	defer stop()
	looped := make(chan struct{})
	go func() {
		defer close(looped)
		d.Loop(loop)
	}()
	newNotifier(d.o.Getenv).send("READY=1")
	d.o.Ready()
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-served:
		served <- failed
	}
	stop()
	patience := time.After(stopPatience + 500*time.Millisecond)
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	if err := srv.Shutdown(down); err != nil {
		srv.Close()
	}
	select {
	case <-looped:
	case <-patience: // a file that it writes hangs
		d.o.Log.Warn("stopped before the current run ended; its result is lost")
	}
	if err := <-served; err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	if failed != nil && !errors.Is(failed, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", failed)
	}
	return nil
}

// ValidWeb reports what is wrong with a web configuration file; empty is none. It names
// the key and not the file, as all messages about wrong values: what is no file may be a
// secret in the wrong place.
func ValidWeb(file string) error {
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() { // reading a pipe would wait
		return errors.New("web.config_file: not a regular file")
	}
	err := web.Validate(file)
	if err == nil {
		return nil
	}
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("web.config_file: %s", config.WithoutValues(err.Error()))
}

// listeners are the sockets that systemd passed, or those of our addresses.
func listeners(ctx context.Context, cfg *config.Config) ([]net.Listener, error) {
	if !cfg.SystemdSocket {
		return listen(ctx, cfg.ListenAddresses)
	}
	passed, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take the sockets of systemd: %w", err)
	}
	// nil stands for a descriptor that is no listener.
	passed = slices.DeleteFunc(passed, func(l net.Listener) bool { return l == nil })
	if len(passed) == 0 {
		return nil, errors.New("systemd passed no socket to listen on")
	}
	return passed, nil
}

func listen(ctx context.Context, addresses []string) ([]net.Listener, error) {
	var out []net.Listener
	for _, a := range addresses {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a)
		if err != nil {
			for _, o := range out {
				o.Close()
			}
			return nil, fmt.Errorf("listen on %s: %w", a, err)
		}
		out = append(out, l)
	}
	return out, nil
}

// swapHandler builds the handler anew for the configuration.
func (d *Daemon) swapHandler() {
	cfg := d.cfg.Load()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", d.metrics(cfg))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "healthy") })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if d.now.Load().snapshot.At.IsZero() {
			plain(w, http.StatusServiceUnavailable, "the first run has not finished")
			return
		}
		plain(w, http.StatusOK, "ready")
	})
	guard := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if show, why := reportAccess(cfg, r); !show {
				plain(w, http.StatusForbidden, why)
				return
			}
			h(w, r)
		}
	}
	mux.HandleFunc("GET /{$}", guard(d.page(cfg, true)))
	mux.HandleFunc("GET /report.html", guard(d.page(cfg, false)))
	mux.HandleFunc("GET /report.json", guard(d.reportJSON))
	// Of no host, so that everybody may read it: links of alerts lead here.
	mux.HandleFunc("GET /explain/{id...}", d.explain)
	if cfg.Lifecycle {
		mux.HandleFunc("POST /-/run", func(w http.ResponseWriter, _ *http.Request) {
			d.Trigger()
			plain(w, http.StatusAccepted, "a run will start; /report.json will have its result")
		})
		mux.HandleFunc("POST /-/reload", func(w http.ResponseWriter, r *http.Request) {
			if err := d.Reload(r.Context()); err != nil {
				plain(w, http.StatusInternalServerError, "the new configuration was refused, the one before stays in use: "+report.Printable(err.Error()))
				return
			}
			plain(w, http.StatusOK, "the configuration was read again and is in use")
		})
	}
	var h http.Handler = http.NewCrossOriginProtection().Handler(mux)
	h = http.MaxBytesHandler(h, maxBody)
	h = limitRequests(h, maxRequests)
	h = hostGuard(h, cfg, d.o.Host)
	h = securityHeaders(h)
	h = wholeAnswers(h)
	d.handler.Store(&h)
}

// metrics exposes the snapshot, and this process unless that is switched off.
func (d *Daemon) metrics(cfg *config.Config) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(export.New(d.Snapshot, metricOptions(cfg)))
	o := promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorHandling: promhttp.ContinueOnError, ErrorLog: slog.NewLogLogger(d.o.Log.Handler(), slog.LevelDebug)}
	if cfg.DisableExporterMetrics {
		return waitForSlot(&scrapes{snapshot: d.Snapshot, report: reg, other: promhttp.HandlerFor(reg, o)}, maxScrapes)
	}
	own := prometheus.NewRegistry()
	own.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	o.Registry = own
	s := &scrapes{snapshot: d.Snapshot, report: reg, own: own, other: promhttp.HandlerFor(joined{reg, own}, o)}
	return promhttp.InstrumentMetricHandler(own, waitForSlot(s, maxScrapes))
}

// page is the status page, or the report as a page that stands alone. The status
// page keeps itself up to date; static is without.
func (d *Daemon) page(cfg *config.Config, status bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := d.now.Load()
		if p.shown == nil {
			plain(w, http.StatusServiceUnavailable, "the first run has not finished; /-/ready tells when")
			return
		}
		var live report.Live
		if status {
			live = report.Live{Refresh: pageRefresh, Reload: report.Link{Text: "read it again", Href: "./"}, Explain: "explain/", Now: d.wall(), Next: p.next, StaleAfter: staleRuns * cfg.Local,
				Links: []report.Link{{Text: "report as JSON", Href: "report.json"}, {Text: "report as a file", Href: "report.html"}, {Text: "metrics", Href: "metrics"}, {Text: "all causes and checks", Href: "explain/"}}}
			if r.URL.Query().Has("static") {
				live.Refresh, live.Reload = 0, report.Link{Text: "Keep this page up to date", Href: "./"}
			}
		}
		var b bytes.Buffer
		if err := report.HTML(&b, p.shown(), live); err != nil {
			d.o.Log.Error("the status page could not be made; the request was answered with 500", "err", err)
			plain(w, http.StatusInternalServerError, "the page could not be made; the log of the daemon says why")
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", report.ContentPolicy())
		_, _ = w.Write(b.Bytes())
	}
}

// explain is the page of a check, a cause or an alert.
func (d *Daemon) explain(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	found, err := report.ExplainHTML(&b, r.PathValue("id"))
	switch {
	case err != nil:
		d.o.Log.Error("a page of explanations could not be made; the request was answered with 500", "err", err)
		plain(w, http.StatusInternalServerError, "the page could not be made; the log of the daemon says why")
		return
	case !found:
		plain(w, http.StatusNotFound, "no check, cause or alert has that id; /explain/ lists all")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", report.ContentPolicy())
	_, _ = w.Write(b.Bytes())
}

func (d *Daemon) reportJSON(w http.ResponseWriter, _ *http.Request) {
	p := d.now.Load()
	if p.shown == nil {
		plain(w, http.StatusServiceUnavailable, "the first run has not finished; /-/ready tells when")
		return
	}
	var b bytes.Buffer
	if err := report.Write(&b, "json", p.shown(), report.Style{}); err != nil {
		d.o.Log.Error("the report could not be made; the request was answered with 500", "err", err)
		plain(w, http.StatusInternalServerError, "the report could not be made; the log of the daemon says why")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b.Bytes())
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	fmt.Fprintln(w, text)
}
