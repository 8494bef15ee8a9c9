package gather_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/endpoint"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// FuzzProxy: whatever a proxy's value holds, the password does not become a fact.
func FuzzProxy(f *testing.F) {
	f.Add("http://", "user", "hunter2hunter2", "proxy.example:3128/x?y#z")
	f.Add("", "u", "p@ss:w/rd?#longer", "proxy:1")
	f.Add("https://", "", "\x1b[31mpassword", "[::1]:3128")
	f.Add("u", "", "0000000000", "://")
	f.Fuzz(func(t *testing.T, scheme, user, password, host string) {
		// A host with @ makes another value of the same login.
		if len(password) < 10 || strings.Contains(host, "@") || strings.Contains(gather.OneLine(scheme+" "+host, 1000), password) || strings.Contains(user, "://") || strings.Contains(password, "://") {
			return
		}
		out, auth := gather.RedactProxy(scheme + user + ":" + password + "@" + host)
		gathertest.Sound(t, out)
		if strings.Contains(out, password) || !auth {
			t.Errorf("%q shows the password of %q", out, scheme+user+":"+password+"@"+host)
		}
	})
}

// FuzzDNSMessage answers a query over TCP with a message of arbitrary content.
func FuzzDNSMessage(f *testing.F) {
	f.Add([]byte{0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0}, true)
	f.Add([]byte{0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 10, 0, 0, 1}, true)
	f.Add([]byte{0x81, 0x82, 0, 1, 0, 0, 0, 0, 0, 0}, true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, b []byte, echo bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		dial := func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				defer far.Close()
				q := make([]byte, 1024)
				n, err := far.Read(q)
				if err != nil || n < 14 {
					return
				}
				m := append([]byte{q[2], q[3]}, b...) // the query's id
				if echo && len(m) >= 12 {
					m = append(append(bytes.Clone(m[:12]), q[14:n]...), m[12:]...)
				}
				out := binary.BigEndian.AppendUint16(nil, uint16(len(m)))
				_, _ = far.Write(append(out, m...))
			}()
			return near, nil
		}
		env := gathertest.InMemory(nil)
		env.Lookup = func(_ context.Context, _, network, host string) ([]netip.Addr, error) {
			return gather.LookupBy(ctx, dial, network, host)
		}
		d, addrs := endpoint.Resolve(ctx, env.Begin(), &facts.Facts{}, "ssm.eu-west-1.amazonaws.com.")
		gathertest.Sound(t, d)
		if (len(addrs) > 0) != (d.Outcome == "ok") {
			t.Errorf("%d addresses, %+v", len(addrs), d)
		}
	})
}
