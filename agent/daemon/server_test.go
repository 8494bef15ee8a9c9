package daemon

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"golang.org/x/crypto/bcrypt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/text"
)

// shown makes a daemon that has finished one run.
func shown(t testing.TB, edit func(*config.Config)) *Daemon {
	t.Helper()
	d, err := New(Options{Host: "web-1.example.internal",
		Load: func() (*config.Config, error) {
			c := config.Default()
			c.StateDir = ""
			if edit != nil {
				edit(c)
			}
			return c, nil
		},
		// Whoever asks the host or the network here panics.
		Env: func(*config.Config) (*gather.Env, error) { return &gather.Env{}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	r, _ := imdsGone()
	r.Normalize()
	r.Node.Account, r.Summary = "111122223333", text.New("role %s", "AppRole <script>alert(1)</script>")
	d.publish(r, time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), true)
	return d
}

func ask(d *Daemon, method, host, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://"+host+path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	(*d.handler.Load()).ServeHTTP(w, r)
	return w
}

// hashOf is a password as a web configuration has it.
func hashOf(t *testing.T, password string) string {
	t.Helper()
	b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	web := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(web, []byte("basic_auth_users: {a: "+hashOf(t, "right")+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plainSet := func(*config.Config) {}
	public := func(c *config.Config) { c.ListenAddresses = []string{":10776"} }
	lifecycle := func(c *config.Config) { c.Lifecycle = true }
	for _, c := range []struct {
		name, method, host, path string
		edit                     func(*config.Config)
		want                     int
		header                   []string
	}{
		{"metrics", "GET", "127.0.0.1:10776", "/metrics", plainSet, 200, nil},
		{"head", "HEAD", "localhost", "/metrics", plainSet, 200, nil},
		{"healthy", "GET", "localhost", "/-/healthy", plainSet, 200, nil},
		{"ready", "GET", "localhost", "/-/ready", plainSet, 200, nil},
		{"page", "GET", "[::1]:10776", "/", plainSet, 200, nil},
		{"report", "GET", "localhost", "/report.html", plainSet, 200, nil},
		{"json", "GET", "localhost", "/report.json", plainSet, 200, nil},
		{"own name", "GET", "WEB-1.example.internal.:10776", "/", plainSet, 200, nil},
		{"short name", "GET", "web-1", "/", plainSet, 200, nil},
		{"rebound name", "GET", "attacker.example", "/", plainSet, 421, nil},
		{"rebound name, metrics", "GET", "attacker.example", "/metrics", plainSet, 421, nil},
		{"allowed name", "GET", "doctor.example", "/", func(c *config.Config) { c.AllowedHosts = []string{"doctor.example"} }, 200, nil},
		{"any name", "GET", "x.example", "/", func(c *config.Config) { c.AllowedHosts = []string{"*"} }, 200, nil},
		{"unknown path", "GET", "localhost", "/nope", plainSet, 404, nil},
		{"path above", "GET", "localhost", "/../etc/passwd", plainSet, 307, nil},
		{"wrong method", "POST", "localhost", "/metrics", plainSet, 405, nil},
		{"delete", "DELETE", "localhost", "/", plainSet, 405, nil},
		{"run is off", "POST", "localhost", "/-/run", plainSet, 404, nil},
		{"run", "POST", "localhost", "/-/run", lifecycle, 202, nil},
		{"run by GET", "GET", "localhost", "/-/run", lifecycle, 405, nil},
		{"run from another site", "POST", "localhost", "/-/run", lifecycle, 403, []string{"Sec-Fetch-Site", "cross-site"}},
		{"run from another origin", "POST", "localhost", "/-/run", lifecycle, 403, []string{"Origin", "https://attacker.example"}},
		{"public page", "GET", "10.0.0.1", "/", public, 403, nil},
		{"public json", "GET", "10.0.0.1", "/report.json", public, 403, nil},
		{"public metrics by any name", "GET", "edge.example.net", "/metrics", public, 200, nil},
		{"explanation", "GET", "localhost", "/explain/imds-disabled", plainSet, 200, nil},
		{"explanation of nothing", "GET", "localhost", "/explain/nope", plainSet, 404, nil},
		{"list of explanations", "GET", "localhost", "/explain/", plainSet, 200, nil},
		{"public explanation by any name", "GET", "edge.example.net", "/explain/SSMDoctorDown", public, 200, nil},
		{"explanation by a rebound name", "GET", "attacker.example", "/explain/dns", plainSet, 421, nil},
		{"public page by any name", "GET", "edge.example.net", "/", func(c *config.Config) { public(c); c.Report = "full" }, 421, nil},
		{"public, on purpose", "GET", "10.0.0.1", "/report.json", func(c *config.Config) { public(c); c.Report = "full" }, 200, nil},
		{"public with users", "GET", "10.0.0.1", "/report.json", func(c *config.Config) { public(c); c.WebConfigFile = web }, 200, []string{"Authorization", basic("a", "right")}},
		{"public with users, another password", "GET", "10.0.0.1", "/report.json", func(c *config.Config) { public(c); c.WebConfigFile = web }, 403, []string{"Authorization", basic("a", "wrong")}},
		{"public with users, another user", "GET", "10.0.0.1", "/report.json", func(c *config.Config) { public(c); c.WebConfigFile = web }, 403, []string{"Authorization", basic("b", "right")}},
		{"public with users, let through before they were named", "GET", "10.0.0.1", "/report.json", func(c *config.Config) { public(c); c.WebConfigFile = web }, 403, nil},
		{"report off", "GET", "localhost", "/report.json", func(c *config.Config) { c.Report = "off" }, 403, nil},
		{"sockets of systemd", "GET", "localhost", "/", func(c *config.Config) { c.SystemdSocket = true }, 403, nil},
	} {
		d := shown(t, c.edit)
		w := ask(d, c.method, c.host, c.path, c.header...)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d: %.100s", c.name, w.Code, c.want, w.Body)
		}
		for _, h := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control"} {
			if w.Header().Get(h) == "" {
				t.Errorf("%s: no %s", c.name, h)
			}
		}
	}
}

func TestBeforeTheFirstRun(t *testing.T) {
	t.Parallel()
	h := &host{answer: always(managed)}
	d := testDaemon(t, h, nil, nil)
	for path, want := range map[string]int{"/-/healthy": 200, "/-/ready": 503, "/metrics": 200, "/": 503, "/report.json": 503} {
		if w := ask(d, "GET", "localhost", path); w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if b := ask(d, "GET", "localhost", "/metrics").Body.String(); !strings.Contains(b, `ssm_doctor_node_state{state="unknown"} 1`) || strings.Contains(b, "ssm_doctor_last_run_timestamp_seconds ") {
		t.Errorf("%s", b)
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	d := shown(t, nil)
	w := ask(d, "GET", "localhost", "/")
	page := w.Body.String()
	for _, kind := range []string{"style", "script"} {
		_, rest, _ := strings.Cut(page, "<"+kind+">")
		source, _, _ := strings.Cut(rest, "</"+kind+">")
		sum := sha256.Sum256([]byte(source))
		if want := kind + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(w.Header().Get("Content-Security-Policy"), want) {
			t.Errorf("policy %q does not allow the page's %s", w.Header().Get("Content-Security-Policy"), want)
		}
	}
	if strings.Count(page, "<script") != 1 || strings.Contains(page, "111122223333") {
		t.Error("host text or an account number came through")
	}
	still := ask(d, "GET", "localhost", "/?static=1").Body.String()
	if !strings.Contains(page, `href="./"`) || strings.Contains(page+still, `http-equiv="refresh"`) || !strings.Contains(still, `href="./"`) {
		t.Error("a page reloads itself, or has no link that reads it again")
	}
	var r report.Report
	if err := json.Unmarshal(ask(d, "GET", "localhost", "/report.json").Body.Bytes(), &r); err != nil || !r.Redacted || r.State != report.NotManaged || len(r.History) != 1 {
		t.Errorf("%v %+v", err, r)
	}
}

func TestMetricsSwitches(t *testing.T) {
	t.Parallel()
	get := func(edit func(*config.Config), accept string) string {
		return ask(shown(t, edit), "GET", "localhost", "/metrics", "Accept", accept).Body.String()
	}
	all := get(nil, "")
	for _, want := range []string{"go_goroutines", "promhttp_metric_handler_requests_in_flight", "ssm_doctor_build_info{"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s", want)
		}
	}
	if runtime.GOOS == "linux" && !strings.Contains(all, "process_resident_memory_bytes") {
		t.Error("no process_resident_memory_bytes")
	}
	bare := get(func(c *config.Config) { c.DisableExporterMetrics = true }, "")
	for l := range strings.Lines(bare) {
		if !strings.HasPrefix(l, "#") && !strings.HasPrefix(l, "ssm_doctor_") {
			t.Errorf("not ours: %s", l)
		}
	}
	if s := get(func(c *config.Config) { c.MetricsDisable = []string{"node"} }, ""); strings.Contains(s, "ssm_doctor_node_state") {
		t.Error("a disabled group shows")
	}
	if s := get(nil, "application/openmetrics-text; version=1.0.0"); !strings.HasSuffix(s, "# EOF\n") {
		t.Error("no OpenMetrics")
	}
}

// serveTest runs a daemon on a port of its own and returns its address.
func serveTest(t *testing.T, edit func(*config.Config)) (string, func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	h := &host{answer: always(managed)}
	ready := make(chan struct{})
	d := testDaemon(t, h, func(c *config.Config) {
		c.ListenAddresses = []string{address}
		if edit != nil {
			edit(c)
		}
	}, func(o *Options) { o.Ready = func() { close(ready) } })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	return address, func() error { cancel(); return <-done }
}

func TestRunAndStop(t *testing.T) {
	t.Parallel()
	address, stop := serveTest(t, nil)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address + "/-/healthy")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	// A client that never finishes its request does not hold up the end.
	slow, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_, _ = io.WriteString(slow, "GET / HT")
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestBasicAuthGuardsEveryPath(t *testing.T) {
	t.Parallel()
	web := filepath.Join(t.TempDir(), "web.yml")
	// bcrypt of "secret" with the least cost.
	if err := os.WriteFile(web, []byte("basic_auth_users:\n  scraper: $2a$04$QFYlGzIjzOdXYVTJqWUcBO/6YjHYIEm6HPTQDnLRxMqLVJWPKqr5q\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address, stop := serveTest(t, func(c *config.Config) { c.WebConfigFile = web })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, path := range []string{"/", "/metrics", "/-/healthy", "/report.json"} {
		resp, err := client.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// What asks for passwords is looked at with every request: the toolkit reads the
// file each time too, and lets everybody in when nobody is named there.
func TestReportNeedsAuthenticationNow(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "web.yml")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	users := "basic_auth_users: {a: " + hashOf(t, "right") + "}\n"
	const certificates = "tls_server_config: {client_auth_type: RequireAndVerifyClientCert}\n"
	write(users)
	d := shown(t, func(c *config.Config) { c.ListenAddresses, c.WebConfigFile = []string{":10776"}, file })
	want := func(what string, code int) {
		t.Helper()
		if w := ask(d, "GET", "10.0.0.1", "/report.json", "Authorization", basic("a", "right")); w.Code != code {
			t.Errorf("%s: %d, want %d", what, w.Code, code)
		}
	}
	want("users", 200)
	write("")
	want("no users any more", 403)
	write("basic_auth_users: [")
	want("not readable", 403)
	write(certificates) // the server speaks HTTP until it is started again
	want("certificates, but none was shown", 403)
	write(users)
	want("users again", 200)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	want("no file", 403)
	r := httptest.NewRequest("GET", "https://10.0.0.1/report.json", nil)
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{}}}
	write(certificates)
	w := httptest.NewRecorder()
	if (*d.handler.Load()).ServeHTTP(w, r); w.Code != 200 {
		t.Errorf("with a certificate: %d", w.Code)
	}
}

// A reload does not move the server, so its guard stays that of the start.
func TestReloadKeepsTheGuard(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(file, []byte("basic_auth_users:\n  a: $2a$04$QFYlGzIjzOdXYVTJqWUcBO/6YjHYIEm6HPTQDnLRxMqLVJWPKqr5q\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*config.Config){
		"loopback": func(c *config.Config) { c.ListenAddresses = []string{"127.0.0.1:10776"} },
		"users":    func(c *config.Config) { c.WebConfigFile = file },
	} {
		edit := func(*config.Config) {}
		d := shown(t, func(c *config.Config) { c.ListenAddresses = []string{":10776"}; edit(c) })
		edit = change
		if err := d.reload(); err != nil {
			t.Fatal(err)
		}
		if w := ask(d, "GET", "10.0.0.1", "/report.json"); w.Code != 403 {
			t.Errorf("%s: %d", name, w.Code)
		}
		edit = func(c *config.Config) { c.WebConfigFile = filepath.Join(t.TempDir(), "missing.yml") }
		if err := d.reload(); err == nil || d.Snapshot().Stats.ReloadOK {
			t.Errorf("%s: a missing web configuration: %v", name, err)
		}
	}
}

func TestListenFails(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := &host{answer: always(managed)}
	for _, edit := range []func(*config.Config){
		func(c *config.Config) { c.ListenAddresses = []string{l.Addr().String()} },
		func(c *config.Config) { c.WebConfigFile = "/nonexistent/web.yml" },
	} {
		if err := testDaemon(t, h, edit, nil).Run(t.Context()); err == nil {
			t.Error("no error")
		}
	}
	if len(h.asked) > 0 {
		t.Error("a daemon that cannot listen examined the host")
	}
}

// Scrapes while runs are published: nothing is torn (with -race: nothing races).
func TestScrapeDuringRuns(t *testing.T) {
	t.Parallel()
	d := shown(t, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			r, _ := managed()
			if i%2 == 0 {
				r, _ = imdsGone()
			}
			r.Normalize()
			d.publish(r, time.Now(), time.Now(), true)
		}
	}()
	for range 100 {
		b := ask(d, "GET", "localhost", "/metrics").Body.String()
		healthy, managed := strings.Contains(b, `ssm_doctor_root_cause_info{cause="healthy"`), strings.Contains(b, `ssm_doctor_node_state{state="managed"} 1`)
		if healthy != managed {
			t.Fatal("state and cause of two runs in one scrape")
		}
	}
	<-done
}

// The time of scrapes of a full report, with and without the metrics of the
// process itself, which the client library reads from /proc; p99 is told, not judged.
func BenchmarkScrape(b *testing.B) {
	for _, c := range []struct {
		name string
		edit func(*config.Config)
	}{
		{"report", func(c *config.Config) { c.DisableExporterMetrics = true }},
		{"report and process", nil},
		{"everything", func(c *config.Config) { c.MetricsAll, c.MetricsFeatures = true, []string{"*"} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := shown(b, c.edit)
			d.publish(fullReport(), time.Now(), time.Now(), true)
			var took []time.Duration
			var body string
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				w := ask(d, "GET", "localhost", "/metrics", "Accept-Encoding", "gzip")
				took = append(took, time.Since(start))
				if w.Code != 200 {
					b.Fatal(w.Code)
				}
				body = w.Body.String()
			}
			sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(strings.Count(body, "\n")-strings.Count(body, "\n#")-1), "samples")
		})
	}
}

// fullReport is a real report of a simulated host.
func fullReport() *report.Report {
	h, err := simHost("no-credential-source")
	if err != nil {
		panic(err)
	}
	defer h.Close()
	r, _ := engine.Run(context.Background(), h.Env(), engine.Options{})
	return r
}
