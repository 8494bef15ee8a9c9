package endpoint

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// regionNet is a Region whose endpoints work; the certificate is for all of them.
func regionNet(t *testing.T, ca *gathertest.Authority) *gathertest.Network {
	n := &gathertest.Network{At: map[string]func(net.Conn){}, Fails: map[string]error{}, Silent: map[string]bool{}, Dns: map[string]error{}, SilentDNS: map[string]bool{}, Names: map[string]map[string][]string{"": {}, vpcResolver: {}}}
	cert := ca.Issue(t, time.Now(), -time.Hour, 24*time.Hour, "*."+gathertest.TestRegion+".amazonaws.com")
	for i, s := range services {
		ip := "52.0.0." + string(rune('1'+i))
		n.Names[""][gathertest.Regional(s.name)] = []string{ip}
		n.At[ip+":443"] = gathertest.Over(cert, gathertest.Speak(gathertest.AwsService))
	}
	return n
}

// gatherNetwork runs the network source in a Region.
func gatherNetwork(t *testing.T, n *gathertest.Network, ca *gathertest.Authority, more func(run *gather.Run, f *facts.Facts)) *facts.Facts {
	t.Helper()
	env := n.Env()
	env.Region, env.RootCAs = gathertest.TestRegion, ca.Pem()
	f, run := &facts.Facts{}, env.Begin()
	defer run.End()
	f.IMDS.InstanceID = facts.Known("i-0123456789abcdef0", "")
	f.Host.Resolver = facts.Known(facts.Resolver{Servers: []string{"10.0.0.2"}}, "")
	f.Host.Interfaces = facts.Known([]facts.Interface{{Name: "eth0", Addresses: []string{gathertest.FakeSource + "/24"}}}, "")
	if more != nil {
		more(run, f)
	}
	if err := (Source{}).Gather(t.Context(), run, f); err != nil {
		t.Fatal(err)
	}
	gathertest.Sound(t, f.Network)
	return f
}

