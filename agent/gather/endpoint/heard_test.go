package endpoint

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// TestHeard: on a rough network a try that fails says nothing while another is under way,
// and where none is answered the one that came furthest counts.
func TestHeard(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	const slow, never = 1500 * time.Millisecond, time.Hour
	upgrade := func(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }
	get := func(r *http.Request) bool { return r.Header.Get("Upgrade") == "" }
	for _, tt := range []struct {
		name string
		// What befalls the first connection and the later ones: before the handshake, and
		// before an answer.
		shake, later   time.Duration
		reset          bool // later ones are closed at once
		wait           time.Duration
		lag            func(*http.Request) bool
		tls            facts.TLSFault
		http, upgraded facts.Outcome // empty: not known
	}{
		{"nothing", 0, 0, false, 0, nil, "", facts.OK, facts.OK},
		{"a slow handshake, later ones closed", slow, 0, true, 0, nil, "", facts.OK, facts.OK},
		{"a slow answer, later ones closed", 0, 0, true, slow, get, "", facts.OK, facts.OK},
		{"a slow upgrade, later ones closed", 0, 0, true, slow, upgrade, "", facts.OK, facts.OK},
		{"no handshake, later ones work", never, 0, false, 0, nil, "", facts.OK, facts.OK},
		{"no handshake, later ones closed", never, 0, true, 0, nil, facts.TLSReset, "", ""},
		{"no handshake ever", never, never, false, 0, nil, facts.TLSTimeout, "", ""},
		{"never an answer", 0, 0, false, never, get, "", facts.Timeout, ""},
		{"never an answer, later ones closed", 0, 0, true, never, get, "", facts.Timeout, ""},
		{"never an upgrade", 0, 0, false, never, upgrade, "", facts.OK, facts.Timeout},
		{"never an upgrade, later ones closed", 0, 0, true, never, upgrade, "", facts.OK, facts.Timeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := regionNet(t, ca)
				cert := ca.Issue(t, time.Now(), -time.Hour, time.Hour, gathertest.Regional("ssmmessages"))
				var mu sync.Mutex
				made := 0
				end := make(chan struct{})
				wait := func(d time.Duration) {
					select {
					case <-end:
					case <-time.After(d):
					}
				}
				n.Set("ssmmessages", func(c net.Conn) {
					mu.Lock()
					made++
					first := made == 1
					mu.Unlock()
					switch {
					case first:
						wait(tt.shake)
					case tt.reset:
						return
					default:
						wait(tt.later)
					}
					gathertest.Over(cert, gathertest.Speak(func(w http.ResponseWriter, r *http.Request) {
						if tt.lag != nil && tt.lag(r) {
							wait(tt.wait)
						}
						gathertest.AwsService(w, r)
					}))(c)
				})
				start := time.Now()
				f := gatherNetwork(t, n, ca, func(run *gather.Run, _ *facts.Facts) { run.Felt(300 * time.Millisecond) })
				if took := time.Since(start); took > maxEndpoint {
					t.Errorf("took %v", took)
				}
				close(end)
				e := f.Network.Endpoint("ssmmessages")
				if e.TLS.Value.Kind != tt.tls || e.TLS.Value.OK != (tt.tls == "") {
					t.Errorf("TLS %+v", e.TLS)
				}
				if e.HTTP.Known() != (tt.http != "") || e.HTTP.Value.Outcome != tt.http {
					t.Errorf("HTTP %+v", e.HTTP)
				}
				if e.WebSocket.Known() != (tt.upgraded != "") || e.WebSocket.Value.Outcome != tt.upgraded {
					t.Errorf("websocket %+v", e.WebSocket)
				}
				time.Sleep(time.Minute) // let servers end
			})
		})
	}
}

// TestHeardElsewhere: the address that is shown is the one that was heard.
func TestHeardElsewhere(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	synctest.Test(t, func(t *testing.T) {
		n := regionNet(t, ca)
		host := gathertest.Regional("ssm")
		well := n.Ip("ssm")
		const deaf = "52.0.0.99"
		n.Names[""][host] = []string{deaf, well}
		var mu sync.Mutex
		made := 0
		dial := func(ctx context.Context, network, address string, local netip.Addr) (net.Conn, error) {
			if strings.HasPrefix(address, deaf+":") {
				mu.Lock()
				defer mu.Unlock()
				if made++; made > 1 {
					return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
				}
				near, _ := net.Pipe()
				return quiet{near}, nil
			}
			return n.Dial(ctx, network, address, local)
		}
		f := gatherNetwork(t, n, ca, func(run *gather.Run, _ *facts.Facts) {
			run.Dial = dial
			run.Felt(300 * time.Millisecond)
		})
		e := f.Network.Endpoint("ssm")
		if e.HTTP.Value.Outcome != facts.OK || len(e.TCP) == 0 || e.TCP[0].Address != well || e.TCP[0].Source != gathertest.FakeSource || e.TCP[0].Interface != "eth0" {
			t.Errorf("%+v by %+v", e.HTTP, e.TCP)
		}
		time.Sleep(time.Minute) // let servers end
	})
}

// quiet takes what is written, and never answers.
type quiet struct{ net.Conn }

func (quiet) Write(b []byte) (int, error) { return len(b), nil }
