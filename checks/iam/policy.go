// Package iam knows what a policy document grants, what a refusal says and
// which actions each Systems Manager feature needs. It is pure: no network, no
// files but the embedded data.
package iam

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"ssm-doctor/checks/sorting"
)

// Limits on foreign documents; quotas are those of "IAM and AWS STS quotas" in
// the IAM user guide.
const (
	maxPolicy     = 256 << 10 // bytes; the largest real quota is 20 KiB
	maxStatements = 2000
	maxValues     = 20000 // strings in one document
)

// Policy is one policy document.
type Policy struct {
	Name string // set by the caller or from a wrapper; not part of the document
	ARN  string
	// Version is the language version; policy variables work in 2012-10-17 only.
	Version    string
	Statements []Statement
}

// Statement is one statement. Of each pair (Actions/NotActions ...) one is in use.
type Statement struct {
	Sid           string
	Allow         bool
	Actions       []string
	NotActions    []string
	Resources     []string
	NotResources  []string
	Principals    Principals
	NotPrincipals Principals
	Conditions    []Condition
}

// Principals maps a kind (AWS, Service, Federated, CanonicalUser, or * for any
// principal) to its values; nil when the statement names none.
type Principals map[string][]string

// Condition is one operator on one key. Values are alternatives.
type Condition struct {
	Operator string
	Key      string
	Values   []string
}

// ErrTooLarge is returned for documents over the limits of this package.
var ErrTooLarge = errors.New("policy document too large")

// ParsePolicy reads a policy document. It accepts the bare document, the output
// of get-policy-version, get-role-policy and describe-policy of organizations,
// wrappers with a "document" member, and URL-encoded documents.
func ParsePolicy(b []byte) (*Policy, error) {
	if len(b) > maxPolicy {
		return nil, ErrTooLarge
	}
	return parsePolicy(b, 0)
}

// trimText is a document without the byte order mark and spaces around it.
func trimText(b []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
}

func parsePolicy(b []byte, depth int) (*Policy, error) {
	if depth > 4 {
		return nil, errors.New("policy document: wrapped too deep")
	}
	b = trimText(b)
	switch {
	case len(b) == 0:
		return nil, errors.New("policy document: empty")
	case b[0] == '%':
		s, err := url.PathUnescape(string(b))
		if err != nil {
			return nil, fmt.Errorf("policy document: %w", err)
		}
		return parsePolicy([]byte(s), depth+1)
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return nil, fmt.Errorf("policy document: %w", err)
		}
		return parsePolicy([]byte(s), depth+1)
	case b[0] != '{':
		return nil, errors.New("policy document: not a JSON object")
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("policy document: %w", err)
	}
	if k, ok := findRepeatedKey(b); ok {
		return nil, fmt.Errorf("policy document: element %q twice", clip(k))
	}
	if _, ok := m["Statement"]; !ok {
		for _, wrap := range []string{"PolicyVersion", "Document", "PolicyDocument", "document", "Policy", "ResourcePolicy", "Content"} {
			if inner, ok := m[wrap]; ok {
				p, err := parsePolicy(inner, depth+1)
				if err != nil {
					return nil, err
				}
				nameFromWrapper(p, m, "PolicyName", "name", "PolicyId")
				summary := struct{ Name, Arn string }{}
				_ = json.Unmarshal(m["PolicySummary"], &summary) // of aws organizations describe-policy
				p.Name, p.ARN = cmp.Or(p.Name, summary.Name), cmp.Or(p.ARN, summary.Arn)
				if arn := stringOf(m["arn"]); arn != "" && p.ARN == "" {
					p.ARN = arn
				}
				return p, nil
			}
		}
		return nil, errors.New("policy document: no Statement")
	}
	return parseDocument(m)
}

