package engine

import (
	"errors"
	"testing"

	"ssm-doctor/checks/iam"
)

func TestChooseRole(t *testing.T) {
	t.Parallel()
	plain, profile, other := iam.Role{Name: "Plain"}, iam.Role{Name: "Node", Profiles: []string{"Node"}}, iam.Role{Name: "Other", Profiles: []string{"Other"}}
	for _, c := range []struct {
		name  string
		roles []iam.Role
		want  string
		got   string // empty: an error
	}{
		{"by name", []iam.Role{plain, profile, other}, "Other", "Other"},
		{"the only one", []iam.Role{plain}, "", "Plain"},
		{"the only one in a profile", []iam.Role{plain, profile}, "", "Node"},
		{"two in profiles", []iam.Role{profile, other}, "", ""},
		{"none", nil, "", ""},
		{"not there", []iam.Role{profile}, "Nod", ""},
	} {
		r, err := ChooseRole(c.roles, c.want)
		if r.Name != c.got || (err == nil) != (c.got != "") || errors.Is(err, ErrNoRole) != (c.name == "not there") {
			t.Errorf("%s: %q, %v", c.name, r.Name, err)
		}
	}
}

func TestEndpointService(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "", "ssm": "ssm", "monitoring": "cloudwatch", "cloudwatch": "cloudwatch"} {
		if got, err := EndpointService(name); got != want || err != nil {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
	if _, err := EndpointService("ssmm"); err == nil {
		t.Error("a service that no action belongs to is accepted")
	}
}

func TestOrganizationLevel(t *testing.T) {
	t.Parallel()
	deny := &iam.Policy{Name: "d", Statements: []iam.Statement{{Actions: []string{"ssm:*"}, Resources: []string{"*"}}}}
	allow := &iam.Policy{Name: "a", Statements: []iam.Statement{{Allow: true, Actions: []string{"*"}, Resources: []string{"*"}}}}
	given := []*iam.Policy{deny}
	if level, completed := OrganizationLevel(given); len(level) != 2 || !completed || len(given) != 1 {
		t.Errorf("only a deny: %d policies, completed %v", len(level), completed)
	}
	if level, completed := OrganizationLevel([]*iam.Policy{deny, allow}); len(level) != 2 || completed {
		t.Errorf("with an allow: %d policies, completed %v", len(level), completed)
	}
}
