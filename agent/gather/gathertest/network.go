package gathertest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"ssm-doctor/agent/gather"
)

// Network is a network in memory: what answers at which address, and the names
// that lead there. Its connections are pipes, so that time in a synctest bubble
// advances by itself whenever all wait.
type Network struct {
	// at serves one connection to host:port; an address without an entry refuses.
	At map[string]func(net.Conn)
	// fails gives the error of a connection to an address or, by host, to all ports.
	Fails map[string]error
	// silent hosts do not answer a connection at all.
	Silent map[string]bool
	// names by resolver ("" is the host's own), then by host.
	Names map[string]map[string][]string
	// dns gives the error of queries to a resolver, or of one host's name; SilentDNS never answer.
	Dns       map[string]error
	SilentDNS map[string]bool

	mu     sync.Mutex
	Dialed []string
	Asked  []string
}

const FakeSource = "10.0.1.5"

// fakeConn is the near end of a pipe. As with a socket a short write does not
// wait for its reader.
type fakeConn struct {
	net.Conn
	out    chan []byte
	closed chan struct{}
	once   sync.Once
}

func newFakeConn(c net.Conn) *fakeConn {
	f := &fakeConn{Conn: c, out: make(chan []byte, 100), closed: make(chan struct{})}
	go func() {
		for {
			select {
			case b := <-f.out:
				_, _ = c.Write(b)
			case <-f.closed:
				return
			}
		}
	}()
	return f
}

func (f *fakeConn) Write(b []byte) (int, error) {
	select {
	case f.out <- bytes.Clone(b):
		return len(b), nil
	case <-f.closed:
		return 0, net.ErrClosed
	}
}

func (f *fakeConn) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Conn.Close()
}

func (*fakeConn) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(FakeSource + ":40000"))
}

func (n *Network) Dial(ctx context.Context, _, address string, local netip.Addr) (net.Conn, error) {
	n.mu.Lock()
	n.Dialed = append(n.Dialed, address)
	n.mu.Unlock()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if local.IsValid() {
		host += "<" + local.String()
		address += "<" + local.String()
	}
	for _, k := range []string{address, host} {
		if err := n.Fails[k]; err != nil {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
		}
		if n.Silent[k] {
			<-ctx.Done()
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
		}
	}
	serve := n.At[address]
	if serve == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		serve(far)
	}()
	return newFakeConn(near), nil
}

func (n *Network) Lookup(ctx context.Context, server, network, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	n.Asked = append(n.Asked, server+" "+host)
	n.mu.Unlock()
	if n.SilentDNS[server] {
		<-ctx.Done()
		return nil, &net.DNSError{Err: "i/o timeout", Name: host, Server: "10.0.0.2:53", IsTimeout: true}
	}
	for _, k := range []string{server, host} {
		if err := n.Dns[k]; err != nil {
			return nil, err
		}
	}
	var out []netip.Addr
	for _, s := range n.Names[server][host] {
		if a := netip.MustParseAddr(s); a.Is4() == (network == "ip4") {
			out = append(out, a)
		}
	}
	if out == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, Server: "10.0.0.2:53", IsNotFound: true}
	}
	return out, nil
}

func (n *Network) DialedTo(address string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.Dialed, address)
}

// Env is a host on this network; its clock is that of the bubble.
func (n *Network) Env() *gather.Env {
	env := InMemory(nil)
	env.Now, env.Dial, env.Lookup = time.Now, n.Dial, n.Lookup
	env.SourceAddr = func(string) string { return FakeSource }
	env.IMDS, env.UserAgent = "http://169.254.169.254", "ssm-doctor/test"
	return env
}

// Speak serves HTTP on a connection until the other side closes it.
func Speak(h http.HandlerFunc) func(net.Conn) {
	return func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			rec := httptest.NewRecorder()
			h(rec, req)
			_, _ = io.Copy(io.Discard, req.Body)
			resp := rec.Result()
			resp.Request = req
			if resp.ContentLength < 0 && resp.StatusCode != http.StatusSwitchingProtocols {
				resp.ContentLength = int64(rec.Body.Len())
			}
			if resp.Write(c) != nil || resp.StatusCode == http.StatusSwitchingProtocols {
				return
			}
		}
	}
}

// Mute accepts a connection and what is sent, and never answers.
func Mute(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// Authority issues certificates.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func NewAuthority(t testing.TB, name string) *Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{name}}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Authority{cert, key}
}

func (a *Authority) Pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Issue makes a certificate for names that is valid from an hour ago until after.
func (a *Authority) Issue(t testing.TB, now time.Time, from, until time.Duration, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, NotBefore: now.Add(from), NotAfter: now.Add(until),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}
}

// Over serves TLS with a certificate and then what follows.
func Over(cert tls.Certificate, serve func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		tc := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
		if tc.Handshake() == nil {
			serve(tc)
		}
	}
}

// Serve is a network with one HTTP server.
func Serve(address string, h http.HandlerFunc) map[string]func(net.Conn) {
	return map[string]func(net.Conn){address: Speak(h)}
}

const TestRegion = "eu-west-1"

func Regional(service string) string { return service + "." + TestRegion + ".amazonaws.com" }

// AwsService answers unsigned requests as the services do.
func AwsService(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("X-Amzn-Requestid", "11111111-2222-3333-4444-555555555555")
	if r.Header.Get("Upgrade") != "" {
		w.Header().Set("X-Amzn-Errortype", "MissingAuthenticationTokenException:http://internal")
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte("<UnknownOperationException/>\n"))
}

func (n *Network) Set(service string, serve func(net.Conn)) { n.At[n.Ip(service)+":443"] = serve }

func (n *Network) Ip(service string) string { return n.Names[""][Regional(service)][0] }
