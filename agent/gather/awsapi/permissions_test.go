package awsapi

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// sent is what the fake service got.
type sent struct{ action, host, agent, auth, body, path, span string }

// fakeAWS answers signed requests by action; what is not in it is allowed.
type fakeAWS struct {
	mu      sync.Mutex
	got     []sent
	answers map[string]func(http.ResponseWriter)
	foreign bool // answers without the headers of AWS

	bySigner bool // refuses everybody, and says who signed

	takes     time.Duration // every answer
	now, most int           // requests under way
}

func (s *fakeAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	name, _, _ := strings.Cut(r.Host, ".")
	op := ""
	if _, t, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		op = t
	} else if q, err := url.ParseQuery(string(b)); err == nil && q.Get("Action") != "" {
		op = q.Get("Action")
	} else {
		op = r.Method + " " + r.URL.RequestURI()
	}
	action := name + ":" + op
	s.mu.Lock()
	s.got = append(s.got, sent{action, r.Host, r.UserAgent(), r.Header.Get("Authorization"), string(b), r.URL.RequestURI(), r.Header.Get("Range")})
	answer := s.answers[action]
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	time.Sleep(s.takes)
	s.mu.Lock()
	s.now--
	s.mu.Unlock()
	if !s.foreign {
		w.Header().Set("X-Amzn-Requestid", "0")
	}
	if _, signer, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok && s.bySigner {
		id, _, _ := strings.Cut(signer, "/")
		answer = jsonAnswer("ThrottlingException", "not now, "+id)
	}
	if answer != nil {
		answer(w)
		return
	}
	fmt.Fprint(w, "{}")
}

func (s *fakeAWS) actions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.got {
		out = append(out, r.action)
	}
	slices.Sort(out)
	return out
}

func jsonAnswer(code, message string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws#" + code, "message": message})
	}
}

func xmlAnswer(status int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func s3Error(status int, code, message string) func(http.ResponseWriter) {
	return xmlAnswer(status, "<Error><Code>"+code+"</Code><Message>"+message+"</Message></Error>")
}

func ec2Error(status int, code, message string) func(http.ResponseWriter) {
	return xmlAnswer(status, "<Response><Errors><Error><Code>"+code+"</Code><Message>"+message+"</Message></Error></Errors></Response>")
}

const nobody = "User: arn:aws:sts::111122223333:assumed-role/NodeRole/i-0123456789abcdef0 is not authorized to perform: "

func refusal(action, tail string) string { return nobody + action + " on resource: x" + tail }

// certificate is one for some names that signs itself.
func certificate(t *testing.T, now time.Time, names ...string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), DNSNames: names, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// awsEnv is a host whose AWS is s.
func awsEnv(t *testing.T, s *fakeAWS) (*gather.Run, *facts.Facts) {
	t.Helper()
	now := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	cert, ca := certificate(t, now, "*.example.com", "iam.amazonaws.com")
	server := httptest.NewUnstartedServer(s)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.StartTLS()
	t.Cleanup(server.Close)
	dialer := net.Dialer{}
	env := &gather.Env{Live: true, GOOS: "linux", Root: "/", UserAgent: "ssm-doctor/1.2.3", Limits: gather.DefaultLimits(), Memory: &gather.Memory{},
		EndpointURL: server.Listener.Addr().String(), RootCAs: ca, Now: func() time.Time { return now },
		Dial: func(ctx context.Context, network, address string, _ netip.Addr) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		}}
	f, run := &facts.Facts{CollectedAt: now}, env.Begin()
	f.Network.Region, f.Network.Domain = "eu-west-1", "example.com"
	endpoints := []facts.Endpoint{{Service: "ssm", Host: "ssm.example.com", Need: facts.NeedCore, TLS: facts.Known(facts.TLS{OK: true}, "")}}
	for _, name := range []string{"ec2", "logs", "s3", "ds", "secretsmanager", "tagging", "xray"} {
		endpoints = append(endpoints, facts.Endpoint{Service: name, Host: name + ".example.com"})
	}
	f.Network.Endpoints = facts.Known(endpoints, "")
	f.ECS.Task = facts.Absent[facts.ECSTask]("not in a task", "")
	f.Registration.Hybrid = facts.Absent[facts.Key]("no such file", "")
	f.Agent.Config = facts.Absent[facts.Config]("no such file", "")
	f.Credentials.Runtime = facts.Absent[facts.Runtime]("no such file", "")
	f.Log.Matches, f.Log.Refusals = facts.Known([]facts.Match{}, ""), facts.Known([]facts.Refusal{}, "")
	f.IMDS.InstanceID = facts.Known("i-0123456789abcdef0", "imds")
	f.IMDS.Profile = facts.Known(facts.Profile{Name: "NodeRole"}, "imds")
	f.Permissions.Identities = facts.Known([]facts.Identity{{Source: facts.SourceProfile, Outcome: facts.CallOK, Account: "111122223333", Role: "NodeRole", ARN: "arn:aws:sts::111122223333:assumed-role/NodeRole/i-0123456789abcdef0"}}, "")
	run.SetKeys(facts.SourceProfile, gather.Keys{ID: "ASIAEXAMPLEPROFILE", Secret: "secret-of-profile", Token: "token-of-profile"})
	run.SetKeys(facts.SourceDHMC, gather.Keys{ID: "ASIAEXAMPLEDHMC", Secret: "secret-of-dhmc", Token: "token-of-dhmc"})
	return run, f
}

