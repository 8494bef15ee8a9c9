package export

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestPanickingFamily: a family that panics costs its own series only.
func TestPanickingFamily(t *testing.T) {
	t.Parallel()
	c := New(func() *Snapshot { return OneRun(full()) }, Options{})
	f := c.families[0]
	bad := &family{name: f.name, kind: f.kind, help: f.help, labels: f.labels, group: f.group}
	bad.collect = func(e *emitter) {
		e.send(1, make([]string, len(bad.labels))...)
		panic("broken")
	}
	c.families[0] = bad
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	list, err := reg.Gather()
	if err == nil || !strings.Contains(err.Error(), "panicked: broken") || len(list) < 5 {
		t.Errorf("%d families, %v", len(list), err)
	}
	for _, f := range list {
		if f.GetName() == bad.name {
			t.Error("half a family was kept")
		}
	}
}
