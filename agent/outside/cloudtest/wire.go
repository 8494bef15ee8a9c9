package cloudtest

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Models are the descriptions of the services that an AWS CLI carries, by the name of
// the service.
type Models map[string]*model

type model struct {
	Metadata struct {
		Protocol, TargetPrefix, APIVersion string
		XMLNamespace                       string `json:"xmlNamespace"`
	}
	Operations map[string]struct {
		Input, Output struct{ Shape, ResultWrapper string }
		Errors        []struct{ Shape string }
	}
	Shapes map[string]shape
}

type shape struct {
	Type             string
	Required         []string
	Members          map[string]member
	Member           member // of a list
	Enum             []string
	Min, Max         *float64
	Pattern          string
	Flattened        bool
	TimestampFormat  string
	Error            struct{ Code string }
	Exception, Union bool
}

type member struct {
	Shape, LocationName, QueryName, TimestampFormat string
	Flattened                                       bool
}

// reModel is how the AWS CLI says, with --debug, where it reads a model.
var reModel = regexp.MustCompile(`Loading JSON file: (\S+[/\\]service-2\.json(?:\.gz)?)`)

// LoadModels reads the models of an AWS CLI, wherever its installation keeps them.
func LoadModels(ctx context.Context, program string) (Models, error) {
	out := Models{}
	for service, operation := range map[string]string{"ec2": "describe-vpcs", "iam": "list-roles", "ssm": "list-documents", "sts": "get-caller-identity", "organizations": "list-roots", "ecs": "list-clusters", "kms": "list-keys"} {
		c := exec.CommandContext(ctx, program, service, operation, "--generate-cli-skeleton", "--debug", "--region", "eu-central-1")
		c.Env = environment()
		said, err := c.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s", program, err, said)
		}
		m := reModel.FindSubmatch(said)
		if m == nil {
			return nil, fmt.Errorf("%s does not say where its model of %s is", program, service)
		}
		if out[service], err = loadModel(string(m[1])); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func loadModel(name string) (*model, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	var m model
	if err := json.NewDecoder(r).Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &m, nil
}

// environment lets the CLI see nobody's credentials or settings.
func environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=none", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER="}
}

// Program writes an aws into a folder that is the AWS CLI with the cloud as its AWS, and
// returns the environment for it.
func Program(folder, program, address string) (env []string, err error) {
	text := "#!/bin/sh\nexec '" + program + "' \"$@\" --endpoint-url '" + address + "'\n"
	if err := os.WriteFile(filepath.Join(folder, "aws"), []byte(text), 0o700); err != nil {
		return nil, err
	}
	env = environment()
	env[0] = "PATH=" + folder + ":/usr/bin:/bin"
	return env, nil
}

// Handler is the cloud over HTTP. What a request or an answer has that the models do not
// is told to complain; the request is refused then.
func (c *Cloud) Handler(models Models, complain func(format string, a ...any)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/" {
			complain("%s %s: %v", r.Method, r.URL.Path, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=") {
			complain("a request is not signed")
		}
		service, operation, form := where(models, r, body)
		m := models[service]
		if m == nil {
			complain("no service for %s %s", r.Header.Get("X-Amz-Target"), body)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		x := exchange{m, func(format string, a ...any) { complain(service+" "+operation+": "+format, a...) }}
		op, ok := m.Operations[operation]
		if !ok {
			x.refuse(w, service, operation, &Error{"InvalidAction", "no such operation", 400})
			return
		}
		in, e := Object{}, (*Error)(nil)
		if op.Input.Shape != "" {
			in, e = x.request(op.Input.Shape, body, form)
		}
		var out Object
		if e == nil {
			out, e = c.Do(service, operation, in)
		}
		if e != nil {
			x.refuse(w, service, operation, e)
			return
		}
		x.answer(w, operation, out)
	})
}

// where says which operation of which service a request is for.
func where(models Models, r *http.Request, body []byte) (service, operation string, form url.Values) {
	if prefix, op, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		for name, m := range models {
			if m.Metadata.TargetPrefix == prefix && m.Metadata.Protocol == "json" {
				return name, op, nil
			}
		}
		return "", op, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", "", nil
	}
	for name, m := range models {
		if m.Metadata.APIVersion == form.Get("Version") && m.Metadata.Protocol != "json" {
			service = name
		}
	}
	operation = form.Get("Action")
	form.Del("Action")
	form.Del("Version")
	return service, operation, form
}

// exchange is one request by the model of its service.
type exchange struct {
	*model
	complain func(format string, a ...any)
}

