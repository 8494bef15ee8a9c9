package gather

import (
	"net"
	"net/netip"
	"testing"

	"ssm-doctor/checks/facts"
)

// The kernel of this machine answers in the form that is read.
func TestKernelNetwork(t *testing.T) {
	t.Parallel()
	links := kernelLinks()
	if links.Unknown() && len(links.Value) == 0 {
		t.Skip(links.Why)
	}
	if len(links.Value) == 0 || links.Value[0].Name != "lo" || !links.Value[0].Loopback {
		t.Errorf("%+v", links)
	}
	if rules := kernelRules(); len(rules.Value) == 0 && rules.Known() || rules.Known() && rules.Value[0].Text != "from all lookup local" {
		t.Errorf("%+v", rules)
	}
	r := hostRoute(netip.MustParseAddrPort("127.0.0.1:443"))
	if r.Value.Kind != "local" || r.Value.Interface != "lo" || r.Value.Port != 443 {
		t.Errorf("%+v", r)
	}
}

// Both ends of a connection on loopback are told of.
func TestFlow(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = c.Write([]byte("hello"))
			defer c.Close()
			_, _ = c.Read(make([]byte, 1))
		}
	}()
	c, err := hostDialSmall(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	s := hostFlow(c)
	if s.Known() && s.Value == (facts.Stall{}) {
		t.Skip("the kernel is emulated and tells nothing of a connection")
	}
	if !s.Known() || s.Value.Received != 5 || s.Value.Segment == 0 || s.Value.Segment > facts.SmallSegment {
		t.Errorf("%+v", s)
	}
	if near, _ := net.Pipe(); !hostFlow(near).Unknown() {
		t.Error("a pipe has no state of TCP")
	}
}
