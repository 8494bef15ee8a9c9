package iam

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTrust(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, service string }{{"ec2", "ec2.amazonaws.com"}, {"hybrid", "ssm.amazonaws.com"}, {"dhmc", "ssm.amazonaws.com"}} {
		b, err := Trust(c.kind, Target{Partition: "aws-cn", Region: "cn-north-1", Account: "111122223333"})
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParsePolicy(b)
		if err != nil {
			t.Fatal(err)
		}
		s := p.Statements[0]
		if !s.Allow || !slices.Equal(s.Actions, []string{"sts:AssumeRole"}) || !slices.Equal(s.Principals["Service"], []string{c.service}) {
			t.Errorf("%s: %s", c.kind, b)
		}
		if strings.Contains(string(b), "ACCOUNT_ID") || strings.Contains(string(b), "REGION") || strings.Contains(string(b), "arn:aws:") {
			t.Errorf("%s is not filled in: %s", c.kind, b)
		}
	}
	if b, _ := Trust("hybrid", Target{}); !strings.Contains(string(b), `"arn:aws:ssm:REGION:ACCOUNT_ID:*"`) {
		t.Errorf("placeholders are gone: %s", b)
	}
	if _, err := Trust("lambda", Target{}); err == nil {
		t.Error("unknown kind accepted")
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	carried := func(names ...string) Layers {
		l := Layers{Identity: []*Policy{}}
		for _, n := range names {
			l.Identity = append(l.Identity, documentByName(n).Policy)
		}
		return l
	}
	diff := func(before, after Layers) Difference {
		side := func(l Layers) Side {
			s := Side{Verdicts: map[string]Verdict{}}
			for _, a := range Actions() {
				s.Verdicts[a.Action] = Evaluate(l, requestFor(a)).Verdict
			}
			return s
		}
		return Diff("eu-west-1", side(before), side(after))
	}
	byID := func(list []Change) map[string]Change {
		out := map[string]Change{}
		for _, c := range list {
			out[c.ID] = c
		}
		return out
	}
	d := diff(carried(Deprecated), carried(Core))
	features := byID(d.Features)
	for _, id := range []string{"run-command-output-s3", "run-command-output-logs", "session-log-s3", "session-log-cloudwatch", "domain-join", "cloudwatch-agent"} {
		if x := cmp.Diff(Change{id, ServedYes, ServedNo}, features[id]); x != "" {
			t.Error(x)
		}
	}
	if x := cmp.Diff(Change{"parameter-store", ServedNo, ServedYes}, features["parameter-store"]); x != "" {
		t.Error(x)
	}
	want := map[string]Change{} // of every row
	served := map[bool]Served{true: ServedYes, false: ServedNo}
	for _, f := range Features() {
		if old, core := f.CoverageBy(Deprecated).Result == "full", f.CoverageBy(Core).Result == "full"; old != core {
			want[f.ID] = Change{f.ID, served[old], served[core]}
		}
	}
	if x := cmp.Diff(want, features); x != "" {
		t.Error(x)
	}
	actions := byID(d.Actions)
	if !actions["s3:PutObject"].Lost() || actions["ssm:GetParameter"].Lost() {
		t.Errorf("actions: %v", actions)
	}
	for _, a := range Actions() { // both grant what they grant without limits
		_, old := a.GrantedBy[Deprecated]
		_, core := a.GrantedBy[Core]
		if c, changed := actions[a.Action]; changed != (old != core) || changed && c.Lost() != old {
			t.Errorf("%s: %+v, granted by the old policy: %v, by the new one: %v", a.Action, c, old, core)
		}
	}
	if d := diff(carried(Core), carried(Core)); d.Features != nil || d.Actions != nil {
		t.Errorf("no change: %+v", d)
	}
	limited := byID(diff(carried(Deprecated), carried("custom-RunCommandOutputS3")).Features)["run-command-output-s3"]
	if limited.New != ServedLimited || !limited.Lost() {
		t.Errorf("one bucket instead of all: %+v", limited)
	}
	scp := carried(Core)
	scp.SCP = [][]*Policy{{doc(t, "scp", allowAll, `{"Effect":"Deny","Action":"ssmmessages:*","Resource":"*"}`)}}
	if c := byID(diff(carried(Core), scp).Features)["session-manager"]; c.New != ServedNo {
		t.Errorf("an SCP that denies the channel: %+v", c)
	}
	// The old policy of 2016 still runs commands over ec2messages.
	if c := byID(diff(carried(Core), carried("RunCommandInstance")).Features); c["run-command"].ID != "" || c["session-manager"].New != ServedNo {
		t.Errorf("RunCommandInstance: %+v", c)
	}
	// What a missing document grants is not known, so nothing is lost.
	one := Side{Verdicts: map[string]Verdict{"ssm:PutInventory": Allow}}
	none := Side{Verdicts: map[string]Verdict{}, Incomplete: true}
	for _, a := range Actions() {
		none.Verdicts[a.Action] = Unknown
		if one.Verdicts[a.Action] == "" {
			one.Verdicts[a.Action] = Unknown
		}
	}
	if c := byID(Diff("", one, none).Actions)["ssm:PutInventory"]; c.New != ServedUnknown || c.Lost() || c.Known() {
		t.Errorf("a missing document: %+v", c)
	}
}