// look sends the permission reads and returns the verdicts by action.
func look(t *testing.T, run *gather.Run, f *facts.Facts) map[string]facts.Permission {
	t.Helper()
	if err := (Permissions{}).Gather(t.Context(), run, f); err != nil {
		t.Fatal(err)
	}
	out := map[string]facts.Permission{}
	for _, p := range f.Permissions.Actions.Value {
		out[p.Action] = p
		if p.Identity == "" || p.From == "" || p.At.IsZero() {
			t.Errorf("no identity, place or time: %+v", p)
		}
		if strings.Contains(fmt.Sprint(p), "secret-of") || strings.Contains(fmt.Sprint(p), "token-of") {
			t.Errorf("a secret in %+v", p)
		}
	}
	return out
}

func TestDefaultReads(t *testing.T) {
	t.Parallel()
	s := &fakeAWS{answers: map[string]func(http.ResponseWriter){"ssm:DescribeDocument": jsonAnswer("AccessDeniedException", refusal("ssm:DescribeDocument", " with an explicit deny in a service control policy: arn:aws:organizations::999999999999:policy/o-1/service_control_policy/p-1"))}}
	env, f := awsEnv(t, s)
	got := look(t, env, f)
	if d := cmp.Diff([]string{"ssm:DescribeDocument", "ssm:GetDocument", "ssm:ListInstanceAssociations"}, s.actions()); d != "" {
		t.Errorf("requests\n%s", d)
	}
	for _, r := range s.got {
		if r.agent != "ssm-doctor/1.2.3" || !strings.Contains(r.auth, "Credential=ASIAEXAMPLEPROFILE/") || !strings.Contains(r.auth, "/eu-west-1/ssm/aws4_request") {
			t.Errorf("%+v", r)
		}
	}
	p := got["ssm:DescribeDocument"]
	if p.Verdict != facts.DeniedProven || p.Layer != "scp" || !p.Explicit || p.PolicyARN == "" || p.Principal == "" {
		t.Errorf("%+v", p)
	}
	if p = got["ssm:GetDocument"]; p.Verdict != facts.AllowedProven || p.Rule == "" || p.Resource != "document/AWS-RunShellScript" {
		t.Errorf("%+v", p)
	}
	if d := cmp.Diff(map[string]int{"ssm:GetDocument": 1, "ssm:DescribeDocument": 1, "ssm:ListInstanceAssociations": 1}, f.Permissions.Calls); d != "" {
		t.Error(d)
	}
}

