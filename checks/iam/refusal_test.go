package iam

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// layersOf are the layers by the wording of a refusal.
var layersOf = map[string]string{
	"identity-based policy": "identity", "resource-based policy": "resource", "service control policy": "scp", "resource control policy": "rcp",
	"VPC endpoint policy": "vpce", "permissions boundary": "boundary", "session policy": "session", "sessions policy": "session", "role trust policy": "trust",
}

// TestRefusalSamples reads texts as they are seen in logs and answers.
func TestRefusalSamples(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/refusals.json")
	if err != nil {
		t.Fatal(err)
	}
	var samples []struct {
		Text, Pattern string
		Groups        map[string]string
	}
	if err := json.Unmarshal(b, &samples); err != nil {
		t.Fatal(err)
	}
	if len(samples) < 25 {
		t.Fatalf("only %d samples", len(samples))
	}
	for _, s := range samples {
		t.Run(s.Pattern, func(t *testing.T) {
			t.Parallel()
			r := ParseRefusal("", s.Text)
			type read struct{ Pattern, Action, Resource, Layer, Via, PolicyARN string }
			layer := "unknown"
			if l := layersOf[s.Groups["type"]]; l != "" {
				layer = l
			}
			switch s.Pattern {
			case "s3-setting", "dhmc-not-configured", "ssm-aws-namespace":
				layer = "service"
			}
			got := read{r.Pattern, r.Action, r.Resource, r.Layer, r.Via, r.PolicyARN}
			want := read{s.Pattern, s.Groups["action"], strings.Trim(strings.TrimPrefix(strings.TrimPrefix(s.Groups["resource"], "the "), "resource: "), `"`),
				layer, layersOf[s.Groups["via"]], s.Groups["policy_arn"]}
			if s.Groups["resource"] == "the resource associated with this ciphertext" {
				want.Resource = s.Groups["resource"]
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s\n%s", s.Text, d)
			}
			if blob := s.Groups["blob"]; blob != "" && r.Encoded != blob {
				t.Errorf("encoded message %q, want %q", r.Encoded, blob)
			}
			if r.Action != "" && !r.NotIAM && !r.Proves(strings.ToUpper(r.Action)) {
				t.Errorf("does not prove that %s is denied: %+v", r.Action, r)
			}
			if r.Proves("ssm:SomethingElse") {
				t.Error("proves another action")
			}
		})
	}
}

