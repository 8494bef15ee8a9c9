package node

import (
	"slices"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

// entry puts an entry into the log, so long before the run.
func entry(signature string, before time.Duration) change {
	return func(f *facts.Facts) {
		at := f.CollectedAt.Add(-before)
		list := slices.DeleteFunc(slices.Clone(f.Log.Matches.Value), func(m facts.Match) bool { return m.ID == signature })
		f.Log.Matches.Value = append(list, facts.Match{ID: signature, Count: 1, First: at, Last: at, Text: "ERROR " + signature, File: "/log"})
	}
}

// only keeps no entry of the log.
func emptyLog(f *facts.Facts) { f.Log.Matches.Value = nil }

func unreadLog(f *facts.Facts) {
	f.Log = facts.Log{Matches: facts.Unknown[[]facts.Match]("permission denied", ""), Refusals: facts.Unknown[[]facts.Refusal]("permission denied", "")}
}

func TestLogEntries(t *testing.T) {
	t.Parallel()
	const bad = facts.SigCredsFailed
	for _, c := range []struct {
		name            string
		changes         []change
		last, current   Answer
		recent, channel Answer
	}{
		{"not there", nil, No, No, No, No},
		{"after the last success", []change{entry(bad, time.Second)}, Yes, Yes, Yes, Yes},
		{"overtaken by a success, but not by an opened channel", []change{entry(bad, 2*time.Hour)}, Yes, No, Yes, Yes},
		{"overtaken by an opened channel", []change{entry(bad, 2*time.Hour), entry(facts.SigChannelUp, time.Hour)}, Yes, No, Yes, No},
		{"older than a day", []change{emptyLog, entry(bad, 25*time.Hour)}, Yes, No, No, Yes},
		{"ahead of the clock", []change{entry(bad, -time.Hour)}, Yes, No, Yes, No},
		{"log unread", []change{unreadLog}, Unknown, Unknown, Unknown, Unknown},
		{"no log at all", []change{func(f *facts.Facts) { f.Log.Matches = facts.Absent[[]facts.Match]("no log", "") }}, No, No, No, No},
		{"partly read, and there", []change{emptyLog, entry(bad, time.Second), func(f *facts.Facts) { f.Log.Matches = facts.Partly(f.Log.Matches.Value, "one file", "") }}, Yes, Unknown, Yes, Yes},
		{"partly read, and not there", []change{func(f *facts.Facts) { f.Log.Matches = facts.Partly(f.Log.Matches.Value, "one file", "") }}, Unknown, Unknown, Unknown, Unknown},
		{"a later acceptance may be unread", []change{entry(bad, time.Second), noRuntime}, Yes, Unknown, Yes, Yes},
	} {
		n := hostWith(t, "profile", c.changes...)
		got := []Answer{n.Log.Last(bad).Found, n.Log.Current(bad).Found, n.Log.Recent(bad).Found, n.Log.CurrentChannel(bad).Found}
		if !slices.Equal(got, []Answer{c.last, c.current, c.recent, c.channel}) {
			t.Errorf("%s: last, current, recent, channel %v", c.name, got)
		}
	}
}

func TestLatestAndStarted(t *testing.T) {
	t.Parallel()
	n := hostWith(t, "profile", emptyLog, entry(facts.SigChannelUp, time.Hour), entry(facts.SigChannelMGS, time.Minute), entry(facts.SigStart, 30*time.Minute))
	if m := n.Log.Latest(facts.SigChannelUp, facts.SigChannelMGS); m.ID != facts.SigChannelMGS {
		t.Errorf("latest %q", m.ID)
	}
	if !n.Log.StartedAfter(n.Log.Last(facts.SigChannelUp).Match) || n.Log.StartedAfter(n.Log.Last(facts.SigChannelMGS).Match) {
		t.Error("the start lies between the two entries")
	}
	if n.Log.Unseen().Reason() != n.Facts.Log.Matches.Reason() {
		t.Error("the log is what would be unseen")
	}
	if got := hostWith(t, "profile", noRuntime).Log.Unseen().Obstacle(); got != facts.NeedsRoot {
		t.Errorf("a log that was read, but not what may overtake it: %q", got)
	}
}

func TestSleeping(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change change
		want   Answer
	}{
		"awake": {nil, No},
		"asleep": {func(f *facts.Facts) {
			f.Log.Backoff = facts.Known(facts.Backoff{Until: f.CollectedAt.Add(time.Minute)}, "")
		}, Yes},
		"over": {func(f *facts.Facts) {
			f.Log.Backoff = facts.Known(facts.Backoff{Until: f.CollectedAt.Add(-time.Minute)}, "")
		}, No},
		"unread": {unreadLog, Unknown},
	} {
		if _, got := hostWith(t, "profile", c.change).Sleeping(); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestEveryKindHasOneMeaning: a signature means one thing, in whatever row it stands.
func TestEveryKindHasOneMeaning(t *testing.T) {
	t.Parallel()
	for _, s := range facts.Signatures {
		if kinds[s.ID] != s.Kind {
			t.Errorf("%s is %s and %s", s.ID, kinds[s.ID], s.Kind)
		}
	}
}
