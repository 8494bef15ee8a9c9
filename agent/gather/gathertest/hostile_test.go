package gathertest_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/awsapi"
	"ssm-doctor/agent/gather/ecs"
	"ssm-doctor/agent/gather/endpoint"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/agent/gather/imds"
	"ssm-doctor/checks/facts"
)

const (
	// longest is how long any peer may keep a source busy.
	longest = 5 * time.Second
	// most is what a source may allocate in all while it listens to one; what it holds
	// at a time is less.
	most = 64 << 20
)

// says answers with bytes, and then more of them without end if forever is given.
func says(first string, forever ...string) func(net.Conn) {
	again := bytes.Repeat([]byte(strings.Join(forever, "")), 64)
	return func(c net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, c) }()
		if _, err := io.WriteString(c, first); err != nil || len(again) == 0 {
			return
		}
		for {
			if _, err := c.Write(again); err != nil {
				return
			}
		}
	}
}

// drips sends pieces with a pause before each, the last one forever.
func drips(pause time.Duration, first string, again string) func(net.Conn) {
	return func(c net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, c) }()
		if _, err := io.WriteString(c, first); err != nil {
			return
		}
		for i := 0; ; i++ {
			time.Sleep(pause)
			if _, err := io.WriteString(c, again[i%len(again):i%len(again)+1]); err != nil {
				return
			}
		}
	}
}

// keeps says something and keeps the connection open.
func keeps(what string) func(net.Conn) {
	return func(c net.Conn) {
		go func() { _, _ = io.WriteString(c, what) }()
		_, _ = io.Copy(io.Discard, c)
	}
}

// bomb is 64 MiB of zeros, compressed.
var bomb = func() string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(make([]byte, 64<<20))
	_ = w.Close()
	return b.String()
}()

type behaviour struct {
	name  string
	serve func(net.Conn)
}

const head = "HTTP/1.1 200 OK\r\n"

