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
