package gather

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func TestReadsRhythm(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	const node = "i-0123456789abcdef0"
	ago := func(d time.Duration) Reads { return Reads{Last: now.Add(-d), Day: []time.Time{now.Add(-d)}} }
	throttled := func(d time.Duration, n int) Reads { r := ago(d); r.Throttled = n; return r }
	busy := ago(2 * time.Hour)
	for range readsPerDay {
		busy.Day = append(busy.Day, now.Add(-3*time.Hour))
	}
	for _, c := range []struct {
		name    string
		r       Reads
		boot    time.Time
		changed bool
		held    string
	}{
		{"never asked, up for long", Reads{}, time.Time{}, false, ""},
		{"never asked, just booted", Reads{}, now.Add(-4 * time.Minute), false, "due 2026-11-22T09:"},
		{"never asked, booted half an hour ago", Reads{}, now.Add(-30 * time.Minute), false, ""},
		{"asked yesterday", ago(26 * time.Hour), time.Time{}, false, ""},
		{"asked today", ago(20 * time.Hour), time.Time{}, false, "due"},
		{"asked today, but the role changed", ago(20 * time.Hour), time.Time{}, true, ""},
		{"the role changes all the time", ago(59 * time.Minute), time.Time{}, true, "due"},
		{"six runs within a day", busy, time.Time{}, true, "within a day"},
		{"throttled yesterday", throttled(26*time.Hour, 1), time.Time{}, false, "due"},
		{"throttled before yesterday", throttled(51*time.Hour, 1), time.Time{}, false, ""},
		{"throttled and changed", throttled(2*time.Hour, 1), time.Time{}, true, "due"},
		{"throttled for weeks", throttled(8*24*time.Hour, 30), time.Time{}, false, ""},
		{"throttled for weeks, six days ago", throttled(6*24*time.Hour, 30), time.Time{}, false, "due"},
		{"the clock was set back", ago(-5 * 24 * time.Hour), time.Time{}, false, ""},
	} {
		if got := c.r.Hold(node, now, c.boot, c.changed); (got == "") != (c.held == "") || !strings.Contains(got, c.held) {
			t.Errorf("%s: %q, want %q", c.name, got, c.held)
		}
	}
}

// TestReadsSpread: nodes that boot together do not ask together.
func TestReadsSpread(t *testing.T) {
	t.Parallel()
	boot := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	const nodes = 10000
	var first, daily [25]int
	for i := range nodes {
		id := fmt.Sprintf("i-%017x", i)
		at := Reads{}.Next(id, boot).Sub(boot)
		if at < firstEarliest || at >= firstLatest {
			t.Fatalf("%s asks %v after the boot", id, at)
		}
		first[(at-firstEarliest)/time.Minute]++
		at = Reads{Last: boot}.Next(id, time.Time{}).Sub(boot)
		if d := at - readInterval; d < -readInterval/20 || d >= readInterval/20 {
			t.Fatalf("%s asks again after %v", id, at)
		}
		daily[int((at-readInterval+readInterval/20)*25/(readInterval/10))]++
	}
	for i := range first {
		if first[i] < nodes/50 || first[i] > nodes*3/50 || daily[i] < nodes/50 || daily[i] > nodes*3/50 {
			t.Errorf("of %d nodes %d ask in minute %d, %d in part %d of the window", nodes, first[i], i, daily[i], i)
		}
	}
}

func TestReadsRan(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	ok := facts.Permissions{Actions: []facts.Permission{{Action: "ssm:GetDocument", Verdict: facts.AllowedProven}}}
	slow := facts.Permissions{Actions: []facts.Permission{{Action: "ssm:GetDocument", Verdict: facts.Inconclusive, Code: "ThrottlingException"}}}
	r := Reads{}.Ran(now, slow).Ran(now.Add(time.Hour), slow)
	if r.Throttled != 2 || len(r.Day) != 2 || !r.Last.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v", r)
	}
	if held := r.Ran(now.Add(2*time.Hour), facts.Permissions{Held: "x"}); held.Throttled != 2 || len(held.Day) != 2 {
		t.Errorf("a run that was held counts: %+v", held)
	}
	if r = r.Ran(now.Add(24*time.Hour), ok); r.Throttled != 0 || len(r.Day) != 2 {
		t.Errorf("%+v", r)
	}
}
