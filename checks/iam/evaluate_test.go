package iam

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// doc makes a policy of statements given as JSON.
func doc(t testing.TB, name string, statements ...string) *Policy {
	t.Helper()
	var list []json.RawMessage
	for _, s := range statements {
		list = append(list, json.RawMessage(s))
	}
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": list})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePolicy(b)
	if err != nil {
		t.Fatal(err)
	}
	p.Name = name
	return p
}

const (
	allowAll   = `{"Sid":"All","Effect":"Allow","Action":"*","Resource":"*"}`
	allowSSM   = `{"Sid":"SSM","Effect":"Allow","Action":"ssm:*","Resource":"*"}`
	allowOther = `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`
	denySSM    = `{"Sid":"No","Effect":"Deny","Action":"ssm:Get*","Resource":"*"}`
	denyS3     = `{"Sid":"No","Effect":"Deny","Action":"s3:*","Resource":"*"}`
	denyIfVPC  = `{"Sid":"Net","Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:SourceVpc":"vpc-1"}}}`
	allowIfTag = `{"Effect":"Allow","Action":"ssm:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/t":"x"}}}`
	allowOne   = `{"Effect":"Allow","Action":"ssm:*","Resource":"arn:aws:ssm:*:*:parameter/a"}`
	anyone     = `{"Sid":"Any","Effect":"Allow","Principal":"*","Action":"ssm:*","Resource":"*"}`
	account    = `{"Sid":"Account","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"ssm:*","Resource":"*"}`
	theRole    = `{"Sid":"Role","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/path/R"},"Action":"ssm:*","Resource":"*"}`
	service    = `{"Effect":"Allow","Principal":{"Service":"ssm.amazonaws.com"},"Action":"ssm:*","Resource":"*"}`
)

