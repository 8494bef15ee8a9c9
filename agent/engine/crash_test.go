package engine

import (
	"errors"
	"strings"
	"testing"

	"ssm-doctor/checks"
	"ssm-doctor/checks/diagnose"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// A check that panics is unknown, and the report says that this program failed.
func TestCrashedCheck(t *testing.T) {
	t.Parallel()
	c := &checks.Check{ID: "broken", Eval: func(*node.Node) checks.Finding { panic(errors.New("boom")) }}
	fd := evaluateOne(c, node.Of(&facts.Facts{}), nil)
	if fd.Status != checks.Unknown || !fd.Crashed || !strings.Contains(fd.Summary.String(), "boom") {
		t.Errorf("%+v", fd)
	}
}

// Root is asked for only by what root would see.
func TestNeedRoot(t *testing.T) {
	t.Parallel()
	found := diagnose.Findings{
		"a": {Status: checks.Unknown, Obstacle: facts.NeedsRoot},
		"b": {Status: checks.Unknown, Obstacle: facts.NotAskable},
		"c": {Status: checks.Unknown},
		"d": {Status: checks.Fail, Obstacle: facts.NeedsRoot},
	}
	if n := needRoot(found); n != 1 {
		t.Errorf("%d need root", n)
	}
}