// request reads the input of an operation, and refuses what the model does not have.
func (x exchange) request(name string, body []byte, form url.Values) (Object, *Error) {
	var bad []string
	var in any = Object{}
	if form == nil {
		d := json.NewDecoder(strings.NewReader(string(body)))
		d.UseNumber()
		if err := d.Decode(&in); err != nil {
			return nil, &Error{"SerializationException", err.Error(), 400}
		}
	} else {
		used := map[string]bool{}
		in = x.fromForm(member{Shape: name}, form, "", used)
		for k := range form {
			if !used[k] {
				bad = append(bad, "the parameter "+k+" is not recognized")
			}
		}
	}
	in = x.check(name, "", in, &bad)
	if len(bad) > 0 {
		slices.Sort(bad)
		x.complain("%s", strings.Join(bad, "; "))
		return nil, &Error{map[string]string{"ec2": "UnknownParameter", "query": "ValidationError"}[x.Metadata.Protocol], strings.Join(bad, "; "), 400}
	}
	out, _ := in.(Object)
	return out, nil
}

// fromForm reads a value out of the parameters below a prefix; nil: there is none.
func (x exchange) fromForm(of member, form url.Values, prefix string, used map[string]bool) any {
	s := x.Shapes[of.Shape]
	switch s.Type {
	case "structure":
		out := Object{}
		for name, m := range s.Members {
			key := name
			switch {
			case x.Metadata.Protocol == "ec2" && m.QueryName != "":
				key = m.QueryName
			case x.Metadata.Protocol == "ec2" && m.LocationName != "":
				key = strings.ToUpper(m.LocationName[:1]) + m.LocationName[1:]
			case m.LocationName != "":
				key = m.LocationName
			}
			if prefix != "" {
				key = prefix + "." + key
			}
			if v := x.fromForm(m, form, key, used); v != nil {
				out[name] = v
			}
		}
		if len(out) == 0 && prefix != "" {
			return nil
		}
		return out
	case "list":
		if x.Metadata.Protocol == "query" && !s.Flattened {
			key := s.Member.LocationName
			if key == "" {
				key = "member"
			}
			prefix += "." + key
		}
		var out []any
		for n := 1; ; n++ {
			v := x.fromForm(s.Member, form, prefix+"."+strconv.Itoa(n), used)
			if v == nil {
				break
			}
			out = append(out, v)
		}
		if out == nil {
			return nil
		}
		return out
	}
	if !form.Has(prefix) {
		return nil
	}
	used[prefix] = true
	switch v := form.Get(prefix); s.Type {
	case "integer", "long", "float", "double":
		return json.Number(v)
	case "boolean":
		return v == "true"
	default:
		return v
	}
}

// check holds a value against its shape and returns it with numbers as int.
func (x exchange) check(name, path string, v any, bad *[]string) any {
	s := x.Shapes[name]
	wrong := func(format string, a ...any) {
		*bad = append(*bad, strings.TrimPrefix(path, ".")+": "+fmt.Sprintf(format, a...))
	}
	within := func(n float64, what string) {
		if s.Min != nil && n < *s.Min || s.Max != nil && n > *s.Max {
			wrong("%s %v is outside of the bounds", what, n)
		}
	}
	switch s.Type {
	case "structure":
		o, ok := v.(Object)
		if !ok {
			wrong("not a structure")
			return v
		}
		out := Object{}
		for k, y := range o {
			m, ok := s.Members[k]
			if !ok {
				wrong("no member %s in %s", k, name)
				continue
			}
			out[k] = x.check(m.Shape, path+"."+k, y, bad)
		}
		for _, k := range s.Required {
			if _, ok := o[k]; !ok {
				wrong("%s is required", k)
			}
		}
		return out
	case "list":
		list, ok := v.([]any)
		if !ok {
			wrong("not a list")
			return v
		}
		within(float64(len(list)), "length")
		out := make([]any, len(list))
		for i := range list {
			out[i] = x.check(s.Member.Shape, fmt.Sprintf("%s[%d]", path, i), list[i], bad)
		}
		return out
	case "string":
		t, ok := v.(string)
		if d, is := v.(document); is {
			t, ok = string(d), true
		}
		if !ok {
			wrong("not a string")
			return v
		}
		within(float64(len(t)), "length")
		// EC2 writes some values in lower case that its model has with a capital.
		if len(s.Enum) > 0 && !slices.ContainsFunc(s.Enum, func(e string) bool {
			return e == t || x.Metadata.Protocol == "ec2" && strings.EqualFold(e, t)
		}) {
			wrong("%q is none of %q", t, s.Enum)
		}
		// Patterns that are of another dialect are passed over.
		if re, err := regexp.Compile(`^(?s:` + s.Pattern + `)$`); err == nil && s.Pattern != "" && !re.MatchString(t) {
			wrong("%q does not match %s", t, s.Pattern)
		}
	case "integer", "long":
		n, err := strconv.Atoi(fmt.Sprint(v))
		if err != nil {
			wrong("not a number")
			return v
		}
		within(float64(n), "number")
		return n
	case "boolean":
		if _, ok := v.(bool); !ok {
			wrong("not a boolean")
		}
	case "timestamp":
		if _, ok := v.(time.Time); !ok {
			wrong("not a time")
		}
	default:
		wrong("type %q is not known here", s.Type)
	}
	return v
}

