package causes

import (
	"encoding/json"
	"os/exec"
	"reflect"
	"strings"
	"testing"
)

// The filters that remedies give to jq do what the steps say, on policies as they are
// written: one statement or many, patterns, NotAction, conditions.
func TestPolicyFilters(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("no jq here")
	}
	v := Values{"action": "ssm:UpdateInstanceInformation", "account": "111122223333", "role": "Web", "partition": "aws", "service": "ssm"}
	run := func(filter, policy string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "jq", "-c", fill(filter, v, true).String())
		cmd.Stdin = strings.NewReader(policy)
		out, err := cmd.Output()
		return string(out), err
	}
	const exempted = `"Condition":{"ArnNotLike":{"aws:PrincipalArn":["arn:aws:iam::111122223333:role/*/Web","arn:aws:iam::111122223333:role/Web"]}}`
	same := func(a, b string) bool {
		var x, y any
		return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
	}
	for _, c := range []struct{ name, filter, in, out string }{
		{"by name", exempt, `{"Statement":[{"Effect":"Deny","Action":["ssm:UpdateInstanceInformation","s3:PutObject"],"Resource":"*"}]}`,
			`{"Statement":[{"Effect":"Deny","Action":["ssm:UpdateInstanceInformation","s3:PutObject"],"Resource":"*",` + exempted + `}]}`},
		{"by pattern, one statement", exempt, `{"Statement":{"Effect":"Deny","Action":"SSM:Update*","Resource":"*"}}`, `{"Statement":[{"Effect":"Deny","Action":"SSM:Update*","Resource":"*",` + exempted + `}]}`},
		{"by NotAction", exempt, `{"Statement":[{"Effect":"Deny","NotAction":["iam:*","sts:*"],"Resource":"*"}]}`, `{"Statement":[{"Effect":"Deny","NotAction":["iam:*","sts:*"],"Resource":"*",` + exempted + `}]}`},
		{"beside other exceptions", exempt, `{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/Admin"},"Bool":{"aws:SecureTransport":"true"}}}]}`,
			`{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":["arn:aws:iam::111122223333:role/*/Web","arn:aws:iam::111122223333:role/Admin","arn:aws:iam::111122223333:role/Web"]},"Bool":{"aws:SecureTransport":"true"}}}]}`},
		{"others stay", exempt, `{"Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"*"},{"Effect":"Deny","Action":"ssmmessages:*","Resource":"*"},{"Effect":"Deny","NotAction":"ssm:*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
			`{"Statement":[{"Effect":"Deny","Action":"ssm:*","Resource":"*",` + exempted + `},{"Effect":"Deny","Action":"ssmmessages:*","Resource":"*"},{"Effect":"Deny","NotAction":"ssm:*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
		{"none denies it", exempt, `{"Statement":[{"Effect":"Deny","Action":"ec2:*","Resource":"*"}]}`, ""},
		{"a statement more", `.Statement |= ([.] | flatten + [` + coreStatement + `])`, `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`,
			`{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},` + strings.ReplaceAll(coreStatement, "{action}", v["action"]) + `]}`},
	} {
		got, err := run(c.filter, c.in)
		if (err != nil) != (c.out == "") || c.out != "" && !same(got, c.out) {
			t.Errorf("%s: %v\n%s", c.name, err, got)
		}
	}
}
