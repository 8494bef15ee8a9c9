package endpoint

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
	"ssm-doctor/checks/facts"
)

func FuzzAWSError(f *testing.F) {
	gathertest.AddSeeds(f, `{"__type":"com.amazonaws.ssm#AccessDeniedException","Message":"User: x is not authorized"}`, `{"code":"x","message":"y"}`,
		`<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error><RequestId>1</RequestId></ErrorResponse>`, `<?xml version="1.0"?><Error><Code>NoSuchBucket</Code></Error>`,
		`<AccessDeniedException/>`, `<AccessDeniedException><Message>x</Message></AccessDeniedException>`, `<html><head><title>403</title>`, `{"__type":1}`, "<a><b><c>", "{", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>")
	f.Fuzz(func(t *testing.T, b []byte) {
		e := ParseAWSError(b)
		gathertest.Sound(t, []string{e.Code, e.Message})
		if len(e.Code) > 110 {
			t.Errorf("a code of %d bytes", len(e.Code))
		}
	})
}

func playProber() *Prober {
	env := gathertest.InMemory(nil)
	env.UserAgent = "ssm-doctor/test"
	run := env.Begin()
	return &Prober{run: run, env: run.Env, f: &facts.Facts{}, Roots: func() (*x509.CertPool, error) { return x509.NewCertPool(), nil }}
}

func FuzzTLSAnswer(f *testing.F) {
	f.Setenv("GODEBUG", "tlsmlkem=0,tlssecpmlkem=0") // making keys is most of the time
	gathertest.AddSeeds(f, "HTTP/1.1 400 Bad Request\r\n\r\n", "\x15\x03\x01\x00\x02\x02\x28", "\x16\x03\x03\x00\x05\x02\x00\x00\x01\x00", "", "\x16\x03\x01\xff\xff",
		"\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03"+strings.Repeat("r", 32)+"\x00\xc0\x2f\x00\x16\x03\x03\x00\x0a\x0b\x00\x00\x06\x00\x00\x03\x00\x00\x00")
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 120)]
		e := facts.Endpoint{Service: "ssm", Host: "ssm.eu-west-1.amazonaws.com"}
		if tc := playProber().handshake(t.Context(), &e, gathertest.Play(b)); tc != nil {
			t.Error("a handshake out of noise")
		}
		gathertest.Sound(t, e.TLS)
		if e.TLS.Value.OK || e.TLS.Value.Kind == "" {
			t.Errorf("%+v", e.TLS)
		}
	})
}

func FuzzHTTPAnswer(f *testing.F) {
	gathertest.AddSeeds(f, gathertest.HTTPAnswers...)
	f.Fuzz(func(t *testing.T, b []byte) {
		p := playProber()
		conn := gathertest.Play(b)
		a, _ := p.get(t.Context(), conn, gather.NewAnswerReader(conn), "ssm.eu-west-1.amazonaws.com", "/", nil)
		conn.Close()
		gathertest.Sound(t, a.HTTP)
		gathertest.Sound(t, a.skew)
		p.env.Dial = func(context.Context, string, string, netip.Addr) (net.Conn, error) { return gathertest.Play(b), nil }
		u := &url.URL{Scheme: "http", Host: "192.0.2.1:3128", User: url.UserPassword("u", "hunter2hunter2")}
		pr := p.probeProxy(t.Context(), u, "https_proxy", "ssm.eu-west-1.amazonaws.com")
		gathertest.Sound(t, pr)
	})
}

func TestErrorTextIsBounded(t *testing.T) {
	t.Parallel()
	if got := errorText("Encoded authorization failure message: " + strings.Repeat("a", 1<<20)); len(got) > maxEncoded+10 {
		t.Errorf("%d bytes kept", len(got))
	}
}

func FuzzHosts(f *testing.F) {
	gathertest.AddSeeds(f, "127.0.0.1 localhost\n10.0.0.9 ssm.eu-west-1.amazonaws.com # pin\n", "::1 ssm.eu-west-1.amazonaws.com.\n", "fe80::1%eth0 ssm.eu-west-1.amazonaws.com", "hosts: files dns\n", "hosts: dns [!UNAVAIL=return] files\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		a := parseHosts(b, "ssm.eu-west-1.amazonaws.com")
		if len(a) > maxPins {
			t.Errorf("%d addresses", len(a))
		}
		for _, x := range a {
			gathertest.Sound(t, x.String())
		}
		hostsFileUsed(b)
	})
}
