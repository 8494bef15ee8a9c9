package agentsvc

import (
	"slices"
	"testing"

	"ssm-doctor/agent/gather/gathertest"
)

// TestUnitsOf: the snap's unit is asked about wherever one could be.
func TestUnitsOf(t *testing.T) {
	t.Parallel()
	deb, both := unitNames[:1], unitNames
	for file, want := range map[string][]string{
		"etc/os-release":                     deb,
		"var/lib/snapd/x":                    both,
		"snap/core/x":                        both,
		"snap/bin/x":                         both,
		"home/snap/x":                        deb,
		"etc/systemd/system/" + unitNames[1]: both,
		"run/systemd/system/" + unitNames[1]: both,
		"etc/systemd/system/" + unitNames[1] + ".d/x.conf": both,
		"etc/systemd/system/" + unitNames[0]:               deb,
	} {
		if got := unitsOf(gathertest.InMemory(map[string][]byte{file: nil}).FS); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", file, got, want)
		}
	}
}
