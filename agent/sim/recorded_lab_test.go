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

// box is one closed host of the lab. SSM_DOCTOR_LAB is the lab's folder with its
// accept built, SSM_DOCTOR_BINARY the program. It needs root.
type box struct {
	lab, binary, work, name string
}

func newBox(t *testing.T, name string) *box {
	t.Helper()
	b := &box{os.Getenv("SSM_DOCTOR_LAB"), os.Getenv("SSM_DOCTOR_BINARY"), t.TempDir(), name}
	if b.lab == "" || b.binary == "" {
		t.Fatal("SSM_DOCTOR_LAB and SSM_DOCTOR_BINARY say where the lab and the program are")
	}
	// The agent's package comes from a host that the lab makes itself.
	b.run(t, "build/accept", "-convert", donor, "-out", b.work)
	return b
}

const donor = "ok-healthy-ec2-node-with-profile"

// run runs a command in the lab's folder and returns what it prints.
func (b *box) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = b.lab, append(os.Environ(), "LAB_NAME="+b.name, "LAB_STATE="+filepath.Join(b.work, "state"), "LAB_DISCARD=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// doctor runs the program inside, whatever it exits with, and reads its report.
func (b *box) doctor(t *testing.T, args string) (r report.Report, text string) {
	t.Helper()
	text = b.run(t, "./lab.sh", "exec", "--", "sh", "-c", "ssm-doctor "+args+" -o json 2>/dev/null; true")
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return r, text
}

// up brings the host of a recorded tree up until the test ends. edit changes the
// lab's scenario.
func (b *box) up(t *testing.T, name string, edit func(scenario map[string]any)) {
	t.Helper()
	at := filepath.Join(b.work, name)
	raw, err := os.ReadFile(filepath.Join(b.lab, "scenarios", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var scenario map[string]any
	if err := json.Unmarshal(raw, &scenario); err != nil {
		t.Fatal(err)
	}
	files := recordedFiles(t, name, true)
	if edit != nil {
		edit(scenario)
	}
	shareKeys(t, scenario, files)
	if raw, err = json.Marshal(scenario); err != nil {
		t.Fatal(err)
	}
	put(t, at+".json", string(raw), 0o644)
	if err := os.RemoveAll(at + ".box"); err != nil {
		t.Fatal(err)
	}
	b.run(t, "cp", "-a", filepath.Join(b.work, donor+".box"), at+".box")
	for _, d := range []string{"var/lib/amazon", "var/log/amazon"} {
		if err := os.RemoveAll(filepath.Join(at+".box", d)); err != nil {
			t.Fatal(err)
		}
	}
	shift := sinceRecording(files)
	for p, f := range files {
		put(t, at+".box"+p, shift(f.Content), 0o600)
	}
	if strings.HasPrefix(name, "hybrid") {
		put(t, at+".box/etc/machine-id", registeredMachine(t, filepath.Join(recorded, name))+"\n", 0o644)
	}
	agent := surroundings(t, name).Agent
	state, err := json.Marshal(map[string]bool{"worker": agent.Worker})
	if err != nil {
		t.Fatal(err)
	}
	put(t, at+".box/usr/lib/lab/standin.json", string(state), 0o644)
	setup, err := os.ReadFile(filepath.Join(b.work, donor+".setup"))
	if err != nil {
		t.Fatal(err)
	}
	if !agent.Core {
		setup = regexp.MustCompile(`(?m)^.*setsid .*\n`).ReplaceAll(setup, nil)
	}
	put(t, at+".setup", string(setup), 0o644)
	b.run(t, "./lab.sh", "up", at+".json")
	t.Cleanup(func() { b.run(t, "./lab.sh", "down") })
	b.run(t, "./lab.sh", "put", b.binary, "/usr/local/bin/ssm-doctor")
}

// shareKeys lets the lab know the keys in the recorded file that the agent shares.
func shareKeys(t *testing.T, scenario map[string]any, files map[string]sim.File) {
	t.Helper()
	for file, of := range map[string][2]string{
		"/var/lib/amazon/ssm/credentials": {"dhmc", "AmazonSSMManagedEC2InstanceDefaultPolicy"},
		"/root/.aws/credentials":          {"hybrid", "AmazonSSMManagedInstanceCore"},
	} {
		keys := regexp.MustCompile(`(?m)^aws_(access_key_id|secret_access_key|session_token) *= *(\S+)`).FindAllStringSubmatch(files[file].Content, -1)
		if len(keys) == 0 {
			continue
		}
		if len(keys) != 3 {
			t.Fatalf("%d keys in %s", len(keys), file)
		}
		principals, _ := scenario["principals"].(map[string]any)
		if principals == nil {
			principals = map[string]any{}
			scenario["principals"] = principals
		}
		p, _ := principals[of[0]].(map[string]any)
		if p == nil {
			p = map[string]any{"kind": of[0], "policies": []any{of[1]}}
			principals[of[0]] = p
		}
		for _, k := range keys {
			p[strings.TrimPrefix(k[1], "aws_")] = k[2]
		}
	}
}

// request is one line of the lab's journal.
type request struct {
	Service, Method, Path, Action, Verdict string
	AccessKey                              string `json:"access_key"`
}

func (b *box) journal(t *testing.T) []request {
	t.Helper()
	var out []request
	dec := json.NewDecoder(strings.NewReader(b.run(t, "./lab.sh", "journal")))
	for dec.More() {
		var r request
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// TestRecordedTreesInLab is TestRecordedTrees with the built program in the lab:
// real names, port 443, a clock that goes on.
func TestRecordedTreesInLab(t *testing.T) {
	b := newBox(t, "recorded")
	for _, row := range recordedCauses(t) {
		name, cause, severity := row[0], row[1], row[2]
		t.Run(name, func(t *testing.T) {
			b.up(t, name, nil)
			r, text := b.doctor(t, "check")
			if id, sev := answer(&r); id != cause || sev != severity {
				t.Errorf("%s (%s), want %s (%s): %s", id, sev, cause, severity, r.Summary)
			}
			for _, w := range []string{"PRIVATE KEY", "lab/", "LabSessionToken"} {
				if strings.Contains(text, w) {
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
