package sim_test

import (
	"slices"
	"sync"
	"testing"

	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/causes"
)

// notHosted are kinds of change that no simulated host gets a step with, and why.
var notHosted = map[causes.Kind]string{
	causes.RightsGranted:    "access lists of Windows, which a simulated host does not have",
	causes.UnitUnset:        "settings of a service of Windows, which a simulated host does not have",
	causes.PackagesSettled:  "it stands before an installation, which settles packages too",
	causes.EndpointNamed:    "from a host it is not seen that private DNS of an endpoint is off: explain alone prints the step",
	causes.RoleTagged:       "the tag is that of who calls, beside a preference that the reader sets by hand",
	causes.DownloadReplaced: "the program is for a host that registers again, which a healthy one does not",
	causes.RegionEnabled:    "TestRegionNotEnabled plays it: another cause fits as well, and is named first",
}

// TestEveryKindOfChangeIsPlayed: each kind of change that a step can make is one of a step
// that some simulated host gets, so that what follows from it is proven.
func TestEveryKindOfChangeIsPlayed(t *testing.T) {
	t.Parallel()
	if every > 1 {
		t.Skip("needs every host, and says nothing of races")
	}
	var mu sync.Mutex
	played := map[causes.Kind]bool{}
	note := func(t *testing.T, s sim.Scenario, probes []string) {
		r, _ := examine(t, s, probes...)
		mu.Lock()
		defer mu.Unlock()
		for _, c := range named(r) {
			for _, f := range c.Fix {
				list, _ := causes.ChangesOf(f.Command.String(), f.Where)
				for _, x := range list {
					played[x.Kind] = true
				}
			}
		}
	}
	t.Run("hosts", func(t *testing.T) {
		for _, f := range repairables(t) {
			t.Run(f.name, func(t *testing.T) { t.Parallel(); note(t, f.host, f.probes) })
		}
	})
	kinds := causes.Kinds()
	slices.Sort(kinds)
	for _, k := range kinds {
		switch why := notHosted[k]; {
		case !played[k] && why == "":
			t.Errorf("no simulated host gets a step with %s", k)
		case played[k] && why != "":
			t.Errorf("%s is listed as one that no simulated host gets", k)
		}
	}
}
