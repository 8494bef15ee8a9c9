package report

import (
	"testing"
	"time"

	"ssm-doctor/checks/text"
)

// TestOutcome: whatever a way leads to, it says since when nothing else may have changed.
func TestOutcome(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	said := "if nothing else changed since " + text.Stamp(since) + ", when Systems Manager accepted this node"
	for _, c := range []struct {
		way  Way
		want string
	}{
		{Way{State: Managed}, "managed"},
		{Way{State: Managed, RestsOn: since}, "managed, " + said},
		{Way{State: Degraded, Next: "a-cause", Summary: text.New("it is so")}, "managed, with a part that is broken, because of a-cause: it is so"},
		{Way{State: Degraded, Next: "a-cause", Summary: text.New("it is so"), RestsOn: since}, "managed, with a part that is broken (" + said + "), because of a-cause: it is so"},
		{Way{State: NotManaged, Next: "a-cause", Summary: text.New("it is so")}, "not managed, because of a-cause: it is so"},
		{Way{State: Unknown}, "nothing else that was seen is in the way. Not known before it is done"},
	} {
		if got := c.way.Outcome(); got != c.want {
			t.Errorf("%s, not %s", got, c.want)
		}
	}
}
