package daemon

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/report"
)

// unzip is the text of an answer, which has to be one whole member of gzip.
func unzip(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	if w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("not compressed: %v", w.Header())
	}
	all := bytes.NewReader(w.Body.Bytes())
	z, err := gzip.NewReader(all)
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(false)
	b, err := io.ReadAll(z)
	if err != nil || all.Len() > 0 {
		t.Fatalf("%v, %d bytes left", err, all.Len())
	}
	return string(b)
}

// series are the names and labels of an exposition, sorted, and those values that are of
// the report.
func series(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		if !strings.HasPrefix(l, "ssm_doctor_") && !strings.HasPrefix(l, "#") {
			l = l[:strings.LastIndex(l, " ")] // the process goes on
		}
		out = append(out, l)
	}
	slices.Sort(out)
	return out
}

// TestScrapeIsTheSame: what is kept compressed says what is made anew says.
func TestScrapeIsTheSame(t *testing.T) {
	t.Parallel()
	for _, edit := range []func(*config.Config){nil, func(c *config.Config) { c.DisableExporterMetrics = true }} {
		d := shown(t, edit)
		for _, accept := range []string{"", "text/plain;version=0.0.4", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", "application/openmetrics-text;version=0.0.1"} {
			plain := ask(d, "GET", "localhost", "/metrics", "Accept", accept)
			for range 2 {
				packed := ask(d, "GET", "localhost", "/metrics", "Accept", accept, "Accept-Encoding", "gzip")
				if d := cmp.Diff(series(plain.Body.String()), series(unzip(t, packed))); d != "" {
					t.Errorf("%q: %s", accept, d)
				}
				if got, want := packed.Header().Get("Content-Type"), plain.Header().Get("Content-Type"); got != want {
					t.Errorf("%q: type %q, want %q", accept, got, want)
				}
			}
			if strings.HasPrefix(accept, "application") {
				continue
			}
			parser := expfmt.NewTextParser(model.UTF8Validation)
			if _, err := parser.TextToMetricFamilies(strings.NewReader(unzip(t, ask(d, "GET", "localhost", "/metrics", "Accept", accept, "Accept-Encoding", "gzip")))); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestScrapeFollows: another report is another answer at once, and what is of the process
// is at most a second old.
func TestScrapeFollows(t *testing.T) {
	t.Parallel()
	value := func(text, series string) string {
		m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (.*)$`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no %s in %s", series, text)
		}
		return m[1]
	}
	const managed, asked = `ssm_doctor_node_state{state="managed"}`, `promhttp_metric_handler_requests_total{code="200"}`
	synctest.Test(t, func(t *testing.T) {
		d := shown(t, nil)
		get := func() string {
			return unzip(t, ask(d, "GET", "localhost", "/metrics", "Accept-Encoding", "gzip"))
		}
		first, again := get(), get()
		if first != again {
			t.Error("two answers within a second differ")
		}
		time.Sleep(ownLasts)
		later := get()
		if value(first, asked) == value(later, asked) {
			t.Error("what counts scrapes stands still")
		}
		r := &report.Report{State: report.Managed}
		r.Normalize()
		d.publish(r, time.Now(), time.Now(), true)
		if before, after := value(later, managed), value(get(), managed); before != "0" || after != "1" {
			t.Errorf("state %s, then %s", before, after)
		}
	})
}

// TestScrapeOtherwise: what the kept answer is not for, is answered all the same.
func TestScrapeOtherwise(t *testing.T) {
	t.Parallel()
	d := shown(t, nil)
	for _, c := range []struct {
		name, path string
		header     []string
		packed     bool
		holds      string
		lacks      string
	}{
		{"plain", "/metrics", nil, false, "ssm_doctor_node_state", ""},
		{"gzip is not wanted", "/metrics", []string{"Accept-Encoding", "gzip;q=0, identity"}, false, "ssm_doctor_node_state", ""},
		{"by name", "/metrics?name[]=go_goroutines", []string{"Accept-Encoding", "gzip"}, true, "go_goroutines", "ssm_doctor_node_state"},
		{"gzip among others", "/metrics", []string{"Accept-Encoding", "deflate, gzip, br"}, true, "go_goroutines", ""},
		{"protobuf", "/metrics", []string{"Accept-Encoding", "gzip", "Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"}, true, "ssm_doctor_node_state", "# HELP"},
	} {
		w := ask(d, "GET", "localhost", c.path, c.header...)
		body := w.Body.String()
		if c.packed {
			body = unzip(t, w)
		}
		if w.Code != 200 || !strings.Contains(body, c.holds) || c.lacks != "" && strings.Contains(body, c.lacks) {
			t.Errorf("%s: %d %s", c.name, w.Code, body)
		}
	}
}
