package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/mend"
	"ssm-doctor/agent/sim"
	"ssm-doctor/packaging/gen/golden"
)

// TestGoldenFix: what fix does on each host with a fault, whose steps may be those that a
// check chose, and at which step it stops.
func TestGoldenFix(t *testing.T) {
	var b strings.Builder
	for _, f := range append(faults(), loneFaults...) {
		s := bases[f.base]()
		s.Now = now
		f.put(&s)
		h, err := sim.Start(s)
		if err != nil {
			t.Fatal(err)
		}
		env := h.Env()
		env.Probes = f.probes
		r, x := engine.Run(t.Context(), env, engine.Options{})
		h.Close()
		w := mend.Of(x, r)
		var does []string
		for _, a := range w.Do {
			does = append(does, fmt.Sprintf("%d %s", a.Step, a.Says()))
		}
		cause := "-"
		if r.RootCause != nil {
			cause = r.RootCause.ID
		}
		fmt.Fprintf(&b, "%s, %s: %s", f.name, cause, strings.Join(does, ", "))
		if w.Left > 0 {
			says, n := "", 0
			for _, s := range r.RootCause.Fix {
				if !s.Alternative {
					n++
				}
				if n == w.Left && says == "" {
					says = s.Text.String()
				}
			}
			fmt.Fprintf(&b, " | stops at %d, %s: %.70s", w.Left, w.Why, says)
		}
		b.WriteString("\n")
	}
	golden.File(t, "testdata/fix.txt", []byte(b.String()))
}
