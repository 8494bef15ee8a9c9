package iam

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePolicyForms(t *testing.T) {
	t.Parallel()
	const doc = `{"Version":"2012-10-17","Statement":{"Sid":"S","Effect":"Allow","Action":"ssm:*","Resource":["*"]}}`
	quoted, _ := json.Marshal(doc)
	want := &Policy{Version: "2012-10-17", Statements: []Statement{{Sid: "S", Allow: true, Actions: []string{"ssm:*"}, Resources: []string{"*"}}}}
	named := *want
	named.Name = "P"
	control := named
	control.ARN = "arn:aws:organizations::1:policy/o-1/service_control_policy/p-1"
	for name, c := range map[string]struct {
		in   string
		want *Policy
	}{
		"bare":                        {doc, want},
		"byte order mark":             {"\xef\xbb\xbf" + doc, want},
		"list":                        {strings.NewReplacer(`{"Sid"`, `[{"Sid"`, `]}}`, `]}]}`).Replace(doc), want},
		"string":                      {string(quoted), want},
		"url-encoded":                 {url.PathEscape(doc), want},
		"url-encoded string":          {`"` + url.QueryEscape(strings.ReplaceAll(doc, " ", "")) + `"`, want},
		"get-policy-version":          {`{"PolicyVersion":{"Document":` + doc + `,"VersionId":"v2","IsDefaultVersion":true}}`, want},
		"get-policy-version, encoded": {`{"PolicyVersion":{"Document":"` + url.PathEscape(doc) + `","VersionId":"v2"}}`, want},
		"get-role-policy":             {`{"RoleName":"R","PolicyName":"P","PolicyDocument":` + doc + `}`, &named},
		"organizations":               {`{"Policy":{"PolicySummary":{"Id":"p-1","Name":"P","Arn":"` + control.ARN + `"},"Content":` + string(quoted) + `}}`, &control},
		"wrapper":                     {`{"name":"P","arn":null,"document":` + doc + `}`, &named},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParsePolicy([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParsePolicyElements(t *testing.T) {
	t.Parallel()
	got, err := ParsePolicy([]byte(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Deny","NotAction":["iam:*"],"NotResource":"arn:aws:s3:::b","NotPrincipal":{"AWS":"111122223333"},
		 "Condition":{"StringEquals":{"aws:PrincipalTag/x":["a","b"]},"Bool":{"aws:SecureTransport":false},"NumericLessThan":{"k":5}}},
		{"Effect":"Allow","Principal":"*","Action":[],"Resource":[]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Policy{Version: "2012-10-17", Statements: []Statement{
		{NotActions: []string{"iam:*"}, NotResources: []string{"arn:aws:s3:::b"}, NotPrincipals: Principals{"AWS": {"111122223333"}},
			Conditions: []Condition{{"Bool", "aws:SecureTransport", []string{"false"}}, {"NumericLessThan", "k", []string{"5"}}, {"StringEquals", "aws:PrincipalTag/x", []string{"a", "b"}}}},
		{Allow: true, Principals: Principals{"*": {"*"}}, Actions: []string{}, Resources: []string{}},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"empty":                 "",
		"list":                  "[]",
		"no statement":          `{"Version":"2012-10-17"}`,
		"wrong version":         `{"Version":"2012-10-18","Statement":[]}`,
		"unknown element":       `{"Statment":[],"Statement":[]}`,
		"unknown statement key": `{"Statement":{"Effect":"Allow","Actions":"*","Action":"*","Resource":"*"}}`,
		"no effect":             `{"Statement":{"Action":"*","Resource":"*"}}`,
		"wrong effect":          `{"Statement":{"Effect":"allow","Action":"*","Resource":"*"}}`,
		"no action":             `{"Statement":{"Effect":"Allow","Resource":"*"}}`,
		"both actions":          `{"Statement":{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}}`,
		"both resources":        `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","NotResource":"*"}}`,
		"nested value":          `{"Statement":{"Effect":"Allow","Action":[["*"]],"Resource":"*"}}`,
		"principal":             `{"Statement":{"Effect":"Allow","Principal":"root","Action":"*","Resource":"*"}}`,
		"two Statements":        `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"},"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`,
		"two Conditions":        `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":"true"}},"Condition":{}}]}`,
		"one condition twice":   `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":"true","a:b":["false"]}}}]}`,
		"wrapped too deep":      `{"Document":{"Document":{"Document":{"Document":{"Document":{"Document":{"Statement":[]}}}}}}}`,
	} {
		if p, err := ParsePolicy([]byte(in)); err == nil {
			t.Errorf("%s: accepted as %+v", name, p)
		}
	}
	if _, err := ParsePolicy(make([]byte, maxPolicy+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("size limit: %v", err)
	}
	many := `{"Statement":{"Effect":"Allow","Resource":"*","Action":[` + strings.TrimSuffix(strings.Repeat(`"a",`, maxValues+1), ",") + `]}}`
	if _, err := ParsePolicy([]byte(many)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("value limit: %v", err)
	}
}

// TestParseGrant: what is attached to a role names resources, and no principal.
func TestParseGrant(t *testing.T) {
	t.Parallel()
	for in, good := range map[string]bool{
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`:                            true,
		`{"Statement":{"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::b"}}`:             true,
		`{"Statement":{"Effect":"Allow","Action":"Resource","Resource":["Resource","Resource"]}}`: true,
		`{"Statement":{"Effect":"Allow","Action":"*"}}`:                                           false,
		`{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`:            false,
		`{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":"1"},"Action":"*","Resource":"*"}}`:  false,
	} {
		if _, err := ParsePolicy([]byte(in)); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if _, err := ParseGrant([]byte(in)); (err == nil) != good {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	entries, err := documents.ReadDir("data/policies")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		b, _ := documents.ReadFile("data/policies/" + e.Name())
		f.Add(b)
	}
	f.Add([]byte(`"%7B%22Statement%22%3A%5B%5D%7D"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePolicy(b)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Errorf("message of %d bytes", len(err.Error()))
			}
			return
		}
		for _, s := range p.Statements {
			if (s.Actions == nil) == (s.NotActions == nil) {
				t.Errorf("statement with neither or both of Action and NotAction: %+v", s)
			}
		}
		d := Evaluate(Layers{Identity: []*Policy{p}, SCP: [][]*Policy{{p}}}, Request{Action: "ssm:GetDocument"})
		if d.Verdict == "" || d.Layer == "" {
			t.Errorf("no verdict: %+v", d)
		}
	})
}
