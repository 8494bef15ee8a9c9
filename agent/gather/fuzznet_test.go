package gather

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"ssm-doctor/checks/facts"
)

func FuzzMetadata(f *testing.F) {
	add(f, `{"instanceId":"i-0abc","region":"us-east-1","accountId":"111122223333","availabilityZone":"us-east-1a"}`,
		`{"Code":"Success","AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"secretsecretsecret","Token":"tokentokentoken","Expiration":"2026-11-22T10:00:00Z"}`,
		`{"Code":"AssumeRoleUnauthorizedAccess","Message":"\u001b[31m"}`, `{"Code":"Success","InstanceProfileArn":"arn:aws:iam::1:instance-profile/x"}`,
		`{"Cluster":"c","TaskARN":"arn:aws:ecs:us-east-1:1:task/x","LaunchType":"FARGATE"}`, "<html>", "AQAEAHdtoken==", "[]", "")
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := parseIdentityDocument(b); err == nil {
			sound(t, []facts.Seen[string]{knownText(d.InstanceID, ""), knownText(d.Region, ""), knownText(d.AZ, ""), knownText(d.Account, ""), knownText(d.Type, ""), knownText(d.Image, "")})
		}
		if r, k, err := parseRole(b); err == nil {
			sound(t, r)
			for _, s := range []string{k.secret, k.token} {
				if len(s) > 20 && strings.Contains(r.KeyPrefix, s) {
					t.Error("a secret became a fact")
				}
			}
		}
		sound(t, parseProfile(facts.Known(string(b), "imds:")))
		if task, err := parseTask(b); err == nil {
			sound(t, task)
		}
		tokenLike(b)
	})
}

func FuzzAWSError(f *testing.F) {
	add(f, `{"__type":"com.amazonaws.ssm#AccessDeniedException","Message":"User: x is not authorized"}`, `{"code":"x","message":"y"}`,
		`<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error><RequestId>1</RequestId></ErrorResponse>`, `<?xml version="1.0"?><Error><Code>NoSuchBucket</Code></Error>`,
		`<AccessDeniedException/>`, `<AccessDeniedException><Message>x</Message></AccessDeniedException>`, `<html><head><title>403</title>`, `{"__type":1}`, "<a><b><c>", "{", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>")
	f.Fuzz(func(t *testing.T, b []byte) {
		e := parseAWSError(b)
		sound(t, []string{e.code, e.message})
		if len(e.code) > 110 {
			t.Errorf("a code of %d bytes", len(e.code))
		}
	})
}

// play is the near end of a connection whose far end answers what was sent with
// the given bytes and closes.
func play(b []byte) net.Conn {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		go io.Copy(io.Discard, far)
		_, _ = far.Write(b)
	}()
	return near
}

func playProber() *prober {
	env := memEnv(nil)
	env.UserAgent = "ssm-doctor/test"
	return &prober{env: env, f: &facts.Facts{}, roots: func() (*x509.CertPool, error) { return x509.NewCertPool(), nil }}
}

func FuzzTLSAnswer(f *testing.F) {
	add(f, "HTTP/1.1 400 Bad Request\r\n\r\n", "\x15\x03\x01\x00\x02\x02\x28", "\x16\x03\x03\x00\x05\x02\x00\x00\x01\x00", "", "\x16\x03\x01\xff\xff")
	f.Fuzz(func(t *testing.T, b []byte) {
		e := facts.Endpoint{Service: "ssm", Host: "ssm.eu-west-1.amazonaws.com"}
		if tc := playProber().handshake(t.Context(), &e, play(b)); tc != nil {
			t.Error("a handshake out of noise")
		}
		sound(t, e.TLS)
		if e.TLS.Value.OK || e.TLS.Value.Kind == "" {
			t.Errorf("%+v", e.TLS)
		}
	})
}

func FuzzHTTPAnswer(f *testing.F) {
	add(f, "HTTP/1.1 400 Bad Request\r\nDate: Sun, 22 Nov 2026 09:30:00 GMT\r\nX-Amzn-Requestid: 1\r\nServer: \x1b[31mx\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "HTTP/1.1 403\r\nX-Amzn-Errortype: "+strings.Repeat("A", 5000)+":x\r\n\r\n", "\x15\x03\x01", "HTTP/1.1 407 x\r\n\r\n", "HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.1 999999999999 x\r\n\r\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		p := playProber()
		conn := play(b)
		a, _ := p.get(conn, bufio.NewReader(conn), "ssm.eu-west-1.amazonaws.com", "/", nil)
		conn.Close()
		sound(t, a.HTTP)
		sound(t, a.skew)
		p.env.Dial = func(context.Context, string, string, netip.Addr) (net.Conn, error) { return play(b), nil }
		u := &url.URL{Scheme: "http", Host: "192.0.2.1:3128", User: url.UserPassword("u", "hunter2hunter2")}
		pr := p.probeProxy(t.Context(), u, "https_proxy", "ssm.eu-west-1.amazonaws.com")
		sound(t, pr)
		e, _ := request(t.Context(), p.env, metadataClient(p.env, nil), "PUT", "http://192.0.2.1/latest/api/token", nil)
		sound(t, e)
		if e.Outcome == "" && e.Status == 0 {
			t.Errorf("neither an answer nor an outcome: %+v", e)
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
		addrs, err := lookupBy(ctx, dial, "ip4", "ssm.eu-west-1.amazonaws.com.")
		outcome, text := dnsOutcome(err)
		sound(t, []string{outcome, text, scope(addrs)})
		if len(addrs) == 0 && err == nil {
			t.Error("neither addresses nor an error")
		}
	})
}