func TestEvaluateLayers(t *testing.T) {
	t.Parallel()
	p := func(s ...string) []*Policy { return []*Policy{doc(t, "P", s...)} }
	levels := func(l ...[]*Policy) [][]*Policy { return l }
	all := p(allowAll)
	for _, c := range []struct {
		name    string
		l       Layers
		r       Request
		verdict Verdict
		layer   string
		by      string
	}{
		{name: "identity allows", l: Layers{Identity: p(allowSSM)}, verdict: Allow, layer: LayerIdentity, by: "SSM"},
		{name: "identity lacks it", l: Layers{Identity: p(allowOther)}, verdict: ImplicitDeny, layer: LayerIdentity},
		{name: "no policies at all", l: Layers{Identity: []*Policy{}}, verdict: ImplicitDeny, layer: LayerIdentity},
		{name: "policies not supplied", verdict: Unknown, layer: LayerIdentity},
		{name: "identity denies", l: Layers{Identity: p(allowSSM, denySSM)}, verdict: ExplicitDeny, layer: LayerIdentity, by: "No"},
		{name: "boundary lacks it", l: Layers{Identity: all, Boundary: p(allowOther)}, verdict: ImplicitDeny, layer: LayerBoundary},
		{name: "boundary denies", l: Layers{Identity: all, Boundary: p(allowAll, denySSM)}, verdict: ExplicitDeny, layer: LayerBoundary, by: "No"},
		{name: "boundary alone grants nothing", l: Layers{Identity: p(allowOther), Boundary: all}, verdict: ImplicitDeny, layer: LayerIdentity},
		{name: "session lacks it", l: Layers{Identity: all, Session: p(allowOther)}, verdict: ImplicitDeny, layer: LayerSession},
		{name: "session denies", l: Layers{Identity: all, Session: p(denySSM)}, verdict: ExplicitDeny, layer: LayerSession, by: "No"},
		{name: "SCP lacks it", l: Layers{Identity: all, SCP: levels(p(allowOther))}, verdict: ImplicitDeny, layer: LayerSCP},
		{name: "SCP denies", l: Layers{Identity: all, SCP: levels(p(allowAll, denySSM))}, verdict: ExplicitDeny, layer: LayerSCP, by: "No"},
		{name: "each level of SCP must allow", l: Layers{Identity: all, SCP: levels(all, p(allowOther))}, verdict: ImplicitDeny, layer: LayerSCP},
		{name: "every level of SCP allows", l: Layers{Identity: all, SCP: levels(all, p(allowSSM))}, verdict: Allow, layer: LayerIdentity, by: "All"},
		{name: "an SCP grants nothing", l: Layers{Identity: p(allowOther), SCP: levels(all)}, verdict: ImplicitDeny, layer: LayerIdentity},
		{name: "RCP denies", l: Layers{Identity: all, RCP: levels(p(allowAll, denyS3))}, r: Request{Action: "s3:GetObject"}, verdict: ExplicitDeny, layer: LayerRCP, by: "No"},
		{name: "RCP lacks it", l: Layers{Identity: all, RCP: levels(p(allowSSM))}, r: Request{Action: "s3:GetObject"}, verdict: ImplicitDeny, layer: LayerRCP},
		{name: "RCPs do not reach ssm", l: Layers{Identity: all, RCP: levels(p(allowAll, denySSM))}, verdict: Allow, layer: LayerIdentity, by: "All"},
		{name: "whether RCPs reach it is not known", l: Layers{Identity: all, RCP: levels(p(allowSSM))}, r: Request{Action: "xray:GetSamplingRules"}, verdict: Unknown, layer: LayerRCP},
		{name: "an empty level of SCP allows nothing", l: Layers{Identity: all, SCP: levels(nil)}, verdict: ImplicitDeny, layer: LayerSCP},
		{name: "an empty boundary allows nothing", l: Layers{Identity: all, Boundary: []*Policy{}}, verdict: ImplicitDeny, layer: LayerBoundary},
		{name: "endpoint allows", l: Layers{Identity: all, Endpoint: p(anyone)}, verdict: Allow, layer: LayerIdentity, by: "All"},
		{name: "endpoint names the role", l: Layers{Identity: all, Endpoint: p(theRole)}, verdict: Allow, layer: LayerIdentity, by: "All"},
		{name: "endpoint names the account", l: Layers{Identity: all, Endpoint: p(account)}, verdict: Allow, layer: LayerIdentity, by: "All"},
		{name: "endpoint names a service only", l: Layers{Identity: all, Endpoint: p(service)}, verdict: ImplicitDeny, layer: LayerEndpoint},
		{name: "endpoint lacks it", l: Layers{Identity: all, Endpoint: p(allowOther)}, verdict: ImplicitDeny, layer: LayerEndpoint},
		{name: "endpoint denies", l: Layers{Identity: all, Endpoint: p(anyone, denySSM)}, verdict: ExplicitDeny, layer: LayerEndpoint, by: "No"},
		{name: "explicit deny is named before an implicit one", l: Layers{Identity: p(denySSM), SCP: levels(p(allowOther))}, verdict: ExplicitDeny, layer: LayerIdentity, by: "No"},
		{name: "resource grants in the same account", l: Layers{Identity: p(allowOther), Resource: p(theRole)}, r: Request{ResourceAccount: "111122223333"}, verdict: Allow, layer: LayerResource, by: "Role"},
		{name: "resource delegates to the account", l: Layers{Identity: p(allowOther), Resource: p(account)}, r: Request{ResourceAccount: "111122223333"}, verdict: ImplicitDeny, layer: LayerIdentity},
		{name: "another account wants both sides", l: Layers{Identity: p(allowOther), Resource: p(theRole)}, r: Request{ResourceAccount: "444455556666"}, verdict: ImplicitDeny, layer: LayerIdentity},
		{name: "another account, the resource lacks it", l: Layers{Identity: all, Resource: p(service)}, r: Request{ResourceAccount: "444455556666"}, verdict: ImplicitDeny, layer: LayerResource},
		{name: "another account, both", l: Layers{Identity: all, Resource: p(account)}, r: Request{ResourceAccount: "444455556666"}, verdict: Allow, layer: LayerIdentity, by: "All"},
		{name: "whose resource is not known", l: Layers{Identity: all, Resource: p(service)}, verdict: Unknown, layer: LayerIdentity, by: "All"},
		{name: "resource denies", l: Layers{Identity: all, Resource: p(`{"Sid":"RD","Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}`)}, verdict: ExplicitDeny, layer: LayerResource, by: "RD"},
		{name: "a deny that may apply", l: Layers{Identity: p(allowAll, denyIfVPC)}, verdict: Unknown, layer: LayerIdentity, by: "Net"},
		{name: "a deny that does not apply", l: Layers{Identity: p(allowAll, denyIfVPC)}, r: Request{Context: map[string][]string{"aws:sourcevpc": {"vpc-1"}}}, verdict: Allow, layer: LayerIdentity, by: "All"},
		{name: "a deny that applies for lack of the key", l: Layers{Identity: p(allowAll, denyIfVPC)}, r: Request{Context: map[string][]string{"aws:SourceVpc": {}}}, verdict: ExplicitDeny, layer: LayerIdentity, by: "Net"},
		{name: "a doubtful deny does not matter where nothing allows", l: Layers{Identity: p(allowOther, denyIfVPC)}, verdict: ImplicitDeny, layer: LayerIdentity},
		{name: "a grant under an unknown condition", l: Layers{Identity: p(allowIfTag)}, verdict: Unknown, layer: LayerIdentity, by: "statement 1"},
		{name: "all keys are known", l: Layers{Identity: p(allowIfTag)}, r: Request{Complete: true}, verdict: ImplicitDeny, layer: LayerIdentity},
		{name: "a grant on another resource", l: Layers{Identity: p(allowOne)}, verdict: ImplicitDeny, layer: LayerIdentity},
		{name: "a grant, resource not known", l: Layers{Identity: p(allowOne)}, r: Request{Resource: "-"}, verdict: Unknown, layer: LayerIdentity, by: "statement 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := c.r
			if r.Action == "" {
				r.Action = "ssm:GetParameter"
			}
			r.Principal = "arn:aws:sts::111122223333:assumed-role/R/i-0"
			switch r.Resource {
			case "":
				r.Resource = "arn:aws:ssm:eu-west-1:111122223333:parameter/b"
			case "-":
				r.Resource = ""
			}
			d := Evaluate(c.l, r)
			got := []string{string(d.Verdict), d.Layer, d.Statement}
			if diff := cmp.Diff([]string{string(c.verdict), c.layer, c.by}, got); diff != "" {
				t.Errorf("%s\n%s", d.Why, diff)
			}
			if d.Why == "" {
				t.Error("no reason")
			}
		})
	}
}

