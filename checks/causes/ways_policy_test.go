package causes

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/checks/iam"
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
	} {
		got, err := run(c.filter, c.in)
		if err != nil || c.out == "" && got != "" || c.out != "" && !sameJSON(got, c.out) {
			t.Errorf("%s: %v\n%s", c.name, err, got)
		}
	}
}

// A statement is added to policies as they are written, by what every host has; where there is
// no place for it, that is said, and nothing is put in force.
func TestAddStatement(t *testing.T) {
	t.Parallel()
	const more = `{"Effect": "Allow", "Action": ["ssm:*"], "Resource": "*"}`
	for in, want := range map[string]string{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`:                           `{"Version":"2012-10-17","Statement":[` + more + `,{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`,
		"{\n  \"Statement\" : [\n    {\"Effect\":\"Deny\",\"Action\":\"s3:*\",\"Resource\":\"*\"}\n  ]\n}\n":                 `{"Statement":[` + more + `,{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"a":{}}}}`:        `{"Version":"2012-10-17","Statement":[` + more + `,{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"a":{}}}]}`,
		"{\"Statement\": {\"Effect\":\"Allow\"},\n \"Version\": \"2008-10-17\"}":                                             `{"Statement":[` + more + `,{"Effect":"Allow"}],"Version":"2008-10-17"}`,
		`{"Version":"2012-10-17","Statement":[]}`:                                                                            `{"Version":"2012-10-17","Statement":[` + more + `]}`,
		"{\n\t\"Version\": \"2012-10-17\",\r\n\t\"Statement\": [\n\t]\n}":                                                    `{"Version":"2012-10-17","Statement":[` + more + `]}`,
		`{"Statement":[],"Id":"a {b}"}`:                                                                                      `{"Statement":[` + more + `],"Id":"a {b}"}`,
		`{"Statement":[{"Sid":"Statement","Effect":"Allow","Action":"*","Resource":["arn:aws:s3:::[b]"]}],"Version":"2012"}`: `{"Statement":[` + more + `,{"Sid":"Statement","Effect":"Allow","Action":"*","Resource":["arn:aws:s3:::[b]"]}],"Version":"2012"}`,
		`{"Version":"2012-10-17"}`:                      "",
		`{"Version":"2012-10-17","Statement":null}`:     "",
		`{"Version":"2012-10-17","Statement":"s3:Get"}`: "",
		"None\n": "",
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", inOneLine+" && "+addStatement(more)+" && cat changed.json")
		var said strings.Builder
		cmd.Stdin, cmd.Dir, cmd.Stderr = strings.NewReader(in), t.TempDir(), &said
		got, err := cmd.Output()
		switch {
		case want == "" && (len(got) > 0 || !strings.Contains(said.String(), "no Statement")):
			t.Errorf("%s: nothing is said (%s), or something written: %s", in, &said, got)
		case want != "" && (err != nil || said.Len() > 0 || !sameJSON(string(got), want)):
			t.Errorf("%s: %v %s\n%s", in, err, &said, got)
		}
	}
}

// TestAddChannel: the statement for the channel goes where nothing of it is named.
func TestAddChannel(t *testing.T) {
	t.Parallel()
	const more, channel = `{"Action": ["ssm:GetDocument"]}`, `{"Action": ["ssmmessages:OpenControlChannel"]}`
	for in, want := range map[string]string{
		`{"Statement":[{"Action":["s3:*"]}]}`:                       `{"Statement":[` + more + "," + channel + `,{"Action":["s3:*"]}]}`,
		`{"Statement":{"Action":"s3:*"}}`:                           `{"Statement":[` + more + "," + channel + `,{"Action":"s3:*"}]}`,
		`{"Statement":[]}`:                                          `{"Statement":[` + more + "," + channel + `]}`,
		`{"Statement":[{"Action":["s3:*","ssmmessages:Create*"]}]}`: `{"Statement":[` + more + `,{"Action":["s3:*","ssmmessages:Create*"]}]}`,
		`{"Version":"2012-10-17"}`:                                  "",
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", inOneLine+" && "+addStatement(more, channel)+" && cat changed.json")
		cmd.Stdin, cmd.Dir = strings.NewReader(in), t.TempDir()
		if got, err := cmd.Output(); (err != nil) != (want == "") || len(got) > 0 && !sameJSON(string(got), want) {
			t.Errorf("%s: %v\n%s", in, err, got)
		}
	}
}

// TestCoreActions: what is added of a service is what the managed policy of nodes allows.
func TestCoreActions(t *testing.T) {
	t.Parallel()
	b, _ := iam.Document("AmazonSSMManagedInstanceCore")
	p, err := iam.ParsePolicy(b)
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, s := range p.Statements {
		want = append(want, s.Actions...)
	}
	for service := range coreActions {
		got = append(got, CoreActions(service)...)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s\nthe policy has\n%s", got, want)
	}
}

// TestSetPreference: one preference is changed, also to a value with slashes in it, which is
// what the ARN of a key has.
func TestSetPreference(t *testing.T) {
	t.Parallel()
	const in = "{\n  \"schemaVersion\": \"1.0\",\n  \"inputs\": {\n    \"kmsKeyId\" : \"gone\",\n    \"runAsEnabled\": true,\n    \"shellProfile\": null\n  }\n}"
	for _, c := range []struct{ key, value, put, want string }{
		{"kmsKeyId", `"KEY_ARN"`, "arn:aws:kms:eu-central-1:111122223333:key/0a", `{"schemaVersion":"1.0","inputs":{"kmsKeyId":"arn:aws:kms:eu-central-1:111122223333:key/0a","runAsEnabled":true,"shellProfile":null}}`},
		{"kmsKeyId", `""`, "", `{"schemaVersion":"1.0","inputs":{"kmsKeyId":"","runAsEnabled":true,"shellProfile":null}}`},
		{"runAsEnabled", "false", "", `{"schemaVersion":"1.0","inputs":{"kmsKeyId":"gone","runAsEnabled":false,"shellProfile":null}}`},
		{"shellProfile", `""`, "", `{"schemaVersion":"1.0","inputs":{"kmsKeyId":"gone","runAsEnabled":true,"shellProfile":""}}`},
		{"s3BucketName", `""`, "", ""},
	} {
		command := strings.ReplaceAll(setPreference(c.key, c.value), "KEY_ARN", c.put)
		if changes, known := ChangesOf(command, string(OperatorCLI)); !known || len(changes) == 0 || changes[0].On != c.key {
			t.Errorf("%s: %v", c.key, changes)
		}
		_, edit, _ := strings.Cut(command, "| ")
		edit, _, _ = strings.Cut(edit, "\n")
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "{ "+edit+"; } && cat preferences.json")
		cmd.Stdin, cmd.Dir = strings.NewReader(in), t.TempDir()
		var said strings.Builder
		cmd.Stderr = &said
		got, err := cmd.Output()
		if c.want == "" && (len(got) > 0 || !strings.Contains(said.String(), "no "+c.key)) || c.want != "" && (err != nil || !sameJSON(string(got), c.want)) {
			t.Errorf("%s: %v %s\n%s", command, err, &said, got)
		}
	}
}
