//go:build !race

// The race detector makes this slow, and it is about text.

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/sim"
	"ssm-doctor/checks/factstest"
)

// foreignForms are how a secret stands in facts that anybody may have written.
var foreignForms = secretForms

// said runs the program and returns all that it says.
func said(t *testing.T, stdin []byte, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	a := &app{in: bytes.NewReader(stdin), out: &out, err: &out, getenv: func(string) string { return "" }}
	a.run(t.Context(), func() {}, args)
	return out.String()
}

// TestNoSecretOfFacts puts a secret into every place of the facts of three hosts, one at
// a time, and looks for it in every format and file of what judges them.
func TestNoSecretOfFacts(t *testing.T) {
	t.Parallel()
	leaves := factstest.Leaves()
	for k, kind := range []string{"profile", "hybrid", "windows"} { // each place on one of them; on all: 90 s
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			healthy := factstest.Healthy(t, kind)
			for i, l := range leaves {
				if l.Name == "Schema" || i%3 != k && os.Getenv("SSM_DOCTOR_SECRETS") != "all" {
					continue
				}
				secret := fmt.Sprintf("Zq%03dxK%02dwTr8", i, k)
				form := foreignForms[(i+k*13)%len(foreignForms)]
				f := factstest.Clone(healthy)
				l.Put(f, fmt.Sprintf(form, secret))
				b, err := json.Marshal(f)
				if err != nil {
					t.Fatal(err)
				}
				a := &app{in: bytes.NewReader(b), err: &bytes.Buffer{}, getenv: func(string) string { return "" }}
				read, err := a.readFacts("-", false)
				if err != nil {
					continue // what is no number or time is said by its place
				}
				out := everyFormat(t, engine.Judge(read, engine.Options{}))
				if i%9 == k { // the commands themselves are slower
					text := filepath.Join(dir, fmt.Sprintf("%d.prom", i))
					out["check"] = said(t, b, "check", "-v", "--from", "-", "--textfile", text)
					out["permissions"] = said(t, b, "permissions", "--from", "-", "-o", "wide")
					prom, err := os.ReadFile(text)
					out["textfile"] = string(prom)
					if err != nil {
						t.Errorf("%s: %v", l.Name, err)
					}
				}
				for where, text := range out {
					if at := strings.Index(text, secret); at >= 0 {
						t.Errorf("%s, %q: in %s: …%s…", l.Name, form, where, text[max(0, at-100):min(len(text), at+60)])
					}
				}
			}
		})
	}
}

// TestForeignFactsJudgedAlike: what is taken out of facts is not what the verdict rests on.
func TestForeignFactsJudgedAlike(t *testing.T) {
	t.Parallel()
	for _, name := range sim.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := sim.New(name)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			r, f := engine.Run(t.Context(), h.Env(), engine.Options{})
			b, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			a := &app{in: bytes.NewReader(b), err: &bytes.Buffer{}, getenv: func(string) string { return "" }}
			read, err := a.readFacts("-", false)
			if err != nil {
				t.Fatal(err)
			}
			got := engine.Judge(read, engine.Options{})
			if got.State != r.State || (got.RootCause == nil) != (r.RootCause == nil) || r.RootCause != nil && got.RootCause.ID != r.RootCause.ID {
				t.Errorf("%s %+v, was %s %+v", got.State, got.RootCause, r.State, r.RootCause)
			}
			for i, c := range r.Checks {
				if got.Checks[i].Status != c.Status || got.Checks[i].Summary.String() != c.Summary.String() {
					t.Errorf("%s: %s %q, was %s %q", c.ID, got.Checks[i].Status, got.Checks[i].Summary, c.Status, c.Summary)
				}
			}
		})
	}
}

