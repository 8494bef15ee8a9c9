//go:build awscli

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/agent/outside"
	"ssm-doctor/agent/outside/cloudtest"
)

// place is where ssm-doctor, or a script of it, runs with the real AWS CLI against a cloud.
type place struct {
	dir string
	env []string
}

func placeFor(t *testing.T, c *cloudtest.Cloud) place {
	t.Helper()
	cli, err := cloudtest.FindCLI()
	if err != nil {
		t.Fatalf("no AWS CLI here: %v", err)
	}
	server := httptest.NewServer(c.Handler(cli.Models, t.Errorf))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	env, err := cloudtest.Program(dir, cli.Program, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return place{dir, append(env, "LANG=C.UTF-8", "TMPDIR="+dir)}
}

// doctor runs the program, which is this test under another name.
func (p place) doctor(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(p.dir, "ssm-doctor")
	if err := os.Symlink(self, name); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), name, args...)
	c.Env, c.Dir = p.env, p.dir
	var stderr bytes.Buffer
	c.Stderr = &stderr
	b, err := c.Output()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatal(err)
	}
	t.Logf("%s", stderr.String())
	return string(b), c.ProcessState.ExitCode()
}

// collect asks by the program's own runner; script by the script in a bare shell.
func (p place) collect(t *testing.T, args ...string) *outside.File {
	t.Helper()
	name := filepath.Join(p.dir, "out.json")
	if out, code := p.doctor(t, append([]string{"outside", "--region", cloudtest.Region, "-f", name}, args...)...); code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	return parseOutside(t, name)
}

