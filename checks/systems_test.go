package checks

import (
	"testing"

	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

// TestHealthySystems: a host of each system, as its gatherers describe it, goes through
// all checks without a fault, and with at most three that cannot be told.
func TestHealthySystems(t *testing.T) {
	t.Parallel()
	const most = 3
	for _, kind := range []string{"profile", "dhmc", "hybrid", "windows", "mac"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := factstest.Healthy(t, kind)
			n, unknown := node.Of(f), 0
			for _, c := range All() {
				if !c.IsFor(ProfileHost) {
					continue
				}
				switch fd := c.Judge(n); fd.Status {
				case Fail, Warn:
					t.Errorf("%s: %s %s: %s", f.Host.GOOS, c.ID, fd.Status, fd.Summary)
				case Unknown:
					unknown++
					t.Logf("%s: %s: %s", f.Host.GOOS, c.ID, fd.Summary)
				}
			}
			if unknown > most {
				t.Errorf("%d checks cannot tell, at most %d", unknown, most)
			}
		})
	}
}
