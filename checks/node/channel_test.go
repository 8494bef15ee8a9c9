package node

import (
	"testing"

	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/factstest"
)

// TestConnected: a connection that may be dead says neither yes nor no.
func TestConnected(t *testing.T) {
	t.Parallel()
	const channel, other = "52.119.181.21:443", "192.0.2.1:443"
	for _, c := range []struct {
		name    string
		version string
		socks   []facts.Socket
		want    Answer
	}{
		{"answers", "2.3.1319.0", []facts.Socket{{Remote: channel}}, Yes},
		{"dead", "2.3.1319.0", []facts.Socket{{Remote: channel, Retransmits: 3}}, No},
		{"waits for long", "2.3.1319.0", []facts.Socket{{Remote: channel, Unacked: 9, WaitedMS: 1100}}, No},
		{"not told, old agent", "3.3.859.0", []facts.Socket{{Remote: channel, Untold: true}}, Unknown},
		{"not told, and one that answers", "3.3.859.0", []facts.Socket{{Remote: channel, Untold: true}, {Remote: channel}}, Yes},
		{"not told, the agent watches it", "3.3.987.0", []facts.Socket{{Remote: channel, Untold: true}}, Yes},
		{"not told, unknown release", "", []facts.Socket{{Remote: channel, Untold: true}}, Unknown},
		{"elsewhere", "3.3.859.0", []facts.Socket{{Remote: other, Untold: true}}, No},
		{"none", "3.3.859.0", nil, No},
	} {
		f := factstest.Healthy(t, "profile")
		f.Network.Endpoint("ssmmessages").DNS.A = []string{"52.119.181.21"}
		f.Agent.Installed, f.Agent.Running = facts.Known(c.version, ""), facts.Known(c.version, "")
		f.Agent.Channel = facts.Known(c.socks, "")
		if got := Of(f).Channel.Connected; got != c.want {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
	}
}
