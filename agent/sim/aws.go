package sim

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"crypto/rand"

	"ssm-doctor/checks/iam"
)

// accountRefused is what AWS says of an account that it refuses.
const accountRefused = "The AWS Access Key Id needs a subscription for the service"

// maxRequest bounds the body of a request.
const maxRequest = 1 << 20

// call is one request to an endpoint.
type call struct {
	w       *world
	service string
	proto   string // json, query, ec2, s3, channel
	op      string
	body    []byte
	args    map[string]any
	form    url.Values
	entry   Entry
	id      string
}

// apiError is an error of AWS before it takes a protocol's form.
type apiError struct {
	status        int
	code, message string
}

func (c *call) action() string {
	if c.service == "monitoring" {
		return "cloudwatch:" + c.op
	}
	return c.service + ":" + c.op
}

// serveAWS plays all endpoints and sites, by the name of the handshake.
func (h *Host) serveAWS(rw http.ResponseWriter, r *http.Request) {
	w := h.world.Load()
	h.mu.Lock()
	t := h.targets[pairOfRequest(r)]
	h.mu.Unlock()
	if t.kind == "proxy" && t.proxy < len(w.Proxies) { // one that is reached by https://
		h.serveProxy(w, w.Proxies[t.proxy], rw, r)
		return
	}
	rw.Header().Set("Date", w.service().UTC().Format(http.TimeFormat))
	name := strings.ToLower(r.TLS.ServerName)
	service := w.serviceOf(name)
	rec := &recorder{rw, http.StatusOK}
	e, ok := w.endpoint(service)
	if !ok {
		_, _ = io.WriteString(rec, "<html><body>It works.</body></html>\n")
		h.note(Entry{Service: "site", Method: r.Method, Path: r.URL.Path, Status: rec.status})
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		return
	}
	c := &call{w: w, service: service, body: body, id: strings.ToLower(rand.Text())}
	c.identify(r)
	c.entry = Entry{Service: service, Method: r.Method, Path: r.URL.Path, Signed: r.Header.Get("Authorization") != ""}
	if c.op != "" {
		c.entry.Action = c.action()
	}
	defer func() {
		c.entry.Status = rec.status
		h.note(c.entry)
	}()
	switch {
	case e.HTTP == "hang":
		c.entry.Verdict = "fault"
		h.expire(pairOfRequest(r))
		if conn, _, err := http.NewResponseController(rec).Hijack(); err == nil {
			conn.Close()
		}
		return
	case e.HTTP == "reset":
		c.entry.Verdict = "fault"
		if conn, _, err := http.NewResponseController(rec).Hijack(); err == nil {
			conn.Close()
		}
		return
	case e.HTTP == "page", e.WebSocket == "forbidden" && r.Header.Get("Upgrade") != "":
		c.entry.Verdict = "fault"
		rec.Header().Set("Content-Type", "text/html")
		rec.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(rec, "<html><head><title>403 Forbidden</title></head><body><h1>Forbidden</h1></body></html>\n")
		return
	}
	answer, fail := c.answer(r)
	if fail != nil {
		c.entry.Code = fail.code
		c.refuse(rec, fail)
		return
	}
	c.accept(rec, answer)
}

// identify finds protocol and operation.
func (c *call) identify(r *http.Request) {
	_, target, hasTarget := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch c.service {
	case "ssmmessages":
		c.proto = "channel"
		verb := map[string]string{"POST": "Create", "GET": "Open"}[r.Method]
		for prefix, what := range map[string]string{"/v1/control-channel/": "ControlChannel", "/v1/data-channel/": "DataChannel"} {
			if strings.HasPrefix(r.URL.Path, prefix) {
				c.op = verb + what
			}
		}
	case "s3":
		c.proto, c.op = "s3", map[string]string{"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject"}[r.Method]
		if bucket, key := c.object(r); key == "" {
			c.op = "ListBucket"
			if bucket == "" {
				c.op = "ListAllMyBuckets"
			}
		}
	case "sts", "iam", "ec2", "monitoring":
		c.proto = "query"
		if c.service == "ec2" {
			c.proto = "ec2"
		}
		c.form, _ = url.ParseQuery(string(c.body))
		if c.form == nil {
			c.form = url.Values{}
		}
		if c.op = c.form.Get("Action"); c.op == "" {
			c.op = r.URL.Query().Get("Action")
		}
	default:
		c.proto = "json"
		if hasTarget {
			c.op = target
			_ = json.Unmarshal(c.body, &c.args) // a wrong body has no arguments
		}
	}
}

