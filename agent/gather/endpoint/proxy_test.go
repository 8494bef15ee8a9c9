package endpoint

import (
	"bufio"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

// connectProxy is a proxy that carries CONNECT to the addresses of a network,
// or answers with a status.
func connectProxy(n *gathertest.Network, status int, login string) func(net.Conn) {
	return func(c net.Conn) {
		br := bufio.NewReader(c)
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		code := status
		if login != "" && req.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(login)) {
			code = http.StatusProxyAuthRequired
		}
		host, _, _ := net.SplitHostPort(req.URL.Host)
		serve := n.At[strings.Join(n.Names["proxy"][host], "")+":443"]
		if code != 200 || req.Method != http.MethodConnect || serve == nil {
			if code == 200 {
				code = http.StatusBadGateway
			}
			rec := httptest.NewRecorder()
			rec.WriteHeader(code)
			_ = rec.Result().Write(c)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
		serve(c)
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	const login = "svc:hunter2-hunter2"
	for _, c := range []struct {
		name           string
		service, shell gather.ProxyVars
		serve          func(n *gathertest.Network) func(net.Conn)
		do             func(n *gathertest.Network)
		probe          facts.Outcome // of the probe of the service's proxy
		status         int
		endpoint       facts.Outcome // of the ssm endpoint's CONNECT; empty: not through a proxy
		shellProbe     facts.Outcome
		silent         bool // the endpoint behind it
		took           time.Duration
	}{
		{name: "none"},
		{name: "works", service: gather.ProxyVars{HTTPS: "http://proxy.corp:3128"}, probe: facts.OK, status: 200, endpoint: facts.OK},
		{name: "works with a login", service: gather.ProxyVars{HTTPS: "http://" + login + "@proxy.corp:3128"}, serve: func(n *gathertest.Network) func(net.Conn) { return connectProxy(n, 200, login) }, probe: facts.OK, status: 200, endpoint: facts.OK},
		{name: "wants a login", service: gather.ProxyVars{HTTPS: "http://proxy.corp:3128"}, serve: func(n *gathertest.Network) func(net.Conn) { return connectProxy(n, 200, login) }, probe: facts.WantsLogin, status: 407, endpoint: facts.WantsLogin},
		{name: "forbids", service: gather.ProxyVars{HTTPS: "proxy.corp:3128"}, serve: func(n *gathertest.Network) func(net.Conn) { return connectProxy(n, 403, "") }, probe: facts.Forbidden, status: 403, endpoint: facts.Forbidden},
		{name: "is not there", service: gather.ProxyVars{HTTPS: "http://proxy.corp:3128"}, do: func(n *gathertest.Network) { delete(n.At, "10.0.0.9:3128") }, probe: facts.Refused, endpoint: facts.Refused},
		{name: "does not answer", service: gather.ProxyVars{HTTPS: "http://proxy.corp:3128"}, do: func(n *gathertest.Network) { n.Silent["10.0.0.9"] = true }, probe: facts.Timeout, endpoint: facts.Timeout, took: time.Second},
		{name: "accepts and says nothing", service: gather.ProxyVars{HTTPS: "http://proxy.corp:3128"}, serve: func(*gathertest.Network) func(net.Conn) { return gathertest.Mute }, probe: facts.Silent, endpoint: facts.Silent, took: time.Second},
		{name: "accepts and hangs up", service: gather.ProxyVars{HTTPS: "http://proxy.corp:3128"}, serve: func(*gathertest.Network) func(net.Conn) {
			return func(c net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(c)) }
		}, probe: facts.Reset, endpoint: facts.Reset},
		{name: "accepts, says nothing, and should speak TLS", service: gather.ProxyVars{HTTPS: "https://proxy.corp:3128"}, serve: func(*gathertest.Network) func(net.Conn) { return gathertest.Mute }, probe: facts.Timeout, endpoint: facts.Timeout, took: time.Second},
		{name: "connects to who says nothing", service: gather.ProxyVars{HTTPS: "http://proxy.corp:3128"}, do: func(n *gathertest.Network) {
			n.At[n.Names["proxy"][gathertest.Regional("ssm")][0]+":443"] = gathertest.Mute
		}, probe: facts.OK, status: 200, endpoint: facts.OK, silent: true, took: time.Second},
		{name: "has no such name", service: gather.ProxyVars{HTTPS: "http://gone.corp:3128"}, probe: facts.NoName, endpoint: facts.NoName},
		{name: "speaks TLS", service: gather.ProxyVars{HTTPS: "http://proxy.corp:3128"}, serve: func(*gathertest.Network) func(net.Conn) {
			return func(c net.Conn) {
				go gathertest.Mute(c)
				_, _ = c.Write([]byte("\x15\x03\x01\x00\x02\x02\x46"))
				time.Sleep(time.Second)
			}
		}, probe: facts.WantsTLS, endpoint: facts.WantsTLS},
		{name: "does not speak TLS", service: gather.ProxyVars{HTTPS: "https://proxy.corp:3128"}, serve: func(*gathertest.Network) func(net.Conn) {
			return func(c net.Conn) { go gathertest.Mute(c); _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }
		}, probe: facts.NotTLS, endpoint: facts.NotTLS},
		{name: "is excepted", service: gather.ProxyVars{HTTPS: "http://proxy.corp:3128", No: ".amazonaws.com"}, shellProbe: facts.OK},
		{name: "is for plain HTTP only", service: gather.ProxyVars{HTTP: "http://proxy.corp:3128"}},
		{name: "only users have it", shell: gather.ProxyVars{HTTPS: "http://" + login + "@proxy.corp:3128"}, shellProbe: facts.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := regionNet(t, ca)
				n.Names["proxy"] = map[string][]string{}
				for _, s := range services {
					n.Names["proxy"][gathertest.Regional(s.name)] = n.Names[""][gathertest.Regional(s.name)]
				}
				if c.endpoint != "" { // the host itself resolves no AWS name
					n.Names[""] = map[string][]string{}
				}
				n.Names[""]["proxy.corp"] = []string{"10.0.0.9"}
				n.At["10.0.0.9:3128"] = connectProxy(n, 200, "")
				if c.serve != nil {
					n.At["10.0.0.9:3128"] = c.serve(n)
				}
				if c.do != nil {
					c.do(n)
				}
				start := time.Now()
				f := gatherNetwork(t, n, ca, func(run *gather.Run, _ *facts.Facts) {
					run.SetProxies(c.service, gather.ProxyVars{}, c.shell)
					run.Flow = func(net.Conn) facts.Seen[facts.Stall] { return facts.Known(facts.Stall{Segment: 1448}, "TCP_INFO") } // all is confirmed
				})
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if p := f.Network.Proxy; p.Value.Outcome != c.probe || p.Value.Status != c.status || p.Absent() != (c.probe == "") {
					t.Errorf("probe %+v", p)
				}
				if p := f.Network.ShellProxy; p.Value.Outcome != c.shellProbe || p.Absent() != (c.shellProbe == "") {
					t.Errorf("probe of another proxy %+v", p)
				}
				e := f.Network.Endpoint("ssm")
				if e.Proxy.Outcome != c.endpoint || e.Proxy.Used != (c.endpoint != "") || e.Usable() != (!c.silent && (c.endpoint == facts.OK || c.endpoint == "")) {
					t.Errorf("endpoint %+v", e)
				}
				if e.Proxy.Used && len(e.TCP) > 0 {
					t.Error("connected beside the proxy")
				}
				gathertest.NoSecret(t, f, "hunter2")
				time.Sleep(time.Minute)
			})
		})
	}
}

