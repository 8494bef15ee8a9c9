// Package fleet tests the files for images and fleets.
package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"

	"ssm-doctor/agent/export"
	"ssm-doctor/agent/report"
	rights "ssm-doctor/checks/iam"
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
		{"presigned address", "0", "curl\nsha256sum\ndpkg\nssm-doctor\n"},
		{"neither deb nor rpm", "0", ""},
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
			if url, ok := map[string]string{
				"presigned address":   "https://b.s3.eu-central-1.amazonaws.com/ssm-doctor_1.0.0_amd64.deb?X-Amz-Signature=0a.rpm",
				"neither deb nor rpm": "https://b.s3.eu-central-1.amazonaws.com/ssm-doctor?x=.deb",
			}[tt.name]; ok {
				cmd.Env = append(cmd.Env, "URL_AMD64="+url)
			}
			out, err := cmd.CombinedOutput()
			if ok := tt.name[0] != 'n'; (err == nil) != ok {
				t.Errorf("got %v, want success %v\n%s", err, ok, out)
			}
			calls, err := os.ReadFile(filepath.Join(dir, "calls"))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, string(calls)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestUserDataPlace: the script as it stands puts what it loads into a folder of its own,
// whatever others made in /var/tmp before, and installs nothing that is not what its sum
// says. Others can neither read nor change it in between.
func TestUserDataPlace(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root for a mount namespace and a second user")
	}
	if exec.CommandContext(t.Context(), "unshare", "-m", "true").Run() != nil {
		t.Skip("no mount namespace can be made here")
	}
	script, err := filepath.Abs("user-data.sh")
	if err != nil {
		t.Fatal(err)
	}
	const nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups"
	for _, tt := range []struct{ name, sum, before, want string }{
		{"plain", "good", "", "installed package"},
		{"wrong sum", "bad", "", ""},
		{"files of others under names that could be taken", "good", `for n in ssm-doctor.deb ssm-doctor.rpm ssm-doctor p; do ` + nobody + ` sh -c "umask 0; : >/var/tmp/$n"; ` + nobody + ` ln -sf /etc/victim /var/tmp/$n.link; done`, "installed package"},
		{"no room for a folder", "good", "mount -o remount,ro /var/tmp", ""},
		{"another user swaps meanwhile", "good", nobody + ` sh -c 'while :; do for d in /var/tmp/ssm-doctor.*; do for f in $d/*; do echo evil >$f; rm -f $f; ln -s /etc/victim $f; done; mv $d /var/tmp/away; done; done' >/dev/null 2>&1 & swap=$!`, "installed package"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write := func(name, text string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			write("package", "package\n")
			write("run", `set -e
mount --make-rprivate /
mount -t tmpfs -o mode=1777 none /var/tmp
mount -t tmpfs none /opt
mkdir /opt/bin
cat >/opt/bin/dpkg <<'D'
#!/bin/sh
stat -c 'folder %a %u' "$(dirname "$2")" >>`+dir+`/log
sleep 0.3
echo "installed $(cat "$2")" >>`+dir+`/log
D
cp /opt/bin/dpkg /opt/bin/rpm
printf '#!/bin/sh\nexit 0\n' >/opt/bin/ssm-doctor
chmod 755 /opt/bin/*
`+tt.before+`
sum=$(sha256sum <`+dir+`/package | cut -d' ' -f1)
[ `+tt.sum+` = good ] || sum=0000000000000000000000000000000000000000000000000000000000000000
rc=0
URL_AMD64=file://`+dir+`/package.deb URL_ARM64=file://`+dir+`/package.deb SHA256_AMD64=$sum SHA256_ARM64=$sum PATH=/opt/bin:$PATH sh `+script+` || rc=$?
[ -z "$swap" ] || kill $swap
find /var/tmp -name 'ssm-doctor.*' -type d >>`+dir+`/left
exit $rc
`)
			write("package.deb", "package\n")
			out, err := exec.CommandContext(t.Context(), "unshare", "-m", "sh", filepath.Join(dir, "run")).CombinedOutput()
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			if tt.want == "" {
				if err == nil || len(log) > 0 {
					t.Errorf("installed: %s%s", log, out)
				}
				return
			}
			if want := "folder 700 0\n" + tt.want + "\n"; err != nil || string(log) != want {
				t.Errorf("%v: %q, want %q\n%s", err, log, want, out)
			}
			if left, _ := os.ReadFile(filepath.Join(dir, "left")); len(left) > 0 {
				t.Errorf("left %s", left)
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

// templates of CloudFormation.
var templates = []string{"deprecated-policy/audit.yaml", "inventory/resource-data-sync.yaml", "../distributor/association.yaml"}

func TestCloudFormationLint(t *testing.T) {
	t.Parallel()
	lint, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Skip("cfn-lint is not installed: the templates were not held against the rules of CloudFormation")
	}
	out, err := exec.CommandContext(t.Context(), lint, append([]string{"-c", "I", "E", "W", "-t"}, templates...)...).CombinedOutput()
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
	Name     string         `json:"name"`
	ID       string         `json:"id"`
	Attached []string       `json:"attached"`
	Exist    []string       `json:"exist"`
	Rights   map[string]any `json:"rights"`
	Quota    int            `json:"quota,omitempty"`
	Loses    bool           `json:"loses,omitempty"`
}

// The features of the script are those of permissions, and what the default replacement
// takes from a node is told by them.
func TestReplacePolicyKnowsFeatures(t *testing.T) {
	t.Parallel()
	text := script(t)
	rows := 0
	for _, f := range rights.Features() {
		needs := slices.Compact(f.Of(rights.Mandatory))
		if len(needs) == 0 {
			continue
		}
		rows++
		if row := fmt.Sprintf("    %q: %q,\n", f.ID, strings.Join(needs, " ")); !strings.Contains(text, row) {
			t.Errorf("the script has no row %s", row)
		}
	}
	if got := strings.Count(text[:strings.Index(text, "\n}\n")], "\n    \""); got != rows {
		t.Errorf("%d features in the script, want %d", got, rows)
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	code := text + `
old, new = (allowed(json.load(open("../../checks/iam/data/policies/" + p + ".json"))["document"]) for p in ("AmazonEC2RoleforSSM", "AmazonSSMManagedInstanceCore"))
print(" ".join(sorted(served(old) - served(new))), "|", " ".join(sorted(served(new) - served(old))))
`
	cmd := exec.CommandContext(t.Context(), python, "-B", "-c", code)
	cmd.Env = []string{"PYTHONPATH=testdata", "IAM={}", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if want := "cloudwatch-agent domain-join run-command-output-logs run-command-output-s3 session-log-cloudwatch session-log-s3 | parameter-store\n"; err != nil || string(out) != want {
		t.Errorf("%v: got %q, want %q", err, out, want)
	}
}

// TestReplacePolicy runs the script against an account in memory.
func TestReplacePolicy(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	code := script(t) + "\nimport json, os, sys\ntry:\n    r = replace(json.loads(os.environ['EVENTS']), None)\nexcept Exception as e:\n    r = {'error': type(e).__name__ + ': ' + str(e)}\nprint(json.dumps({'calls': boto3.calls, 'attached': boto3.state['attached'], 'error': r.get('error', ''), 'text': r.get('text', ''), 'losesfeatures': r.get('losesFeatures', []), 'gainsfeatures': r.get('gainsFeatures', []), 'loses': r.get('loses', []), 'gains': r.get('gains', []), 'instances': r.get('instances', []), 'unread': r.get('unread', [])}))\n"
	type result struct {
		Calls         []string
		Attached      []string
		Error         string
		Text          string
		LosesFeatures []string
		GainsFeatures []string
		Loses         []string
		Gains         []string
		Instances     []string
		Unread        []string
	}
	const (
		old  = "arn:aws-cn:iam::aws:policy/service-role/old"
		kept = "arn:aws-cn:iam::111122223333:policy/ssm-doctor/kept-old"
		dry  = "nothing was changed; run again with dryRun=false"
		done = "replaced; restore=true attaches the copy again"
		none = "the policy is not attached, nothing to do"
	)
	for _, tt := range []struct {
		name    string
		iam     iam
		role    string
		add     []string
		dry     any
		restore any
		want    result
	}{
		{"dry run", iam{Attached: []string{old}}, "node", []string{"a"}, true, false, result{Attached: []string{old}, Text: dry}},
		{"attaches before it detaches", iam{Attached: []string{old, "x"}}, "node", []string{"a", "b"}, "False", "False",
			result{Calls: []string{"create kept-old", "attach a", "attach b", "detach " + old}, Attached: []string{"x", "a", "b"}, Text: done}},
		{"what is there is not attached again", iam{Attached: []string{old, "a"}, Exist: []string{old, "a", kept}}, "AROANODE", []string{"a"}, false, false,
			result{Calls: []string{"detach " + old}, Attached: []string{"a"}, Text: done}},
		{"not attached", iam{Attached: []string{"x"}}, "node", []string{"a"}, false, false, result{Attached: []string{"x"}, Text: none}},
		{"missing policy", iam{Attached: []string{old}, Exist: []string{old}}, "node", []string{"a"}, false, false,
			result{Attached: []string{old}, Error: "NoSuchEntityException: no policy a"}},
		{"quota", iam{Attached: []string{old}, Quota: 1}, "node", []string{"a"}, false, false,
			result{Attached: []string{old}, Error: "ValueError: 1 policies are attached and 1 would be added; the quota is 1, and nothing is detached before"}},
		{"attached but lost", iam{Attached: []string{old}, Loses: true}, "node", []string{"a"}, false, false,
			result{Calls: []string{"create kept-old", "attach a"}, Attached: []string{old}, Error: "RuntimeError: not attached, so nothing was detached: a"}},
		{"nothing to add", iam{Attached: []string{old}}, "node", []string{""}, false, false,
			result{Attached: []string{old}, Error: "ValueError: policiesToAdd is empty: the role would lose its rights"}},
		{"same policy", iam{Attached: []string{old}}, "node", []string{old}, false, false,
			result{Attached: []string{old}, Error: "ValueError: the policy to remove is among those to add"}},
		{"unknown id", iam{Attached: []string{old}}, "AROANOBODY", []string{"a"}, false, false,
			result{Attached: []string{old}, Error: "ValueError: no role has the id AROANOBODY"}},
		{"way back, dry", iam{Attached: []string{"a"}, Exist: []string{kept}}, "node", []string{"a"}, true, true, result{Attached: []string{"a"}, Text: dry}},
		{"way back", iam{Attached: []string{"a"}, Exist: []string{kept}}, "node", []string{"a"}, "false", "true",
			result{Calls: []string{"attach " + kept}, Attached: []string{"a", kept}, Text: "restored: the copy is attached; nothing was detached"}},
		{"way back without a copy", iam{Attached: []string{"a"}, Exist: []string{"a"}}, "node", []string{"a"}, false, true,
			result{Attached: []string{"a"}, Error: "ValueError: there is no copy " + kept}},
		{"way back twice", iam{Attached: []string{kept}, Exist: []string{kept}}, "node", []string{"a"}, false, true,
			result{Attached: []string{kept}, Text: "the policy or its copy is attached, nothing to do"}},
		{"forward again", iam{Attached: []string{kept, "a"}, Exist: []string{kept, "a"}}, "node", []string{"a"}, false, false,
			result{Calls: []string{"detach " + kept}, Attached: []string{"a"}, Text: done}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.iam.Name, tt.iam.ID = "node", "AROANODE"
			if tt.iam.Exist == nil {
				tt.iam.Exist = []string{old, "a", "b"}
			}
			for _, p := range tt.iam.Attached {
				if !slices.Contains(tt.iam.Exist, p) && tt.name != "missing policy" {
					tt.iam.Exist = append(tt.iam.Exist, p)
				}
			}
			grant := func(actions ...string) any {
				return map[string]any{"Statement": map[string]any{"Effect": "Allow", "Action": actions, "Resource": "*"}}
			}
			tt.iam.Rights = map[string]any{
				old: grant("ssm:UpdateInstanceInformation", "s3:*", "s3:GetObject", "ec2messages:GetMessages", "logs:PutLogEvents"), kept: grant("s3:*"),
				"a": grant("ssm:Update*", "ssmmessages:OpenControlChannel"), "b": grant("ec2messages:*", "ssmmessages:CreateControl*"),
			}
			if len(tt.want.Calls) > 0 && !strings.HasPrefix(tt.want.Calls[0], "attach arn") && tt.want.Error == "" || tt.name == "dry run" {
				tt.want.Instances, tt.want.Unread = []string{"ap-south-1/mi-1", "eu-central-1/i-1", "eu-central-1/i-2"}, []string{"us-east-1: PermissionError"}
				tt.want.LosesFeatures = []string{"run-command-output-s3", "session-log-s3"}
				tt.want.Loses, tt.want.Gains = []string{"ec2messages:GetMessages", "logs:PutLogEvents", "s3:*"}, []string{"ssm:Update*", "ssmmessages:OpenControlChannel"}
				switch {
				case tt.name == "forward again":
					tt.want.Loses, tt.want.Gains = []string{"s3:*"}, nil
				case slices.Contains(tt.iam.Attached, "a"):
					tt.want.Gains = nil
				case len(tt.add) == 2:
					tt.want.Loses = []string{"logs:PutLogEvents", "s3:*"}
					tt.want.Gains = []string{"ec2messages:*", "ssm:Update*", "ssmmessages:CreateControl*", "ssmmessages:OpenControlChannel"}
					tt.want.GainsFeatures = []string{"messaging", "run-command"}
				}
			}
			state, err1 := json.Marshal(tt.iam)
			events, err2 := json.Marshal(map[string]any{"roleName": tt.role, "policyToRemove": old, "policiesToAdd": tt.add, "dryRun": tt.dry, "restore": tt.restore, "settleSeconds": "0"})
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
			if d := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); d != "" {
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