// TestEndpointFaults breaks one endpoint in every way; the others must stay well.
func TestEndpointFaults(t *testing.T) {
	t.Parallel()
	ca, other := gathertest.NewAuthority(t, "Test Root"), gathertest.NewAuthority(t, "Corp Inspection CA")
	host := gathertest.Regional("ssm")
	answer := func(h http.HandlerFunc) func(t *testing.T, n *gathertest.Network) {
		return func(t *testing.T, n *gathertest.Network) {
			n.Set("ssm", gathertest.Over(ca.Issue(t, time.Now(), -time.Hour, time.Hour, host), gathertest.Speak(h)))
		}
	}
	for _, c := range []struct {
		name string
		do   func(t *testing.T, n *gathertest.Network)
		want func(e *facts.Endpoint) []string
		took time.Duration
	}{
		{"none", func(*testing.T, *gathertest.Network) {}, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("usable", e.Usable()), gathertest.Holds("public", e.Scope == "public"), gathertest.Holds("source", e.TCP[0].Source == gathertest.FakeSource && e.TCP[0].Interface == "eth0"), gathertest.Holds("status", e.HTTP.Value.Status == 404),
				gathertest.Holds("chain", e.TLS.Value.OK && strings.Contains(e.TLS.Value.Issuer, "Test Root") && e.TLS.Value.Kind == ""), gathertest.Holds("no second opinion", e.DNS.Views == nil))
		}, 0},
		{"private address", func(t *testing.T, n *gathertest.Network) {
			n.Names[""][host] = []string{"10.0.5.5"}
			n.At["10.0.5.5:443"] = n.At["52.0.0.1:443"]
		}, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("private", e.Scope == "private" && e.Usable()))
		}, 0},
		{"private and public", func(t *testing.T, n *gathertest.Network) { n.Names[""][host] = []string{"10.0.5.5", "52.0.0.1"} }, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("mixed", e.Scope == "mixed" && e.Usable()))
		}, 0},
		{"no such name", func(t *testing.T, n *gathertest.Network) { delete(n.Names[""], host) }, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("nxdomain", e.DNS.Outcome == "nxdomain" && e.DNS.Server == "10.0.0.2:53"), gathertest.Holds("nothing tried", !e.Tried() && e.TLS.Unknown()))
		}, 0},
		{"another resolver knows the name", func(t *testing.T, n *gathertest.Network) {
			delete(n.Names[""], host)
			n.Names[vpcResolver][host] = []string{"10.0.5.5"}
		}, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("view", len(e.DNS.Views) == 1 && e.DNS.Views[0].Server == vpcResolver && e.DNS.Views[0].Scope == "private" && e.DNS.Views[0].Outcome == "ok"))
		}, 0},
		{"server failure", func(t *testing.T, n *gathertest.Network) {
			n.Dns[host] = &net.DNSError{Err: "server misbehaving", Name: host, IsTemporary: true}
		}, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("servfail", e.DNS.Outcome == "servfail"))
		}, 0},
		{"resolver refuses", func(t *testing.T, n *gathertest.Network) {
			n.Dns[host] = &net.DNSError{Err: "read udp: connection refused", Name: host}
		}, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("refused", e.DNS.Outcome == "refused"))
		}, 0},
		{"connection refused", func(t *testing.T, n *gathertest.Network) { n.Set("ssm", nil) }, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("refused", e.TCP[0].Outcome == "refused" && e.TCP[0].Error == "connection refused"), gathertest.Holds("tls", e.TLS.Unknown()))
		}, 0},
		{"no answer", func(t *testing.T, n *gathertest.Network) { n.Silent[n.Ip("ssm")] = true }, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("timeout", e.TCP[0].Outcome == "timeout" && e.TCP[0].Seconds == 1 && e.TCP[0].Source == gathertest.FakeSource))
		}, time.Second},
		{"one of two addresses is dead", func(t *testing.T, n *gathertest.Network) {
			n.Names[""][host] = []string{"52.9.9.9", "52.0.0.1"}
			n.Silent["52.9.9.9"] = true
		}, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("usable", e.Usable() && len(e.TCP) == 1 && e.TCP[0].Address == "52.0.0.1"))
		}, 0},
		{"forbidden by the host", func(t *testing.T, n *gathertest.Network) { n.Fails[n.Ip("ssm")] = syscall.EPERM }, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("not permitted", e.TCP[0].Outcome == "not-permitted"))
		}, 0},
		{"no route", func(t *testing.T, n *gathertest.Network) { n.Fails[n.Ip("ssm")] = syscall.ENETUNREACH }, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("unreachable", e.TCP[0].Outcome == "unreachable"))
		}, 0},
		{"unknown authority", func(t *testing.T, n *gathertest.Network) {
			n.Set("ssm", gathertest.Over(other.Issue(t, time.Now(), -time.Hour, time.Hour, host), gathertest.Speak(gathertest.AwsService)))
		}, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("kind", e.TLS.Value.Kind == "unknown-authority" && !e.TLS.Value.OK), gathertest.Holds("issuer", strings.Contains(e.TLS.Value.Issuer, "Corp Inspection CA")), gathertest.Holds("http", e.HTTP.Unknown()))
		}, 0},
		{"expired", func(t *testing.T, n *gathertest.Network) {
			n.Set("ssm", gathertest.Over(ca.Issue(t, time.Now(), -48*time.Hour, -time.Hour, host), gathertest.Speak(gathertest.AwsService)))
		}, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("kind", e.TLS.Value.Kind == "expired"))
		}, 0},
		{"not yet valid", func(t *testing.T, n *gathertest.Network) {
			n.Set("ssm", gathertest.Over(ca.Issue(t, time.Now(), time.Hour, 48*time.Hour, host), gathertest.Speak(gathertest.AwsService)))
		}, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("kind", e.TLS.Value.Kind == "not-yet-valid"))
		}, 0},
		{"wrong name", func(t *testing.T, n *gathertest.Network) {
			n.Set("ssm", gathertest.Over(ca.Issue(t, time.Now(), -time.Hour, time.Hour, "login.example\x1b[31m"), gathertest.Speak(gathertest.AwsService)))
		}, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("kind", e.TLS.Value.Kind == "wrong-name"))
		}, 0},
		{"TLS 1.1 only", func(t *testing.T, n *gathertest.Network) {
			cert := ca.Issue(t, time.Now(), -time.Hour, time.Hour, host)
			n.Set("ssm", func(c net.Conn) {
				_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}).Handshake()
			})
		}, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("kind", e.TLS.Value.Kind == "other"))
		}, 0},
		{"plain text", func(t *testing.T, n *gathertest.Network) {
			n.Set("ssm", func(c net.Conn) { go gathertest.Mute(c); _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
		}, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("kind", e.TLS.Value.Kind == "not-tls"))
		}, 0},
		{"closed in the handshake", func(t *testing.T, n *gathertest.Network) {
			n.Set("ssm", func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) })
		}, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("kind", e.TLS.Value.Kind == "reset"))
		}, 0},
		{"no handshake", func(t *testing.T, n *gathertest.Network) { n.Set("ssm", gathertest.Mute) }, func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("kind", e.TLS.Value.Kind == "timeout"))
		}, time.Second},
		{"no HTTP answer", answer(func(http.ResponseWriter, *http.Request) { time.Sleep(10 * time.Second) }), func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("timeout", e.HTTP.Value.Outcome == "timeout" && e.TLS.Value.OK && !e.Usable()))
		}, time.Second},
		{"not AWS", answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Server", "portal")
			_, _ = w.Write([]byte("<html><body>Please log in</body></html>"))
		}), func(e *facts.Endpoint) []string {
			return gathertest.Wrong(gathertest.Holds("stranger", !e.HTTP.Value.AWS && e.HTTP.Value.Status == 200 && !e.Usable()))
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := regionNet(t, ca)
				c.do(t, n)
				start := time.Now()
				f := gatherNetwork(t, n, ca, nil)
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				for _, w := range c.want(f.Network.Endpoint("ssm")) {
					t.Error(w)
				}
				m := f.Network.Endpoint("ssmmessages")
				if !m.Usable() || !m.WebSocket.Value.AWS || m.WebSocket.Value.Status != 403 {
					t.Errorf("ssmmessages: %+v", m)
				}
				for _, e := range f.Network.Endpoints.Value[2:] {
					if !e.Connected() || e.TLS.Known() {
						t.Errorf("%s: connected %v, asked %v", e.Service, e.Connected(), e.TLS.Known())
					}
				}
				if skew, ok := f.Network.Skew.Get(); !ok || skew < -1 || skew > 1 {
					t.Errorf("skew %+v", f.Network.Skew)
				}
				time.Sleep(time.Minute) // let servers end
			})
		})
	}
}