// TestSlowAnswersBoundRequests: no more than some requests are under way, however long
// their answers take.
func TestSlowAnswersBoundRequests(t *testing.T) {
	t.Parallel()
	s := &fakeAWS{takes: 400 * time.Millisecond}
	run, f := awsEnv(t, s)
	run.Probes = []string{"parameters", "associations", "packages", "patching", "logs", "ec2", "directory", "xray"}
	look(t, run, f)
	if len(s.got) < 2*maxParallel || s.most > maxParallel {
		t.Errorf("%d requests, up to %d at the same time", len(s.got), s.most)
	}
}

// TestVerdicts: what each kind of answer proves.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	const get = "ssm:GetParameter"
	for _, c := range []struct {
		name, family, request, action string
		answer                        func(http.ResponseWriter)
		verdict, layer                string
	}{
		{"absent parameter", "parameters", get, get, jsonAnswer("ParameterNotFound", ""), facts.AllowedProven, ""},
		{"refused by the role", "parameters", get, get, jsonAnswer("AccessDeniedException", refusal(get, " because no identity-based policy allows the "+get+" action")), facts.DeniedProven, "identity"},
		{"refused, old wording", "parameters", get, get, jsonAnswer("AccessDeniedException", refusal(get, "")), facts.DeniedProven, "unknown"},
		{"refused by the endpoint", "parameters", get, get, jsonAnswer("AccessDeniedException", refusal(get, " because no VPC endpoint policy allows the "+get+" action")), facts.DeniedProven, "vpce"},
		{"refusal without a name", "parameters", get, get, jsonAnswer("AccessDeniedException", ""), facts.Inconclusive, "unknown"},
		{"reserved namespace", "parameters", get, get, jsonAnswer("AccessDeniedException", `No access to "/aws/" namespace`), facts.Inconclusive, "service"},
		{"malformed name", "parameters", get, get, jsonAnswer("AccessDeniedException", nobody+get+" on resource: arn:aws:ssm:eu-west-1:111122223333:*"), facts.Inconclusive, "unknown"},
		{"a list refused", "patching", "ssm:DescribePatchBaselines", "ssm:DescribePatchBaselines", jsonAnswer("AccessDeniedException", nobody+"ssm:DescribePatchBaselines on resource: arn:aws:ssm:eu-west-1:111122223333:* because no identity-based policy allows the ssm:DescribePatchBaselines action"), facts.DeniedProven, "identity"},
		{"throttled", "parameters", get, get, jsonAnswer("ThrottlingException", "Rate exceeded"), facts.Inconclusive, ""},
		{"expired", "parameters", get, get, jsonAnswer("ExpiredTokenException", "expired"), facts.Inconclusive, ""},
		{"server error", "parameters", get, get, xmlAnswer(500, "oops"), facts.Inconclusive, ""},
		{"order only inferred", "associations", "ssm:DescribeAssociation", "ssm:DescribeAssociation", jsonAnswer("AssociationDoesNotExist", ""), facts.AllowedPredicted, ""},
		{"dry run", "ec2", "ec2:DescribeTags", "ec2:DescribeTags", ec2Error(412, "DryRunOperation", "Request would have succeeded"), facts.AllowedProven, ""},
		{"dry run refused", "ec2", "ec2:DescribeTags", "ec2:DescribeTags", ec2Error(403, "UnauthorizedOperation", "You are not authorized to perform this operation. "+refusal("ec2:DescribeTags", " because no identity-based policy allows the ec2:DescribeTags action")), facts.DeniedProven, "identity"},
		{"dry run refused, no name", "ec2", "ec2:DescribeTags", "ec2:DescribeTags", ec2Error(403, "UnauthorizedOperation", "You are not authorized to perform this operation. Encoded authorization failure message: abc"), facts.Inconclusive, "unknown"},
		{"parameter of a dry run", "ec2", "ec2:DescribeTags", "ec2:DescribeTags", ec2Error(400, "InvalidParameterValue", "x"), facts.Inconclusive, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &fakeAWS{answers: map[string]func(http.ResponseWriter){c.request: c.answer}}
			env, f := awsEnv(t, s)
			env.Probes = []string{c.family}
			p := look(t, env, f)[c.action]
			if p.Verdict != c.verdict || p.Layer != c.layer {
				t.Errorf("%s by %q, want %s by %q: %+v", p.Verdict, p.Layer, c.verdict, c.layer, p)
			}
			n := 0
			for _, a := range s.actions() {
				if a == c.request {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d attempts", n)
			}
		})
	}
}