func (p place) script(t *testing.T, args ...string) *outside.File {
	t.Helper()
	text, code := p.doctor(t, append([]string{"outside", "--region", cloudtest.Region, "--script"}, args...)...)
	if code != 0 {
		t.Fatalf("exit %d", code)
	}
	name := filepath.Join(p.dir, "script.json")
	c := exec.CommandContext(t.Context(), "/bin/sh")
	c.Stdin, c.Dir = strings.NewReader(text), p.dir
	c.Env = p.env
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	if err := os.WriteFile(name, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return parseOutside(t, name)
}

func parseOutside(t *testing.T, name string) *outside.File {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := outside.Parse(b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	return f
}

// answers are those of a file by their calls.
func answers(f *outside.File) map[string]outside.Answer {
	out := map[string]outside.Answer{}
	token := regexp.MustCompile(`--starting-token \S+`)
	for _, a := range f.Answers {
		words := slices.Clone(a.Call)
		for i, w := range words { // in any order
			if before, list, ok := strings.Cut(w, ",Values="); ok {
				words[i] = before + ",Values=" + strings.Join(slices.Sorted(slices.Values(strings.Split(list, ","))), ",")
			}
		}
		out[token.ReplaceAllString(strings.Join(words, " "), "--starting-token T")] = a
	}
	return out
}

// compareFiles holds what the CLI answered against what the cloud says without one.
func compareFiles(t *testing.T, want, got *outside.File) {
	t.Helper()
	w, g := answers(want), answers(got)
	for call, a := range w {
		b, ok := g[call]
		if !ok || a.Error != b.Error || !cloudtest.Same(a.Output, b.Output) {
			t.Errorf("aws %s: asked %v\nwant %s %s\ngot  %s %s", call, ok, a.Error, a.Output, b.Error, b.Output)
		}
	}
	for call := range g {
		if _, ok := w[call]; !ok && !strings.Contains(call, "activation-tier") { // the script always asks for it
			t.Errorf("more was asked: %s", call)
		}
	}
}

// plain is the file of a cloud without a CLI.
func plain(t *testing.T, c *cloudtest.Cloud, target outside.Target) *outside.File {
	t.Helper()
	target.Region = c.Region
	f := outside.Collect(t.Context(), c.Run, target, c.Now, "test")
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if f, err = outside.Parse(b); err != nil {
		t.Fatal(err)
	}
	return f
}

// readOnly holds a journal against the list of calls and the policy that is printed.
func readOnly(t *testing.T, c *cloudtest.Cloud) {
	t.Helper()
	var policy struct{ Statement []struct{ Action []string } }
	if err := json.Unmarshal([]byte(outside.MinimalPolicy()), &policy); err != nil {
		t.Fatal(err)
	}
	journal := c.Journal()
	if len(journal) < 5 {
		t.Errorf("%d calls", len(journal))
	}
	for _, call := range journal {
		_, operation, _ := strings.Cut(call, ":")
		if !regexp.MustCompile(`^(Describe|Get|List)[A-Z]`).MatchString(operation) {
			t.Errorf("%s is not a read", call)
		}
		if call != "sts:GetCallerIdentity" && !slices.Contains(policy.Statement[0].Action, call) {
			t.Errorf("%s is not in the policy that is printed", call)
		}
	}
}

// TestOutsideWithAWSCLI asks with the real AWS CLI, by the program and by its script, in
// clouds that answer whole, by pages, late, in part and not at all; both say what the
// cloud says, and both halves are merged by the program.
func TestOutsideWithAWSCLI(t *testing.T) {
	t.Parallel()
	both := []string{cloudtest.NodeID, cloudtest.HybridID}
	for _, tt := range []struct {
		name   string
		change func(*cloudtest.Cloud)
		args   []string
		target outside.Target
	}{
		{"with the smallest policy", func(c *cloudtest.Cloud) { c.Operator = outside.MinimalPolicy() }, []string{"--instance", strings.Join(both, ",")}, outside.Target{IDs: both}},
		{"by pages", func(c *cloudtest.Cloud) {
			c.PageSize = 1
			c.Roles[cloudtest.RoleName].Inline["more"] = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}}`
		}, []string{"--all"}, outside.Target{All: true}},
		{"throttled", func(c *cloudtest.Cloud) { c.Throttled = 1 }, []string{"--tag", "env=prod"}, outside.Target{Tag: "env=prod"}},
		{"a policy without IAM and Organizations", func(c *cloudtest.Cloud) {
			c.Operator = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:Describe*","ssm:*"],"Resource":"*"}]}`
		}, []string{"--instance", cloudtest.NodeID}, outside.Target{IDs: both[:1]}},
		{"a member of an organization, whose policies are not shown", func(c *cloudtest.Cloud) { c.Organization.Outside = true }, []string{"--instance", cloudtest.NodeID}, outside.Target{IDs: both[:1]}},
		{"no organization, nothing there", func(c *cloudtest.Cloud) {
			c.Organization, c.Instances, c.Nodes = nil, nil, nil
		}, []string{"--instance", cloudtest.NodeID}, outside.Target{IDs: both[:1]}},
		{"a profile and a role that are gone, a boundary", func(c *cloudtest.Cloud) {
			const boundary = "arn:aws:iam::111122223333:policy/team/edge"
			c.Profiles["gone"], c.Policies[boundary] = nil, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"*"}]}`
			delete(c.Profiles, "gone")
			r := c.Roles[cloudtest.RoleName]
			r.Boundary = boundary
			c.Roles[cloudtest.RoleName] = r
			c.Instances = append(c.Instances, cloudtest.Instance{ID: "i-0123456789abcdef1", VPC: cloudtest.VPC, Subnet: cloudtest.Subnet, Address: "10.0.1.6", Profile: "gone", Groups: []string{cloudtest.OwnGroup}})
			c.Settings = map[string]string{"default-ec2-instance-management-role": "service-role/Missing"}
		}, []string{"--all"}, outside.Target{All: true}},
	} {
		if testing.Short() && tt.name != "with the smallest policy" && tt.name != "a policy without IAM and Organizations" {
			continue // the CLI takes a second for each call
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			world := func() *cloudtest.Cloud { c := cloudtest.Sound(); tt.change(c); return c }
			want := plain(t, world(), tt.target)
			for way, ask := range map[string]func(place) *outside.File{
				"program": func(p place) *outside.File { return p.collect(t, tt.args...) },
				"script":  func(p place) *outside.File { return p.script(t, tt.args...) },
			} {
				c := world()
				p := placeFor(t, c)
				got := ask(p)
				readOnly(t, c)
				w := want
				if way == "script" {
					w = asScript(t, want)
				}
				compareFiles(t, w, got)
				if t.Failed() {
					t.Fatalf("by the %s", way)
				}
			}
		})
	}
}

// asScript is a file with the calls that the script words in another way: portions are
// one call there, and groups are asked for one by one.
func asScript(t *testing.T, f *outside.File) *outside.File {
	t.Helper()
	out := *f
	out.Answers = nil
	for _, a := range f.Answers {
		if a.Call[1] == "describe-security-groups" && a.Error == "" {
			var all struct{ SecurityGroups []map[string]any }
			if err := json.Unmarshal(a.Output, &all); err != nil {
				t.Fatal(err)
			}
			for _, g := range all.SecurityGroups {
				b, _ := json.Marshal(map[string]any{"SecurityGroups": []any{g}})
				out.Answers = append(out.Answers, outside.Answer{Call: []string{"ec2", "describe-security-groups", "--filters", fmt.Sprint("Name=group-id,Values=", g["GroupId"])}, Output: b})
			}
			continue
		}
		a.Call = slices.Clone(a.Call)
		for i, w := range a.Call {
			if w == "200" && a.Call[i-1] == "--max-items" {
				a.Call[i] = "1000"
			}
		}
		out.Answers = append(out.Answers, a)
	}
	return &out
}
