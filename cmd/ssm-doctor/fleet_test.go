//go:build !race

// The race detector makes this slow, and it is about text.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/fleet"
	"ssm-doctor/agent/outside/cloudtest"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

// fleetOf300 are the demos of the 300 hosts, and the cause of each.
var fleetOf300 = []struct{ demo, cause string }{
	{"no-credential-source", "no-credential-source"}, {"agent-not-installed", "agent-not-installed"}, {"agent-stopped", "agent-service-stopped"}, {"imds-disabled", "imds-disabled"},
	{"clock-skew", "clock-skew"}, {"tls-interceptor", "tls-untrusted-ca"}, {"proxy-refuses", "proxy-refuses"}, {"dns-failure", "dns-resolution-failed"},
	{"no-egress", "network-no-egress"}, {"endpoint-missing", "vpce-service-missing"}, {"scp-deny", "iam-explicit-deny"}, {"role-without-policy", "iam-missing-registration-action"},
}

// TestThreeHundredHosts walks the page "300 hosts say not managed": 300 simulated hosts
// of 3 accounts with 12 causes, one that sends a console line only, one without a report.
func TestThreeHundredHosts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	reports := filepath.Join(dir, "reports")
	if err := os.Mkdir(reports, 0o700); err != nil {
		t.Fatal(err)
	}
	each := 25
	if testing.Short() {
		each = 3
	}
	total := each * len(fleetOf300)
	var ids []string
	var wg sync.WaitGroup
	limit := make(chan struct{}, 4)
	for i := range total {
		id := fmt.Sprintf("i-%017x", i+1)
		ids = append(ids, id)
		wg.Add(1)
		limit <- struct{}{}
		go func() {
			defer func() { <-limit; wg.Done() }()
			s, err := sim.Play(fleetOf300[i%len(fleetOf300)].demo)
			if err != nil {
				t.Error(err)
				return
			}
			s.Instance, s.Account = id, accountOf(i)
			h, err := sim.Start(s)
			if err != nil {
				t.Error(err)
				return
			}
			defer h.Close()
			r, f := engine.Run(t.Context(), h.Env(), engine.Options{})
			var write func(w *strings.Builder) error
			name := id + ".json"
			switch { // mixed, as people have them
			case i == 0:
				write = func(w *strings.Builder) error {
					if err := report.Write(w, "verdict", r, report.Style{}); err != nil {
						return err
					}
					out, err := json.Marshal(map[string]string{"InstanceId": id, "Output": "[    0.000000] Linux\n" + w.String() + "[   12.000000] login:"})
					w.Reset()
					w.Write(out)
					return err
				}
			case i%5 == 1:
				write = func(w *strings.Builder) error { return report.WriteJSON(w, report.StripFacts(f), "") }
			default:
				write = func(w *strings.Builder) error {
					return report.Write(w, []string{"json", "jsonl"}[i%2], r, report.Style{})
				}
			}
			var b strings.Builder
			if err := write(&b); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(filepath.Join(reports, name), []byte(b.String()), 0o600); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	lost := "i-0fffffffffffffff0"
	hosts := filepath.Join(dir, "hosts.txt")
	if err := os.WriteFile(hosts, []byte(strings.Join(append(ids, lost), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	monday := filepath.Join(dir, "monday.json")
	code, _, errs := cli(t, "summary", reports, "--hosts", hosts, "--no-redact", "-o", "json", "-f", monday)
	if code != exitNotManaged || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	b, err := os.ReadFile(monday)
	if err != nil {
		t.Fatal(err)
	}
	s, err := fleet.ParseSummary(b)
	if err != nil {
		t.Fatal(err)
	}
	if s.Hosts != total || s.Unreadable != 0 || !slices.Equal(s.Missing, []string{lost}) {
		t.Errorf("%d hosts, %d unreadable %+v, missing %q", s.Hosts, s.Unreadable, s.Unread, s.Missing)
	}
	got := map[string]int{}
	for _, g := range s.Causes {
		got[g.ID] = g.Hosts
		if g.Owner == "" && g.ID != "" {
			t.Errorf("nobody mends %s", g.ID)
		}
	}
	for _, c := range fleetOf300 {
		if got[c.cause] != each {
			t.Errorf("%s: %d hosts, want %d", c.cause, got[c.cause], each)
		}
	}
	if len(got) != len(fleetOf300) {
		t.Errorf("causes: %v", got)
	}
	accounts := map[string]bool{}
	for _, l := range s.List {
		accounts[l.Account] = true
	}
	if len(accounts) < 3 {
		t.Errorf("accounts: %v", accounts)
	}
	for _, c := range s.Clusters {
		if len(c.Fix) == 0 && c.Hosts > 1 {
			t.Errorf("no remedy for %s", c.Cause)
		}
	}
	for _, format := range fleet.Formats {
		if code, out, errs := cli(t, "summary", reports, "-o", format, "--since", monday); code != exitNotManaged || len(out) < 500 || errs != "" {
			t.Errorf("%s: exit %d, %d bytes, %s", format, code, len(out), errs)
		}
	}
	if runtime.GOOS != "windows" { // its commands are for a shell
		walkPage(t, reports, ids, lost)
	}
}

// accountOf is the account of the nth host.
func accountOf(n int) string { return fmt.Sprintf("%d%011d", n%3+1, 1) }

// factsHost is a host that left facts, is of the first account, and whose cause lies outside.
const factsHost = 21

// cloudsOf are the three accounts of the hosts, each with the instances of its own. In the
// last one is an instance that never sent a report.
func cloudsOf(ids []string, lost string) (out []*cloudtest.Cloud) {
	for account := range 3 {
		c := cloudtest.Sound()
		c.Account, c.Organization = accountOf(account), nil
		like := c.Instances[0]
		c.Instances, c.Nodes = nil, nil
		add := func(id string) { like.ID = id; c.Instances = append(c.Instances, like) }
		for n, id := range ids {
			if n%3 == account {
				add(id)
			}
		}
		if account == 2 {
			add(lost)
		}
		c.Endpoints = c.Endpoints[:1] // none for ssmmessages
		out = append(out, c)
	}
	return out
}

// walkPage runs the commands of the page one after another, as they stand there, with
// the names of this fleet in place of those in capitals.
func walkPage(t *testing.T, reports string, ids []string, lost string) {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bin")
	write := func(name string, text []byte, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), text, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{os.Mkdir(bin, 0o700), os.Symlink(self, filepath.Join(bin, "ssm-doctor")), os.Symlink(self, filepath.Join(bin, "played-aws")), os.Symlink(filepath.Join(root, "packaging"), filepath.Join(dir, "packaging"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	write("bin/aws", []byte("#!/bin/sh\nexec played-aws \"$@\"\n"), 0o700)
	for n, c := range cloudsOf(ids, lost) {
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		write(fmt.Sprintf("cloud-%d.json", n), b, 0o600)
	}
	run := func(cloud int, command string) (string, int) {
		c := exec.CommandContext(t.Context(), "/bin/sh", "-c", command)
		c.Dir = dir
		c.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "TMPDIR=" + dir, "LANG=C.UTF-8", "HOME=" + dir, fmt.Sprintf("PLAYED_CLOUD=%s/cloud-%d.json", dir, cloud), "PLAYED_BUCKET=" + reports}
		out, err := c.CombinedOutput()
		if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
			t.Fatal(err)
		}
		return string(out), c.ProcessState.ExitCode()
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	total := fmt.Sprint(len(ids))
	// want is, by the start of a command, its exit code and what it has to say.
	want := []struct {
		command string
		exit    int
		check   func(out string) bool
	}{
		{"packaging/fleet/inventory/unmanaged.sh", 0, func(string) bool {
			all := read("hosts.txt")
			for n := 1; n < 3; n++ { // the other accounts, as the page says
				out, _ := run(n, "packaging/fleet/inventory/unmanaged.sh eu-central-1")
				all += out
			}
			write("hosts.txt", []byte(all), 0o600)
			return strings.Count(all, "\n") == len(ids)+1
		}},
		{"aws s3 sync", 0, func(string) bool { return len(read("reports/"+ids[1]+".json")) > 0 }},
		{"ssm-doctor summary reports --hosts", exitNotManaged, func(out string) bool {
			for _, c := range fleetOf300 {
				if !strings.Contains(out, c.cause) {
					return false
				}
			}
			return strings.Contains(out, total+" hosts") && strings.Contains(out, lost)
		}},
		{"ssm-doctor outside --region eu-central-1 --from reports -f", 0, func(out string) bool {
			return strings.Contains(out, "calls were answered") && strings.Contains(read("outside-"+accountOf(0)+".json"), ids[factsHost])
		}},
		{"ssm-doctor outside --region eu-central-1 --from reports --script", 0, func(string) bool { return strings.Contains(read("outside.sh"), ids[len(ids)-1]) }},
		{"ssm-doctor outside --policy", 0, func(out string) bool { return strings.Contains(out, "ec2:DescribeInstances") }},
		{"ssm-doctor check --from facts.json --outside", 0, func(out string) bool {
			return strings.Contains(out, "vpce-service-missing, proven") && strings.Contains(out, cloudtest.VPC)
		}},
		{"aws iam get-account-authorization-details", 0, func(string) bool { return strings.Contains(read("account.json"), "RoleDetailList") }},
		{"ssm-doctor permissions --policy account.json --all -o csv", 0, func(out string) bool { return strings.Contains(out, cloudtest.RoleName) }},
		{"ssm-doctor summary reports -o json -f monday.json", exitNotManaged, func(string) bool { return strings.Contains(read("monday.json"), "vpce-service-missing") }},
		{"ssm-doctor summary reports -o json -f tuesday.json --since monday.json", exitNotManaged, func(string) bool { return strings.Contains(read("tuesday.json"), "vpce-service-missing") }},
		{"ssm-doctor summary reports --since monday.json", exitNotManaged, func(out string) bool { return strings.Contains(out, "mended") }},
	}
	page, err := os.ReadFile(filepath.Join(root, "packaging", "docs", "three-hundred-hosts.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer("REGION", "eu-central-1", "BUCKET", "bucket", "ACCOUNT", accountOf(0))
	b, err := os.ReadFile(filepath.Join(reports, ids[factsHost]+".json"))
	if err != nil {
		t.Fatal(err)
	}
	write("facts.json", b, 0o600)
	next := 0
	for block := range strings.SplitSeq(string(page), "```sh\n") {
		text, _, code := strings.Cut(block, "```")
		if !code || next == 0 && !strings.HasPrefix(text, "packaging/") {
			continue
		}
		for line := range strings.Lines(text) {
			command := names.Replace(strings.TrimSpace(line))
			if next >= len(want) || !strings.HasPrefix(command, want[next].command) {
				t.Fatalf("no test of this command: %s", command)
			}
			if strings.Contains(command, "tuesday") { // a cause was mended overnight
				for n, id := range ids {
					if fleetOf300[n%len(fleetOf300)].cause == "agent-service-stopped" {
						write("reports/"+id+".json", fmt.Appendf(nil, `{"schema":"ssm-doctor/report/v1","generated_at":%q,"state":"managed","node":{"id":%q,"kind":"ec2","region":"eu-central-1"},"root_cause":null}`, time.Now().UTC().Format(time.RFC3339), id), 0o600)
					}
				}
			}
			out, exit := run(0, command)
			if w := want[next]; exit != w.exit || !w.check(out) {
				t.Errorf("%s\nexit %d, want %d\n%.3000s", command, exit, w.exit, out)
			}
			next++
		}
	}
	if next != len(want) {
		t.Errorf("%d of %d commands are on the page", next, len(want))
	}
}
