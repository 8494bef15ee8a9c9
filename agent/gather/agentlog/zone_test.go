package agentlog

import (
	"testing"
	"time"
)

func TestZoneBy(t *testing.T) {
	for _, c := range []struct {
		offset int // of the host, in hours
		behind time.Duration
		want   int // of the log, in minutes
	}{
		{0, 0, 0},
		{0, time.Second, 0},
		{0, 5 * time.Hour, -5 * 60},
		{0, 5*time.Hour + 2*time.Second, -5 * 60},
		{2, -(3*time.Hour + 45*time.Minute) + time.Second, 5*60 + 45},
		{0, 5*time.Hour + 4*time.Second, 0}, // no zone, but a file touched later
		{0, 3 * time.Minute, 0},
		{0, 15 * time.Hour, 0}, // no zone is so far west
		{9, -6 * time.Hour, 9 * 60},
		{0, 48 * time.Hour, 0},
	} {
		zone := time.FixedZone("host", c.offset*3600)
		_, got := time.Time{}.In(zoneBy(zone, c.offset*3600, c.behind)).Zone()
		if got != c.want*60 {
			t.Errorf("host at %+d h, written %v after: zone at %d min, want %d", c.offset, c.behind, got/60, c.want)
		}
	}
}
