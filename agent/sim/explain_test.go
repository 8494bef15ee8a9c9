package sim_test

import (
	"slices"
	"strings"
	"testing"

	"ssm-doctor/checks/symptoms"
)

// A log of each fault, given to explain, leads to its cause: in half of the cases among
// the first three, and in 19 of 20 among those that are shown. A log alone cannot do much
// better: the same words follow many causes.
func TestExplainALog(t *testing.T) {
	t.Parallel()
	tried, top, shown := 0, 0, 0
	for _, f := range faults() {
		s := bases[f.base]()
		f.put(&s)
		var b strings.Builder
		for _, l := range s.Log {
			b.WriteString(l + "\n")
		}
		a, err := symptoms.Read(strings.NewReader(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Causes) == 0 || f.severity != "critical" {
			continue
		}
		tried++
		at := slices.Index(a.Causes, f.cause)
		if at >= 0 && at < 3 {
			top++
		}
		if at >= 0 && at < 10 {
			shown++
		} else {
			t.Logf("%s: %s is not among %v", f.name, f.cause, a.Causes)
		}
	}
	t.Logf("of %d logs %d lead to the cause among the first three, %d among ten", tried, top, shown)
	if tried < 90 || 2*top < tried || 20*shown < 19*tried {
		t.Error("explain no longer leads from a log to the cause")
	}
}
