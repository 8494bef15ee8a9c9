// Package awsapi sends the signed requests: who the credentials belong to, and
// harmless reads that show what they may do.
package awsapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/endpoint"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/node"
)

// row is one request to AWS as data. No other package signs requests, and this
// one signs rows only: those of rows.go, and the question to the policy simulator
// in simulator.go. None of them registers, sends a heartbeat, asks for a role
// token, opens a channel, takes or answers a message, or writes what exists.
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

// caller sends signed requests over the ways that a prober finds.
type caller struct {
	run   *gather.Run
	env   *gather.Env // of the run
	lines lines
	first *first // nil: none
	f     *facts.Facts
	probe *endpoint.Prober
	node  *node.Node // nil before all facts that tell of the node are known
}

func newCaller(run *gather.Run, f *facts.Facts) *caller {
	return &caller{run: run, env: run.Env, f: f, probe: endpoint.NewProber(run, f)}
}

// reply is what came back.
type reply struct {
	status  int
	body    []byte
	err     endpoint.AWSError
	aws     bool  // carries what only AWS answers with
	network error // no answer of the service
	at      time.Time
}

// signAndSend signs a row with the given keys and sends it once. It goes only
// over a connection whose certificate is trusted.
func (c *caller) signAndSend(ctx context.Context, r row, k gather.Keys, fill func(string) string) reply {
	host := c.host(r)
	out := reply{at: c.env.Now().UTC()}
	region := c.f.Network.Region
	if r.host != "" {
		region = r.region
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
	req.Header.Set("User-Agent", cmp.Or(c.env.UserAgent, "ssm-doctor"))
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	if r.service == "s3" {
		req.Header.Set("X-Amz-Content-Sha256", hash)
	}
	l, err := c.line(ctx, host)
	if err != nil {
		out.network = err
		return out
	}
	ctx, cancel := c.run.Patience(ctx, c.env.Limits.HTTP)
	defer cancel()
	sign := endpoint.Signature(func(req *http.Request) error {
		creds := aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret, SessionToken: k.Token}
		return v4.NewSigner().SignHTTP(ctx, creds, req, hash, r.service, region, c.env.Now())
	})
	resp, err := l.send(ctx, req, host, sign)
	if err != nil && l.used && ctx.Err() == nil { // closed at its far end since the last request
		l.close()
		if l, err = c.open(ctx, host); err == nil { // others that stand may be closed too
			resp, err = l.send(ctx, req, host, sign)
		}
	}
	if err != nil {
		if l != nil {
			l.close()
		}
		out.network = err
		return out
	}
	defer resp.Body.Close()
	out.status = resp.StatusCode
	out.aws = fromAWS(resp.Header)
	if out.body, err = io.ReadAll(resp.Body); err == nil && !resp.Close {
		c.keep(host, l)
	} else {
		l.close()
	}
	if resp.StatusCode >= 300 {
		out.err = endpoint.ParseAWSError(out.body)
		if out.err.Code == "" {
			out.err.Code, _, _ = strings.Cut(resp.Header.Get("X-Amzn-Errortype"), ":")
		}
	}
	return out
}

// host is where a row goes.
func (c *caller) host(r row) string {
	if r.host != "" {
		return r.host
	}
	for _, e := range c.f.Network.Endpoints.Some() {
		if e.Service == r.service {
			return e.Host
		}
	}
	return r.service + "." + c.f.Network.Region + "." + c.f.Network.Domain
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
func (c *caller) trusted(ctx context.Context, host string) (*endpoint.Peer, error) {
	e := &facts.Endpoint{Host: host, Need: facts.NeedFeature}
	conn := c.probe.Connect(ctx, e)
	if conn == nil {
		return nil, errors.New(connectFailure(e))
	}
	// A service that only confirms what it is sent is not waited for: no verdict on the node rests on it.
	ctx, cancel := c.run.Patience(ctx, c.env.Limits.TLS)
	defer cancel()
	peer, _, err := c.probe.Trusted(ctx, conn, host)
	return peer, err
}

// maxBody bounds the body of an answer.
const maxBody = 256 << 10

func connectFailure(e *facts.Endpoint) string {
	switch {
	case e.Proxy.Used:
		return "proxy: " + string(e.Proxy.Outcome)
	case len(e.TCP) > 0:
		return cmp.Or(e.TCP[0].Error, string(e.TCP[0].Outcome))
	}
	return cmp.Or(e.DNS.Error, "not connected")
}
