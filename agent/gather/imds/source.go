// Package imds asks the instance metadata service.
package imds

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/endpoint"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/pattern"
)

// maxMetadata bounds one metadata document.
const maxMetadata = 64 << 10

// Source asks the metadata service without a proxy. It reads nothing of the other
// sections.
type Source struct{}

func (Source) Name() string { return "imds" }

func (Source) Reset(f *facts.Facts) {
	f.IMDS = facts.IMDS{ViaProxy: f.IMDS.ViaProxy} // the proxy is asked with the network
}

func (Source) Gather(ctx context.Context, run *gather.Run, f *facts.Facts) error {
	env := run.Env
	i := &f.IMDS
	*i = facts.IMDS{ViaProxy: i.ViaProxy} // the proxy is asked with the network
	if !env.Live || env.IMDS == "" {
		i.Token, i.Bare = gather.NotAskable[facts.Exchange]("not a running host", ""), gather.NotAskable[facts.Exchange]("not a running host", "")
		return nil
	}
	first, done := patience(ctx, run, f)
	defer done()
	c := metadataClient(run)
	defer c.CloseIdleConnections()
	var token, bare facts.Exchange
	var six facts.Seen[facts.Exchange]
	answered := make(chan struct{})
	var wg gather.Workers
	wg.Go(func() {
		defer close(answered)
		token = tokenRequest(first, env, c, env.IMDS)
	})
	wg.Go(func() { bare = bareRequest(first, env, c, env.IMDS) })
	wg.Go(func() { six = askIPv6(first, run, c, answered, &token) })
	wg.Wait()
	i.Token = facts.Known(token, "imds:PUT /latest/api/token")
	i.Bare = facts.Known(bare, "imds:GET /latest/meta-data/ without token")
	i.IPv6 = six
	base := env.IMDS
	if !token.Token && i.IPv6.Value.Token {
		base = env.IMDS6
	}
	switch bare.Status {
	case 200:
		i.V1Allowed = facts.Known(bare.Body == "", i.Bare.From)
	case 401:
		i.V1Allowed = facts.Known(false, i.Bare.From)
	default:
		i.V1Allowed = facts.Unknown[bool](cmp.Or(bare.Error, fmt.Sprintf("HTTP %d", bare.Status)), i.Bare.From)
	}
	if !token.Token && !i.IPv6.Value.Token {
		noMetadata(i, "the metadata service gives no token")
		if token.Outcome == facts.NotPermitted {
			return errors.New("this process may not connect to the metadata service")
		}
		return nil
	}
	// A new deadline: the reads follow the token, which may have taken its own.
	rctx, end := run.Patience(ctx, env.Limits.IMDS)
	defer end()
	readMetadata(rctx, run, i, c, base)
	return nil
}

// noMetadata marks everything as unknown for one reason.
func noMetadata(i *facts.IMDS, why string) {
	i.InstanceID, i.Region, i.Account, i.Partition = unknownText(why), unknownText(why), unknownText(why), unknownText(why)
	i.Image, i.InstanceType = unknownText(why), unknownText(why)
	i.VPC = facts.Unknown[facts.VPC](why, "")
	i.Profile = facts.Unknown[facts.Profile](why, "")
	i.Role, i.IdentityRole = facts.Unknown[facts.Role](why, ""), facts.Unknown[facts.Role](why, "")
}

func unknownText(why string) facts.Seen[string] { return facts.Unknown[string](why, "") }

// tcpSeen tells whether a connection was established during a request.
type tcpSeen struct{ ok atomic.Bool }

type tcpKey struct{}

// metadataClient is an HTTP client without proxy. A metadata token that the SDK
// attaches leaves with it to the metadata addresses only.
func metadataClient(run *gather.Run) *http.Client {
	s := newSpares(run)
	once := &oneToken{RoundTripper: repeater{gather.BoundedTransport(metadataTransport(run, s.dial), maxMetadata), run}, tokens: map[string][]byte{}, spares: s}
	return client(tokenGuard{once, []string{run.IMDS, run.IMDS6}})
}