// TestDirect: the endpoints are tried without the proxy of the service only where that does
// not connect to them, at once, and in no more time than a dead proxy takes.
func TestDirect(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	for _, c := range []struct {
		name string
		do   func(n *gathertest.Network)
		want []facts.Outcome // of ssm and ssmmessages, or of that alone; none: not tried
		took time.Duration
	}{
		{"a proxy that works", func(*gathertest.Network) {}, nil, 0},
		{"a proxy that does not connect to one", func(n *gathertest.Network) { delete(n.Names["proxy"], gathertest.Regional("ssmmessages")) }, []facts.Outcome{facts.OK}, 0},
		{"nor is there another way to it", func(n *gathertest.Network) {
			delete(n.Names["proxy"], gathertest.Regional("ssmmessages"))
			n.Silent[n.Names[""][gathertest.Regional("ssmmessages")][0]] = true
		}, []facts.Outcome{facts.Timeout}, directFor},
		{"a proxy that is gone", func(n *gathertest.Network) { delete(n.At, "10.0.0.9:3128") }, []facts.Outcome{facts.OK, facts.OK}, 0},
		{"a proxy that is silent", func(n *gathertest.Network) { n.Silent["10.0.0.9"] = true }, []facts.Outcome{facts.OK, facts.OK}, time.Second},
		{"no names", func(n *gathertest.Network) {
			n.Silent["10.0.0.9"] = true
			for _, s := range services {
				delete(n.Names[""], gathertest.Regional(s.name))
			}
		}, []facts.Outcome{facts.NXDomain, facts.NXDomain}, time.Second},
		{"no way", func(n *gathertest.Network) {
			n.Silent["10.0.0.9"] = true
			n.Silent[n.Names[""][gathertest.Regional("ssmmessages")][0]] = true
		}, []facts.Outcome{facts.OK, facts.Timeout}, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := regionNet(t, ca)
				n.Names["proxy"] = map[string][]string{}
				for _, s := range services {
					n.Names["proxy"][gathertest.Regional(s.name)] = n.Names[""][gathertest.Regional(s.name)]
				}
				n.Names[""]["proxy.corp"] = []string{"10.0.0.9"}
				n.At["10.0.0.9:3128"] = connectProxy(n, 200, "")
				c.do(n)
				start := time.Now()
				f := gatherNetwork(t, n, ca, func(run *gather.Run, _ *facts.Facts) {
					run.SetProxies(gather.ProxyVars{HTTPS: "http://proxy.corp:3128"}, gather.ProxyVars{}, gather.ProxyVars{})
				})
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				d := f.Network.Direct
				if d.Known() != (c.want != nil) || len(d.Some()) != len(c.want) {
					t.Fatalf("%+v", d)
				}
				for i, want := range c.want {
					if d.Value[i].Outcome != want || len(c.want) == 1 && d.Value[i].Host != gathertest.Regional("ssmmessages") {
						t.Errorf("%+v, want %s", d.Value[i], want)
					}
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

// TestProxyIsHeard: where packets are lost a proxy is asked over more connections before it
// is called silent.
func TestProxyIsHeard(t *testing.T) {
	t.Parallel()
	ca := gathertest.NewAuthority(t, "Test Root")
	for _, c := range []struct {
		name  string
		deaf  int32 // of the first connections to the proxy
		rough bool
		want  facts.Outcome
	}{
		{"at once", 0, true, facts.OK},
		{"the third", 2, true, facts.OK},
		{"never", 1000, true, facts.Silent},
		{"the third, on a network that loses nothing", 1000, false, facts.Silent},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := regionNet(t, ca)
				n.Names[""]["proxy.corp"] = []string{"10.0.0.9"}
				n.Names["proxy"] = map[string][]string{gathertest.Regional("ssm"): n.Names[""][gathertest.Regional("ssm")]}
				var made atomic.Int32
				works := connectProxy(n, 200, "")
				n.At["10.0.0.9:3128"] = func(conn net.Conn) {
					if made.Add(1) <= c.deaf {
						gathertest.Mute(conn)
						return
					}
					works(conn)
				}
				env := n.Env()
				env.Region, env.RootCAs = gathertest.TestRegion, ca.Pem()
				run := env.Begin()
				defer run.End()
				run.SetProxies(gather.ProxyVars{HTTPS: "http://proxy.corp:3128"}, gather.ProxyVars{}, gather.ProxyVars{})
				if c.rough {
					run.Felt(300 * time.Millisecond)
				}
				var f facts.Facts
				e := facts.Endpoint{Service: "ssm", Host: gathertest.Regional("ssm"), Need: facts.NeedCore}
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), maxEndpoint) // as for each endpoint
				defer cancel()
				conn := NewProber(run, &f).Connect(ctx, &e)
				if (conn != nil) != (c.want == facts.OK) || e.Proxy.Outcome != c.want {
					t.Errorf("%v, %+v", conn, e.Proxy)
				}
				if conn != nil {
					conn.Close()
				}
				if took := time.Since(start); took > maxEndpoint || !c.rough && took > time.Second {
					t.Errorf("took %v", took)
				}
				if c.rough == (made.Load() == 1 && c.deaf > 0) {
					t.Errorf("%d connections", made.Load())
				}
				time.Sleep(time.Minute) // let servers end
			})
		})
	}
}

