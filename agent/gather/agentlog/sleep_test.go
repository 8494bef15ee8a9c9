package agentlog

import (
	"testing"
	"time"
)

func TestSleep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want time.Duration
	}{
		{"INFO [CredentialRefresher] Sleeping for 27m12s before retrying retrieve credentials", 27*time.Minute + 12*time.Second},
		{"INFO [CredentialRefresher] Sleeping for 5h4m32s before retrying retrieve credentials", 5*time.Hour + 4*time.Minute + 32*time.Second},
		{"INFO [CredentialRefresher] Sleeping for 25h59m0s before retrying retrieve credentials", 25*time.Hour + 59*time.Minute},
		{"INFO [CredentialRefresher] Sleeping for 27h0m0s before retrying retrieve credentials", 0},
		{"INFO [CredentialRefresher] Sleeping for -1s before retrying retrieve credentials", 0},
		{"INFO [CredentialRefresher] Sleeping for a while", 0},
		{"INFO nothing", 0},
	} {
		if got, ok := sleepOf(c.text); got != c.want || ok != (c.want > 0) {
			t.Errorf("%q: %v, %v", c.text, got, ok)
		}
	}
}

func TestHibernation(t *testing.T) {
	t.Parallel()
	const enter = "2026-11-20 07:00:00 INFO Agent is in hibernate mode. Reducing logging. Logging will be reduced to one log per backoff period\n"
	every := func(at, interval, lasts string) string {
		return "2026-11-" + at + " INFO Backing off health check to every " + interval + " seconds for " + lasts + " seconds.\n"
	}
	clock := func(s string) time.Time {
		at, err := time.Parse(time.DateTime, "2026-11-22 "+s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, c := range []struct {
		name, log    string
		since, until string // empty: not asleep. It is 09:30 on the 22nd.
	}{
		{"within the announced interval", enter + every("22 09:25:00", "600", "1800"), "09:25:00", "09:35:00"},
		{"at a later try of it", enter + every("22 09:05:00", "600", "1800"), "09:25:00", "09:35:00"},
		{"at the longest, announced two days ago", enter + every("20 07:05:00", "600", "1800") + every("20 09:05:00", "3600", "10800"), "09:05:00", "10:05:00"},
		{"ended by an acceptance", enter + every("20 09:05:00", "3600", "10800") + "2026-11-22 09:00:00 INFO [HealthCheck] HealthCheck reporting agent health.\n", "", ""},
		{"ended by a start", enter + every("20 09:05:00", "3600", "10800") + "2026-11-22 09:00:00 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.0.0\n", "", ""},
		{"of a clock that was ahead", every("23 09:05:00", "3600", "10800"), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, asleep := gathered(t, map[string]string{"hibernate.log": c.log}).Backoff.Get()
			if asleep != (c.since != "") || asleep && (!b.Since.Equal(clock(c.since)) || !b.Until.Equal(clock(c.until))) {
				t.Errorf("%v %+v", asleep, b)
			}
		})
	}
}
