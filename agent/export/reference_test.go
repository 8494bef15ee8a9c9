package export

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"ssm-doctor/packaging/gen/golden"
)

// The page in the documentation is the one that the program makes.
func TestGoldenReference(t *testing.T) {
	t.Parallel()
	page := reference()
	golden.File(t, "../../packaging/docs/metrics.md", []byte(page))
	for _, f := range families {
		if strings.Count(page, "| `"+f.name+"` |") != 1 {
			t.Errorf("%s has no row", f.name)
		}
	}
}

// reference is the table of all families as a page of the documentation.
func reference() string {
	var b strings.Builder
	b.WriteString(`# Metrics

What ` + "`ssm-doctor serve`" + ` exposes on ` + "`/metrics`" + `, and ` + "`check -o prometheus`" + ` and ` + "`check --textfile`" + `
write. This page is generated from the program.

Values are those of the last run, kept in memory: a scrape looks at nothing. A
missing series means "not known". Unknown is never 0. An absent
` + "`ssm_doctor_check_success`" + ` beside ` + "`ssm_doctor_source_success`" + ` 0 means that nobody could
look, which is not the same as broken.

A host has at most 180 series by default, 300 with ` + "`--metrics.all`" + ` and 60 with
` + "`--metrics.lean`" + `. ` + "`--metrics.disable`" + ` takes names of groups. The families marked *all*
need ` + "`--metrics.all`" + `; those marked *lean* stay with ` + "`--metrics.lean`" + `. A single run has no
families that need a daemon.

| name | type | labels | group | | meaning | no series |
|---|---|---|---|---|---|---|
`)
	for _, f := range families {
		kind := "gauge"
		if f.valueType() == prometheus.CounterValue {
			kind = "counter"
		}
		var labels []string
		for _, l := range f.labels {
			s := "`" + l + "`"
			if v := f.values[l]; v != nil {
				s += " = " + strings.Join(v, ", ")
			}
			labels = append(labels, s)
		}
		mark := ""
		switch {
		case f.off:
			mark = "*all*"
		case f.lean:
			mark = "*lean*"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", f.name, kind, strings.Join(labels, "; "), f.group, mark, f.help, f.absent)
	}
	b.WriteString(`
With the daemon come ` + "`go_*`, `process_*` and `promhttp_*`" + ` of the process itself;
` + "`--web.disable-exporter-metrics`" + ` leaves them out.

The feature families tell of ` + strings.Join(DefaultFeatures, ", ") + ` unless
` + "`--metrics.features`" + ` names others. ` + "`ssm_doctor_agent_outdated`" + ` is there when
` + "`--metrics.agent-latest`" + ` says which version is the newest: ssm-doctor asks nobody for
updates, and the feeds that announce agents are outside the host.
`)
	return b.String()
}