const requestID = "59dbff89-35bd-4eac-99ed-be587EXAMPLE"

// refuse writes an error in the form of the protocol. A code that the model of the
// operation does not have must be one that every operation may answer.
func (x exchange) refuse(w http.ResponseWriter, service, operation string, e *Error) {
	general := []string{"AccessDenied", "AccessDeniedException", "Throttling", "ThrottlingException", "ValidationError", "ValidationException", "UnknownParameter", "InvalidAction", "SerializationException"}
	known := service == "ec2" || slices.Contains(general, e.Code) // EC2's model names no errors
	for _, s := range x.Operations[operation].Errors {
		known = known || s.Shape == e.Code || x.Shapes[s.Shape].Error.Code == e.Code
	}
	if !known {
		x.complain("the model has no error %s", e.Code)
	}
	text := func(s string) string {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(s))
		return b.String()
	}
	switch x.Metadata.Protocol {
	case "json":
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(e.Status)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": e.Code, "Message": e.Message})
	case "ec2":
		w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
		w.WriteHeader(e.Status)
		_, _ = fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>%s</RequestID></Response>", e.Code, text(e.Message), requestID)
	default:
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(e.Status)
		_, _ = fmt.Fprintf(w, "<ErrorResponse xmlns=%q>\n  <Error>\n    <Type>Sender</Type>\n    <Code>%s</Code>\n    <Message>%s</Message>\n  </Error>\n  <RequestId>%s</RequestId>\n</ErrorResponse>\n", x.Metadata.XMLNamespace, e.Code, text(e.Message), requestID)
	}
}

// answer writes an output in the form of the protocol, after holding it against the model.
func (x exchange) answer(w http.ResponseWriter, operation string, out Object) {
	op := x.Operations[operation]
	var bad []string
	x.check(op.Output.Shape, "", out, &bad)
	if len(bad) > 0 {
		x.complain("the answer is not of the model: %s", strings.Join(bad, "; "))
	}
	if x.Metadata.Protocol == "json" {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(toJSON(out))
		return
	}
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	var b strings.Builder
	fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%sResponse xmlns=%q>", operation, x.Metadata.XMLNamespace)
	if x.Metadata.Protocol == "ec2" {
		b.WriteString("<requestId>" + requestID + "</requestId>")
		x.members(&b, op.Output.Shape, out)
	} else {
		fmt.Fprintf(&b, "<%s>", op.Output.ResultWrapper)
		x.members(&b, op.Output.Shape, out)
		fmt.Fprintf(&b, "</%s><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata>", op.Output.ResultWrapper, requestID)
	}
	fmt.Fprintf(&b, "</%sResponse>", operation)
	_, _ = io.WriteString(w, b.String())
}

// toJSON has times as the services write them in JSON: seconds since 1970.
func toJSON(v any) any {
	switch v := v.(type) {
	case time.Time:
		return float64(v.UnixMilli()) / 1000
	case Object:
		out := Object{}
		for k, y := range v {
			out[k] = toJSON(y)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = toJSON(v[i])
		}
		return out
	}
	return v
}

func (x exchange) members(b *strings.Builder, name string, o Object) {
	for k, v := range o {
		m := x.Shapes[name].Members[k]
		tag := m.LocationName
		if tag == "" {
			tag = k
		}
		x.element(b, m.Shape, tag, m.Flattened, v)
	}
}

func (x exchange) element(b *strings.Builder, name, tag string, flat bool, v any) {
	s := x.Shapes[name]
	if list, ok := v.([]any); ok {
		inner := s.Member.LocationName
		if inner == "" {
			inner = "member"
		}
		if !flat && !s.Flattened {
			fmt.Fprintf(b, "<%s>", tag)
			defer fmt.Fprintf(b, "</%s>", tag)
			tag = inner
		}
		for _, y := range list {
			x.element(b, s.Member.Shape, tag, false, y)
		}
		return
	}
	fmt.Fprintf(b, "<%s>", tag)
	switch v := v.(type) {
	case Object:
		x.members(b, name, v)
	case time.Time:
		b.WriteString(v.UTC().Format("2006-01-02T15:04:05.000Z"))
	case document: // url.QueryEscape writes a space as a plus, which a policy may not have
		b.WriteString(strings.ReplaceAll(url.QueryEscape(string(v)), "+", "%20"))
	default:
		_ = xml.EscapeText(b, fmt.Append(nil, v))
	}
	fmt.Fprintf(b, "</%s>", tag)
}