const details = `{"UserDetailList":[],"GroupDetailList":[],"RoleDetailList":[
 {"RoleName":"Node","Path":"/","Arn":"arn:aws:iam::111122223333:role/Node","InstanceProfileList":[{"InstanceProfileName":"NodeProfile"}],
  "AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]},
  "RolePolicyList":[{"PolicyName":"inline","PolicyDocument":ENCODED}],
  "AttachedManagedPolicies":[{"PolicyName":"Mine","PolicyArn":"arn:aws:iam::111122223333:policy/Mine"},
   {"PolicyName":"AmazonSSMManagedInstanceCore","PolicyArn":"arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
   {"PolicyName":"ReadOnlyAccess","PolicyArn":"arn:aws:iam::aws:policy/ReadOnlyAccess"},
   {"PolicyName":"AmazonSSMFullAccess","PolicyArn":"arn:aws:iam::444455556666:policy/AmazonSSMFullAccess"}],
  "PermissionsBoundary":{"PermissionsBoundaryType":"Policy","PermissionsBoundaryArn":"arn:aws:iam::111122223333:policy/Mine"}},
 {"RoleName":"Bare","Arn":"arn:aws:iam::111122223333:role/Bare","InstanceProfileList":[],"RolePolicyList":[],"AttachedManagedPolicies":[]}],
 "Policies":[{"PolicyName":"Mine","Arn":"arn:aws:iam::111122223333:policy/Mine","PolicyVersionList":[
  {"VersionId":"v2","IsDefaultVersion":true,"Document":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ssm:*","Resource":"*"}]}},
  {"VersionId":"v1","IsDefaultVersion":false,"Document":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}}]}]}`

func detailsText() []byte {
	inline, _ := json.Marshal(url.PathEscape(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"ssm:PutInventory","Resource":"*"}]}`))
	return []byte(strings.Replace(details, "ENCODED", string(inline), 1))
}

func TestParseAuthorizationDetails(t *testing.T) {
	t.Parallel()
	b := detailsText()
	if !IsAuthorizationDetails(b) || IsAuthorizationDetails([]byte(`{"Statement":[]}`)) {
		t.Error("not told apart from a policy")
	}
	b = append([]byte("\xef\xbb\xbf"), b...)
	if !IsAuthorizationDetails(b) {
		t.Error("not known with a byte order mark")
	}
	roles, err := ParseAuthorizationDetails(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range roles {
		if roles[i], err = roles[i].WithDocuments(b); err != nil {
			t.Fatal(err)
		}
	}
	node := roles[0]
	var names []string
	for _, p := range node.Identity {
		names = append(names, p.Name)
	}
	if d := cmp.Diff([]string{"inline", "Mine", "AmazonSSMManagedInstanceCore"}, names); d != "" {
		t.Error(d)
	}
	// A policy that only shares the name of a carried one is another.
	if d := cmp.Diff([]string{"ReadOnlyAccess", "AmazonSSMFullAccess"}, node.Missing); d != "" {
		t.Error(d)
	}
	if node.Trust == nil || !slices.Equal(node.Profiles, []string{"NodeProfile"}) || len(node.Boundary) != 1 {
		t.Errorf("%+v", node)
	}
	verdict := func(r Role, action string) Verdict {
		return Evaluate(Layers{Identity: r.Identity, Boundary: r.Boundary}, Request{Action: action, Resource: "*"}).Verdict
	}
	for action, want := range map[string]Verdict{"ssm:GetDocument": Allow, "ssm:PutInventory": ExplicitDeny, "ssmmessages:CreateControlChannel": ImplicitDeny, "s3:GetObject": ImplicitDeny} {
		if v := verdict(node, action); v != want {
			t.Errorf("%s: %s, want %s", action, v, want)
		}
	}
	if v := verdict(roles[1], "ssm:GetDocument"); v != ImplicitDeny {
		t.Errorf("a role without policies: %s", v)
	}
	for _, bad := range []string{"", "[]", "{}", `{"RoleDetailList":3}`, `{"RoleDetailList":[],"RoleDetailList":[{"RoleName":"x"}]}`, `{"RoleDetailList":[{"RoleName":"` + strings.Repeat("x", 4*maxMember) + `"}]}`, `{"RoleDetailList":[` + strings.Repeat("{},", maxRoles) + `{}]}`, `{"RoleDetailList":[{"RoleName":"x","RolePolicyList":[{"PolicyName":"p","PolicyDocument":{}}]}]}`} {
		roles, err := ParseAuthorizationDetails([]byte(bad))
		if err == nil && len(roles) > 0 {
			_, err = roles[0].WithDocuments([]byte(bad))
		}
		if err == nil {
			t.Errorf("%.100q accepted", bad)
		}
	}
}

func FuzzParseAuthorizationDetails(f *testing.F) {
	// A long seed makes long inputs of all that come of it.
	for _, s := range []string{`{"RoleDetailList":[]}`, `{"RoleDetailList":[{"RoleName":"r","Arn":"arn:aws:iam::1:role/r","AssumeRolePolicyDocument":"%7B%7D","RolePolicyList":[{"PolicyName":"p","PolicyDocument":{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}}]}]}`,
		`{"RoleDetailList":[{"RoleName":"r","AttachedManagedPolicies":[{"PolicyName":"p","PolicyArn":"arn:aws:iam::1:policy/p"}]}],"Policies":[{"Arn":"arn:aws:iam::1:policy/p","PolicyVersionList":[{"IsDefaultVersion":true,"Document":"{}"}]}]}`,
		`{"RoleDetailList":[{"RoleName":"r","PermissionsBoundary":{"PermissionsBoundaryArn":"arn:aws:iam::aws:policy/ReadOnlyAccess"},"InstanceProfileList":[{"InstanceProfileName":"i"}]}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		roles, err := ParseAuthorizationDetails(b)
		if err != nil {
			return
		}
		for _, r := range roles {
			if r, err = r.WithDocuments(b); err != nil {
				continue
			}
			for _, p := range append(slices.Clone(r.Identity), r.Boundary...) {
				if p == nil {
					t.Error("nil policy")
				}
			}
			if r.Identity == nil {
				t.Error("a role without policies is not one whose policies are unknown")
			}
		}
	})
}
