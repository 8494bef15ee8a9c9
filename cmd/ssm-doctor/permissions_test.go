package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
)

// cli runs a command line in this process.
func cli(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &o, err: &e, getenv: func(k string) string { return map[string]string{"LANG": "C.UTF-8"}[k] }}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	code = a.run(ctx, cancel, args)
	return code, o.String(), e.String()
}

// file writes a file and returns its name.
func file(t *testing.T, name, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// carried writes a document of the program to a file.
func carried(t *testing.T, name string) string {
	t.Helper()
	b, ok := iam.Document(name)
	if !ok {
		t.Fatalf("no document %s", name)
	}
	return file(t, name+".json", string(b))
}

func TestPermissionsOffline(t *testing.T) {
	t.Parallel()
	core := carried(t, "AmazonSSMManagedInstanceCore")
	deny := file(t, "scp.json", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"ssmmessages:*","Resource":"*"}}`)
	session := file(t, "session.json", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ssm:*","Resource":"*"}}`)
	narrow := file(t, "narrow.json", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"ssm:*","Resource":"*"}}`)
	for _, c := range []struct {
		name  string
		args  []string
		code  int
		ready map[string]string
		layer string // of the first thing that is denied to messaging
		errs  string
	}{
		{"Core", nil, 0, map[string]string{"core": "yes", "messaging": "yes", "session-manager": "yes", "domain-join": "no"}, "", ""},
		{"asked for a feature it lacks", []string{"--feature", "domain-join"}, 1, map[string]string{"domain-join": "no"}, "", ""},
		{"never fails", []string{"--feature", "domain-join", "--fail-on", "never"}, 0, nil, "", ""},
		{"an SCP that only denies", []string{"--scp", deny}, 2, map[string]string{"core": "yes", "messaging": "no"}, "scp", "only deny"},
		{"endpoint policy", []string{"--endpoint-policy", narrow}, 2, map[string]string{"core": "yes", "messaging": "no"}, "vpce", ""},
		{"boundary", []string{"--boundary", deny}, 2, map[string]string{"core": "no"}, "boundary", ""},
		{"session policy", []string{"--session-policy", session}, 2, map[string]string{"core": "yes", "messaging": "no"}, "session", ""},
		{"two levels", []string{"--scp", core, "--scp", core + "," + deny}, 2, map[string]string{"core": "yes", "messaging": "no"}, "scp", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := cli(t, append([]string{"permissions", "--policy", core, "-o", "json"}, c.args...)...)
			if code != c.code || !strings.Contains(errs, c.errs) {
				t.Errorf("exit %d, want %d; stderr %q", code, c.code, errs)
			}
			var p report.Permissions
			if err := json.Unmarshal([]byte(out), &p); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			got := map[string]string{}
			for _, f := range p.Features {
				got[f.ID] = f.Ready
			}
			for id, want := range c.ready {
				if got[id] != want {
					t.Errorf("%s is %q, want %q", id, got[id], want)
				}
			}
			for _, x := range p.Permissions {
				if x.Action == "ssmmessages:CreateControlChannel" && c.layer != "" && x.Layer != c.layer {
					t.Errorf("refused by %q, want %q", x.Layer, c.layer)
				}
			}
		})
	}
}

func TestPermissionsForms(t *testing.T) {
	t.Parallel()
	core := carried(t, "AmazonSSMManagedInstanceCore")
	old := carried(t, "AmazonEC2RoleforSSM")
	_, text, _ := cli(t, "permissions", "--policy", old, "--feature", "domain-join", "--kind", "ec2")
	for _, want := range []string{"✓ core", "✗ parameter-store", "denied by the role's policies:", "AmazonEC2RoleforSSM is among the policies",
		"--policy-arn arn:aws:iam::aws:policy/AmazonSSMDirectoryServiceAccess", "detach-role-policy"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "hybrid") || strings.Contains(text, "\x1b") {
		t.Error("a feature of other nodes, or colour into a pipe")
	}
	_, wide, _ := cli(t, "permissions", "--policy", core, "-o", "wide", "--ascii")
	if !strings.Contains(wide, "(AmazonSSMManagedInstanceCore,") || strings.IndexFunc(wide, func(r rune) bool { return r > 0x7e }) >= 0 {
		t.Errorf("wide: %s", wide)
	}
	_, table, _ := cli(t, "permissions", "--policy", core, "-o", "csv")
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil || len(rows) < 80 || rows[0][0] != "feature" {
		t.Errorf("csv: %v, %d rows", err, len(rows))
	}
}

func TestPermissionsUsage(t *testing.T) {
	t.Parallel()
	core := carried(t, "AmazonSSMManagedInstanceCore")
	for _, c := range []struct {
		args []string
		errs string
	}{
		{[]string{"--feature", "sessions"}, `--feature must be one of`},
		{[]string{"--probe", "parmeters"}, `did you mean parameters?`},
		{[]string{"--policy", "/no/such/file"}, "no such file"},
		{[]string{"--policy", file(t, "x.json", "[]")}, "not a JSON object"},
		{[]string{"--scp", core}, "--scp goes with --policy"},
		{[]string{"--minimal", "--table"}, "--minimal and --table do not go together"},
		{[]string{"--diff", core}, "--diff takes two files"},
		{[]string{core}, "takes no arguments"},
		{[]string{"--trust", "lambda"}, "--trust must be one of ec2, hybrid, dhmc"},
		{[]string{"--kind", "on-prem"}, "--kind must be one of"},
		{[]string{"-o", "junit"}, "--output must be one of text, wide, json, csv"},
		{[]string{"--account", "*", "--trust", "hybrid"}, `--account: "*" cannot go into a policy; it looks like 111122223333`},
		{[]string{"--partition", "china", "--trust", "hybrid"}, `--partition: "china" cannot go into a policy; it looks like aws,`},
		{[]string{"--bucket", "fine,Not_Fine", "--minimal", "--feature", "core"}, `--bucket: "Not_Fine" cannot go into a policy`},
		{[]string{"--minimal", "--region", "eu-west-1", "--account", "111122223333"}, "--minimal needs --feature"},
	} {
		code, out, errs := cli(t, append([]string{"permissions"}, c.args...)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, c.errs) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit %d, stdout %q, stderr %q", c.args, code, out, errs)
		}
	}
}

func TestPermissionsMinimal(t *testing.T) {
	t.Parallel()
	at := []string{"permissions", "--minimal", "--region", "cn-north-1", "--account", "111122223333", "--partition", "aws-cn"}
	code, out, errs := cli(t, append(at, "--feature", "run-command-output-s3,session-manager", "--bucket", "my-bucket/runs")...)
	p, err := iam.ParsePolicy([]byte(out))
	if code != 0 || err != nil {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, errs)
	}
	granted := func(action, resource string) bool {
		return iam.Evaluate(iam.Layers{Identity: []*iam.Policy{p}}, iam.Request{Action: action, Resource: resource}).Verdict == iam.Allow
	}
	if !granted("s3:PutObject", "arn:aws-cn:s3:::my-bucket/runs/x") || granted("s3:PutObject", "arn:aws-cn:s3:::my-bucket/other/x") || granted("s3:PutObject", "arn:aws:s3:::my-bucket/runs/x") ||
		!granted("ssmmessages:OpenDataChannel", "*") || granted("ssm:PutInventory", "*") {
		t.Errorf("document\n%s", out)
	}
	if strings.Contains(errs, "fill in") || !strings.Contains(errs, "kms:GenerateDataKey") {
		t.Errorf("remarks %q", errs)
	}
	_, out, _ = cli(t, append(at, "--feature", "core,messaging,run-command,session-manager,state-manager,inventory,compliance,patch-manager,distributor")...)
	if out != "arn:aws-cn:iam::aws:policy/AmazonSSMManagedInstanceCore\n" {
		t.Errorf("everyday features: %q", out)
	}
	_, out, errs = cli(t, append(at, "--feature", "session-kms", "-o", "json")...)
	var j struct {
		Attach, Placeholders []string
		Document             json.RawMessage
	}
	if err := json.Unmarshal([]byte(out), &j); err != nil || j.Attach == nil || !slices.Equal(j.Placeholders, []string{"SESSION_KEY_ID"}) || errs != "" {
		t.Errorf("%v %+v %q", err, j, errs)
	}
}

// TestPermissionsHostileFacts: values of a facts file do not widen a policy.
func TestPermissionsHostileFacts(t *testing.T) {
	t.Parallel()
	f := facts.Facts{Schema: facts.Schema}
	f.IMDS.InstanceID = facts.Known("i-0123456789abcdef0", "imds")
	f.IMDS.Region = facts.Known("eu-west-1\"],\"Action\":[\"*", "imds")
	f.IMDS.Account = facts.Known("*", "imds")
	f.Agent.Output = facts.Known(facts.Output{Buckets: []string{"*"}}, "x")
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	name := file(t, "facts.json", string(b))
	for _, args := range [][]string{{"--minimal", "--feature", "run-command-output-s3,session-kms"}, {"--trust", "hybrid"}} {
		_, out, _ := cli(t, append([]string{"permissions", "--from", name}, args...)...)
		if _, err := iam.ParsePolicy([]byte(out)); err != nil || strings.Contains(out, `\"`) || strings.Contains(out, "::*") || !strings.Contains(out, "ACCOUNT_ID") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

