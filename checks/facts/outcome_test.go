package facts

import "testing"

func TestOutcomeWith(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome    Outcome
		said, want string
	}{
		{Timeout, "i/o timeout", "i/o timeout"},
		{Timeout, "", "timeout"},
		{OK, "10.0.0.1", "ok 10.0.0.1"},
		{WantsLogin, "HTTP 407", "auth HTTP 407"},
		{Refused, "connection refused", "connection refused"},
		{"", "", ""},
	} {
		if got := c.outcome.With(c.said); got != c.want {
			t.Errorf("%q with %q is %q, want %q", c.outcome, c.said, got, c.want)
		}
	}
}
