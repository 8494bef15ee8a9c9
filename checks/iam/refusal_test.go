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
		if r := ParseRefusal("", s); r.Denied || r.Pattern != "" || r.Layer != LayerUnknown || r.Cause() != "" {
			t.Errorf("%q reads as %+v", s, r)
		}
	}
}

func TestCauseOf(t *testing.T) {
	t.Parallel()
	const who = "User: arn:aws:sts::111122223333:assumed-role/R/i-0 is not authorized to perform: "
	for _, c := range []struct{ code, message, want string }{
		{"UnrecognizedClientException", "The security token included in the request is invalid.", "credentials-stale"},
		{"com.amazon.coral.service#ExpiredTokenException", "", "credentials-stale"},
		{"InvalidSignatureException", "Signature expired: 20261122T090000Z is now earlier than 20261122T100000Z", "clock-skew"},
		{"SignatureDoesNotMatch", "Signature not yet current: 2 is still later than 1", "clock-skew"},
		{"InvalidSignatureException", "Credential should be scoped to a valid Region.", "region-mismatch"},
		{"InvalidSignatureException", "Credential should be scoped to correct service: 'ssm'.", "dns-override-stale"},
		{"InvalidSignatureException", "The request signature we calculated does not match", ""},
		{"RequestTimeTooSkewed", "", "clock-skew"},
		{"ThrottlingException", "Rate exceeded", ""},
		{"MachineFingerprintDoesNotMatch", "", "fingerprint-mismatch"},
		{"InvalidInstanceId", "", "registration-orphaned"},
		{"AccessDeniedException", "Systems Manager's instance management role is not configured for account: 111122223333", "no-credential-source"},
		{"AccessDeniedException", who + "ssm:UpdateInstanceInformation on resource: x", "iam-missing-registration-action"},
		{"AccessDeniedException", who + "ssm:UpdateInstanceInformation on resource: x because no VPC endpoint policy allows the ssm:UpdateInstanceInformation action", "vpce-policy-deny"},
		{"AccessDeniedException", who + "ssm:UpdateInstanceInformation on resource: x with an explicit deny in a service control policy", "iam-explicit-deny"},
		{"AccessDeniedException", who + "ssmmessages:CreateControlChannel on resource: x because no identity-based policy allows the ssmmessages:CreateControlChannel action", "iam-missing-channel-action"},
		{"AccessDeniedException", who + "ssm:PutInventory on resource: x", "iam-missing-feature-action"},
		{"AccessDeniedException", who + "kms:Decrypt on resource: x because no identity-based policy allows the kms:Decrypt action", "kms-access-denied"},
		{"AccessDenied", who + "sts:AssumeRole on resource: x because no role trust policy allows the sts:AssumeRole action", "instance-profile-trust-broken"},
		{"KMS.DisabledException", "", "kms-access-denied"},
		{"", "registration failed: ActivationId not found", "activation-rejected"},
	} {
		if got := CauseOf(c.code, c.message); got != c.want {
			t.Errorf("%s %q: cause %q, want %q", c.code, c.message, got, c.want)
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
		_ = CauseOf(code, message)
	})
}
