package causes

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// edit is a command of a step that edits a document, by what a reader saved before.
type edit struct {
	name, from, to string // the file that is read, and the one that is written
	command        string
	wants          func(before, after map[string]any) bool // after a change
}

func statementsOf(policy map[string]any) []any {
	switch s := policy["Statement"].(type) {
	case []any:
		return s
	case map[string]any:
		return []any{s}
	}
	return nil
}

// edits are the commands that edit documents.
func edits() []edit {
	v := Values{"goos": "linux", "action": "ssm:GetDocument", "account": "111122223333", "role": "Web", "partition": "aws", "config": "./config.json"}
	filled := func(s string) string { return fill(s, v, true).String() }
	added := func(n int) func(before, after map[string]any) bool {
		return func(before, after map[string]any) bool {
			old, list := statementsOf(before), statementsOf(after)
			return len(list) == len(old)+n && sameValue(list[n:], old)
		}
	}
	key := func(section, key string, want any) func(before, after map[string]any) bool {
		return func(_, after map[string]any) bool {
			for name, s := range after {
				if m, ok := s.(map[string]any); ok && strings.EqualFold(name, section) {
					for k, is := range m {
						if strings.EqualFold(k, key) {
							return sameValue(is, want)
						}
					}
				}
			}
			return false
		}
	}
	const more = `{"Effect": "Allow", "Action": ["ssm:*"], "Resource": "*"}`
	return []edit{
		{"a statement more", "saved.json", "changed.json", "cat saved.json | " + inOneLine + "\n" + filled(addStatement(more)), added(1)},
		{"two more", "saved.json", "changed.json", "cat saved.json | " + inOneLine + "\n" + filled(addStatement(more, channelStatement)), func(before, after map[string]any) bool {
			raw, _ := json.Marshal(before)
			n := 2
			if bytes.Contains(raw, []byte(`"ssmmessages:`)) {
				n = 1
			}
			return added(n)(before, after)
		}},
		{"an exemption", "saved.json", "changed.json", "cat saved.json | " + inOneLine + "\n" + filled(exemptIn), func(before, after map[string]any) bool {
			raw, _ := json.Marshal(after)
			return len(statementsOf(after)) == len(statementsOf(before)) && bytes.Contains(raw, []byte("role/Web"))
		}},
		{"a preference", "saved.json", "preferences.json", strings.TrimSuffix(strings.Split(strings.Replace(setPreference("kmsKeyId", `""`), "aws ssm get-document --region {region} --name SSM-SessionManagerRunShell --document-format JSON --query Content --output text", "cat saved.json", 1), "\n")[0], "\n"), key("inputs", "kmsKeyId", "")},
		{"a Region taken out", "config.json", "config.json", filled(WithoutKeys("Agent.Region", "Mgs.Region")), func(before, after map[string]any) bool {
			return key("Agent", "Region", "")(before, after) || key("Mgs", "Region", "")(before, after)
		}},
		{"the order of identities", "config.json", "config.json", filled(onPremOnly), key("Identity", "ConsumptionOrder", []any{"OnPrem"})},
	}
}