func TestPermissionsTrustTableDiff(t *testing.T) {
	t.Parallel()
	code, out, _ := cli(t, "permissions", "--trust", "hybrid", "--region", "eu-west-1", "--account", "111122223333")
	if code != 0 || !strings.Contains(out, `"arn:aws:ssm:eu-west-1:111122223333:*"`) {
		t.Errorf("exit %d\n%s", code, out)
	}
	_, out, _ = cli(t, "permissions", "--table")
	lines := strings.Split(out, "\n")
	if !strings.HasPrefix(lines[0], "FEATURE ") || !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "domain-join ") && strings.Contains(l, "yes") }) || strings.Contains(out, " \n") {
		t.Errorf("table\n%s", out)
	}
	_, out, _ = cli(t, "permissions", "--table", "-o", "json")
	var rows []struct {
		Feature  string
		Policies map[string]string
	}
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != len(iam.Table()) || rows[0].Policies[iam.Core] != "yes" {
		t.Errorf("table as JSON: %v %+v", err, rows)
	}
	old, core := carried(t, iam.Deprecated), carried(t, iam.Core)
	code, out, _ = cli(t, "permissions", "--diff", old, core)
	if code != exitDegraded || !strings.Contains(out, "lost    domain-join") || !strings.Contains(out, "gained  parameter-store") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if code, out, _ = cli(t, "permissions", "--diff", core, core); code != 0 || out != "no feature and no action changes\n" {
		t.Errorf("no change: exit %d %q", code, out)
	}
}