func (c *call) arg(name string) string { s, _ := c.args[name].(string); return s }

// object is the bucket and key of a request to S3.
func (c *call) object(r *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if b, ok := strings.CutSuffix(strings.ToLower(r.TLS.ServerName), "."+c.w.HostName("s3")); ok {
		return b, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// byProto chooses the spelling of a code: JSON services, others.
func (c *call) byProto(js, other string) string {
	if c.proto == "json" || c.proto == "channel" {
		return js
	}
	return other
}

func (c *call) clientError(code, message string) *apiError {
	if c.proto == "json" || c.proto == "channel" {
		return &apiError{http.StatusBadRequest, code, message}
	}
	return &apiError{http.StatusForbidden, code, message}
}

// authenticate finds the caller, in the order of AWS: form, clock, key, expiry,
// scope, signature.
func (c *call) authenticate(r *http.Request) *apiError {
	w := c.w
	sig, err := parseSignature(r)
	switch {
	case err != nil:
		return c.clientError(c.byProto("IncompleteSignatureException", "IncompleteSignature"), err.Error())
	case sig == nil && c.proto == "channel":
		return &apiError{http.StatusBadRequest, "BadRequest", c.id[:8] + ": Request is not authenticated."}
	case sig == nil && c.proto == "s3":
		return &apiError{http.StatusForbidden, "AccessDenied", "Access Denied"}
	case sig == nil:
		return c.clientError(c.byProto("MissingAuthenticationTokenException", "MissingAuthenticationToken"), "Missing Authentication Token")
	}
	d := w.service().Sub(sig.at).Abs()
	switch text := skewText(sig.at, w.service()); {
	case c.proto == "s3" && d > maxSkewS3:
		return &apiError{http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."}
	case c.proto == "s3" || text == "":
	case c.proto == "ec2":
		return &apiError{http.StatusBadRequest, "RequestExpired", "Request has expired."}
	default:
		return c.clientError(c.byProto("InvalidSignatureException", "SignatureDoesNotMatch"), text)
	}
	who := ""
	for name, k := range w.keys {
		if k.id == sig.key && !w.Principals[name].Revoked && k.token == r.Header.Get("X-Amz-Security-Token") {
			who = name
		}
	}
	if who == "" || w.RegionOff {
		code := map[string]string{"query": "InvalidClientTokenId", "ec2": "AuthFailure", "s3": "InvalidAccessKeyId"}[c.proto]
		if code == "" {
			code = "UnrecognizedClientException"
		}
		return c.clientError(code, "The security token included in the request is invalid.")
	}
	c.entry.Principal = who
	signing := c.service
	switch {
	case life(w.Principals[who]) < 0:
		return c.clientError(c.byProto("ExpiredTokenException", "ExpiredToken"), "The security token included in the request is expired")
	case sig.region != w.Region && c.service != "iam":
		return c.clientError(c.byProto("InvalidSignatureException", "SignatureDoesNotMatch"), "Credential should be scoped to a valid region. ")
	case sig.service != signing:
		return c.clientError(c.byProto("InvalidSignatureException", "SignatureDoesNotMatch"), "Credential should be scoped to correct service: '"+signing+"'. ")
	case !sig.matches(r, c.body, w.keys[who]):
		return c.clientError(c.byProto("InvalidSignatureException", "SignatureDoesNotMatch"),
			"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

// answer authenticates, authorises and answers.
func (c *call) answer(r *http.Request) (any, *apiError) {
	if c.op == "" && c.proto == "json" {
		return nil, &apiError{http.StatusNotFound, "UnknownOperationException", ""}
	}
	if fail := c.authenticate(r); fail != nil {
		c.entry.Verdict = "unauthenticated"
		return nil, fail
	}
	resource := c.resource(r)
	c.entry.Resource = resource
	if c.w.AccountCode != "" {
		c.entry.Verdict = "fault"
		return nil, &apiError{http.StatusForbidden, c.w.AccountCode, accountRefused}
	}
	for _, f := range c.w.Faults {
		if f.Action == c.action() && strings.HasPrefix(resource, f.Resource) {
			c.entry.Verdict = "fault"
			return nil, &apiError{f.Status, f.Code, f.Message}
		}
	}
	if c.action() == "sts:GetCallerIdentity" { // no policy of an identity can refuse it
		c.entry.Verdict = "allow"
		p := c.w.Principals[c.entry.Principal]
		return fmt.Sprintf("<Arn>%s</Arn><UserId>AROA0A1B2C3D4E5F60718:%s</UserId><Account>%s</Account>", escape(c.w.arn(p)), escape(c.w.session(p)), c.w.Account), nil
	}
	message, verdict := c.w.authorize(c.entry.Principal, c.service, c.action(), resource)
	c.entry.Verdict = verdict
	switch {
	case message == "":
		return c.result()
	case c.proto == "ec2":
		return nil, &apiError{http.StatusForbidden, "UnauthorizedOperation", "You are not authorized to perform this operation. " + message}
	case c.proto == "channel":
		return nil, &apiError{http.StatusForbidden, "AccessDeniedException", message}
	}
	return nil, c.clientError(c.byProto("AccessDeniedException", "AccessDenied"), message)
}

// resource is what IAM checks an operation against.
func (c *call) resource(r *http.Request) string {
	w := c.w
	arn := "arn:" + w.Partition() + ":" + c.service + ":" + w.Region + ":" + w.Account + ":"
	switch c.service {
	case "ssmmessages":
		return arn + "*"
	case "s3":
		bucket, key := c.object(r)
		if bucket == "" {
			return "*"
		}
		if key != "" {
			bucket += "/" + key
		}
		return "arn:" + w.Partition() + ":s3:::" + bucket
	case "ssm":
		switch c.op {
		case "GetDocument", "DescribeDocument":
			if n := c.arg("Name"); strings.HasPrefix(n, "AWS-") || strings.HasPrefix(n, "Amazon") {
				return "arn:" + w.Partition() + ":ssm:" + w.Region + "::document/" + n
			}
			return arn + "document/" + c.arg("Name")
		case "GetParameter":
			return arn + "parameter/" + strings.TrimPrefix(c.arg("Name"), "/")
		case "GetParameters": // each name is checked on its own; only one is ever asked for
			if names, _ := c.args["Names"].([]any); len(names) > 0 {
				n, _ := names[0].(string)
				return arn + "parameter/" + strings.TrimPrefix(n, "/")
			}
		case "UpdateInstanceInformation", "ListInstanceAssociations", "DescribeAssociation", "PutComplianceItems":
			p := w.Principals[c.entry.Principal]
			if p.Kind == KindHybrid {
				return arn + "managed-instance/" + w.Node
			}
			return "arn:" + w.Partition() + ":ec2:" + w.Region + ":" + w.Account + ":instance/" + w.Instance
		}
		if a, ok := iam.ActionByName(c.action()); ok && len(a.ResourceTypes) == 0 {
			return arn + "*" // how a refusal names what has no resource
		}
	}
	return "*"
}

// result is the answer to an operation that is allowed.
func (c *call) result() (any, *apiError) {
	none := []any{}
	notFound := func(code, message string) (any, *apiError) {
		return nil, &apiError{http.StatusBadRequest, code, message}
	}
	switch c.action() {
	case "ssm:GetDocument", "ssm:DescribeDocument":
		n := c.arg("Name")
		if !strings.HasPrefix(n, "AWS-") {
			return notFound("InvalidDocument", "Document with name "+n+" does not exist.")
		}
		d := map[string]any{"Name": n, "DocumentVersion": "1", "DocumentType": "Command", "DocumentFormat": "JSON", "Status": "Active"}
		if c.op == "DescribeDocument" {
			return map[string]any{"Document": d}, nil
		}
		d["Content"] = `{"schemaVersion":"1.2","description":"` + n + `","runtimeConfig":{}}`
		return d, nil
	case "ssm:ListAssociations", "ssm:ListInstanceAssociations":
		return map[string]any{"Associations": none}, nil
	case "ssm:GetParameter":
		return notFound("ParameterNotFound", "")
	case "ssm:GetParameters":
		return map[string]any{"Parameters": none, "InvalidParameters": c.args["Names"]}, nil
	case "ssm:DescribeAssociation":
		return notFound("AssociationDoesNotExist", "")
	case "ssm:GetManifest":
		return notFound("ResourceNotFoundException", "")
	case "ssm:DescribePatchBaselines":
		return map[string]any{"BaselineIdentities": none}, nil
	case "ssm:GetPatchBaseline":
		return notFound("DoesNotExistException", "")
	case "logs:DescribeLogGroups":
		return map[string]any{"logGroups": none}, nil
	case "logs:DescribeLogStreams":
		return notFound("ResourceNotFoundException", "The specified log group does not exist.")
	case "ds:DescribeDirectories":
		return map[string]any{"DirectoryDescriptions": none}, nil
	}
	switch c.proto {
	case "ec2":
		if c.form.Get("DryRun") == "true" {
			return nil, &apiError{http.StatusPreconditionFailed, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."}
		}
		return "", nil
	case "s3":
		return nil, &apiError{http.StatusNotFound, "NoSuchKey", "The specified key does not exist."}
	case "channel":
		return nil, &apiError{http.StatusBadRequest, "BadRequest", c.id[:8] + ": Invalid request."}
	case "query":
		return "", nil
	}
	return map[string]any{}, nil
}

// refuse writes an error in the form of the protocol.
func (c *call) refuse(rw http.ResponseWriter, e *apiError) {
	h := rw.Header()
	h.Set("X-Amzn-Requestid", c.id)
	write := func(kind, format string, a ...any) {
		h.Set("Content-Type", kind)
		rw.WriteHeader(e.status)
		fmt.Fprintf(rw, format, a...)
	}
	message := escape(e.message)
	switch {
	case e.code == "UnknownOperationException" && e.message == "":
		write("text/xml", "<UnknownOperationException/>\n")
	case c.proto == "json":
		key := "message"
		if e.code == "AccessDeniedException" {
			key = "Message"
		}
		b, err := json.Marshal(map[string]string{"__type": e.code, key: e.message})
		if err != nil {
			panic(err) // strings marshal
		}
		write("application/x-amz-json-1.1", "%s", b)
	case c.proto == "channel" && e.code == "BadRequest":
		write("text/xml", `<BadRequest xmlns=""><message>%s</message></BadRequest>`, message)
	case c.proto == "channel":
		write("text/xml", "<%s>\n  <Message>%s</Message>\n</%s>\n", e.code, message, e.code)
	case c.proto == "s3":
		h.Set("X-Amz-Request-Id", strings.ToUpper(c.id[:16]))
		write("application/xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message><RequestId>%s</RequestId></Error>", e.code, message, c.id)
	case c.proto == "ec2":
		write("text/xml;charset=UTF-8", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>%s</RequestID></Response>", e.code, message, c.id)
	default:
		write("text/xml", "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>", e.code, message, c.id)
	}
}

// accept writes a success in the form of the protocol.
func (c *call) accept(rw http.ResponseWriter, v any) {
	rw.Header().Set("X-Amzn-Requestid", c.id)
	switch c.proto {
	case "json":
		rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(rw).Encode(v)
	case "ec2":
		rw.Header().Set("Content-Type", "text/xml;charset=UTF-8")
		fmt.Fprintf(rw, "<%sResponse><requestId>%s</requestId>%v</%sResponse>", c.op, c.id, v, c.op)
	default:
		rw.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(rw, "<%sResponse><%sResult>%v</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>", c.op, c.op, v, c.op, c.id, c.op)
	}
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}