// TestParameterPaths: a path that is asked about is probed inside; a made-up
// name elsewhere is marked as one.
func TestParameterPaths(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		paths    []string
		name     string
		resource string
		invented bool
	}{
		{nil, "/ssm-doctor/probe/none", "parameter/ssm-doctor/probe/none", true},
		{[]string{"/app/prod/"}, "/app/prod/ssm-doctor-none", "parameter/app/prod/*", false},
		{[]string{`x"}`}, "/ssm-doctor/probe/none", "parameter/ssm-doctor/probe/none", true},
	} {
		s := &fakeAWS{answers: map[string]func(http.ResponseWriter){"ssm:GetParameter": jsonAnswer("ParameterNotFound", "")}}
		env, f := awsEnv(t, s)
		env.Probes, env.Parameters = []string{"parameters"}, c.paths
		p := look(t, env, f)["ssm:GetParameter"]
		if p.Verdict != facts.AllowedProven || p.Resource != c.resource || p.Invented != c.invented {
			t.Errorf("%v: %+v", c.paths, p)
		}
		if !slices.ContainsFunc(s.got, func(r sent) bool { return strings.Contains(r.body, `"`+c.name+`"`) }) {
			t.Errorf("%v: %v", c.paths, s.got)
		}
	}
}

// TestInvented: rows that prove something of a made-up name say so.
func TestInvented(t *testing.T) {
	t.Parallel()
	f := &facts.Facts{}
	f.Agent.Output = facts.Known(facts.Output{Buckets: []string{"one"}, LogGroups: []string{"/my/group"}}, "")
	made := regexp.MustCompile(`ssm-doctor|d-0000000000|pb-000`)
	for _, family := range ProbeFamilies {
		for _, r := range probeRows(family, f, nil) {
			if found := r.service != "ec2" && made.MatchString(r.body+r.path); found != r.invented || found && !made.MatchString(r.resource) {
				t.Errorf("%s: %+v", family, r)
			}
		}
	}
	if r := logStreams(&facts.Facts{}); !r.invented {
		t.Errorf("%+v", r)
	}
}

// TestBuckets: a refusal that names another action proves that one denied and
// this one allowed.
func TestBuckets(t *testing.T) {
	t.Parallel()
	s := &fakeAWS{answers: map[string]func(http.ResponseWriter){
		"s3:GET /my-bucket/ssm-doctor/none":                                       s3Error(403, "AccessDenied", refusal("s3:ListBucket", " because no identity-based policy allows the s3:ListBucket action")),
		"s3:GET /my-bucket?encryption=":                                           s3Error(404, "ServerSideEncryptionConfigurationNotFoundError", "none"),
		"s3:GET /amazon-ssm-eu-west-1/latest/VERSION":                             s3Error(403, "AccessDenied", "Access Denied"),
		"s3:PUT /my-bucket/ssm-doctor/none?partNumber=1&uploadId=ssm-doctor-none": s3Error(403, "AccessDenied", refusal("kms:GenerateDataKey", "")),
	}}
	env, f := awsEnv(t, s)
	env.Probes = []string{"buckets"}
	f.Agent.Output = facts.Known(facts.Output{Buckets: []string{"my-bucket", "Not/A Bucket"}}, "")
	look(t, env, f)
	var got []string
	for _, p := range f.Permissions.Actions.Value[3:] {
		got = append(got, p.Action+" "+p.Verdict+" "+p.Resource)
	}
	want := []string{"s3:GetObject unknown-inconclusive arn:aws:s3:::amazon-ssm-eu-west-1/latest/VERSION",
		"s3:GetEncryptionConfiguration allowed-predicted arn:aws:s3:::my-bucket",
		"s3:GetObject allowed-proven arn:aws:s3:::my-bucket/ssm-doctor/none", "s3:ListBucket denied-proven x",
		"s3:PutObject unknown-inconclusive arn:aws:s3:::my-bucket/ssm-doctor/none", "kms:GenerateDataKey denied-proven x"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s\n%v", d, s.actions())
	}
	for _, r := range s.got {
		if strings.Contains(r.path, "VERSION") && r.span != "bytes=0-0" {
			t.Errorf("asks for more than a byte: %+v", r)
		}
		if strings.Contains(r.path, "Not") {
			t.Errorf("foreign text in a request: %+v", r)
		}
	}
}