// TestSlowIsNotSilent: where nobody waits for the run, who has confirmed what was sent, and
// answers after a second and a half, is waited for. Where the confirmation is missing, or
// somebody waits, a second is enough on a near network.
func TestSlowIsNotSilent(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	slowly := func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(1500 * time.Millisecond)
		gathertest.AwsService(w, r)
	}
	for _, c := range []struct {
		name    string
		unacked int
		hurry   bool
		serve   func(cert tls.Certificate) func(net.Conn)
		usable  bool
	}{
		{"TLS", 0, false, func(cert tls.Certificate) func(net.Conn) {
			return func(c net.Conn) {
				time.Sleep(1500 * time.Millisecond)
				gathertest.Over(cert, gathertest.Speak(gathertest.AwsService))(c)
			}
		}, true},
		{"HTTP", 0, false, func(cert tls.Certificate) func(net.Conn) { return gathertest.Over(cert, gathertest.Speak(slowly)) }, true},
		{"TLS, somebody waits", 0, true, func(tls.Certificate) func(net.Conn) { return gathertest.Mute }, false},
		{"HTTP, somebody waits", 0, true, func(cert tls.Certificate) func(net.Conn) { return gathertest.Over(cert, gathertest.Mute) }, false},
		{"the question is lost", 1, false, func(cert tls.Certificate) func(net.Conn) { return gathertest.Over(cert, gathertest.Speak(slowly)) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := regionNet(t, ca)
				n.Set("ssm", c.serve(ca.Issue(t, time.Now(), -time.Hour, time.Hour, gathertest.Regional("ssm"))))
				start := time.Now()
				f := gatherNetwork(t, n, ca, func(run *gather.Run, _ *facts.Facts) {
					run.Limits.Unhurried = !c.hurry
					run.Flow = func(conn net.Conn) facts.Seen[facts.Stall] {
						if _, over := conn.(*tls.Conn); over {
							t.Error("asked of TLS, not of the socket")
						}
						return facts.Known(facts.Stall{Segment: 1448, Unacked: c.unacked}, "TCP_INFO")
					}
				})
				if e := f.Network.Endpoint("ssm"); e.Usable() != c.usable {
					t.Errorf("%+v", e)
				}
				if took := time.Since(start); !c.usable && took > time.Second {
					t.Errorf("took %v", took)
				}
				time.Sleep(time.Minute) // let servers end
			})
		})
	}
}