// TestRefusalMatrix crosses each layer and kind with the forms that the protocols give it.
func TestRefusalMatrix(t *testing.T) {
	t.Parallel()
	const head = "User: arn:aws:sts::111122223333:assumed-role/NodeRole/i-0abc is not authorized to perform: ssm:GetDocument on resource: arn:aws:ssm:eu-west-1::document/AWS-RunShellScript"
	wrap := map[string]func(text string) (code, message string){
		"plain": func(s string) (string, string) { return "AccessDeniedException", s },
		"json": func(s string) (string, string) {
			b, _ := json.Marshal(map[string]string{"__type": "com.amazon.coral.service#AccessDeniedException", "Message": s})
			return "", string(b)
		},
		"json lower": func(s string) (string, string) {
			b, _ := json.Marshal(map[string]string{"__type": "AccessDeniedException", "message": s})
			return "", string(b)
		},
		"rest header": func(s string) (string, string) {
			return "AccessDeniedException:http://internal.amazon.com/coral/com.amazon.coral.service/", s
		},
		"channel": func(s string) (string, string) {
			return "", "<AccessDeniedException>\n  <Message>" + s + "</Message>\n</AccessDeniedException>\n"
		},
		"query": func(s string) (string, string) {
			return "", `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>` + s + `</Message></Error></ErrorResponse>`
		},
		"s3": func(s string) (string, string) {
			return "", `<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>` + s + `</Message><RequestId>0</RequestId></Error>`
		},
		"ec2": func(s string) (string, string) {
			return "UnauthorizedOperation", "You are not authorized to perform this operation. " + s + ". Encoded authorization failure message: abc-DEF_123"
		},
		"agent log": func(s string) (string, string) {
			return "", "2026-11-22 10:11:12 ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: " + s + "\n\tstatus code: 400, request id: 0"
		},
	}
	type read struct {
		Action, Layer      string
		Explicit, Implicit bool
		PolicyARN, Via     string
	}
	for noun, layer := range layersOf {
		article := "a "
		if layer == "identity" {
			article = "an "
		}
		const policy = "arn:aws:organizations::999999999999:policy/o-abc/service_control_policy/p-1234"
		tails := map[string]read{
			" because no " + noun + " allows the ssm:GetDocument action":                                                   {Implicit: true},
			" with an explicit deny in " + article + noun:                                                                  {Explicit: true},
			" with an explicit deny in " + article + noun + ": " + policy:                                                  {Explicit: true, PolicyARN: policy},
			" with an explicit deny in " + article + noun + ", with policy ARN: " + policy:                                 {Explicit: true, PolicyARN: policy},
			" with an explicit deny in " + article + noun + " transitively through a service control policy":               {Explicit: true, Via: "scp"},
			" with an explicit deny in " + article + strings.ToUpper(noun) + " transitively through a VPC endpoint policy": {Explicit: true, Via: "vpce"},
		}
		for tail, want := range tails {
			want.Action, want.Layer = "ssm:GetDocument", layer
			for form, w := range wrap {
				r := ParseRefusal(w(head + tail))
				got := read{r.Action, r.Layer, r.Explicit, r.Implicit, r.PolicyARN, r.Via}
				if d := cmp.Diff(want, got); d != "" || !r.Denied || r.NotIAM {
					t.Errorf("%s: %s\n%s", form, tail, d)
				}
				if !strings.Contains(r.Code, "AccessDenied") && r.Code != "UnauthorizedOperation" {
					t.Errorf("%s: code %q", form, r.Code)
				}
			}
		}
	}
}

func TestRefusalIsNone(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "ParameterNotFound: ", "Rate exceeded", "{", `{"__type":"ThrottlingException","message":"Rate exceeded"}`,
		"<html><body>403 Forbidden</body></html>", "The security token included in the request is expired"} {
		if r := ParseRefusal("", s); r.Denied || r.Pattern != "" || r.Layer != LayerUnknown || ExplainRefusal(r, "") != (Denial{Layer: LayerUnknown}) {
			t.Errorf("%q reads as %+v", s, r)
		}
	}
}