// proxyClient asks through a proxy. No token and, from a proxy of https:// that does not
// prove its name, no login leaves with it. address is where the proxy's name leads.
func proxyClient(run *gather.Run, proxy *url.URL, address string, roots *x509.CertPool) *http.Client {
	t := metadataTransport(run, func(ctx context.Context, addr string) (net.Conn, error) { return run.Connect(ctx, addr, netip.Addr{}) })
	t.Proxy = http.ProxyURL(proxy)
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Time: run.Now}
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) { return dial(ctx, network, address) }
	return client(tokenGuard{gather.BoundedTransport(t, maxMetadata), nil})
}

func metadataTransport(run *gather.Run, dial func(ctx context.Context, addr string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			conn, err := dial(ctx, addr)
			if seen, ok := ctx.Value(tcpKey{}).(*tcpSeen); ok && err == nil {
				seen.ok.Store(true)
			}
			return conn, err
		},
		MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Second, TLSHandshakeTimeout: run.Limits.IMDS,
	}
}

func client(t http.RoundTripper) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// tokenGuard sends a metadata token to the given addresses only.
type tokenGuard struct {
	http.RoundTripper
	bases []string
}

// RoundTrip implements http.RoundTripper.
func (g tokenGuard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("X-Aws-Ec2-Metadata-Token") != "" && !slices.Contains(g.bases, req.URL.Scheme+"://"+req.URL.Host) {
		return nil, errors.New("a metadata token goes to the metadata service only")
	}
	return g.RoundTripper.RoundTrip(req)
}

// CloseIdleConnections is what http.Client calls.
func (g tokenGuard) CloseIdleConnections() {
	if c, ok := g.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// tokenRequest asks for an IMDSv2 token. The token itself is dropped.
func tokenRequest(ctx context.Context, env *gather.Env, c *http.Client, base string) facts.Exchange {
	e, body := request(ctx, env, c, http.MethodPut, base+"/latest/api/token", http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {tokenSeconds}})
	e.Token = e.Status == 200 && tokenLike(body)
	if e.Status != 0 && !e.Token {
		e.Body = gather.ShownText(string(body), 120)
	}
	return e
}

// tokenLike reports whether text has the form of a token: base64 of some length, no white space.
func tokenLike(b []byte) bool {
	if len(b) < 16 || len(b) > 512 {
		return false
	}
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_=+/", rune(c)) {
			return false
		}
	}
	return true
}

// bareRequest asks without a token. An answer 200 whose body is not a listing
// of metadata keeps its start, since it is not the metadata service's.
func bareRequest(ctx context.Context, env *gather.Env, c *http.Client, base string) facts.Exchange {
	e, body := request(ctx, env, c, http.MethodGet, base+"/latest/meta-data/", nil)
	if e.Status == 200 && !strings.Contains(string(body), "instance-id") {
		e.Body = gather.ShownText(string(body), 120)
	}
	return e
}

