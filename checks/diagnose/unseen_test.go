package diagnose

import (
	"flag"
	"testing"

	"ssm-doctor/checks"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
	"ssm-doctor/checks/node"
)

var allLosses = flag.Bool("all-losses", false, "lose each observation in every way, not in one of them")

// TestUnseenObservation takes every single observation away, of every host with a
// fault, accepted or not: no check passes that did not before, and no cause is named.
// The ways in which they go take turns, from host to host.
func TestUnseenObservation(t *testing.T) {
	t.Parallel()
	for i, c := range causeCases {
		if testing.Short() && i%8 != 0 {
			continue
		}
		f := factstest.Healthy(t, c.kind)
		c.fault(f)
		loseEach(t, c.cause, f)
		g := factstest.Healthy(t, c.kind)
		unaccepted(g)
		c.fault(g)
		loseEach(t, c.cause+", not accepted", g)
	}
}

func loseEach(t *testing.T, host string, f *facts.Facts) {
	with := node.Of(f)
	before := findings(with, checks.ProfileHost)
	whole := Diagnose(with, before)
	for i, o := range factstest.Observations(f) {
		for j, how := range factstest.Losses {
			if !*allLosses && (i+j+len(host))%len(factstest.Losses) != 0 {
				continue
			}
			g := factstest.Clone(f)
			o.Lose(g, how)
			unreadVault := g.Registration.Hybrid.Obstacle() == facts.NeedsRoot
			if unreadVault { // nor is root's own file read then
				g.Credentials.RootFile = facts.Unknown[facts.SharedFile]("permission denied", "").Because(facts.NeedsRoot)
			}
			n := node.Of(g)
			found := findings(n, checks.ProfileHost)
			a := Diagnose(n, found)
			for id, fd := range found {
				if unreadVault && (id == "credential-source" || id == "profile-vs-dhmc") {
					continue // that the metadata service names a profile is enough for them, whatever a vault holds
				}
				if fd.Status == checks.Pass && before[id].Status != checks.Pass {
					t.Errorf("%s, %s, %s: %s passes: %s (was %s: %s)", host, o.Name, how, id, fd.Summary, before[id].Status, before[id].Summary)
				}
			}
			for _, got := range append(a.Also, roots(a)...) {
				if !lists(whole, got.Cause.ID) && !hides(whole, before, got.Cause.ID) {
					t.Errorf("%s, %s, %s: names %s (%s)", host, o.Name, how, got.Cause.ID, got.Summary)
				}
			}
		}
	}
}