func TestNotCovered(t *testing.T) {
	t.Parallel()
	d := Evaluate(Layers{Identity: []*Policy{doc(t, "P", allowAll)}, SCP: [][]*Policy{{doc(t, "S", allowAll)}}}, Request{Action: "ssm:GetParameter"})
	if diff := cmp.Diff([]string{LayerRCP, LayerEndpoint, LayerBoundary, LayerSession, LayerResource}, d.NotCovered); diff != "" {
		t.Error(diff)
	}
	if d.PolicyName != "P" {
		t.Errorf("policy %q", d.PolicyName)
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	known := map[string][]string{"s": {"Ab"}, "n": {"5"}, "d": {"2026-11-22T10:00:00Z"}, "ip": {"10.1.2.3"}, "arn": {"arn:aws:ec2:r:1:instance/i-0"}, "b": {"true"},
		"bin": {"YWI="}, "many": {"a", "b"}, "none": {}, "bad": {"x"}}
	for _, c := range []struct {
		op, key string
		values  []string
		want    truth
	}{
		{"StringEquals", "s", []string{"x", "Ab"}, yes},
		{"StringEquals", "S", []string{"ab"}, no},
		{"StringEqualsIgnoreCase", "s", []string{"aB"}, yes},
		{"stringlike", "s", []string{"A?"}, yes},
		{"StringNotLike", "s", []string{"A*", "z"}, no},
		{"StringNotEquals", "s", []string{"x", "y"}, yes},
		{"StringEquals", "none", []string{"x"}, no},
		{"StringEqualsIfExists", "none", []string{"x"}, yes},
		{"StringNotEquals", "none", []string{"x"}, yes},
		{"StringEquals", "?", []string{"x"}, maybe},
		{"StringEqualsIfExists", "?", []string{"x"}, maybe},
		{"Null", "none", []string{"true"}, yes},
		{"Null", "s", []string{"true"}, no},
		{"Null", "s", []string{"false"}, yes},
		{"Null", "?", []string{"false"}, maybe},
		{"NumericLessThan", "n", []string{"6"}, yes},
		{"NumericGreaterThanEquals", "n", []string{"5"}, yes},
		{"NumericNotEquals", "n", []string{"5"}, no},
		{"NumericEquals", "bad", []string{"5"}, maybe},
		{"DateLessThan", "d", []string{"2026-11-23"}, yes},
		{"DateGreaterThan", "d", []string{"1795341600"}, no},
		{"DateEquals", "d", []string{"2026-11-22T10:00:00Z"}, yes},
		{"IpAddress", "ip", []string{"10.0.0.0/8"}, yes},
		{"NotIpAddress", "ip", []string{"10.0.0.0/8", "1.2.3.4"}, no},
		{"IpAddress", "ip", []string{"10.1.2.3"}, yes},
		{"IpAddress", "bad", []string{"10.0.0.0/8"}, maybe},
		{"ArnLike", "arn", []string{"arn:aws:ec2:*:*:instance/*"}, yes},
		{"ArnEquals", "arn", []string{"arn:aws:ec2:*:*:volume/*"}, no},
		{"ArnNotLike", "arn", []string{"arn:aws:ec2:*:*:volume/*"}, yes},
		{"Bool", "b", []string{"TRUE"}, yes},
		{"Bool", "b", []string{"false"}, no},
		{"BinaryEquals", "bin", []string{"YWI="}, yes},
		{"BinaryEquals", "bad", []string{"YWI="}, maybe},
		{"ForAnyValue:StringEquals", "many", []string{"b"}, yes},
		{"ForAnyValue:StringEquals", "many", []string{"c"}, no},
		{"ForAnyValue:StringEquals", "none", []string{"c"}, no},
		{"ForAllValues:StringEquals", "many", []string{"a", "b", "c"}, yes},
		{"ForAllValues:StringEquals", "many", []string{"a"}, no},
		{"ForAllValues:StringEquals", "none", []string{"a"}, yes},
		{"ForAllValues:StringNotEquals", "many", []string{"a"}, no},
		{"ForAnyValue:StringNotEquals", "many", []string{"a"}, yes},
		{"ForAnyValue:StringNotEquals", "none", []string{"a"}, no},
		{"StringMatches", "s", []string{"Ab"}, maybe},
		{"StringEquals", "s", []string{"${x}"}, maybe},
		{"StringLike", "s", []string{"${none,'Ab'}"}, yes},
	} {
		r := Request{Context: known}
		if got := r.matchCondition(Condition{c.op, c.key, c.values}, true); got != c.want {
			t.Errorf("%s %s %q: %v, want %v", c.op, c.key, c.values, got, c.want)
		}
	}
}