// TestLoginNeedsATrustedProxy: the login of a proxy with TLS goes only to one whose
// certificate the agent would accept.
func TestLoginNeedsATrustedProxy(t *testing.T) {
	t.Parallel()
	ca, other := gathertest.NewAuthority(t, "Test Root"), gathertest.NewAuthority(t, "Somebody")
	for _, c := range []struct {
		name   string
		issuer *gathertest.Authority
		cert   string
		want   facts.Outcome
	}{
		{"trusted", ca, "proxy.corp", facts.OK},
		{"of an authority that this host does not know", other, "proxy.corp", facts.Untrusted},
		{"for another name", ca, "other.corp", facts.Untrusted},
		{"for a name that only begins so", ca, "proxy.corp.example", facts.Untrusted},
		{"for the names below it", ca, "*.proxy.corp", facts.Untrusted},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := regionNet(t, ca)
				n.Names["proxy"] = map[string][]string{gathertest.Regional("ssm"): n.Names[""][gathertest.Regional("ssm")]}
				n.Names[""]["proxy.corp"] = []string{"10.0.0.9"}
				var asked atomic.Bool
				carry := connectProxy(n, 200, "svc:hunter2-hunter2")
				n.At["10.0.0.9:3128"] = gathertest.Over(c.issuer.Issue(t, time.Now(), -time.Hour, time.Hour, c.cert), func(conn net.Conn) {
					asked.Store(true)
					carry(conn)
				})
				f := gatherNetwork(t, n, ca, func(run *gather.Run, _ *facts.Facts) {
					run.SetProxies(gather.ProxyVars{HTTPS: "https://svc:hunter2-hunter2@proxy.corp:3128"}, gather.ProxyVars{}, gather.ProxyVars{})
				})
				if p := f.Network.Proxy.Value; p.Outcome != c.want || asked.Load() != (c.want == facts.OK) || (p.Error == "") != (c.want == facts.OK) {
					t.Errorf("asked %v, %+v", asked.Load(), p)
				} else if cert, shown := p.TLS.Get(); !shown || cert.OK != (c.want == facts.OK) || cert.Subject != c.cert {
					t.Errorf("certificate %+v", p.TLS)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

// TestSecretsNeedTheRightPeer: nothing secret is put into a request for somebody else,
// or for somebody who has not proven the name.
func TestSecretsNeedTheRightPeer(t *testing.T) {
	t.Parallel()
	secured, plain := &url.URL{Scheme: "https", Host: "proxy.corp:3128", User: url.UserPassword("svc", "hunter2")}, &url.URL{Scheme: "http", Host: "proxy.corp:3128", User: url.UserPassword("svc", "hunter2")}
	sign := Signature(func(r *http.Request) error { r.Header.Set("Authorization", "hunter2"); return nil })
	for _, c := range []struct {
		name   string
		peer   *Peer
		secret Secret
		want   bool
	}{
		{"login, proven", &Peer{nil, "proxy.corp", proven}, login(secured), true},
		{"login of https, to where plain HTTP is spoken", &Peer{nil, "proxy.corp", namedPlain}, login(secured), false},
		{"login of http, to whom its URL names", &Peer{nil, "proxy.corp", namedPlain}, login(plain), true},
		{"login of http, unproven", &Peer{nil, "proxy.corp", unproven}, login(plain), false},
		{"login, proven to be another", &Peer{nil, "other.corp", proven}, login(secured), false},
		{"login, nobody", nil, login(plain), false},
		{"signature, proven", &Peer{nil, "proxy.corp", proven}, sign, true},
		{"signature, plain", &Peer{nil, "proxy.corp", namedPlain}, sign, false},
		{"signature, unproven", &Peer{nil, "proxy.corp", unproven}, sign, false},
		{"signature, another", &Peer{nil, "ssm.corp", proven}, sign, false},
	} {
		req := &http.Request{Header: http.Header{}}
		if err := c.peer.Attach(req, "proxy.corp", c.secret); (err == nil) != c.want || len(req.Header) != 0 != c.want {
			t.Errorf("%s: %v, %v", c.name, err, req.Header)
		}
	}
}