func TestExplainRefusal(t *testing.T) {
	t.Parallel()
	const who = "User: arn:aws:sts::111122223333:assumed-role/R/i-0 is not authorized to perform: "
	const lacking = "iam-missing-feature-action"
	none := Denial{Layer: LayerUnknown}
	for _, c := range []struct {
		message string
		want    Denial
	}{
		{"Systems Manager's instance management role is not configured for account: 111122223333", Denial{Cause: "no-credential-source", Layer: LayerUnknown}},
		{`No access to "aws" namespace`, none},
		{who + `s3:PutObjectAcl on resource: "x" because public ACLs are prevented by the BlockPublicAcls setting in S3 Block Public Access`, Denial{Layer: LayerUnknown, Explicit: true}},
		{"", Denial{Cause: lacking, Layer: LayerUnknown}},
		{who + "ssm:UpdateInstanceInformation on resource: x", Denial{Cause: lacking, Layer: LayerUnknown}},
		{who + "ssm:UpdateInstanceInformation on resource: x with an explicit deny", Denial{Cause: "iam-explicit-deny", Layer: LayerUnknown, Explicit: true}},
		{who + "ssm:UpdateInstanceInformation on resource: x because no VPC endpoint policy allows the ssm:UpdateInstanceInformation action", Denial{"vpce-policy-deny", LayerEndpoint, "VPC endpoint policy", false}},
		{who + "ssm:UpdateInstanceInformation on resource: x with an explicit deny in a VPC endpoint policy", Denial{"vpce-policy-deny", LayerEndpoint, "VPC endpoint policy", true}},
		{who + "ssm:UpdateInstanceInformation on resource: x with an explicit deny in a service control policy", Denial{"iam-explicit-deny", LayerSCP, "service control policy (SCP)", true}},
		{who + "ssm:UpdateInstanceInformation on resource: x because no service control policy allows the ssm:UpdateInstanceInformation action", Denial{"iam-explicit-deny", LayerSCP, "service control policy (SCP)", false}},
		{who + "s3:GetObject on resource: x because no resource control policy allows the s3:GetObject action", Denial{"iam-explicit-deny", LayerRCP, "resource control policy (RCP)", false}},
		{who + "ssm:PutInventory on resource: x because no permissions boundary allows the ssm:PutInventory action", Denial{"iam-explicit-deny", LayerBoundary, "permissions boundary", false}},
		{who + "ssm:PutInventory on resource: x because no session policy allows the ssm:PutInventory action", Denial{"iam-explicit-deny", LayerSession, "session policy", false}},
		{who + "ssmmessages:CreateControlChannel on resource: x because no identity-based policy allows the ssmmessages:CreateControlChannel action", Denial{lacking, LayerIdentity, "identity-based policy", false}},
		{who + "ssm:PutInventory on resource: x with an explicit deny in an identity-based policy", Denial{"iam-explicit-deny", LayerIdentity, "identity-based policy", true}},
		{who + "s3:PutObject on resource: x because no resource-based policy allows the s3:PutObject action", Denial{lacking, LayerResource, "resource-based policy", false}},
		{who + "s3:PutObject on resource: x with an explicit deny in a resource-based policy", Denial{"iam-explicit-deny", LayerResource, "resource-based policy", true}},
		{who + "kms:Decrypt on resource: x because no identity-based policy allows the kms:Decrypt action", Denial{"kms-access-denied", LayerIdentity, "identity-based policy", false}},
		{who + "kms:Decrypt on resource: x with an explicit deny in a service control policy", Denial{"kms-access-denied", LayerSCP, "service control policy (SCP)", true}},
		{who + "kms:Decrypt on resource: x because no VPC endpoint policy allows the kms:Decrypt action", Denial{"vpce-policy-deny", LayerEndpoint, "VPC endpoint policy", false}},
		{"The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.", Denial{Cause: "kms-access-denied", Layer: LayerUnknown}},
		{who + "sts:AssumeRole on resource: x because no role trust policy allows the sts:AssumeRole action", Denial{"instance-profile-trust-broken", LayerTrust, "role trust policy", false}},
	} {
		got := ExplainRefusal(ParseRefusal("AccessDeniedException", c.message), lacking)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s\n%s", c.message, d)
		}
		if got.Known() != (got.Layer != LayerUnknown) {
			t.Errorf("%s: known %v, layer %s", c.message, got.Known(), got.Layer)
		}
	}
}

func FuzzParseRefusal(f *testing.F) {
	if b, err := os.ReadFile("testdata/refusals.json"); err == nil {
		var samples []struct{ Text string }
		if json.Unmarshal(b, &samples) == nil {
			for _, s := range samples {
				f.Add("AccessDeniedException", s.Text)
			}
		}
	}
	f.Add("a#b:c", "<Error><Code>AccessDenied</Code><Message>User: x is not authorized to perform: s3:Get*</Message></Error>")
	f.Add("", "{\"__type\":\"x\",\"message\":\"\xff\"}")
	f.Fuzz(func(t *testing.T, code, message string) {
		r := ParseRefusal(code, message)
		if len(r.Text) > 3*maxRefusal || len(r.Code) > 130 {
			t.Errorf("not bounded: code %d, text %d bytes", len(r.Code), len(r.Text))
		}
		if r.Proves("") {
			t.Error("proves an action without a name")
		}
		if r.Layer == "" {
			t.Error("no layer")
		}
		if d := ExplainRefusal(r, "lacking"); d.Cause == "" && !r.NotIAM || d.Known() == (d.Layer == LayerUnknown) {
			t.Errorf("%+v explained as %+v", r, d)
		}
	})
}