func sameValue(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// TestEditsChangeOrSay: a command that edits a document makes the change that its step says, or
// fails, says why, and leaves no document that the next command could put in force; the
// document that it read stays then as it was. Whatever the document is.
func TestEditsChangeOrSay(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":[`, 60) + "1" + strings.Repeat(`]}`, 60)
	whole := []string{ // what JSON is, of which at least one edit finds its place
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["ssm:GetDocument"],"Resource":["*"]}]}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","NotAction":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}}`,
		`{"Statement":{"Effect":"Deny","Action":["ssm:*","ssmmessages:OpenDataChannel"],"Resource":"*"},"Version":"2012-10-17","Id":"x"}`,
		`{"Statement":[],"Version":"2012-10-17"}`,
		`{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":["arn:aws:iam::1:role/A"]},"x":` + deep + `}}]}`,
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::{b}/[c]","Sid":"say \"Statement\": [ no"}}`,
		`{"schemaVersion":"1.0","inputs":{"kmsKeyId":"a/b","s3BucketName":"","shellProfile":{"linux":"cd {} # [x]"}}}`,
		`{"schemaVersion":"1.0","inputs":{"kmsKeyId":null}}`,
		`{"Profile":{},"Agent":{"Region":"eu-west-1","ContainerMode":false},"Mgs":{"Region":""}}`,
		`{"agent":{"region":"eu-west-1"},"Identity":{"ConsumptionOrder":["EC2"],"CustomIdentities":[{"Region":"x"}]}}`,
		`{"Identity":{"ConsumptionOrder":null}}`,
		`{"Agent":{"Nested":{"x":1},"Region":"eu-west-1"}}`,
		`{}`,
	}
	foreign := []string{"", "None\n", "null", "[]", "[{}]", "42", `"Statement"`, "{", `{"Statement":`, `{"Statement":null}`, `{"Statement":"x"}`, `{"Statement":[[]]}`,
		"An error occurred (AccessDenied)", "Statement:\n  - Effect: Deny\n", "// comment\n", "\x00\x01", strings.Repeat("x", 70000)}
	worn := []func(string) string{
		func(s string) string { return s },
		func(s string) string { return s + "\n" },
		func(s string) string { // as many lines as it has
			var b bytes.Buffer
			if json.Indent(&b, []byte(s), "", "\t") != nil {
				return s
			}
			return b.String() + "\n"
		},
		func(s string) string { // of Windows
			var b bytes.Buffer
			if json.Indent(&b, []byte(s), "", "  ") != nil {
				return s
			}
			return strings.ReplaceAll(b.String(), "\n", "\r\n")
		},
		func(s string) string { return "\ufeff" + s },
		func(s string) string { return "// of us\n" + s },
		func(s string) string { return s + s },
	}
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("no jq here")
	}
	for _, e := range edits() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			where := OperatorCLI
			if e.from == e.to {
				where = OnHost
			}
			changes, known := ChangesOf(e.command, where)
			if !known || len(changes) == 0 {
				t.Errorf("not known what it changes: %v", changes)
			}
			made := 0
			dir := t.TempDir()
			for i, in := range append(whole, foreign...) {
				for w, wear := range worn {
					text := wear(in)
					from, to := filepath.Join(dir, e.from), filepath.Join(dir, e.to)
					for _, old := range []string{to, to + ".bak", to + ".new"} {
						os.Remove(old)
					}
					if err := os.WriteFile(from, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
					cmd := exec.CommandContext(t.Context(), "sh", "-c", e.command)
					cmd.Dir = dir
					var said strings.Builder
					cmd.Stderr = &said
					err := cmd.Run()
					after, unread := os.ReadFile(to)
					var was, is map[string]any
					parsed := json.Unmarshal([]byte(text), &was) == nil
					switch {
					case err != nil && said.Len() == 0:
						t.Errorf("%d/%d fails, and says nothing: %.200s", i, w, text)
					case err != nil && e.from == e.to && string(after) != text && !(text == "" && string(after) == "{}\n"):
						t.Errorf("%d/%d fails, and changes it: %.200s\n%.200s", i, w, text, after)
					case err != nil && e.from != e.to && unread == nil:
						t.Errorf("%d/%d fails, and leaves %q of %.200s", i, w, after, text)
					case err != nil:
					case unread != nil:
						t.Errorf("%d/%d is well, and wrote nothing: %.200s", i, w, text)
					case parsed && (json.Unmarshal(after, &is) != nil || !e.wants(was, is)):
						t.Errorf("%d/%d another change: %.300s\n%.300s", i, w, text, after)
					case parsed:
						made++
					}
				}
			}
			t.Logf("%d changed", made)
			if made < 6 {
				t.Errorf("%d changed", made)
			}
		})
	}
}
