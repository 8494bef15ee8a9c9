package mend

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/causes"
	"ssm-doctor/checks/factstest"
)

var update = flag.Bool("update", false, "write the golden files")

const catalogueFile = "testdata/catalogue.golden"

// TestGoldenCatalogue: what fix does of each remedy of the catalogue, on a Linux host whose
// agent runs, and at which step it stops. Nothing is done behind a step that does more than
// look.
func TestGoldenCatalogue(t *testing.T) {
	t.Parallel()
	f := factstest.Healthy(t, "profile")
	v := causes.Values{"goos": "linux", "unit": units[0], "gateway": "10.0.0.1", "pinned": `ssm\.eu-central-1\.amazonaws\.com`}
	for i := range f.Network.Endpoints.Value {
		f.Network.Endpoints.Value[i].DNS.Pinned = "10.0.0.9"
	}
	var out strings.Builder
	for _, c := range causes.All() {
		for i, steps := range append([][]causes.Step{c.Fix}, c.Ways...) {
			var list []report.Step
			for _, s := range steps {
				if s.Applies(v) {
					x := s.Fill(v)
					list = append(list, report.Step{Text: x.Text, Command: x.Command, Where: x.Where, Root: x.Root, Alternative: x.Alternative})
				}
			}
			w := Of(f, remedy(list...))
			var does []string
			for _, a := range w.Do {
				does = append(does, fmt.Sprintf("%d %s", a.Step, a.Kind))
			}
			list = slices.DeleteFunc(list, func(s report.Step) bool { return s.Alternative })
			fmt.Fprintf(&out, "%s/%d: %s", c.ID, i, strings.Join(does, ", "))
			if w.Left > 0 {
				fmt.Fprintf(&out, " | stops at %d, %s: %.70s", w.Left, w.Why, list[w.Left-1].Text)
			}
			out.WriteString("\n")
			for n, s := range list {
				if w.Left > 0 && n+1 >= w.Left || slices.ContainsFunc(w.Do, func(a Action) bool { return a.Step == n+1 }) {
					continue
				}
				changes, known := causes.ChangesOf(s.Command.String(), s.Where)
				// What is passed by looks, or is so already.
				if !causes.Looks(s.Text.String(), s.Command.String(), s.Where) && (!known || len(changes) == 0 || s.Where != causes.OnHost) {
					t.Errorf("%s: step %d is passed by: %s", c.ID, n+1, s.Text)
				}
			}
		}
	}
	if *update {
		if err := os.WriteFile(catalogueFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(catalogueFile)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("fix does something else than %s says; -update writes it:\n%s", catalogueFile, out.String())
	}
}