// TestNoSecretOfPolicies puts secrets into every place of policy documents: what is said
// of them, and of what cannot be read, holds none.
func TestNoSecretOfPolicies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	places := map[string]string{
		"sid":       `{"Version":"2012-10-17","Statement":[{"Sid":%s,"Effect":"Deny","Action":"ssm:*","Resource":"*"}]}`,
		"id":        `{"Version":"2012-10-17","Id":%s,"Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"*"}]}`,
		"version":   `{"Version":%s,"Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"*"}]}`,
		"effect":    `{"Statement":[{"Effect":%s,"Action":"ssm:*","Resource":"*"}]}`,
		"action":    `{"Statement":[{"Effect":"Allow","Action":[%s,"ssm:*"],"Resource":"*"}]}`,
		"resource":  `{"Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":%s}]}`,
		"condition": `{"Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/x":%s}}}]}`,
		"key":       `{"Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"*","Condition":{"StringEquals":{%s:"x"}}}]}`,
		"operator":  `{"Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"*","Condition":{%s:{"aws:x":"x"}}}]}`,
		"principal": `{"Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"*","Principal":{"AWS":%s}}]}`,
		"unknown":   `{%s:"x","Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"*"}]}`,
		"broken":    `{"Statement":[{"Effect":"Deny" %s`,
		"role":      `{"RoleDetailList":[{"RoleName":%s,"Arn":"arn:aws:iam::1:role/r","RolePolicyList":[{"PolicyName":"p","PolicyDocument":{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}}]}]}`,
		"name":      `{"RoleDetailList":[{"RoleName":"r","Arn":"arn:aws:iam::1:role/r","RolePolicyList":[{"PolicyName":%s,"PolicyDocument":{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}}]}]}`,
	}
	const whole = `{"RoleDetailList":[{"RoleName":"r","Path":"/","Arn":"arn:aws:iam::111122223333:role/r","AssumeRolePolicyDocument":{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}},` +
		`"RolePolicyList":[{"PolicyName":"p","PolicyDocument":{"Statement":{"Effect":"Allow","Action":"ssm:UpdateInstanceInformation","Resource":"*"}}}],"AttachedManagedPolicies":[{"PolicyName":"a","PolicyArn":"arn:aws:iam::111122223333:policy/a"}],` +
		`"InstanceProfileList":[{"InstanceProfileName":"i","Arn":"arn:aws:iam::111122223333:instance-profile/i"}],"Tags":[{"Key":"k","Value":"v"}]}],"Policies":[{"PolicyName":"a","Arn":"arn:aws:iam::111122223333:policy/a","DefaultVersionId":"v1","PolicyVersionList":[{"VersionId":"v1","IsDefaultVersion":true,"Document":{"Statement":{"Sid":"s","Effect":"Deny","Action":"ssm:*","Resource":"*"}}}]}]}`
	for what, value := range map[string]string{"all: role": `"r"`, "all: arn": `"arn:aws:iam::111122223333:role/r"`, "all: trusted": `"ec2.amazonaws.com"`, "all: action": `"ssm:UpdateInstanceInformation"`, "all: policy": `"p"`, "all: attached": `"arn:aws:iam::111122223333:policy/a"`,
		"all: profile": `"i"`, "all: profile's arn": `"arn:aws:iam::111122223333:instance-profile/i"`, "all: tag": `"v"`, "all: version": `"v1"`, "all: sid": `"s"`, "all: effect": `"Deny"`} {
		places[what] = strings.ReplaceAll(whole, value, "%s")
	}
	for p, place := range slices.Sorted(maps.Keys(places)) {
		for i, form := range foreignForms {
			if i%3 != p%3 && os.Getenv("SSM_DOCTOR_SECRETS") != "all" {
				continue
			}
			if strings.Contains("role name sid all: role all: policy all: profile all: sid", place) && (strings.HasPrefix(form, "pass=") || !strings.ContainsAny(form, " :'\"=;#?<")) {
				continue // a name as IAM takes it
			}
			secret := fmt.Sprintf("Zq%02dxK%02dwTr8", p, i)
			written := fmt.Sprintf(form, secret)
			name := filepath.Join(dir, fmt.Sprintf("%d-%d.json", p, i))
			if err := os.WriteFile(name, []byte(strings.ReplaceAll(places[place], "%s", quoted(written))), 0o600); err != nil {
				t.Fatal(err)
			}
			ways := [][]string{{"--policy", name}, {"--policy", name, "-o", "json"}, {"--policy", name, "-o", "wide"}, {"--policy", "testdata/none.json", "--scp", name}, {"--diff", name, name}}
			if strings.HasPrefix(place, "all: ") {
				ways = [][]string{{"--policy", name, "--all", "--no-redact"}, {"--policy", name, "--all", "-o", "csv", "--no-redact"}, {"--policy", name, "--all", "-o", "json", "--no-redact"}}
			}
			for _, args := range ways {
				if at := said(t, nil, append([]string{"permissions"}, args...)...); strings.Contains(at, secret) {
					t.Errorf("%s, %q, %v: %s", place, form, args[:1], strings.ReplaceAll(at[max(0, strings.Index(at, secret)-150):min(len(at), strings.Index(at, secret)+40)], dir, ""))
					break
				}
			}
		}
	}
}