// TestNoTimeIsNoSilence: who is not waited for because the run ends did not fall silent.
func TestNoTimeIsNoSilence(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	for _, part := range []string{"TLS", "HTTP"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := regionNet(t, ca)
				serve := gathertest.Mute
				if part == "HTTP" {
					serve = gathertest.Over(ca.Issue(t, time.Now(), -time.Hour, time.Hour, gathertest.Regional("ssm")), gathertest.Mute)
				}
				n.Set("ssm", serve)
				env := n.Env()
				env.Region, env.RootCAs = gathertest.TestRegion, ca.Pem()
				f, run := &facts.Facts{}, env.Begin()
				defer run.End()
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				if err := (Source{}).Gather(ctx, run, f); err != nil {
					t.Fatal(err)
				}
				e := f.Network.Endpoint("ssm")
				if e.TLS.Known() != (part == "HTTP") || e.HTTP.Known() || !e.Stall.Unknown() {
					t.Errorf("%+v", e)
				}
				time.Sleep(time.Minute) // let servers end
			})
		})
	}
}

// TestPanicWhileTryingOthers: one in what is begun after a time is one of the source.
func TestPanicWhileTryingOthers(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
			time.Sleep(time.Minute) // let servers end
		}()
		n := regionNet(t, ca)
		n.Silent[n.Ip("ssm")] = true
		start := time.Now()
		gatherNetwork(t, n, ca, func(run *gather.Run, _ *facts.Facts) {
			run.SourceAddr = func(string) string {
				if time.Since(start) == wayAfter {
					panic("here")
				}
				return gathertest.FakeSource
			}
		})
	})
}

// TestEverythingIsDead: a dead network costs one timeout in total.
func TestEverythingIsDead(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	for _, c := range []struct {
		name string
		do   func(n *gathertest.Network)
		took time.Duration
		want facts.Outcome // of DNS
	}{
		{"no name is resolved", func(n *gathertest.Network) { n.SilentDNS[""], n.SilentDNS[vpcResolver] = true, true }, time.Second, facts.Timeout},
		{"no connection is answered", func(n *gathertest.Network) {
			for _, s := range services {
				n.Silent[n.Ip(s.name)] = true
			}
		}, time.Second, facts.OK},
		{"nor from another interface", func(n *gathertest.Network) {
			for _, s := range services {
				n.Silent[n.Ip(s.name)], n.Silent[n.Ip(s.name)+"<10.0.2.5"] = true, true
			}
		}, time.Second, facts.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := regionNet(t, ca)
				c.do(n)
				start := time.Now()
				f := gatherNetwork(t, n, ca, func(_ *gather.Run, f *facts.Facts) {
					if strings.HasPrefix(c.name, "nor") {
						f.Host.Interfaces.Value = append(f.Host.Interfaces.Value, facts.Interface{Name: "eth1", Addresses: []string{"10.0.2.5/24", "fe80::1/64"}}, facts.Interface{Name: "lo", Addresses: []string{"127.0.0.1/8"}})
					}
				})
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				for _, e := range f.Network.Endpoints.Value {
					if e.Connected() || e.DNS.Outcome != c.want {
						t.Errorf("%+v", e)
					}
				}
				if f.Network.Skew.Known() {
					t.Error("a clock was read from nobody")
				}
			})
		})
	}
}

