// Package fleet tests the files for images and fleets.
package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"ssm-doctor/agent/export"
	"ssm-doctor/agent/report"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEverythingParses with what reads it: YAML, JSON, sh and, where it is
// installed, the linter of CloudFormation.
func TestEverythingParses(t *testing.T) {
	t.Parallel()
	n := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch filepath.Ext(name) {
		case ".yaml", ".yml":
			n++
			var v yaml.Node
			if err := yaml.Unmarshal(read(t, name), &v); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case ".json":
			n++
			if !json.Valid(read(t, name)) {
				t.Errorf("%s is not JSON", name)
			}
		case ".sh":
			n++
			if out, err := exec.Command("sh", "-n", name).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		case ".sql":
			n++
			checkSQL(t, name)
		case ".hcl":
			n++
			if strings.Count(string(read(t, name)), "{") != strings.Count(string(read(t, name)), "}") {
				t.Errorf("%s: braces do not match", name)
			}
		}
		return nil
	})
	if err != nil || n < 10 {
		t.Fatalf("%d files, %v", n, err)
	}
}

// TestUserData: the download is tried five times, by means that every curl has.
func TestUserData(t *testing.T) {
	t.Parallel()
	text := string(read(t, "user-data.sh"))
	for _, tt := range []struct{ name, fails, want string }{
		{"at once", "0", "curl\nsha256sum\ndpkg\nssm-doctor\n"},
		{"late network", "4", "curl\nsleep 5\ncurl\nsleep 10\ncurl\nsleep 15\ncurl\nsleep 20\ncurl\nsha256sum\ndpkg\nssm-doctor\n"},
		{"no network", "9", "curl\nsleep 5\ncurl\nsleep 10\ncurl\nsleep 15\ncurl\nsleep 20\ncurl\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			stubs := `fails=` + tt.fails + `
uname() { echo x86_64; }
sleep() { echo "sleep $*" >>calls; }
curl() {
    case $* in *retry-all-errors*) echo "curl: option --retry-all-errors: is unknown"; return 2 ;; esac
    echo curl >>calls
    [ "$(grep -c curl calls)" -gt "$fails" ]
}
sha256sum() { echo sha256sum >>calls; }
dpkg() { echo dpkg >>calls; }
doctor() { echo ssm-doctor >>calls; }
`
			run := strings.NewReplacer("/var/tmp/", dir+"/", "/dev/console", dir+"/console", "ssm-doctor check", "doctor check").Replace(text)
			cmd := exec.CommandContext(t.Context(), "sh", "-c", stubs+run)
			cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin"}
			out, err := cmd.CombinedOutput()
			if ok := tt.name != "no network"; (err == nil) != ok {
				t.Errorf("got %v, want success %v\n%s", err, ok, out)
			}
			if d := cmp.Diff(tt.want, string(read(t, filepath.Join(dir, "calls")))); d != "" {
				t.Error(d)
			}
		})
	}
}

// checkSQL: no parser of Athena's SQL is at hand; quotes, parentheses and ends of
// statements can be counted.
func checkSQL(t *testing.T, name string) {
	t.Helper()
	text := regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(string(read(t, name)), "")
	bare := regexp.MustCompile(`'[^']*'`).ReplaceAllString(text, "")
	if strings.Contains(bare, "'") || strings.Count(bare, "(") != strings.Count(bare, ")") || strings.Count(bare, "<") != strings.Count(bare, ">") && !strings.Contains(bare, "SELECT") {
		t.Errorf("%s: quotes or brackets do not match", name)
	}
	for s := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(bare), ";"), ";") {
		if s = strings.TrimSpace(s); !regexp.MustCompile(`^(CREATE EXTERNAL TABLE|CREATE OR REPLACE VIEW|WITH|SELECT)\b`).MatchString(s) {
			t.Errorf("%s: a statement begins with %.30q", name, s)
		}
	}
}

func TestCloudFormationLint(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("cfn-lint"); err != nil {
		t.Skip("cfn-lint is not installed")
	}
	out, err := exec.Command("cfn-lint", "deprecated-policy/audit.yaml", "inventory/resource-data-sync.yaml", "../distributor/association.yaml").CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestInventoryColumns: every attribute that the tables read is one that is written.
func TestInventoryColumns(t *testing.T) {
	t.Parallel()
	b, err := export.Inventory(&report.Report{})
	if err != nil {
		t.Fatal(err)
	}
	var item struct{ Content map[string]string }
	if err := json.Unmarshal(b, &item); err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{"resourceid": true, "capturetime": true}
	for k := range item.Content {
		written[strings.ToLower(k)] = true
	}
	_, ddl, ok := strings.Cut(string(read(t, "inventory/tables.sql")), "ssm_doctor.doctor (")
	ddl, _, ok2 := strings.Cut(ddl, "\n)")
	if !ok || !ok2 {
		t.Fatal("no table ssm_doctor.doctor")
	}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+) string`).FindAllStringSubmatch(ddl, -1) {
		if !written[m[1]] {
			t.Errorf("column %s is no attribute of the inventory item", m[1])
		}
	}
}

// TestMetricNames: the CloudWatch agent is told families that exist.
func TestMetricNames(t *testing.T) {
	t.Parallel()
	families := string(read(t, "../../agent/export/families.go"))
	found := 0
	for _, f := range []string{"cloudwatch/agent.json"} {
		for _, name := range regexp.MustCompile(`ssm_doctor_[a-z_]+`).FindAllString(string(read(t, f)), -1) {
			found++
			if !strings.Contains(families, `"`+name+`"`) {
				t.Errorf("%s: no family %s", f, name)
			}
		}
	}
	if found == 0 {
		t.Error("no metric is named")
	}
}

// script takes the Automation's script out of the template.
func script(t *testing.T) string {
	t.Helper()
	var v struct {
		Resources struct {
			ReplacePolicy struct {
				Properties struct {
					Content struct {
						MainSteps []struct {
							Inputs struct {
								Script string `yaml:"Script"`
							} `yaml:"inputs"`
						} `yaml:"mainSteps"`
					} `yaml:"Content"`
				} `yaml:"Properties"`
			} `yaml:"ReplacePolicy"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(read(t, "deprecated-policy/audit.yaml"), &v); err != nil {
		t.Fatal(err)
	}
	return v.Resources.ReplacePolicy.Properties.Content.MainSteps[0].Inputs.Script
}

