package iam

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

const ec2Trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// described is a role as get-account-authorization-details has it.
func described(name, trust, inline, boundary string, attached ...string) map[string]any {
	r := map[string]any{"RoleName": name, "Arn": "arn:aws:iam::111122223333:role/" + name, "AssumeRolePolicyDocument": json.RawMessage(trust), "InstanceProfileList": []any{map[string]any{"InstanceProfileName": name}}}
	var list []any
	for _, a := range attached {
		list = append(list, map[string]any{"PolicyName": lastSegment(a), "PolicyArn": a})
	}
	r["AttachedManagedPolicies"] = list
	if inline != "" {
		r["RolePolicyList"] = []any{map[string]any{"PolicyName": "inline", "PolicyDocument": json.RawMessage(inline)}}
	}
	if boundary != "" {
		r["PermissionsBoundary"] = map[string]any{"PermissionsBoundaryArn": boundary}
	}
	return r
}

func detailsOf(t testing.TB, list ...map[string]any) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{"RoleDetailList": list, "Policies": []any{map[string]any{"PolicyName": "none", "Arn": "arn:aws:iam::111122223333:policy/none", "PolicyVersionList": []any{map[string]any{"IsDefaultVersion": true, "Document": json.RawMessage(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rolesOf(t testing.TB, list ...map[string]any) []Role {
	t.Helper()
	roles, err := RolesOfProfiles(detailsOf(t, list...))
	if err != nil {
		t.Fatal(err)
	}
	return roles
}

func TestAudit(t *testing.T) {
	t.Parallel()
	core, old := PolicyARN(Core, "aws"), PolicyARN(Deprecated, "aws")
	for _, tt := range []struct {
		name                  string
		role                  map[string]any
		ready, trust          string // a feature that is ready; empty: core is not
		attach, detach, loses string
		denied, deprecated    bool
	}{
		{"core", described("a", ec2Trust, "", "", core), "session-manager", "yes", "", "", "", false, false},
		{"nothing", described("a", ec2Trust, "", ""), "", "yes", Core, "", "", false, false},
		{"deprecated", described("a", ec2Trust, "", "", old), "core", "yes", Core, Deprecated, "domain-join", false, true},
		{"deprecated beside core", described("a", ec2Trust, "", "", old, core), "core", "yes", "", Deprecated, "domain-join", false, true},
		{"another trust", described("a", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`, "", "", core), "core", "no", "", "", "", false, false},
		{"everything", described("a", ec2Trust, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, ""), "domain-join", "yes", "", "", "", false, false},
		{"boundary", described("a", ec2Trust, "", "arn:aws:iam::111122223333:policy/none"), "", "yes", "", "", "", true, false},
		{"a document is missing", described("a", ec2Trust, "", "", "arn:aws:iam::111122223333:policy/gone"), "unknown", "yes", Core, "", "", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rows := Audit(rolesOf(t, tt.role), Target{Region: "eu-central-1"})
			if len(rows) != 1 {
				t.Fatalf("%d rows", len(rows))
			}
			r := rows[0]
			switch tt.ready {
			case "":
				if !slices.Contains(r.NotReady, "core") {
					t.Errorf("not ready: %q", r.NotReady)
				}
			case "unknown":
				if !slices.Contains(r.Unknown, "core") || len(r.Missing) != 1 {
					t.Errorf("unknown: %q, missing %q", r.Unknown, r.Missing)
				}
			default:
				if !slices.Contains(r.Ready, tt.ready) {
					t.Errorf("ready: %q", r.Ready)
				}
			}
			lost := ""
			for _, l := range r.Loses {
				if l.Feature == tt.loses {
					lost = l.Feature
				}
			}
			if r.Trust != tt.trust || firstOf(r.Attach) != tt.attach || firstOf(r.Detach) != tt.detach || lost != tt.loses || r.Denied != tt.denied || r.Deprecated != tt.deprecated {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestAuditTakesProfilesOnly(t *testing.T) {
	t.Parallel()
	r := described("a", ec2Trust, "", "")
	delete(r, "InstanceProfileList")
	if rows := Audit(rolesOf(t, r), Target{}); len(rows) != 0 {
		t.Errorf("got %+v", rows)
	}
}

// BenchmarkAudit: 5,000 roles, each with an inline policy of its own and managed ones.
func BenchmarkAudit(b *testing.B) {
	var list []map[string]any
	for i := range 5000 {
		inline := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","ssm:GetParameter"],"Resource":"arn:aws:s3:::bucket-%d/*"}]}`, i)
		list = append(list, described(fmt.Sprint("role-", i), ec2Trust, inline, "", []string{PolicyARN(Core, "aws"), PolicyARN(Deprecated, "aws")}[i%2]))
	}
	text := detailsOf(b, list...)
	for b.Loop() {
		roles, err := RolesOfProfiles(text)
		if err != nil {
			b.Fatal(err)
		}
		if rows := Audit(roles, Target{Region: "eu-central-1"}); len(rows) != 5000 {
			b.Fatal(len(rows))
		}
	}
}
