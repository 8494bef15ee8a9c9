//go:build lab

package sim_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/sim"
)

// TestRecordedTreesInLab is TestRecordedTrees with the built program in the lab:
// real names, port 443, a clock that goes on. SSM_DOCTOR_LAB is the lab's folder
// with its accept built, SSM_DOCTOR_BINARY the program. It needs root.
func TestRecordedTreesInLab(t *testing.T) {
	lab, binary := os.Getenv("SSM_DOCTOR_LAB"), os.Getenv("SSM_DOCTOR_BINARY")
	if lab == "" || binary == "" {
		t.Fatal("SSM_DOCTOR_LAB and SSM_DOCTOR_BINARY say where the lab and the program are")
	}
	work := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = lab, append(os.Environ(), "LAB_NAME=recorded", "LAB_STATE="+filepath.Join(work, "state"), "LAB_DISCARD=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	// The agent's package comes from a host that the lab makes itself.
	const donor = "ok-healthy-ec2-node-with-profile"
	run("build/accept", "-convert", donor, "-out", work)
	for _, row := range recordedCauses(t) {
		name, cause, severity := row[0], row[1], row[2]
		t.Run(name, func(t *testing.T) {
			at := filepath.Join(work, name)
			run("cp", "scenarios/"+name+".json", at+".json")
			run("cp", "-a", filepath.Join(work, donor+".box"), at+".box")
			for _, d := range []string{"var/lib/amazon", "var/log/amazon"} {
				if err := os.RemoveAll(filepath.Join(at+".box", d)); err != nil {
					t.Fatal(err)
				}
			}
			files := recordedFiles(t, name, true)
			shift := sinceRecording(files)
			for p, f := range files {
				put(t, at+".box"+p, shift(f.Content), 0o600)
			}
			if strings.HasPrefix(name, "hybrid") {
				put(t, at+".box/etc/machine-id", registeredMachine(t, name)+"\n", 0o644)
			}
			s := surroundings(t, name)
			state, err := json.Marshal(map[string]bool{"worker": s.Agent.Worker})
			if err != nil {
				t.Fatal(err)
			}
			put(t, at+".box/usr/lib/lab/standin.json", string(state), 0o644)
			setup, err := os.ReadFile(filepath.Join(work, donor+".setup"))
			if err != nil {
				t.Fatal(err)
			}
			if !s.Agent.Core {
				setup = regexp.MustCompile(`(?m)^.*setsid .*\n`).ReplaceAll(setup, nil)
			}
			put(t, at+".setup", string(setup), 0o644)

			run("./lab.sh", "up", at+".json")
			defer run("./lab.sh", "down")
			run("./lab.sh", "put", binary, "/usr/local/bin/ssm-doctor")
			var r report.Report
			out := run("./lab.sh", "exec", "--", "sh", "-c", "ssm-doctor check -o json 2>/dev/null; true")
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if id, sev := answer(&r); id != cause || sev != severity {
				t.Errorf("%s (%s), want %s (%s): %s", id, sev, cause, severity, r.Summary)
			}
			for _, w := range []string{"SECRET", "PRIVATE KEY"} {
				if strings.Contains(out, w) {
					t.Errorf("the report holds %q", w)
				}
			}
		})
	}
}

func put(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

var reTime = regexp.MustCompile(`2026-11-22([ T])[0-9]{2}:[0-9]{2}:[0-9]{2}`)

// sinceRecording moves the times of a recording so that its last line was
// written a few seconds ago.
func sinceRecording(files map[string]sim.File) func(string) string {
	parse := func(s string) time.Time {
		at, _ := time.Parse(time.DateTime, strings.Replace(s, "T", " ", 1))
		return at
	}
	var last time.Time
	for _, m := range reTime.FindAllString(files["/var/log/amazon/ssm/amazon-ssm-agent.log"].Content, -1) {
		if at := parse(m); at.After(last) {
			last = at
		}
	}
	by := time.Since(last) - 5*time.Second
	return func(s string) string {
		return reTime.ReplaceAllStringFunc(s, func(m string) string {
			return parse(m).Add(by).UTC().Format("2006-01-02" + m[10:11] + "15:04:05")
		})
	}
}