func TestOtherInterface(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	for source, want := range map[string][]facts.InterfaceProbe{
		gathertest.FakeSource: {{Interface: "eth1", Source: "10.0.2.5", Address: "52.0.0.1", Outcome: "ok"}},
		"":                    nil, // there is nothing to compare with
	} {
		synctest.Test(t, func(t *testing.T) {
			n := regionNet(t, ca)
			for _, s := range []string{"ssm", "ssmmessages"} {
				n.Silent[n.Ip(s)] = true
				n.At[n.Ip(s)+":443<10.0.2.5"] = gathertest.Mute
			}
			f := gatherNetwork(t, n, ca, func(env *gather.Run, f *facts.Facts) {
				env.SourceAddr = func(string) string { return source }
				f.Host.Interfaces.Value = append(f.Host.Interfaces.Value, facts.Interface{Name: "eth1", Addresses: []string{"10.0.2.5/24"}})
			})
			if d := cmp.Diff(want, f.Network.Others.Value); d != "" {
				t.Errorf("source %q: %s", source, d)
			}
		})
	}
}

// A name with fewer dots than ndots is asked for in the domains of the search
// list first, as the agent does.
func TestSearchList(t *testing.T) {
	t.Parallel()
	const name = "ssm.eu-west-1.amazonaws.com"
	r := facts.Resolver{Search: []string{"svc.cluster.local", "corp.example."}, Options: []string{"edns0", "ndots:5"}}
	if d := cmp.Diff([]string{name + ".svc.cluster.local.", name + ".corp.example."}, searched(r, name)); d != "" {
		t.Error(d)
	}
	if got := searched(facts.Resolver{Search: r.Search}, name); got != nil {
		t.Errorf("without ndots: %v", got)
	}
	if got := searched(r, name+"."); got != nil {
		t.Errorf("with a dot at the end: %v", got)
	}
	ca := gathertest.NewAuthority(t, "Test Root")
	synctest.Test(t, func(t *testing.T) {
		n := regionNet(t, ca)
		n.Names[""][name] = []string{"198.18.254.9"} // what comes of the search
		n.Names[""][name+".corp.example."] = []string{"198.18.254.9"}
		f := gatherNetwork(t, n, ca, func(_ *gather.Run, f *facts.Facts) { f.Host.Resolver.Value = r })
		if e := f.Network.Endpoint("ssm"); e.Connected() || e.DNS.Searched != name+".corp.example" {
			t.Errorf("%+v", e)
		}
		if e := f.Network.Endpoint("ssmmessages"); !e.Connected() || e.DNS.Searched != "" {
			t.Errorf("%+v", e)
		}
	})
}

func TestSkew(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	for _, off := range []time.Duration{0, 2 * time.Hour, -26 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			n := regionNet(t, ca)
			f := gatherNetwork(t, n, ca, func(env *gather.Run, _ *facts.Facts) { env.Now = func() time.Time { return time.Now().Add(-off) } })
			// A host whose clock is far off trusts no certificate, and yet learns the time.
			got, ok := f.Network.Skew.Get()
			if d := got - off.Seconds(); !ok || d < -1 || d > 1 {
				t.Errorf("clock off by %v: %+v", off, f.Network.Skew)
			}
			if trusted := f.Network.Endpoint("ssm").TLS.Value.OK; trusted != (off == 0) {
				t.Errorf("clock off by %v: trusted %v", off, trusted)
			}
		})
	}
}

// TestProbesAreUnsigned: what the network source sends is a GET without a signature.
func TestProbesAreUnsigned(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	synctest.Test(t, func(t *testing.T) {
		n := regionNet(t, ca)
		var seen []string
		cert := ca.Issue(t, time.Now(), -time.Hour, time.Hour, gathertest.Regional("ssmmessages"))
		n.Set("ssmmessages", gathertest.Over(cert, gathertest.Speak(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.Method+" "+r.URL.Path)
			if r.Header.Get("Authorization") != "" || r.ContentLength > 0 || r.Header.Get("User-Agent") != "ssm-doctor/test" {
				t.Errorf("%s %s: %v", r.Method, r.URL, r.Header)
			}
			gathertest.AwsService(w, r)
		})))
		gatherNetwork(t, n, ca, func(run *gather.Run, _ *facts.Facts) {
			run.SetKeys(facts.SourceProfile, gather.Keys{ID: "ASIAIOSFODNN7EXAMPLE", Secret: "secret", Token: "token"})
		})
		if d := cmp.Diff([]string{"GET /", "GET /"}, seen); d != "" {
			t.Error(d)
		}
	})
}