var http = []behaviour{
	{"silent", gathertest.Mute},
	{"closes at once", func(net.Conn) {}},
	{"closes in the status line", says("HTTP/1.1 20")},
	{"closes in the headers", says(head + "Server: x")},
	{"closes in the body", says(head + "Content-Length: 100\r\n\r\nabc")},
	{"status line without end", says("HTTP/1.1 200 ", strings.Repeat("O", 4096))},
	{"headers without end", says(head, "X-A: "+strings.Repeat("a", 4000)+"\r\n")},
	{"short headers without end", says(head, "a:\r\n")},
	{"one header without end", says(head+"X-A: ", strings.Repeat("a", 4096))},
	{"folded header without end", says(head+"X-A: a\r\n", " b\r\n")},
	{"announcements without end", says("", "HTTP/1.1 100 Continue\r\n\r\n")},
	{"hints without end", says("", "HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("a", 4000)+"\r\n\r\n")},
	{"body without end or length", says(head+"\r\n", strings.Repeat("a", 4096))},
	{"body of a huge length", says(head+"Content-Length: 9223372036854775807\r\n\r\n", strings.Repeat("a", 4096))},
	{"length below zero", says(head + "Content-Length: -1\r\n\r\nabc")},
	{"two lengths", says(head + "Content-Length: 1\r\nContent-Length: 3\r\n\r\nabc")},
	{"length and chunks", says(head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")},
	{"chunks without end", says(head+"Transfer-Encoding: chunked\r\n\r\n", "1000\r\n"+strings.Repeat("a", 4096)+"\r\n")},
	{"chunks of one byte without end", says(head+"Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n")},
	{"chunk of a huge size", says(head+"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", strings.Repeat("a", 4096))},
	{"chunk extension without end", says(head+"Transfer-Encoding: chunked\r\n\r\n1;", strings.Repeat("a", 4096))},
	{"trailer without end", says(head+"Transfer-Encoding: chunked\r\n\r\n0\r\n", "X-A: "+strings.Repeat("a", 4000)+"\r\n")},
	{"unpacks to 64 MiB", says(head + "Content-Encoding: gzip\r\n\r\n" + bomb)},
	{"claims to be packed", says(head + "Content-Encoding: gzip\r\n\r\nnot packed")},
	{"drips the status line", drips(100*time.Millisecond, "", head)},
	{"drips headers", drips(100*time.Millisecond, head, "X-A: a\r\n")},
	{"drips a body", drips(100*time.Millisecond, head+"\r\n", "abc")},
	{"drips chunks", drips(100*time.Millisecond, head+"Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n")},
	{"drips announcements", drips(10*time.Millisecond, "", "HTTP/1.1 100 Continue\r\n\r\n")},
	{"status 000", says("HTTP/1.1 000 x\r\nContent-Length: 0\r\n\r\n")},
	{"status 099", says("HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n")},
	{"status 999", says("HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n")},
	{"status of many digits", says("HTTP/1.1 99999999999999999999 x\r\n\r\n")},
	{"noise", says("\x00\xff\xfe", "\x80\x00\x1b[2J\xff")},
	{"a page and no headers", says("<html>\x1b[31m", "<p>hello")},
	{"another version", says("HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n")},
	{"leads elsewhere", says("HTTP/1.1 302 Found\r\nLocation: http://192.0.2.9/stolen\r\nContent-Length: 0\r\n\r\n")},
	{"leads to itself", says("HTTP/1.1 307 x\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")},
	{"no content, and some", says("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello")},
	{"switches and goes on without end", says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "\x82\x7f\xff\xff\xff\xff")},
	{"two answers", says(head+"Content-Length: 0\r\n\r\n"+head+"Content-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")},
	{"NUL in a header", says(head + "Ser\x00ver: a\x00b\r\nContent-Length: 0\r\n\r\n")},
	{"escapes in a header and in the body", says(head + "Server: \x1b]0;x\x07\r\nDate: \x1b[2J\r\nContent-Length: 6\r\n\r\n\x1b[31mx")},
	{"asks for a login without end", says("", "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")},
	{"asks for a signature", says("HTTP/1.1 401 x\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n")},
	{"answers and keeps the connection", keeps(head + "Content-Length: 2\r\n\r\n{}")},
	{"answers less and keeps the connection", keeps(head + "Content-Length: 200\r\n\r\n{}")},
	{"speaks TLS where nobody asked", keeps("\x15\x03\x01\x00\x02\x02\x46")},
	{"deep JSON", says(head + "Content-Type: application/x-amz-json-1.1\r\n\r\n" + strings.Repeat(`{"a":`, 100_000))},
	{"deep XML", says(head + "Content-Type: text/xml\r\nX-Amzn-Requestid: 1\r\n\r\n" + strings.Repeat("<a>", 60_000))},
}

// shakes answers a TLS handshake.
var shakes = []behaviour{
	{"silent", gathertest.Mute},
	{"closes at once", func(net.Conn) {}},
	{"plain HTTP", says("HTTP/1.1 400 Bad Request\r\n\r\n")},
	{"plain HTTP without end", says("HTTP/1.1 400 Bad Request\r\n", "X: y\r\n")},
	{"alert", says("\x15\x03\x03\x00\x02\x02\x28")},
	{"warnings without end", says("", "\x15\x03\x03\x00\x02\x01\x00")},
	{"empty records without end", says("", "\x16\x03\x03\x00\x00")},
	{"record of a huge length", says("\x16\x03\x03\xff\xff", strings.Repeat("a", 4096))},
	{"message of a huge length", says("\x16\x03\x03\x40\x00\x02\xff\xff\xff", strings.Repeat("a", 4096))},
	{"certificate of a huge length", says("\x16\x03\x03\x40\x00\x0b\xff\xff\xff", strings.Repeat("\x00", 4096))},
	{"drips a record", drips(100*time.Millisecond, "\x16\x03\x03\x40\x00", "\x02")},
	{"drips empty records", drips(10*time.Millisecond, "", "\x16\x03\x03\x00\x00")},
	{"noise without end", says("", "\x80\xff\x00\x1b")},
	{"its own hello", func(c net.Conn) { _ = tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake() }},
}

// lag is more than an answer takes on a network that is not slow.
const lag = 130 * time.Millisecond

// slowly is a peer whose first words come late, so that the network seems slow.
func slowly(serve func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) { serve(&slow{Conn: c, first: lag, left: -1}) }
}

// slow is a connection whose other end hears late, little by little, or no more.
type slow struct {
	net.Conn
	first time.Duration // before the first byte
	each  time.Duration // before each byte
	left  int           // how many bytes go through; below zero: all
}

func (s *slow) Write(b []byte) (int, error) {
	time.Sleep(s.first)
	s.first = 0
	for i := range b {
		switch {
		case s.left == 0:
			return len(b), nil // as if it were sent
		case s.left > 0:
			s.left--
		case s.each == 0:
			n, err := s.Conn.Write(b[i:])
			return i + n, err
		}
		time.Sleep(s.each)
		if _, err := s.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// stages are peers that shake hands in earnest, and stop on the way, or say it byte by byte.
func stages(shake func(net.Conn)) []behaviour {
	var out []behaviour
	for _, first := range []time.Duration{0, lag} {
		for _, left := range []int{1, 5, 60, 300} {
			out = append(out, behaviour{fmt.Sprintf("after %v, silent after %d bytes of the handshake", first, left), func(c net.Conn) { shake(&slow{Conn: c, first: first, left: left}) }})
		}
		for _, each := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond} {
			out = append(out, behaviour{fmt.Sprintf("after %v, a byte of the handshake each %v", first, each), func(c net.Conn) { shake(&slow{Conn: c, first: first, each: each, left: -1}) }})
		}
	}
	return out
}

// quiet is a host whose metadata service and ECS task are not there.
func quiet() (*gathertest.Network, *gather.Env) {
	n := &gathertest.Network{At: map[string]func(net.Conn){}, Names: map[string]map[string][]string{"": {"proxy.corp": {"10.0.0.9"}}}}
	for i, s := range []string{"ssm", "ssmmessages", "ec2messages", "sts", "s3", "kms", "logs", "monitoring"} {
		n.Names[""][gathertest.Regional(s)] = []string{fmt.Sprintf("198.51.100.%d", i+1)}
	}
	env := n.Env()
	env.Region = gathertest.TestRegion
	return n, env
}

// everywhere puts a peer in the place of all endpoints.
func everywhere(n *gathertest.Network, serve func(net.Conn)) {
	for host, a := range n.Names[""] {
		if host != "proxy.corp" {
			n.At[a[0]+":443"] = serve
		}
	}
}

// TestHostilePeers: whatever peers send, no source hangs, holds much memory, leaks a
// secret or follows them elsewhere.
func TestHostilePeers(t *testing.T) {
	log.SetOutput(io.Discard) // as the program does
	ca, other := gathertest.NewAuthority(t, "Test Root"), gathertest.NewAuthority(t, "Somebody")
	names := []string{"*." + gathertest.TestRegion + ".amazonaws.com"}
	type place struct {
		name  string
		peers []behaviour
		lay   func(n *gathertest.Network, env *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source)
	}
	under := func(issuer *gathertest.Authority, serve func(net.Conn)) func(net.Conn) {
		return gathertest.Over(issuer.Issue(t, time.Now(), -time.Hour, time.Hour, names...), serve)
	}
	places := []place{
		{"endpoint", http, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			everywhere(n, under(ca, serve))
			return run(), endpoint.Source{}
		}},
		{"endpoint that begins late", http, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			everywhere(n, slowly(under(ca, serve)))
			return run(), endpoint.Source{}
		}},
		{"endpoint that answers late", http, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			everywhere(n, slowly(under(ca, slowly(serve))))
			return run(), endpoint.Source{}
		}},
		{"handshake that stops", stages(under(ca, gathertest.Mute)), func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			everywhere(n, serve)
			return run(), endpoint.Source{}
		}},
		{"handshake that begins late", shakes, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			everywhere(n, slowly(serve))
			return run(), endpoint.Source{}
		}},
		{"handshake behind a proxy that is slow", append(stages(under(ca, gathertest.Mute)), shakes...), func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			n.At["10.0.0.9:3128"] = func(c net.Conn) {
				if _, err := c.Read(make([]byte, 4096)); err != nil {
					return
				}
				time.Sleep(lag)
				_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
				serve(c)
			}
			r := run()
			r.SetProxies(gather.ProxyVars{HTTPS: "http://svc:hunter2-hunter2@proxy.corp:3128"}, gather.ProxyVars{}, gather.ProxyVars{})
			return r, endpoint.Source{}
		}},
		{"proxy that begins late", http, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			n.At["10.0.0.9:3128"] = slowly(serve)
			r := run()
			r.SetProxies(gather.ProxyVars{HTTPS: "http://svc:hunter2-hunter2@proxy.corp:3128"}, gather.ProxyVars{}, gather.ProxyVars{})
			return r, endpoint.Source{}
		}},
		{"handshake of a proxy that begins late", shakes, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			n.At["10.0.0.9:3128"] = slowly(serve)
			r := run()
			r.SetProxies(gather.ProxyVars{HTTPS: "https://svc:hunter2-hunter2@proxy.corp:3128"}, gather.ProxyVars{}, gather.ProxyVars{})
			return r, endpoint.Source{}
		}},
		{"metadata that begins late", http, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			n.At["169.254.169.254:80"] = slowly(serve)
			return run(), imds.Source{}
		}},
		{"signed call that begins late", http, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			everywhere(n, slowly(under(ca, serve)))
			r := run()
			r.SetKeys(facts.SourceProfile, gather.Keys{ID: "ASIAIOSFODNN7EXAMPLE", Secret: "hunter2-hunter2", Token: "hunter2-token"})
			return r, awsapi.Identities{}
		}},
		{"endpoint that is not trusted", http, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			everywhere(n, under(other, serve))
			return run(), endpoint.Source{}
		}},
		{"handshake", shakes, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			everywhere(n, serve)
			return run(), endpoint.Source{}
		}},
		{"proxy", http, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			n.At["10.0.0.9:3128"] = serve
			r := run()
			r.SetProxies(gather.ProxyVars{HTTPS: "http://svc:hunter2-hunter2@proxy.corp:3128"}, gather.ProxyVars{}, gather.ProxyVars{})
			return r, endpoint.Source{}
		}},
		{"handshake of a proxy", shakes, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			n.At["10.0.0.9:3128"] = serve
			r := run()
			r.SetProxies(gather.ProxyVars{HTTPS: "https://svc:hunter2-hunter2@proxy.corp:3128"}, gather.ProxyVars{}, gather.ProxyVars{})
			return r, endpoint.Source{}
		}},
		{"metadata", http, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			n.At["169.254.169.254:80"] = serve
			return run(), imds.Source{}
		}},
		{"metadata after the token", http, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			n.At["169.254.169.254:80"] = func(c net.Conn) {
				b := make([]byte, 4096)
				k, _ := c.Read(b)
				if strings.HasPrefix(string(b[:k]), "PUT ") {
					_, _ = io.WriteString(c, head+"Connection: close\r\nX-Aws-Ec2-Metadata-Token-Ttl-Seconds: 60\r\nContent-Length: 24\r\n\r\nhunter2hunter2hunter2hun")
					return
				}
				serve(c)
			}
			return run(), imds.Source{}
		}},
		{"metadata through a proxy", http, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			n.At["10.0.0.9:3128"] = serve
			r := run()
			r.SetProxies(gather.ProxyVars{HTTP: "http://svc:hunter2-hunter2@proxy.corp:3128"}, gather.ProxyVars{}, gather.ProxyVars{})
			return r, imds.ViaProxy{}
		}},
		{"task metadata", http, func(n *gathertest.Network, env *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			n.At["169.254.170.2:80"] = serve
			env.Getenv = func(k string) string {
				return map[string]string{"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/x"}[k]
			}
			return run(), ecs.Source{}
		}},
		{"signed call", http, func(n *gathertest.Network, _ *gather.Env, run func() *gather.Run, serve func(net.Conn)) (*gather.Run, gather.Source) {
			everywhere(n, under(ca, serve))
			r := run()
			r.SetKeys(facts.SourceProfile, gather.Keys{ID: "ASIAIOSFODNN7EXAMPLE", Secret: "hunter2-hunter2", Token: "hunter2-token"})
			return r, awsapi.Identities{}
		}},
	}
	for _, p := range places {
		for _, b := range p.peers {
			t.Run(p.name+"/"+b.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n, env := quiet()
					env.RootCAs = ca.Pem()
					run, source := p.lay(n, env, env.Begin, b.serve)
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					var f facts.Facts
					start := time.Now()
					_ = source.Gather(t.Context(), run, &f)
					run.End()
					took := time.Since(start)
					runtime.ReadMemStats(&after)
					if took > longest {
						t.Errorf("took %v", took)
					}
					if grew := after.TotalAlloc - before.TotalAlloc; grew > most {
						t.Errorf("allocated %d MiB", grew>>20)
					}
					gathertest.Sound(t, f)
					gathertest.NoSecret(t, &f, "hunter2")
					if n.DialedTo("192.0.2.9:80") {
						t.Error("was led elsewhere")
					}
					time.Sleep(time.Minute) // what is left of the connections ends
				})
			})
		}
	}
}
