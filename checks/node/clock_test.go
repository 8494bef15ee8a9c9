package node

import (
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestClockSetSince(t *testing.T) {
	t.Parallel()
	at := func(boot, start time.Duration) fault {
		return func(f *facts.Facts) {
			f.Host.BootTime = facts.Known(f.CollectedAt.Add(-boot), "file:/proc/stat")
			list := f.Log.Matches.Value[:0:0]
			for _, m := range f.Log.Matches.Value {
				if m.ID != facts.SigStart {
					list = append(list, m)
				}
			}
			when := f.CollectedAt.Add(-start)
			f.Log.Matches.Value = append(list, facts.Match{ID: facts.SigStart, Count: 1, First: when, Last: when})
		}
	}
	for _, c := range []struct {
		name  string
		fault fault
		want  string // in the answer; empty: no answer
	}{
		{"after the boot", at(20*time.Minute, 19*time.Minute), ""},
		{"before the boot", at(20*time.Minute, 50*time.Minute), "before the boot"},
		{"ahead of now", at(20*time.Minute, -time.Hour), "ahead of now"},
		{"boot not known", all(at(20*time.Minute, 50*time.Minute), func(f *facts.Facts) { f.Host.BootTime = facts.Seen[time.Time]{} }), ""},
	} {
		if got := nodeOf(t, "profile", c.fault).ClockSetSince(); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
