package sim_test

import (
	"io"
	"testing"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

// BenchmarkRun is a whole run on simulated hosts, whose own work is in the figures.
func BenchmarkRun(b *testing.B) {
	for _, name := range []string{"healthy-profile", "no-egress", "imds-hop-limit"} {
		b.Run(name, func(b *testing.B) {
			h, err := sim.New(name)
			if err != nil {
				b.Fatal(err)
			}
			defer h.Close()
			b.ReportAllocs()
			for b.Loop() {
				engine.Run(b.Context(), h.Env(), engine.Options{})
			}
		})
	}
}

// BenchmarkGather is what the daemon does at each of its rhythms: it looks at the host, at
// the network as well, and at what AWS allows too.
func BenchmarkGather(b *testing.B) {
	for _, c := range []struct {
		name  string
		waves engine.Waves
	}{
		{"local", engine.Waves{SkipNetwork: true, SkipPermissions: true}},
		{"network", engine.Waves{SkipPermissions: true}},
		{"all", engine.Waves{}},
	} {
		b.Run(c.name, func(b *testing.B) {
			h, err := sim.New("healthy-profile")
			if err != nil {
				b.Fatal(err)
			}
			defer h.Close()
			seconds := map[string]float64{}
			runs := 0
			b.ReportAllocs()
			for b.Loop() {
				runs++
				for _, s := range engine.Collect(b.Context(), h.Env(), engine.Options{Waves: c.waves}).Sources {
					seconds[s.Name] += s.DurationSeconds
				}
			}
			for _, name := range engine.Sources() {
				if seconds[name] > 0 {
					b.ReportMetric(1000*seconds[name]/float64(runs), name+"-ms")
				}
			}
		})
	}
}

// BenchmarkJudge is all between the facts and the report.
func BenchmarkJudge(b *testing.B) {
	for _, name := range []string{"healthy-profile", "no-egress"} {
		b.Run(name, func(b *testing.B) {
			h, err := sim.New(name)
			if err != nil {
				b.Fatal(err)
			}
			defer h.Close()
			f := engine.Collect(b.Context(), h.Env(), engine.Options{})
			b.ReportAllocs()
			for b.Loop() {
				engine.Judge(f, engine.Options{})
			}
		})
	}
}

// BenchmarkRender writes the report of a host whose endpoints cannot be reached.
func BenchmarkRender(b *testing.B) {
	h, err := sim.New("no-egress")
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	r, _ := engine.Run(b.Context(), h.Env(), engine.Options{})
	for _, format := range report.Formats {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := report.Write(io.Discard, format, r, report.Style{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