// findRepeatedKey finds a key that an object of a JSON document has twice. AWS refuses
// such a document; taking the last one would lose what the first says.
func findRepeatedKey(b []byte) (key string, found bool) {
	type level struct {
		keys  map[string]bool // nil: a list
		value bool            // the next token is a value
	}
	var open []level
	d := json.NewDecoder(bytes.NewReader(b))
	for {
		t, err := d.Token()
		if err != nil {
			return "", false
		}
		if n := len(open) - 1; n >= 0 && open[n].keys != nil && t != json.Delim('}') {
			open[n].value = !open[n].value
			if k, ok := t.(string); ok && open[n].value {
				if open[n].keys[k] {
					return k, true
				}
				open[n].keys[k] = true
				continue
			}
		}
		switch t {
		case json.Delim('{'):
			open = append(open, level{keys: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
	}
}

// ParseGrant reads a policy document that speaks of whom it is attached to: one
// of a role, a boundary, a session or an organisation's control of services.
// AWS refuses one that names a principal, or no resource.
func ParseGrant(b []byte) (*Policy, error) {
	p, err := ParsePolicy(b)
	if err != nil {
		return nil, err
	}
	for i, s := range p.Statements {
		switch {
		case s.Principals != nil || s.NotPrincipals != nil:
			return nil, fmt.Errorf("policy document: statement %d: names a Principal, which only policies of resources, endpoints and trust do", i+1)
		case s.Resources == nil && s.NotResources == nil:
			return nil, fmt.Errorf("policy document: statement %d: needs Resource or NotResource", i+1)
		}
	}
	return p, nil
}

// nameFromWrapper takes the name of a policy from the first of some keys beside it.
func nameFromWrapper(p *Policy, m map[string]json.RawMessage, keys ...string) {
	for _, k := range keys {
		if s := stringOf(m[k]); s != "" && p.Name == "" {
			p.Name = s
		}
	}
}

// stringOf is a JSON string, or "" when it is anything else.
func stringOf(b json.RawMessage) string {
	var s string
	if json.Unmarshal(b, &s) != nil {
		return ""
	}
	return s
}

func parseDocument(m map[string]json.RawMessage) (*Policy, error) {
	p := &Policy{}
	for k := range m {
		switch k {
		case "Version", "Id", "Statement":
		default:
			return nil, fmt.Errorf("policy document: unknown element %q", clip(k))
		}
	}
	if v, ok := m["Version"]; ok {
		p.Version = stringOf(v)
		if p.Version != "2012-10-17" && p.Version != "2008-10-17" {
			return nil, fmt.Errorf("policy document: unknown version %q", clip(p.Version))
		}
	}
	raw := bytes.TrimSpace(m["Statement"])
	var list []map[string]json.RawMessage
	if len(raw) > 0 && raw[0] == '{' {
		raw = slices.Concat([]byte{'['}, raw, []byte{']'})
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("policy document: Statement: %w", err)
	}
	if len(list) > maxStatements {
		return nil, ErrTooLarge
	}
	left := maxValues
	for i, sm := range list {
		s, err := parseStatement(sm, &left)
		if err != nil {
			return nil, fmt.Errorf("policy document: statement %d: %w", i+1, err)
		}
		p.Statements = append(p.Statements, s)
	}
	return p, nil
}

func parseStatement(m map[string]json.RawMessage, left *int) (Statement, error) {
	var s Statement
	var err error
	for k, v := range m {
		switch k {
		case "Sid":
			s.Sid = shownName(stringOf(v))
		case "Effect":
			switch e := stringOf(v); e {
			case "Allow":
				s.Allow = true
			case "Deny":
			default:
				return s, fmt.Errorf("unknown Effect %q", clip(e))
			}
		case "Action":
			s.Actions, err = parseStrings(v, left)
		case "NotAction":
			s.NotActions, err = parseStrings(v, left)
		case "Resource":
			s.Resources, err = parseStrings(v, left)
		case "NotResource":
			s.NotResources, err = parseStrings(v, left)
		case "Principal":
			s.Principals, err = parsePrincipals(v, left)
		case "NotPrincipal":
			s.NotPrincipals, err = parsePrincipals(v, left)
		case "Condition":
			s.Conditions, err = parseConditions(v, left)
		default:
			return s, fmt.Errorf("unknown element %q", clip(k))
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", k, err)
		}
	}
	switch {
	case m["Effect"] == nil:
		return s, errors.New("no Effect")
	case (m["Action"] == nil) == (m["NotAction"] == nil):
		return s, errors.New("needs one of Action and NotAction")
	case m["Resource"] != nil && m["NotResource"] != nil:
		return s, errors.New("has both Resource and NotResource")
	case m["Principal"] != nil && m["NotPrincipal"] != nil:
		return s, errors.New("has both Principal and NotPrincipal")
	}
	return s, nil
}

// parseStrings reads a string or a list of strings; booleans and numbers of
// conditions are taken as written. The result is never nil.
func parseStrings(b json.RawMessage, left *int) ([]string, error) {
	b = bytes.TrimSpace(b)
	list := []json.RawMessage{b}
	if len(b) > 0 && b[0] == '[' {
		list = nil
		if err := json.Unmarshal(b, &list); err != nil {
			return nil, err
		}
	}
	if *left -= len(list); *left < 0 {
		return nil, ErrTooLarge
	}
	out := make([]string, 0, len(list))
	for _, v := range list {
		var x any
		dec := json.NewDecoder(bytes.NewReader(v))
		dec.UseNumber()
		if err := dec.Decode(&x); err != nil {
			return nil, err
		}
		switch x := x.(type) {
		case string:
			out = append(out, x)
		case bool, json.Number:
			out = append(out, fmt.Sprint(x))
		default:
			return nil, errors.New("neither a string nor a list of strings")
		}
	}
	return out, nil
}

func parsePrincipals(b json.RawMessage, left *int) (Principals, error) {
	if s := stringOf(b); s != "" {
		if s != "*" {
			return nil, fmt.Errorf("principal %q is not an object", clip(s))
		}
		return Principals{"*": {"*"}}, nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	out := Principals{}
	for k, v := range m {
		vs, err := parseStrings(v, left)
		if err != nil {
			return nil, err
		}
		out[k] = vs
	}
	return out, nil
}

func parseConditions(b json.RawMessage, left *int) ([]Condition, error) {
	var m map[string]map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, err
	}
	var out []Condition
	for op, keys := range m {
		for key, v := range keys {
			vs, err := parseStrings(v, left)
			if err != nil {
				return nil, err
			}
			out = append(out, Condition{op, key, vs})
		}
	}
	sorting.By(out, func(a, b Condition) int {
		return strings.Compare(a.Operator+"\x00"+a.Key, b.Operator+"\x00"+b.Key)
	})
	return out, nil
}

// clip is what may be shown of a word of a document that is not what it should be: it is
// letters, or numbers as in a date, and short.
func clip(s string) string {
	if len(s) > 60 || strings.Trim(s, "0123456789-") != "" && strings.IndexFunc(s, func(c rune) bool { return (c|0x20 < 'a' || c|0x20 > 'z') && c != ':' }) >= 0 {
		return gap
	}
	return s
}

// gap stands for what is not shown.
const gap = "[…]"

// shownName is what may be shown of the name of a role, policy or statement: a name as
// IAM takes it, or words.
func shownName(s string) string {
	words := strings.Fields(s)
	for _, w := range words {
		for _, c := range w {
			plain := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '-'
			if !plain && (len(words) > 1 || (c < '0' || c > '9') && !strings.ContainsRune("+,.@/", c)) {
				return gap
			}
		}
	}
	if len(s) > 128 || strings.HasPrefix(s, "-") {
		return gap
	}
	return strings.Join(words, " ")
}