func request(ctx context.Context, env *gather.Env, c *http.Client, method, target string, h http.Header) (facts.Exchange, []byte) {
	var e facts.Exchange
	seen := &tcpSeen{}
	// A request may also get a connection that another one made.
	got := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { seen.ok.Store(true) }})
	req, err := http.NewRequestWithContext(context.WithValue(got, tcpKey{}, seen), method, target, nil)
	if err != nil {
		e.Outcome, e.Error = facts.Other, gather.Why(err)
		return e, nil
	}
	for k, v := range h {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", env.UserAgent)
	start := time.Now()
	resp, err := c.Do(req)
	e.Seconds = time.Since(start).Seconds()
	e.TCP = seen.ok.Load()
	if err != nil {
		e.Outcome, e.Error = endpoint.TCPOutcome(err), endpoint.DialText(endpoint.UnwrapURL(err))
		if elsewhere := errors.Is(context.Cause(ctx), errElsewhere); elsewhere || e.Outcome == facts.Timeout {
			e.Outcome, e.Error = facts.Timeout, "no answer in time"
			if elsewhere {
				e.Error = errElsewhere.Error()
			}
			if !e.TCP {
				e.Outcome = facts.ConnectTimeout
			}
		}
		return e, nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	e.Status, e.Server, e.ContentType = resp.StatusCode, gather.ShownServer(resp.Header.Get("Server")), gather.ShownType(resp.Header.Get("Content-Type"))
	e.Flavor = gather.OneLine(resp.Header.Get("Metadata-Flavor"), 40)
	e.TCP = true
	return e, body
}

// reader reads metadata through the SDK's client, which asks for its own token.
type reader struct {
	c *imds.Client
}

// text returns the body of a path under meta-data; status 404 is absent.
func (r reader) text(ctx context.Context, path string) facts.Seen[string] {
	from := "imds:GET /latest/meta-data/" + path
	out, err := r.c.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	if err != nil {
		var re *smithyhttp.ResponseError
		if errors.As(err, &re) && re.HTTPStatusCode() == 404 {
			return facts.Absent[string]("404", from)
		}
		return facts.Unknown[string](metadataError(err), from)
	}
	defer out.Content.Close()
	b, err := io.ReadAll(out.Content)
	if err != nil {
		return gather.Unknown[string](err, from)
	}
	return facts.Known(strings.TrimSpace(string(b)), from)
}

func metadataError(err error) string {
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) {
		return fmt.Sprintf("HTTP %d", re.HTTPStatusCode())
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return gather.ShownText(err.Error(), 160)
}

func readMetadata(ctx context.Context, run *gather.Run, i *facts.IMDS, hc *http.Client, base string) {
	r := reader{imds.New(imds.Options{Endpoint: base, EnableFallback: aws.FalseTernary, ClientEnableState: imds.ClientEnabled, HTTPClient: hc, Retryer: aws.NopRetryer{}})}
	var wg gather.Workers
	// What others wait for goes first: these two find connections that are open.
	wg.Go(func() {
		role := r.text(ctx, "iam/security-credentials/")
		name, ok := role.Get()
		switch {
		case ok && roleName(name):
			start := time.Now()
			i.Role = r.role(ctx, run, "iam/security-credentials/"+name, name, facts.SourceProfile)
			if i.Role.Known() {
				i.RoleSeconds = time.Since(start).Seconds()
			}
		case ok && name != "":
			i.Role = facts.Unknown[facts.Role]("the entry in the list of roles is not the name of a role", role.From)
		case ok:
			i.Role = facts.Absent[facts.Role](facts.EmptyRoleList, role.From)
		default:
			i.Role = gather.Likewise[facts.Role](role)
		}
	})
	wg.Go(func() { r.identity(ctx, i) })
	wg.Go(func() { i.VPC = r.vpc(ctx) })
	wg.Go(func() {
		i.Partition = r.text(ctx, "services/partition")
		if p, ok := i.Partition.Get(); ok {
			i.Partition = knownText(p, i.Partition.From)
		}
	})
	wg.Go(func() { i.Profile = parseProfile(r.text(ctx, "iam/info")) })
	wg.Go(func() {
		i.IdentityRole = r.role(ctx, run, "identity-credentials/ec2/security-credentials/ec2-instance", "ec2-instance", "")
	})
	wg.Wait()
}

// identity reads who the instance is: its document, or its id alone.
func (r reader) identity(ctx context.Context, i *facts.IMDS) {
	const from = "imds:GET /latest/dynamic/instance-identity/document"
	start := time.Now()
	why := ""
	doc, err := r.c.GetDynamicData(ctx, &imds.GetDynamicDataInput{Path: "instance-identity/document"})
	if err != nil {
		why = metadataError(err)
	} else {
		b, _ := io.ReadAll(doc.Content)
		doc.Content.Close()
		i.IdentitySeconds = time.Since(start).Seconds()
		d, err := parseIdentityDocument(b)
		if err == nil {
			i.InstanceID, i.Region, i.Account = knownText(d.InstanceID, from), knownText(d.Region, from), knownText(d.Account, from)
			i.Image, i.InstanceType = knownText(reImage.FindString(d.Image), from), knownText(reInstanceType.FindString(d.Type), from)
			return
		}
		why = err.Error()
	}
	i.Region, i.Account, i.Image, i.InstanceType = unknownText(why), unknownText(why), unknownText(why), unknownText(why)
	i.InstanceID = r.text(ctx, "instance-id")
	if v, ok := i.InstanceID.Get(); ok {
		i.InstanceID = knownText(v, i.InstanceID.From)
	}
}

// roleName reports whether text can be the name of a role. Source: IAM API reference,
// CreateRole.
func roleName(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("_+=,.@-", c) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func knownText(v, from string) facts.Seen[string] {
	if v == "" {
		return facts.Absent[string]("empty", from)
	}
	return facts.Known(gather.OneLine(v, 128), from)
}

// vpc describes the first interface.
func (r reader) vpc(ctx context.Context) facts.Seen[facts.VPC] {
	macs := r.text(ctx, "network/interfaces/macs/")
	list, ok := macs.Get()
	if !ok {
		return gather.Likewise[facts.VPC](macs)
	}
	mac, _, _ := strings.Cut(strings.TrimSpace(list), "\n")
	mac = strings.TrimSuffix(mac, "/")
	if _, err := net.ParseMAC(mac); err != nil {
		return facts.Unknown[facts.VPC]("what it names is not a hardware address", macs.From)
	}
	var v facts.VPC
	var groups string
	var wg gather.Workers
	base := "network/interfaces/macs/" + mac + "/"
	for path, to := range map[string]*string{"vpc-id": &v.ID, "subnet-id": &v.Subnet, "vpc-ipv4-cidr-block": &v.CIDR, "security-group-ids": &groups} {
		wg.Go(func() { *to = gather.OneLine(r.text(ctx, base+path).Value, 200) })
	}
	wg.Wait()
	v.SecurityGroups = strings.Fields(groups)
	return facts.Known(v, "imds:GET /latest/meta-data/"+base)
}

// role reads role credentials. The keys go to the signer of source, and only there.
func (r reader) role(ctx context.Context, run *gather.Run, path, name, source string) facts.Seen[facts.Role] {
	t := r.text(ctx, path)
	body, ok := t.Get()
	if !ok {
		return gather.Likewise[facts.Role](t)
	}
	role, k, err := parseRole([]byte(body))
	if err != nil {
		return facts.Unknown[facts.Role](err.Error(), t.From)
	}
	role.Name = name
	if source != "" && k.ID != "" {
		run.SetKeys(source, k)
	}
	return facts.Known(role, t.From)
}

// What images and types of instances are called; other text is nothing to show.
var (
	reImage        = pattern.New(`^ami-[0-9a-f]{1,32}$`)
	reInstanceType = pattern.New(`^[a-z0-9-]{1,24}\.[a-z0-9-]{1,16}$`)
)

type identityDocument struct {
	InstanceID string `json:"instanceId"`
	Region     string `json:"region"`
	Account    string `json:"accountId"`
	Image      string `json:"imageId"`
	Type       string `json:"instanceType"`
}

// parseIdentityDocument decodes the instance identity document.
func parseIdentityDocument(b []byte) (identityDocument, error) {
	var d identityDocument
	if err := json.Unmarshal(b, &d); err != nil {
		return d, errors.New("the identity document is not JSON")
	}
	if !strings.HasPrefix(d.InstanceID, "i-") {
		return d, errors.New("the identity document names no instance")
	}
	return d, nil
}

// parseRole decodes role credentials and splits off the keys.
func parseRole(b []byte) (facts.Role, gather.Keys, error) {
	var d struct {
		Code, Message, AccessKeyId, SecretAccessKey, Token, Expiration string
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return facts.Role{}, gather.Keys{}, errors.New("the role credentials are not JSON")
	}
	r := facts.Role{Code: gather.ShownCode(d.Code), Message: gather.ShownText(d.Message, 300)}
	expires, _ := time.Parse(time.RFC3339, d.Expiration)
	r.Expires = gather.SaneTime(expires)
	return r, gather.Keys{ID: d.AccessKeyId, Secret: d.SecretAccessKey, Token: d.Token}, nil
}

// parseProfile decodes iam/info.
func parseProfile(t facts.Seen[string]) facts.Seen[facts.Profile] {
	body, ok := t.Get()
	if !ok {
		return gather.Likewise[facts.Profile](t)
	}
	var d struct{ Code, Message, InstanceProfileArn string }
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		return facts.Unknown[facts.Profile]("iam/info is not JSON", t.From)
	}
	p := facts.Profile{ARN: gather.OneLine(d.InstanceProfileArn, 300), Code: gather.ShownCode(d.Code), Message: gather.ShownText(d.Message, 300)}
	p.Name = p.ARN[strings.LastIndex(p.ARN, "/")+1:]
	return facts.Known(p, t.From)
}
