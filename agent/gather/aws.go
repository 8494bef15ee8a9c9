package gather

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"ssm-doctor/checks/facts"
)

// row is one request to AWS as data. Only rows of this file are ever signed,
// and none of permissions.md 2.6 is among them.
type row struct {
	action   string // ssm:GetDocument
	service  string // endpoint and signing name
	protocol string // json, query, rest
	target   string // X-Amz-Target for json, Action for query
	method   string // rest
	path     string // rest
	body     string // with {instance}, {document}, {region}
	resource string // what the verdict is about, same placeholders
	// invented: the resource is a made-up name, of which a narrow policy knows nothing.
	invented bool
	// allowed are error codes that prove the action is allowed.
	allowed []string
	// proves: order of evaluation is documented or observed, so these codes are
	// proof and not only a prediction.
	proves bool
	rule   string
	// allowedBy are actions whose refusal proves that this one was allowed.
	allowedBy []string
	oneByte   bool   // asks for the first byte only
	host      string // of a global service; empty: the regional endpoint
	region    string // to sign for; empty: that of the node
}

// reply is what came back.
type reply struct {
	status  int
	body    []byte
	err     awsError
	aws     bool  // carries what only AWS answers with
	network error // no answer of the service
	at      time.Time
}

// signAndSend signs a row with the given keys and sends it once. It goes only
// over a connection whose certificate is trusted.
func (p *prober) signAndSend(ctx context.Context, r row, k keys, fill func(string) string) reply {
	host := r.service + "." + p.f.Network.Region + "." + p.f.Network.Domain
	for _, e := range p.f.Network.Endpoints {
		if e.Service == r.service {
			host = e.Host
		}
	}
	out := reply{at: p.env.Now().UTC()}
	region := p.f.Network.Region
	if r.host != "" {
		host, region = r.host, r.region
	}
	body := fill(r.body)
	method, path := r.method, fill(r.path)
	if method == "" {
		method, path = http.MethodPost, "/"
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://"+host+path, bytes.NewReader([]byte(body)))
	if err != nil {
		out.network = err
		return out
	}
	switch r.protocol {
	case "json":
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		req.Header.Set("X-Amz-Target", r.target)
	case "query":
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	if r.oneByte {
		req.Header.Set("Range", "bytes=0-0")
	}
	req.Header.Set("User-Agent", orText(p.env.UserAgent, "ssm-doctor"))
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	if r.service == "s3" {
		req.Header.Set("X-Amz-Content-Sha256", hash)
	}
	creds := aws.Credentials{AccessKeyID: k.id, SecretAccessKey: k.secret, SessionToken: k.token}
	if err := v4.NewSigner().SignHTTP(ctx, creds, req, hash, r.service, region, p.env.Now()); err != nil {
		out.network = err
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, p.env.Limits.HTTP)
	defer cancel()
	conn, err := p.trusted(ctx, host)
	if err != nil {
		out.network = err
		return out
	}
	defer conn.Close()
	resp, err := overConn(conn).Do(req.WithContext(ctx))
	if err != nil {
		out.network = unwrapURL(err)
		return out
	}
	defer resp.Body.Close()
	out.status = resp.StatusCode
	out.aws = fromAWS(resp.Header)
	out.body, _ = io.ReadAll(io.LimitReader(resp.Body, 256<<10))
	if resp.StatusCode >= 300 {
		out.err = parseAWSError(out.body)
		if out.err.code == "" {
			out.err.code, _, _ = strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
		}
	}
	return out
}

// fromAWS reports whether an answer carries the request id that AWS gives.
// A proxy or portal that answers in its place does not.
func fromAWS(h http.Header) bool {
	return h.Get("X-Amzn-Requestid") != "" || h.Get("X-Amz-Request-Id") != ""
}

// foreign says what came back from somebody else than AWS.
func (r reply) foreign() string {
	return "answered " + strconv.Itoa(r.status) + ", but not by AWS: a proxy or portal in between"
}

// trusted connects as the probes do and shakes hands with who proves to be host.
func (p *prober) trusted(ctx context.Context, host string) (net.Conn, error) {
	e := &facts.Endpoint{Host: host, Port: 443, Need: facts.NeedFeature}
	conn := p.connect(ctx, e)
	if conn == nil {
		return nil, errors.New(connectFailure(e))
	}
	roots, err := p.roots()
	if err != nil {
		conn.Close()
		return nil, err
	}
	tc := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12, Time: p.env.Now})
	ctx, cancel := context.WithTimeout(ctx, p.env.Limits.TLS)
	defer cancel()
	if err := tc.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return tc, nil
}

// overConn is a client for one request over a connection that stands.
func overConn(conn net.Conn) *http.Client {
	t := &http.Transport{DisableKeepAlives: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func connectFailure(e *facts.Endpoint) string {
	switch {
	case e.Proxy.Used:
		return "proxy: " + e.Proxy.Outcome
	case len(e.TCP) > 0:
		return orText(e.TCP[0].Error, e.TCP[0].Outcome)
	}
	return orText(e.DNS.Error, "not connected")
}
