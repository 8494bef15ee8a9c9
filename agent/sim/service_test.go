package sim_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"ssm-doctor/agent/sim"
)

// client speaks to the surroundings of a host as a program on it would.
func client(t *testing.T, h *sim.Host) *http.Client {
	t.Helper()
	env := h.Env()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(env.RootCAs) {
		t.Fatal("no authority")
	}
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, Time: env.Now, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			if a, err := netip.ParseAddr(host); err == nil {
				return env.Dial(ctx, network, netip.AddrPortFrom(a, 80).String(), netip.Addr{})
			}
			list, err := env.Lookup(ctx, "", "ip4", host)
			if err != nil {
				return nil, err
			}
			return env.Dial(ctx, network, net.JoinHostPort(list[0].String(), port), netip.Addr{})
		},
	}}
}

// get sends ssm:GetDocument, changed before and after it is signed, and returns status and error code.
func get(t *testing.T, h *sim.Host, c aws.Credentials, region string, at time.Time, after func(*http.Request)) (int, string) {
	t.Helper()
	const body = `{"Name":"AWS-RunShellScript"}`
	s := h.Scenario()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.HostName("ssm")+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "AmazonSSM.GetDocument")
	sum := sha256.Sum256([]byte(body))
	if c.AccessKeyID != "" {
		if err := v4.NewSigner().SignHTTP(t.Context(), c, req, hex.EncodeToString(sum[:]), "ssm", region, at); err != nil {
			t.Fatal(err)
		}
	}
	if after != nil {
		after(req)
	}
	resp, err := client(t, h).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return resp.StatusCode, e.Type
}

// The endpoints refuse what AWS refuses, in its order.
func TestSignatures(t *testing.T) {
	t.Parallel()
	s := sim.HealthyProfile()
	s.Now = now
	s.Principals["expired"] = &sim.Principal{Kind: sim.KindProfile, Name: "Gone", Life: sim.Duration(-time.Hour), Policies: []sim.Policy{sim.Allow("*")}}
	s.Principals["revoked"] = &sim.Principal{Kind: sim.KindProfile, Name: "Revoked", Revoked: true, Policies: []sim.Policy{sim.Allow("*")}}
	s.Principals["poor"] = &sim.Principal{Kind: sim.KindProfile, Name: "Poor", Policies: []sim.Policy{sim.Allow("s3:*")}}
	h, err := sim.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	keys := func(name string) aws.Credentials {
		id, secret, token := h.Keys(name)
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}
	}
	good := keys("profile")
	altered := func(f func(*aws.Credentials)) aws.Credentials { c := good; f(&c); return c }
	region := h.Scenario().Region
	for _, tt := range []struct {
		name   string
		c      aws.Credentials
		region string
		at     time.Time
		after  func(*http.Request)
		status int
		code   string
	}{
		{"as it should be", good, region, now, nil, 200, ""},
		{"four minutes off", good, region, now.Add(-4 * time.Minute), nil, 200, ""},
		{"unsigned", aws.Credentials{}, region, now, nil, 400, "MissingAuthenticationTokenException"},
		{"six minutes slow", good, region, now.Add(-6 * time.Minute), nil, 400, "InvalidSignatureException"},
		{"six minutes fast", good, region, now.Add(6 * time.Minute), nil, 400, "InvalidSignatureException"},
		{"unknown key", altered(func(c *aws.Credentials) { c.AccessKeyID = "ASIA0000000000000000" }), region, now, nil, 400, "UnrecognizedClientException"},
		{"revoked", keys("revoked"), region, now, nil, 400, "UnrecognizedClientException"},
		{"without its token", altered(func(c *aws.Credentials) { c.SessionToken = "" }), region, now, nil, 400, "UnrecognizedClientException"},
		{"expired", keys("expired"), region, now, nil, 400, "ExpiredTokenException"},
		{"of another Region", good, "us-west-2", now, nil, 400, "InvalidSignatureException"},
		{"wrong secret", altered(func(c *aws.Credentials) { c.SecretAccessKey += "x" }), region, now, nil, 400, "InvalidSignatureException"},
		{"changed after signing", good, region, now, func(r *http.Request) { r.Header.Set("X-Amz-Target", "AmazonSSM.DescribeDocument") }, 400, "InvalidSignatureException"},
		{"not allowed", keys("poor"), region, now, nil, 400, "AccessDeniedException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, code := get(t, h, tt.c, tt.region, tt.at, tt.after)
			if status != tt.status || code != tt.code {
				t.Errorf("got %d %q, want %d %q", status, code, tt.status, tt.code)
			}
		})
	}
}

// The metadata service wants a token where the instance requires one.
func TestMetadataTokens(t *testing.T) {
	t.Parallel()
	const base = "http://169.254.169.254/latest/"
	for _, tt := range []struct {
		mode        string
		token, with int // status of a token request, and of a read with what it gave
		without     int
	}{
		{"required", 200, 200, 401},
		{"optional", 200, 200, 200},
		{"disabled", 403, 403, 403},
		{"token-timeout", 0, 0, 401},
		{"absent", 0, 0, 0},
	} {
		t.Run(tt.mode, func(t *testing.T) {
			t.Parallel()
			s := sim.HealthyProfile()
			s.Now, s.IMDS.Mode = now, tt.mode
			h, err := sim.Start(s)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			c := client(t, h)
			send := func(method, path string, header ...string) (int, string) {
				req, err := http.NewRequestWithContext(t.Context(), method, base+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				for i := 0; i+1 < len(header); i += 2 {
					req.Header.Set(header[i], header[i+1])
				}
				resp, err := c.Do(req)
				if err != nil {
					return 0, ""
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				if err != nil {
					return 0, ""
				}
				return resp.StatusCode, string(b)
			}
			status, token := send(http.MethodPut, "api/token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			if status != tt.token {
				t.Errorf("token request: %d, want %d", status, tt.token)
			}
			if status == 200 {
				if got, body := send(http.MethodGet, "meta-data/instance-id", "X-Aws-Ec2-Metadata-Token", token); got != tt.with || body != h.Scenario().Instance {
					t.Errorf("with the token: %d %q", got, body)
				}
				if got, _ := send(http.MethodGet, "meta-data/instance-id", "X-Aws-Ec2-Metadata-Token", "made-up"); got != 401 {
					t.Errorf("with a made-up token: %d", got)
				}
			}
			if got, _ := send(http.MethodGet, "meta-data/instance-id"); got != tt.without {
				t.Errorf("without token: %d, want %d", got, tt.without)
			}
		})
	}
}