// What a proxy answers in the place of AWS proves nothing, and is told.
func TestForeignAnswer(t *testing.T) {
	t.Parallel()
	const get = "ssm:GetParameter"
	for name, answer := range map[string]func(http.ResponseWriter){
		"page":      nil,
		"forbidden": xmlAnswer(403, "<html><body>Blocked by policy</body></html>"),
		"redirect":  xmlAnswer(302, ""),
		"login":     xmlAnswer(407, ""),
		"refusal":   jsonAnswer("AccessDeniedException", refusal(get, " because no identity-based policy allows the "+get+" action")),
		"not found": jsonAnswer("ParameterNotFound", ""),
	} {
		s := &fakeAWS{foreign: true, answers: map[string]func(http.ResponseWriter){get: answer}}
		env, f := awsEnv(t, s)
		env.Probes = []string{"parameters"}
		for action, p := range look(t, env, f) {
			if p.Verdict != facts.Inconclusive || !strings.Contains(p.Message, "not by AWS") || p.Code != "" {
				t.Errorf("%s: %s: %+v", name, action, p)
			}
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	env, f := awsEnv(t, &fakeAWS{})
	env.Dial = func(context.Context, string, string, netip.Addr) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: fmt.Errorf("no route")}
	}
	env.SourceAddr = func(string) string { return "" }
	for action, p := range look(t, env, f) {
		if p.Verdict != facts.Unreachable || p.Layer != "" {
			t.Errorf("%s: %+v", action, p)
		}
	}
}

// TestHeld: when nothing may or can be asked, nothing is sent and the reason is told.
func TestHeld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*gather.Run, *facts.Facts)
		held   string
	}{
		{"offline", func(e *gather.Run, _ *facts.Facts) { e.Offline = true }, ""},
		{"another root", func(e *gather.Run, _ *facts.Facts) { e.Live = false }, ""},
		{"not due", func(e *gather.Run, _ *facts.Facts) { e.Hold = "not due" }, "not due"},
		{"no endpoint", func(_ *gather.Run, f *facts.Facts) { f.Network.Endpoints.Value[0].TLS = facts.Known(facts.TLS{}, "") }, "cannot be used"},
		{"no identity", func(_ *gather.Run, f *facts.Facts) { f.IMDS.Profile = facts.Absent[facts.Profile]("404", "") }, "no credentials"},
		{"hybrid keys of another user", func(_ *gather.Run, f *facts.Facts) {
			f.Agent.Config = facts.Absent[facts.Config]("no such file", "")
			f.Registration.Hybrid = facts.Known(facts.Key{InstanceID: "mi-0123456789abcdef0", Region: "eu-west-1", HasPrivate: true}, "")
		}, "hybrid, could not be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &fakeAWS{}
			env, f := awsEnv(t, s)
			c.change(env, f)
			look(t, env, f)
			if len(s.got) > 0 || !strings.Contains(f.Permissions.Held, c.held) || (c.held == "") != (f.Permissions.Held == "") {
				t.Errorf("%d requests, held %q", len(s.got), f.Permissions.Held)
			}
		})
	}
}