func TestPermissionsOfAccount(t *testing.T) {
	t.Parallel()
	name := file(t, "details.json", `{"RoleDetailList":[
		{"RoleName":"Node","Arn":"arn:aws:iam::111122223333:role/Node","InstanceProfileList":[{"InstanceProfileName":"Node"}],"AttachedManagedPolicies":[{"PolicyName":"AmazonSSMManagedInstanceCore","PolicyArn":"arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"}]},
		{"RoleName":"Other","Arn":"arn:aws:iam::111122223333:role/Other","AttachedManagedPolicies":[{"PolicyName":"Local","PolicyArn":"arn:aws:iam::111122223333:policy/Local"}]}],"Policies":[]}`)
	code, out, errs := cli(t, "permissions", "--policy", name)
	if code != 0 || !strings.Contains(errs, "role Node") || !strings.Contains(out, "✓ session-manager") {
		t.Errorf("exit %d %s\n%s", code, errs, out)
	}
	code, out, errs = cli(t, "permissions", "--policy", name, "--role", "Other")
	if code != 0 || !strings.Contains(errs, "not in the files: Local") || !strings.Contains(out, "? core") {
		t.Errorf("a missing document: exit %d %s\n%s", code, errs, out)
	}
	if code, _, errs = cli(t, "permissions", "--policy", name, "--role", "Nod"); code != exitUsage || !strings.Contains(errs, "did you mean Node?") {
		t.Errorf("exit %d %s", code, errs)
	}
}

// A file that PowerShell wrote with > is read as any other.
func TestPermissionsUTF16(t *testing.T) {
	t.Parallel()
	const doc = `{"Version":"2012-10-17","Statement":{"Sid":"X\u00e9","Effect":"Allow","Action":["ssm:*","ssmmessages:*"],"Resource":"*"}}`
	little, big := []byte{0xff, 0xfe}, []byte{0xfe, 0xff}
	for _, u := range utf16.Encode([]rune(doc + " \U0001f600")) {
		little, big = binary.LittleEndian.AppendUint16(little, u), binary.BigEndian.AppendUint16(big, u)
	}
	if got := string(utf8Text(little)); got != doc+" \U0001f600" || string(utf8Text(big)) != got {
		t.Errorf("%q", got)
	}
	if got := string(utf8Text(append([]byte{0xff, 0xfe}, 0x3d, 0xd8))); got != "\ufffd" {
		t.Errorf("half a character: %q", got)
	}
	for name, b := range map[string]string{"little": string(little[:len(little)-6]), "big": string(big[:len(big)-6]), "mark": "\xef\xbb\xbf" + doc} {
		if code, out, errs := cli(t, "permissions", "--policy", file(t, name+".json", b)); code != 0 || !strings.Contains(out, "✓ session-manager") {
			t.Errorf("%s: exit %d %s\n%s", name, code, errs, out)
		}
	}
}
