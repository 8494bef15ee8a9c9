package gather

import "testing"

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
