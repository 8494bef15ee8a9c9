package gather

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestAsked: the search list is for the host's own way, and for it alone.
func TestAsked(t *testing.T) {
	t.Parallel()
	const name = "ssm.eu-west-1.amazonaws.com"
	for _, c := range []struct{ server, host, want string }{{"", name, name}, {"10.0.0.2", name, name + "."}, {"10.0.0.2", name + ".", name + "."}} {
		if got := asked(c.server, c.host); got != c.want {
			t.Errorf("asked(%q, %q) = %q, want %q", c.server, c.host, got, c.want)
		}
	}
}

// TestSystemIsAskedSeldom: a resolver that cannot be interrupted is asked three times at most.
func TestSystemIsAskedSeldom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goos, server string
		most         int32
	}{{"windows", "", 3}, {"darwin", "", 3}, {"darwin", "10.0.0.2", maxTries}, {"linux", "", maxTries}} {
		synctest.Test(t, func(t *testing.T) {
			var asked atomic.Int32
			env := Env{GOOS: c.goos, Limits: DefaultLimits(), Lookup: func(ctx context.Context, _, _, _ string) ([]netip.Addr, error) {
				asked.Add(1)
				<-ctx.Done()
				return nil, ctx.Err()
			}}
			if _, err := env.Begin().Ask(t.Context(), c.server, "ip4", "a.example"); err == nil {
				t.Error("an answer of nobody")
			}
			if n := asked.Load(); n > c.most || n < 3 || c.most > 3 && n == 3 {
				t.Errorf("%s %q: asked %d times", c.goos, c.server, n)
			}
			time.Sleep(time.Minute)
		})
	}
}