func TestEndpointOverrides(t *testing.T) {
	t.Parallel()
	cfg := facts.Config{SSMEndpoint: "https://vpce-1.ssm.eu-west-1.vpce.amazonaws.com:443/x", MgsEndpoint: "vpce-2.example", MgsRegion: "us-east-1", MdsEndpoint: "http://mds.example", S3Endpoint: "s3.example", KmsEndpoint: "kms.example", ServiceDomain: "corp.example"}
	got := map[string]string{}
	for _, s := range services {
		e := endpointOf(s.name, s.need, gathertest.TestRegion, cfg.ServiceDomain, cfg)
		got[s.name] = e.Host + " " + e.Configured
	}
	want := map[string]string{
		"ssm": "vpce-1.ssm.eu-west-1.vpce.amazonaws.com Ssm.Endpoint", "ssmmessages": "vpce-2.example Mgs.Endpoint", "ec2messages": "mds.example Mds.Endpoint",
		"s3": "s3.example S3.Endpoint", "kms": "kms.example Kms.Endpoint",
	}
	for _, s := range []string{"sts", "logs", "monitoring"} {
		want[s] = s + ".eu-west-1.corp.example Agent.ServiceDomain"
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if e := endpointOf("ssmmessages", facts.NeedCore, gathertest.TestRegion, "amazonaws.com", facts.Config{MgsRegion: "us-east-1"}); e.Host != "ssmmessages.us-east-1.amazonaws.com" || e.Configured != "Mgs.Region" {
		t.Errorf("%+v", e)
	}
	domains := map[string]string{}
	for _, r := range []string{"us-gov-west-1", "cn-north-1", "us-iso-east-1", "us-isob-east-1", "us-isof-south-1", "eu-isoe-west-1", "eusc-de-east-1", "ap-south-2"} {
		domains[r] = Domain(r)
	}
	if d := cmp.Diff(map[string]string{"us-gov-west-1": "amazonaws.com", "cn-north-1": "amazonaws.com.cn", "us-iso-east-1": "c2s.ic.gov", "us-isob-east-1": "sc2s.sgov.gov", "us-isof-south-1": "csp.hci.ic.gov",
		"eu-isoe-west-1": "cloud.adc-e.uk", "eusc-de-east-1": "amazonaws.eu", "ap-south-2": "amazonaws.com"}, domains); d != "" {
		t.Error(d)
	}
}

// TestStaleOverride: an override is what is probed, and its certificate judged by its name.
func TestStaleOverride(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	synctest.Test(t, func(t *testing.T) {
		n := regionNet(t, ca)
		f := gatherNetwork(t, n, ca, func(_ *gather.Run, f *facts.Facts) {
			f.Agent.Config = facts.Known(facts.Config{SSMEndpoint: "vpce-0dead.ssm.eu-west-1.vpce.amazonaws.com"}, "")
		})
		if e := f.Network.Endpoint("ssm"); e.DNS.Outcome != "nxdomain" || e.Configured != "Ssm.Endpoint" || n.DialedTo("52.0.0.1:443") {
			t.Errorf("%+v", e)
		}
	})
}

func TestNetworkRegion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(env *gather.Env, f *facts.Facts)
		want string
	}{
		{"flag", func(env *gather.Env, f *facts.Facts) { env.Region = "eu-north-1" }, "eu-north-1 flag"},
		{"hybrid before metadata", func(_ *gather.Env, f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-1", Region: "eu-west-3", HasPrivate: true}, "vault")
		}, "eu-west-3 vault"},
		{"incomplete hybrid does not count", func(_ *gather.Env, f *facts.Facts) {
			f.Registration.Hybrid = facts.Known(facts.Key{Region: "eu-west-3", HasPrivate: true}, "vault")
		}, "us-east-1 imds"},
		{"metadata", func(*gather.Env, *facts.Facts) {}, "us-east-1 imds"},
		{"stored EC2 registration", func(_ *gather.Env, f *facts.Facts) {
			f.IMDS.Region = facts.Unknown[string]("no answer", "")
			f.Registration.EC2 = facts.Known(facts.Key{Region: "us-west-2"}, "ec2 key")
		}, "us-west-2 ec2 key"},
		{"registration file", func(_ *gather.Env, f *facts.Facts) {
			f.IMDS.Region = facts.Seen[string]{}
			f.Registration.Informational = facts.Known(facts.Informational{Region: "sa-east-1"}, "registration")
		}, "sa-east-1 registration"},
		{"configuration", func(_ *gather.Env, f *facts.Facts) {
			f.IMDS.Region = facts.Seen[string]{}
			f.Agent.Config = facts.Known(facts.Config{Region: "me-south-1"}, "config")
		}, "me-south-1 config"},
		{"environment", func(env *gather.Env, f *facts.Facts) {
			f.IMDS.Region = facts.Seen[string]{}
			env.Getenv = func(k string) string { return map[string]string{"AWS_DEFAULT_REGION": "af-south-1"}[k] }
		}, "af-south-1 env:AWS_DEFAULT_REGION"},
		{"hostile", func(_ *gather.Env, f *facts.Facts) { f.IMDS.Region = facts.Known("evil.example/", "imds") }, " "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			env, f := gathertest.InMemory(nil), &facts.Facts{}
			f.IMDS.Region = facts.Known("us-east-1", "imds")
			c.do(env, f)
			if r, from := Region(env, f); r+" "+from != c.want {
				t.Errorf("got %q, want %q", r+" "+from, c.want)
			}
		})
	}
}

