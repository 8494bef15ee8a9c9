package sim_test

import "testing"

func TestZZ(t *testing.T) {
	for _, c := range catalogue(t) {
		if c.ID != "imds-windows-image-moved-another-subnet-keeps" {
			continue
		}
		s, _ := convert(&c)
		r, _ := examine(t, s)
		t.Log(r.State, r.Node.Kind)
		for _, c := range r.Checks {
			t.Log(c.ID, c.Status, c.Summary, c.FollowsFrom)
		}
	}
}