type iam struct {
	Name     string   `json:"name"`
	ID       string   `json:"id"`
	Attached []string `json:"attached"`
	Exist    []string `json:"exist"`
	Quota    int      `json:"quota,omitempty"`
	Loses    bool     `json:"loses,omitempty"`
}

// TestReplacePolicy runs the script against an IAM in memory.
func TestReplacePolicy(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	code := script(t) + "\nimport json, os, sys\ntry:\n    r = replace(json.loads(os.environ['EVENTS']), None)\nexcept Exception as e:\n    r = {'error': type(e).__name__ + ': ' + str(e)}\nprint(json.dumps({'calls': boto3.calls, 'attached': boto3.state['attached'], 'error': r.get('error', ''), 'text': r.get('text', '')}))\n"
	type result struct {
		Calls    []string
		Attached []string
		Error    string
		Text     string
	}
	full := []string{"old", "a", "b"}
	for _, tt := range []struct {
		name string
		iam  iam
		role string
		add  []string
		dry  any
		want result
	}{
		{"dry run", iam{Attached: []string{"old"}}, "node", []string{"a"}, true,
			result{[]string{}, []string{"old"}, "", "nothing was changed; run again with dryRun=false"}},
		{"attaches before it detaches", iam{Attached: []string{"old", "x"}}, "node", []string{"a", "b"}, "False",
			result{[]string{"attach a", "attach b", "detach old"}, []string{"x", "a", "b"}, "", "replaced"}},
		{"what is there is not attached again", iam{Attached: []string{"old", "a"}}, "AROANODE", []string{"a"}, false,
			result{[]string{"detach old"}, []string{"a"}, "", "replaced"}},
		{"not attached", iam{Attached: []string{"x"}}, "node", []string{"a"}, false,
			result{[]string{}, []string{"x"}, "", "the policy is not attached, nothing to do"}},
		{"missing policy", iam{Attached: []string{"old"}, Exist: []string{"old"}}, "node", []string{"a"}, false,
			result{[]string{}, []string{"old"}, "KeyError: 'NoSuchEntity'", ""}},
		{"quota", iam{Attached: []string{"old"}, Quota: 1}, "node", []string{"a"}, false,
			result{[]string{}, []string{"old"}, "ValueError: 1 policies are attached and 1 would be added; the quota is 1, and nothing is detached before", ""}},
		{"attached but lost", iam{Attached: []string{"old"}, Loses: true}, "node", []string{"a"}, false,
			result{[]string{"attach a"}, []string{"old"}, "RuntimeError: not attached, so nothing was detached: a", ""}},
		{"nothing to add", iam{Attached: []string{"old"}}, "node", []string{""}, false,
			result{[]string{}, []string{"old"}, "ValueError: policiesToAdd is empty: the role would lose its rights", ""}},
		{"same policy", iam{Attached: []string{"old"}}, "node", []string{"old"}, false,
			result{[]string{}, []string{"old"}, "ValueError: the policy to remove is among those to add", ""}},
		{"unknown id", iam{Attached: []string{"old"}}, "AROANOBODY", []string{"a"}, false,
			result{[]string{}, []string{"old"}, "ValueError: no role has the id AROANOBODY", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.iam.Name, tt.iam.ID = "node", "AROANODE"
			if tt.iam.Exist == nil {
				tt.iam.Exist = full
			}
			state, err1 := json.Marshal(tt.iam)
			events, err2 := json.Marshal(map[string]any{"roleName": tt.role, "policyToRemove": "old", "policiesToAdd": tt.add, "dryRun": tt.dry, "settleSeconds": "0"})
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(python, "-B", "-c", code)
			cmd.Env = []string{"PYTHONPATH=testdata", "IAM=" + string(state), "EVENTS=" + string(events), "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, errs.String())
			}
			var got result
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestUnmanaged: EC2 minus managed, and no list at all when a call is refused: an
// empty list of managed nodes would name every instance.
func TestUnmanaged(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("comm"); err != nil {
		t.Skip("comm is not installed")
	}
	const aws = `case "$1" in
ec2) printf 'i-3\ni-1\ni-2\ni-2\n' ;;
ssm) [ -z "$REFUSED" ] || exit 254; printf 'i-2\nmi-9\n' ;;
esac`
	for refused, want := range map[string]string{"": "i-1\ni-3\n", "yes": ""} {
		cmd := exec.Command("sh", "-c", "aws() {\n"+aws+"\n}\nset -- eu-central-1\n"+string(read(t, "inventory/unmanaged.sh")))
		cmd.Env = []string{"PATH=/usr/bin:/bin", "REFUSED=" + refused}
		out, err := cmd.Output()
		if string(out) != want || (err == nil) != (refused == "") {
			t.Errorf("refused %q: got %q, %v, want %q", refused, out, err, want)
		}
	}
}