// TestSigner: the identity that the agent uses signs, and no other.
func TestSigner(t *testing.T) {
	t.Parallel()
	s := &fakeAWS{}
	env, f := awsEnv(t, s)
	f.Credentials.Runtime = facts.Known(facts.Runtime{IdentityType: "EC2", Source: "SSM", HasSource: true}, "")
	for _, p := range look(t, env, f) {
		if p.Identity != facts.SourceDHMC {
			t.Errorf("%+v", p)
		}
	}
	for _, r := range s.got {
		if !strings.Contains(r.auth, "Credential=ASIAEXAMPLEDHMC/") {
			t.Errorf("signed with %s", r.auth)
		}
	}
}

// TestAskedAgain: what is asked before all is known does not count where other
// credentials, or another node, turn out in the end. The service answers by who signs, so
// that an early answer that is kept shows.
func TestAskedAgain(t *testing.T) {
	t.Parallel()
	dhmc := facts.Known(facts.Runtime{IdentityType: "EC2", Source: "SSM", HasSource: true}, "")
	for _, c := range []struct {
		name   string
		later  func(*facts.Facts) // what is learned while the early requests are under way
		signer string
		calls  int
	}{
		{"nothing new", func(*facts.Facts) {}, "ASIAEXAMPLEPROFILE", 1},
		{"other credentials", func(f *facts.Facts) { f.Credentials.Runtime = dhmc }, "ASIAEXAMPLEDHMC", 2},
		{"another node", func(f *facts.Facts) { f.IMDS.InstanceID = facts.Known("i-0fedcba9876543210", "imds") }, "ASIAEXAMPLEPROFILE", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &fakeAWS{bySigner: true}
			run, f := awsEnv(t, s)
			agent := make(chan struct{})
			run.Sources(map[string]<-chan struct{}{"agent": agent})
			run.SetConfig(facts.Absent[facts.Config]("no such file", ""))
			f.IMDS.Profile = facts.Known(facts.Profile{Name: "NodeRole"}, "imds")
			go func() {
				defer close(agent)
				for len(s.actions()) < len(defaultReads) {
					time.Sleep(time.Millisecond)
				}
				c.later(f)
			}()
			got := look(t, run, f)
			if len(got) != len(defaultReads) {
				t.Errorf("%d verdicts, want %d", len(got), len(defaultReads))
			}
			for _, p := range got {
				if !strings.Contains(p.Message, c.signer) {
					t.Errorf("%s: the answer is of a request that %q signed, want %s", p.Action, p.Message, c.signer)
				}
				if n := f.Permissions.Calls[p.Action]; n != c.calls {
					t.Errorf("%s: %d calls counted, want %d", p.Action, n, c.calls)
				}
			}
			if len(s.got) != c.calls*len(defaultReads) {
				t.Errorf("%d requests, want %d", len(s.got), c.calls*len(defaultReads))
			}
		})
	}
}

