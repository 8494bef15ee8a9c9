package sim_test

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/sim"
)

var update = flag.Bool("update", false, "write golden files")

// unsteady are samples that time and the build decide, with what stands for
// their value.
var unsteady = []struct {
	re *regexp.Regexp
	to string
}{
	{regexp.MustCompile(`(?m)^(ssm_doctor_\w*duration_seconds(?:\{.*\})?) .*`), "$1 TIME"},
	{regexp.MustCompile(`(?m)^(ssm_doctor_last_run_timestamp_seconds) .*`), "$1 TIME"},
	{regexp.MustCompile(`(?m)^(ssm_doctor_build_info)\{.*`), "$1 1"},
}

var reSkew = regexp.MustCompile(`(?m)^ssm_doctor_clock_skew_seconds (.*)`)

// minutes rounds a clock's difference: the server's clock has whole seconds, and
// the run takes a moment.
func minutes(line []byte) []byte {
	v, _ := strconv.ParseFloat(string(reSkew.FindSubmatch(line)[1]), 64)
	return fmt.Appendf(nil, "ssm_doctor_clock_skew_seconds %d min", int(math.Round(v/60)))
}

// TestMetrics: what each simulated host looks like to Prometheus.
func TestMetrics(t *testing.T) {
	t.Parallel()
	for _, name := range sim.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := sim.Play(name)
			if err != nil {
				t.Fatal(err)
			}
			s.Now = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
			h, err := sim.Start(s)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(h.Close)
			r, _ := engine.Run(t.Context(), h.Env(), engine.Options{})
			var b bytes.Buffer
			if err := export.Write(&b, export.OneRun(r), export.Options{}, false); err != nil {
				t.Fatal(err)
			}
			got := b.Bytes()
			for _, u := range unsteady {
				got = u.re.ReplaceAll(got, []byte(u.to))
			}
			got = reSkew.ReplaceAllFunc(got, minutes)
			file := filepath.Join("testdata", "metrics", name+".prom")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Error(d)
			}
		})
	}
}