// TestOffline: nothing but link-local addresses is asked, and all is unknown.
func TestOffline(t *testing.T) {
	t.Parallel()
	n := &gathertest.Network{}
	env := n.Env()
	env.Offline, env.Region = true, gathertest.TestRegion
	var f facts.Facts
	if err := (Source{}).Gather(t.Context(), env.Begin(), &f); err != nil {
		t.Fatal(err)
	}
	if len(n.Dialed)+len(n.Asked) > 0 || !f.Network.Endpoints.Unknown() || f.Network.Endpoints.Code != facts.NotAskable || f.Network.Skew.Why != "offline" {
		t.Errorf("dialed %v, asked %v", n.Dialed, n.Asked)
	}
}

func TestWindowsHostsFile(t *testing.T) {
	t.Parallel()
	env := gathertest.InMemory(map[string][]byte{"Windows/System32/drivers/etc/hosts": []byte("10.9.9.9 ssm.eu-west-1.amazonaws.com\r\n")})
	env.GOOS = "windows"
	if got := pinned(env, "ssm.eu-west-1.amazonaws.com"); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestHostsFile(t *testing.T) {
	t.Parallel()
	const name = "ssm.eu-west-1.amazonaws.com"
	file := "127.0.0.1 localhost\n10.9.9.9 other " + strings.ToUpper(name) + " # old endpoint\nfd00::9 " + name + ".\n#1.2.3.4 " + name + "\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"pinned", map[string]string{"etc/hosts": file}, []string{"10.9.9.9", "fd00::9"}},
		{"files before dns", map[string]string{"etc/hosts": file, "etc/nsswitch.conf": "passwd: files\nhosts: files dns # x\n"}, []string{"10.9.9.9", "fd00::9"}},
		{"files not used", map[string]string{"etc/hosts": file, "etc/nsswitch.conf": "hosts: dns\n"}, nil},
		{"no file", map[string]string{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := map[string][]byte{}
			for k, v := range maps.All(c.files) {
				files[k] = []byte(v)
			}
			env, f := gathertest.InMemory(files), &facts.Facts{}
			env.Lookup = (&gathertest.Network{}).Lookup
			d, addrs := Resolve(t.Context(), env.Begin(), f, name)
			var got []string
			for _, a := range addrs {
				got = append(got, a.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" || (d.Pinned != "") != (c.want != nil) {
				t.Errorf("pinned %q\n%s", d.Pinned, diff)
			}
		})
	}
}

// TestResetKeepsRegion: a source that was cut off knew the Region before it asked anything.
func TestResetKeepsRegion(t *testing.T) {
	t.Parallel()
	f := facts.Facts{Network: facts.Network{Region: "eu-central-1", Skew: facts.Known(1.0, "test")}}
	Source{}.Reset(&f)
	if f.Network.Region != "eu-central-1" || f.Network.Skew.Known() {
		t.Errorf("after a reset: %+v", f.Network)
	}
}