// TestFamilies: every family asks something, within the cap, and nothing that
// must never be sent.
func TestFamilies(t *testing.T) {
	t.Parallel()
	s := &fakeAWS{}
	env, f := awsEnv(t, s)
	env.Probes = ProbeFamilies
	f.Agent.Output = facts.Known(facts.Output{Buckets: []string{"one", "two", "three"}, LogGroups: []string{"/my/group"}}, "")
	look(t, env, f)
	never := []string{"UpdateInstanceInformation", "RegisterManagedInstance", "RequestManagedInstanceRoleToken", "UpdateManagedInstancePublicKey", "ControlChannel", "DataChannel",
		"GetMessages", "AcknowledgeMessage", "DeleteMessage", "FailMessage", "SendReply", "PutComplianceItems", "UpdateAssociationStatus", "UpdateInstanceAssociationStatus",
		"PutConfigurePackageResult", "PutMetricData", "PutRetentionPolicy", "PutTraceSegments", "PutTelemetryRecords", "CreateComputer", "CreateTags", "Decrypt", "PutInventory"}
	for _, r := range s.got {
		for _, n := range never {
			if strings.HasSuffix(r.action, n) || strings.Contains(r.path, n) {
				t.Errorf("sent %s", r.action)
			}
		}
		if strings.Contains(r.body+r.path, "{") && !strings.HasPrefix(r.body, "{") || strings.Contains(r.body, "{node}") || strings.Contains(r.body, "{group}") || strings.Contains(r.body, "{millis}") {
			t.Errorf("placeholder left: %+v", r)
		}
		if strings.HasPrefix(r.action, "ec2:") && !strings.Contains(r.body, "DryRun=true") {
			t.Errorf("not a dry run: %+v", r)
		}
		if strings.HasPrefix(r.action, "logs:CreateLogStream") && !strings.Contains(r.body, "ssm-doctor-none") || strings.HasPrefix(r.action, "logs:PutLogEvents") && !strings.Contains(r.body, "-ssm-doctor-none") {
			t.Errorf("writes into a group that may exist: %+v", r)
		}
	}
	calls := 0
	for _, n := range f.Permissions.Calls {
		calls += n
	}
	if calls > maxCalls || calls < 20 {
		t.Errorf("%d calls", calls)
	}
	for _, family := range ProbeFamilies {
		if len(probeRows(family, f, nil)) == 0 && family != "simulator" {
			t.Errorf("family %s asks nothing", family)
		}
	}
	if probeRows("no-such-family", f, nil) != nil {
		t.Error("an unknown family asks something")
	}
}

// TestRows: every row that can prove something says by which rule, and is an
// action of the matrix.
func TestRows(t *testing.T) {
	t.Parallel()
	f := &facts.Facts{}
	f.Agent.Output = facts.Known(facts.Output{Buckets: []string{"one"}}, "")
	rows := slices.Clone(defaultReads)
	for _, family := range ProbeFamilies {
		rows = append(rows, probeRows(family, f, nil)...)
	}
	for _, r := range rows {
		if r.rule == "" || r.service == "" || r.protocol == "json" && r.target == "" || r.protocol == "rest" && r.method == "" {
			t.Errorf("%+v", r)
		}
		if r.protocol == "json" && !json.Valid([]byte(strings.NewReplacer("{millis}", "1").Replace(r.body))) {
			t.Errorf("%s: body is not JSON: %s", r.action, r.body)
		}
	}
}

// TestEncodedRefusal: it is kept whole, or nobody could decode it.
func TestEncodedRefusal(t *testing.T) {
	t.Parallel()
	blob := strings.Repeat("aB3-", 1000)
	s := &fakeAWS{answers: map[string]func(http.ResponseWriter){"ec2:DescribeTags": ec2Error(403, "UnauthorizedOperation",
		"You are not authorized to perform this operation. Encoded authorization failure message: "+blob)}}
	env, f := awsEnv(t, s)
	env.Probes = []string{"ec2"}
	if p := look(t, env, f)["ec2:DescribeTags"]; iam.ParseRefusal(p.Code, p.Message).Encoded != blob {
		t.Errorf("%d bytes kept", len(p.Message))
	}
}

// TestForeignIdentity: whoever answers in the place of AWS names nobody.
func TestForeignIdentity(t *testing.T) {
	t.Parallel()
	env, f := awsEnv(t, &fakeAWS{foreign: true})
	f.Network.Endpoints.Value = append(f.Network.Endpoints.Value, facts.Endpoint{Service: "sts", Host: "sts.example.com"})
	id := newCaller(env, f).whoAmI(t.Context(), facts.SourceProfile, gather.Keys{ID: "ASIAEXAMPLEPROFILE", Secret: "secret", Token: "token"})
	if id.Outcome != facts.CallUnreachable || id.ARN != "" {
		t.Errorf("%+v", id)
	}
}
